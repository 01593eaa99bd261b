"""Drafts, shown on the site to the organisers who work on them."""

from django.db.models import Model
from django.http import HttpRequest

from organisers.verifying import is_verified


def is_preview(request: HttpRequest, model: type[Model]) -> bool:
    """
    Whether an organiser asks for a page of `model` that may not be published.

    The session is looked at only if the address says `preview`, so that a page for readers never depends on a cookie.
    """
    if request.GET.get("preview") != "1":
        return False
    return may_look(request, model)


def may_look(request: HttpRequest, model: type[Model]) -> bool:
    """Whether this is an organiser who has come in by both factors, and may see the drafts of `model`."""
    label = model._meta
    return is_verified(request) and any(
        request.user.has_perm(f"{label.app_label}.{act}_{label.model_name}") for act in ("view", "change")
    )
