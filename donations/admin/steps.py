"""A row's page with steps: one button for each thing that can be done next, and the forms that the steps share."""

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from campaign.admin import SafeAddresses
from donations import filing, money, posting
from donations.models import Allocation, Fund, StoredFile, Transaction
from donations.posting import RefusedError


def user_of(request: HttpRequest) -> User:
    return cast("User", request.user)


def posted_data(request: HttpRequest) -> Any:
    """Return what was posted, also where that is nothing; None if the page is only looked at."""
    return request.POST if request.method == "POST" else None


class AmountField(forms.CharField):
    """An amount as people write it; the form's clean() reads it, once the currency is known."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=40, widget=forms.TextInput(attrs={"inputmode": "decimal"}), **kwargs)


class WithCurrency(forms.ModelForm):
    def clean_currency(self) -> str:
        currency = self.cleaned_data["currency"].strip().upper()
        money.validate_currency(currency)
        return currency


class OfCurrency(forms.Form):
    """A form with an amount in a currency that is known."""

    may_be_nothing = False

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency = currency

    def clean_amount(self) -> int:
        typed = self.cleaned_data["amount"]
        try:
            return money.parse_amount(typed, self.currency)
        except ValidationError:
            if self.may_be_nothing and typed.strip() == "0":
                return 0
            raise


class FileForm(forms.Form):
    file = forms.FileField(
        label=_("File"),
        help_text=_(
            "A picture (JPEG, PNG, WebP) or a PDF, up to 8 MB. A picture is stored without the place and the device "
            "that a camera writes into it. Organisers alone can open it."
        ),
        widget=forms.FileInput(attrs={"accept": filing.ACCEPTED}),
    )


class LineField(forms.ModelChoiceField):
    """One of the bank's lines, told in words."""

    def __init__(self, lines: list[Transaction]) -> None:
        queryset = Transaction.objects.filter(pk__in=[line.pk for line in lines])
        super().__init__(queryset, label=_("Bank's line"), widget=forms.RadioSelect, empty_label=None)
        self.choices = [(line.pk, _line(line)) for line in lines]


def _line(line: Any) -> str:
    words = [
        money.format_amount(line.amount_minor, line.currency),
        date_format(line.booked_on, "DATE_FORMAT"),
        *filter(None, (line.counterparty, line.remittance or line.description)),
    ]
    if getattr(line, "as_gift", 0):
        words.append(
            str(_("taken for a gift without a pledge: %(amount)s, which is undone"))
            % {"amount": money.format_amount(line.as_gift, line.currency)}
        )
    return " · ".join(words)


class LineForm(OfCurrency):
    amount = AmountField(label=_("Amount"))

    def __init__(self, *args: Any, lines: list[Transaction], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.has_lines = bool(lines)
        self.fields["line"] = LineField(lines)
        self.order_fields(["line", "amount"])


Act = Callable[[Any], Any]


class WithSteps(SafeAddresses, admin.ModelAdmin):
    """Rows that are never edited: their page shows the steps that can be taken, each of which is a page of its own."""

    change_form_template = "donations/admin/steps.html"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def may_act(self, request: HttpRequest) -> bool:
        opts = self.opts
        return request.user.has_perm(f"donations.change_{opts.model_name}")

    has_act_permission = may_act  # what the actions of a list ask for

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        obj = kwargs.get("obj")
        context["steps"] = self.steps(request, obj) if obj and self.may_act(request) else []
        context["list_url"] = reverse(f"admin:donations_{self.opts.model_name}_changelist")
        return super().render_change_form(request, context, *args, **kwargs)

    def steps(self, request: HttpRequest, obj: Any) -> list[tuple[Any, str, str]]:
        """Return what can be done with a row: its name, and either an address or the list's action."""
        return []

    def url(self, page: str, obj: Any) -> str:
        return reverse(f"admin:donations_{self.opts.model_name}_{page}", args=[obj.pk])

    def form_page(
        self,
        request: HttpRequest,
        obj: Any,
        form: forms.Form,
        act: Act,
        *,
        title: Any,
        lead: Any,
        button: Any,
        done: Callable[[Any], Any],
    ) -> HttpResponse:
        """Show a form, and do what it says; errors stand beside its fields, and nothing is done by half."""
        if request.method == "POST" and form.is_valid():
            try:
                result = act(form.cleaned_data)
            except RefusedError as refused:
                form.add_error(None, str(refused))
            except ValidationError as error:
                form.add_error(None, error.messages)
            else:
                LogEntry.objects.log_actions(user_of(request).pk, [obj], CHANGE, str(title))
                messages.success(request, done(result))
                return HttpResponseRedirect(self.url("change", obj))
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "subtitle": str(obj),
            "opts": self.opts,
            "original": obj,
            "original_url": self.url("change", obj),
            "form": form,
            "lead": lead,
            "button": button,
            "nothing_to_choose": isinstance(form, LineForm) and not form.has_lines,
        }
        status = 400 if form.errors else 200
        return TemplateResponse(request, "donations/admin/step.html", context, status=status)

    def each(self, request: HttpRequest, queryset: Any, act: Callable[[Any], Any]) -> int:
        done = 0
        for row in queryset:
            try:
                act(row)
                done += 1
            except (RefusedError, posting.AlreadyReversedError) as refused:
                words = str(refused) or _("It is undone already.")
                self.message_user(request, f"{row}: {words}", messages.ERROR)
        return done

    def wanted(self, request: HttpRequest, pk: int) -> Any:
        """Return the row, for those who may act on it."""
        if not self.may_act(request):
            raise PermissionDenied
        return get_object_or_404(self.model, pk=pk)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        newest = Fund.objects.first()
        initial = {"fund": newest.pk, "currency": newest.currency_list[0]} if newest else {}
        return initial | super().get_changeform_initial_data(request)


def file_link(stored: StoredFile) -> Any:
    url = reverse("admin:donations_storedfile_change", args=[stored.pk])
    return format_html('<a href="{}">{}</a><br><small>SHA-256 {}</small>', url, stored, stored.sha256)


def allocations_told(found: QuerySet[Allocation]) -> Any:
    rows = (
        (
            reverse("admin:donations_allocation_change", args=[one.pk]),
            date_format(one.transaction.booked_on, "DATE_FORMAT"),
            money.format_amount(abs(one.amount_minor), one.transaction.currency),
            _("by bank") if one.transaction.account_id else _("in cash"),
        )
        for one in found.filter(reverses=None, reversal=None).select_related("transaction").order_by("pk")
    )
    return format_html_join(SafeString("<br>"), '<a href="{}">{}: {}, {}</a>', rows) or "-"


def download(content: bytes, media_type: str, name: str) -> HttpResponse:
    """Return a file to be saved, never shown within the site: a PDF can hold a program."""
    return HttpResponse(
        content,
        content_type=media_type,
        headers={"Content-Disposition": content_disposition_header(True, name) or "attachment"},
    )
