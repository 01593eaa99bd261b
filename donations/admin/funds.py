"""Funds, their bank accounts, and the mails that tell of a change to one."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from parler.admin import TranslatableAdmin

from campaign.admin import PublishedAdmin, SafeAddresses, StateFilter
from donations import accounts
from donations.models import AccountNotice, BankAccount, Fund
from outbox.admin import OutgoingMailAdmin
from outbox.confirming import confirmed


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


@admin.register(AccountNotice)
class AccountNoticeAdmin(OutgoingMailAdmin):
    list_display = ("account", "what", "organiser", *OutgoingMailAdmin.list_display)
    list_select_related = ("account", "organiser")

    def about(self, mail: AccountNotice) -> str:
        return f"{mail.account}, {mail.organiser}"
