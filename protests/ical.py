"""The pickets as a calendar to subscribe to (RFC 5545), in UTC, which every program puts into its own time."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.text import capfirst

from campaign.countries import country_name
from protests.models import Picket

# In octets, without the line's end.
_LINE = 75
_NOT_IN_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def _text(words: str) -> str:
    for sign in ("\\", ";", ","):
        words = words.replace(sign, f"\\{sign}")
    return _NOT_IN_TEXT.sub("", words.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\\n"))


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _folded(line: str) -> str:
    """Return the line in pieces of at most 75 octets, each further one after a blank; no letter is cut in two."""
    pieces, piece, size = [], "", 0
    for letter in line:
        octets = len(letter.encode())
        if size + octets > _LINE:
            pieces.append(piece)
            piece, size = " ", 1
        piece, size = piece + letter, size + octets
    return "\r\n".join([*pieces, piece])


def _event(picket: Picket) -> list[str]:
    # A place that stands for the country is not said twice.
    where = dict.fromkeys(filter(None, [picket.address, picket.place, country_name(picket.country)]))
    lines = [
        "BEGIN:VEVENT",
        f"UID:picket-{picket.pk}@{urlsplit(settings.BASE_URL).hostname}",
        f"DTSTAMP:{_moment(picket.changed_at)}",
        f"LAST-MODIFIED:{_moment(picket.changed_at)}",
        f"SUMMARY:{_text(capfirst(picket.get_kind_display()))}: {_text(picket.place)}",
        f"LOCATION:{_text(', '.join(where))}",
        f"URL:{settings.BASE_URL.rstrip('/')}{picket.get_absolute_url()}",
    ]
    if picket.starts_at:
        lines.append(f"DTSTART:{_moment(picket.starts_at)}")
    if picket.ends_at:
        lines.append(f"DTEND:{_moment(picket.ends_at)}")
    if picket.text:
        lines.append(f"DESCRIPTION:{_text(picket.text)}")
    if picket.latitude is not None:
        lines.append(f"GEO:{picket.latitude};{picket.longitude}")
    return [*lines, "END:VEVENT"]


def calendar(name: str, pickets: Iterable[Picket]) -> str:
    """Return the calendar of those pickets of which the hour is known."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Solidarity//Pickets//EN",
        f"NAME:{_text(name)}",
        f"X-WR-CALNAME:{_text(name)}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT6H",
    ]
    for picket in pickets:
        if picket.has_an_hour:
            lines += _event(picket)
    return "".join(f"{_folded(line)}\r\n" for line in [*lines, "END:VCALENDAR"])
