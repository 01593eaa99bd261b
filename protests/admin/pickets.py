"""Pickets, and the reports of them."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminSplitDateTime
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from parler.forms import TranslatableModelForm

from campaign.admin import CountryFilter, Exporting, PublishedAdmin, StrikeFilter, SubmittedAdmin, SubmittedFilter
from campaign.countries import country_name
from outbox.confirming import confirmed
from protests import hours, mapping, witnessing
from protests.admin.shared import CountryChoice
from protests.exporting import PICKETS
from protests.models import Picket, PicketReport


class WallClockField(forms.SplitDateTimeField):
    """A day and an hour by the clock of a place that another field tells: without a time zone."""

    def compress(self, data_list: Any) -> Any:
        return datetime.combine(*data_list) if data_list and all(data_list) else None


class PicketDeskForm(TranslatableModelForm):
    starts_at = WallClockField(widget=AdminSplitDateTime, required=False)
    ends_at = WallClockField(widget=AdminSplitDateTime, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A translator's form has neither.
        for name in self.fields.keys() & {"starts_at", "ends_at"}:
            column: Any = Picket._meta.get_field(name)
            self.fields[name].label, self.fields[name].help_text = capfirst(column.verbose_name), column.help_text
            if moment := getattr(self.instance, name):
                self.initial[name] = moment.astimezone(self.instance.zone).replace(tzinfo=None)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "country" not in self.fields:
            return cleaned
        country, moment = cleaned.get("country", ""), cleaned.get("starts_at")
        name = cleaned.get("time_zone") or mapping.only_zone(country, moment)
        for column in ("starts_at", "ends_at"):
            if cleaned.get(column):
                # Without a zone, the model says that one is to be chosen.
                cleaned[column] = cleaned[column].replace(tzinfo=hours.zone(name))
        return cleaned


@admin.register(Picket)
class PicketAdmin(Exporting, CountryChoice, SubmittedAdmin, PublishedAdmin):
    form = PicketDeskForm
    list_display = ("place", "kind", "country_shown", "strike", "begins", "state", "published_at")
    list_filter = (SubmittedFilter, "kind", StrikeFilter, CountryFilter)
    exports = (PICKETS,)
    search_fields = ("translations__place", "translations__text", "slug")
    slug_from = "place"
    date_hierarchy = "starts_at"
    readonly_fields = ("on_paper",)
    fields = (
        *("strike", "kind", "country", "place", "slug", "address", "starts_at", "ends_at", "time_zone", "date_text"),
        *("text", "target", "on_paper", "latitude", "longitude", "published_at"),
    )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        allowed = request.user.has_perm("protests.hand_over")
        return [field for field in super().get_fields(request, obj) if allowed or field != "on_paper"]

    @admin.display(description=_("country"), ordering="country")
    def country_shown(self, picket: Picket) -> str:
        return country_name(picket.country)

    @admin.display(description=_("begins, local time"), ordering="starts_at")
    def begins(self, picket: Picket) -> str:
        if picket.in_words or picket.starts_at is None:
            return picket.in_words
        return date_format(picket.starts_at.astimezone(picket.zone), "DATETIME_FORMAT")

    @admin.display(description=_("letters to hand over"))
    def on_paper(self, picket: Picket) -> Any:
        if picket.target_id is None:
            return _("Choose outside which office it is, and save: here will be its letters to print and hand over.")
        url = reverse("admin:protests_letter_handover")
        return format_html('<a href="{}?target={}">{}</a>', url, picket.target_id, _("Download letters to hand over"))


@admin.register(PicketReport)
class PicketReportAdmin(SubmittedAdmin, PublishedAdmin):
    list_display = ("__str__", "people", "state", "published_at")
    list_filter = (SubmittedFilter,)
    search_fields = ("translations__text", "organisation", "picket__slug")
    autocomplete_fields = ("picket", "pictures")
    readonly_fields = ("shown", "for_pictures")
    fields = ("picket", "organisation", "people", "text", "shown", "for_pictures", "pictures", "published_at")
    has_preview = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = PicketReport.objects.select_related("picket")
        return rows.prefetch_related("translations", "picket__translations", "pictures__translations")

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {}

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001
        super().save_related(request, form, formsets, change)
        report = form.instance
        before = form.initial.get("published_at")
        if before and before != report.published_at:
            witnessing.hide_pictures([report.pk])
        if report.published_at:
            witnessing.show_pictures([report.pk], report.published_at)

    @confirmed(
        description=_("Publish now"),
        question=_(
            "Everybody will be able to read these and see their pictures from now on. Is each who can be recognised "
            "safe if the whole world sees it?"
        ),
        changes=lambda queryset: queryset.filter(refused_at=None).exclude(published_at__lte=timezone.now()),
    )
    def publish(self, request: HttpRequest, queryset: QuerySet[Any]) -> int:
        return witnessing.publish(queryset, by=request.user)  # type: ignore[arg-type]

    @confirmed(
        description=_("Back to draft"),
        question=_(
            "Readers will no longer find these, nor the pictures that came with them. Whoever has read or copied them "
            "keeps what they have."
        ),
        changes=lambda queryset: queryset.exclude(published_at=None),
    )
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Any]) -> int:
        return witnessing.withdraw(queryset)

    @admin.display(description=_("page for more pictures"))
    def for_pictures(self, report: PicketReport) -> Any:
        if report.pk is None or not PicketReport.objects.waiting().filter(pk=report.pk).exists():
            return ""
        url = reverse("protests:report_pictures", args=[report.picket.slug, witnessing.token(report)])
        words = _(
            "Add pictures as whoever sent this report could: the address works for a day, and for all who have it."
        )
        return format_html('<a href="{}">{}</a>', url, words)

    @admin.display(description=_("how they look"))
    def shown(self, report: PicketReport) -> Any:
        if report.pk is None:
            return ""
        return format_html_join(
            " ",
            '<a href="{}"><img class="thumbnail" src="{}" width="{}" height="{}" alt="{}" loading="lazy"></a>',
            (
                (
                    reverse("admin:campaign_picture_change", args=[picture.pk]),
                    picture.versions[0].url,
                    picture.versions[0].width,
                    picture.versions[0].height,
                    picture.safe_translation_getter("alt", any_language=True),
                )
                for picture in report.pictures.all()
            ),
        )
