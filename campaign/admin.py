"""The organisers' desk for the story: nothing here is a step that another page would know better."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _
from parler.admin import TranslatableAdmin, TranslatableStackedInline, TranslatableTabularInline

from campaign import subscribing
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
    fields = ("title", "slug", "summary", "body", "source", "strike", "activists", "published_at")
    filter_horizontal = ("activists",)
    slug_from = "title"


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

    list_display = ("__str__", "state", "language", "created_at")
    list_filter = (SubscriberStateFilter, "language")
    search_fields = ("pk",)
    search_help_text = _("A subscriber's number, or a whole e-mail address.")
    show_full_result_count = False
    actions = ("unsubscribe",)
    fields = (
        "state",
        "email",
        "language",
        "strikes",
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
