"""
The registry of personal data: each column's purpose and the date on which it goes.

Each model of ours says of each of its columns either why it is kept and until when (`personal`), or that it is not
personal (`not_personal`; `ALL` for a model about no private person). privacy.checks refuses a column in neither.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.apps import apps
from django.db import models
from django.utils import timezone
from django.utils.functional import Promise

ALL = "every column"
OURS = ("campaign", "protests", "donations", "outbox", "limits", "organisers", "privacy")


@dataclass(frozen=True)
class Rule:
    """
    Why a personal column is kept, and until when.

    `purpose`: one sentence that a supporter understands. `days` after the date in `after` (a column, or a path to
    one of a related row), the column is emptied; a row whose date is not set yet is kept.
    """

    purpose: str | Promise
    days: int
    after: str

    def due(self, model: type[models.Model]) -> "models.QuerySet[models.Model]":
        """Return the rows whose column is past its date."""
        before = timezone.now() - timedelta(days=self.days)
        return model._default_manager.filter(**{f"{self.after}__lt": before})


def our_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.app_label in OURS]


def rules() -> Iterator[tuple[type[models.Model], str, Rule]]:
    """Yield each personal column with its rule."""
    for model in our_models():
        for column, rule in getattr(model, "personal", {}).items():
            yield model, column, rule


def undeclared() -> list[str]:
    """Return the columns that are declared in neither way, as `app.Model.column`."""
    missing = []
    for model in our_models():
        if hasattr(model, "master") or getattr(model, "not_personal", None) == ALL:  # parler's translation tables
            continue
        declared = {*getattr(model, "personal", {}), *getattr(model, "not_personal", ())}
        missing += [f"{model._meta.label}.{f.name}" for f in model._meta.concrete_fields if f.name not in declared]
    return missing
