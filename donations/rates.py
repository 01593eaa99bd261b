"""
Rates: what an amount is about, in a fund's first currency. Recorded with source and day, and only ever shown with them.

Nothing is added up by them: the books keep each currency by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from django.contrib.auth.models import User
from django.db.models import Q

from donations import money
from donations.giving import Total
from donations.models import Fund, Rate

_MILLION = 1_000_000


def record(rate: Rate, *, by: User | None) -> Rate:
    """Record a rate. A wrong one is followed by the right one of the same day. Raises ValidationError."""
    rate.recorded_by = by
    rate.save()
    return rate


def latest(one: str, other: str) -> Rate | None:
    """Return the newest rate between two currencies, whichever way it is told."""
    either = Q(from_currency=one, to_currency=other) | Q(from_currency=other, to_currency=one)
    found: Rate | None = Rate.objects.filter(either).order_by("-dated_on", "-pk").first()
    return found


def convert(minor: int, currency: str, rate: Rate) -> int:
    """Return what an amount in one of a rate's currencies is about in the other, in the smallest unit of that."""
    whole, factor = Decimal(minor).scaleb(-money.exponent(currency)), Decimal(rate.millionths) / _MILLION
    to, value = (
        (rate.to_currency, whole * factor) if currency == rate.from_currency else (rate.from_currency, whole / factor)
    )
    return int(value.scaleb(money.exponent(to)).quantize(Decimal(1), ROUND_HALF_EVEN))


@dataclass(frozen=True)
class About:
    """What totals in one currency are about in another, by which rate."""

    currency: str
    total: Total
    rate: Rate


def about(fund: Fund, totals: Iterable[Total]) -> list[About]:
    """Return what the totals in other currencies are about in the fund's first, of those with a recorded rate."""
    first, found = fund.currency_list[0], []
    for total in totals:
        if total.currency != first and (rate := latest(total.currency, first)):
            amounts = {
                name: convert(getattr(total, name), total.currency, rate)
                for name in ("pledged", "pledged_monthly", "received", "disbursed", "in_hand")
            }
            found.append(About(total.currency, Total(first, **amounts), rate))
    return found
