"""The form under a letter."""

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Fieldset, Layout
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from campaign.countries import country_choices
from privacy.typed import clean_address, clean_name, clean_text
from protests import consent, importing
from protests.addressing import is_sent_from
from protests.handover import Which, deliveries
from protests.models import Letter, Signature, Target


class TypedField(forms.CharField):
    """Text that is measured after it was cleaned: what is taken out of it does not count."""

    cleaned = staticmethod(clean_name)

    def to_python(self, value: Any) -> str:
        text = str(super().to_python(value))
        # Far too long for cleaning to make it short enough: the check of the length is to say so, and soon.
        if self.max_length and len(text) > 4 * self.max_length:
            return text
        return self.cleaned(text)


class LineField(TypedField):
    """One line of text."""


class WordsField(TypedField):
    """Some lines of text."""

    widget = forms.Textarea
    cleaned = staticmethod(clean_text)


class AddressField(TypedField):
    """An e-mail address that a server elsewhere can be asked to take mail for."""

    widget = forms.EmailInput
    cleaned = staticmethod(clean_address)


def _countries() -> list[tuple[str, Any]]:
    return [("", _("Choose your country")), *country_choices()]


class CountryForm(forms.Form):
    """Asks who gets the letter from a country."""

    country = forms.ChoiceField(
        label=_("Your country"),
        choices=_countries,
        widget=forms.Select(attrs={"class": "form-select", "autocomplete": "country"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "who_%s", **kwargs})


class SigningForm(forms.Form):
    """Signs a letter. With `preview`, the address and the consent may still be missing."""

    name = LineField(
        label=_("Your name"),
        max_length=100,
        help_text=_("It stands under your letter."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    email = AddressField(
        label=_("Your e-mail address"),
        max_length=254,
        help_text=_(
            "We mail you a link to confirm. The addressees do not get your address. An address signs a letter once: "
            "people who share a mailbox need one each."
        ),
        widget=forms.EmailInput(attrs={"autocomplete": "email", "inputmode": "email"}),
    )
    country = forms.ChoiceField(
        label=_("Your country"),
        choices=_countries,
        help_text=_("It decides who gets your letter."),
        widget=forms.Select(attrs={"autocomplete": "country"}),
    )
    own_words = WordsField(
        label=_("In your own words"),
        max_length=2000,
        required=False,
        help_text=_("If you like: a letter that says why it matters to you weighs more. Plain text."),
        widget=forms.Textarea(attrs={"rows": 5, "autocomplete": "off"}),
    )
    organisation = LineField(
        label=_("Organisation or union branch"),
        max_length=150,
        required=False,
        help_text=_("If you sign for one. It stands in your letter."),
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    display = forms.ChoiceField(
        label=_("How this site may show your signature"),
        choices=Signature.Display.choices,
        initial=Signature.Display.ANONYMOUS,
        required=False,
        widget=forms.RadioSelect,
    )
    consent_letter = forms.BooleanField(
        error_messages={"required": _("Without this consent we may not send your letter.")}
    )
    updates = forms.BooleanField(required=False)

    def __init__(self, *args: Any, letter: Letter, preview: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.letter, self.preview = letter, preview
        self.fields["consent_letter"].label = consent.current().letter
        self.fields["updates"].label = consent.current().updates

    @property
    def helper(self) -> FormHelper:
        helper = FormHelper()
        helper.form_tag = False
        helper.disable_csrf = True  # campaign.cookieless
        helper.form_show_errors = True
        helper.layout = Layout(
            "name",
            "email",
            "country",
            "own_words",
            "organisation",
            "display",
            Fieldset(str(_("Your consent")), "consent_letter", "updates"),
        )
        return helper

    def clean_country(self) -> str:
        country = self.cleaned_data["country"]
        if not is_sent_from(self.letter, country):
            raise ValidationError(_("This letter has no addressee for your country yet, so it cannot be signed there."))
        return country

    def clean_display(self) -> str:
        return self.cleaned_data["display"] or Signature.Display.ANONYMOUS

    def clean(self) -> None:
        if self.preview:
            for field in ("email", "consent_letter"):
                if not self.data.get(field):
                    self.errors.pop(field, None)


class ChartForm(forms.Form):
    """Asks of which letter and country the charts are to be."""

    letter = forms.ModelChoiceField(
        Letter.objects.prefetch_related("translations"), label=_("Letter"), required=False, empty_label=_("all letters")
    )
    country = forms.ChoiceField(
        label=_("Country"), choices=lambda: [("", _("all countries")), *country_choices()], required=False
    )


class TargetsForm(forms.Form):
    """A table of targets: a file, or its text, in which mistakes can be put right at once."""

    file = forms.FileField(
        label=_("File"), required=False, help_text=_("CSV, as your spreadsheet program saves it, of up to 256 KB.")
    )
    encoding = forms.ChoiceField(
        label=_("Encoding of the file"),
        required=False,
        choices=[
            ("", _("find out")),
            ("utf-8", "UTF-8"),
            ("utf-16", _("UTF-16 (“Unicode text”)")),
            ("cp1252", _("Windows, western Europe")),
            ("cp1250", _("Windows, central Europe")),
            ("cp1251", _("Windows, Cyrillic")),
        ],
        help_text=_("Only if letters look wrong below."),
    )
    text = forms.CharField(
        label=_("Or the table as text"),
        required=False,
        max_length=2 * importing.MAXIMUM_BYTES,  # browsers send two characters for each line end
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
        help_text=_("Copied from a spreadsheet, or the file that you have chosen before."),
    )

    def clean(self) -> None:
        """Let the file's words be the text."""
        file = self.cleaned_data.get("file")
        if file:
            try:
                content = file.read(importing.MAXIMUM_BYTES + 1)
                text, self.read_as = importing.decoded(content, self.cleaned_data.get("encoding", ""))
            except importing.UnreadableError as error:
                raise ValidationError(str(error)) from error
            self.cleaned_data["text"] = text
        elif not self.errors and not self.cleaned_data["text"].strip():
            raise ValidationError(_("Please choose a file, or put a table below."))


class HandoverForm(forms.Form):
    """Asks which letters are to be handed over on paper."""

    letter = forms.ModelChoiceField(Letter.objects.prefetch_related("translations"), label=_("Letter"))
    target = forms.ModelChoiceField(Target.objects.all(), label=_("Target"))
    which = forms.ChoiceField(
        label=_("Which letters"), choices=Which.choices, initial=Which.ALL, widget=forms.RadioSelect
    )

    def clean(self) -> None:
        if not self.errors and not deliveries(**self.cleaned_data).exists():
            raise ValidationError(_("There is no such letter to hand over."))
