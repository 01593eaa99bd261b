"""
The sandbox's mailbox, for people and for scripts; a live instance has none. And, in the admin, whether the campaign
is ready to go live.
"""

from collections.abc import Callable
from functools import wraps
from itertools import islice
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from outbox import mailbox, readiness
from outbox.models import TrialLetter
from outbox.sink import REHEARSALS
from outbox.trying import NoAddress, send_trial

SHOWN = 50

View = Callable[[HttpRequest], HttpResponse]


def sandbox_only(view: View) -> View:
    """Hide the view outside the sandbox; and, on a server that the world can reach, from all but the organisers."""

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        if settings.MAIL_LIVE or not (settings.DEVELOPMENT or admin.site.has_permission(request)):
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


TRIALS_SHOWN = 5


def superusers_only(view: View) -> View:
    """Refuse other organisers: the page tells of the machine."""

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        if not (request.user.is_active and request.user.is_superuser):
            raise PermissionDenied
        return view(request)

    return wrapped


@require_safe
@superusers_only
def readiness_page(request: HttpRequest) -> HttpResponse:
    before, running = readiness.run(readiness.BEFORE_SENDING), readiness.run(readiness.RUNNING)
    trials = TrialLetter.objects.filter(organiser_id=request.user.pk)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": _("Ready to go live?"),
        "groups": [(_("Before mail leaves this machine"), before), (_("What runs"), running)],
        "blocked": len(readiness.blocked(before)),
        "live": settings.MAIL_LIVE,
        "trials": trials.order_by("-created_at")[:TRIALS_SHOWN],
    }
    return render(request, "admin/readiness.html", context)


@require_POST
@superusers_only
def send_trial_letter(request: HttpRequest) -> HttpResponse:
    organiser: Any = request.user
    try:
        send_trial(organiser)
    except NoAddress:
        messages.error(request, _("Your account holds no e-mail address. Enter one under Users, and try again."))
    else:
        messages.success(request, _("A trial letter to %(address)s is queued.") % {"address": organiser.email})
    return redirect("admin:readiness")
