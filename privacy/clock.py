"""
A clock that jumps must not delete what is not due.

Beat's bell notes the time twice a minute. A time that lies more than 48 hours from the one noted before is not noted:
from then on nothing is deleted, until the clock is back where it was, or a person says that it is right. A server that
was off for days looks the same from the inside, and is treated the same.
"""

from datetime import datetime, timedelta

from django.utils import timezone

from privacy.models import TrustedTime

MOST = timedelta(hours=48)


def look() -> datetime | None:
    """Note the time, if the clock can be trusted; return None then, else the last time that was trusted."""
    now = timezone.now()
    last, _new = TrustedTime.objects.get_or_create(pk=1, defaults={"at": now})
    if abs(now - last.at) > MOST:
        return last.at
    # Only this way around: another process may have noted a later one meanwhile, or a person set it right.
    TrustedTime.objects.filter(pk=1, at=last.at).update(at=now)
    return None


def doubted_since() -> datetime | None:
    """Return the last trusted time if the clock is far from it now, else None."""
    last = TrustedTime.objects.filter(pk=1).values_list("at", flat=True).first()
    return last if last and abs(timezone.now() - last) > MOST else None


def is_right() -> None:
    """Take the clock as it is now for right, on a person's word."""
    TrustedTime.objects.update_or_create(pk=1, defaults={"at": timezone.now()})
