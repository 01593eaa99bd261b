"""The organisers' desk for the story: nothing here is a step that another page would know better."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone, translation
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from parler.admin import TranslatableAdmin, TranslatableStackedInline, TranslatableTabularInline

from campaign.admin.published import PublishedAdmin, SafeAddresses, StateFilter, StrikeFilter
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
    fields = (
        "title",
        "slug",
        "summary",
        "body",
        "source",
        "strike",
        "activists",
        "comments",
        "published_at",
        "by_mail",
    )
    readonly_fields = ("by_mail",)
    filter_horizontal = ("activists",)
    slug_from = "title"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.preview_view)
        return [path("preview/", view, name="campaign_update_preview"), *super().get_urls()]

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Show what is in the form as readers would see it. Nothing is saved."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseRedirect(reverse("admin:campaign_update_changelist"))
        language = request.GET.get("language", "")
        with translation.override(language if language in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE):
            texts = {name: request.POST.get(name, "") for name in ("title", "summary", "body", "source")}
            update: Any = Update(slug="preview", published_at=timezone.now(), **texts)
            chosen = [pk for pk in request.POST.getlist("activists") if pk.isdecimal() and len(pk) < 19]
            update.people = Activist.objects.published().with_charges().filter(pk__in=chosen)
            return render(request, "campaign/update.html", {"update": update, "is_draft": True})

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


@admin.register(Document)
class DocumentAdmin(PublishedAdmin):
    list_display = ("__str__", "kind", "strike", "state", "language_column")
    list_filter = (StateFilter, "kind", StrikeFilter)
    search_fields = ("slug", "translations__title", "translations__body")
    fields = ("title", "slug", "kind", "strike", "body", "published_at")
    slug_from = "title"
