"""The treasurer's desk: collections in cash, what is paid to families, and the files that belong to both."""

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from campaign.admin import SafeAddresses
from campaign.typesetting import TypesettingError
from donations import balances, collecting, disbursing, documents, filing, money, posting
from donations.models import Allocation, Approval, CollectionSheet, Disbursement, Fund, StoredFile, Transaction
from donations.posting import RefusedError
from outbox.confirming import confirmed
from privacy.fields import Unreadable

Kind = Allocation.Kind
# What printing takes at once, a page each.
MOST_PRINTED = 50


def _user(request: HttpRequest) -> User:
    return cast("User", request.user)


def _posted(request: HttpRequest) -> Any:
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


class SheetForm(WithCurrency):
    class Meta:
        model = CollectionSheet
        fields = ("fund", "currency", "place", "held_on")
        help_texts = {
            "place": _("Public. A town or a workplace, no person. It can be left for those who count."),
            "held_on": _("Empty if the day is not known yet."),
        }


class DisbursementForm(WithCurrency):
    amount = AmountField(label=_("Amount"), help_text=_("For all these households together."))

    class Meta:
        model = Disbursement
        fields = ("fund", "purpose", "households", "currency")

    def clean_households(self) -> int:
        if not self.cleaned_data["households"]:
            raise ValidationError(_("For at least one household."))
        return int(self.cleaned_data["households"])

    def clean(self) -> dict[str, Any] | None:
        data = super().clean()
        if "amount" in self.cleaned_data and "currency" in self.cleaned_data:
            try:
                self.instance.amount_minor = money.parse_amount(
                    self.cleaned_data["amount"], self.cleaned_data["currency"]
                )
            except ValidationError as error:
                self.add_error("amount", error)
        return data


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


class FirstCountForm(OfCurrency):
    may_be_nothing = True
    amount = AmountField(label=_("Counted"), help_text=_("0 if nothing was given, or the sheet was not used."))
    held_on = forms.DateField(label=_("Held on"))
    place = forms.CharField(
        label=_("Place"), max_length=200, help_text=_("Public. A town or a workplace, no person: Hamburg.")
    )

    def clean_held_on(self) -> Any:
        if self.cleaned_data["held_on"] > timezone.localdate():
            raise ValidationError(_("This day is still to come."))
        return self.cleaned_data["held_on"]


class SecondCountForm(OfCurrency):
    may_be_nothing = True
    amount = AmountField(
        label=_("Counted"), help_text=_("What you counted yourself. What the first one wrote is not shown on purpose.")
    )


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


class CashForm(OfCurrency):
    amount = AmountField(label=_("Amount"))
    paid_on = forms.DateField(label=_("Handed over on"))


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
                LogEntry.objects.log_actions(_user(request).pk, [obj], CHANGE, str(title))
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


def _allocations(found: QuerySet[Allocation]) -> Any:
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


class CollectionSheetAdmin(WithSteps):
    """Made and printed, counted by two apart, photographed, paid in. Numbers have no gaps: none is ever deleted."""

    form = SheetForm
    list_display = ("number", "state", "place", "held_on", "counted", "in_cash", "has_scan", "fund")
    list_display_links = ("number", "state")
    list_filter = ("fund", "currency", "held_on")
    search_fields = ("place",)
    actions = ("print_sheets", "discard_count", "take_back")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CollectionSheet]:
        return collecting.with_sums(super().get_queryset(request)).prefetch_related("fund__translations")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("fund", "currency", "place", "held_on")
        return (
            *("fund", "number", "state", "print_in", "currency", "place", "held_on", "counted", "counter_one"),
            *("counter_two", "counted_at", "paid_in", "in_cash", "scan_link"),
        )

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/print/", wrap(self.print_view), name="donations_collectionsheet_print"),
            path("<int:pk>/count/", wrap(self.count_view), name="donations_collectionsheet_count"),
            path("<int:pk>/scan/", wrap(self.scan_view), name="donations_collectionsheet_scan"),
            path("<int:pk>/deposit/", wrap(self.deposit_view), name="donations_collectionsheet_deposit"),
            *super().get_urls(),
        ]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        made = collecting.make(obj.fund, obj.currency, place=obj.place, held_on=obj.held_on)
        obj.pk, obj.number = made.pk, made.number

    def steps(self, request: HttpRequest, obj: Any) -> list[tuple[Any, str, str]]:
        standing = collecting.standing_of(obj)
        found: list[tuple[Any, str, str]] = [(_("Print"), self.url("print", obj), "")]
        if not obj.counted_at:
            is_second = obj.counter_one_id not in {None, request.user.pk}
            name = _("Count, as the second") if is_second else _("Count")
            found.append((name, self.url("count", obj), ""))
            if obj.counter_one_id:
                found.append((_("Discard the first count"), "", "discard_count"))
        if obj.scan_id is None:
            found.append((_("Add a photo or scan"), self.url("scan", obj), ""))
        if standing.in_cash_minor:
            found.append((_("Paid in at the bank"), self.url("deposit", obj), ""))
        if standing.posted_minor and not standing.paid_in_minor:
            found.append((_("Take back the count"), "", "take_back"))
        return found

    @admin.display(description=_("state"))
    def state(self, sheet: Any) -> Any:
        return collecting.standing_of(sheet).state.label

    @admin.display(description=_("amount counted"))
    def counted(self, sheet: CollectionSheet) -> str:
        """What the first one counted is shown to nobody: the second count is worth something because of it."""
        if not sheet.counted_at or sheet.counted_minor is None:
            return "-"
        return money.format_amount(sheet.counted_minor, sheet.currency)

    @admin.display(description=_("not paid in"))
    def in_cash(self, sheet: Any) -> str:
        left = collecting.standing_of(sheet).in_cash_minor
        return money.format_amount(left, sheet.currency) if left else "-"

    @admin.display(description=_("paid in"))
    def paid_in(self, sheet: CollectionSheet) -> Any:
        at_bank = Allocation.objects.filter(sheet=sheet, kind=Kind.DEPOSIT, mirrors=None)
        return _allocations(at_bank.filter(transaction__account__isnull=False))

    @admin.display(description=_("photo or scan"), boolean=True)
    def has_scan(self, sheet: CollectionSheet) -> bool:
        return sheet.scan_id is not None

    @admin.display(description=_("photo or scan"))
    def scan_link(self, sheet: CollectionSheet) -> Any:
        return file_link(StoredFile.objects.defer("content").get(pk=sheet.scan_id)) if sheet.scan_id else "-"

    @admin.display(description=_("print in"))
    def print_in(self, sheet: CollectionSheet) -> Any:
        url = self.url("print", sheet)
        return format_html_join(
            ", ", '<a href="{}?in={}">{}</a>', ((url, code, name) for code, name in settings.LANGUAGES)
        )

    def describe(self, sheet: CollectionSheet) -> str:
        return f"{sheet}: {self.counted(sheet)}, {sheet.place}"

    def print_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        sheet = get_object_or_404(CollectionSheet, pk=pk)
        code = request.GET.get("in")
        with translation.override(code if code in dict(settings.LANGUAGES) else translation.get_language()):
            return self._printed(request, [sheet]) or HttpResponseRedirect(self.url("change", sheet))

    @admin.action(description=_("Print, a page each"), permissions=("view",))
    def print_sheets(self, request: HttpRequest, queryset: QuerySet[CollectionSheet]) -> HttpResponse | None:
        if queryset.count() > MOST_PRINTED:
            words = _("No more than %(count)d sheets at once, please.") % {"count": MOST_PRINTED}
            self.message_user(request, words, messages.ERROR)
            return None
        return self._printed(request, list(queryset.order_by("fund", "number")))

    def _printed(self, request: HttpRequest, sheets: list[CollectionSheet]) -> HttpResponse | None:
        try:
            pdf = documents.collection(sheets)
        except TypesettingError as error:
            self.message_user(request, _("The PDF could not be made: %(error)s") % {"error": error}, messages.ERROR)
            return None
        return download(pdf, "application/pdf", f"collection-{'-'.join(str(one.number) for one in sheets[:3])}.pdf")

    def count_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        sheet = self.wanted(request, pk)
        by = _user(request)
        is_second = sheet.counter_one_id not in {None, by.pk}
        initial = {"held_on": sheet.held_on or timezone.localdate(), "place": sheet.place}
        form: forms.Form = (
            SecondCountForm(_posted(request), currency=sheet.currency)
            if is_second
            else FirstCountForm(_posted(request), currency=sheet.currency, initial=initial)
        )
        lead: Any
        if is_second:
            lead = _(
                "%(first)s has counted this sheet, held on %(day)s in %(place)s. Count the money yourself and write "
                "what you counted. If it is the same, it is posted as cash, for good."
            ) % {"first": sheet.counter_one, "day": date_format(sheet.held_on, "DATE_FORMAT"), "place": sheet.place}
        else:
            lead = _(
                "Write what you counted. Nothing is posted before another organiser has counted the same, under their "
                "own name. Until then you can write another amount."
            )

        def act(data: dict[str, Any]) -> CollectionSheet:
            return collecting.count(
                sheet,
                data["amount"],
                held_on=data.get("held_on", sheet.held_on),
                place=data.get("place", sheet.place),
                by=by,
            )

        def done(counted: CollectionSheet) -> Any:
            if counted.counted_at is None:
                return _("Noted. Now another organiser counts, and writes the amount here.")
            return _("Counted by two. If the bank's line is here already, say now that it is this money: paid in.")

        title = _("Count, as the second") if is_second else _("Count")
        return self.form_page(request, sheet, form, act, title=title, lead=lead, button=_("Counted"), done=done)

    def scan_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        sheet = self.wanted(request, pk)

        def act(data: dict[str, Any]) -> None:
            collecting.attach(sheet, data["file"].file, name=data["file"].name, by=_user(request))

        return self.form_page(
            request,
            sheet,
            FileForm(_posted(request), request.FILES),
            act,
            title=_("Add a photo or scan"),
            lead=_("Of the sheet with both signatures. It is added once, and stays; its content can be erased."),
            button=_("Add"),
            done=lambda _none: _("Added."),
        )

    def deposit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        sheet = self.wanted(request, pk)
        left = collecting.standing_of(sheet).in_cash_minor
        form = LineForm(
            _posted(request),
            currency=sheet.currency,
            lines=collecting.lines_for(sheet),
            initial={"amount": money.typed_amount(left, sheet.currency)},
        )
        return self.form_page(
            request,
            sheet,
            form,
            lambda data: collecting.deposit(sheet, data["line"], data["amount"], by=_user(request)),
            title=_("Paid in at the bank"),
            lead=_(
                "Of this sheet %(left)s is not paid in. Choose the bank's line with which it arrived. The amount then "
                "leaves the cash box, so that it counts once, also where the line had been taken for a gift. If you "
                "keep it in cash there is nothing to do."
            )
            % {"left": money.format_amount(left, sheet.currency)},
            button=_("It is this money"),
            done=lambda made: (
                _("%(amount)s is at the bank now, and no more in the cash box.")
                % {"amount": money.format_amount(made.amount_minor, sheet.currency)}
            ),
        )

    @confirmed(
        description=_("Discard the first count"),
        question=_("What the first one wrote is forgotten, and the count begins anew. Nothing of it was posted."),
        changes=lambda queryset: queryset.filter(counted_at=None).exclude(counter_one=None),
        permissions=("act",),
    )
    def discard_count(self, request: HttpRequest, queryset: QuerySet[CollectionSheet]) -> int:
        return self.each(request, queryset, collecting.discard_count)

    @confirmed(
        description=_("Take back the count, by the opposite entry"),
        question=_(
            "For a sheet that both counted wrongly: its cash is reversed with today's date, and both entries stay. The "
            "sheet itself stays as it is; count the money on a new one."
        ),
        changes=lambda queryset: queryset.exclude(counted_at=None),
        permissions=("act",),
    )
    def take_back(self, request: HttpRequest, queryset: QuerySet[CollectionSheet]) -> int:
        return self.each(request, queryset, lambda sheet: collecting.take_back(sheet, by=_user(request)))


class DisbursementStateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(state.value, state.label) for state in disbursing.State]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() not in disbursing.State.values:
            return queryset
        # A fund has hundreds of them, not millions.
        found = map(disbursing.standing_of, queryset)
        return queryset.filter(pk__in=[one.disbursement.pk for one in found if one.state == self.value()])


class DisbursementAdmin(WithSteps):
    """Asked for by one, approved by two, paid, and shown with evidence. Nothing of it is edited or deleted."""

    form = DisbursementForm
    list_display = ("__str__", "state", "households", "paid", "requested_by", "approved_by", "fund")
    list_filter = (DisbursementStateFilter, "fund", "currency", "requested_at")
    search_fields = ("purpose",)
    actions = ("approve", "cancel")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Disbursement]:
        # Not by list_select_related, which Django leaves alone where a queryset joins rows of its own.
        found = disbursing.with_sums(super().get_queryset(request)).select_related("fund", "requested_by")
        return found.prefetch_related("fund__translations")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("fund", "purpose", "households", "currency", "amount")
        return (
            *("fund", "purpose", "households", "amount_in_words", "state", "requested_by", "requested_at"),
            *("approved_by", "in_hand", "payments", "evidence_links"),
        )

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/evidence/", wrap(self.evidence_view), name="donations_disbursement_evidence"),
            path("<int:pk>/cash/", wrap(self.cash_view), name="donations_disbursement_cash"),
            path("<int:pk>/bank/", wrap(self.bank_view), name="donations_disbursement_bank"),
            *super().get_urls(),
        ]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        disbursing.request(obj, by=_user(request))

    def steps(self, request: HttpRequest, obj: Any) -> list[tuple[Any, str, str]]:
        standing = disbursing.standing_of(obj)
        found: list[tuple[Any, str, str]] = []
        if standing.is_cancelled:
            return [(_("Add evidence"), self.url("evidence", obj), "")]
        if standing.approvals < posting.APPROVALS_NEEDED:
            if not obj.approvals.filter(approved_by=_user(request)).exists():
                found.append((_("Approve"), "", "approve"))
        elif standing.paid_minor < obj.amount_minor:
            found.append((_("Paid by a bank's line"), self.url("bank", obj), ""))
            found.append((_("Paid from the cash box"), self.url("cash", obj), ""))
        found.append((_("Add evidence"), self.url("evidence", obj), ""))
        if not standing.paid_minor:
            found.append((_("Cancel"), "", "cancel"))
        return found

    @admin.display(description=_("amount"))
    def amount_in_words(self, asked: Disbursement) -> str:
        return money.format_amount(asked.amount_minor, asked.currency)

    @admin.display(description=_("state"))
    def state(self, asked: Disbursement) -> Any:
        return disbursing.standing_of(asked).state.label

    @admin.display(description=_("paid"))
    def paid(self, asked: Disbursement) -> str:
        paid = disbursing.standing_of(asked).paid_minor
        return money.format_amount(paid, asked.currency) if paid else "-"

    @admin.display(description=_("approved by"))
    def approved_by(self, asked: Any) -> str:
        given: list[Approval] = sorted(asked.approvals.all(), key=lambda one: one.pk)
        return ", ".join(str(one.approved_by) for one in given) or "-"

    @admin.display(description=_("in hand now"))
    def in_hand(self, asked: Disbursement) -> str:
        """What can be paid at all: the fund's money in this currency, and how much of it is cash."""
        found = next((one for one in balances.of(asked.fund) if one.currency == asked.currency), None)
        bank, cash = (found.bank, found.cash) if found else (0, 0)
        return str(_("%(bank)s at the bank, %(cash)s in cash")) % {
            "bank": money.format_amount(bank, asked.currency),
            "cash": money.format_amount(cash, asked.currency),
        }

    @admin.display(description=_("payments"))
    def payments(self, asked: Disbursement) -> Any:
        return _allocations(Allocation.objects.filter(disbursement=asked))

    @admin.display(description=_("evidence"))
    def evidence_links(self, asked: Disbursement) -> Any:
        files = [one.file for one in asked.evidence.select_related("file").defer("file__content").order_by("pk")]
        return format_html_join(SafeString("<br>"), "{}", ((file_link(one),) for one in files)) or "-"

    def describe(self, asked: Disbursement) -> str:
        households = _("households: %(count)d") % {"count": asked.households}
        return f"{asked}, {households}, {asked.requested_by or '-'}"

    def evidence_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        asked = self.wanted(request, pk)
        return self.form_page(
            request,
            asked,
            FileForm(_posted(request), request.FILES),
            lambda data: disbursing.add_evidence(asked, data["file"].file, name=data["file"].name, by=_user(request)),
            title=_("Add evidence"),
            lead=_(
                "A receipt, a list with signatures. The site shows its hash (SHA-256), by which anybody can tell later "
                "that the file is still the same, and never the file."
            ),
            button=_("Add"),
            done=lambda added: _("Added. Its hash is public: %(hash)s") % {"hash": added.file.sha256},
        )

    def cash_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        asked = self.wanted(request, pk)
        unpaid = asked.amount_minor - balances.of_disbursement(asked.pk)
        form = CashForm(
            _posted(request),
            currency=asked.currency,
            initial={"amount": money.typed_amount(unpaid, asked.currency), "paid_on": timezone.localdate()},
        )
        return self.form_page(
            request,
            asked,
            form,
            lambda data: disbursing.pay_in_cash(asked, data["amount"], paid_on=data["paid_on"], by=_user(request)),
            title=_("Paid from the cash box"),
            lead=_("There is: %(in_hand)s. %(unpaid)s is still to be paid.")
            % {"in_hand": self.in_hand(asked), "unpaid": money.format_amount(unpaid, asked.currency)},
            button=_("It was handed over"),
            done=_paid,
        )

    def bank_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        asked = self.wanted(request, pk)
        unpaid = asked.amount_minor - balances.of_disbursement(asked.pk)
        form = LineForm(
            _posted(request),
            currency=asked.currency,
            lines=disbursing.lines_for(asked),
            initial={"amount": money.typed_amount(unpaid, asked.currency)},
        )
        return self.form_page(
            request,
            asked,
            form,
            lambda data: disbursing.pay_by(asked, data["line"], data["amount"], by=_user(request)),
            title=_("Paid by a bank's line"),
            lead=_("%(unpaid)s is still to be paid. Choose the bank's line that paid it.")
            % {"unpaid": money.format_amount(unpaid, asked.currency)},
            button=_("This paid it"),
            done=_paid,
        )

    @confirmed(
        description=_("Approve, as one of two organisers"),
        question=_(
            "You say yes to these, under your name, and that stays. Two different organisers have to; whoever asked "
            "may be one of them, and nobody counts twice. Read the purpose once more: it is public, and must name no "
            "family."
        ),
        changes=lambda queryset: queryset.filter(cancellation=None),
        permissions=("act",),
    )
    def approve(self, request: HttpRequest, queryset: QuerySet[Disbursement]) -> int:
        return self.each(request, queryset, lambda asked: disbursing.approve(asked, by=_user(request)))

    @confirmed(
        description=_("Cancel for good"),
        question=_("They stay in the books as cancelled, and nothing can be paid on them. Paid ones are left alone."),
        changes=lambda queryset: queryset.filter(cancellation=None),
        permissions=("act",),
    )
    def cancel(self, request: HttpRequest, queryset: QuerySet[Disbursement]) -> int:
        return self.each(request, queryset, lambda asked: disbursing.cancel(asked, by=_user(request)))


def _paid(made: Allocation) -> Any:
    return _("Recorded as paid: %(amount)s.") % {
        "amount": money.format_amount(-made.amount_minor, made.transaction.currency)
    }


class AllocationAdmin(WithSteps):
    """What money was for. To look at, and to undo."""

    list_display = ("__str__", "booked_on", "fund", "pledge", "sheet", "disbursement", "undone", "made_by")
    list_filter = ("kind", "transaction__fund", "made_at")
    list_select_related = (
        *("transaction__fund", "transaction__account", "pledge", "sheet__fund", "disbursement", "made_by", "reversal"),
    )
    fields = (
        *("transaction", "kind", "amount", "pledge", "sheet", "disbursement", "mirrors", "reverses", "undone"),
        *("made_by", "made_at"),
    )
    actions = ("undo",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Allocation]:
        return (
            super()
            .get_queryset(request)
            .prefetch_related("transaction__fund__translations", "sheet__fund__translations")
        )

    def steps(self, request: HttpRequest, obj: Any) -> list[tuple[Any, str, str]]:
        is_undone = obj.reverses_id or hasattr(obj, "reversal") or obj.mirrors_id
        return [] if is_undone else [(_("Undo"), "", "undo")]

    @admin.display(description=_("amount"))
    def amount(self, made: Allocation) -> str:
        return money.format_amount(made.amount_minor, made.transaction.currency)

    @admin.display(description=_("booked on"))
    def booked_on(self, made: Allocation) -> Any:
        return made.transaction.booked_on

    @admin.display(description=_("fund"))
    def fund(self, made: Allocation) -> Any:
        return made.transaction.fund

    @admin.display(description=_("undone"))
    def undone(self, made: Allocation) -> Any:
        return _("yes") if hasattr(made, "reversal") else "-"

    def describe(self, made: Allocation) -> str:
        return f"{made}: {made.disbursement or made.sheet or made.pledge or made.transaction}"

    @confirmed(
        description=_("Undo what was said by mistake"),
        question=_(
            "The opposite is written; both stay. A bank's line is open again. What was recorded as paid from the cash "
            "box is back in it. A deposit is in the cash box again. The other end of a deposit goes with its first."
        ),
        changes=lambda queryset: queryset.filter(reverses=None, reversal=None, mirrors=None),
        permissions=("act",),
    )
    def undo(self, request: HttpRequest, queryset: QuerySet[Allocation]) -> int:
        return self.each(request, queryset, lambda made: disbursing.undo(made, by=_user(request)))


class StoredFileAdmin(WithSteps):
    """Photos of sheets and evidence: for organisers alone, to download, and to erase where they show too much."""

    list_display = ("stored_at", "name", "media_type", "length", "stored_by", "is_erased")
    list_filter = ("media_type", "stored_at")
    list_select_related = ("stored_by",)
    fields = ("name", "media_type", "length", "sha256", "stored_by", "stored_at", "is_erased")
    actions = ("erase",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[StoredFile]:
        return super().get_queryset(request).defer("content")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.download_view)
        return [path("<int:pk>/download/", view, name="donations_storedfile_download"), *super().get_urls()]

    def steps(self, request: HttpRequest, obj: Any) -> list[tuple[Any, str, str]]:
        if not obj.name:
            return []
        return [(_("Download"), self.url("download", obj), ""), (_("Erase"), "", "erase")]

    @admin.display(description=_("size"))
    def length(self, stored: StoredFile) -> str:
        return filesizeformat(stored.size)

    @admin.display(description=_("erased"))
    def is_erased(self, stored: StoredFile) -> Any:
        return "-" if stored.name else _("yes")

    def download_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        stored = get_object_or_404(StoredFile, pk=pk)
        if not stored.content:
            messages.error(request, _("This file was erased. Its hash stays."))
            return HttpResponseRedirect(self.url("change", stored))
        if isinstance(stored.content, Unreadable):
            messages.error(request, _("This file cannot be read: the key that it was stored under is missing."))
            return HttpResponseRedirect(self.url("change", stored))
        return download(filing.content(stored), stored.media_type, stored.name)

    @confirmed(
        description=_("Erase for good"),
        question=_(
            "For a file that shows what it should not. Its name and its content are gone, and cannot be had back; its "
            "hash stays, and nobody can check it any more."
        ),
        changes=lambda queryset: queryset.exclude(name=""),
        permissions=("act",),
    )
    def erase(self, request: HttpRequest, queryset: Any) -> int:
        return int(queryset.erase())


def download(content: bytes, media_type: str, name: str) -> HttpResponse:
    """Return a file to be saved, never shown within the site: a PDF can hold a program."""
    return HttpResponse(
        content,
        content_type=media_type,
        headers={"Content-Disposition": content_disposition_header(True, name) or "attachment"},
    )
