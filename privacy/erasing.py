"""
Erasing a person, for good: also from what a backup brings back.

A file outside the database (`ERASURES`) keeps who was erased when, as keyed tags: one line each, only ever added to.
After a restore `replay()` erases them again. Rows made after an erasure are a new person's.
"""

import fcntl
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

from privacy import holding
from privacy.holding import KEPT, People
from privacy.purging import unname
from privacy.registry import filled

AT_ONCE = 500
_LINE = re.compile(r"(\S+) ([0-9a-f]{64})\n", re.ASCII)


class NotRecorded(Exception):
    """The file of erasures could not be written: nothing was erased."""


def erase(person: str) -> Counter[str]:
    """
    Erase all that is held of a person; return how many rows, by name. All of it or nothing.

    Raises NotRecorded. It is recorded before the commit: should that fail, a restore erases what was asked for.
    """
    with transaction.atomic():
        done = holding.erase({person: None})
        record(person)
    return done


def record(person: str) -> None:
    """Write down that this person is erased now; it is on the disk when this returns. Raises NotRecorded."""
    line = f"{timezone.now().isoformat()} {person}\n".encode()
    try:
        with _opened() as file:
            end = os.lseek(file, 0, os.SEEK_END)
            # A line that a power cut broke off stays by itself.
            whole = b"\n" + line if end and os.pread(file, 1, end - 1) != b"\n" else line
            try:
                if os.write(file, whole) != len(whole):
                    raise OSError("The disk is full.")
                os.fsync(file)
            except OSError:
                os.ftruncate(file, end)
                raise
    except OSError as error:
        raise NotRecorded from error


@contextmanager
def _opened() -> Iterator[int]:
    """Open the file to be added to, alone among all processes; make it, for its owner alone, if there is none."""
    path = Path(settings.ERASURES)
    is_new = not path.exists()
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(file, 0o600)
        if is_new:
            _sync_folder(path.parent)
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def recorded() -> tuple[dict[str, datetime], int]:
    """Return who was erased, each with the last time, and how many lines cannot be read."""
    path = Path(settings.ERASURES)
    found: dict[str, datetime] = {}
    bad = 0
    if not path.exists():
        return found, bad
    with path.open(encoding="ascii", errors="replace", newline="\n") as lines:
        for line in lines:
            if (parts := _LINE.fullmatch(line)) is None:
                bad += bool(line.strip())
                continue
            try:
                at = datetime.fromisoformat(parts[1])
            except ValueError:
                bad += 1
                continue
            found[parts[2]] = max(at, found.get(parts[2], at))
    return found, bad


def replay() -> int:
    """Erase again whoever was erased, in all rows from before; return in how many rows. Twice does no harm."""
    found, _bad = recorded()
    rows = 0
    people = iter(found.items())
    while some := dict(islice(people, AT_ONCE)):
        with transaction.atomic():
            rows += holding.erase(some).total()
    return rows


# --- For the apps --------------------------------------------------------------------------------------------------


def theirs(
    rows: "models.QuerySet[Any]", people: People, *, tag: str = "email_tag", since: str = "created_at"
) -> list[Any]:
    """Return the keys of the rows that are these people's, from before each was erased; locked, in order."""
    found = rows.filter(**{f"{tag}__in": list(people)}).select_for_update(of=("self",)).order_by("pk")
    return [pk for pk, person, made in found.values_list("pk", tag, since) if is_theirs(people, person, made)]


def is_theirs(people: People, person: str | None, made: datetime | None) -> bool:
    """Whether something that was made then belongs to one of these people, as they were before being erased."""
    if person is None or person not in people or made is None:
        return False
    until = people[person]
    return until is None or made <= until


def empty(rows: "models.QuerySet[Any]") -> int:
    """Empty every personal column of these rows but those in `KEPT`; return in how many rows."""
    model: Any = rows.model
    columns = tuple(name for name in model.personal if name not in KEPT)
    values = {name: None if model._meta.get_field(name).null else "" for name in columns}
    pks = list(rows.filter(filled(model, columns)).order_by().values_list("pk", flat=True))
    unname(model, pks)
    return model._default_manager.filter(pk__in=pks).update(**values)


def delete(rows: "models.QuerySet[Any]") -> Counter[str]:
    """Delete these rows whole; return how many, by name."""
    unname(rows.model, list(rows.order_by().values_list("pk", flat=True)))
    return Counter({label: count for label, count in rows.delete()[1].items() if count})
