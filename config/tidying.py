"""Public pages as they are kept: without the indents that we read the templates by."""

import re

_KEPT_AS_IT_IS = re.compile(r"(<(pre|textarea|script|style)\b.*?</\2>)", re.DOTALL)
_INDENTED = re.compile(r"\s*\n\s*")


def tidied(html: str) -> str:
    """Return a page that shows the same."""
    parts = _KEPT_AS_IT_IS.split(html)  # around each that is kept: what is before, the whole of it, and its tag's name
    return "".join(part if at % 3 else _INDENTED.sub("\n", part) for at, part in enumerate(parts) if at % 3 != 2)
