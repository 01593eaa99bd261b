"""Collections in cash, from the numbered sheet to the deposit."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from campaign.typesetting import TypesettingError
from donations import collecting, documents, money
from donations.admin.steps import (
    AmountField,
    FileForm,
    LineForm,
    OfCurrency,
    WithCurrency,
    WithSteps,
    allocations_told,
    download,
    file_link,
    posted_data,
    user_of,
)
from donations.models import Allocation, CollectionSheet, StoredFile
from outbox.confirming import confirmed

Kind = Allocation.Kind
# What printing takes at once, a page each.
MOST_PRINTED = 50


class SheetForm(WithCurrency):
    class Meta:
        model = CollectionSheet
        fields = ("fund", "currency", "place", "held_on")
        help_texts = {
            "place": _("Public. A town or a workplace, no person. It can be left for those who count."),
            "held_on": _("Empty if the day is not known yet."),
        }


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


@admin.register(CollectionSheet)
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
        return allocations_told(at_bank.filter(transaction__account__isnull=False))

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
        by = user_of(request)
        is_second = sheet.counter_one_id not in {None, by.pk}
        initial = {"held_on": sheet.held_on or timezone.localdate(), "place": sheet.place}
        form: forms.Form = (
            SecondCountForm(posted_data(request), currency=sheet.currency)
            if is_second
            else FirstCountForm(posted_data(request), currency=sheet.currency, initial=initial)
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
            collecting.attach(sheet, data["file"].file, name=data["file"].name, by=user_of(request))

        return self.form_page(
            request,
            sheet,
            FileForm(posted_data(request), request.FILES),
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
            posted_data(request),
            currency=sheet.currency,
            lines=collecting.lines_for(sheet),
            initial={"amount": money.typed_amount(left, sheet.currency)},
        )
        return self.form_page(
            request,
            sheet,
            form,
            lambda data: collecting.deposit(sheet, data["line"], data["amount"], by=user_of(request)),
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
        return self.each(request, queryset, lambda sheet: collecting.take_back(sheet, by=user_of(request)))
