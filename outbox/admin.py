"""What every queue's page in the admin has in common."""

from functools import reduce
from operator import or_
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from outbox.confirming import confirmed
from outbox.models import SELDOM, OutgoingMailQuerySet, State, TrialLetter

ANSWER_SHOWN = 80
HIDDEN = {"id", "token", "token_hash", "recipient_tag", "lease", "leased_until"}


class MailStateFilter(admin.ChoicesFieldListFilter):
    """Finds what few mails are in by the indexes that hold those alone."""

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        chosen: Any = super().queryset(request, queryset)
        state = self.lookup_val[0] if self.lookup_val else None
        if state == State.SENDING:
            return chosen.held()
        return chosen.filter(state__among=[state]) if state in SELDOM else chosen


class OutgoingMailAdmin(admin.ModelAdmin):
    """A queue: to look at, and to decide what only a person can decide."""

    list_display: tuple[str, ...] = ("created_at", "state", "answer")
    # Not by date: the newest come first, and an index on it would be written with each state of each mail.
    list_filter: ClassVar[tuple[Any, ...]] = (("state", MailStateFilter),)
    search_fields: ClassVar[tuple[str, ...]] = ("message_id",)
    search_help_text = _("A whole Message-ID.")
    actions = ("send_again", "settle_as_accepted", "withdraw")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Find a mail by its whole Message-ID, which has an index, or by what else the queue is searched for."""
        term = search_term.strip()
        if "@" in term:
            return queryset.filter(message_id=term), False
        others = [name for name in self.search_fields if name != "message_id"]
        if term and not others:
            return queryset.none(), False
        return queryset.filter(reduce(or_, (Q(**{f"{name}__icontains": term}) for name in others), Q())), False

    @admin.display(description=_("answer of the server"), ordering="reply_code")
    def answer(self, mail: Any) -> str:
        return Truncator(f"{mail.reply_code or ''} {mail.reply}".strip()).chars(ANSWER_SHOWN)

    def about(self, mail: Any) -> str:
        """Say in words without personal data what the mail is about, from columns that get_queryset() has read."""
        return str(mail)

    def describe(self, mail: Any) -> str:
        written = date_format(localtime(mail.created_at), "DATETIME_FORMAT")
        return f"{self.about(mail)}, {written}, {mail.get_state_display()}"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [field.name for field in self.model._meta.fields if field.name not in HIDDEN]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_readonly_fields(request, obj)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Say on top what the mail is; without buttons to save what nobody can change."""
        if mail := context.get("original"):
            buttons = ("show_save", "show_save_and_continue", "show_save_and_add_another")
            context |= {"subtitle": self.describe(mail), **dict.fromkeys(buttons, False)}
        return super().render_change_form(request, context, *args, **kwargs)

    @confirmed(
        description=_("Send again what was refused, failed or is in doubt"),
        question=_(
            "A mail in doubt may have arrived already: sending it again may send it twice. It keeps its Message-ID, "
            "so that some servers notice. Mails in other states are left alone."
        ),
        changes=OutgoingMailQuerySet.repeatable,
    )
    def send_again(self, request: HttpRequest, queryset: OutgoingMailQuerySet) -> int:
        return queryset.send_again()

    @confirmed(
        description=_("Settle mails in doubt as accepted"),
        question=_("Say yes if you know, for example from the relay's log, that these mails were taken."),
        changes=OutgoingMailQuerySet.in_doubt,
    )
    def settle_as_accepted(self, request: HttpRequest, queryset: OutgoingMailQuerySet) -> int:
        return queryset.settle_as_accepted()

    @confirmed(
        description=_("Withdraw what has not left"),
        question=_("These mails will not be sent. Those that have left already are not touched."),
        changes=OutgoingMailQuerySet.waiting,
    )
    def withdraw(self, request: HttpRequest, queryset: OutgoingMailQuerySet) -> int:
        return queryset.cancel()


@admin.register(TrialLetter)
class TrialLetterAdmin(OutgoingMailAdmin):
    """Trial letters, so that one in doubt can be settled like any other mail."""

    list_display = ("organiser", *OutgoingMailAdmin.list_display)
    list_select_related = ("organiser",)
