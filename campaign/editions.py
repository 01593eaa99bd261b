"""Which edition of the site this is: when organisers change something, every web process drops the pages it keeps."""

import secrets
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest

Thing = TypeVar("Thing")
# Where config.page_cache leaves for the views the function that tells the number of the edition.
KEY = "campaign.edition"
_MOST = 1000
_kept: dict[Hashable, tuple[int, float, Any]] = {}


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


def remembered(request: HttpRequest, key: Hashable, make: Callable[[], Thing]) -> Thing:
    """
    Return what `make()` does, made once for all requests of this process until organisers change something.

    For what only organisers change, and for PAGE_SECONDS at most. Several threads share it: nobody may change it.
    """
    number = request.META.get(KEY)
    if number is None:  # it did not come through config.page_cache: nobody watches for changes
        return make()
    edition = number()
    known, until, thing = _kept.get(key, (None, 0.0, None))
    if known == edition and time.monotonic() < until:
        return cast("Thing", thing)
    made = make()
    if len(_kept) >= _MOST:
        _kept.clear()
    _kept[key] = (edition, time.monotonic() + settings.PAGE_SECONDS, made)
    return made
