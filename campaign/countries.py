"""The countries of ISO 3166-1 (pycountry), with names in the reader's language (Unicode CLDR, by Babel)."""

from functools import lru_cache

import pycountry
from babel import Locale, UnknownLocaleError
from django.utils.translation import get_language, to_locale

# Kosovo has no code in ISO 3166 yet; XK is what the European Commission and CLDR use.
CODES = frozenset({country.alpha_2 for country in pycountry.countries} | {"XK"})


@lru_cache(maxsize=32)
def _names(language: str) -> dict[str, str]:
    try:
        names = Locale.parse(to_locale(language)).territories
    except (UnknownLocaleError, ValueError):
        names = Locale("en").territories
    return {code: names.get(code, code) for code in CODES}


def country_name(code: str, language: str | None = None) -> str:
    """Return the name of the country in this or the active language, or the code where it is unknown."""
    return _names(language or get_language() or "en").get(code, code)


def country_choices() -> list[tuple[str, str]]:
    """Return (code, name) pairs, in the order of the names."""
    names = _names(get_language() or "en")
    return sorted(names.items(), key=lambda pair: pair[1].casefold())
