"""The answer when something of ours breaks."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.views import defaults

RETRY_SECONDS = 5


def server_error(request: HttpRequest) -> HttpResponse:
    """Show the page for our own failure; while the database is away, as a 503 that says when to come again."""
    response = defaults.server_error(request)
    if isinstance(sys.exception(), (OperationalError, InterfaceError)):
        response.status_code = 503
        response["Retry-After"] = str(RETRY_SECONDS)
    return response
