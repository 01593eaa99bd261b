"""A fund's money over the last months: pledges that were due, what came in, what was paid out, what was in hand."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from typing import Any

from django.db.models import Sum
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from donations import balances, instalments
from donations.models import Fund, Pledge

MONTHS = 12
# In the units of the drawing.
HEIGHT, WIDTH = 100, 10


@dataclass(frozen=True)
class Bar:
    """One month's end: where it stands in the drawing, how high it is, and what it says."""

    x: int
    y: int
    height: int
    label: str
    amount_minor: int


@dataclass(frozen=True)
class Picture:
    title: Any
    bars: list[Bar]


@dataclass(frozen=True)
class Chart:
    """One currency's four pictures, each from zero, all four in one scale, and the same figures by month."""

    currency: str
    pictures: list[Picture]
    rows: list[tuple[str, list[int]]]
    width: int = MONTHS * WIDTH


def of(fund: Fund) -> list[Chart]:
    """Return a chart for each currency, in three queries: how the sums stood at the end of each month."""
    moved, due = balances.by_day(fund), _due(fund)
    return [_chart(currency, moved.get(currency, {}), due.get(currency, {})) for currency in sorted({*moved, *due})]


def _due(fund: Fund) -> dict[str, dict[date, int]]:
    """Return what fell due each day, by currency, of the pledges that stand, as they are now."""
    alike = (
        Pledge.objects.counted()
        .filter(fund=fund)
        .order_by()
        .values_list("currency", "frequency", "made_on", "changed_on", "until")
        .annotate(total=Sum("amount_minor"))
    )
    found: dict[str, dict[date, int]] = {}
    for currency, frequency, made_on, changed_on, until, total in alike:
        terms = Pledge(frequency=frequency, made_on=made_on, changed_on=changed_on, until=until)
        days = found.setdefault(currency, {})
        for day in instalments.dates(terms) if frequency == Pledge.Frequency.MONTHLY else [made_on]:
            days[day] = days.get(day, 0) + total
    return found


def _chart(currency: str, moved: dict[date, balances.Balance], due: dict[date, int]) -> Chart:
    ends = list(_ends(timezone.localdate()))
    measures: list[tuple[Any, Iterable[tuple[date, int]]]] = [
        (_("Pledged and due"), due.items()),
        (_("Received"), _each(moved, lambda one: one.received)),
        (_("Disbursed"), _each(moved, lambda one: one.disbursed)),
        (_("In hand"), _each(moved, lambda one: one.in_hand)),
    ]
    sums = [_sums(days, ends) for _title, days in measures]
    labels = [date_format(end, "YEAR_MONTH_FORMAT") for end in ends]
    most = max((*(amount for one in sums for amount in one), 1))
    pictures = [
        Picture(title, [_bar(place, *one, most) for place, one in enumerate(zip(labels, amounts, strict=True))])
        for (title, _days), amounts in zip(measures, sums, strict=True)
    ]
    return Chart(currency, pictures, [(label, list(row)) for label, *row in zip(labels, *sums, strict=True)])


def _each(moved: dict[date, balances.Balance], amount: Callable[[balances.Balance], int]) -> Iterator[tuple[date, int]]:
    return ((day, amount(balance)) for day, balance in moved.items())


def _ends(today: date) -> Iterator[date]:
    """Yield the last days of the last months, and at the end today."""
    first = today.replace(day=1)
    for back in reversed(range(1, MONTHS)):
        yield instalments.months_later(first, 1 - back) - timedelta(days=1)
    yield today


def _sums(days: Iterable[tuple[date, int]], ends: list[date]) -> list[int]:
    """Return what all days up to each end make together."""
    added = [0] * len(ends)
    for day, amount in days:
        place = next((place for place, end in enumerate(ends) if day <= end), None)
        if place is not None:
            added[place] += amount
    return list(accumulate(added))


def _bar(place: int, label: str, amount: int, most: int) -> Bar:
    height = max(1, HEIGHT * amount // most) if amount > 0 else 0
    return Bar(place * WIDTH, HEIGHT - height, height, label, amount)
