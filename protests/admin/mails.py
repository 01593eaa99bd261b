"""Letters on their way, and the mails to signers and organisers."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from outbox.admin import OutgoingMailAdmin
from protests.admin.pausing import PacedList
from protests.admin.shared import LetterFilter
from protests.models import ConfirmationMail, Delivery, Digest, SuspensionNotice
from protests.pacing import why_waiting


class DeliveryLetterFilter(LetterFilter):
    lookup = "signature__letter"


class ExplainedList(ChangeList):
    """The letters of a page of the list, with what holds them back."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        reasons = why_waiting(self.result_list)
        for mail in self.result_list:
            mail.held_up_by = reasons.get(mail.pk)


@admin.register(Delivery)
class DeliveryAdmin(PacedList, OutgoingMailAdmin):
    list_display = ("created_at", "state", "held_up", "target", "answer", "signature")
    list_filter = (*OutgoingMailAdmin.list_filter, DeliveryLetterFilter, "target")
    list_select_related = ("target__breaker", "signature__letter")
    search_fields = (*OutgoingMailAdmin.search_fields, "target__name")
    search_help_text = _("A target's name, or a whole Message-ID.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return super().get_queryset(request).prefetch_related("signature__letter__translations")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ExplainedList

    def about(self, mail: Delivery) -> str:
        return f"{mail.target}: {mail.signature.letter}"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["target", "signature", "state", "held_up", *super().get_readonly_fields(request, obj)]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return list(dict.fromkeys(self.get_readonly_fields(request, obj)))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "signature__id__exact" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    @admin.display(description=_("held up"), empty_value="")
    def held_up(self, mail: Any) -> str | None:
        reason = mail.held_up_by if hasattr(mail, "held_up_by") else why_waiting([mail]).get(mail.pk)
        return reason.short if reason else None


@admin.register(ConfirmationMail)
class ConfirmationMailAdmin(OutgoingMailAdmin):
    list_display = ("created_at", "state", "signature", "bad_news", "answer")
    list_filter = (*OutgoingMailAdmin.list_filter, "bad_news")
    list_select_related = ("signature__letter",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ConfirmationMail]:
        return super().get_queryset(request).prefetch_related("signature__letter__translations")

    def about(self, mail: ConfirmationMail) -> str:
        return f"{mail.signature}, {mail.signature.letter}"


@admin.register(SuspensionNotice)
class SuspensionNoticeAdmin(OutgoingMailAdmin):
    list_display = ("created_at", "state", "target", "email", "because", "answer")
    list_select_related = ("target",)

    def about(self, mail: SuspensionNotice) -> str:
        return str(mail.target)


@admin.register(Digest)
class DigestAdmin(OutgoingMailAdmin):
    list_display = ("day", "state", "since", "until", "answer")

    def about(self, mail: Digest) -> str:
        return date_format(mail.day, "DATE_FORMAT")
