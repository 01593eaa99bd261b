"""Forged bounces: what somebody without our key, or with an address of an earlier sending, could make."""

import hmac
import random
from base64 import b32encode
from datetime import timedelta

from django.conf import settings

from outbox.bounces import address_for
from protests.models import Delivery
from tests.outbox import returned

STYLES = (returned.dsn, returned.qmail, returned.exim, returned.exchange, returned.postfix_of_old)


def forgeries(count: int) -> list[tuple[str, bytes]]:
    """Return so many recipients and messages, of every kind and in every style in turn."""
    chance = random.Random(count)  # noqa: S311 - no secret
    mails = list(Delivery.objects.all())
    made = []
    for number in range(count):
        addresses = _addresses(chance, *chance.sample(mails, 2))
        to = addresses[number % len(addresses)]
        made.append((to, STYLES[number // len(addresses) % len(STYLES)](to)))
    return made


def _addresses(chance: random.Random, mail: Delivery, other: Delivery) -> list[str]:
    earlier = Delivery(pk=mail.pk, queued_at=mail.queued_at - timedelta(days=chance.randrange(1, 400)))
    queue, pk, queued, tag = _parts(mail)
    beside = tag[:-1] + ("b" if tag[-1] == "a" else "a")
    guessed_key = hmac.digest(b"guessed", f"{queue}\0{mail.pk}".encode(), "sha256")[:10]
    forged = [
        (queue, pk, queued, _letters(chance.randbytes(10))),  # a guessed tag
        (queue, pk, queued, _letters(guessed_key)),
        (queue, pk, queued, beside),
        (queue, pk, queued, tag[:8]),
        (queue, pk, queued, _parts(other)[3]),  # the tag of another letter
        ("confirmationmail", pk, queued, tag),  # of another queue
        (queue, pk, _parts(earlier)[2], tag),  # of another age
    ]
    return [
        *(f"bounce+{'-'.join(parts)}@{settings.BOUNCE_DOMAIN}" for parts in forged),
        settings.MAIL_FROM,
        "embassy@example.org",
        address_for(earlier),  # rightly tagged, of an earlier sending of the same letter
    ]


def _parts(mail: Delivery) -> tuple[str, str, str, str]:
    queue, pk, queued, tag = address_for(mail).partition("@")[0].removeprefix("bounce+").split("-")
    return queue, pk, queued, tag


def _letters(random_bytes: bytes) -> str:
    return b32encode(random_bytes).decode().lower()
