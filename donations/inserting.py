"""
Inserting many rows of the books: a statement of 100,000 lines makes 250,000 of them.

The same checks as full_clean()'s of each column and the same SQL as bulk_create()'s, but a column at a time: Django's
own way, a value at a time, takes far longer.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connections, models

from privacy.fields import EncryptedTextField


def check(rows: Sequence[models.Model]) -> None:
    """Check each column that is no relation, as clean_fields() does; equal values once. Raises ValidationError."""
    for field in rows[0]._meta.concrete_fields if rows else ():
        if field.is_relation or (field.primary_key and field.db_returning):
            continue
        cleaned: dict[Any, Any] = {}
        for row in rows:
            value = getattr(row, field.attname)
            if field.blank and value in field.empty_values:
                continue
            known = value.__hash__ is not None
            if known and value in cleaned:
                setattr(row, field.attname, cleaned[value])
                continue
            try:
                setattr(row, field.attname, field.clean(value, row))
            except ValidationError as error:
                raise ValidationError({field.name: error.error_list}) from error
            if known:
                cleaned[value] = getattr(row, field.attname)


def _prepared(field: Any, rows: Sequence[models.Model], connection: Any) -> list[Any]:
    """Return a column as the database takes it; equal values are prepared once, unless each is to be encrypted anew."""
    values = [getattr(row, field.attname) for row in rows]
    if isinstance(field, EncryptedTextField | models.JSONField):
        return [field.get_db_prep_save(value, connection) for value in values]
    known = {value: field.get_db_prep_save(value, connection) for value in set(values)}
    return [known[value] for value in values]


def insert(rows: Sequence[models.Model], using: str) -> None:
    """Insert rows of one model within the caller's transaction, and give each its key."""
    if not rows:
        return
    connection, meta = connections[using], rows[0]._meta
    fields = [field for field in meta.concrete_fields if not (field.primary_key and field.db_returning)]
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(field.column)) for field in fields)
    begins, ends = f"INSERT INTO {quote(meta.db_table)} ({names}) ", f" RETURNING {quote(str(meta.pk.column))}"
    is_postgresql = connection.vendor == "postgresql"
    size = 1000 if is_postgresql else max(1, connection.ops.bulk_batch_size(fields, list(rows)))
    with connection.cursor() as cursor:
        for first in range(0, len(rows), size):
            some = rows[first : first + size]
            columns = [_prepared(field, some, connection) for field in fields]
            if is_postgresql:  # as arrays, which it plans faster
                arrays = ", ".join(f"%s::{field.db_type(connection)}[]" for field in fields)
                cursor.execute(f"{begins}SELECT * FROM UNNEST({arrays}){ends}", columns)  # noqa: S608 - names of columns
            else:
                places = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * len(some))
                cursor.execute(f"{begins}VALUES {places}{ends}", list(chain.from_iterable(zip(*columns, strict=True))))
            for row, (key,) in zip(some, cursor.fetchall(), strict=True):
                row.pk = key
                row._state.adding, row._state.db = False, using
