"""
The one statement that sending a mail costs: it writes down that the last was accepted, and marks the next.

Both in one commit, and each only if the lease holds it. It is begun, and its end is waited for after the next message
has been composed.
"""

import select
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

from django.db import DatabaseError, OperationalError, connection
from psycopg.pq import ExecStatus

from outbox.models import OutgoingMail

Queue = type[OutgoingMail]

# What the statement is given, and what PostgreSQL calls its type. Columns to overwrite follow, as text.
VALUES = {
    "last": "bigint",
    "next": "bigint",
    "lease": "text",
    "code": "smallint",
    "reply": "text",
    "now": "timestamptz",
    "until": "timestamptz",
}


@dataclass(frozen=True)
class Accepted:
    """That a server took a mail: its reply, and columns to overwrite now."""

    mail: OutgoingMail
    code: int | None
    reply: str
    overwrite: Mapping[str, str]


class Ledger:
    """One statement at a time, over Django's own connection: the work is done when its end is waited for."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Nothing is kept."""

    def begin(self, lease: str, last: Accepted, mail: OutgoingMail, now: datetime, until: datetime) -> None:
        """Start to write down `last`, and to mark `mail`. Raises django.db.Error."""
        adapted = connection.ops.adapt_datetimefield_value
        placeholders = tuple((name, f"%({name})s") for name in (*VALUES, *last.overwrite))
        self._statement = _statement(type(mail), placeholders)
        self._values = _values(lease, last, mail, adapted(now), adapted(until))

    def end(self) -> int:
        """Return how many rows were written, when they are committed. Raises django.db.Error."""
        with connection.cursor() as cursor:
            return int(cursor.execute(self._statement, self._values).rowcount)


class PostgresLedger(Ledger):
    """
    The same, prepared, over a connection of its own on which the server works meanwhile.

    psycopg's cursors wait for each statement.
    """

    def __init__(self) -> None:
        self._database = connection.copy()
        self._prepared: dict[str, bytes] = {}

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with suppress(DatabaseError):  # it may be broken
            self._database.close()

    def begin(self, lease: str, last: Accepted, mail: OutgoingMail, now: datetime, until: datetime) -> None:
        types = VALUES | dict.fromkeys(last.overwrite, "text")
        placeholders = tuple((name, f"${number}::{types[name]}") for number, name in enumerate(types, 1))
        statement = _statement(type(mail), placeholders)
        values = _values(lease, last, mail, now, until)
        self._database.ensure_connection()
        self._server = self._database.connection.pgconn
        with self._database.wrap_database_errors:
            if statement not in self._prepared:
                self._prepared[statement] = f"ledger_{len(self._prepared)}".encode()
                self._server.send_prepare(self._prepared[statement], statement.encode())
                self._wait()
            texts = [None if value is None else str(value).encode() for value in values.values()]
            self._server.send_query_prepared(self._prepared[statement], texts)
            self._server.flush()

    def end(self) -> int:
        with self._database.wrap_database_errors:
            return self._wait()

    def _wait(self) -> int:
        """Return how many rows the statement under way has changed. Raises an error of psycopg's or django.db's."""
        changed, poll = 0, select.poll()
        poll.register(self._server.socket, select.POLLIN)
        while True:
            while self._server.is_busy():
                poll.poll()
                self._server.consume_input()
            result = self._server.get_result()
            if result is None:
                return changed
            if result.status != ExecStatus.COMMAND_OK:
                raise OperationalError(result.error_message.decode(errors="replace"))
            changed = result.command_tuples or 0


def open_ledger() -> Ledger:
    return PostgresLedger() if connection.vendor == "postgresql" else Ledger()


def _values(lease: str, last: Accepted, mail: OutgoingMail, now: Any, until: Any) -> dict[str, Any]:
    """Return VALUES and what follows them, in their order."""
    values = {"last": last.mail.pk, "next": mail.pk, "lease": lease, "code": last.code, "reply": last.reply}
    return {**values, "now": now, "until": until, **last.overwrite}


@lru_cache
def _statement(queue: Queue, placeholders: tuple[tuple[str, str], ...]) -> str:
    """Return the statement for a queue. A literal for each state, since a plan is kept for all values."""
    given = dict(placeholders)
    fields = {field.name: connection.ops.quote_name(str(field.column)) for field in queue._meta.concrete_fields}
    key, state = fields["id"], fields["state"]
    settled = {
        "state": "'accepted'",
        "attempts": f"{fields['attempts']} + 1",
        "reply_code": given["code"],
        "reply": given["reply"],
        "settled_at": given["now"],
        "lease": "''",
        "leased_until": "NULL",
        **{name: given[name] for name in given if name not in VALUES},
    }
    marked = {"handing_over_at": given["now"], "leased_until": given["until"]}
    columns = ", ".join(
        f"{fields[name]} = CASE {key} WHEN {given['last']} THEN {settled.get(name, fields[name])}"
        f" ELSE {marked.get(name, fields[name])} END"
        for name in dict.fromkeys([*settled, *marked])
    )
    return (
        f"UPDATE {connection.ops.quote_name(queue._meta.db_table)} SET {columns}"  # noqa: S608 - names of our own
        f" WHERE {key} IN ({given['last']}, {given['next']}) AND {fields['lease']} = {given['lease']}"
        f" AND ({key} = {given['last']} AND {state} IN ('sending', 'in_doubt')"
        f" OR {state} = 'sending' AND {fields['leased_until']} > {given['now']})"
    )
