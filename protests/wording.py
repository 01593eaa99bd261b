"""The words of a letter: a plain text with a few variables, and nothing that could run."""

import re
import unicodedata
from collections.abc import Mapping

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

# Each variable, and what readers of the unfilled letter see in its place.
PLACES = {
    "target": _("salutation"),
    "name": _("your name"),
    "country": _("your country"),
    "organisation": _("your organisation"),
    "own_words": _("your own words"),
}
VARIABLES = frozenset(PLACES)
_VARIABLE = re.compile(r"\{([^{}\n]*)\}")


def _check_variables(text: str, allowed: frozenset[str]) -> None:
    if unknown := {f"{{{name}}}" for name in _VARIABLE.findall(text)} - {f"{{{name}}}" for name in allowed}:
        raise ValidationError(
            _("Unknown variable: %(unknown)s. You can use %(allowed)s."),
            params={
                "unknown": ", ".join(sorted(unknown)),
                "allowed": ", ".join(f"{{{name}}}" for name in sorted(allowed)),
            },
        )


def validate_subject(text: str) -> None:
    """Refuse control characters, which cannot stand in a header, and unknown variables."""
    if any(unicodedata.category(c) == "Cc" for c in text):
        raise ValidationError(_("The subject holds a control character, such as a line break or a tab. Type it anew."))
    _check_variables(text, frozenset({"country"}))


def validate_body(text: str) -> None:
    """Refuse unknown variables."""
    _check_variables(text, VARIABLES)


def outline(subject: str, body: str) -> tuple[str, str]:
    """Return a letter for reading, with words in brackets where something will be filled in."""
    places = {name: f"[{words}]" for name, words in PLACES.items()}
    return fill(subject, {"country": places["country"]}).strip(), fill(body, places)


def fill(text: str, values: Mapping[str, str]) -> str:
    """
    Return `text` with its variables filled in, once: what a supporter typed is never read as a variable.

    A letter without {own_words} gets them at its beginning, where filters and readers look first. Paragraphs that
    end up empty are left out.
    """
    if "{own_words}" not in text and values.get("own_words"):
        text = "{own_words}\n\n" + text
    filled = _VARIABLE.sub(lambda match: values.get(match[1], match[0]), text.replace("\r\n", "\n"))
    return re.sub(r"\n[ \t]*\n(?:[ \t]*\n)+", "\n\n", filled).strip() + "\n"
