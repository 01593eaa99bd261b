"""What is paid to families."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from donations import balances, disbursing, money, posting
from donations.admin.steps import (
    AmountField,
    FileForm,
    LineForm,
    OfCurrency,
    WithCurrency,
    WithSteps,
    allocations_told,
    file_link,
    posted_data,
    user_of,
)
from donations.models import Allocation, Approval, Disbursement
from outbox.confirming import confirmed


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


class CashForm(OfCurrency):
    amount = AmountField(label=_("Amount"))
    paid_on = forms.DateField(label=_("Handed over on"))


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


@admin.register(Disbursement)
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
        disbursing.request(obj, by=user_of(request))

    def steps(self, request: HttpRequest, obj: Any) -> list[tuple[Any, str, str]]:
        standing = disbursing.standing_of(obj)
        found: list[tuple[Any, str, str]] = []
        if standing.is_cancelled:
            return [(_("Add evidence"), self.url("evidence", obj), "")]
        if standing.approvals < posting.APPROVALS_NEEDED:
            if not obj.approvals.filter(approved_by=user_of(request)).exists():
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
        return allocations_told(Allocation.objects.filter(disbursement=asked))

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
            FileForm(posted_data(request), request.FILES),
            lambda data: disbursing.add_evidence(asked, data["file"].file, name=data["file"].name, by=user_of(request)),
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
            posted_data(request),
            currency=asked.currency,
            initial={"amount": money.typed_amount(unpaid, asked.currency), "paid_on": timezone.localdate()},
        )
        return self.form_page(
            request,
            asked,
            form,
            lambda data: disbursing.pay_in_cash(asked, data["amount"], paid_on=data["paid_on"], by=user_of(request)),
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
            posted_data(request),
            currency=asked.currency,
            lines=disbursing.lines_for(asked),
            initial={"amount": money.typed_amount(unpaid, asked.currency)},
        )
        return self.form_page(
            request,
            asked,
            form,
            lambda data: disbursing.pay_by(asked, data["line"], data["amount"], by=user_of(request)),
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
        return self.each(request, queryset, lambda asked: disbursing.approve(asked, by=user_of(request)))

    @confirmed(
        description=_("Cancel for good"),
        question=_("They stay in the books as cancelled, and nothing can be paid on them. Paid ones are left alone."),
        changes=lambda queryset: queryset.filter(cancellation=None),
        permissions=("act",),
    )
    def cancel(self, request: HttpRequest, queryset: QuerySet[Disbursement]) -> int:
        return self.each(request, queryset, lambda asked: disbursing.cancel(asked, by=user_of(request)))


def _paid(made: Allocation) -> Any:
    return _("Recorded as paid: %(amount)s.") % {
        "amount": money.format_amount(-made.amount_minor, made.transaction.currency)
    }
