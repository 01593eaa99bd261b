"""The letters as they go, and the mails that protests sends."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from campaign.countries import country_name
from campaign.models import Campaign
from outbox.messages import PlainText, Withdrawn, composes, one_line, plain_text, render_text
from protests.addressing import recipients
from protests.models import (
    CONFIRM_WITHIN,
    ConfirmationMail,
    Delivery,
    LetterText,
    Signature,
    SuspensionNotice,
    Target,
)
from protests.wording import fill, vary


@dataclass(frozen=True)
class Paper:
    """A letter to one target, exactly as it goes."""

    target: Target
    from_name: str
    from_address: str
    reply_to: str
    subject: str
    body: str


def render(text: LetterText, target: Target, values: Mapping[str, str]) -> tuple[str, str]:
    """Return subject and body of the letter to `target`; `values` are what the supporter fills in."""
    salutation = target.safe_translation_getter("salutation", language_code=text.language, any_language=True)
    with override(text.language):
        country = country_name(values["country"])
    # From what is in the letter, so that it is the same wherever the letter is shown or sent; another for each target.
    seed = "\0".join((target.slug, *(values[name] for name in sorted(values))))
    subject = one_line(fill(vary(text.subject, seed), {"country": country}))
    return subject, fill(vary(text.body, seed), {**values, "country": country, "target": salutation})


def paper(signature: Signature, target: Target) -> Paper:
    """Return the letter of `signature`, which need not be saved, to `target`."""
    values = {
        "name": signature.name,
        "country": signature.country,
        "organisation": signature.organisation,
        "own_words": signature.own_words,
    }
    subject, body = render(signature.text, target, values)
    return Paper(
        target=target,
        from_name=one_line(signature.name),
        from_address=settings.MAIL_FROM,
        reply_to=signature.letter.reply_to or settings.MAIL_REPLY_TO,
        subject=subject,
        body=body,
    )


def papers(signature: Signature, targets: Iterable[Target]) -> list[Paper]:
    return [paper(signature, target) for target in targets]


@composes(Delivery)
def letter(mail: Delivery) -> PlainText:
    """
    Compose a supporter's letter to a target. The supporter's own address is nowhere in it.

    Raises Withdrawn for a letter that a worker held when its signer withdrew it, or whose signer has been forgotten.
    """
    if mail.signature.withdrawn_at is not None:
        raise Withdrawn("Withdrawn by the signer.")
    if not mail.signature.name:
        raise Withdrawn("The signer's data is past its date and has been deleted.")
    sheet = paper(mail.signature, mail.target)
    return plain_text(
        to=mail.target.email,
        to_name=mail.target.name,
        subject=sheet.subject,
        body=sheet.body,
        message_id=mail.message_id,
        from_name=sheet.from_name,
        reply_to=sheet.reply_to,
    )


@composes(ConfirmationMail)
def confirmation(mail: ConfirmationMail) -> PlainText:
    """
    Compose the mail that asks a signer to confirm, or shows one who has signed the way to the receipt.

    It holds nothing that was typed into the form: anybody can type anybody's address there. Raises Withdrawn where
    the address has been deleted since.
    """
    signature = mail.signature
    address = signature.email or mail.email
    if not address:
        raise Withdrawn("The signer's data has been deleted.")
    signed = signature.confirmed_at is not None and signature.withdrawn_at is None
    with override(signature.locale):
        signature.letter.set_current_language(signature.locale)
        page = "protests:receipt" if signed else "protests:confirm"
        campaign = Campaign.objects.prefetch_related("translations").first()
        context = {
            "campaign": campaign,
            "letter": signature.letter,
            "targets": recipients(signature.letter, signature.country),
            "link": settings.BASE_URL + reverse(page, args=[mail.token]),
            "days": CONFIRM_WITHIN.days,
            "withdrawn": signature.withdrawn_at is not None,
        }
        name = "already_signed" if signed else "confirm"
        message = plain_text(
            to=address,
            subject=render_text(f"protests/emails/{name}_subject.txt", context),
            body=render_text(f"protests/emails/{name}.txt", context),
            message_id=mail.message_id,
            from_name=str(campaign or _("Solidarity")),
        )
    # RFC 3834: an absent signer's auto-responder stays silent.
    message["Auto-Submitted"] = "auto-generated"
    return message


@composes(SuspensionNotice)
def suspended(mail: SuspensionNotice) -> PlainText:
    """Compose the mail to the organisers, at the campaign's contact address, else where answers to its mails go."""
    with override(settings.LANGUAGE_CODE):
        campaign = Campaign.objects.prefetch_related("translations").first()
        context = {
            "campaign": campaign,
            "target": mail.target,
            "email": mail.email,
            "because": mail.because,
            "link": settings.BASE_URL + reverse("admin:protests_target_change", args=[mail.target_id]),
        }
        message = plain_text(
            to=(campaign.contact_email if campaign else "") or settings.MAIL_REPLY_TO,
            subject=render_text("protests/emails/suspended_subject.txt", context),
            body=render_text("protests/emails/suspended.txt", context),
            message_id=mail.message_id,
            from_name=str(campaign or _("Solidarity")),
        )
    message["Auto-Submitted"] = "auto-generated"
    return message
