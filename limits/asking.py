"""The page that asks a browser for proof of work, with the form that was posted in it."""

import json
from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from limits import proving


def proof_page(request: HttpRequest, template: str, names: Iterable[str], **context: object) -> HttpResponse:
    """Show `template`, which extends limits/prove.html, with the posted fields of these names and the stamp in it."""
    typed = [(name, value) for name in (*names, "stamp") for value in request.POST.getlist(name)]
    asked = {"typed": typed, "challenge": json.dumps(proving.challenge())}
    response = render(request, template, {**context, **asked})
    response["Cache-Control"] = "private, no-store"
    return response
