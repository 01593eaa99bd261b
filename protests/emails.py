"""The letters as they go, and the mails that protests sends."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from campaign.countries import country_name
from campaign.models import Campaign
from outbox.messages import PlainText, Withdrawn, composes, one_line, plain_text, render_text
from outbox.models import State
from protests import proving
from protests.addressing import known_recipients
from protests.forecasting import forecast
from protests.models import (
    CONFIRM_WITHIN,
    ConfirmationMail,
    Delivery,
    Digest,
    Letter,
    LetterText,
    Signature,
    SuspensionNotice,
    Target,
)
from protests.reporting import Report, Trouble, report
from protests.wording import PLACES, fill, vary


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
    country = country_name(values["country"], text.language)
    return _filled(text, target, _seed(target, values), {**values, "country": country})


def sample(signature: Signature, target: Target) -> tuple[str, str]:
    """Return subject and body of a letter as it went, with words in brackets in place of all that is its signer's."""
    with override(signature.text.language):
        places = {name: f"[{words}]" for name, words in PLACES.items()}
    return _filled(signature.text, target, _seed(target, _values(signature)), places)


def with_places(letter: Letter, text: LetterText, targets: Iterable[Target]) -> list[Paper]:
    """Return letters in which words in brackets stand in place of the name and the country."""
    signature = Signature(letter=letter, text=text)
    with override(text.language):
        places = {name: f"[{words}]" if name in {"name", "country"} else "" for name, words in PLACES.items()}
    found = []
    for target in targets:
        subject, body = _filled(text, target, _seed(target, places), places)
        found.append(_paper(signature, target, places["name"], subject, body))
    return found


def _filled(text: LetterText, target: Target, seed: str, values: Mapping[str, str]) -> tuple[str, str]:
    salutation = target.safe_translation_getter("salutation", language_code=text.language, any_language=True)
    subject = one_line(fill(vary(text.subject, seed), {"country": values["country"]}))
    return subject, fill(vary(text.body, seed), {**values, "target": salutation})


def _seed(target: Target, values: Mapping[str, str]) -> str:
    """Return what chooses the wording: what is in the letter, so that it is the same wherever the letter is shown."""
    return "\0".join((target.slug, *(values[name] for name in sorted(values))))


def _values(signature: Signature) -> dict[str, str]:
    return {
        "name": signature.name,
        "country": signature.country,
        "organisation": signature.organisation,
        "own_words": signature.own_words,
    }


def paper(signature: Signature, target: Target) -> Paper:
    """Return the letter of `signature`, which need not be saved, to `target`."""
    return _paper(signature, target, signature.name, *render(signature.text, target, _values(signature)))


def _paper(signature: Signature, target: Target, name: str, subject: str, body: str) -> Paper:
    return Paper(
        target=target,
        from_name=one_line(name),
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
    the address has been deleted since, and where the bad news is none any more.
    """
    signature = mail.signature
    address = signature.email or mail.email
    if not address:
        raise Withdrawn("The signer's data has been deleted.")
    signed = signature.confirmed_at is not None and signature.withdrawn_at is None
    unsent = signature.deliveries.unsent() if mail.bad_news else Delivery.objects.none()
    if mail.bad_news and not (signed and unsent.exists()):
        raise Withdrawn("There is no bad news any more: withdrawn by the signer, or sent again.")
    with override(signature.locale):
        signature.letter.set_current_language(signature.locale)
        page = "protests:receipt" if signed else "protests:confirm"
        campaign = Campaign.objects.prefetch_related("translations").first()
        context = {
            "campaign": campaign,
            "letter": signature.letter,
            "targets": known_recipients(signature.letter, signature.country),
            "link": settings.BASE_URL + reverse(page, args=[mail.token]),
            "days": CONFIRM_WITHIN.days,
            "my_data": settings.BASE_URL + reverse("campaign:my_data"),
            "withdrawn": signature.withdrawn_at is not None,
            "unsent": unsent.select_related("target").order_by("target__name"),
        }
        name = "unsent" if mail.bad_news else "already_signed" if signed else "confirm"
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
    """Compose the mail about a target's suspended address."""
    link = settings.BASE_URL + reverse("admin:protests_target_change", args=[mail.target_id])
    context = {"target": mail.target, "email": mail.email, "because": mail.because, "link": link}
    with override(settings.LANGUAGE_CODE):
        return _to_organisers("suspended", mail.message_id, context)


@composes(Digest)
def digest(mail: Digest) -> PlainText:
    """Compose the organisers' mail of a day. Raises Withdrawn where there is nothing to tell."""
    with override(settings.LANGUAGE_CODE):
        told = report(mail.since, mail.until)
        if told.is_empty:
            raise Withdrawn("There was nothing to tell.")
        context = {
            "since": mail.since,
            "until": mail.until,
            "now": timezone.now(),
            "report": told,
            # With what is held back, and why: a pause that everybody has forgotten is told every day.
            "outlook": list(forecast().sentences()) if told.waiting or told.put_off else [],
            "waiting_link": _deliveries(State.QUEUED),
            "troubles": _troubles(told),
            "in_doubt_link": _deliveries(State.IN_DOUBT),
            "suspended_link": f"{settings.BASE_URL}{reverse('admin:protests_target_changelist')}?suspended=yes",
            "log_head": proving.newest_head(),
            "log_link": settings.BASE_URL + reverse("protests:log"),
            "samples": [(it.target, *sample(it.signature, it.target)) for it in told.samples],
        }
        return _to_organisers("digest", mail.message_id, context)


def _troubles(told: Report) -> list[tuple[str, list[tuple[Trouble, str]]]]:
    """Return what went wrong, kind by kind, each target with the address of its list in the admin."""
    kinds = [
        (_("Put off by the addressee's server, tried again by itself"), State.DEFERRED, told.put_off),
        (_("Refused by the addressee's server"), State.BOUNCED, told.refused),
        (_("Could not be sent"), State.FAILED, told.failed),
    ]
    return [
        (heading, [(trouble, _deliveries(state, trouble.target)) for trouble in troubles])
        for heading, state, troubles in kinds
        if troubles
    ]


def _deliveries(state: State, target: Target | None = None) -> str:
    """Return the address of the list of letters in this state in the admin."""
    query = QueryDict(mutable=True)
    query["state__exact"] = state
    if target:
        query["target__id__exact"] = str(target.pk)
    return f"{settings.BASE_URL}{reverse('admin:protests_delivery_changelist')}?{query.urlencode()}"


def _to_organisers(name: str, message_id: str, context: dict[str, Any]) -> PlainText:
    """Return a mail to the campaign's contact address, else to where answers to its mails go."""
    campaign = Campaign.objects.prefetch_related("translations").first()
    context = {**context, "campaign": campaign}
    message = plain_text(
        to=(campaign.contact_email if campaign else "") or settings.MAIL_REPLY_TO,
        subject=render_text(f"protests/emails/{name}_subject.txt", context),
        body=render_text(f"protests/emails/{name}.txt", context),
        message_id=message_id,
        from_name=str(campaign or _("Solidarity")),
    )
    message["Auto-Submitted"] = "auto-generated"
    return message
