"""Forms on public pages, which carry neither cookie nor session, so that pages cache and readers leave no trace."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

View = Callable[..., HttpResponse]


class SeeOther(HttpResponseRedirect):
    """After a form: the browser reads the next page with GET."""

    status_code = 303


def is_from_another_site(request: HttpRequest) -> bool:
    """
    Whether a browser says that another site sent this form.

    Fetch Metadata (W3C) where the browser sends it, else the Origin header (RFC 6454); an old browser sends neither.
    """
    if site := request.headers.get("Sec-Fetch-Site"):
        return site not in {"same-origin", "none"}
    origin = request.headers.get("Origin", "null")
    try:
        return origin != "null" and urlsplit(origin).netloc != request.get_host()
    except ValueError:  # no origin that a browser would send
        return True


def _is_readable(request: HttpRequest) -> bool:
    """Whether the form can be read: its fields may name character sets that do not exist (RFC 5987)."""
    try:
        return request.POST is not None
    except LookupError:
        return False


def _is_a_form(request: HttpRequest) -> bool:
    """Whether the body is in one of the two encodings in which browsers send forms, or there is none."""
    kinds = {"application/x-www-form-urlencoded", "multipart/form-data"}
    return request.content_type in kinds or request.META.get("CONTENT_LENGTH") in {None, "", "0"}


def cookieless(view: View) -> View:
    """
    Let a public view take POST without Django's CSRF cookie.

    A visitor has no session that another site could ride on; what a form starts is confirmed by mail. Posts that
    another site's page sends are refused all the same.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST" and is_from_another_site(request):
            return render(request, "campaign/other_site.html", status=403)
        if request.method == "POST" and not _is_a_form(request):
            return render(request, "400.html", status=415)
        if request.method == "POST" and not _is_readable(request):
            raise BadRequest
        return view(request, *args, **kwargs)

    return csrf_exempt(wrapped)
