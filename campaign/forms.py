"""The form with which people subscribe to the updates, and forms of the organisers' desk."""

from typing import Any

from crispy_forms.helper import FormHelper
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import F
from django.utils.text import capfirst
from django.utils.translation import get_language, get_language_info, gettext_lazy
from django.utils.translation import gettext as _
from parler.forms import TranslatableBaseInlineFormSet, TranslatableModelForm

from campaign.consent import TEXTS, VERSION
from campaign.models import Strike
from privacy.typed import clean_address

# Above every position that an organiser types, within what the column holds.
OUT_OF_THE_WAY = 16_000


class AmongNewNeighbours:
    """A form's share: its row's position is checked against the new neighbours, not against the stored ones."""

    def _get_validation_exclusions(self) -> set[str]:
        return super()._get_validation_exclusions() | {"position"}  # type: ignore[misc]


class InAnyOrder:
    """A formset's share: rows can exchange their positions in one step, though no two may ever have the same."""

    def clean(self: Any) -> None:
        super().clean()  # type: ignore[misc]
        positions = [
            form.cleaned_data["position"]
            for form in self.forms
            if form.cleaned_data.get("position") is not None and not self._should_delete_form(form)
        ]
        if len(positions) > len(set(positions)):
            raise ValidationError(_("Two rows have the same position. Give each its own."))
        if positions and max(positions) >= OUT_OF_THE_WAY:
            raise ValidationError(_("The highest position is %(highest)d."), params={"highest": OUT_OF_THE_WAY - 1})

    def save(self: Any, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 - as in Django
        moving = [form.instance.pk for form in self.initial_forms if form.has_changed()]
        if commit:
            self.model.objects.filter(pk__in=moving).update(position=F("position") + OUT_OF_THE_WAY)
        return super().save(commit)  # type: ignore[misc]


class PositionedForm(AmongNewNeighbours, TranslatableModelForm):
    pass


class PositionedFormSet(InAnyOrder, TranslatableBaseInlineFormSet):
    pass


class PlainPositionedForm(AmongNewNeighbours, forms.ModelForm):
    """The same for rows without translations."""


class PlainPositionedFormSet(InAnyOrder, forms.BaseInlineFormSet):
    pass


class ShareFormSet(PositionedFormSet):
    """Shares that are no more than the whole."""

    def clean(self) -> None:
        super().clean()
        amounts = [
            form.cleaned_data["amount"]
            for form in self.forms
            if form.cleaned_data.get("amount") and not self._should_delete_form(form)
        ]
        whole = self.instance.amount
        if whole and sum(amounts) > whole:
            raise ValidationError(
                _("The shares make %(sum)d, which is more than the whole, %(whole)d."),
                params={"sum": sum(amounts), "whole": whole},
            )


def _languages() -> list[tuple[str, str]]:
    """Return the languages, each by its own name."""
    return [(code, capfirst(get_language_info(code)["name_local"])) for code, _name in settings.LANGUAGES]


class ChoicesForm(forms.Form):
    """What a subscriber gets."""

    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        choices=_languages,
        help_text=gettext_lazy("An update that is not there in this language comes in another one."),
    )
    strikes = forms.ModelMultipleChoiceField(
        Strike.objects.none(),
        label=gettext_lazy("News of which strikes"),
        required=False,
        help_text=gettext_lazy("Tick none to get the news of all of them."),
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        strikes = Strike.objects.published().prefetch_related("translations")
        self.fields["strikes"].queryset = strikes  # type: ignore[attr-defined]
        if len(strikes) < 2:
            del self.fields["strikes"]
        self.fields["language"].initial = get_language()
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True  # campaign.cookieless

    def choices(self) -> dict[str, Any]:
        """Return what the verbs of campaign.subscribing take. With one strike there is nothing to choose."""
        return {"language": self.cleaned_data["language"], "strikes": self.cleaned_data.get("strikes", [])}


class SubscribeForm(ChoicesForm):
    """Asks for the updates."""

    email = forms.CharField(
        label=gettext_lazy("Your e-mail address"),
        max_length=254,
        help_text=gettext_lazy("We mail you a link to confirm. Nobody else gets your address."),
        widget=forms.EmailInput(attrs={"autocomplete": "email", "inputmode": "email"}),
    )
    consent = forms.BooleanField(
        label=TEXTS[VERSION],
        error_messages={"required": gettext_lazy("Without your agreement we may not write to you.")},
    )
    field_order = ("email", "language", "strikes", "consent")

    def clean_email(self) -> str:
        return clean_address(self.cleaned_data["email"])
