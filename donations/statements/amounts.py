"""Amounts as banks write them, and the decimal sign, which is decided once for a whole file."""

import re
from dataclasses import dataclass, field
from functools import cache

from django.utils.translation import gettext as _

from donations import money
from donations.statements.items import StatementError

_DIGITS = 15  # more than this no bank's format holds
_exponent = cache(money.exponent)

# Minus signs that typesetters' fonts and some banks use.
_MINUS = str.maketrans("\u2212\u2012\u2013\u2014", "----")
_CELL = re.compile(
    r"""
    (?P<before> [-+(]? ) \s* (?: [A-Z]{3} | [€£$¥₸] )? \s* (?P<inner> [-+]? )
    (?P<number> [0-9] (?: [0-9.,'’\s]* [0-9] )? | [.,][0-9]+ )
    \s* (?: [A-Z]{3} | [€£$¥₸] | kr\.? | zł )? \s* (?P<after> [-+)]? | CR | DR )
    """,
    re.VERBOSE,
)
_UP_TO_999 = re.compile(r"0{0,2}[1-9][0-9]{0,2}")
_WHOLE = re.compile(r"[0-9]*|[0-9]{1,3}(?P<sign>[.,'’\s])[0-9]{3}(?:(?P=sign)[0-9]{3})*")
# What may stand before, directly before, and after the digits; and whether it makes the amount negative.
_SIGNS = {"": False, "+": False, "-": True, "()": True, "CR": False, "DR": True}


def minor(whole: str, part: str, currency: str, line: int = 0) -> int:
    """Return an amount's digits before and after the decimal sign in the smallest unit. Raises StatementError."""
    decimals = _exponent(currency)
    if part[decimals:].strip("0"):
        raise StatementError(
            _("The amount “%(amount)s” has more decimals than %(currency)s has.")
            % {"amount": f"{whole},{part}", "currency": currency},
            line,
        )
    digits = whole.lstrip("0") + part[:decimals].ljust(decimals, "0")
    if len(digits) > _DIGITS:
        raise StatementError(_("The amount “%(amount)s” is too large.") % {"amount": digits[:40]}, line)
    return int(digits or 0)


@dataclass
class DecimalSign:
    """
    Finds out from all cells of a file whether the comma or the point is its decimal sign.

    One cell is never enough: `1.500` is 1500 in one file and one and a half in another.
    """

    found: dict[str, tuple[int, str]] = field(default_factory=dict)
    doubtful: tuple[int, str] | None = None

    def see(self, cell: str, line: int) -> None:
        match = _CELL.fullmatch(cell.strip().translate(_MINUS))
        if not match or not (signs := [c for c in match["number"] if c in ",."]):
            return
        before, _sign, after = match["number"].rpartition(signs[-1])
        if len(signs) > 1 and len(set(signs)) == 1:  # twice the same: it stands between thousands
            self.found.setdefault("," if signs[-1] == "." else ".", (line, cell))
        elif len(signs) > 1 or len(after) != 3 or not _UP_TO_999.fullmatch(before):
            self.found.setdefault(signs[-1], (line, cell))
        else:
            self.doubtful = self.doubtful or (line, cell)

    def decided(self) -> str:
        """Return the sign. Raises StatementError if the cells contradict each other, or leave it open."""
        if len(self.found) == 2:
            (comma, with_comma), (point, with_point) = self.found[","], self.found["."]
            raise StatementError(
                _(
                    "The amounts contradict each other: “%(one)s” in line %(first)s has a decimal comma, "
                    "“%(other)s” in line %(second)s a decimal point. Nothing is guessed."
                )
                % {"one": with_comma, "first": comma, "other": with_point, "second": point},
                max(comma, point),
            )
        if self.doubtful and not self.found:
            line, cell = self.doubtful
            raise StatementError(
                _(
                    "“%(amount)s” can be read in two ways, and no other amount in the file tells which. "
                    "Please choose the decimal sign."
                )
                % {"amount": cell},
                line,
            )
        return next(iter(self.found), ".")


def signed(cell: str, decimal: str, currency: str, line: int) -> int:
    """Return the amount in a cell, its sign before it, after it (`200,00-`) or as brackets. Raises StatementError."""
    match = _CELL.fullmatch(cell.strip().translate(_MINUS))
    if match:
        number, sign = match["number"], match["before"] + match["inner"] + match["after"]
        whole, _decimal, part = number.rpartition(decimal) if decimal in number else (number, "", "")
        if decimal not in whole and _WHOLE.fullmatch(whole) and (not part or part.isdigit()) and sign in _SIGNS:
            size = minor(re.sub(r"[^0-9]", "", whole), part, currency, line)
            return -size if _SIGNS[sign] else size
    raise StatementError(_("“%(cell)s” is no amount.") % {"cell": cell[:60]}, line)
