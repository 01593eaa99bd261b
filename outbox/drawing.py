"""Figures as bars, for the desk: what a template needs to draw them as inline SVG, without style or script."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# In the units of the drawing, which is as wide as it has bars.
HEIGHT, WIDTH = 100, 10


@dataclass(frozen=True)
class Bar:
    """One hour or day: where it stands in the drawing, how high it is, and what it says."""

    x: int
    y: int
    height: int
    label: str
    count: int


@dataclass(frozen=True)
class Chart:
    title: Any
    bars: list[Bar]
    # Where more of it is told.
    url: str = ""

    @property
    def width(self) -> int:
        return len(self.bars) * WIDTH

    @property
    def total(self) -> int:
        return sum(bar.count for bar in self.bars)

    @property
    def most(self) -> int:
        return max(bar.count for bar in self.bars)


def chart(title: Any, counted: Sequence[tuple[str, int]], url: str = "") -> Chart:
    """Return a chart of these labels and counts: all from zero, and no bar too low to be seen."""
    most = max(count for _label, count in counted)
    bars = []
    for place, (label, count) in enumerate(counted):
        height = max(1, HEIGHT * count // most) if count else 0
        bars.append(Bar(place * WIDTH, HEIGHT - height, height, label, count))
    return Chart(title, bars, url)
