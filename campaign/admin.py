"""The organisers' desk for the story: nothing here is a step that another page would know better."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from parler.admin import TranslatableAdmin, TranslatableStackedInline, TranslatableTabularInline

from campaign import mailing, subscribing
from campaign.forms import PositionedForm, PositionedFormSet
from campaign.models import (
    Activist,
    Alias,
    Campaign,
    Charge,
    ChargeUpdate,
    Claim,
    Demand,
    Document,
    Mailing,
    MailingCopy,
    MailingTrial,
    MessageOfSupport,
    Strike,
    Subscriber,
    SubscriberQuerySet,
    SubscriptionMail,
    TimelineEvent,
    Update,
)
from outbox.admin import OutgoingMailAdmin
from outbox.confirming import confirmed
from outbox.models import WAITING, State
from outbox.trying import NoAddress
from privacy.addresses import address_tag


def _drafts(queryset: QuerySet[Any]) -> QuerySet[Any]:
    return queryset.filter(published_at=None)


def _planned(queryset: QuerySet[Any]) -> QuerySet[Any]:
    return queryset.filter(published_at__gt=timezone.now())


def _unpublished(queryset: QuerySet[Any]) -> QuerySet[Any]:
    return queryset.filter(Q(published_at=None) | Q(published_at__gt=timezone.now()))


def _not_drafts(queryset: QuerySet[Any]) -> QuerySet[Any]:
    return queryset.exclude(published_at=None)


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("draft", _("draft")), ("planned", _("planned")), ("published", _("published"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "draft":
                return _drafts(queryset)
            case "planned":
                return _planned(queryset)
            case "published":
                return queryset.released()
        return queryset


class StrikeFilter(admin.SimpleListFilter):
    """Like Django's own, with one query for all names."""

    title = _("strike")
    parameter_name = "strike"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(str(strike.pk), str(strike)) for strike in Strike.objects.prefetch_related("translations")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        return queryset.filter(strike=value) if value in dict(self.lookup_choices) else queryset


class SafeAddresses:
    """Reads only what makes sense from an address: one typed by hand, or cut in a mail, is no error of the program."""

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        try:
            return super().get_changelist_instance(request)  # type: ignore[misc]
        except (ValueError, OverflowError) as error:  # a year 9999, a number that no column holds
            raise IncorrectLookupParameters(error) from error

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.GET.get("language") not in dict(settings.LANGUAGES):  # parler would take any
            query = request.GET.copy()
            query.pop("language", None)
            request.GET = query  # type: ignore[assignment]
        return super().changeform_view(request, *args, **kwargs)  # type: ignore[misc]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_changeform_initial_data(request)  # type: ignore[misc]
        for field in self.opts.concrete_fields:  # type: ignore[attr-defined]
            if isinstance(initial.get(field.name), str):
                try:
                    initial[field.name] = field.to_python(initial[field.name])
                except ValidationError:
                    del initial[field.name]
        return initial


class PublishedAdmin(SafeAddresses, TranslatableAdmin):
    """What readers see from a date on: its state, a look at it before, and publishing many rows at once."""

    date_hierarchy = "published_at"
    # Drafts first, on every database.
    ordering: tuple[Any, ...] = (F("published_at").desc(nulls_first=True), "-pk")
    actions = ("publish", "withdraw")
    slug_from = ""
    # A page of its own that can be previewed; a message of support stands in a list.
    has_preview = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        related = ["translations"]
        if self.model is not Strike:
            related.append("strike__translations")
        return super().get_queryset(request).prefetch_related(*related)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        # Not an attribute: Django would look for the translated field in the untranslated table.
        return {"slug": (self.slug_from,)}

    @admin.display(description=_("state"))
    def state(self, obj: Any) -> str:
        now = timezone.now()
        if not obj.published_at:
            return str(_("draft"))
        if obj.published_at > now:
            return str(_("planned"))
        strike = getattr(obj, "strike", None)
        if strike and not (strike.published_at and strike.published_at <= now):
            return str(_("waits for its strike to be published"))
        return str(_("published"))

    def view_on_site(self, obj: Any) -> str | None:
        with translation.override(obj.get_current_language()):
            url = obj.get_absolute_url()
        is_public = type(obj).objects.published().filter(pk=obj.pk).exists()
        return url if is_public or not self.has_preview else f"{url}?preview=1"

    @confirmed(
        description=_("Publish now"),
        question=_("Everybody will be able to read these from now on. A planned date is replaced by the present time."),
        changes=_unpublished,
    )
    def publish(self, request: HttpRequest, queryset: QuerySet[Any]) -> int:
        return queryset.update(published_at=timezone.now())

    @confirmed(
        description=_("Back to draft"),
        question=_("Readers will no longer find these. Whoever has read or copied them keeps what they have."),
        changes=_not_drafts,
    )
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Any]) -> int:
        return queryset.update(published_at=None)


@admin.register(Campaign)
class CampaignAdmin(SafeAddresses, TranslatableAdmin):
    """The one row: the list leads straight to it."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not Campaign.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if self.has_view_permission(request) and (campaign := Campaign.objects.first()):
            return HttpResponseRedirect(reverse("admin:campaign_campaign_change", args=[campaign.pk]))
        return super().changelist_view(request, extra_context)


class DemandInline(TranslatableTabularInline):
    model = Demand
    form = PositionedForm
    formset = PositionedFormSet
    extra = 0


class TimelineEventInline(TranslatableStackedInline):
    model = TimelineEvent
    extra = 0


class ClaimInline(TranslatableStackedInline):
    model = Claim
    form = PositionedForm
    formset = PositionedFormSet
    extra = 0


@admin.register(Strike)
class StrikeAdmin(PublishedAdmin):
    list_display = ("__str__", "state", "published_at", "language_column")
    list_filter = (StateFilter,)
    search_fields = ("slug", "translations__title", "translations__place", "translations__story")
    fields = ("title", "slug", "place", "began_on", "summary", "story", "published_at")
    slug_from = "title"
    inlines = (DemandInline, TimelineEventInline, ClaimInline)


class AliasInline(admin.TabularInline):
    model = Alias
    extra = 1


class ChargeInline(TranslatableTabularInline):
    """The charges in short; what happened to each is on its own page."""

    model = Charge
    fields = ("position", "title", "maximum_months")
    extra = 0
    show_change_link = True


@admin.register(Activist)
class ActivistAdmin(PublishedAdmin):
    ordering = ("position", "name")
    list_display = ("name", "role", "strike", "remembered", "state", "language_column")
    list_filter = (StateFilter, "remembered", StrikeFilter)
    search_fields = ("name", "aliases__name", "translations__role", "translations__story")
    fields = ("name", "slug", "strike", "remembered", "role", "story", "position", "published_at")
    slug_from = "name"
    inlines = (AliasInline, ChargeInline)


class ChargeUpdateInline(TranslatableStackedInline):
    model = ChargeUpdate
    extra = 1


@admin.register(Charge)
class ChargeAdmin(SafeAddresses, TranslatableAdmin):
    list_display = ("__str__", "activist", "stands_at", "language_column")
    list_filter = ("updates__stage", "activist")
    list_select_related = ("activist",)
    search_fields = ("activist__name", "activist__aliases__name", "translations__title", "translations__text")
    fields = ("activist", "title", "text", "maximum_months", "position")
    inlines = (ChargeUpdateInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("translations", "updates")

    @admin.display(description=_("where it stands"))
    def stands_at(self, charge: Charge) -> str:
        return charge.newest.get_stage_display() if charge.newest else ""

    def view_on_site(self, charge: Charge) -> str:
        activist = charge.activist
        is_public = Activist.objects.published().filter(pk=activist.pk).exists()
        with translation.override(charge.get_current_language()):
            page = activist.get_absolute_url()
            return charge.get_absolute_url() if is_public else f"{page}?preview=1#charge-{charge.pk}"


@admin.register(Update)
class UpdateAdmin(PublishedAdmin):
    list_display = ("__str__", "state", "published_at", "strike", "language_column")
    list_filter = (StateFilter, StrikeFilter, "activists")
    search_fields = ("slug", "source", "translations__title", "translations__summary", "translations__body")
    fields = ("title", "slug", "summary", "body", "source", "strike", "activists", "published_at", "by_mail")
    readonly_fields = ("by_mail",)
    filter_horizontal = ("activists",)
    slug_from = "title"

    @admin.display(description=_("by e-mail"))
    def by_mail(self, update: Update) -> Any:
        if update.pk is None:
            return _("Save first.")
        made = Mailing.objects.filter(update=update).first()
        if made:
            url = reverse("admin:campaign_mailing_change", args=[made.pk])
            return format_html('<a href="{}">{}</a>', url, _("The mailing of this update"))
        url = f"{reverse('admin:campaign_mailing_add')}?update={update.pk}"
        return format_html('<a href="{}">{}</a>', url, _("Mail this update to its subscribers"))


@admin.register(MessageOfSupport)
class MessageOfSupportAdmin(PublishedAdmin):
    list_display = ("__str__", "country", "received_on", "strike", "state", "language_column")
    list_filter = (StateFilter, StrikeFilter, "country")
    search_fields = ("translations__organisation", "translations__text")
    fields = ("organisation", "slug", "country", "received_on", "strike", "text", "published_at")
    slug_from = "organisation"
    has_preview = False


@admin.register(Document)
class DocumentAdmin(PublishedAdmin):
    list_display = ("__str__", "kind", "strike", "state", "language_column")
    list_filter = (StateFilter, "kind", StrikeFilter)
    search_fields = ("slug", "translations__title", "translations__body")
    fields = ("title", "slug", "kind", "strike", "body", "published_at")
    slug_from = "title"


class SubscriberStateFilter(admin.SimpleListFilter):
    parameter_name = "state"
    title = _("state")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("subscribed", _("subscribed")), ("unconfirmed", _("not confirmed")), ("left", _("unsubscribed"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "subscribed":
                return queryset.subscribed()
            case "unconfirmed":
                return queryset.filter(confirmed_at=None)
            case "left":
                return queryset.filter(unsubscribed_at__isnull=False)
        return queryset


@admin.register(Subscriber)
class SubscriberAdmin(admin.ModelAdmin):
    """To look at, and to unsubscribe who asks an organiser to."""

    list_display = ("__str__", "state", "language_shown", "created_at")
    list_filter = (SubscriberStateFilter, "language")
    search_fields = ("pk",)
    search_help_text = _("A subscriber's number, or a whole e-mail address.")
    show_full_result_count = False
    actions = ("unsubscribe",)
    fields = (
        "state",
        "email",
        "language_shown",
        "wants",
        "consent_version",
        "consented_at",
        "created_at",
        "confirmed_at",
        "unsubscribed_at",
    )
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        term = search_term.strip().removeprefix("#")
        if not term:
            return queryset, False
        if "@" in term:
            return queryset.filter(email_tag=address_tag(term)), False
        return queryset.filter(pk=int(term)) if term.isdecimal() and len(term) < 19 else queryset.none(), False

    @admin.display(description=_("state"))
    def state(self, subscriber: Subscriber) -> Any:
        if subscriber.unsubscribed_at:
            return _("unsubscribed")
        return _("subscribed") if subscriber.confirmed_at else _("not confirmed")

    @admin.display(description=_("language"), ordering="language")
    def language_shown(self, subscriber: Subscriber) -> Any:
        return dict(settings.LANGUAGES).get(subscriber.language, subscriber.language)

    @admin.display(description=_("gets the news of"))
    def wants(self, subscriber: Subscriber) -> Any:
        return ", ".join(map(str, subscriber.strikes.all())) or _("all strikes")

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        context |= {"show_save": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    @confirmed(
        description=_("Unsubscribe"),
        question=_("They get no updates any more, and their addresses are deleted at once. They can subscribe anew."),
        changes=SubscriberQuerySet.subscribed,
    )
    def unsubscribe(self, request: HttpRequest, queryset: SubscriberQuerySet) -> int:
        rows = list(queryset)
        for subscriber in rows:
            subscribing.unsubscribe(subscriber)
        return len(rows)


@admin.register(SubscriptionMail)
class SubscriptionMailAdmin(OutgoingMailAdmin):
    """Mails that ask to confirm a subscription."""

    list_display = ("subscriber", *OutgoingMailAdmin.list_display)
    list_select_related = ("subscriber",)


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
