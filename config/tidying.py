"""Public pages as they are kept: without the indents that we read the templates by."""

import re

_KEPT_AS_IT_IS = re.compile(r"(<(pre|textarea|script|style)\b.*?</\2>)", re.DOTALL)
_INDENTED = re.compile(r"\s*\n\s*")
# An option ends where the next begins. Written one way, a second list of all countries packs into nearly nothing.
_BETWEEN_OPTIONS = re.compile(r"</option>\s*(?=</?(?:option|optgroup|select|datalist)\b)")


def tidied(html: str) -> str:
    """Return a page that shows the same."""
    parts = _KEPT_AS_IT_IS.split(html)  # around each that is kept: what is before, the whole of it, and its tag's name
    return "".join(part if at % 3 else _shortened(part) for at, part in enumerate(parts) if at % 3 != 2)


def _shortened(html: str) -> str:
    return _INDENTED.sub("\n", _BETWEEN_OPTIONS.sub("", html))
