"""What came in and went out, and what it was for."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from campaign.admin import SafeAddresses
from donations import giving, money, posting
from donations.admin.pledges import CurrencyFilter
from donations.desk import Desk
from donations.models import Allocation, Fund, Pledge, Transaction
from outbox.confirming import confirmed


class TransactionForm(forms.ModelForm):
    """What arrived, with the amount as people write it."""

    pledge = forms.ModelChoiceField(
        Pledge.objects.all(),
        label=_("Pledge"),
        required=False,
        widget=AutocompleteSelect(Allocation._meta.get_field("pledge"), admin.site),
    )
    amount = forms.CharField(label=_("Amount"), max_length=40, widget=forms.TextInput(attrs={"inputmode": "decimal"}))

    class Meta:
        model = Transaction
        fields = ("fund", "account", "currency", "booked_on", "description")

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
        pledge = self.cleaned_data.get("pledge")
        if pledge and pledge.fund != self.cleaned_data.get("fund"):
            self.add_error("pledge", _("This pledge was made to another fund."))
        elif pledge and pledge.currency != self.cleaned_data.get("currency", pledge.currency):
            self.add_error("currency", _("This pledge is in %(currency)s.") % {"currency": pledge.currency})
        return data


@admin.register(Transaction)
class TransactionAdmin(Desk, SafeAddresses, admin.ModelAdmin):
    """The organiser records what arrived. What is posted stays: a mistake is reversed, and both entries are seen."""

    form = TransactionForm
    change_list_template = "donations/admin/transactions.html"
    list_display = ("__str__", "booked_on", "fund", "amount", "is_for", "description", "reverses", "recorded_by")
    list_filter = ("fund", CurrencyFilter, "booked_on")
    list_select_related = ("fund", "reverses", "recorded_by")
    search_fields = ("description", "allocations__pledge__number")
    actions = ("reverse",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transaction]:
        standing = Allocation.objects.filter(reverses=None, reversal=None).select_related("pledge", "transaction")
        return (
            super()
            .get_queryset(request)
            .prefetch_related("fund__translations", Prefetch("allocations", standing, to_attr="standing"))
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Transaction], search_term: str
    ) -> tuple[QuerySet[Transaction], bool]:
        """Find lines by their words, or by the beginning of a pledge's number: not by joining all lines to pledges."""
        for word in search_term.split():
            found = Q(description__icontains=word)
            if word.isascii() and word.isdecimal():
                pledges = Pledge.objects.filter(number__startswith=word).order_by().values("pk")
                found |= Q(pk__in=Allocation.objects.filter(pledge__in=pledges).order_by().values("transaction"))
            queryset = queryset.filter(found)
        return queryset, False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj:
            return (
                *("fund", "account", "amount", "currency", "booked_on", "value_on", "is_for", "description"),
                *("counterparty", "remittance", "reverses", "recorded_at", "recorded_by"),
            )
        return ("fund", "account", "pledge", "amount", "currency", "booked_on", "description")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        newest = Fund.objects.first()
        initial: dict[str, Any] = {"booked_on": timezone.localdate()}
        if newest:
            initial |= {"fund": newest.pk, "currency": newest.currency_list[0]}
        return initial | super().get_changeform_initial_data(request)

    def save_model(self, request: HttpRequest, obj: Transaction, form: Any, change: bool) -> None:  # noqa: FBT001
        obj.pk = giving.record(
            obj.fund,
            pledge=form.cleaned_data["pledge"],
            account=obj.account,
            amount_minor=obj.amount_minor,
            currency=obj.currency,
            booked_on=obj.booked_on,
            description=obj.description,
            recorded_by=cast("User", request.user),
        ).pk

    @admin.display(description=_("for"))
    def is_for(self, posted: Any) -> str:
        return ", ".join(one.pledge.number if one.pledge else one.get_kind_display() for one in posted.standing) or "-"

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
                posting.reverse(posted, by=cast("User", request.user))
                done += 1
            except posting.AlreadyReversedError:
                continue
            except posting.RefusedError as refused:
                self.message_user(request, f"{posted}: {refused}", messages.ERROR)
        return done
