"""Admin actions on many rows: a page first says how many they touch and shows them, then a button does it."""

from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import ngettext

Action = Callable[[Any, HttpRequest, Any], int]
ROWS_SHOWN = 20


def _fingerprint(pks: list[Any]) -> str:
    return sha256(",".join(sorted(map(str, pks))).encode()).hexdigest()


def confirmed(
    *,
    description: Any,
    question: Any,
    changes: Callable[[Any], QuerySet[Any]] | None = None,
    permissions: tuple[str, ...] = ("change",),
) -> Callable[[Action], Any]:
    """
    Make a ModelAdmin method `(self, request, queryset) -> rows changed` an action that asks before it acts.

    `description` is the action's name in the list, `question` stands above the rows on the page. `changes` narrows
    the selection to the rows that the action would change; the others are counted, but not touched. If these rows
    are no longer the ones that the organiser was shown, nothing is done and the page asks again. A ModelAdmin method
    `describe(row)` names the rows there; without it, they are named as everywhere.
    """

    def decorate(act: Action) -> Any:
        @wraps(act)
        def action(self: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
            user_id: Any = request.user.pk
            across = request.POST.get("select_across") == "1"
            with transaction.atomic():
                selected = queryset.count()
                rows = changes(queryset) if changes else queryset
                pks = list(rows.values_list("pk", flat=True))
                fingerprint = _fingerprint(pks)
                if request.POST.get("confirm") == fingerprint and pks:
                    # Logged first: afterwards the rows may no longer be among `rows`.
                    LogEntry.objects.log_actions(user_id, rows, CHANGE, str(description))
                    done = act(self, request, rows)
                    _report(self, request, done, selected)
                    return None
            describe = getattr(self, "describe", str)
            context = {
                **self.admin_site.each_context(request),
                "title": capfirst(str(description)),
                "question": question,
                "opts": self.opts,
                "media": self.media,
                "action": act.__name__,
                "action_checkbox_name": ACTION_CHECKBOX_NAME,
                "select_across": int(across),
                # The list's own address: its filters say what "all" means.
                "list_url": request.get_full_path(),
                "fingerprint": fingerprint,
                "changed_meanwhile": "confirm" in request.POST,
                "selected": selected,
                "total": len(pks),
                "unchanged": selected - len(pks),
                "rows": [(row.pk, describe(row)) for row in rows[:ROWS_SHOWN]],
                "more": max(0, len(pks) - ROWS_SHOWN),
                # One is enough for Django to run the action again on all.
                "pks": pks[:1] if across else request.POST.getlist(ACTION_CHECKBOX_NAME),
            }
            request.current_app = self.admin_site.name
            return TemplateResponse(request, "admin/confirm_action.html", context)

        return admin.action(action, permissions=permissions, description=description)

    return decorate


def _report(model_admin: Any, request: HttpRequest, done: int, selected: int) -> None:
    text = ngettext("Changed %(done)d of %(selected)d row.", "Changed %(done)d of %(selected)d rows.", selected)
    level = messages.SUCCESS if done else messages.WARNING
    model_admin.message_user(request, text % {"done": done, "selected": selected}, level)
