"""Which edition of the site this is: when organisers change something, every web process drops the pages it keeps."""

import secrets
from typing import Any

from django.apps import apps


def _edition() -> Any:
    # Looked up when it is needed: config.wsgi imports this before Django has loaded the models.
    return apps.get_model("campaign", "Edition")


def current() -> int:
    number: int | None = _edition().objects.values_list("number", flat=True).first()
    return number or 0


def new_edition() -> None:
    """Call it when what was changed is committed, or in the same transaction."""
    edition = _edition()(pk=1, number=1 + secrets.randbits(62))
    _edition().objects.bulk_create([edition], update_conflicts=True, unique_fields=["id"], update_fields=["number"])
