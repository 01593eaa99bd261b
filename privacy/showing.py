"""How a person appears in public, as they chose."""

from privacy.fields import UNREADABLE


def initials(name: str) -> str:
    """Return "N. B." for "Nora Berg"."""
    return " ".join(f"{part[0].upper()}." for part in name.split() if part[0].isalpha())


def shown(name: str, display: str) -> str:
    """Return what may stand on a public page for `display` public, initials or anonymous; "" where nothing may."""
    if name == UNREADABLE:
        return ""
    return {"public": name, "initials": initials(name)}.get(display, "")
