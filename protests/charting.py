"""How many signed, confirmed and are held, hour by hour and day by day, as bars."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any

from django.db.models import Count, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from outbox.deciding import counted_between
from outbox.drawing import Chart, chart
from protests.models import Hold, Letter, Signature, SignatureQuerySet

HOURS, DAYS = 48, 30
# As an expression: else SQLite reads all rows of a country by the index of the list, and not an hour's by their time.
COUNTRY = Coalesce("country", Value(""))


def charts(letter: Letter | None = None, country: str = "") -> list[Chart]:
    """Return the charts of one letter or all, and of one country or all."""
    signed, only = (
        _signed(letter),
        {**({"letter": letter} if letter else {}), **({"country": country} if country else {})},
    )
    if country:
        signed = signed.alias(of=COUNTRY).filter(of=country)
    series = [
        (_("Signed, by hour"), _("Signed, by day"), signed, "created_at"),
        (_("Confirmed, by hour"), _("Confirmed, by day"), signed.counted(), "confirmed_at"),
        (_("Held, by hour"), _("Held, by day"), Hold.objects.filter(**only), "created_at"),
    ]
    found = []
    hours, days = list(_hours()), list(_days())
    for by_hour, by_day, rows, column in series:
        found.append(_chart(by_hour, "SHORT_DATETIME_FORMAT", rows, column, hours))
        found.append(_chart(by_day, "SHORT_DATE_FORMAT", rows, column, days))
    return found


def countries(letter: Letter | None = None) -> list[tuple[str, int]]:
    """Return the countries with the most signatures posted within the days of the charts, with how many."""
    rows = _signed(letter).filter(created_at__gte=next(_days())).order_by()
    return list(rows.values_list(COUNTRY).annotate(count=Count("*")).order_by("-count", COUNTRY)[:10])


def _signed(letter: Letter | None) -> SignatureQuerySet:
    """Return the signatures of one letter or all: the letters' keys are few, and with them the indexes serve."""
    letters = [letter.pk] if letter else list(Letter.objects.order_by().values_list("pk", flat=True))
    return Signature.objects.filter(letter__in=letters)


def _hours() -> Iterator[datetime]:
    """Yield when each of the hours began, and when the last one ends."""
    now = timezone.localtime().replace(minute=0, second=0, microsecond=0)
    for back in reversed(range(-1, HOURS)):
        yield timezone.localtime(now - timedelta(hours=back))


def _days() -> Iterator[datetime]:
    """Yield when each of the days began, and when the last one ends."""
    for back in reversed(range(-1, DAYS)):
        yield timezone.make_aware(datetime.combine(timezone.localdate() - timedelta(days=back), time.min))


def _chart(title: Any, written: str, rows: QuerySet[Any], column: str, begins: list[datetime]) -> Chart:
    labels = [date_format(begin, written) for begin in begins[:-1]]
    return chart(title, list(zip(labels, counted_between(rows, column, begins), strict=True)))
