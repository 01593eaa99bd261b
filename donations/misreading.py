"""
Which of our numbers a donor may have meant: read in free text, with look-alike letters or one digit wrong.

Nothing that is found here is posted by itself: a person is asked (donations.suggesting).
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from stdnum.be import ogm_vcs
from stdnum.iso7064 import mod_97_10

_DIGITS = 10
# Letters that are written or read for a digit, in Latin and in Cyrillic script.
_LOOKS = {"O": "0", "Q": "0", "D": "0", "О": "0", "I": "1", "L": "1", "|": "1", "!": "1", "Z": "2", "З": "3"}
_LOOKS |= {"S": "5", "G": "6", "Б": "6", "B": "8"}
_AS_DIGITS = str.maketrans(_LOOKS)
_PIECE = re.compile(f"[0-9{re.escape(''.join(_LOOKS))}]+")
_BETWEEN = re.compile(r"[\s+*/.,:-]*")
_RF_BEFORE = re.compile(r"(?<![A-Z0-9])RF[\s-]*\Z")
# A letter's worth of text; a statement's line holds less.
_LONGEST_TEXT = 1000
_MOST = 400
_CHECKED = _DIGITS + 2


@dataclass(frozen=True)
class Reading:
    """A number that may have been meant: as it stands there, or after putting one slip right."""

    number: str
    exact: bool


def readings(text: str) -> list[Reading]:
    """Return the numbers that the text may mean, those that stand there in full first, each once."""
    found: dict[str, bool] = {}
    for digits, typed, after_rf in _runs(unicodedata.normalize("NFKC", text[:_LONGEST_TEXT]).upper()):
        for number, exact in _meant(digits, after_rf):
            found[number] = found.get(number, False) or (exact and typed.isdigit())
    ordered = sorted(found.items(), key=lambda reading: not reading[1])
    return [Reading(number, exact) for number, exact in ordered[:_MOST]]


def _runs(text: str) -> Iterator[tuple[str, str, bool]]:
    """Yield what could be a reference: as digits, as typed, and whether "RF" stands before it."""
    pieces = list(_PIECE.finditer(text))
    for first, start in enumerate(pieces):
        typed, end = "", start.start()
        for piece in pieces[first:]:
            if not _BETWEEN.fullmatch(text, end, piece.start()):
                break
            typed, end = typed + piece[0], piece.end()
            if len(typed) > _CHECKED + 1:
                break
            whole = _has_digit(start[0]) and _has_digit(piece[0])
            if whole and len(typed) >= _DIGITS - 1 and sum(c.isdigit() for c in typed) >= _DIGITS // 2:
                yield typed.translate(_AS_DIGITS), typed, bool(_RF_BEFORE.search(text[: start.start()]))


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)


def _meant(digits: str, after_rf: bool) -> Iterator[tuple[str, bool]]:  # noqa: FBT001
    """Yield the numbers that these digits may mean, and whether they are it as they stand."""
    if len(digits) == _CHECKED:
        yield from ((number, True) for number in _checked(digits, after_rf))
    if len(digits) == _DIGITS:
        yield digits, True
    for near in _one_slip(digits):
        if len(near) == _CHECKED:
            yield from ((number, False) for number in _checked(near, after_rf))
        elif len(near) == _DIGITS and len(digits) <= _DIGITS + 1:
            yield near, False


def _checked(digits: str, after_rf: bool) -> Iterator[str]:  # noqa: FBT001
    """Yield the number if the check digits, which stand first in an RF reference and last in an OGM, are right."""
    if after_rf:
        if mod_97_10.calc_check_digits(f"{digits[2:]}RF") == digits[:2]:
            yield digits[2:]
    elif ogm_vcs.calc_check_digits(digits[:_DIGITS]) == digits[_DIGITS:]:
        yield digits[:_DIGITS]


def _one_slip(digits: str) -> Iterator[str]:
    """Yield what becomes of the digits if one is another, two neighbours change places, one is missing or too many."""
    for at in range(len(digits) + 1):
        before, after = digits[:at], digits[at:]
        yield from (before + digit + after for digit in "0123456789")
        if after:
            yield from (before + digit + after[1:] for digit in "0123456789" if digit != after[0])
            yield before + after[1:]
        if len(after) > 1 and after[0] != after[1]:
            yield before + after[1] + after[0] + after[2:]
