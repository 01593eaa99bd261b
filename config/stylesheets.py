"""Stylesheets as they are served: without the comments and indents that we read them by."""

import re
from typing import Any

from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage

# What stands in quotes stays as it is.
_COMMENT = re.compile(r"""("[^"]*")|/\*.*?\*/""", re.DOTALL)
_SPARE = re.compile(r"""("[^"]*")|\s*([{};,>])\s*|(:)\s+|(\s)\s*|(?<![\w.])0(?=\.\d)""")


def minified(css: str) -> str:
    """Return a stylesheet that means the same."""
    css = _COMMENT.sub(r"\1", css)
    css = _SPARE.sub(lambda found: " " if found[4] else found[1] or found[2] or found[3] or "", css)
    return css.replace(";}", "}").strip()


class StaticFiles(CompressedManifestStaticFilesStorage):
    def _save(self, name: str, content: Any) -> str:
        if name.startswith("css/") and name.endswith(".css"):
            content = ContentFile(minified(b"".join(content.chunks()).decode()).encode())
        saved: str = super()._save(name, content)
        return saved
