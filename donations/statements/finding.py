"""Finding our own reference in what a payer typed and a bank passed on."""

import re
from collections.abc import Iterable
from contextlib import suppress

from donations import references

# An OGM in its groups, and an RF reference of at most ten digits in any groups.
_OGM = re.compile(r"(?<![0-9/])[0-9]{3}\s*/\s*[0-9]{4}\s*/\s*[0-9]{5}(?![0-9/])")
_RF = re.compile(r"(?<![A-Z0-9])RF(?:[\s-]*[0-9]){3,12}(?![\s-]*[0-9])", re.IGNORECASE)


def number_in(structured: Iterable[str], text: str) -> str:
    """
    Return the ten digits of the one valid reference, or nothing.

    What the bank calls a structured reference comes first; then what stands in the text in the shape of one, with valid
    check digits. Two different ones are for a person to decide.
    """
    found = set()
    for typed in structured:
        is_rf = typed.lstrip().upper().startswith("RF")
        with suppress(references.WrongReferenceError):
            found.add(references.number_from_rf(typed) if is_rf else references.number_from_ogm(typed))
    if not found:
        # Banks break lines within a reference; so the text is looked through with and without its breaks.
        for source in {text, text.replace("\n", "")}:
            for shape, read in ((_OGM, references.number_from_ogm), (_RF, references.number_from_rf)):
                for match in shape.finditer(source):
                    with suppress(references.WrongReferenceError):
                        found.add(read(match[0]))
    return found.pop() if len(found) == 1 else ""
