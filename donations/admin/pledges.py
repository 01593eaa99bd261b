"""Pledges, those that wait for a look, and the mails to donors."""

from typing import Any

from django.contrib import admin
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from campaign.admin import Exporting
from donations import holding, money, reconciling, references
from donations.exporting import PLEDGES
from donations.models import Allocation, Fund, Pledge, PledgeHold, PledgeHoldQuerySet, PledgeMail
from outbox.admin import OutgoingMailAdmin
from outbox.confirming import confirmed
from outbox.deciding import newest
from privacy.addresses import address_tag


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
