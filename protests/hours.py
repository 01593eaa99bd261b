"""Time as it is at an office: its zone, its calendar day, its sending hours."""

from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

MIDNIGHT = time()
DAY_SECONDS = 24 * 60 * 60


def site_time_zone() -> str:
    return settings.TIME_ZONE


@cache
def zone(name: str) -> ZoneInfo:
    """Return the zone; the site's own for a name that is not known any more, so that no letter stops another's."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return ZoneInfo(settings.TIME_ZONE)


def validate_time_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ValidationError(
            _("“%(name)s” is no time zone. Write one as in the IANA list, such as Europe/Berlin or Asia/Almaty."),
            params={"name": name},
        ) from error


def day_began(now: datetime, time_zone: str) -> datetime:
    """Return the midnight with which the calendar day began there."""
    return midnight(now.astimezone(zone(time_zone)).date(), time_zone)


def midnight(day: date, time_zone: str) -> datetime:
    return datetime.combine(day, MIDNIGHT, zone(time_zone))


def is_open(now: datetime, time_zone: str, opens_at: time | None, closes_at: time | None) -> bool:
    """Whether it is within the sending hours there, by the clock on the wall."""
    if opens_at is None or closes_at is None:
        return True
    return opens_at <= now.astimezone(zone(time_zone)).time() < closes_at


def window(day: date, time_zone: str, opens_at: time | None, closes_at: time | None) -> tuple[datetime, datetime]:
    """Return when sending begins and ends on that day."""
    there = zone(time_zone)
    if opens_at is None or closes_at is None:
        return midnight(day, time_zone), midnight(day + timedelta(days=1), time_zone)
    return datetime.combine(day, opens_at, there), datetime.combine(day, closes_at, there)
