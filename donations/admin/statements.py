"""The treasurer's desk: banks' statements, uploaded, looked at and imported."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _

from donations import importing, money, uploading
from donations.models import BankAccount, BankStatement, StatementUpload
from donations.statements import columns
from donations.statements.columns import CsvMapping
from donations.statements.items import Line, Rejected, StatementError
from donations.tasks import import_statements

State = StatementUpload.State

_LABELS = {
    "booked_on": _("Date"),
    "value_on": _("Value date"),
    "amount": _("Amount"),
    "credit": _("Amount, if it came in"),
    "debit": _("Amount, if it went out"),
    "sign": _("Credit or debit"),
    "currency": _("Currency"),
    "counterparty": _("From or to"),
    "counterparty_iban": _("Their account"),
    "remittance": _("Text"),
    "reference": _("Structured reference"),
    "end_to_end": _("The payer's reference"),
    "bank_reference": _("The bank's reference"),
    "balance": _("Balance after the line"),
    "status": _("State (booked or noted)"),
    "account": _("Our own account"),
}


class UploadForm(forms.Form):
    account = forms.ModelChoiceField(
        BankAccount.objects.none(),
        label=_("Account"),
        help_text=_("One that two organisers stand for. Another is approved under “Bank accounts” first."),
    )
    file = forms.FileField(
        label=_("File"), help_text=_("As the bank gives it: CAMT.053 (XML), MT940 or CSV, up to 10 MB.")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["account"].queryset = importing.takes_statements().order_by("-pk")  # type: ignore[attr-defined]


class MappingForm(forms.Form):
    """Which column of a CSV file is what; the choices are the file's own columns."""

    header = forms.BooleanField(label=_("A row of the file names the columns"), required=False)
    delimiter = forms.ChoiceField(
        label=_("Columns are separated by"),
        choices=[(";", _("semicolon")), (",", _("comma")), ("\t", _("tab")), ("|", _("bar"))],
    )
    decimal = forms.ChoiceField(
        label=_("Decimal sign"),
        required=False,
        choices=[("", _("find out")), (",", _("comma: 1.500,00")), (".", _("point: 1,500.00"))],
    )
    order = forms.ChoiceField(
        label=_("Order of the date"),
        required=False,
        choices=[
            ("", _("find out")),
            ("dmy", _("day, month, year")),
            ("mdy", _("month, day, year")),
            ("ymd", _("year first")),
        ],
    )
    fixed_currency = forms.CharField(label=_("Currency, if no column tells"), required=False, max_length=3)

    def __init__(self, data: Any = None, *, names: list[str], mapping: CsvMapping) -> None:
        initial = {
            **{name: where if name == "remittance" else where[0] for name, where in mapping.columns.items() if where},
            "header": mapping.header,
            "delimiter": mapping.delimiter,
            "decimal": mapping.decimal,
            "order": mapping.order,
            "fixed_currency": mapping.currency,
        }
        super().__init__(data, initial=initial)
        self.mapping = mapping
        # What was chosen before stays a choice: the delimiter may have been the mistake.
        known = [*names, *(c for where in mapping.columns.values() for c in where if c not in names)]
        for name, label in _LABELS.items():
            choices = [(c, c) for c in known]
            self.fields[name] = (
                forms.MultipleChoiceField(label=label, choices=choices, required=False)
                if name == "remittance"
                else forms.ChoiceField(label=label, choices=[("", "-"), *choices], required=False)
            )

    def chosen(self) -> CsvMapping:
        data = self.cleaned_data
        picked = {name: data[name] if name == "remittance" else [data[name]] for name in _LABELS if data[name]}
        return replace(
            self.mapping,
            columns=picked,
            header=data["header"],
            delimiter=data["delimiter"],
            decimal=data["decimal"],
            order=data["order"],
            currency=data["fixed_currency"].upper(),
        )


@admin.register(BankStatement)
class BankStatementAdmin(admin.ModelAdmin):
    """What was imported, to look at; and the way in."""

    list_display = (
        "__str__",
        "from_date",
        "to_date",
        "opening",
        "closing",
        "new_count",
        "rejected_count",
        "imported_at",
    )
    list_filter = ("account",)
    list_select_related = ("account",)
    change_list_template = "donations/admin/statements.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"may_import": self._may_import(request), "uploads": StatementUpload.objects.all()[:5]}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("import/", wrap(self.upload_view), name="donations_statement_upload"),
            path("import/<int:pk>/", wrap(self.look_view), name="donations_statement_look"),
            *super().get_urls(),
        ]

    def _may_import(self, request: HttpRequest) -> bool:
        return bool(cast("User", request.user).has_perm("donations.add_bankstatement"))

    def _render(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        return TemplateResponse(
            request,
            f"donations/admin/{template}.html",
            {**self.admin_site.each_context(request), "opts": self.opts, **context},
        )

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        """Take a file, and go on to look at it. Nothing is booked."""
        if not self._may_import(request):
            raise PermissionDenied
        form = UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            file = form.cleaned_data["file"]
            try:
                upload = uploading.receive(
                    form.cleaned_data["account"], file, name=file.name, by=cast("User", request.user)
                )
            except StatementError as error:
                form.add_error("file", str(error))
            else:
                return HttpResponseRedirect(reverse("admin:donations_statement_look", args=[upload.pk]))
        return self._render(request, "statement_upload", {"form": form, "title": _("Import a statement")})

    def look_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the first lines as they would be booked; import them when the organiser says so; tell what became."""
        if not self._may_import(request):
            raise PermissionDenied
        upload = get_object_or_404(StatementUpload.objects.select_related("account__fund"), pk=pk)
        context: dict[str, Any] = {"upload": upload, "title": upload.file_name, "outcome": uploading.outcome_of(upload)}
        if upload.state == State.PREVIEWED and upload.content:
            mapping = uploading.mapping_of(upload)
            form = self._mapping_form(request, upload, mapping) if mapping else None
            if form and form.is_bound:
                mapping = form.chosen() if form.is_valid() else None
            error, shown = self._look(upload, mapping, wanted=not form or not form.is_bound or form.is_valid())
            if request.POST.get("act") == "import" and not error:
                uploading.start(upload, mapping)
                import_statements.delay_on_commit()
                return HttpResponseRedirect(request.path)
            context |= {"form": form, "error": error, "shown": shown, "raw": self._raw(upload, mapping)}
        context["is_waiting"] = upload.state in {State.QUEUED, State.RUNNING}
        return self._render(request, "statement_look", context)

    def _mapping_form(self, request: HttpRequest, upload: StatementUpload, mapping: CsvMapping) -> MappingForm:
        if request.method == "POST":
            allowed = {value for value, _label in MappingForm.base_fields["delimiter"].choices}  # type: ignore[attr-defined]
            delimiter = request.POST.get("delimiter", "")
            typed = replace(
                mapping,
                delimiter=delimiter if delimiter in allowed else mapping.delimiter,
                header="header" in request.POST,
            )
            names = columns.names(uploading.opened(upload), typed)
            return MappingForm(request.POST, names=names, mapping=mapping)
        return MappingForm(names=columns.names(uploading.opened(upload), mapping), mapping=mapping)

    def _look(
        self, upload: StatementUpload, mapping: CsvMapping | None, *, wanted: bool
    ) -> tuple[StatementError | None, list[dict[str, Any]]]:
        if not wanted:
            return StatementError(str(_("Please choose from what the file has."))), []
        try:
            return None, list(self._rows(importing.preview(uploading.opened(upload), upload.account, mapping)))
        except StatementError as error:
            return error, []

    def _rows(self, lines: list[Line | Rejected]) -> Iterator[dict[str, Any]]:
        for line in lines:
            if isinstance(line, Line):
                yield {"line": line, "amount": money.format_amount(line.amount_minor, line.currency)}
            else:
                yield {"rejected": line}

    def _raw(self, upload: StatementUpload, mapping: CsvMapping | None) -> list[columns.Row]:
        if mapping is None:
            return []
        try:
            return columns.first_rows(uploading.opened(upload), mapping)
        except StatementError:
            return []

    @admin.display(description=_("balance before"))
    def opening(self, statement: BankStatement) -> str:
        return self._balance(statement.opening_minor, statement.currency)

    @admin.display(description=_("balance after"))
    def closing(self, statement: BankStatement) -> str:
        return self._balance(statement.closing_minor, statement.currency)

    def _balance(self, minor: int | None, currency: str) -> str:
        return "-" if minor is None else money.format_amount(minor, currency)
