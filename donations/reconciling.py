"""
Reconciling: what a bank's line was for.

The program decides by itself only where nothing is left to decide: money that came in with the valid reference of a
pledge that stands, in its currency and for its fund, or with the fund's own. All else waits at the desk until a person
has said what it was.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice

from django.contrib.auth.models import User
from django.db.models import QuerySet, TextChoices
from django.db.transaction import atomic
from django.utils.translation import gettext_lazy as _

from donations import balances, ledger, posting, references
from donations.models import Allocation, CollectionSheet, Disbursement, Pledge, Transaction

Kind = Allocation.Kind
# The desk counts no further: who has so many lines before them needs no exact number.
MOST_COUNTED = 1000
_AT_ONCE = 1000


class ChangedMeanwhileError(Exception):
    """Since this person looked at the line, somebody else has said what it was for. Nothing was done."""


@dataclass(frozen=True)
class Part:
    """What an amount of a line is for; the amount has the line's sign."""

    kind: str
    amount_minor: int
    pledge: Pledge | None = None
    sheet: CollectionSheet | None = None
    disbursement: Disbursement | None = None


def settle(transactions: Iterable[Transaction]) -> int:
    """
    Allocate each posted line that came in with a pledge's reference to that pledge, and each with its fund's own
    reference as a gift. Return how many.

    A line of which anything was ever said is left alone, also if it was undone: a person knew better.
    """
    lines, done = iter(transactions), 0
    while some := list(islice(lines, _AT_ONCE)):
        done += len(_settle(some))
    return done


@atomic
def _settle(lines: Sequence[Transaction]) -> list[Allocation]:
    named = {line.pk: line for line in lines if line.reference and line.amount_minor > 0}
    if not named:
        return []
    ledger.take_turns()
    untouched = Transaction.objects.filter(pk__in=named, allocations=None, reverses=None, reversal=None)
    open_lines = [named[pk] for pk in untouched.order_by("pk").values_list("pk", flat=True)]
    pledges = Pledge.objects.counted().filter(number__in={line.reference for line in open_lines})
    pledges = pledges.only("number", "fund", "currency")  # a donor's name need not be decrypted
    standing = {(one.number, one.fund_id, one.currency): one for one in pledges}
    made = []
    for line in open_lines:
        if pledge := standing.get((line.reference, line.fund_id, line.currency)):
            made.append(Allocation(transaction=line, kind=Kind.PLEDGE, amount_minor=line.amount_minor, pledge=pledge))
        elif references.fund_of(line.reference) == line.fund_id:
            made.append(Allocation(transaction=line, kind=Kind.GIFT, amount_minor=line.amount_minor))
    return posting.allocate_all(made)


def waiting() -> QuerySet[Transaction]:
    """Return the lines of which something is left to be said, oldest first. `left_minor` is how much."""
    # All other lines are settled: that the database holds.
    return balances.left_open().filter(open_line__isnull=False).order_by("booked_on", "pk")


@dataclass(frozen=True)
class Waiting:
    """How much work the desk has."""

    pks: list[int]
    oldest: date | None

    @property
    def count(self) -> int:
        return min(len(self.pks), MOST_COUNTED)

    @property
    def more(self) -> bool:
        """Whether there are more than were counted."""
        return len(self.pks) > MOST_COUNTED


def work(fund_pk: int | None = None) -> Waiting:
    """Return what waits, of one fund or of all, in one query."""
    lines = waiting().filter(fund=fund_pk) if fund_pk else waiting()
    found = list(lines.values_list("pk", "booked_on")[: MOST_COUNTED + 1])
    return Waiting([pk for pk, _booked_on in found], found[0][1] if found else None)


@atomic
def accept(line: Transaction, parts: Sequence[Part], *, left_minor: int, by: User) -> list[Allocation]:
    """
    Say what a line, of which `left_minor` was open when this person looked at it, was for: all parts or none.

    Raises ChangedMeanwhileError, and posting.RefusedError with words for that person.
    """
    ledger.take_turns()
    if balances.unallocated(line) != left_minor:
        raise ChangedMeanwhileError
    return [
        posting.allocate(
            line,
            part.kind,
            part.amount_minor,
            pledge=part.pledge,
            sheet=part.sheet,
            disbursement=part.disbursement,
            by=by,
        )
        for part in parts
    ]


class Paid(TextChoices):
    """How what arrived compares with what was pledged."""

    NOTHING = "nothing", _("nothing yet")
    PART = "part", _("in part")
    FULL = "full", _("in full")
    OVER = "over", _("more than pledged")
    RUNNING = "running", _("some instalments")


def paid(pledge: Pledge, received_minor: int) -> Paid:
    """Compare what arrived with the pledge; of a monthly one only whether anything did."""
    if received_minor <= 0:
        return Paid.NOTHING
    if pledge.frequency == Pledge.Frequency.MONTHLY:
        return Paid.RUNNING
    if received_minor == pledge.amount_minor:
        return Paid.FULL
    return Paid.PART if received_minor < pledge.amount_minor else Paid.OVER
