"""The files of pictures, in MEDIA_ROOT."""

import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction


def path(name: str) -> Path:
    return Path(settings.MEDIA_ROOT, name)


def write(name: str, content: bytes) -> None:
    """Put a file in its place whole: a reader never sees half of one."""
    folder = path(name).parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".", delete=False) as file:
        try:
            file.write(content)
            file.close()
            Path(file.name).rename(path(name))
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise


def remove(sender: Any, instance: Any, **_signal: Any) -> None:
    """Remove a deleted picture's files, however it was deleted, once that is certain."""
    transaction.on_commit(lambda: clear(instance))


def clear(picture: Any) -> None:
    """Remove the files of a picture that has no row, or has none any more."""
    if not type(picture).objects.filter(sha256=picture.sha256).exists():  # else it was sent anew meanwhile
        for version in picture.versions:
            path(version.name).unlink(missing_ok=True)
