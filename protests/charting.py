"""How many signed, confirmed and are held, hour by hour and day by day, as bars."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, QuerySet
from django.db.models.functions import TruncDate, TruncHour
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from outbox.drawing import Chart, chart
from protests.models import Hold, Letter, Signature

HOURS, DAYS = 48, 30


def charts(letter: Letter | None = None, country: str = "") -> list[Chart]:
    """Return the charts of one letter or all, and of one country or all."""
    only = {**({"letter": letter} if letter else {}), **({"country": country} if country else {})}
    posted = Signature.objects.filter(**only)
    series = [
        (_("Signed, by hour"), _("Signed, by day"), posted, "created_at"),
        (_("Confirmed, by hour"), _("Confirmed, by day"), posted.filter(withdrawn_at=None), "confirmed_at"),
        (_("Held, by hour"), _("Held, by day"), Hold.objects.filter(**only), "created_at"),
    ]
    found = []
    for by_hour, by_day, rows, column in series:
        found.append(_chart(by_hour, list(_hours()), _counted(rows, TruncHour(column), column, timedelta(hours=HOURS))))
        found.append(_chart(by_day, list(_days()), _counted(rows, TruncDate(column), column, timedelta(days=DAYS))))
    return found


def countries(letter: Letter | None = None) -> list[tuple[str, int]]:
    """Return the countries with the most signatures posted within the days of the charts, with how many."""
    since = timezone.now() - timedelta(days=DAYS)
    rows = Signature.objects.filter(created_at__gt=since, **({"letter": letter} if letter else {})).order_by()
    return list(rows.values_list("country").annotate(count=Count("pk")).order_by("-count", "country")[:10])


def _counted(rows: QuerySet[Any], slot: Any, column: str, back: timedelta) -> dict[Any, int]:
    recent = rows.filter(**{f"{column}__gt": timezone.now() - back}).order_by()
    return dict(recent.annotate(slot=slot).values_list("slot").annotate(count=Count("pk")))


def _hours() -> Iterator[tuple[datetime, str]]:
    now = timezone.localtime().replace(minute=0, second=0, microsecond=0)
    for back in reversed(range(HOURS)):
        hour = timezone.localtime(now - timedelta(hours=back))
        yield hour, date_format(hour, "SHORT_DATETIME_FORMAT")


def _days() -> Iterator[tuple[date, str]]:
    for back in reversed(range(DAYS)):
        day = timezone.localdate() - timedelta(days=back)
        yield day, date_format(day, "SHORT_DATE_FORMAT")


def _chart(title: Any, slots: list[tuple[Any, str]], counted: dict[Any, int]) -> Chart:
    return chart(title, [(label, counted.get(slot, 0)) for slot, label in slots])
