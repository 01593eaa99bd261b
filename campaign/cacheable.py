"""Which pages are the same for all readers, so that each web process keeps them whole (config.page_cache)."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.paginator import EmptyPage, Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control

from campaign.countries import CODES

View = Callable[..., HttpResponse]
# No list has more pages than such a number tells.
_DIGITS = 6


def country(typed: str) -> str:
    """Return the code of the country that `typed` is, or "": which is as good as none."""
    return code if (code := typed.upper()) in CODES else ""


def page_number(typed: str) -> str:
    """Return the number of a page after the first, or ""."""
    number = int(typed[:_DIGITS]) if typed.isascii() and typed.isdigit() else 0
    return str(number) if number > 1 else ""


def page_of(request: HttpRequest, rows: Any, per_page: int) -> Page[Any]:
    """Return the page of `rows` that the address names. After the last comes none, so that none of those is kept."""
    try:
        return Paginator(rows, per_page).page(page_number(request.GET.get("page", "")) or 1)
    except EmptyPage as error:
        raise Http404 from error


def as_typed(typed: str) -> str:
    """For a parameter of which all values but a few lead to a 404, which is not kept."""
    return typed


def cacheable(*, unkept: tuple[str, ...] = (), **parameters: Callable[[str], str]) -> Callable[[View], View]:
    """
    Mark a view whose page depends on its path and on these parameters alone, each put into one form by its function.

    Any other parameter is left out before the view is asked. With one of `unkept`, which may hold anything, the page
    is not kept. The form on such a page is the same for all readers, too: it may carry a stamp of the time at which
    the page was made, and nothing of the reader.
    """

    def mark(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            response = view(request, *args, **kwargs)
            is_for_all = request.method in {"GET", "HEAD"} and not {"preview", *unkept} & request.GET.keys()
            if is_for_all and response.status_code == 200 and not response.has_header("Cache-Control"):
                patch_cache_control(
                    response,
                    public=True,
                    max_age=settings.PAGE_MAX_AGE,
                    stale_while_revalidate=settings.PAGE_STALE_WHILE_REVALIDATE,
                )
                if settings.ONION_URL and response.get("Content-Type", "").startswith("text/html"):
                    response["Onion-Location"] = f"{settings.ONION_URL}{request.get_full_path()}"
            return response

        wrapped.parameters, wrapped.unkept = parameters, unkept  # type: ignore[attr-defined]
        return wrapped

    return mark
