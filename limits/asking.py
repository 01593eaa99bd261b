"""What a visitor is told whose post is held, and the page that asks for proof of work."""

import json
from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from limits import proving
from limits.models import Why

TOLD = {
    Why.BLOCKED_NETWORK: _("The organisers look first at what comes from your network."),
    Why.BLOCKED_DOMAIN: _("The organisers look first at what comes with addresses at your mail provider."),
    Why.TRAP: _(
        "A field was filled in that people do not see; only programs fill it in, or sometimes a browser by itself."
    ),
    Why.TOO_FAST: _("The form was sent faster than people usually type."),
    Why.NETWORK: _("Very many forms came from your network within an hour."),
    Why.DOMAIN: _("Very many forms came with addresses at your mail provider within an hour."),
    Why.NO_PROOF: _("We needed your browser to do a sum first, and it did not, or you chose not to."),
    Why.UNKNOWN: _("We could not check how many forms come from your network at this moment."),
}


def proof_page(request: HttpRequest, template: str, action: str, fields: Iterable[str], **context: Any) -> HttpResponse:
    """
    Ask for proof of work, with the posted form filled in; or, without JavaScript, to be held instead.

    `template` extends limits/prove.html; `action` is where the form goes, `fields` are the names of what it holds.
    """
    names = [*fields, "stamp"]
    context |= {
        "action": action,
        "typed": [(name, request.POST[name]) for name in names if name in request.POST],
        "challenge": json.dumps(proving.challenge()),
    }
    response = render(request, template, context)
    response["Cache-Control"] = "private, no-store"
    return response
