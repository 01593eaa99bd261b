"""The treasurer's desk: the fund and its account, what was pledged, what arrived."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from parler.admin import TranslatableStackedInline

from campaign.admin import PublishedAdmin, SafeAddresses, StateFilter
from donations import giving, money, references
from donations.models import BankAccount, Fund, Pledge, PledgeMail, Transaction
from outbox.admin import OutgoingMailAdmin
from outbox.confirming import confirmed
from privacy.addresses import address_tag


class BankAccountInline(TranslatableStackedInline):
    model = BankAccount
    fields = ("holder", "iban", "bic", "payable", "note")


@admin.register(Fund)
class FundAdmin(PublishedAdmin):
    list_display = ("__str__", "strike", "currencies", "state", "is_payable", "language_column")
    list_filter = (StateFilter, "strike")
    list_select_related = ("strike", "account")
    search_fields = ("slug", "translations__title")
    fields = ("title", "slug", "strike", "text", "currencies", "published_at")
    slug_from = "title"
    has_preview = False
    inlines = (BankAccountInline,)

    @admin.display(description=_("donors may pay"), boolean=True)
    def is_payable(self, fund: Fund) -> bool:
        return fund.payable_account is not None

    def view_on_site(self, obj: Fund) -> str | None:
        """A draft has no page."""
        is_public = Fund.objects.published().filter(pk=obj.pk).exists()
        return super().view_on_site(obj) if is_public else None


class PledgeStateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("counted", _("confirmed")), ("unconfirmed", _("not confirmed")), ("withdrawn", _("withdrawn"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "counted":
                return queryset.counted()
            case "unconfirmed":
                return queryset.filter(confirmed_at=None, withdrawn_at=None)
            case "withdrawn":
                return queryset.exclude(withdrawn_at=None)
        return queryset


@admin.register(Pledge)
class PledgeAdmin(admin.ModelAdmin):
    """To look at: a pledge is its giver's alone to change."""

    list_display = ("number", "created_at", "fund", "kind", "name", "organisation", "amount", "received", "state")
    list_filter = (PledgeStateFilter, "fund", "kind", "frequency", "currency", "created_at")
    list_select_related = ("fund",)
    search_fields = ("number",)
    search_help_text = _("The number or its beginning, an OGM or RF reference as typed, or a whole e-mail address.")
    show_full_result_count = False
    fields = (
        "number",
        "ogm",
        "rf",
        "fund",
        "kind",
        "name",
        "organisation",
        "email",
        "amount",
        "received",
        "display",
        "locale",
        "created_at",
        "confirmed_at",
        "withdrawn_at",
        "consent_version",
        "consented_at",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pledge]:
        return (
            super()
            .get_queryset(request)
            .prefetch_related("fund__translations")
            .annotate(received_minor=Sum("transactions__amount_minor", default=0))
            .order_by("-pk")  # grouping drops the default order
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Pledge], search_term: str
    ) -> tuple[QuerySet[Pledge], bool]:
        term = search_term.strip()
        if "@" in term:
            return queryset.filter(email_tag=address_tag(term)), False
        try:
            return queryset.filter(number=references.number_from(term)), False
        except references.WrongReferenceError:
            return queryset.filter(number__startswith=term), False

    @admin.display(description="OGM")
    def ogm(self, pledge: Pledge) -> str:
        return references.ogm(pledge.number)

    @admin.display(description="RF")
    def rf(self, pledge: Pledge) -> str:
        return references.rf(pledge.number)

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount(self, pledge: Pledge) -> str:
        return f"{money.format_amount(pledge.amount_minor, pledge.currency)}, {pledge.get_frequency_display()}"

    @admin.display(description=_("received"))
    def received(self, pledge: Any) -> str:
        return money.format_amount(pledge.received_minor, pledge.currency)

    @admin.display(description=_("state"))
    def state(self, pledge: Pledge) -> Any:
        if pledge.withdrawn_at:
            return _("withdrawn")
        return _("confirmed") if pledge.confirmed_at else _("not confirmed")


@admin.register(PledgeMail)
class PledgeMailAdmin(OutgoingMailAdmin):
    list_display = ("pledge", *OutgoingMailAdmin.list_display)
    list_select_related = ("pledge",)
    search_fields = ("message_id", "pledge__number")

    def about(self, mail: PledgeMail) -> str:
        return mail.pledge.number


class TransactionForm(forms.ModelForm):
    """What arrived, with the amount as people write it."""

    amount = forms.CharField(label=_("Amount"), max_length=40, widget=forms.TextInput(attrs={"inputmode": "decimal"}))

    class Meta:
        model = Transaction
        fields = ("fund", "pledge", "currency", "booked_on", "description")

    def clean_currency(self) -> str:
        currency = self.cleaned_data["currency"].strip().upper()
        money.validate_currency(currency)
        return currency

    def clean(self) -> dict[str, Any] | None:
        data = super().clean()
        if "amount" in self.cleaned_data and "currency" in self.cleaned_data:
            try:
                amount = money.parse_amount(self.cleaned_data["amount"], self.cleaned_data["currency"])
                self.instance.amount_minor = amount
            except ValidationError as error:
                self.add_error("amount", error)
        return data


@admin.register(Transaction)
class TransactionAdmin(SafeAddresses, admin.ModelAdmin):
    """The organiser records what arrived. What is posted stays: a mistake is reversed, and both entries are seen."""

    form = TransactionForm
    list_display = ("__str__", "booked_on", "fund", "amount", "pledge", "description", "reverses", "recorded_by")
    list_filter = ("fund", "currency", "booked_on")
    list_select_related = ("fund", "pledge", "reverses", "recorded_by")
    date_hierarchy = "booked_on"
    search_fields = ("description", "pledge__number")
    autocomplete_fields = ("pledge",)
    actions = ("reverse",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transaction]:
        return super().get_queryset(request).prefetch_related("fund__translations")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        asked = ("fund", "pledge", "amount", "currency", "booked_on", "description")
        return (*asked, "reverses", "recorded_at", "recorded_by") if obj else asked

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        newest = Fund.objects.first()
        initial: dict[str, Any] = {"booked_on": timezone.localdate()}
        if newest:
            initial |= {"fund": newest.pk, "currency": newest.currency_list[0]}
        return initial | super().get_changeform_initial_data(request)

    def save_model(self, request: HttpRequest, obj: Transaction, form: Any, change: bool) -> None:  # noqa: FBT001
        obj.pk = giving.record(
            obj.fund,
            pledge=obj.pledge,
            amount_minor=obj.amount_minor,
            currency=obj.currency,
            booked_on=obj.booked_on,
            description=obj.description,
            recorded_by=cast("User", request.user),
        ).pk

    @admin.display(description=_("amount"))
    def amount(self, posted: Transaction) -> str:
        return money.format_amount(posted.amount_minor, posted.currency)

    @confirmed(
        description=_("Reverse what was recorded by mistake"),
        question=_(
            "For each of these the opposite amount is recorded with today's date. Both entries stay and are shown on "
            "the fund's page. What is reversed already, or reverses another entry, is left alone."
        ),
        changes=lambda queryset: queryset.filter(reverses=None, reversal=None),
        permissions=("add",),
    )
    def reverse(self, request: HttpRequest, queryset: QuerySet[Transaction]) -> int:
        done = 0
        for posted in queryset:
            try:
                giving.reverse(posted, recorded_by=cast("User", request.user))
                done += 1
            except giving.AlreadyReversedError:
                continue
        return done
