"""Where somebody goes once they are in."""

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode


def next_page(request: HttpRequest) -> str:
    """Return the page that was asked for, if it is a path of this site; else the desk's first one."""
    wanted = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME, "")
    ours = wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if ours else reverse("admin:index")


def by_way_of(name: str, request: HttpRequest) -> str:
    """Return the address of one of the door's pages, which then leads on to where `request` leads."""
    wanted = next_page(request)
    query = {} if wanted == reverse("admin:index") else {REDIRECT_FIELD_NAME: wanted}
    return reverse(name) + (f"?{urlencode(query)}" if query else "")
