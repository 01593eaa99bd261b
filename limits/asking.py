"""The page that asks for proof of work, with the form that was posted in it."""

import json
from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from limits import proving


def proof_page(request: HttpRequest, template: str, action: str, fields: Iterable[str], **context: Any) -> HttpResponse:
    """
    Ask for proof of work, with the posted form filled in; or, without JavaScript, for what goes without it.

    `template` extends limits/prove.html; `action` is where the form goes, `fields` are the names of what it holds.
    """
    context |= {
        "action": action,
        "typed": [(name, value) for name in (*fields, "stamp") for value in request.POST.getlist(name)],
        "challenge": json.dumps(proving.challenge()),
    }
    response = render(request, template, context)
    response["Cache-Control"] = "private, no-store"
    return response
