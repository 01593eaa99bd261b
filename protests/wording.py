"""The words of a letter: a plain text with a few variables, and nothing that could run."""

import re
import unicodedata
from collections.abc import Mapping
from hashlib import sha256

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
# [[one way|another way]]: a passage in several wordings, of which each letter has one.
_VARIANTS = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
LONGEST_SUBJECT = 150


def _check_variables(text: str, allowed: frozenset[str]) -> None:
    if unknown := {f"{{{name}}}" for name in _VARIABLE.findall(text)} - {f"{{{name}}}" for name in allowed}:
        raise ValidationError(
            _("Unknown variable: %(unknown)s. You can use %(allowed)s."),
            params={
                "unknown": ", ".join(sorted(unknown)),
                "allowed": ", ".join(f"{{{name}}}" for name in sorted(allowed)),
            },
        )


def _check_variants(text: str) -> None:
    outside = _VARIANTS.sub("", text)
    if "[[" in outside or "]]" in outside or any("[[" in inside for inside in _VARIANTS.findall(text)):
        raise ValidationError(
            _("Wordings to choose from stand like this: [[one way|another way]]. A [[ or a ]] is missing or too many.")
        )
    if any("|" not in inside for inside in _VARIANTS.findall(text)):
        raise ValidationError(_("There is only one wording between [[ and ]]: put | between two or more."))


def vary(text: str, seed: str) -> str:
    """Return `text` with one wording for each passage that has several; the same ones for the same `seed`."""
    passages = 0

    def choose(match: re.Match[str]) -> str:
        nonlocal passages
        passages += 1
        wordings = match[1].split("|")
        return wordings[int(sha256(f"{passages}\0{seed}".encode()).hexdigest(), 16) % len(wordings)]

    return _VARIANTS.sub(choose, text)


def varies(text: str) -> bool:
    """Whether `text` has passages in several wordings."""
    return _VARIANTS.search(text) is not None


def validate_subject(text: str) -> None:
    """Refuse control characters, which cannot stand in a header, wrong variants, and unknown variables."""
    if any(unicodedata.category(c) == "Cc" for c in text):
        raise ValidationError(_("The subject holds a control character, such as a line break or a tab. Type it anew."))
    _check_variables(text, frozenset({"country"}))
    _check_variants(text)
    if not _VARIANTS.sub(lambda match: min(match[1].split("|"), key=lambda words: len(words.strip())), text).strip():
        raise ValidationError(_("One of the wordings leaves the subject empty."))
    if len(_VARIANTS.sub(lambda match: max(match[1].split("|"), key=len), text)) > LONGEST_SUBJECT:
        raise ValidationError(
            _("With the longest wordings the subject has more than %(limit)d characters."),
            params={"limit": LONGEST_SUBJECT},
        )


def validate_body(text: str) -> None:
    """Refuse unknown variables and wrong variants."""
    _check_variables(text, VARIABLES)
    _check_variants(text)


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
