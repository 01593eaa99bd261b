"""An update on its way to its subscribers: looked at, tried, approved by another, sent."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from campaign import mailing
from campaign.admin.published import SafeAddresses
from campaign.models import (
    Mailing,
    MailingCopy,
    MailingTrial,
    Update,
)
from outbox.admin import OutgoingMailAdmin
from outbox.models import WAITING, State
from outbox.trying import NoAddress

# What an organiser is told when a mailing cannot be approved.
REFUSED = {
    mailing.OwnWork: _("You made this mailing: another organiser has to approve it."),
    mailing.NotPublished: _("The update is not published yet: the link in the mail would lead nowhere."),
    mailing.Changed: _("The text changed since you opened this page: please read it again. Nothing was sent."),
    mailing.NoRecipient: _("There is nobody who would get it."),
}


class MailingStateFilter(admin.SimpleListFilter):
    parameter_name = "state"
    title = _("state")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("draft", _("waits for approval")), ("approved", _("approved")), ("stopped", _("stopped"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "draft":
                return queryset.filter(approved_at=None)
            case "approved":
                return queryset.filter(approved_at__isnull=False, stopped_at=None)
            case "stopped":
                return queryset.stopped()
        return queryset


@admin.register(Mailing)
class MailingAdmin(SafeAddresses, admin.ModelAdmin):
    """Choose an update; then its own page shows the text and the numbers, and holds the buttons."""

    list_display = ("__str__", "state", "created_at", "created_by", "approved_at", "approved_by")
    list_filter = (MailingStateFilter,)
    fields = ("update",)
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset = super().get_queryset(request).select_related("update", "created_by", "approved_by")
        return queryset.prefetch_related("update__translations")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "update":
            kwargs["queryset"] = Update.objects.filter(mailing=None).prefetch_related("translations")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.approved_at is None)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Let a mailing's trials go with it, which nobody may delete one by one."""
        deleted, counts, _needed, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, set(), protected

    def save_model(self, request: HttpRequest, obj: Mailing, form: Any, change: bool) -> None:  # noqa: FBT001
        obj.created_by_id = request.user.pk
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Mailing, post_url_continue: Any = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:campaign_mailing_change", args=[obj.pk]))

    @admin.display(description=_("state"))
    def state(self, row: Mailing) -> Any:
        if row.approved_at is None:
            return _("waits for approval")
        if row.stopped_at:
            return _("stopped")
        return _("on its way or sent") if row.enqueued_at else _("the copies are being written")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        pk = int(object_id) if object_id.isascii() and object_id.isdecimal() and len(object_id) < 19 else 0
        row = get_object_or_404(self.get_queryset(request), pk=pk)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        if request.method == "POST":
            self._act(request, row)
            return HttpResponseRedirect(request.path)
        return TemplateResponse(request, "campaign/admin/mailing.html", self._shown(request, row))

    def _shown(self, request: HttpRequest, row: Mailing) -> dict[str, Any]:
        names = dict(settings.LANGUAGES)
        texts = mailing.texts(row)
        counts = [
            (names.get(code, code), count, names.get(best, best))
            for code, count in mailing.counts(row)
            for best in [mailing.best(texts, code).language]
        ]
        states = mailing.progress(row) if row.approved_at else {}
        ongoing = row.enqueued_at is None or bool({*WAITING, State.SENDING} & states.keys())
        copies = reverse("admin:campaign_mailingcopy_changelist")
        return {
            **self.admin_site.each_context(request),
            "title": _("Mailing: %(update)s") % {"update": row},
            "opts": self.opts,
            "original": row,
            "state": self.state(row) if ongoing or row.stopped_at else _("sent"),
            "ongoing": ongoing,
            "texts": [(names.get(text.language, text.language), text) for text in texts],
            "seen": mailing.fingerprint(texts),
            "counts": counts,
            "total": sum(count for _name, count, _text in counts),
            "progress": [
                (state.label, states[state], f"{copies}?mailing={row.pk}&state__exact={state}")
                for state in State
                if state in states
            ],
            "written": sum(states.values()),
            "may_change": self.has_change_permission(request, row),
            "may_approve": request.user.has_perm("campaign.approve_mailing"),
            "is_own": row.created_by_id == request.user.pk,
            "may_delete": self.has_delete_permission(request, row),
            "is_published": Update.objects.published().filter(pk=row.update_id).exists(),
        }

    def _act(self, request: HttpRequest, row: Mailing) -> None:
        """Do what the pressed button says."""
        user: Any = request.user
        act = request.POST.get("act")
        if not user.has_perm("campaign.approve_mailing" if act in {"approve", "go_on"} else "campaign.change_mailing"):
            raise PermissionDenied
        match act:
            case "trial":
                self._send_trial(request, row)
                return
            case "approve":
                try:
                    mailing.approve(row, user, request.POST.get("seen", ""))
                except mailing.CannotApprove as refusal:
                    self.message_user(request, REFUSED[type(refusal)], messages.ERROR)
                    return
                done = _("Approved. The copies are being written and sent.")
            case "stop":
                mailing.stop(row)
                done = _("Stopped. What a worker holds right now can still leave; nothing else does.")
            case "go_on":
                mailing.go_on(row)
                done = _("It goes on.")
            case _:
                return
        LogEntry.objects.log_actions(user.pk, [row], CHANGE, str(done))
        self.message_user(request, done, messages.SUCCESS)

    def _send_trial(self, request: HttpRequest, row: Mailing) -> None:
        user: Any = request.user
        try:
            language = request.POST.get("language", "")
            mailing.send_trial(row, user, language if language in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE)
        except NoAddress:
            text = _("Your account holds no e-mail address: ask whoever looks after the accounts to enter it.")
            self.message_user(request, text, messages.ERROR)
            return
        self.message_user(request, _("The trial goes to %(email)s.") % {"email": user.email}, messages.SUCCESS)


class MailingFilter(admin.SimpleListFilter):
    """Like Django's own, with as many queries for many mailings."""

    title = _("mailing")
    parameter_name = "mailing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        mailings = Mailing.objects.select_related("update").prefetch_related("update__translations")
        return [(str(row.pk), str(row)) for row in mailings]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        return queryset.filter(mailing=value) if value in dict(self.lookup_choices) else queryset


@admin.register(MailingCopy)
class MailingCopyAdmin(OutgoingMailAdmin):
    """Subscribers' copies."""

    list_display = ("subscriber", "mailing", *OutgoingMailAdmin.list_display)
    list_filter = (*OutgoingMailAdmin.list_filter, MailingFilter)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset = super().get_queryset(request).select_related("subscriber", "mailing__update")
        return queryset.prefetch_related("mailing__update__translations")

    def about(self, mail: MailingCopy) -> str:
        return f"{mail.mailing} {mail.subscriber}"


@admin.register(MailingTrial)
class MailingTrialAdmin(OutgoingMailAdmin):
    """Organisers' copies."""

    list_display = ("organiser", "mailing", *OutgoingMailAdmin.list_display)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset = super().get_queryset(request).select_related("organiser", "mailing__update")
        return queryset.prefetch_related("mailing__update__translations")
