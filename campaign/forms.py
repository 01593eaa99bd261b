"""Forms of the organisers' desk."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import F
from django.utils.translation import gettext as _
from parler.forms import TranslatableBaseInlineFormSet, TranslatableModelForm

# Above every position that an organiser types, within what the column holds.
OUT_OF_THE_WAY = 16_000


class PositionedForm(TranslatableModelForm):
    """A row whose position is checked against its new neighbours, not against the old ones in the database."""

    def _get_validation_exclusions(self) -> set[str]:
        return super()._get_validation_exclusions() | {"position"}


class PositionedFormSet(TranslatableBaseInlineFormSet):
    """Rows that can exchange their positions in one step, though no two may ever have the same."""

    def clean(self) -> None:
        super().clean()
        positions = [
            form.cleaned_data["position"]
            for form in self.forms
            if form.cleaned_data.get("position") is not None and not self._should_delete_form(form)
        ]
        if len(positions) > len(set(positions)):
            raise ValidationError(_("Two rows have the same position. Give each its own."))
        if positions and max(positions) >= OUT_OF_THE_WAY:
            raise ValidationError(_("The highest position is %(highest)d."), params={"highest": OUT_OF_THE_WAY - 1})

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 - as in Django
        moving = [form.instance.pk for form in self.initial_forms if form.has_changed()]
        if commit:
            self.model.objects.filter(pk__in=moving).update(position=F("position") + OUT_OF_THE_WAY)
        return super().save(commit)
