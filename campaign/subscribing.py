"""
Subscribing to the updates by e-mail, confirming, changing and leaving.

Whoever posts the form may be anybody: a post never tells what is known of an address, and never changes a subscription
that its owner has confirmed. Only the secret in a mail proves who acts.
"""

import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from campaign.consent import TEXTS, VERSION
from campaign.models import CONFIRM_WITHIN, LINK_FOR, Strike, Subscriber, SubscriptionMail
from limits import judging
from limits.models import Why
from outbox import capping
from outbox.tasks import send
from privacy.addresses import address_tag, mailbox_tag
from privacy.tags import new_token, tag

MAIL_AGAIN_AFTER = timedelta(minutes=10)
_LINK = re.compile(r"([1-9][0-9]{0,17})-([0-9a-f]{32})", re.ASCII)

# Nobody is to look at a subscription before it is taken, as at a signature: what is doubtful is not kept.
TOLD = {
    Why.BLOCKED_NETWORK: _("The organisers have blocked your network for a while, because forms were flooded from it."),
    Why.BLOCKED_DOMAIN: _("The organisers have blocked addresses at your mail provider for a while."),
    Why.TRAP: _(
        "A field was filled in that people do not see; only programs fill it in, or sometimes a browser by itself."
    ),
    Why.NETWORK: _("Very many forms came from your network within an hour."),
    Why.DOMAIN: _("Very many forms came with addresses at your mail provider within an hour."),
    Why.NO_PROOF: _("We needed your browser to do a sum first, and it did not."),
    Why.UNKNOWN: _("We could not check how many forms come from your network at this moment."),
}
# One cause that goes by itself: the form comes again, with what was typed and with its stamp, which grows older.
TOO_FAST = _("The form was sent faster than people usually type, so nothing has gone yet. Please send it once more.")


class TooLate(Exception):
    """The time to confirm has passed; nothing was changed."""


def take(who: judging.Sender, *, email: str, language: str, strikes: Iterable[Strike]) -> judging.Verdict:
    """Take what was posted, refuse it for now, or ask for proof of work first; return which."""
    verdict = judging.judge(who)
    if verdict.ask:
        return verdict
    with transaction.atomic():
        verdict = judging.note(who, verdict)
        if not (verdict.hold or verdict.ask):
            _ask(email, language, strikes)
    return verdict


def _ask(email: str, language: str, strikes: Iterable[Strike]) -> None:
    """
    Write the subscription, unconfirmed, and the mail that asks to confirm it.

    The same for the caller whoever is subscribed. Before it is confirmed, the latest post is what counts; after that a
    post changes nothing, and the mail shows where to change it.
    """
    mailbox = mailbox_tag(email)
    capping.take_turns(mailbox)
    now = timezone.now()
    typed = {
        "email": email,
        "language": language,
        "consent_version": VERSION,
        "consented_at": now,
        "created_at": now,
    }
    # The unique constraint decides who is new.
    subscriber, _new = Subscriber.objects.select_for_update().get_or_create(
        email_tag=address_tag(email), defaults=typed
    )
    if subscriber.confirmed_at is None:
        for column, value in typed.items():
            setattr(subscriber, column, value)
    else:
        strikes = list(subscriber.strikes.all())
    subscriber.save()  # changed or not: how long the answer takes does not tell which
    subscriber.strikes.set(strikes)
    mailed_just_now = subscriber.mails.filter(created_at__gt=now - MAIL_AGAIN_AFTER).exists()
    if not capping.has_had_enough(mailbox) and not mailed_just_now:
        token = new_token()
        SubscriptionMail.objects.create(
            subscriber=subscriber,
            token=token,
            token_hash=tag("token", token),
            expires_at=now + LINK_FOR,
            recipient_tag=mailbox,
        )
    send.delay_on_commit(SubscriptionMail._meta.label_lower)


def has_lapsed(subscriber: Subscriber) -> bool:
    """Whether the time to confirm has passed since the form was last posted."""
    return subscriber.created_at < timezone.now() - CONFIRM_WITHIN


@transaction.atomic
def confirm(subscriber: Subscriber) -> None:
    """
    Subscribe, on the word of the address's owner. Doing it twice does no harm, and who has left stays away.

    Raises TooLate, and Subscriber.DoesNotExist where it was deleted meanwhile.
    """
    subscriber = _locked(subscriber)
    if subscriber.confirmed_at is not None:
        return
    if has_lapsed(subscriber):
        raise TooLate
    subscriber.confirmed_at = timezone.now()
    subscriber.save(update_fields=["confirmed_at"])


@transaction.atomic
def change(subscriber: Subscriber, *, language: str, strikes: Iterable[Strike]) -> None:
    """Change what a subscriber gets, on the word of the address's owner. Raises Subscriber.DoesNotExist."""
    subscriber = _locked(subscriber)
    if subscriber.is_subscribed:
        subscriber.language = language
        subscriber.save(update_fields=["language"])
        subscriber.strikes.set(strikes)


@transaction.atomic
def discard(subscriber: Subscriber) -> bool:
    """Delete a subscription that nobody has confirmed, on the word of the address's owner; return whether it was."""
    subscriber = _locked(subscriber)
    if subscriber.confirmed_at is not None:
        return False
    subscriber.delete()
    return True


@transaction.atomic
def unsubscribe(subscriber: Subscriber) -> None:
    """Send nothing any more, and delete the address at once. Doing it twice does no harm."""
    subscriber = _locked(subscriber)
    if not subscriber.is_subscribed:
        return
    subscriber.unsubscribed_at = timezone.now()
    subscriber.email, subscriber.email_tag = "", None
    subscriber.save(update_fields=["unsubscribed_at", "email", "email_tag"])
    subscriber.strikes.clear()
    subscriber.mails.all().cancel()
    subscriber.copies.all().cancel()


@dataclass(frozen=True)
class Agreement:
    """That somebody agreed elsewhere on this site to get the news of a strike, and when, and to which words."""

    strike: Strike
    consent_version: str
    consented_at: datetime


@transaction.atomic
def agree(email: str, language: str, agreement: Agreement) -> None:
    """
    Subscribe somebody who agreed to it elsewhere, and has confirmed there that the address is theirs.

    They get the news of that strike. Who is subscribed stays so by the consent they gave first.
    """
    given = {"consent_version": agreement.consent_version, "consented_at": agreement.consented_at}
    subscriber, _new = Subscriber.objects.select_for_update().get_or_create(
        email_tag=address_tag(email), defaults={"email": email, "language": language, **given}
    )
    if subscriber.confirmed_at is None:
        # What was typed into the form of subscriptions nobody has confirmed: this has been.
        subscriber.email, subscriber.language = email, language
        subscriber.consented_at, subscriber.consent_version = agreement.consented_at, agreement.consent_version
        subscriber.confirmed_at = timezone.now()
        subscriber.save()
        subscriber.strikes.set([agreement.strike])
    elif subscriber.strikes.exists():
        subscriber.strikes.add(agreement.strike)


@transaction.atomic
def take_back(email_tag: str | None, still: Sequence[Agreement]) -> None:
    """
    End what came of an agreement that is taken back; `still` are the person's others, which go on.

    Who subscribed with our own form goes on getting what they chose there.
    """
    by_agreement = Subscriber.objects.subscribed().exclude(consent_version__in=TEXTS)
    subscriber = by_agreement.select_for_update().filter(email_tag=email_tag).first()
    if subscriber is None:
        return
    if not still:
        unsubscribe(subscriber)
        return
    subscriber.consented_at, subscriber.consent_version = still[0].consented_at, still[0].consent_version
    subscriber.save(update_fields=["consented_at", "consent_version"])
    if subscriber.strikes.exists():
        subscriber.strikes.set([agreement.strike for agreement in still])


def unsubscribe_token(subscriber: int) -> str:
    """
    Return the secret of the link with which the subscriber of this key leaves: the same in each mail, for good.

    It is a keyed tag, so that nothing of it needs to be stored: who reads the database cannot make it.
    """
    return f"{subscriber}-{tag('unsubscribe', str(subscriber))[:32]}"


def of_token(token: str) -> Subscriber | None:
    """Return whose link to leave this is, if it is one."""
    found = _LINK.fullmatch(token)
    if found is None or not hmac.compare_digest(token, unsubscribe_token(int(found[1]))):
        return None
    return Subscriber.objects.filter(pk=int(found[1])).first()


def _locked(subscriber: Subscriber) -> Subscriber:
    return Subscriber.objects.select_for_update().get(pk=subscriber.pk)
