"""The countries of ISO 3166-1 (pycountry), with names in the reader's language (Unicode CLDR, by Babel)."""

import unicodedata
from functools import cache, lru_cache

import pycountry
from babel import Locale, UnknownLocaleError
from django.conf import settings
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


def _plain(name: str) -> str:
    """Return a name without case, accents, and what people leave out or write in other ways."""
    letters = unicodedata.normalize("NFKD", name.replace("&", " and ")).casefold()
    return "".join(sign for sign in letters if sign.isalnum())


@cache
def _codes() -> dict[str, str]:
    """Return the codes by every name: of two and three letters, of ISO 3166, in the site's languages, and in use."""
    found: dict[str, str] = {}
    for country in pycountry.countries:
        said = (getattr(country, name, "") for name in ("alpha_3", "name", "official_name", "common_name"))
        found |= {_plain(name): country.alpha_2 for name in said if name}
    for language, _name in settings.LANGUAGES:
        found |= {_plain(name): code for code, name in _names(language).items()}
    return found | {"uk": "GB", "england": "GB", "el": "GR"} | {code.casefold(): code for code in CODES}


def code_of(words: str) -> str | None:
    """Return the code of the country that somebody wrote as a code or by its name; None where it is none we know."""
    return _codes().get(_plain(words))
