"""
What waits for an organiser's decision, and how the days went, for the first page of the desk.

Each app says what it has, in a module `decisions`; config gathers it. Here, because this app knows none above it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from operator import attrgetter
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.core.cache import cache
from django.db.models import Count, QuerySet, Value
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise

from outbox.drawing import Chart, chart

# Who has so many before them needs no exact number.
MOST_COUNTED = 100
DAYS = 30
# For how long the charts' figures are kept: they cost more than all the rest of the page.
KEPT_SECONDS = 600

User = AbstractUser | AnonymousUser
Text = str | Promise


@dataclass(frozen=True)
class Waiting:
    """Rows that wait for a person: what they are, what to do with them and where, how many, and since when."""

    what: Text
    to_do: Text
    url: str
    found: int
    oldest: date | datetime | None = None
    # Whether somebody or something waits for a decision; what is work without one comes after all that does.
    decides: bool = True

    @property
    def count(self) -> int:
        return min(self.found, MOST_COUNTED)

    @property
    def more(self) -> bool:
        """Whether there are more than were counted."""
        return self.found > MOST_COUNTED


@dataclass(frozen=True)
class Series:
    """What is counted by day: `rows` whose `column` falls into it. `url` tells more of it."""

    key: str
    title: Text
    rows: QuerySet[Any]
    column: str
    url: str


@dataclass(frozen=True)
class Step:
    """One of the first steps of a new site, in their order: what to do, where, and whether it is done."""

    order: int
    what: Text
    to_do: Text
    url: str
    done: bool
    # Without which a site is complete too.
    optional: bool = False
    # A second way to it, and its name.
    other_url: str = ""
    other: Text = ""


Asks = Callable[[Any], Iterable[Waiting]]
Counts = Callable[[Any], Iterable[Series]]
Begins = Callable[[Any], Iterable[Step]]
_asks: list[Asks] = []
_begins: list[Begins] = []
_counts: list[Counts] = []


def asks(function: Asks) -> Asks:
    """
    Register the decorated function, in an app's module `decisions`, as one that says what waits.

    It is given the organiser, and yields only what this one may decide.
    """
    _asks.append(function)
    return function


def counts(function: Counts) -> Counts:
    """Register the decorated function, in an app's module `decisions`, as one that yields what is counted by day."""
    _counts.append(function)
    return function


def begins(function: Begins) -> Begins:
    """Register the decorated function, in an app's module `decisions`, as one that yields first steps."""
    _begins.append(function)
    return function


def first_steps(user: User) -> list[Step]:
    """Return the first steps that are this organiser's, or none once all that a site needs are done."""
    steps = sorted((step for function in _begins for step in function(user)), key=attrgetter("order"))
    return steps if any(not (step.done or step.optional) for step in steps) else []


def next_step(user: User) -> Step | None:
    """Return the first of the first steps that is not done."""
    return next((step for step in first_steps(user) if not step.done), None)


def form_for(model: Any, row: Any = None, **initial: Any) -> str:
    """Return the address of the desk's form for `row`, or for a new one that begins with `initial`."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    address = reverse(f"{name}_change", args=[row.pk]) if row else reverse(f"{name}_add")
    return f"{address}?{urlencode(initial)}" if initial else address


def waiting_for(user: User) -> list[Waiting]:
    """Return what waits for this organiser, decisions first, in the order of the apps."""
    found = [one for function in _asks for one in function(user) if one.found]
    return sorted(found, key=attrgetter("decides"), reverse=True)


def waiting(rows: QuerySet[Any], since: str, *, what: Text, to_do: Text, url: str, order: str = "") -> Waiting:
    """
    Return how many rows wait, counted no further than needed, and `since` when, in one query.

    `order` is the column by which the oldest comes first, if another one's index finds it sooner.
    """
    found = list(rows.order_by(order or since).values_list(since, flat=True)[: MOST_COUNTED + 1])
    return Waiting(what, to_do, url, len(found), found[0] if found else None)


def charts_for(user: User) -> list[Chart]:
    """Return the charts that this organiser may see; their figures are some minutes old."""
    days = list(_days())
    labels = [date_format(day, "SHORT_DATE_FORMAT") for day in days]
    return [
        chart(series.title, list(zip(labels, _counted(series, days), strict=True)), series.url)
        for function in _counts
        for series in function(user)
    ]


def _days() -> Iterable[date]:
    today = timezone.localdate()
    return (date.fromordinal(today.toordinal() - back) for back in reversed(range(DAYS)))


def _counted(series: Series, days: list[date]) -> list[int]:
    key = f"desk-{series.key}-{days[-1]}"
    found: list[int] | None = cache.get(key)
    if found is None:
        found = _count(series, days)
        cache.set(key, found, KEPT_SECONDS)
    return found


def _count(series: Series, days: list[date]) -> list[int]:
    tz = timezone.get_current_timezone()
    tomorrow = date.fromordinal(days[-1].toordinal() + 1)
    begins = [datetime(day.year, day.month, day.day, tzinfo=tz) for day in (*days, tomorrow)]
    return counted_between(series.rows, series.column, begins)


def newest(rows: QuerySet[Any], most: int) -> QuerySet[Any]:
    """Return so many of the newest rows, for a search or a filter that no index answers; it tells how many."""
    before = rows.order_by("-pk").values_list("pk", flat=True)[most : most + 1].first()
    return rows if before is None else rows.filter(pk__gt=before)


def counted_between(rows: QuerySet[Any], column: str, begins: list[datetime]) -> list[int]:
    """
    Count from each of these moments to the next one by itself, in one query.

    Not by grouping: thus an index that begins with other columns serves each, and no row's day is worked out. "*", so
    that PostgreSQL counts in the index alone.
    """
    first, *others = (
        rows.filter(**{f"{column}__gte": begin, f"{column}__lt": end})
        .order_by()
        .values(place=Value(place))
        .annotate(count=Count("*"))
        .values_list("place", "count")
        for place, (begin, end) in enumerate(pairwise(begins))
    )
    counted = dict(first.union(*others, all=True))
    return [counted.get(place, 0) for place in range(len(begins) - 1)]


def list_of(model: Any, **query: Any) -> str:
    """Return the address of a model's list at the desk, narrowed by `query`."""
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{address}?{urlencode(query)}" if query else address
