"""What several pages of this desk share."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from campaign.countries import country_choices
from protests.models import Letter


class CountryChoice:
    """Offers the countries by name where a column holds a country's code."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "country":
            return forms.ChoiceField(
                label=db_field.verbose_name, choices=lambda: [("", "---------"), *country_choices()]
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]


class LookOnly:
    """Rows that the program alone writes."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def local_time(moment: Any) -> str:
    return date_format(timezone.localtime(moment), "SHORT_DATETIME_FORMAT")


class LetterFilter(admin.SimpleListFilter):
    """The letters by title, read at once; `lookup` is the way from a row to its letter."""

    parameter_name = "letter"
    title = _("letter")
    lookup = "letter"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(letter.pk), str(letter)) for letter in Letter.objects.prefetch_related("translations")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        return queryset.filter(**{self.lookup: chosen}) if chosen in dict(self.lookup_choices) else queryset
