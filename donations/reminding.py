"""
Reminding of the instalments of monthly pledges: once of each, on its day, as long as the giver wants it.

Looks at rows, whenever it is called: what was missed while beat or the workers were down is made up for.
"""

from datetime import date, timedelta

from django.db.models import Exists, OuterRef, Sum
from django.db.transaction import atomic
from django.utils import timezone

from donations import accounts, giving, instalments
from donations.models import Allocation, Fund, Pledge, PledgeMail, PledgeQuerySet
from outbox import capping
from privacy.addresses import mailbox_tag

# A reminder that is later than this would only be confused with the next one.
REMIND_WITHIN = timedelta(days=5)


def remind() -> int:
    """Write a mail for each instalment that fell due lately and has not arrived. Return how many."""
    return sum(_remind(made.pk) for made in list(_due()) if _missing(made))


def _unreminded() -> PledgeQuerySet:
    """Return the pledges that may be reminded, and were not within the last days."""
    lately = timezone.localdate() - REMIND_WITHIN
    reminded = PledgeMail.objects.filter(pledge=OuterRef("pk"), due_on__gt=lately)
    return Pledge.objects.running().filter(~Exists(reminded), reminders_stopped_at=None).exclude(email="")


def _due() -> PledgeQuerySet:
    """Return those whose day of the month was within the last days, to funds that can be paid to."""
    payable = [fund for fund, told in accounts.shown_of(list(Fund.objects.all())).items() if told.payable]
    today = timezone.localdate()
    lately = [today - timedelta(days=back) for back in range(REMIND_WITHIN.days)]
    days = {day.day for day in lately}
    if any((day + timedelta(days=1)).day == 1 for day in lately):
        days |= {29, 30, 31}  # which shorter months lack
    return _unreminded().filter(fund__in=payable, made_on__day__in=days).order_by("pk")


def _missing(made: Pledge) -> date | None:
    """Return the instalment to remind of: not the one on the day of the instructions, and none that has arrived."""
    today = timezone.localdate()
    due_on, before = instalments.latest(made, today) or (date.min, date.min)
    if due_on <= max(made.changed_on or made.made_on, today - REMIND_WITHIN):
        return None
    return None if arrived_since(made, before) >= made.amount_minor else due_on


def arrived_since(made: Pledge, day: date) -> int:
    """Return what has arrived on a pledge after a day, in its currency's smallest unit."""
    arrived = Allocation.objects.filter(pledge=made, transaction__booked_on__gt=day)
    return arrived.aggregate(total=Sum("amount_minor", default=0))["total"]


@atomic
def _remind(pk: int) -> bool:
    """Write the mail, if there is still reason to. A mailbox that has had its mails for today gets it another day."""
    found = Pledge.objects.filter(pk=pk).exclude(email="").first()
    if found is None:
        return False
    mailbox = mailbox_tag(found.email)
    # Before the row is locked, as in giving.change(): in the other order the two could wait for each other.
    capping.take_turns(mailbox)
    made = _unreminded().filter(pk=pk).select_for_update(of=("self",)).first()
    due_on = _missing(made) if made else None
    if made is None or due_on is None or capping.has_had_enough(mailbox):
        return False
    giving.write_mail(made, mailbox, PledgeMail.Kind.REMINDER, due_on)
    return True
