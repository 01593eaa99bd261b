"""
The database's own guard over rows that are only ever added, whoever asks, in SQL too.

The triggers are made anew after each migration, instead of by one: to alter a table SQLite makes another and drops
the first, and its triggers with it; and none may name a table that is being renamed. So they are dropped before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.signals import post_migrate, pre_migrate

FUNCTIONS = Path(__file__).parent / "postgresql.sql"
# What separates the statements of a file.
NEXT = "\n--\n"


class Triggers:
    """
    The triggers of one app, whose names begin with the app's.

    Frozen are the tables of its models with a set `erasable`: the columns that may be emptied, such as those which a
    person's erasure empties. `says` is the reason that the database gives. In `folder` lies a file for each kind of
    database, with triggers of the app's own on these and on `others`.
    """

    known: "list[Triggers]" = []

    def __init__(self, app: str, says: str, *, folder: Path | None = None, others: frozenset[str] = frozenset()):
        self.app, self.says, self.folder, self.others = app, says, folder, others
        self.known.append(self)

    def connect(self, config: AppConfig) -> None:
        pre_migrate.connect(self.drop_before, sender=config)
        post_migrate.connect(self.create, sender=config)

    def tables(self) -> dict[str, frozenset[str]]:
        """Return the frozen tables, and the columns of each that may be emptied."""
        models = apps.get_app_config(self.app).get_models()
        return {model._meta.db_table: model.erasable for model in models if hasattr(model, "erasable")}

    def create(self, using: str, **kwargs: Any) -> None:
        """Make every trigger, over those that are there. Does nothing while the tables are not all there."""
        connection = connections[using]
        wanted = {*self.tables(), *self.others}
        there = set(connection.introspection.table_names())
        if connection.vendor not in {"sqlite", "postgresql"} or not wanted <= there:
            return
        self.drop(using)
        with connection.cursor() as cursor:
            for statement in self._statements(connection):
                cursor.execute(statement)

    def drop(self, using: str, **kwargs: Any) -> None:
        """Drop every trigger."""
        connection = connections[using]
        quote = connection.ops.quote_name
        with connection.cursor() as cursor:
            for name, table in self.existing(connection):
                on = f" ON {quote(table)}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER {quote(name)}{on}")

    def drop_before(self, using: str, plan: Any = (), **kwargs: Any) -> None:
        """Drop every trigger if there is something to migrate."""
        if plan:
            self.drop(using)

    @contextmanager
    def lifted(self, table: str, using: str = "default") -> Iterator[None]:
        """
        Let the erasable columns of one frozen table be written anew, until the end of this block in a transaction.

        Nobody else writes to the table meanwhile, so that the guard is lifted for the caller alone.
        """
        connection = connections[using]
        if not connection.in_atomic_block:
            raise RuntimeError("A guard is lifted in a transaction only.")
        quote = connection.ops.quote_name
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                guard = f"ALTER TABLE {quote(table)} {{}} TRIGGER {quote(f'{table}_is_posted')}"
                # No table is altered with checks of its rows put off to the end of the transaction.
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                cursor.execute(guard.format("DISABLE"))  # takes a lock that lets readers go on
                yield
                cursor.execute(guard.format("ENABLE"))
            else:
                name = f"{table}_is_only_erased"
                cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = %s", [name])
                (made,) = cursor.fetchone()
                cursor.execute(f"DROP TRIGGER {quote(name)}")
                yield
                cursor.execute(made)

    def missing(self, using: str = "default") -> list[str]:
        """Return the tables that no trigger guards."""
        guarded = {table for _name, table in self.existing(connections[using])}
        return sorted({*self.tables(), *self.others} - guarded)

    def existing(self, connection: BaseDatabaseWrapper) -> list[tuple[str, str]]:
        """Return the name and the table of each trigger of ours."""
        ask = {
            "sqlite": "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND name LIKE %s",
            "postgresql": "SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
            "WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgname LIKE %s "
            "AND pg_table_is_visible(pg_class.oid)",
        }
        if connection.vendor not in ask:
            return []
        with connection.cursor() as cursor:
            cursor.execute(ask[connection.vendor], [f"{self.app}_%"])
            return list(cursor.fetchall())

    def _statements(self, connection: BaseDatabaseWrapper) -> list[str]:
        written = FUNCTIONS.read_text().split(NEXT) if connection.vendor == "postgresql" else []
        if self.folder:
            written += (self.folder / f"{connection.vendor}.sql").read_text().split(NEXT)
        for table, erasable in self.tables().items():
            written += self._frozen(connection, table, sorted(erasable))
        return written

    def _frozen(self, connection: BaseDatabaseWrapper, table: str, erasable: list[str]) -> list[str]:
        if connection.vendor == "postgresql":
            arguments = ", ".join(f"'{argument}'" for argument in (self.says, *erasable))
            each = f"FOR EACH ROW EXECUTE FUNCTION privacy_keep_posted({arguments})"
            every = f"FOR EACH STATEMENT EXECUTE FUNCTION privacy_keep_all('{self.says}')"
            return [
                f"CREATE TRIGGER {table}_is_posted BEFORE UPDATE OR DELETE ON {table} {each}",
                f"CREATE TRIGGER {table}_is_not_emptied BEFORE TRUNCATE ON {table} {every}",
            ]
        with connection.cursor() as cursor:
            columns = [column.name for column in connection.introspection.get_table_description(cursor, table)]
        key = "sequence" if "sequence" in columns else "id"
        frozen = ", ".join(column for column in columns if column not in erasable)
        is_there = f"EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"  # noqa: S608
        says = f"SELECT RAISE(ABORT, '{table}: {self.says}');"
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
