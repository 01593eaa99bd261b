"""The people of the crowd: what their browsers send, and what they type; and those who have signed before."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from outbox.models import State
from privacy.addresses import address_tag, mailbox_tag
from privacy.tags import new_token, tag
from protests import consent, signing
from protests.addressing import recipients
from protests.emails import papers
from protests.models import CONFIRM_WITHIN, ConfirmationMail, Letter, Signature

COUNTRY = "DE"
WORDS = "I have worked as a fitter for thirty years and was on strike myself once. Nobody went to prison for it."
# What is found only on the page that says "Look in your mailbox": one that is held, or asked for proof, did not sign.
MAILED = b"Nothing is sent and nothing is counted before you press the button there."


def headers(number: int = 0) -> dict[str, str]:
    """Return what the proxy in front, and a browser, send with a form; each number is a network of its own."""
    origin = urlsplit(settings.BASE_URL)
    return {
        "Host": origin.netloc,
        "Origin": settings.BASE_URL,
        "X-Forwarded-Proto": origin.scheme,
        "X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        "Accept-Encoding": "gzip",
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    }


def form(number: int, stamped: str, email: str = "") -> dict[str, str]:
    """Return what a person types; each number is a person of their own, a few of them with one mail provider."""
    return {
        "name": f"Nora Berg {number}",
        "email": email or f"nora.berg.{number}@mail-{number // 20}.example.org",
        "country": COUNTRY,
        "own_words": WORDS,
        "organisation": "",
        "display": "public",
        "consent_letter": "on",
        "stamp": stamped,
    }


def confirmable(letter: Letter, numbers: range) -> list[tuple[str, str]]:
    """
    Write unconfirmed signatures of people with these numbers, as if they had had their mails.

    Return the secret in each link, and the fingerprint that the form behind it carries.
    """
    signatures, now = written(letter, numbers), timezone.now()
    tokens = [new_token() for _ in signatures]
    ConfirmationMail.objects.bulk_create(
        [
            ConfirmationMail(
                signature=signature,
                token_hash=tag("token", token),
                recipient_tag=mailbox_tag(signature.email),
                expires_at=now + CONFIRM_WITHIN,
                state=State.CANCELLED,
                settled_at=now,
            )
            for signature, token in zip(signatures, tokens, strict=True)
        ],
        batch_size=1000,
    )
    targets = recipients(letter, COUNTRY)
    seen = [signing.fingerprint(signature, papers(signature, targets)) for signature in signatures]
    return list(zip(tokens, seen, strict=True))


def written(letter: Letter, numbers: range, **more: Any) -> list[Signature]:
    """Return signatures of so many people, saved."""
    text, now = signing.words_now(letter, "en"), timezone.now()
    return Signature.objects.bulk_create(
        [
            Signature(
                letter=letter,
                text=text,
                email=(email := f"nora.berg.{number}@history.example.org"),
                email_tag=address_tag(email),
                name=f"Nora Berg {number}",
                own_words=WORDS,
                country=COUNTRY,
                display="public",
                locale="en",
                consent_version=consent.CURRENT,
                consented_at=now,
                **more,
            )
            for number in numbers
        ],
        batch_size=1000,
    )
