"""How a person appears in public, as they chose."""

import re

from privacy.fields import UNREADABLE

_MAILBOX = re.compile(r"""[^\s<>()\[\]"';:,=]+@[^\s<>()\[\]"';:,]+""")


def without_addresses(text: str) -> str:
    """Return `text` with nothing in it that looks like a mail address."""
    return _MAILBOX.sub("…", text)


def without_names(text: str, *names: str) -> str:
    """Return `text` without these names and each of their words, in any case, and without mail addresses."""
    text = without_addresses(text)
    words = {part for name in names for part in (name, *name.split()) if part}
    for part in sorted(words, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "…", text, flags=re.IGNORECASE)
    return text


def initials(name: str) -> str:
    """Return "N. B." for "Nora Berg"."""
    return " ".join(f"{part[0].upper()}." for part in name.split() if part[0].isalpha())


def shown(name: str, display: str) -> str:
    """Return what may stand on a public page for `display` public, initials or anonymous; "" where nothing may."""
    if name == UNREADABLE:
        return ""
    return {"public": name, "initials": initials(name)}.get(display, "")
