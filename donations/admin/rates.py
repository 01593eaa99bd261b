"""Rates between currencies, in the admin: recorded with source and day, never edited."""

import re
from decimal import Decimal
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from donations import money, rates
from donations.models import Rate

_TYPED = re.compile(r"([0-9]{1,9})(?:[.,]([0-9]{1,6}))?")


class RateForm(forms.ModelForm):
    value = forms.CharField(
        label=_("so much"),
        max_length=20,
        help_text=_("1 EUR = 11.2345 SEK is: EUR, SEK, 11.2345."),
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )

    class Meta:
        model = Rate
        fields = ("from_currency", "to_currency", "value", "source", "dated_on")
        labels = {
            "from_currency": _("One unit of"),
            "to_currency": _("is worth, in"),
            "source": _("Published by"),
            "dated_on": _("for the day"),
        }
        help_texts = {"source": _("Public. For example: European Central Bank")}

    def _currency(self, name: str) -> str:
        code = str(self.cleaned_data[name]).strip().upper()
        money.validate_currency(code)
        return code

    def clean_from_currency(self) -> str:
        return self._currency("from_currency")

    def clean_to_currency(self) -> str:
        return self._currency("to_currency")

    def clean_value(self) -> int:
        """Return the rate in millionths."""
        typed = _TYPED.fullmatch("".join(self.cleaned_data["value"].split()))
        millionths = int(Decimal(f"{typed[1]}.{typed[2] or '0'}").scaleb(6)) if typed else 0
        if millionths == 0:
            raise ValidationError(_("A number above zero with at most six digits after the point, as 11.2345."))
        return millionths

    def clean_dated_on(self) -> Any:
        day = self.cleaned_data["dated_on"]
        if day > timezone.localdate():
            raise ValidationError(_("This day is still to come."))
        return day

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        one, other = data.get("from_currency"), data.get("to_currency")
        if one and one == other:
            self.add_error("to_currency", _("A rate is between two currencies."))
        self.instance.millionths = data.get("value") or 1
        return data


@admin.register(Rate)
class RateAdmin(admin.ModelAdmin):
    """To record and to look at. A wrong rate is followed by the right one of the same day, which then counts."""

    form = RateForm
    list_display = ("told", "dated_on", "source", "recorded_by", "recorded_at")
    list_select_related = ("recorded_by",)
    search_fields = ("from_currency", "to_currency", "source")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.list_display if obj else RateForm.Meta.fields

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Rate, form: Any, change: bool) -> None:  # noqa: FBT001
        rates.record(obj, by=cast("User", request.user))

    @admin.display(description=_("rate"))
    def told(self, rate: Rate) -> str:
        return rate.told
