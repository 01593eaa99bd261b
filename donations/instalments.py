"""
The days on which a pledge falls due: derived from when it was made, how often it is given, and until when.

A pledge that was changed falls due on the same day of the month as before; what was due before the change is not
counted again.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date

from donations.models import Pledge


def dates(made: Pledge) -> Iterator[date]:
    """Yield the days on which it is due under its present terms, the first one first."""
    since = made.changed_on or made.made_on
    last = made.ends_on
    if last is None:
        yield since
        return
    months = 0
    while (day := months_later(made.made_on, months)) <= last:
        if day >= since:
            yield day
        months += 1


def following(made: Pledge, today: date) -> date | None:
    """Return the next day on which it is due, today included; None if there is none any more."""
    return next((day for day in dates(made) if day >= today), None)


def latest(made: Pledge, today: date) -> tuple[date, date] | None:
    """Return the instalment of a monthly pledge that fell due last, and the same day a month before; None before it."""
    past = [day for day in dates(made) if day <= today]
    if not past:
        return None
    months = (past[-1].year - made.made_on.year) * 12 + past[-1].month - made.made_on.month
    return past[-1], months_later(made.made_on, months - 1)


def months_later(first: date, months: int) -> date:
    """Return the same day of a later month, or that month's last day if it is shorter."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, min(first.day, monthrange(year, month + 1)[1]))
