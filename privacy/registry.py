"""
The registry of personal data: each column's purpose and the date on which it goes.

Each model of ours says of each of its columns either why it is kept and until when (`personal`), or that it is not
personal (`not_personal`; `ALL` for a model about no private person). privacy.checks refuses a column in neither.
A model with a queryset method `expired()` loses those rows whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise

ALL = "every column"
OURS = ("campaign", "protests", "donations", "outbox", "limits", "organisers", "privacy")


@dataclass(frozen=True)
class Rule:
    """
    Why a personal column is kept, and until when.

    `purpose`: one sentence that a supporter understands. `days` after the date in `after` (a column, or a path to
    one of a related row), the column is emptied; a row whose date is not set yet is kept, but no longer than
    `at_most` says, which is days and a column too.
    """

    purpose: str | Promise
    days: int
    after: str
    at_most: tuple[int, str] | None = None

    def due(self, model: type[models.Model]) -> "models.QuerySet[models.Model]":
        """Return the rows whose column is past its date."""
        now = timezone.now()
        over = self.is_over(now - timedelta(days=self.days))
        if self.at_most:
            days, since = self.at_most
            over |= Q(**{f"{since}__lt": now - timedelta(days=days)})
        return model._default_manager.filter(over)

    def is_over(self, before: datetime) -> Q:
        """Return the condition that what the column is kept for ended before `before`."""
        return Q(**{f"{self.after}__lt": before})

    def ends(self, row: models.Model) -> datetime | None:
        """Return when the column of this row is emptied, as far as that is known today."""
        after = self.began(row)
        ends = [after + timedelta(days=self.days)] if after else []
        if self.at_most:
            days, since = self.at_most
            ends += [at + timedelta(days=days)] if (at := getattr(row, since)) else []
        return min(ends, default=None)

    def began(self, row: Any) -> datetime | None:
        """Return the moment after which the days count."""
        for name in self.after.split("__"):
            row = getattr(row, name) if row is not None else None
        return row if isinstance(row, datetime) else None


def our_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.app_label in OURS]


def rules() -> Iterator[tuple[type[models.Model], str, Rule]]:
    """Yield each personal column with its rule."""
    for model in our_models():
        for column, rule in getattr(model, "personal", {}).items():
            yield model, column, rule


def filled(model: Any, columns: tuple[str, ...]) -> Q:
    """Return the condition that one of these columns holds something."""
    found = Q()
    for column in columns:
        nullable = model._meta.get_field(column).null
        found |= Q(**{f"{column}__isnull": False}) if nullable else ~Q(**{column: ""})
    return found


def undeclared() -> list[str]:
    """Return the columns that are declared in neither way, as `app.Model.column`."""
    missing = []
    for model in our_models():
        if hasattr(model, "master") or getattr(model, "not_personal", None) == ALL:  # parler's translation tables
            continue
        declared = {*getattr(model, "personal", {}), *getattr(model, "not_personal", ())}
        missing += [f"{model._meta.label}.{f.name}" for f in model._meta.concrete_fields if f.name not in declared]
    return missing
