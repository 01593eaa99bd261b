"""The forms with which people subscribe to the updates and send something in, and forms of the organisers' desk."""

from typing import Any

from crispy_forms.helper import FormHelper
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.text import capfirst, slugify
from django.utils.translation import get_language, get_language_info, gettext_lazy
from django.utils.translation import gettext as _
from parler.forms import TranslatableBaseInlineFormSet, TranslatableModelForm

from campaign.consent import SENDING, SENDING_VERSION, TEXTS, VERSION
from campaign.countries import country_choices
from campaign.fields import AddressField, LineField, WordsField
from campaign.models import Comment, Endorsement, MessageOfSupport, Strike, Submitted, Update
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


class MyDataForm(forms.Form):
    """Asks for what is held of an address."""

    email = AddressField(
        label=gettext_lazy("Your e-mail address"),
        max_length=254,
        help_text=gettext_lazy("The one that you signed, pledged, wrote or subscribed with."),
        widget=forms.EmailInput(attrs={"autocomplete": "email", "inputmode": "email"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True  # campaign.cookieless


class SendingForm(forms.Form):
    """Sends something in, which an organiser reads before it is published. A subclass has its fields, and row()."""

    email = AddressField(
        label=gettext_lazy("Your e-mail address"),
        max_length=254,
        required=False,
        help_text=gettext_lazy("If the organisers may ask you something. It is not shown, and deleted after 90 days."),
        widget=forms.EmailInput(attrs={"autocomplete": "email", "inputmode": "email"}),
    )
    consent = forms.BooleanField(
        label=SENDING[SENDING_VERSION],
        error_messages={"required": gettext_lazy("Without your agreement we may not keep and publish it.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields(self.field_order or [name for name in self.fields if name not in {"email", "consent"}])
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True  # campaign.cookieless

    def row(self) -> Submitted:
        """Return what was typed as a row that is not saved."""
        raise NotImplementedError

    def sent(self) -> Submitted:
        """Return the row with what every such row holds, as campaign.submitting.take() takes it."""
        row = self.row()
        row.contact, row.consent_version = self.cleaned_data["email"], SENDING_VERSION
        return row


def free_slug(words: str) -> str:
    """Return an address for what a visitor sent in: its words, and some letters that make it no other's."""
    return f"{slugify(words)[:38].strip('-') or 'sent'}-{get_random_string(8, 'abcdefghjkmnpqrstuvwxyz23456789')}"


def optional_countries() -> list[tuple[str, Any]]:
    return [("", gettext_lazy("I would rather not say")), *country_choices()]


class CommentForm(SendingForm):
    """What a reader says to an update."""

    text = WordsField(
        label=gettext_lazy("Your comment"),
        max_length=2000,
        help_text=gettext_lazy("Plain text. Name nobody whom it could endanger."),
        widget=forms.Textarea(attrs={"rows": 6, "autocomplete": "off"}),
    )
    person = LineField(
        label=gettext_lazy("Your name"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("It is shown with the comment. Leave it empty, or choose another one, for your safety."),
        widget=forms.TextInput(attrs={"autocomplete": "nickname"}),
    )

    def __init__(self, update: Update, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.update = update

    def row(self) -> Submitted:
        return Comment(update=self.update, person=self.cleaned_data["person"], text=self.cleaned_data["text"])


class ToStrikeForm(SendingForm):
    """Something for one strike, which is asked for where there are several."""

    strike = forms.ModelChoiceField(Strike.objects.none(), label=gettext_lazy("For which strike"), empty_label=None)
    country = forms.ChoiceField(
        label=gettext_lazy("Country"),
        choices=optional_countries,
        required=False,
        widget=forms.Select(attrs={"autocomplete": "country"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        strikes = Strike.objects.published().prefetch_related("translations")
        self.fields["strike"].queryset = strikes  # type: ignore[attr-defined]
        self.fields["strike"].initial = strikes[0] if strikes else None
        if len(strikes) == 1:
            self.fields["strike"].required, self.fields["strike"].widget = False, forms.HiddenInput()

    def typed(self) -> dict[str, Any]:
        """Return what goes into the row by the names of its columns."""
        typed = {name: value for name, value in self.cleaned_data.items() if name not in {"email", "consent"}}
        return typed | {"strike": typed["strike"] or self.fields["strike"].initial}


class MessageForm(ToStrikeForm):
    """A message of support, or a report from the ground."""

    kind = forms.ChoiceField(
        label=gettext_lazy("What do you send?"),
        choices=MessageOfSupport.Kind.choices,
        initial=MessageOfSupport.Kind.SUPPORT,
        widget=forms.RadioSelect,
    )
    text = WordsField(
        label=gettext_lazy("Your message"),
        max_length=5000,
        help_text=gettext_lazy("Plain text, in any language. Name nobody whom it could endanger."),
        widget=forms.Textarea(attrs={"rows": 8, "autocomplete": "off"}),
    )
    organisation = LineField(
        label=gettext_lazy("Organisation or union branch"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("It is shown with the message."),
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    person = LineField(
        label=gettext_lazy("Your name"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("It is shown, too: leave it empty if your organisation speaks, or for your safety."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    field_order = ("kind", "strike", "text", "organisation", "person", "country", "email", "consent")

    def clean(self) -> None:
        data = self.cleaned_data
        is_support = data.get("kind") == MessageOfSupport.Kind.SUPPORT
        if is_support and not (data.get("organisation") or data.get("person") or self.errors):
            self.add_error("organisation", _("Say who sends it: an organisation, or your name."))

    def row(self) -> Submitted:
        typed = self.typed()
        slug = free_slug(typed["organisation"])
        return MessageOfSupport(slug=slug, received_on=timezone.localdate(), **typed)


class EndorsementForm(ToStrikeForm):
    """That an organisation stands behind a strike. The organisers ask back, so that nobody speaks for another."""

    organisation = LineField(
        label=gettext_lazy("Union or organisation"),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    branch = LineField(label=gettext_lazy("Branch, if a branch endorses"), max_length=200, required=False)
    members = forms.IntegerField(
        label=gettext_lazy("How many members"),
        min_value=1,
        max_value=500_000_000,
        required=False,
        help_text=gettext_lazy("Of the branch, if a branch endorses. Leave it empty if you do not want it shown."),
    )
    url = LineField(
        label=gettext_lazy("Website"),
        max_length=500,
        required=False,
        validators=[URLValidator(schemes=["https", "http"])],
        help_text=gettext_lazy("With https:// in front."),
        widget=forms.URLInput(attrs={"autocomplete": "url"}),
    )
    endorsed_on = forms.DateField(
        label=gettext_lazy("Resolved on"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    statement = WordsField(
        label=gettext_lazy("What you resolved, in a few sentences"),
        max_length=3000,
        required=False,
        help_text=gettext_lazy("Plain text, in any language."),
        widget=forms.Textarea(attrs={"rows": 5, "autocomplete": "off"}),
    )
    field_order = (
        "strike",
        "organisation",
        "branch",
        "country",
        "members",
        "endorsed_on",
        "statement",
        "url",
        "email",
        "consent",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].required = True
        self.fields["email"].help_text = _(
            "The organisers write to it to ask whether your organisation has resolved this. It is not shown, and "
            "deleted after 90 days."
        )

    def clean_endorsed_on(self) -> Any:
        day = self.cleaned_data["endorsed_on"]
        if day and day > timezone.localdate():
            raise ValidationError(_("This day is still to come."))
        return day

    def row(self) -> Submitted:
        typed = self.typed()
        return Endorsement(slug=free_slug(typed["organisation"]), **typed)
