"""
Collections in cash: numbered sheets, each counted by two organisers apart, then paid in at the bank or kept as cash.

The second equal count posts the money into the cash box, as a gift. What is paid in leaves the cash box by what arrives
at the bank (posting.allocate), so that it counts once.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, BinaryIO

from django.contrib.auth.models import User
from django.db.models import F, Max, Q, QuerySet, Sum, TextChoices
from django.db.models.functions import Coalesce
from django.db.transaction import atomic
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from donations import balances, filing, ledger, posting
from donations.models import Allocation, CollectionSheet, Fund, LedgerEvent, Transaction
from donations.posting import RefusedError

Kind = Allocation.Kind
# Candidates shown for a deposit or a payment.
MOST_LINES = 50


class DifferentCountError(RefusedError):
    """The second organiser counted another amount than the first. Nothing is posted."""


@atomic
def make(fund: Fund, currency: str, *, place: str = "", held_on: date | None = None) -> CollectionSheet:
    """Make the fund's next sheet, to be printed. Raises ValidationError."""
    ledger.take_turns()
    highest = CollectionSheet.objects.filter(fund=fund).aggregate(highest=Max("number"))["highest"] or 0
    sheet = CollectionSheet(fund=fund, number=highest + 1, currency=currency, place=place, held_on=held_on)
    sheet.full_clean()
    sheet.save(force_insert=True)
    return sheet


@atomic
def count(sheet: CollectionSheet, amount_minor: int, *, held_on: date, place: str, by: User) -> CollectionSheet:
    """
    Record what one organiser counted. If another one counted the same before, the sheet is counted and posted.

    The first counter may count again until then; day and place are theirs. Raises RefusedError, and ValidationError.
    """
    ledger.take_turns()
    sheet.refresh_from_db()
    if sheet.counted_at:
        raise RefusedError(_("This sheet is counted already, by two. A mistake is taken back."))
    if sheet.counter_one in {None, by}:
        sheet.counter_one, sheet.counted_minor, sheet.held_on, sheet.place = by, amount_minor, held_on, place
        sheet.full_clean()
        sheet.save(update_fields=["counter_one", "counted_minor", "held_on", "place"])
        return sheet
    if amount_minor != sheet.counted_minor:
        raise DifferentCountError(
            _("The first counter counted another amount. Nothing was recorded: please count again, both of you.")
        )
    sheet.counter_two, sheet.counted_at = by, timezone.now()
    sheet.save(update_fields=["counter_two", "counted_at"])
    ledger.record(LedgerEvent.Kind.SHEET_COUNTED, sheet)
    if amount_minor:
        _post(sheet, by)
    return sheet


def _post(sheet: Any, by: User) -> None:
    where = f"{_('Collection sheet')} {sheet.number}" + (f", {sheet.place}" if sheet.place else "")
    cash = posting.post(
        Transaction(
            fund=sheet.fund,
            amount_minor=sheet.counted_minor,
            currency=sheet.currency,
            booked_on=sheet.held_on,
            description=where[:200],
            recorded_by=by,
        )
    )
    posting.allocate(cash, Kind.GIFT, cash.amount_minor, sheet=sheet, by=by)


@atomic
def discard_count(sheet: CollectionSheet) -> None:
    """Forget the first count, of which nothing is posted yet. Raises RefusedError."""
    ledger.take_turns()
    sheet.refresh_from_db()
    if sheet.counted_at or sheet.counter_one is None:
        raise RefusedError(_("There is no first count that waits for a second."))
    sheet.counter_one = sheet.counted_minor = None
    sheet.save(update_fields=["counter_one", "counted_minor"])


@atomic
def attach(sheet: CollectionSheet, file: BinaryIO, *, name: str, by: User) -> None:
    """Attach the photo or scan of the sheet, once. Raises RefusedError, and ValidationError for what is none."""
    ledger.take_turns()
    sheet.refresh_from_db()
    if sheet.scan_id:
        raise RefusedError(_("A photo or scan is attached already. It stays."))
    sheet.scan = filing.take(file, name=name, by=by)
    sheet.save(update_fields=["scan"])


@atomic
def deposit(sheet: CollectionSheet, line: Transaction, amount_minor: int, *, by: User) -> Allocation:
    """
    Say that this amount of a bank's line is the sheet's cash, paid in: it leaves the cash box, and counts once.

    Where somebody had taken the line for a gift, that is undone first, and what is left of it made a gift again.
    Raises RefusedError.
    """
    ledger.take_turns()
    if not sheet.counted_at:
        raise RefusedError(_("Two organisers count the sheet first."))
    mistaken = 0
    for gift in posting.live(line):
        if balances.unallocated(line) >= amount_minor:
            break
        if gift.kind == Kind.GIFT and gift.sheet_id is None:
            posting.undo(gift, by=by)
            mistaken += gift.amount_minor
    left_before = balances.unallocated(line) - mistaken
    made = posting.allocate(line, Kind.DEPOSIT, amount_minor, sheet=sheet, by=by)
    if mistaken and (again := mistaken - max(0, amount_minor - left_before)):
        posting.allocate(line, Kind.GIFT, again, by=by)
    return made


@atomic
def take_back(sheet: CollectionSheet, *, by: User) -> None:
    """Reverse the cash of a sheet that was counted wrongly; sheet and both entries stay. Raises RefusedError."""
    ledger.take_turns()
    standing = Allocation.objects.filter(sheet=sheet, reverses=None, reversal=None, mirrors=None)
    if standing.filter(kind=Kind.DEPOSIT).exists():
        raise RefusedError(_("Some of it was paid in at the bank. Undo that first."))
    gifts = list(standing.filter(kind=Kind.GIFT).select_related("transaction__fund"))
    if not gifts:
        raise RefusedError(_("Nothing of this sheet is posted."))
    for gift in gifts:
        posting.reverse(gift.transaction, by=by)


def lines_for(sheet: CollectionSheet) -> list[Transaction]:
    """
    Return the bank's lines that could be this sheet's cash, the same amount first: `free_minor` is how much of each.

    Also what was taken for a gift without a pledge: that is how cash comes to be counted twice.
    """
    if sheet.held_on is None:
        return []
    wanted = balances.cash_of_sheet(sheet.pk)
    lines = with_left(
        Transaction.objects.filter(
            fund=sheet.fund,
            currency=sheet.currency,
            account__isnull=False,
            amount_minor__gt=0,
            booked_on__gte=sheet.held_on,
        )
    )
    as_gift = Coalesce(
        Sum("allocations__amount_minor", filter=Q(allocations__kind=Kind.GIFT, allocations__sheet=None)), 0
    )
    found = lines.annotate(as_gift=as_gift, free_minor=F("left_minor") + as_gift).filter(free_minor__gt=0)
    return same_amount_first(found, "free_minor", wanted)


def with_left(lines: QuerySet[Transaction]) -> QuerySet[Transaction]:
    """Return the lines that stand; `left_minor` is what of each is not said yet to be for something."""
    return lines.filter(reverses=None, reversal=None).annotate(
        left_minor=F("amount_minor") - Coalesce(Sum("allocations__amount_minor"), 0)
    )


def same_amount_first(lines: QuerySet[Transaction], column: str, wanted: int) -> list[Transaction]:
    exact = list(lines.filter(**{column: wanted}).order_by("-booked_on", "-pk")[:MOST_LINES])
    others = lines.exclude(**{column: wanted}).order_by("-booked_on", "-pk")[: MOST_LINES - len(exact)]
    return exact + list(others)


class State(TextChoices):
    """Where a sheet's money is, worked out from what is posted."""

    OPEN = "open", gettext_lazy("not counted")
    COUNTED_ONCE = "once", gettext_lazy("counted by one, waits for the second")
    EMPTY = "empty", gettext_lazy("counted: nothing was given")
    CASH = "cash", gettext_lazy("counted, in cash")
    PARTLY = "partly", gettext_lazy("paid in in part")
    PAID_IN = "paid_in", gettext_lazy("paid in at the bank")
    TAKEN_BACK = "taken_back", gettext_lazy("taken back")


@dataclass(frozen=True)
class Standing:
    """A sheet, and what became of its money, in the smallest unit of its currency."""

    sheet: CollectionSheet
    # Posted into the cash box, less what was taken back.
    posted_minor: int
    paid_in_minor: int

    @property
    def in_cash_minor(self) -> int:
        return self.posted_minor - self.paid_in_minor

    @property
    def state(self) -> State:
        if not self.sheet.counted_at:
            return State.COUNTED_ONCE if self.sheet.counter_one_id else State.OPEN
        if not self.sheet.counted_minor:
            return State.EMPTY
        if not self.posted_minor:
            return State.TAKEN_BACK
        if not self.paid_in_minor:
            return State.CASH
        return State.PARTLY if self.in_cash_minor else State.PAID_IN


def with_sums(sheets: QuerySet[CollectionSheet]) -> QuerySet[CollectionSheet]:
    """Return the sheets with `posted_minor` and `paid_in_minor`."""
    return sheets.annotate(
        posted_minor=Coalesce(Sum("allocations__amount_minor", filter=Q(allocations__kind=Kind.GIFT)), 0),
        # The end at the bank, without its mirror in the cash box.
        paid_in_minor=Coalesce(
            Sum(
                "allocations__amount_minor",
                filter=Q(allocations__kind=Kind.DEPOSIT, allocations__transaction__account__isnull=False),
            ),
            0,
        ),
    ).order_by("-pk")


def standing_of(sheet: Any) -> Standing:
    """Return what became of a sheet's money; one of with_sums() needs no further query."""
    if not hasattr(sheet, "posted_minor"):
        sheet = with_sums(CollectionSheet.objects.filter(pk=sheet.pk)).get()
    return Standing(sheet, sheet.posted_minor, sheet.paid_in_minor)


def public(fund: Fund) -> QuerySet[Any]:
    """Return what the site may show: sheets that two have counted, newest first. No counter's name, no file."""
    counted: QuerySet[Any] = with_sums(CollectionSheet.objects.filter(fund=fund, counted_at__isnull=False))
    return counted.filter(posted_minor__gt=0)
