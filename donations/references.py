"""
Payment references: one number of ten digits, written in two ways.

- Belgian OGM (structured communication): the digits and two check digits, the remainder by 97, or 97 where it is 0.
- ISO 11649 creditor reference: "RF", two check digits (ISO 7064 MOD 97-10) and the digits.
"""

import secrets
from collections.abc import Callable

from stdnum import iso11649
from stdnum.be import ogm_vcs
from stdnum.exceptions import ValidationError as StdnumError
from stdnum.iso7064 import mod_97_10

_DIGITS = 10
# The numbers that are no pledge's, but a fund's own: for gifts without a pledge.
_FUNDS = range(10**9, 10**9 + 10**6)
# What people and banks put between and around the digits.
_SEPARATORS = str.maketrans("", "", " \t\u00a0\u202f+*/.,:-")


class WrongReferenceError(ValueError):
    """This is neither an OGM nor an RF reference of ours, or it was mistyped."""


def new_number() -> str:
    """
    Return a random number of ten digits.

    The first one is no zero: some banks cut leading zeros off a reference.
    """
    return str(_FUNDS.stop + secrets.randbelow(10**_DIGITS - _FUNDS.stop))


def fund_number(pk: int) -> str:
    """Return the number of a fund, under which gifts come that nobody pledged."""
    return str(_FUNDS[pk])


def fund_of(number: str) -> int | None:
    """Return the primary key of the fund whose own number this is; None for a pledge's."""
    return int(number) - _FUNDS.start if int(number) in _FUNDS else None


def ogm(number: str) -> str:
    """Return the Belgian structured communication, `+++123/4567/89002+++`."""
    return f"+++{ogm_vcs.format(number + ogm_vcs.calc_check_digits(number))}+++"


def rf(number: str) -> str:
    """Return the ISO 11649 reference in groups of four, `RF33 1234 5678 90`."""
    check = mod_97_10.calc_check_digits(f"{number}RF")
    return iso11649.format(f"RF{check}{number}")


def number_from_ogm(text: str) -> str:
    """Return the number in an OGM, with or without its signs. Raises WrongReferenceError."""
    return _checked(ogm_vcs.validate, _compact(text))[:_DIGITS]


def number_from_rf(text: str) -> str:
    """Return the number in an RF reference, in whatever groups. Raises WrongReferenceError."""
    body = _checked(iso11649.validate, _compact(text))[4:]
    if not body.isdigit() or len(body) > _DIGITS:
        raise WrongReferenceError
    return body.zfill(_DIGITS)


def number_from(text: str) -> str:
    """Return the number in an OGM or RF reference, or in the bare ten digits. Raises WrongReferenceError."""
    compact = _compact(text)
    if compact.startswith("RF"):
        return number_from_rf(compact)
    if len(compact) == _DIGITS and compact.isdigit():
        return compact
    return number_from_ogm(compact)


def _compact(text: str) -> str:
    compact = text.translate(_SEPARATORS).upper()
    if not compact.isascii():
        raise WrongReferenceError
    return compact


def _checked(validate: Callable[[str], str], text: str) -> str:
    try:
        return validate(text)
    except StdnumError as error:
        raise WrongReferenceError from error
