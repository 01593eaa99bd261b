"""The forms under a letter, and those with which visitors tell of a picket."""

from datetime import datetime, timedelta
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Fieldset, Layout
from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from campaign import picturing
from campaign.countries import country_choices
from campaign.fields import AddressField, LineField, WordsField
from campaign.forms import SendingForm, free_slug
from campaign.models import Strike
from protests import consent, hours, importing, mapping
from protests.addressing import is_sent_from
from protests.handover import Which, deliveries
from protests.models import PEOPLE_AT_MOST, Letter, Picket, PicketReport, Signature, Target


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


class PicketForm(SendingForm):
    """Adds a picket, which an organiser reads before it is published."""

    # How long ago, and how far ahead.
    DAYS = (timedelta(days=30), timedelta(days=400))

    strike = forms.ModelChoiceField(Strike.objects.none(), label=_("For which strike"), empty_label=None)
    kind = forms.ChoiceField(label=_("What is it?"), choices=Picket.Kind.choices, widget=forms.RadioSelect)
    country = forms.ChoiceField(label=_("Country"), choices=lambda: [("", _("Choose the country")), *country_choices()])
    time_zone = forms.ChoiceField(
        label=_("Time zone"), help_text=_("The clocks of this country differ: by which is the hour that you typed?")
    )
    place = LineField(label=_("Town"), max_length=200)
    address = LineField(
        label=_("Where to meet"),
        max_length=300,
        required=False,
        help_text=_("Street and number, or a corner of a square. Outside which embassy or company?"),
    )
    day = forms.DateField(label=_("Day"), widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}))
    begins = forms.TimeField(
        label=_("Begins"),
        help_text=_("By the clock of the place, such as 17:30."),
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
    )
    ends = forms.TimeField(
        label=_("Ends"), required=False, widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"})
    )
    text = WordsField(
        label=_("What else people should know"),
        max_length=3000,
        required=False,
        help_text=_("Who calls for it, what to bring. Name nobody whom it could endanger."),
        widget=forms.Textarea(attrs={"rows": 5, "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        strikes = Strike.objects.published().prefetch_related("translations")
        self.fields["strike"].queryset = strikes  # type: ignore[attr-defined]
        self.only_strike = strikes[0] if len(strikes) == 1 else None
        if self.only_strike:
            del self.fields["strike"]
        self.fields["kind"].initial = Picket.Kind.PICKET
        # The list of the zones is as long as that of the countries: it is asked where it matters.
        zones = mapping.zones_of(self.data.get("country", ""))
        if zones and not mapping.only_zone(self.data["country"], timezone.now()):
            choices = [("", _("Choose the time zone")), *((name, name.replace("_", " ")) for name in zones)]
            self.fields["time_zone"].choices = choices  # type: ignore[attr-defined]
        else:
            del self.fields["time_zone"]

    def clean(self) -> None:
        typed = self.cleaned_data
        if not {"country", "day", "begins"} <= typed.keys():
            return
        begins = datetime.combine(typed["day"], typed["begins"])
        name = typed.get("time_zone") or mapping.only_zone(typed["country"], begins)
        there = hours.zone(name)
        typed["time_zone"], typed["starts_at"] = name, begins.replace(tzinfo=there)
        typed["ends_at"] = datetime.combine(typed["day"], typed["ends"], there) if typed.get("ends") else None
        if typed["ends_at"] and typed["ends_at"] <= typed["starts_at"]:
            self.add_error("ends", _("It ends before it begins."))
        ago, ahead = self.DAYS
        if not timezone.now() - ago < typed["starts_at"] < timezone.now() + ahead:
            self.add_error("day", _("Please give a day within the last 30 days, or the next 400."))

    def row(self) -> Picket:
        typed = self.cleaned_data
        names = ("kind", "country", "place", "address", "starts_at", "ends_at", "time_zone", "text")
        return Picket(
            slug=free_slug(typed["place"]),
            strike=self.only_strike or typed["strike"],
            **{name: typed[name] for name in names},
        )


class PicketReportForm(SendingForm):
    """Tells of a picket. Pictures come afterwards: what was typed has then arrived."""

    text = WordsField(
        label=_("How was it?"),
        max_length=5000,
        help_text=_("Plain text, in any language. Name nobody whom it could endanger."),
        widget=forms.Textarea(attrs={"rows": 8, "autocomplete": "off"}),
    )
    people = forms.IntegerField(
        label=_("How many took part?"), required=False, min_value=1, max_value=PEOPLE_AT_MOST, help_text=_("Roughly.")
    )
    organisation = LineField(
        label=_("Organisation or union branch"),
        max_length=150,
        required=False,
        help_text=_("Who tells it. It is shown; no person's name, please."),
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )

    def __init__(self, *args: Any, picket: Picket, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.picket = picket

    def row(self) -> PicketReport:
        typed = {name: self.cleaned_data[name] for name in ("text", "people", "organisation")}
        return PicketReport(picket=self.picket, **typed)


class ReportPictureForm(forms.Form):
    """Adds one picture to a report."""

    file = forms.FileField(
        label=_("Picture"),
        help_text=_(
            "JPEG, PNG or WebP, up to 8 MB. It is drawn anew and made smaller: the place and the device that a camera "
            "writes into it are not kept."
        ),
        widget=forms.FileInput(attrs={"accept": picturing.ACCEPTED}),
    )
    alt = LineField(
        label=_("What is to be seen"),
        max_length=300,
        help_text=_("In one sentence, for those who cannot see it."),
    )
    credit = LineField(
        label=_("Who took it"), max_length=200, required=False, help_text=_("As they want to be named. It is shown.")
    )
    consent = forms.BooleanField(
        label=_(
            "I may publish this picture, and agree that the campaign does. Whoever can be recognised on it knows and "
            "agrees."
        ),
        error_messages={"required": _("Without your agreement we may not keep and publish it.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True  # campaign.cookieless
