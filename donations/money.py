"""
Money: an integer of the currency's smallest unit, and the currency. Amounts of two currencies are never added.

How many decimals a currency has comes from Unicode CLDR (Babel): two for EUR, none for JPY.
"""

import re
import unicodedata
from decimal import Decimal

from babel import Locale, UnknownLocaleError
from babel.numbers import (
    format_currency,
    format_decimal,
    get_currency_name,
    get_currency_precision,
    get_currency_symbol,
    is_currency,
)
from django.core.exceptions import ValidationError
from django.utils.translation import get_language, to_locale
from django.utils.translation import gettext_lazy as _

# In whole units of a currency: more than anybody gives, and far below what the column holds.
MAXIMUM = 1_000_000_000
_LONGEST = 40

_NUMBER = re.compile(
    r"""
    (?P<whole> \d+ | \d{1,3} (?: (?P<blank>[ ']) \d{3} (?: (?P=blank) \d{3} )* ) )  (?: [.,] (?P<part>\d*) )?
    | (?P<grouped> \d{1,3} (?: (?P<sign>[.,]) \d{3} (?: (?P=sign) \d{3} )* ) )  (?: (?!(?P=sign)) [.,] (?P<cents>\d*) )?
    """,
    re.VERBOSE,
)
# CLDR puts a blank there ("currency spacing"); Babel leaves it out.
_CODE_BEFORE_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)")
_NO_CENTS = re.compile(r"(?<=\d[.,])[-\u2010-\u2015\u2212]{1,2}\Z")
_TWO_READINGS = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")


def exponent(currency: str) -> int:
    """Return how many decimals an amount in `currency` has."""
    return get_currency_precision(currency)


def validate_currency(code: str) -> None:
    """Refuse what is no currency code of ISO 4217."""
    if not is_currency(code):
        raise ValidationError(
            _("%(code)s is no currency. Write its code of three capital letters: EUR, GBP, SEK."), params={"code": code}
        )


def validate_currencies(text: str) -> None:
    """Refuse a list, separated by blanks, that is empty, or names one twice, or holds something else."""
    codes = text.split()
    for code in codes:
        validate_currency(code)
    if not codes or len(codes) != len(set(codes)):
        raise ValidationError(_("Name at least one currency, and each one once."))


def parse_amount(text: str, currency: str) -> int:
    """
    Return what a person typed, in the smallest unit of `currency`.

    Nothing is guessed: what can be read in two ways (1.500) is refused, and so is a digit that the currency has no
    coin for. Digits of any script count, as do blanks and apostrophes between thousands, a sign or a dash in
    place of cents ("20,-"), and the currency's own code or symbol. Raises ValidationError with words for that person.
    """
    number = _bare_number(text, currency)
    decimals = exponent(currency)
    plain = f"1500 / {format_decimal('25.5', '0.00', babel_locale())}" if decimals else "1500"
    if number.startswith(("-", "\u2212")):
        raise ValidationError(_("The amount must be more than zero."), code="not_positive")
    if _TWO_READINGS.fullmatch(number):
        raise ValidationError(
            _(
                "“%(typed)s” can be read in two ways. Please write thousands without a point or comma. "
                "For example: %(plain)s"
            ),
            code="ambiguous",
            params={"typed": number, "plain": plain},
        )
    if not (match := _NUMBER.fullmatch(number)):
        raise ValidationError(
            _("Please write the amount in digits, for example: %(plain)s"), code="not_a_number", params={"plain": plain}
        )
    if len(number) > _LONGEST:
        raise ValidationError(_("This amount is too large."), code="too_large")
    whole, part = match["whole"] or match["grouped"], match["part"] or match["cents"] or ""
    if part and not decimals:
        raise ValidationError(
            _("%(currency)s has no smaller coins. Please write a whole number, for example: %(plain)s"),
            code="too_precise",
            params={"currency": currency, "plain": plain},
        )
    if len(part) > decimals:
        raise ValidationError(
            _("%(currency)s has no more than %(decimals)s digits after the point. For example: %(plain)s"),
            code="too_precise",
            params={"currency": currency, "decimals": decimals, "plain": plain},
        )
    minor = int(re.sub(r"\D", "", whole)) * 10**decimals + int(part.ljust(decimals, "0") or 0)
    if minor == 0:
        raise ValidationError(_("The amount must be more than zero."), code="not_positive")
    if minor > MAXIMUM * 10**decimals:
        raise ValidationError(_("This amount is too large."), code="too_large")
    return minor


def _bare_number(text: str, currency: str) -> str:
    """Return `text` with ASCII digits and plain blanks, without the currency's own code or symbol around it."""
    number = "".join(str(unicodedata.decimal(c, c)) for c in text).replace("’", "'")
    number = " ".join(number.split())  # no-break and thin blanks too
    for name in (currency, currency.lower(), get_currency_symbol(currency, "en")):
        number = number.removeprefix(name).removesuffix(name).strip()
    return _NO_CENTS.sub("", number)


def babel_locale(language: str | None = None) -> Locale:
    """Return Babel's locale for a language of Django's, by default the active one."""
    try:
        return Locale.parse(to_locale(language or get_language() or "en"))
    except (UnknownLocaleError, ValueError):
        return Locale("en")


def rounded_down(minor: int) -> int:
    """Return the next lower of 1, 2, 5, 10, 20, 50 and so on: it tells the size of an amount, not the amount."""
    power = 10 ** (len(str(minor)) - 1)
    return next(step * power for step in (5, 2, 1) if step * power <= minor)


def format_amount(minor: int, currency: str, language: str | None = None) -> str:
    """Return an amount as readers of `language`, by default the active one, write it."""
    text = format_currency(Decimal(minor).scaleb(-exponent(currency)), currency, locale=babel_locale(language))
    return _CODE_BEFORE_DIGIT.sub("\u00a0", text)


def format_rate(millionths: int) -> str:
    """Return a number of millionths as readers of the active language write it, with all its digits."""
    return format_decimal(Decimal(millionths).scaleb(-6), "0.######", babel_locale())


def typed_amount(minor: int, currency: str) -> str:
    """Return an amount as a reader of the active language types it into a form, without the currency."""
    decimals = exponent(currency)
    pattern = f"0.{'0' * decimals}" if decimals else "0"
    return format_decimal(Decimal(minor).scaleb(-decimals), pattern, babel_locale())


def currency_name(currency: str) -> str:
    """Return the currency's code and its name in the active language."""
    return f"{currency}, {get_currency_name(currency, locale=babel_locale())}"
