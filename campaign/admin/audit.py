"""The record of what organisers did, to read and to take out. Here, because the way out of the desk is here."""

import json
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from campaign.admin.exporting import Exporting
from campaign.exporting import Export
from organisers.admin import OwnersAlone
from organisers.models import AuditEntry
from outbox.deciding import newest

RECORD = Export(
    "record",
    _("What organisers did"),
    {
        "number": lambda entry: entry.pk,
        "at": lambda entry: entry.at.isoformat(),
        "account": lambda entry: entry.actor_id or "",
        "act": lambda entry: entry.act,
        "page": lambda entry: entry.page,
        "kind": lambda entry: entry.model,
        "key": lambda entry: entry.object_id,
        "name": lambda entry: entry.name,
        "changes": lambda entry: json.dumps(entry.changes, ensure_ascii=False, sort_keys=True),
        "hash": lambda entry: entry.hash,
    },
)


# The acts in the reader's language; the record itself keeps them as they stand here.
ACTS = {
    "added": _("added"),
    "changed": _("changed"),
    "deleted": _("deleted"),
    "exported": _("exported"),
    "invited": _("invited"),
    "invitation accepted": _("invitation accepted"),
    "logged in": _("logged in"),
    "logged out": _("logged out"),
    "failed to log in": _("failed to log in"),
    "locked out": _("locked out"),
    "authenticated again": _("authenticated again"),
    "second factor added": _("second factor added"),
    "second factor removed": _("second factor removed"),
    "second factor reset": _("second factor reset"),
    "recovery codes made": _("recovery codes made"),
    "sessions ended": _("sessions ended"),
    "let go": _("let go"),
}


class OccurringFilter(admin.AllValuesFieldListFilter):
    """The values that occur in a column which an index begins with, but none: found one by one, not by reading all."""

    def __init__(self, field: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(field, *args, **kwargs)
        self.lookup_choices: Any = list(_occurring(field.model, field.name))


class ActFilter(OccurringFilter):
    """The same for acts, in the reader's language."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        for choice in super().choices(changelist):
            act = str(choice["display"])
            yield {**choice, "display": ACTS.get(act, act)}


def _occurring(model: Any, name: str) -> Iterator[Any]:
    values = model._base_manager.order_by(name).values_list(name, flat=True)
    value = values.exclude(**{name: ""}).first()
    while value is not None:
        yield value
        value = values.filter(**{f"{name}__gt": value}).first()


# Of what was changed, so much stands in the list.
SHOWN = 4
# Words are looked for in so many, which no index does.
SEARCHED = 100_000


@admin.register(AuditEntry)
class AuditEntryAdmin(Exporting, OwnersAlone):
    list_display = ("at", "who", "done", "page", "what", "told")
    list_display_links = ("at",)
    list_filter = (("act", ActFilter), "at", ("model", OccurringFilter))
    list_select_related = ("actor",)
    search_fields = ("=object_id", "page", "name")
    search_help_text = _(
        "A page’s name, a row’s name or its key; of what is filtered, the newest 100,000 are looked through."
    )
    fields = ("at", "who", "done", "page", "what", "before_and_after", "previous_hash", "hash")
    readonly_fields = fields
    ordering = ("-id",)
    exports = (RECORD,)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        return super().get_search_results(request, newest(queryset, SEARCHED) if search_term else queryset, search_term)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_owner_permission(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_owner_permission(request)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_owner_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("who"), ordering="actor")
    def who(self, entry: AuditEntry) -> str:
        if entry.actor_id is None:
            return str(_("nobody who was let in"))
        return str(entry.actor or _("account %(number)d") % {"number": entry.actor_id})

    @admin.display(description=_("what"), ordering="act")
    def done(self, entry: AuditEntry) -> str:
        return str(ACTS.get(entry.act, entry.act))

    @admin.display(description=_("to what"))
    def what(self, entry: AuditEntry) -> str:
        """Name the row, and lead to its history."""
        name = f"{entry.model.rpartition('.')[2]} {entry.object_id} {entry.name}".strip()
        try:
            url = reverse(f"admin:{entry.model.replace('.', '_')}_history", args=[entry.object_id])
        except NoReverseMatch:  # of a row that has no page of its own, or of many rows
            return name
        return format_html('<a href="{}">{}</a>', url, name)

    @admin.display(description=_("changed"))
    def told(self, entry: AuditEntry) -> str:
        names = list(entry.changes)
        return ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")

    @admin.display(description=_("before and after"))
    def before_and_after(self, entry: AuditEntry) -> str:
        rows = (
            (column, *(("–" if one is None else one for one in told) if isinstance(told, list) else ("", told)))
            for column, told in entry.changes.items()
        )
        head = format_html(
            "<thead><tr><th>{}</th><th>{}</th><th>{}</th></tr></thead>", _("column"), _("before"), _("after")
        )
        return format_html(
            "<table>{}<tbody>{}</tbody></table>",
            head,
            format_html_join("", "<tr><th>{}</th><td>{}</td><td>{}</td></tr>", rows),
        )
