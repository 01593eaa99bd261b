"""The way out of the desk: a list as a table for a spreadsheet, by a permission of its own, asked about and logged."""

from threading import Semaphore
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from campaign.exporting import Export
from campaign.spreadsheets import as_csv, as_xlsx
from campaign.streaming import OneAtATime
from privacy.sealing import ENDING, seal

FORMATS: dict[str, tuple[Any, Any, str]] = {
    "xlsx": (
        _("XLSX, for Excel, LibreOffice and the like"),
        as_xlsx,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    "csv": (_("CSV, for programs"), as_csv, "text/csv; charset=utf-8"),
}
PAST_SHOWN = 10
_TURN = Semaphore()


class ExportForm(forms.Form):
    """Asks which table, and of one with personal data, why."""

    what = forms.ChoiceField(label=_("What"), widget=forms.RadioSelect)
    format = forms.ChoiceField(
        label=_("As"),
        choices=[(name, label) for name, (label, *_rest) in FORMATS.items()],
        initial="xlsx",
        widget=forms.RadioSelect,
    )
    reason = forms.CharField(
        label=_("What it is needed for"),
        required=False,
        min_length=10,
        max_length=200,
        help_text=_("It stays in the log, which other organisers read: no names and no addresses."),
    )
    agreed = forms.BooleanField(
        label=_("I use the file for this alone, keep it from others, and delete it when that is done."), required=False
    )

    def __init__(self, data: Any, exports: tuple[Export, ...]) -> None:
        super().__init__(data, initial={"what": exports[0].name})
        self.exports = {export.name: export for export in exports}
        what: Any = self.fields["what"]
        what.choices = [(export.name, export.label) for export in exports]
        if len(exports) == 1:
            what.widget, what.required = forms.HiddenInput(), True
        if not any(export.personal for export in exports):
            del self.fields["reason"], self.fields["agreed"]

    def clean_reason(self) -> str:
        reason: str = self.cleaned_data["reason"]
        if "@" in reason:
            raise ValidationError(_("Please leave out the address: the reason stays in the log."))
        return reason

    def clean(self) -> None:
        export = self.exports.get(self.cleaned_data.get("what", ""))
        if not export or not export.personal:
            return
        if not self.cleaned_data.get("reason") and "reason" not in self.errors:
            self.add_error("reason", _("This table tells of persons. Please say what it is needed for."))
        if not self.cleaned_data.get("agreed"):
            self.add_error("agreed", _("Please confirm this: the table tells of persons."))


def _is_sealed(export: Export) -> bool:
    return bool(settings.SEALED_EXPORT_KEY and export.personal)


class Exporting:
    """A list that goes out as a table: its filters and its search say which rows."""

    exports: tuple[Export, ...] = ()
    opts: Any
    model: Any
    admin_site: Any

    def has_export_permission(self, request: HttpRequest) -> bool:
        export = request.user.has_perm(f"{self.opts.app_label}.export_{self.opts.model_name}")
        return export and self.has_view_permission(request)  # type: ignore[attr-defined]

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.export_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [path("export/", view, name=name), *super().get_urls()]  # type: ignore[misc]

    def _address(self, request: HttpRequest, page: str) -> str:
        """Return the address of a page of this model, with the filters of the list."""
        url = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}")
        query = request.GET.copy()
        query.pop("p", None)
        return f"{url}?{query.urlencode()}" if query else url

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        url = self._address(request, "export") if self.has_export_permission(request) else ""
        return super().changelist_view(request, {"export_url": url, **(extra_context or {})})  # type: ignore[misc]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Say what the file will hold; give it out once the organiser has said what for."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        try:
            changelist = self.get_changelist_instance(request)  # type: ignore[attr-defined]
        except IncorrectLookupParameters:
            return HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"))
        rows = changelist.get_queryset(request)
        form = ExportForm(request.POST if request.method == "POST" else None, self.exports)
        if form.is_valid():
            made = self._made(request, rows, form)
            if made:
                return made
            form.add_error(None, _("Somebody else is exporting at this moment. Please try again in a minute."))
        past = LogEntry.objects.filter(content_type=self._content_type(), object_id=None).select_related("user")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Export: %(rows)s") % {"rows": self.opts.verbose_name_plural},
            "opts": self.opts,
            "form": form,
            "tables": [(export, export.count(rows), _is_sealed(export)) for export in self.exports],
            "is_filtered": bool(changelist.has_active_filters or changelist.query),
            "list_url": self._address(request, "changelist"),
            "past": past.order_by("-action_time")[:PAST_SHOWN],
        }
        request.current_app = self.admin_site.name
        status = 400 if form.errors else 200
        return TemplateResponse(request, "admin/export.html", context, status=status)

    def _content_type(self) -> ContentType:
        return ContentType.objects.get_for_model(self.model)

    def _made(self, request: HttpRequest, rows: QuerySet[Any], form: ExportForm) -> HttpResponseBase | None:
        """Log and return the download; None while this process makes another one."""
        export = form.exports[form.cleaned_data["what"]]
        _label, make, content_type = FORMATS[form.cleaned_data["format"]]
        name = f"{export.name}-{timezone.localdate().isoformat()}.{form.cleaned_data['format']}"
        table = make(list(export.columns), export.lines(rows))
        if _is_sealed(export):
            table = seal(table, settings.SEALED_EXPORT_KEY, {"name": name})
            name, content_type = name + ENDING, "application/octet-stream"
        parts = OneAtATime(table, _TURN)
        if not parts.is_ours:
            return None
        try:
            # Before the first byte leaves. What was searched for may be an address, so it stands in no log.
            self._log(request, export, export.count(rows), form.cleaned_data)
        except BaseException:
            parts.close()
            raise
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingHttpResponse(parts, content_type=content_type, headers=headers)

    def _log(self, request: HttpRequest, export: Export, count: int, chosen: dict[str, Any]) -> None:
        user_id: Any = request.user.pk
        said = ngettext(
            "Exported “%(what)s” (%(format)s): made of %(count)d row.",
            "Exported “%(what)s” (%(format)s): made of %(count)d rows.",
            count,
        ) % {"what": export.label, "format": chosen["format"].upper(), "count": count}
        reason = f" {chosen['reason']}" if chosen.get("reason") else ""
        LogEntry.objects.create(
            user_id=user_id,
            content_type=self._content_type(),
            object_repr=str(self.opts.verbose_name_plural)[:200],
            action_flag=CHANGE,
            change_message=said + reason,
        )
