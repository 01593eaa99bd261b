"""The files of pictures, in MEDIA_ROOT."""

import re
import tempfile
import time
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import transaction

# Longer than any upload lasts: what has no row by then gets none.
_LEFT_SECONDS = 24 * 3600
_OF_A_PICTURE = re.compile(r"([0-9a-f]{64})-[0-9]{1,4}\.jpg")


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


def sweep() -> int:
    """
    Remove files of pictures that were never kept, or half written, and are a day old; return how many.

    They stay behind where a transaction was rolled back after its files were written, or a process was killed.
    """
    until = time.time() - _LEFT_SECONDS
    old = [file for file in Path(settings.MEDIA_ROOT).glob("*") if file.is_file() and file.stat().st_mtime < until]
    found = {file: match[1] for file in old if (match := _OF_A_PICTURE.fullmatch(file.name))}
    pictures = apps.get_model("campaign", "Picture").objects
    kept = set(pictures.filter(sha256__in=set(found.values())).values_list("sha256", flat=True)) if found else set()
    left = [file for file in old if (file.name.startswith(".") if file not in found else found[file] not in kept)]
    for file in left:
        file.unlink(missing_ok=True)
    return len(left)
