"""
Erasing a person, for good: also from what a backup brings back.

A file outside the database (`ERASURES`) keeps who was erased when, as keyed tags: one line each, only ever added to.
After a restore `replay()` erases them again.
"""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from privacy.registry import our_models


def erase(person: str) -> int:
    """Erase what is held of the person with this keyed tag of an address; return in how many rows."""
    with transaction.atomic():
        done = _erase(person, timezone.now())
        record(person)
    return done


def record(person: str) -> None:
    """Write down that this person is erased now; it is on the disk when this returns."""
    path = Path(settings.ERASURES)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w") as file:
        file.write(f"{timezone.now().isoformat()} {person}\n")
        file.flush()
        os.fsync(file.fileno())


def replay() -> int:
    """Erase again whoever was erased, in all rows from before; return in how many rows. Twice does no harm."""
    path = Path(settings.ERASURES)
    lines = path.read_text().splitlines() if path.exists() else []
    with transaction.atomic():
        return sum(_erase(person, datetime.fromisoformat(at)) for at, person in map(str.split, lines))


def _erase(person: str, until: datetime) -> int:
    done = 0
    for model in _of_people():
        columns = {column: model._meta.get_field(column) for column in model.personal}
        rows = model._default_manager.filter(email_tag=person, created_at__lte=until)
        if columns["email_tag"].null and not columns["email_tag"].unique:
            done += rows.update(**{name: None if field.null else "" for name, field in columns.items()})
        else:
            done += rows.delete()[0]
    return done


def _of_people() -> Iterator[Any]:
    for model in our_models():
        names = {field.name for field in model._meta.concrete_fields}
        if {"email_tag", "created_at"} <= names and "email_tag" in getattr(model, "personal", {}):
            yield model
