"""The one statement that sending a mail costs: it writes down that the last was accepted, and marks the next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import psycopg
from django.db import connection

from outbox.models import OutgoingMail

Queue = type[OutgoingMail]


@dataclass(frozen=True)
class Accepted:
    """That a server took a mail: its reply, and columns to overwrite now."""

    mail: OutgoingMail
    code: int | None
    reply: str
    overwrite: Mapping[str, str]


def record_and_mark(lease: str, last: Accepted, mail: OutgoingMail, now: datetime, until: datetime) -> int:
    """
    Write down that `last` was accepted, and mark `mail`, each if `lease` holds it; return how many rows that were.

    Both in one commit, which is most of what a mail costs beside its way over the wire. A statement of our own, since
    Django and PostgreSQL take twice as long to plan two of its kind each time as to carry this one out. Raises
    django.db.Error.
    """
    adapted = connection.ops.adapt_datetimefield_value
    values: dict[str, Any] = dict(last.overwrite)
    values |= {"last": last.mail.pk, "next": mail.pk, "lease": lease, "code": last.code, "reply": last.reply}
    values |= {"now": adapted(now), "until": adapted(until)}
    statement = _statement(type(mail), tuple(last.overwrite))
    if connection.vendor != "postgresql":
        with connection.cursor() as cursor:
            return int(cursor.execute(statement, values).rowcount)
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        return int(cursor.execute(statement, values, prepare=True).rowcount)


@lru_cache
def _statement(queue: Queue, overwrite: tuple[str, ...]) -> str:
    fields = {field.name: connection.ops.quote_name(str(field.column)) for field in queue._meta.concrete_fields}
    key, state = fields["id"], fields["state"]
    settled = {
        "state": "'accepted'",
        "attempts": f"{fields['attempts']} + 1",
        "reply_code": "%(code)s",
        "reply": "%(reply)s",
        "settled_at": "%(now)s",
        "lease": "''",
        "leased_until": "NULL",
        **{name: f"%({name})s" for name in overwrite},
    }
    marked = {"handing_over_at": "%(now)s", "leased_until": "%(until)s"}
    columns = ", ".join(
        f"{fields[name]} = CASE {key} WHEN %(last)s THEN {settled.get(name, fields[name])}"
        f" ELSE {marked.get(name, fields[name])} END"
        for name in dict.fromkeys([*settled, *marked])
    )
    return (
        f"UPDATE {connection.ops.quote_name(queue._meta.db_table)} SET {columns}"  # noqa: S608 - names of our own
        f" WHERE {key} IN (%(last)s, %(next)s) AND {fields['lease']} = %(lease)s"
        f" AND ({key} = %(last)s AND {state} IN ('sending', 'in_doubt')"
        f" OR {state} = 'sending' AND {fields['leased_until']} > %(now)s)"
    )
