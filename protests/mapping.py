"""Where on the map of the world (static/img/world.svg) something happens, and what part of the map to show."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from importlib.resources import files
from math import asin, cos, radians, sin, sqrt

from protests import hours

# The map is as wide as this in its own units, and is cut where Asia and America are nearest to each other.
WIDTH, HEIGHT = 1000, 487
_MIDDLE = 11
# The least that is shown of it, as wide: less would show a coast more coarsely than it is drawn.
_LEAST = 260
_SHAPE = 16 / 10
_AROUND = 30
# Kosovo has no code in ISO 3166, so the time zones know nothing of it.
_KOSOVO = ("XK", "+4240+02110", "Europe/Belgrade")


def project(latitude: float, longitude: float) -> tuple[float, float]:
    """Return where a place is on the map: the projection Equal Earth (Šavrič, Patterson, Jenny, 2018)."""
    a1, a2, a3, a4 = 1.340264, -0.081106, 0.000893, 0.003796
    east = (longitude - _MIDDLE + 180) % 360 - 180
    t = asin(sqrt(3) / 2 * sin(radians(latitude)))
    x = 2 * sqrt(3) * radians(east) * cos(t) / (3 * (9 * a4 * t**8 + 7 * a3 * t**6 + 3 * a2 * t**2 + a1))
    y = a4 * t**9 + a3 * t**7 + a2 * t**3 + a1 * t
    unit = WIDTH / 2 / 2.706630
    return WIDTH / 2 + x * unit, HEIGHT / 2 - y * unit


def _degrees(text: str, whole: int) -> float:
    """Read ISO 6709, ±DDMM, ±DDDMM, or either with seconds."""
    digits = text[1:]
    degrees = int(digits[:whole]) + int(digits[whole : whole + 2]) / 60 + int(digits[whole + 2 :] or 0) / 3600
    return -degrees if text[0] == "-" else degrees


@cache
def _zones() -> dict[str, dict[str, tuple[float, float]]]:
    """Return the time zones of each country, each with where its main city is: the IANA's own list."""
    lines = (files("tzdata") / "zoneinfo/zone.tab").read_text(encoding="ascii").splitlines()
    rows = [line.split("\t")[:3] for line in lines if not line.startswith("#")]
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for country, position, name in [*rows, _KOSOVO]:
        cut = max(position.rfind("+"), position.rfind("-"))
        found.setdefault(country, {})[name] = (_degrees(position[:cut], 2), _degrees(position[cut:], 3))
    return found


def zones_of(country: str) -> list[str]:
    """Return the names of the country's time zones; none for one without people."""
    return list(_zones().get(country, ()))


def only_zone(country: str, moment: datetime | None) -> str:
    """Return the country's time zone, if all its clocks show the same; else ""."""
    if moment is None:
        return ""
    zones = zones_of(country)
    shown = {moment.replace(tzinfo=hours.zone(name)).utcoffset() for name in zones}
    return zones[0] if len(shown) == 1 else ""


def around(country: str, time_zone: str) -> tuple[float, float] | None:
    """Return latitude and longitude of the main city of the time zone, or of the first that the country has."""
    zones = _zones().get(country, {})
    return zones.get(time_zone) or next(iter(zones.values()), None)


@dataclass(frozen=True)
class Dot:
    """One or more at one place; `radius` is in units of the map, and its area grows with how many they are."""

    x: float
    y: float
    count: int
    coming: int
    radius: float = 0


@dataclass(frozen=True)
class Map:
    """What is shown of the world, in its units."""

    left: float
    top: float
    width: float
    height: float
    dots: list[Dot]


def draw(places: Iterable[tuple[float, float, int, int]]) -> Map | None:
    """Return the part of the world that holds these, each (latitude, longitude, how many, how many of them to come)."""
    seen: dict[tuple[float, float], tuple[int, int]] = {}
    for latitude, longitude, count, coming in places:
        x, y = project(latitude, longitude)
        key = (round(x, 1), round(y, 1))
        before = seen.get(key, (0, 0))
        seen[key] = (before[0] + count, before[1] + coming)
    if not seen:
        return None
    # The larger ones first, so that the smaller lie on them.
    dots = [Dot(x, y, *counts) for (x, y), counts in sorted(seen.items(), key=lambda item: -item[1][0])]
    left, right = min(dot.x for dot in dots) - _AROUND, max(dot.x for dot in dots) + _AROUND
    top, bottom = min(dot.y for dot in dots) - _AROUND, max(dot.y for dot in dots) + _AROUND
    width = min(max(right - left, (bottom - top) * _SHAPE, _LEAST), WIDTH)
    height = min(width / _SHAPE, HEIGHT)
    return Map(
        left=_within((left + right - width) / 2, WIDTH - width),
        top=_within((top + bottom - height) / 2, HEIGHT - height),
        width=round(width, 1),
        height=round(height, 1),
        # Of one size on the screen, however much of the world is shown.
        dots=[replace(dot, radius=round(width / 100 * min(0.6 + sqrt(dot.count) / 3, 3), 1)) for dot in dots],
    )


def _within(value: float, most: float) -> float:
    return round(min(max(value, 0), most), 1)
