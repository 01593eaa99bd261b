"""
Telling people what became of the letters: the organisers once a day, a signer once, when a letter did not get through.

Both look at rows, whenever they are called: what was missed while beat or the workers were down is made up for.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Max, Min, OuterRef, QuerySet
from django.utils import timezone

from outbox import capping
from outbox.models import State
from outbox.tasks import send
from privacy.addresses import mailbox_tag
from protests.models import ConfirmationMail, Delivery, Digest, Signature
from protests.signing import write_link

# An organiser has this long to correct an address and send a letter again, before its signer is told.
TELL_AFTER = timedelta(days=1)
# What is older than this is no news: for instance on the day on which the program learns to tell.
TELL_WITHIN = timedelta(days=14)
# How many signers are told in one go, so that a day on which a server refused thousands floods nothing.
AT_ONCE = 200


def write_digest() -> bool:
    """Write today's mail to the organisers, from DIGEST_HOUR on, if there is none yet. Return whether it was."""
    now = timezone.now()
    local = timezone.localtime(now)
    if settings.DIGEST_HOUR is None or local.hour < settings.DIGEST_HOUR:
        return False
    since = _told_until(now)
    if since >= now:  # the clock was set back
        return False
    _digest, new = Digest.objects.get_or_create(day=local.date(), defaults={"since": since, "until": now})
    if new:
        send.delay_on_commit(Digest._meta.label_lower)
    return new


def _told_until(now: datetime) -> datetime:
    """Return up to when the organisers have been told. What a mail that never reached them held is told again."""
    untold = Digest.objects.filter(state__in=(State.BOUNCED, State.FAILED, State.CANCELLED))
    told = Digest.objects.exclude(pk__in=untold.values("pk")).aggregate(at=Max("until"))["at"]
    return told or untold.aggregate(at=Min("since"))["at"] or now - timedelta(days=1)


def tell_signers() -> int:
    """
    Write to signers of whom a letter was refused or failed a day ago and was not sent again; return to how many.

    A signer hears of it once, however many of the letters do not get through: the mail leads to the receipt, which
    shows all of them.
    """
    count = 0
    for pk in dict.fromkeys(untold()):
        count += _tell(pk)
        if count == AT_ONCE:
            break
    if count:
        send.delay(ConfirmationMail._meta.label_lower)
    return count


def untold() -> "QuerySet[Delivery, int]":
    """Return whom to tell, as keys of signatures: the longest waiting first, some perhaps twice."""
    now = timezone.now()
    heard = told().filter(signature=OuterRef("signature"))
    return (
        Delivery.objects.unsent()
        .filter(settled_at__gt=now - TELL_WITHIN, settled_at__lte=now - TELL_AFTER, signature__withdrawn_at=None)
        .exclude(signature__email="")
        .exclude(Exists(heard))
        .order_by("settled_at")
        .values_list("signature", flat=True)
    )


def told() -> "QuerySet[ConfirmationMail]":
    """Return the mails with bad news; without those that did not leave, since it was none when their turn came."""
    return ConfirmationMail.objects.filter(bad_news=True).exclude(state=State.CANCELLED)


@transaction.atomic
def _tell(pk: int) -> bool:
    """Write the mail, if there is still reason to. A mailbox that has had its mails for today gets it another day."""
    found = Signature.objects.filter(pk=pk, withdrawn_at=None).exclude(email="")
    signature = found.first()
    if signature is None:
        return False
    mailbox = mailbox_tag(signature.email)
    # Before the row is locked, as in signing.sign(): in the other order the two could wait for each other.
    capping.take_turns(mailbox)
    signature = found.select_for_update().first()
    if signature is None or capping.has_had_enough(mailbox) or told().filter(signature=signature).exists():
        return False
    signature.mails.filter(bad_news=True).delete()
    write_link(signature, mailbox, bad_news=True)
    return True
