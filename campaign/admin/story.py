"""The organisers' desk for the story: nothing here is a step that another page would know better."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet, URLField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import translation
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from parler.admin import TranslatableAdmin, TranslatableStackedInline, TranslatableTabularInline

from campaign.admin.published import PublishedAdmin, SafeAddresses, StateFilter, StrikeFilter
from campaign.forms import PlainPositionedForm, PlainPositionedFormSet, PositionedForm, PositionedFormSet, ShareFormSet
from campaign.models import (
    Activist,
    Alias,
    Campaign,
    Charge,
    ChargeUpdate,
    Claim,
    Company,
    Demand,
    Document,
    Labour,
    Mailing,
    MessageOfSupport,
    Share,
    Source,
    Strike,
    TimelineEvent,
    Update,
)


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


class DemandInline(TranslatableStackedInline):
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


# An address typed without https:// gets it.
WEB_ADDRESSES: dict[Any, dict[str, Any]] = {URLField: {"assume_scheme": "https"}}


class CompanyInline(TranslatableStackedInline):
    model = Company
    form = PositionedForm
    formset = PositionedFormSet
    formfield_overrides = WEB_ADDRESSES
    extra = 0


class SourceInline(admin.StackedInline):
    model = Source
    form = PlainPositionedForm
    formset = PlainPositionedFormSet
    formfield_overrides = WEB_ADDRESSES
    extra = 0


@admin.register(Strike)
class StrikeAdmin(PublishedAdmin):
    list_display = ("__str__", "status", "state", "published_at", "language_column")
    list_filter = (StateFilter, "status")
    search_fields = ("slug", "translations__title", "translations__place", "translations__story")
    fields = (
        "title",
        "slug",
        "place",
        "began_on",
        "status",
        "outcome",
        "summary",
        "story",
        "published_at",
        "month_of_labour",
    )
    readonly_fields = ("month_of_labour",)
    slug_from = "title"
    inlines = (DemandInline, TimelineEventInline, ClaimInline, CompanyInline, SourceInline)

    @admin.display(description=_("a month of one worker's labour"))
    def month_of_labour(self, strike: Strike) -> Any:
        if strike.pk is None:
            return _("Save first.")
        labour = Labour.objects.filter(strike=strike).first()
        if labour:
            url = reverse("admin:campaign_labour_change", args=[labour.pk])
            return format_html('<a href="{}">{}</a>', url, _("The picture of who gets how much"))
        url = f"{reverse('admin:campaign_labour_add')}?strike={strike.pk}"
        return format_html('<a href="{}">{}</a>', url, _("Draw a picture of who gets how much"))


class ShareInline(TranslatableTabularInline):
    model = Share
    form = PositionedForm
    formset = ShareFormSet
    extra = 0


@admin.register(Labour)
class LabourAdmin(SafeAddresses, TranslatableAdmin):
    """What one worker brings in during a month, drawn on the strike's page as one bar."""

    list_display = ("__str__", "strike", "amount", "currency", "language_column")
    fields = ("strike", "title", "amount", "currency", "rest", "note", "source")
    inlines = (ShareInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("translations", "strike__translations")

    def view_on_site(self, labour: Labour) -> str:
        strike = labour.strike
        is_public = Strike.objects.published().filter(pk=strike.pk).exists()
        with translation.override(labour.get_current_language()):
            page = strike.get_absolute_url()
            return f"{page}#labour" if is_public else f"{page}?preview=1#labour"


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
