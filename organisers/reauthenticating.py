"""
What is grave needs a factor that was given lately, also within a session: somebody else may sit at the computer.

What needs it, config.acts says. A post that comes too late is held by the page that asks, as hidden fields, and is
posted again from there, unchanged: no server keeps it, and its own token protects it once more.
"""

import time

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from organisers.verifying import AUTHENTICATED_AT

# Of the page's own fields; what it carries keeps its names.
PREFIX = "again"
NEXT = f"{PREFIX}-next"
_TOKEN = "csrfmiddlewaretoken"  # noqa: S105 - the field's name


def is_recent(request: HttpRequest, times: int = 1) -> bool:
    """Whether a factor was given within the last REAUTHENTICATION_MINUTES, or so many `times` that."""
    at = request.session.get(AUTHENTICATED_AT)
    return isinstance(at, int) and 0 <= time.time() - at < settings.REAUTHENTICATION_MINUTES * 60 * times


def carried(request: HttpRequest) -> tuple[list[tuple[str, str]], bool]:
    """
    Return the fields of a post, to be posted again, and whether something is lost.

    Files cannot be carried, and passwords stand in no page: then nothing is, and the person types it again.
    """
    fields = [
        (name, value)
        for name, values in request.POST.lists()
        for value in values
        if name != _TOKEN and not name.startswith(f"{PREFIX}-")
    ]
    # After a wrong code: what the page that asks said of it.
    is_post = f"{PREFIX}-post" in request.POST if NEXT in request.POST else request.method == "POST"
    lost = bool(request.FILES) or any("password" in name for name, _value in fields)
    if is_post and not lost:
        return [*fields, (f"{PREFIX}-post", "1")], False
    return [], lost


def next_page(request: HttpRequest) -> str:
    """Return the page of the desk that was asked for; else the desk's first one."""
    wanted = request.POST.get(NEXT, "")
    desk = reverse("admin:index")
    ours = wanted.startswith(desk) and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if ours else desk


def go_on(request: HttpRequest, there: str) -> HttpResponse:
    """Lead on to what was asked: by the same post once more, or to the page."""
    response = HttpResponseRedirect(there)
    if f"{PREFIX}-post" in request.POST:
        response.status_code = 307
    return response
