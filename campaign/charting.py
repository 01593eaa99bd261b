"""The picture of a month's labour: what it is worth, and who gets how much of it."""

from dataclasses import dataclass

from babel import Locale, UnknownLocaleError
from babel.numbers import NumberPattern, format_percent, parse_pattern
from django.utils.translation import get_language, gettext, to_locale

from campaign.models import Labour

# In the units of the drawing.
WIDTH = 1000


@dataclass(frozen=True)
class Part:
    """One share: where it lies in the bar, and what it says."""

    kind: str
    label: str
    amount: str
    percent: str
    is_rounded: bool
    x: int
    width: int


@dataclass(frozen=True)
class Picture:
    parts: list[Part]
    total: str
    all_of_it: str
    # Whether the last part is what the others leave over, worked out and not told by the source.
    has_rest: bool
    # Whether some part is told roughly, or worked out from one that is.
    is_rounded: bool
    width: int = WIDTH


def of(labour: Labour) -> Picture:
    """Return the bar of a month's labour. Reads the prefetched shares."""
    shares = list(labour.shares.all())
    rest = labour.amount - sum(share.amount for share in shares)
    told = [(share.kind, str(share), share.amount, share.is_rounded) for share in shares]
    some_rounded = any(share.is_rounded for share in shares)
    if rest > 0:
        words = labour.safe_translation_getter("rest", any_language=True) or gettext("the remainder")
        told.append(("rest", words, rest, some_rounded))
    # Shares that make more than the whole are refused when they are typed; the bar would still hold them.
    whole = max(labour.amount, labour.amount - rest)
    parts, before = [], 0
    for kind, label, amount, is_rounded in told:
        start, end = WIDTH * before // whole, WIDTH * (before + amount) // whole
        shown = in_whole_units(amount, labour.currency)
        percent = in_percent(amount / whole)
        parts.append(Part(kind, label, shown, percent, is_rounded, start, end - start))
        before += amount
    total = in_whole_units(labour.amount, labour.currency)
    return Picture(parts, total, in_percent(1), rest > 0, some_rounded)


def in_percent(share: float) -> str:
    return format_percent(share, locale=babel_locale())


def in_whole_units(amount: int, currency: str) -> str:
    """Return a sum as readers of the active language write it, without cents."""
    locale = babel_locale()
    pattern: NumberPattern = parse_pattern(locale.currency_formats["standard"].pattern)
    pattern.frac_prec = (0, 0)
    return pattern.apply(amount, locale, currency=currency, currency_digits=False)


def babel_locale() -> Locale:
    """Return Babel's locale for the active language."""
    try:
        return Locale.parse(to_locale(get_language() or "en"))
    except (UnknownLocaleError, ValueError):
        return Locale("en")
