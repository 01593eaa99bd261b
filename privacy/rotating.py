"""
Encrypting anew what was encrypted under an older key, so that the older one can be taken away.

A table is gone through by its key, a batch at a time, each in a transaction of its own: with little memory, while the
program runs. What is under the newest key already is passed over, so a run that was killed is simply made again.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction

from privacy.fields import EncryptedTextField, cipher
from privacy.triggers import Triggers

BATCH = 500
# Of text at once: a stored file can be some megabytes long.
BATCH_CHARACTERS = 4_000_000


@dataclass
class Counts:
    """How many texts are under the newest key, were brought under it, are under an older one, or under none."""

    newest: int = 0
    rotated: int = 0
    older: int = 0
    unreadable: int = 0


Tell = Callable[[str, Counts], None]


@dataclass(frozen=True)
class _Table:
    model: type[models.Model]
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        return connection.ops.quote_name(self.model._meta.db_table)

    @property
    def key(self) -> str:
        column = self.model._meta.pk
        return connection.ops.quote_name(str(column.column)) if column else ""

    @property
    def quoted(self) -> list[str]:
        return [connection.ops.quote_name(column) for column in self.columns]


def tables() -> list[_Table]:
    """Return every table of the program with an encrypted column, whichever app it is of."""
    found = []
    for model in apps.get_models():
        fields = [field for field in model._meta.local_concrete_fields if isinstance(field, EncryptedTextField)]
        if fields and model._meta.managed and not model._meta.proxy:
            found.append(_Table(model, tuple(str(field.column) for field in fields)))
    return found


def rotate(*, only_count: bool = False, tell: Tell | None = None) -> Counts:
    """
    Bring every encrypted text under the newest key, or only count; return how many there are of each kind.

    `older` are those that still are under an older key: they were changed at this very moment, by a process that does
    not know the newest key yet, or were not touched. `unreadable` ones are left as they are.
    """
    total = Counts()
    newest = Fernet(settings.PRIVACY_KEYS[0])
    for table in tables():
        found = Counts()
        for batch in _batches(table):
            _look_at(table, batch, newest, found, only_count=only_count)
        if tell:
            tell(table.model._meta.label, found)
        for name in vars(total):
            setattr(total, name, getattr(total, name) + getattr(found, name))
    return total


def _batches(table: _Table) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows as the database holds them, by their key: so many that they fit into memory."""
    last: Any = None
    length = " + ".join(f"LENGTH({column})" for column in table.quoted)
    while True:
        where, given = (f"WHERE {table.key} > %s", [last]) if last is not None else ("", [])
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {table.key}, {length} FROM {table.name} {where} ORDER BY {table.key} LIMIT {BATCH}",  # noqa: S608
                given,
            )
            until, room = None, BATCH_CHARACTERS
            for key, size in cursor.fetchall():
                room -= size or 0
                if until is not None and room < 0:
                    break
                until = key
            if until is None:
                return
            above = f"{table.key} > %s AND " if last is not None else ""
            cursor.execute(
                f"SELECT {table.key}, {', '.join(table.quoted)} FROM {table.name} "  # noqa: S608
                f"WHERE {above}{table.key} <= %s ORDER BY {table.key}",
                [*given, until],
            )
            yield list(cursor.fetchall())
        last = until


def _look_at(table: _Table, rows: list[tuple[Any, ...]], newest: Fernet, found: Counts, *, only_count: bool) -> None:
    changes: dict[str, list[tuple[str, Any, str]]] = {column: [] for column in table.quoted}
    for key, *texts in rows:
        for column, text in zip(table.quoted, texts, strict=True):
            if not text:
                continue
            try:
                newest.decrypt(text)
                found.newest += 1
            except InvalidToken:
                try:
                    changes[column].append((cipher().rotate(text).decode(), key, text))
                except InvalidToken:
                    found.unreadable += 1
    wanted = sum(map(len, changes.values()))
    rotated = _write(table, changes) if wanted and not only_count else 0
    found.rotated += rotated
    found.older += wanted - rotated


def _write(table: _Table, changes: dict[str, list[tuple[str, Any, str]]]) -> int:
    """Write the new texts over the old ones, where these still stand; return how many were written."""
    written = 0
    frozen = next((known for known in Triggers.known if table.model._meta.db_table in known.tables()), None)
    with ExitStack() as stack:
        stack.enter_context(transaction.atomic())
        if frozen:
            stack.enter_context(frozen.lifted(table.model._meta.db_table))
        cursor = stack.enter_context(connection.cursor())
        for column, texts in changes.items():
            if texts:
                cursor.executemany(
                    f"UPDATE {table.name} SET {column} = %s WHERE {table.key} = %s AND {column} = %s",  # noqa: S608
                    texts,
                )
                written += cursor.rowcount
    return written
