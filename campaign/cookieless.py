"""Forms on public pages, which carry neither cookie nor session, so that pages cache and readers leave no trace."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

View = Callable[..., HttpResponse]
Response = TypeVar("Response", bound=HttpResponseBase)


class SeeOther(HttpResponseRedirect):
    """After a form: the browser reads the next page with GET."""

    status_code = 303


def is_from_another_site(request: HttpRequest) -> bool:
    """
    Whether a browser says that another site sent this form.

    Fetch Metadata (W3C) where the browser sends it, else the Origin header (RFC 6454); an old browser sends neither.
    Our pages have the policy "no-referrer", under which browsers send `Origin: null`: that says nothing.
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


def from_anywhere(view: View) -> View:
    """
    Let a public view take POST without Django's CSRF cookie, whoever sends it: a mail provider for its reader, too.

    Only for what nobody can ask for who does not know a mailed secret.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST" and not _is_a_form(request):
            return render(request, "400.html", status=415)
        if request.method == "POST" and not _is_readable(request):
            raise BadRequest
        return view(request, *args, **kwargs)

    return csrf_exempt(wrapped)


def cookieless(view: View) -> View:
    """
    Let a public view take POST without Django's CSRF cookie.

    A visitor has no session that another site could ride on; what a form starts is confirmed by mail. Posts that
    another site's page sends are refused all the same.
    """
    taken = from_anywhere(view)

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST" and is_from_another_site(request):
            return render(request, "campaign/other_site.html", status=403)
        return taken(request, *args, **kwargs)

    return csrf_exempt(wrapped)


def behind_a_mailed_link(response: HttpResponse) -> HttpResponse:
    """Keep a page with a mailed secret in its address out of caches and search engines. None of ours is a referrer."""
    response["Cache-Control"] = "private, no-store"
    response["X-Robots-Tag"] = "noindex"
    return response


def for_all_sites(response: Response) -> Response:
    """Let pages elsewhere show a picture: readers of the feed, and services that people share links on."""
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
