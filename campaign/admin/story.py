"""The organisers' desk for the story: nothing here is a step that another page would know better."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet, URLField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone, translation
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
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
    Custody,
    Demand,
    Document,
    Labour,
    Mailing,
    Share,
    Source,
    Strike,
    TimelineEvent,
    Update,
)
from campaign.searching import named


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
    fieldsets = (
        (None, {"fields": ("title", "slug", "place", "began_on", "summary", "story", "published_at")}),
        (_("How it stands"), {"fields": ("status", "outcome", "month_of_labour")}),
    )
    readonly_fields = ("month_of_labour",)
    after_saving = ("month_of_labour",)
    slug_from = "title"
    inlines = (DemandInline, TimelineEventInline, ClaimInline, CompanyInline, SourceInline)

    @admin.display(description=_("a month of one worker's labour"))
    def month_of_labour(self, strike: Strike) -> Any:
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


class OfACase:
    """Rows of which a memory of the dead gets no new ones."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_add_permission(request, obj) and not (obj and obj.remembered)  # type: ignore[misc]


class ChargeInline(OfACase, TranslatableTabularInline):
    """The charges in short; what happened to each is on its own page."""

    model = Charge
    fields = ("position", "title", "maximum_months")
    extra = 0
    show_change_link = True


class CustodyInline(OfACase, TranslatableStackedInline):
    model = Custody
    fields = ("began_on", "ended_on", "known_until", "exact", "date_text", "place", "source")
    extra = 0


class InCustodyFilter(admin.SimpleListFilter):
    title = _("in custody now")
    parameter_name = "in_custody"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Yes"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.in_custody() if self.value() == "yes" else queryset


@admin.register(Activist)
class ActivistAdmin(PublishedAdmin):
    ordering = ("position", "name")
    list_display = ("name", "status_now", "strike", "remembered", "state", "language_column")
    list_filter = (StateFilter, InCustodyFilter, "remembered", StrikeFilter)
    # The search finds names in any spelling, as readers do; these are what it looks through besides.
    search_fields = ("translations__role", "translations__story")
    search_help_text = _("A name in any spelling or script, or words of the story.")
    fieldsets = (
        (
            None,
            {"fields": ("name", "slug", "strike", "role", "portrait", "demand", "story", "position", "published_at")},
        ),
        (
            _("In memory"),
            {
                "fields": ("remembered", "born_on", "died_on", "died_text"),
                "description": _(
                    "For somebody who is dead. Their page is a memorial: charges and custody are not shown, and no new "
                    "ones can be added. What is there already stays here."
                ),
            },
        ),
    )
    raw_id_fields = ("portrait",)
    slug_from = "name"
    inlines = (AliasInline, CustodyInline, ChargeInline)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset: Any = super().get_queryset(request)
        return queryset.with_charges()

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if not search_term.strip():
            return found, may_repeat
        names = [activist.pk for activist in named(queryset, search_term)]
        return queryset.filter(Q(pk__in=names) | Q(pk__in=found.order_by().values("pk"))), False

    @admin.display(description=_("now"))
    def status_now(self, activist: Activist) -> str:
        if not activist.status:
            return "-"
        if not activist.custody:
            return str(activist.status.label)
        days = ngettext("%d day", "%d days", activist.days_in_custody) % activist.days_in_custody
        if not activist.days_are_certain:
            days = gettext("at least %(days)s") % {"days": days}
        return f"{activist.status.label}, {days}"


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
    after_saving = ("by_mail",)
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
    fields = ("title", "slug", "kind", "strike", "body", "shows_account", "published_at")
    slug_from = "title"
