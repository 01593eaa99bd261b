"""
The database's own guard over the books: what is posted is never edited or deleted, whoever asks, in SQL too.

The triggers are made anew after each migration, instead of by one: to alter a table SQLite makes another and drops
the first, and its triggers with it; and none may name a table that is being renamed. So they are dropped before.
Columns that a person's erasure empties are the models' `erasable`; all others of a posted row are frozen.
"""

from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

HERE = Path(__file__).parent
# The tables whose rows change in a few ordered steps: the files say which.
OTHERS = {"donations_bankaccount", "donations_collectionsheet"}
# What separates the statements of a file.
NEXT = "\n--\n"


def tables() -> dict[str, frozenset[str]]:
    """Return the tables of posted rows, and the columns of each that may be emptied."""
    models = apps.get_app_config("donations").get_models()
    return {model._meta.db_table: model.erasable for model in models if hasattr(model, "erasable")}


def create(using: str, **kwargs: Any) -> None:
    """Make every trigger, over those that are there. Does nothing while the tables are not all there."""
    connection = connections[using]
    wanted = {*tables(), *OTHERS}
    if connection.vendor not in {"sqlite", "postgresql"} or not wanted <= set(connection.introspection.table_names()):
        return
    drop(using)
    with connection.cursor() as cursor:
        for statement in _statements(connection):
            cursor.execute(statement)


def drop(using: str, **kwargs: Any) -> None:
    """Drop every trigger."""
    connection = connections[using]
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        for name, table in existing(connection):
            on = f" ON {quote(table)}" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER {quote(name)}{on}")


def drop_before(using: str, plan: Any = (), **kwargs: Any) -> None:
    """Drop every trigger if there is something to migrate."""
    if plan:
        drop(using)


def missing(using: str = "default") -> list[str]:
    """Return the tables of posted rows that no trigger guards."""
    guarded = {table for _name, table in existing(connections[using])}
    return sorted({*tables(), *OTHERS} - guarded)


def existing(connection: BaseDatabaseWrapper) -> list[tuple[str, str]]:
    """Return the name and the table of each trigger of ours."""
    ask = {
        "sqlite": "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'donations_%'",
        "postgresql": "SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
        "WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgname LIKE 'donations_%' "
        "AND pg_table_is_visible(pg_class.oid)",
    }
    if connection.vendor not in ask:
        return []
    with connection.cursor() as cursor:
        cursor.execute(ask[connection.vendor])
        return list(cursor.fetchall())


def _statements(connection: BaseDatabaseWrapper) -> list[str]:
    written = (HERE / f"{connection.vendor}.sql").read_text().split(NEXT)
    for table, erasable in tables().items():
        written += _frozen(connection, table, sorted(erasable))
    return written


def _frozen(connection: BaseDatabaseWrapper, table: str, erasable: list[str]) -> list[str]:
    if connection.vendor == "postgresql":
        arguments = ", ".join(f"'{column}'" for column in erasable)
        each = f"FOR EACH ROW EXECUTE FUNCTION donations_keep_posted({arguments})"
        every = "FOR EACH STATEMENT EXECUTE FUNCTION donations_keep_all()"
        return [
            f"CREATE TRIGGER {table}_is_posted BEFORE UPDATE OR DELETE ON {table} {each}",
            f"CREATE TRIGGER {table}_is_not_emptied BEFORE TRUNCATE ON {table} {every}",
        ]
    with connection.cursor() as cursor:
        columns = [column.name for column in connection.introspection.get_table_description(cursor, table)]
    key = "sequence" if "sequence" in columns else "id"
    frozen = ", ".join(column for column in columns if column not in erasable)
    is_there = f"EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"  # noqa: S608
    says = f"SELECT RAISE(ABORT, '{table}: what is posted is never edited or deleted, only reversed');"
    found = [
        f"CREATE TRIGGER {table}_is_not_deleted BEFORE DELETE ON {table} BEGIN {says} END",
        f"CREATE TRIGGER {table}_is_not_edited BEFORE UPDATE OF {frozen} ON {table} BEGIN {says} END",
        # INSERT OR REPLACE deletes without asking the trigger above.
        f"CREATE TRIGGER {table}_is_not_replaced BEFORE INSERT ON {table} WHEN {is_there} BEGIN {says} END",
    ]
    if erasable:
        written = " OR ".join(f"(NEW.{c} IS NOT OLD.{c} AND COALESCE(NEW.{c}, '') <> '')" for c in erasable)
        found.append(
            f"CREATE TRIGGER {table}_is_only_erased BEFORE UPDATE OF {', '.join(erasable)} ON {table} "
            f"WHEN {written} BEGIN {says} END"
        )
    return found
