"""The treasurer's desk: the fund and its account, what was pledged, what arrived."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import F, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from parler.admin import TranslatableAdmin

from campaign.admin import Exporting, PublishedAdmin, SafeAddresses, StateFilter
from donations import accounts, giving, holding, money, posting, reconciling, references
from donations.cash_admin import AllocationAdmin, CollectionSheetAdmin, DisbursementAdmin, StoredFileAdmin
from donations.desk import Desk
from donations.exporting import PLEDGES
from donations.models import (
    AccountNotice,
    Allocation,
    BankAccount,
    BankStatement,
    CollectionSheet,
    Disbursement,
    Fund,
    Pledge,
    PledgeHold,
    PledgeHoldQuerySet,
    PledgeMail,
    Rate,
    StoredFile,
    Transaction,
)
from donations.rates_admin import RateAdmin
from donations.statements_admin import BankStatementAdmin
from outbox.admin import OutgoingMailAdmin
from outbox.confirming import confirmed
from outbox.deciding import newest
from privacy.addresses import address_tag


class FundList(ChangeList):
    """The funds of a page of the list, with what donors are told of their accounts, read at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        shown = accounts.shown_of(list(self.result_list))
        for fund in self.result_list:
            fund.shown = shown[fund.pk]


@admin.register(Fund)
class FundAdmin(PublishedAdmin):
    list_display = ("__str__", "strike", "currencies", "state", "is_payable", "language_column")
    list_filter = (StateFilter, "strike")
    list_select_related = ("strike",)
    search_fields = ("slug", "translations__title")
    fields = ("title", "slug", "strike", "text", "currencies", "published_at")
    slug_from = "title"
    has_preview = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return FundList

    @admin.display(description=_("donors may pay"), boolean=True)
    def is_payable(self, fund: Any) -> bool:
        shown = fund.shown if hasattr(fund, "shown") else accounts.shown(fund)
        return shown.payable is not None

    def view_on_site(self, obj: Fund) -> str | None:
        """A draft has no page."""
        is_public = Fund.objects.published().filter(pk=obj.pk).exists()
        return super().view_on_site(obj) if is_public else None


class AccountStateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("proposed", _("waits for approval")), ("approved", _("approved")), ("withdrawn", _("withdrawn"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "proposed":
                return queryset.filter(approved_at=None, withdrawn_at=None).exclude(proposed_by=None)
            case "approved":
                return queryset.filter(withdrawn_at=None).exclude(approved_at=None)
            case "withdrawn":
                return queryset.exclude(withdrawn_at=None)
        return queryset


@admin.register(BankAccount)
class BankAccountAdmin(SafeAddresses, TranslatableAdmin):
    """
    One organiser proposes, another approves. What donors read is never edited: a mistake is another proposal.

    Only the switch and the note can be changed here.
    """

    list_display = ("__str__", "holder", "fund", "state", "payable", "proposed_by", "approved_by")
    list_filter = (AccountStateFilter, "fund")
    list_select_related = ("fund", "proposed_by", "approved_by")
    actions = ("approve", "withdraw")
    if_there_is_one = (Fund,)
    asked = ("fund", "holder", "iban", "bic", "currency")
    told = ("state", "proposed_by", "proposed_at", "approved_by", "approved_at", "valid_from", "withdrawn_by")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[BankAccount]:
        return super().get_queryset(request).prefetch_related("fund__translations")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*self.asked, "payable", "note", *self.told) if obj else (*self.asked, "note")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        # Not before it is approved: nobody may be told to pay to it.
        return (*self.asked, *self.told, *(() if obj.approved_at else ("payable",)))

    def save_model(self, request: HttpRequest, obj: BankAccount, form: Any, change: bool) -> None:  # noqa: FBT001
        if change:
            BankAccount.objects.filter(pk=obj.pk).exclude(approved_at=None).update(payable=obj.payable)
            obj.save_translations()
        else:
            accounts.propose(obj, by=cast("User", request.user))

    @admin.display(description=_("state"))
    def state(self, account: BankAccount) -> Any:
        if account.withdrawn_at:
            return _("withdrawn")
        if account.approved_at is None:
            return _("waits for approval") if account.proposed_by_id else _("a fact of the campaign's files")
        is_announced = account.valid_from and account.valid_from > timezone.now()
        return _("announced") if is_announced else _("approved")

    def describe(self, account: BankAccount) -> str:
        """Show all that the second organiser is to compare with the bank's paper."""
        return f"{account.fund}: {account.holder}, {account.grouped_iban}, {account.bic}, {account.proposed_by or '-'}"

    @confirmed(
        description=_("Approve, as the second organiser"),
        question=_(
            "Compare each of these, letter for letter, with the bank's paper, not with a mail or a chat. Donors will "
            "pay to it: at once if it is the fund's first account, else after 24 hours, while the site announces it. "
            "All organisers are told by mail. What you proposed yourself is left alone: that takes somebody else."
        ),
        changes=lambda queryset: queryset.filter(approved_at=None, withdrawn_at=None).exclude(proposed_by=None),
    )
    def approve(self, request: HttpRequest, queryset: QuerySet[BankAccount]) -> int:
        return self._each(request, queryset, accounts.approve)

    @confirmed(
        description=_("Withdraw for good"),
        question=_(
            "From this moment the site asks nobody to pay to these. An earlier account does not come back: until "
            "another one is proposed, approved and announced, the fund takes no money. All organisers are told by mail."
        ),
        changes=lambda queryset: queryset.filter(withdrawn_at=None),
    )
    def withdraw(self, request: HttpRequest, queryset: QuerySet[BankAccount]) -> int:
        return self._each(request, queryset, accounts.withdraw)

    def _each(self, request: HttpRequest, queryset: QuerySet[BankAccount], verb: Any) -> int:
        done = 0
        for account in queryset:
            try:
                verb(account, by=request.user)
                done += 1
            except accounts.RefusedError as refused:
                self.message_user(request, f"{account}: {refused}", messages.ERROR)
        return done


class CurrencyFilter(admin.SimpleListFilter):
    """The currencies of the funds: those that occur would be found by reading the whole table."""

    title = _("currency")
    parameter_name = "currency"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(code, code) for code in sorted({code for fund in Fund.objects.all() for code in fund.currency_list})]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(currency=self.value()) if self.value() else queryset


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


# Of so many pledges at most is added up what arrived.
COMPARED = 10_000


class PaidFilter(admin.SimpleListFilter):
    """Pledges to be given once, by how what arrived compares with them."""

    title = _("paid, of the newest 10,000")
    parameter_name = "paid"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(paid.value, paid.label) for paid in reconciling.Paid]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        once = Q(frequency=Pledge.Frequency.ONCE)
        wanted: Q | None = {
            reconciling.Paid.NOTHING: Q(received_minor__lte=0),
            reconciling.Paid.PART: once & Q(received_minor__gt=0, received_minor__lt=F("amount_minor")),
            reconciling.Paid.FULL: once & Q(received_minor=F("amount_minor")),
            reconciling.Paid.OVER: once & Q(received_minor__gt=F("amount_minor")),
            reconciling.Paid.RUNNING: Q(frequency=Pledge.Frequency.MONTHLY, received_minor__gt=0),
        }.get(self.value())  # type: ignore[call-overload]
        return newest(queryset, COMPARED).filter(wanted) if wanted else queryset


@admin.register(Pledge)
class PledgeAdmin(Exporting, admin.ModelAdmin):
    """To look at: a pledge is its giver's alone to change."""

    list_display = (
        *("number", "created_at", "fund", "kind", "name", "organisation", "amount", "received", "paid", "state"),
    )
    # What is added up comes last: the others have narrowed it down then.
    list_filter = (PledgeStateFilter, "fund", "kind", "frequency", CurrencyFilter, "created_at", PaidFilter)
    list_select_related = ("fund",)
    search_fields = ("number",)
    search_help_text = _("The number or its beginning, an OGM or RF reference as typed, or a whole e-mail address.")
    show_full_result_count = False
    exports = (PLEDGES,)
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
        "until",
        "received",
        "paid",
        "payments",
        "display",
        "amount_shown",
        "locale",
        "created_at",
        "confirmed_at",
        "changed_on",
        "reminders_stopped_at",
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
        # Not by joining and grouping: that would add up all pledges before the first page is shown.
        received = Allocation.objects.filter(pledge=OuterRef("pk")).order_by().values("pledge")
        return (
            super()
            .get_queryset(request)
            .prefetch_related("fund__translations")
            .annotate(received_minor=Coalesce(Subquery(received.annotate(sum=Sum("amount_minor")).values("sum")), 0))
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

    @admin.display(description=_("paid"))
    def paid(self, pledge: Any) -> Any:
        return reconciling.paid(pledge, pledge.received_minor).label

    @admin.display(description=_("payments"))
    def payments(self, pledge: Pledge) -> Any:
        standing = Allocation.objects.filter(pledge=pledge, reverses=None, reversal=None).select_related("transaction")
        rows = (
            (
                reverse("admin:donations_desk_line", args=[one.transaction_id]),
                date_format(one.transaction.booked_on, "DATE_FORMAT"),
                money.format_amount(one.amount_minor, pledge.currency),
            )
            for one in standing.order_by("transaction__booked_on", "pk")
        )
        return format_html_join(SafeString("<br>"), '<a href="{}">{}: {}</a>', rows) or "-"

    @admin.display(description=_("state"))
    def state(self, pledge: Pledge) -> Any:
        if pledge.withdrawn_at:
            return _("withdrawn")
        if pledge.confirmed_at and pledge.has_ended:
            return _("ended")
        return _("confirmed") if pledge.confirmed_at else _("not confirmed")


class DecisionFilter(admin.SimpleListFilter):
    """What waits, unless something else is chosen."""

    title = _("decision")
    parameter_name = "decision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("refused", _("refused")), ("all", _("all"))]

    def choices(self, changelist: Any) -> Any:
        choices = list(super().choices(changelist))
        return [{**choices[0], "display": _("waiting")}, *choices[1:]]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case None:
                return queryset.waiting()
            case "refused":
                return queryset.exclude(refused_at=None)
        return queryset


@admin.register(PledgeHold)
class PledgeHoldAdmin(admin.ModelAdmin):
    """Pledges of which nothing is sent until an organiser has looked at them."""

    list_display = (
        "created_at",
        "why",
        "name",
        "mail_domain",
        "organisation",
        "amount",
        "fund",
        "network",
        "refused_at",
    )
    list_filter = (DecisionFilter, "why", "fund", "created_at")
    list_select_related = ("fund",)
    actions = ("release", "refuse")
    fields = (
        "why",
        "created_at",
        "fund",
        "kind",
        "name",
        "organisation",
        "email",
        "amount",
        "until",
        "display",
        "amount_shown",
        "locale",
        "consent_version",
        "consented_at",
        "network",
        "refused_at",
        "refused_by",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Deciding is what may be changed here; the rows themselves nobody edits."""
        return request.user.has_perm("donations.change_pledgehold")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PledgeHold]:
        return super().get_queryset(request).prefetch_related("fund__translations")

    def describe(self, held: PledgeHold) -> str:
        return f"{held.name}, {self.amount(held)}: {held.fund} ({held.get_why_display()})"

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount(self, held: PledgeHold) -> str:
        return f"{money.format_amount(held.amount_minor, held.currency)}, {held.get_frequency_display()}"

    @admin.display(description=_("mail domain"))
    def mail_domain(self, held: PledgeHold) -> str:
        return held.email.rpartition("@")[2]

    @admin.display(description=_("network"), empty_value="")
    def network(self, held: PledgeHold) -> str | None:
        return held.network_tag and f"{held.network_tag[:8]}…"

    @confirmed(
        description=_("Release: let them pledge"),
        question=_(
            "Each of them gets the mail to confirm at once. A mailbox that has had its mails for today gets none: such "
            "pledges go on waiting, and so do those whose last day is past."
        ),
        permissions=("decide",),
    )
    def release(self, request: HttpRequest, queryset: PledgeHoldQuerySet) -> int:
        return holding.release(queryset)

    @confirmed(
        description=_("Refuse: send nothing"),
        question=_(
            "Nothing of these is sent, and nobody is written to. What was typed is deleted after seven days; until "
            "then you can still release it."
        ),
        changes=PledgeHoldQuerySet.waiting,
        permissions=("decide",),
    )
    def refuse(self, request: HttpRequest, queryset: PledgeHoldQuerySet) -> int:
        return holding.refuse(queryset, request.user)  # type: ignore[arg-type]


@admin.register(PledgeMail)
class PledgeMailAdmin(OutgoingMailAdmin):
    list_display = ("pledge", "kind", *OutgoingMailAdmin.list_display)
    list_select_related = ("pledge",)
    search_fields = ("message_id", "pledge__number")

    def about(self, mail: PledgeMail) -> str:
        return mail.pledge.number


@admin.register(AccountNotice)
class AccountNoticeAdmin(OutgoingMailAdmin):
    list_display = ("account", "what", "organiser", *OutgoingMailAdmin.list_display)
    list_select_related = ("account", "organiser")

    def about(self, mail: AccountNotice) -> str:
        return f"{mail.account}, {mail.organiser}"


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


admin.site.register(BankStatement, BankStatementAdmin)
admin.site.register(CollectionSheet, CollectionSheetAdmin)
admin.site.register(Disbursement, DisbursementAdmin)
admin.site.register(Allocation, AllocationAdmin)
admin.site.register(StoredFile, StoredFileAdmin)
admin.site.register(Rate, RateAdmin)
