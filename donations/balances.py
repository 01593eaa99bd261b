"""What a fund has, in each currency, worked out from what is posted. No two currencies are ever added."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from donations.models import Allocation, Fund, Transaction

Kind = Allocation.Kind

# Money that came in, and reversals of it; the rest went out, or is a reversal of such.
INCOMING = Q(amount_minor__gt=0, reverses=None) | Q(amount_minor__lt=0, reverses__isnull=False)
# What came in and is no gift: it was the fund's already, or comes back from the bank.
NO_GIFT = {Kind.DEPOSIT, Kind.TRANSFER, Kind.DISBURSEMENT, Kind.FEE}


@dataclass
class Balance:
    """A fund's money in one currency, in its smallest unit."""

    currency: str
    # What came in from outside, less what was given back to donors.
    received: int = 0
    # Of it, what is known to be for a pledge or to be a gift without one.
    allocated: int = 0
    disbursed: int = 0
    fees: int = 0
    # On its way from the cash box, or from one account to another; zero once both ends are known.
    in_transit: int = 0
    # What went out and nobody has said yet what for.
    unexplained: int = 0
    bank: int = 0
    cash: int = 0

    @property
    def in_hand(self) -> int:
        """What lies at the bank and in the cash box."""
        return self.bank + self.cash

    @property
    def by_the_books(self) -> int:
        """The same, worked out from what it was for."""
        return self.received - self.disbursed - self.fees + self.in_transit - self.unexplained


def of(fund: Fund) -> list[Balance]:
    """Return the fund's balance in each currency that it ever had."""
    return of_all([fund])[fund.pk]


def of_all(funds: Collection[Fund]) -> dict[int, list[Balance]]:
    """Return the balances of several funds, by primary key, in two queries."""
    found: dict[int, list[Balance]] = {fund.pk: [] for fund in funds}
    for (fund, _currency), balance in _added_up(found, []).items():
        found[fund].append(balance)
    return found


def by_day(fund: Fund) -> dict[str, dict[date, Balance]]:
    """Return what each day changed, by currency and day of booking, in two queries."""
    found: dict[str, dict[date, Balance]] = {}
    for (_fund, currency, day), balance in _added_up([fund.pk], ["booked_on"]).items():
        found.setdefault(currency, {})[day] = balance
    return found


def _added_up(funds: Collection[int], more: list[str]) -> dict[tuple[Any, ...], Balance]:
    """Return the balances by fund and currency, and by more columns of a transaction, in the order of currencies."""
    found: dict[tuple[Any, ...], Balance] = {}
    moved = (
        Transaction.objects.filter(fund__in=funds)
        .order_by("currency")
        .annotate(
            incoming=Case(When(INCOMING, then=Value(True)), default=Value(False)),
            in_cash=Case(When(account=None, then=Value(True)), default=Value(False)),
        )
        .values_list("fund", "currency", *more, "incoming", "in_cash")
        .annotate(total=Sum("amount_minor"))
    )
    for *key, incoming, in_cash, total in moved:
        balance = found.setdefault(tuple(key), Balance(key[1]))
        if in_cash:
            balance.cash += total
        else:
            balance.bank += total
        if incoming:
            balance.received += total
        else:
            balance.unexplained -= total
    said = (
        Allocation.objects.filter(transaction__fund__in=funds)
        .order_by("transaction__currency")
        .annotate(incoming=Case(When(transaction__amount_minor__gt=0, then=Value(True)), default=Value(False)))
        .values_list(*(f"transaction__{name}" for name in ("fund", "currency", *more)), "incoming", "kind")
        .annotate(total=Sum("amount_minor"))
    )
    for *key, incoming, kind, total in said:
        _sort(found[tuple(key)], incoming, kind, total)
    return found


def _sort(balance: Balance, incoming: bool, kind: str, total: int) -> None:  # noqa: FBT001
    if not incoming:
        balance.unexplained += total
    elif kind in NO_GIFT:
        balance.received -= total
    else:
        balance.allocated += total
    match kind:
        case Kind.REFUND:
            balance.received += total
        case Kind.DISBURSEMENT:
            balance.disbursed -= total
        case Kind.FEE:
            balance.fees -= total
        case Kind.DEPOSIT | Kind.TRANSFER:
            balance.in_transit += total


def left_open() -> QuerySet[Transaction]:
    """Return the transactions of which something is left to be said. `left_minor` is how much."""
    said = Allocation.objects.filter(transaction=OuterRef("pk")).order_by().values("transaction")
    total = Coalesce(Subquery(said.annotate(total=Sum("amount_minor")).values("total")), 0)
    found: QuerySet[Transaction] = (
        Transaction.objects.filter(reverses=None)
        .annotate(left_minor=F("amount_minor") - total)
        .exclude(left_minor=0)
        .exclude(Exists(Transaction.objects.filter(reverses=OuterRef("pk"))))
    )
    return found


def unallocated(posted: Transaction) -> int:
    """Return what of a transaction is not said yet to be for something."""
    return int(posted.amount_minor - _allocated(Allocation.objects.filter(transaction=posted)))


def of_pledge(pledge_pk: int) -> int:
    """Return what has arrived on a pledge, less what was given back."""
    return _allocated(Allocation.objects.filter(pledge=pledge_pk))


def of_disbursement(disbursement_pk: int) -> int:
    """Return what has been paid for a disbursement."""
    return -_allocated(Allocation.objects.filter(disbursement=disbursement_pk))


def cash_of_sheet(sheet_pk: int) -> int:
    """Return what a collection sheet brought into the cash box and is still there."""
    in_cash = Allocation.objects.filter(sheet=sheet_pk, transaction__account=None)
    return _allocated(in_cash)


def _allocated(allocations: QuerySet[Allocation]) -> int:
    return int(allocations.aggregate(total=Coalesce(Sum("amount_minor"), 0))["total"])
