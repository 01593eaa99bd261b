"""What each line of the bank was for, and undoing it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from donations import disbursing, money
from donations.admin.steps import WithSteps, user_of
from donations.models import Allocation
from outbox.confirming import confirmed


@admin.register(Allocation)
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
        return self.each(request, queryset, lambda made: disbursing.undo(made, by=user_of(request)))
