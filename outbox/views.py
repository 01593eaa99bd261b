"""The sandbox's mailbox, for people and for scripts. A live instance has none."""

from collections.abc import Callable
from functools import wraps
from itertools import islice

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from outbox import mailbox
from outbox.sink import REHEARSALS

SHOWN = 50

View = Callable[[HttpRequest], HttpResponse]


def sandbox_only(view: View) -> View:
    """Hide the view outside the sandbox; and, on a server that the world can reach, from all but the organisers."""

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        if settings.MAIL_LIVE or not (settings.DEVELOPMENT or request.user.is_staff):
            raise Http404
        return view(request)

    return never_cache(require_safe(wrapped))


@sandbox_only
def mailbox_page(request: HttpRequest) -> HttpResponse:
    to = request.GET.get("to", "").strip()
    found = list(islice(mailbox.caught(to), SHOWN + 1))
    context = {
        "to": to,
        "mails": found[:SHOWN],
        "shown": SHOWN,
        "more": len(found) > SHOWN,
        "rehearsals": REHEARSALS,
        "sink_port": settings.SINK_PORT,
    }
    return render(request, "outbox/mailbox.html", context)


@sandbox_only
def mailbox_json(request: HttpRequest) -> HttpResponse:
    """All messages, oldest first. `?to=` filters by recipient."""
    mails = [
        {
            "id": mail.id,
            "mail_from": mail.mail_from,
            "rcpt_tos": mail.rcpt_tos,
            "received_at": mail.received_at,
            "headers": mail.headers,
            "text": mail.text,
        }
        for mail in mailbox.caught(request.GET.get("to", "").strip())
    ]
    return JsonResponse(mails[::-1], safe=False)
