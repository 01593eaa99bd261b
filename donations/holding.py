"""
Taking a pledge, or holding it until an organiser has looked at it; releasing and refusing.

As with signatures (protests.holding): whether one is held never depends on what is known of the address.
"""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db.transaction import atomic
from django.utils import timezone

from donations import giving
from donations.consent import VERSION
from donations.models import Fund, Pledge, PledgeHold, PledgeHoldQuerySet
from limits import judging
from limits.models import Why
from outbox import capping
from privacy.addresses import address_tag, mailbox_tag


def take(fund: Fund, who: judging.Sender, **typed: Any) -> tuple[judging.Verdict, Pledge | None]:
    """Make the pledge, hold it, or ask for proof of work first; `typed` is what giving.pledge() takes."""
    verdict = judging.judge(who)
    if verdict.ask:
        return verdict, None
    with atomic():
        verdict = judging.note(who, verdict)
        if verdict.hold:
            hold(fund, verdict.hold, who, **typed)
        elif not verdict.ask:
            return verdict, giving.pledge(fund, **typed)
    return verdict, None


def hold(fund: Fund, why: Why, who: judging.Sender, **typed: Any) -> None:
    """Keep what was typed for an organiser to look at. A person's latest post waits, under the reason of the first."""
    now = timezone.now()
    kept = {**typed, "consent_version": VERSION, "consented_at": now, "network_tag": who.network_tag}
    PledgeHold.objects.update_or_create(
        fund=fund,
        email_tag=address_tag(typed["email"]),
        refused_at=None,
        defaults=kept,
        create_defaults={**kept, "why": why, "created_at": now},
    )


def release(rows: PledgeHoldQuerySet) -> int:
    """
    Let held pledges go the way of all: each gets its mail to confirm. Return how many.

    Those whose mailbox has had its mails for today go on waiting, and so do those that would have ended by now.
    """
    # In the order of what posts of the same mailboxes lock, so that nobody waits for each other in a circle.
    found = sorted((mailbox_tag(email), pk) for pk, email in rows.values_list("pk", "email") if email)
    return sum(_release(pk, mailbox) for mailbox, pk in found)


@atomic
def _release(pk: int, mailbox: str) -> bool:
    capping.take_turns(mailbox)
    held = PledgeHold.objects.select_for_update(of=("self",)).select_related("fund").filter(pk=pk).first()
    if held is None or capping.has_had_enough(mailbox) or (held.until and held.until < timezone.localdate()):
        return False
    giving.pledge(
        held.fund,
        kind=held.kind,
        name=held.name,
        organisation=held.organisation,
        email=held.email,
        amount_minor=held.amount_minor,
        currency=held.currency,
        frequency=held.frequency,
        until=held.until,
        display=held.display,
        amount_shown=held.amount_shown,
        locale=held.locale,
        consented=(held.consent_version, held.consented_at),
    )
    held.delete()
    return True


def refuse(rows: PledgeHoldQuerySet, by: AbstractBaseUser) -> int:
    """Decide that nothing is sent. Until their data go, a few days later, they can still be released."""
    return rows.waiting().update(refused_at=timezone.now(), refused_by=by)
