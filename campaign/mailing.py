"""Mailing an update to its subscribers: what it says, trying it out, approving it, stopping it and going on."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from campaign import markdown
from campaign.enqueuing import recipients
from campaign.models import (
    Campaign,
    Mailing,
    MailingCopy,
    MailingText,
    MailingTrial,
    Update,
)
from campaign.tasks import enqueue_mailings
from outbox.tasks import send
from outbox.trying import NoAddress
from privacy.tags import tag


class CannotApprove(Exception):
    """The mailing cannot be sent; nothing was changed."""


class OwnWork(CannotApprove):
    """Who made it cannot approve it."""


class NotPublished(CannotApprove):
    """The update is a draft, or planned: the link in the mail would lead nowhere."""


class Changed(CannotApprove):
    """The texts are not the ones that the organiser was shown."""


class NoRecipient(CannotApprove):
    """Nobody would get it."""


def texts(mailing: Mailing) -> Sequence[MailingText]:
    """Return what it says in each language: as it was approved, or, unsaved, as the update stands now."""
    if mailing.approved_at is not None:
        return list(mailing.texts.order_by("language"))
    campaign = Campaign.objects.prefetch_related("translations").first()
    written = mailing.update.translations.order_by("language_code")
    return [_text(mailing, campaign, translation) for translation in written]


def _text(mailing: Mailing, campaign: Campaign | None, translation: Any) -> MailingText:
    """Return the text for one translation of the update, which has its columns."""
    code: str = translation.language_code
    with override(code):
        if campaign:
            campaign.set_current_language(code)
        page = settings.BASE_URL + mailing.update.get_absolute_url()
        parts = [
            f"{translation.title}\n{'=' * min(len(translation.title), 40)}",
            translation.summary,
            markdown.plain(translation.body),
            _("On our site: %(address)s") % {"address": page},
        ]
        return MailingText(
            mailing=mailing,
            language=code,
            sender=str(campaign or _("Solidarity")),
            subject=translation.title,
            body="\n\n".join(filter(None, parts)),
        )


def best(texts: Iterable[MailingText], language: str) -> MailingText:
    """Return the text in this language, else in the first of the site's languages that there is."""
    by_language = {text.language: text for text in texts}
    wanted = (language, *dict(settings.LANGUAGES), *by_language)
    return next(by_language[code] for code in wanted if code in by_language)


def counts(mailing: Mailing) -> list[tuple[str, int]]:
    """Return how many would get it, by their language; the most first."""
    rows = recipients(mailing).order_by().values_list("language").annotate(count=Count("*"))
    return list(rows.order_by("-count", "language"))


def progress(mailing: Mailing) -> dict[str, int]:
    """Return how many copies are in each state."""
    return dict(mailing.copies.order_by().values_list("state").annotate(count=Count("*")))


def fingerprint(texts: Iterable[MailingText]) -> str:
    """Return a keyed tag of what an organiser is shown, for the form to carry."""
    parts = [part for text in texts for part in (text.language, text.sender, text.subject, text.body)]
    return tag("mailing", "\0".join(f"{len(part)}:{part}" for part in parts))


def send_trial(mailing: Mailing, organiser: AbstractUser, language: str) -> MailingTrial:
    """Mail an organiser a copy. Raises NoAddress."""
    if not organiser.email:
        raise NoAddress
    trial = MailingTrial.objects.create(mailing=mailing, organiser_id=organiser.pk, language=language)
    send.delay_on_commit(MailingTrial._meta.label_lower)
    return trial


@transaction.atomic
def approve(mailing: Mailing, by: AbstractUser, seen: str) -> None:
    """
    Send the mailing, in the words that `by` was shown, of which `seen` is the fingerprint. Twice does no harm.

    Raises OwnWork, NotPublished, Changed or NoRecipient.
    """
    mailing = _locked(mailing)
    if mailing.approved_at is not None:
        return
    if mailing.created_by_id == by.pk:
        raise OwnWork
    if not Update.objects.published().filter(pk=mailing.update_id).exists():
        raise NotPublished
    approved = texts(mailing)
    if seen != fingerprint(approved):
        raise Changed
    if not recipients(mailing).exists():
        raise NoRecipient
    mailing.approved_by_id, mailing.approved_at = by.pk, timezone.now()
    mailing.save(update_fields=["approved_by", "approved_at"])
    MailingText.objects.bulk_create(approved)
    enqueue_mailings.delay_on_commit()


@transaction.atomic
def stop(mailing: Mailing) -> None:
    """Hold back all copies that have not left."""
    mailing = _locked(mailing)
    if mailing.approved_at is not None and mailing.stopped_at is None:
        mailing.stopped_at = timezone.now()
        mailing.save(update_fields=["stopped_at"])


@transaction.atomic
def go_on(mailing: Mailing) -> None:
    """Send the copies that were held back."""
    mailing = _locked(mailing)
    if mailing.stopped_at is not None:
        mailing.stopped_at = None
        mailing.save(update_fields=["stopped_at"])
        # What they waited was our doing: it does not count towards the days after which the engine gives up.
        mailing.copies.waiting().update(deferred_since=None)
        enqueue_mailings.delay_on_commit()
        send.delay_on_commit(MailingCopy._meta.label_lower)


def _locked(mailing: Mailing) -> Mailing:
    return Mailing.objects.select_for_update(of=("self",)).select_related("update").get(pk=mailing.pk)
