"""What a donor types, checked. No form here changes anything."""

import re
from typing import Any

from crispy_forms.helper import FormHelper
from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from donations import consent, money
from donations.models import KEPT_FOR, Fund, Pledge, iban_in, validate_iban
from privacy.typed import clean_address, clean_name


def shown_name(typed: str) -> str:
    """Return a name that may stand on the fund's page: anybody could tell donors an account there."""
    name = clean_name(typed)
    if iban_in(name):
        raise ValidationError(_("Please leave the account number out of the name."), code="iban")
    return name


class AccountForm(forms.Form):
    """An account number that somebody was told, to compare with the fund's."""

    iban = forms.CharField(
        label="IBAN",
        max_length=60,
        help_text=_("As you were told it, on paper, in a mail or by phone."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True

    def clean_iban(self) -> str:
        compact = re.sub(r"[\s.\-]|^IBAN:?", "", self.cleaned_data["iban"].upper().strip())
        validate_iban(compact)
        return compact


class TermsForm(forms.Form):
    """How much is given, how often, and until when."""

    amount = forms.CharField(
        label=_("Amount"), max_length=40, widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
    )
    frequency = forms.ChoiceField(
        label=_("How often?"),
        choices=Pledge.Frequency.choices,
        initial=Pledge.Frequency.ONCE,
        widget=forms.RadioSelect,
    )
    until = forms.DateField(
        label=_("Until"),
        required=False,
        help_text=_("Only for a gift every month. Leave it empty if it is open: it then ends after two years."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    display = forms.ChoiceField(
        label=_("How may we show you on this site?"),
        choices=Pledge.Display.choices,
        initial=Pledge.Display.ANONYMOUS,
        help_text=_("Never with your address. For an organisation or branch we show its name, and not yours."),
        widget=forms.RadioSelect,
    )
    amount_shown = forms.ChoiceField(
        label=_("And your amount?"),
        choices=Pledge.AmountShown.choices,
        initial=Pledge.AmountShown.NO,
        required=False,
        help_text=_("Only if we may show you. Rounded, 75 becomes “50 or more”."),
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True

    def clean_amount_shown(self) -> str:
        return self.cleaned_data["amount_shown"] or Pledge.AmountShown.NO

    def read_terms(self, currency: str, made: Pledge | None = None) -> None:
        """Check the amount in this currency, and the end of what is given every month."""
        data = self.cleaned_data
        if "amount" in data:
            try:
                data["amount_minor"] = money.parse_amount(data.pop("amount"), currency)
            except ValidationError as error:
                self.add_error("amount", error)
        until, today = data.get("until"), timezone.localdate()
        if not until or (made and until == made.until and data.get("frequency") == made.frequency):
            return
        first = made.made_on if made else today
        if data.get("frequency") == Pledge.Frequency.ONCE:
            self.add_error(
                "until", _("A gift that is made once has no end. Leave this empty, or choose “every month”.")
            )
        elif until < today:
            self.add_error("until", _("This day is past."))
        elif until > first + KEPT_FOR:
            last = date_format(first + KEPT_FOR)
            self.add_error(
                "until", _("We keep your address for two years: choose a day until %(day)s.") % {"day": last}
            )


class PledgeForm(TermsForm):
    """A pledge to one fund."""

    kind = forms.ChoiceField(
        label=_("Who pledges?"), choices=Pledge.Kind.choices, initial=Pledge.Kind.PERSON, widget=forms.RadioSelect
    )
    name = forms.CharField(label=_("Your name"), max_length=100, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    organisation = forms.CharField(
        label=_("Organisation or union branch"),
        max_length=150,
        required=False,
        help_text=_("Only if you pledge for one."),
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    email = forms.CharField(
        label=_("E-mail address"),
        max_length=254,
        help_text=_("We send a link there. The pledge counts once you open it and press the button."),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    currency = forms.ChoiceField(label=_("Currency"))
    consent = forms.BooleanField(
        label=consent.TEXTS[consent.VERSION],
        error_messages={"required": _("Without your agreement we may not keep your pledge.")},
    )

    field_order = (
        "kind",
        "name",
        "organisation",
        "email",
        "amount",
        "currency",
        "frequency",
        "until",
        "display",
        "amount_shown",
        "consent",
    )

    def __init__(self, fund: Fund, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["currency"].choices = [(code, money.currency_name(code)) for code in fund.currency_list]  # type: ignore[attr-defined]

    def clean_name(self) -> str:
        return shown_name(self.cleaned_data["name"])

    def clean_organisation(self) -> str:
        return shown_name(self.cleaned_data["organisation"])

    def clean_email(self) -> str:
        return clean_address(self.cleaned_data["email"])

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if "currency" in data:
            self.read_terms(data["currency"])
        if data.get("kind") in {Pledge.Kind.ORGANISATION, Pledge.Kind.BRANCH} and data.get("organisation") == "":
            self.add_error("organisation", _("Please give the name of the organisation or branch."))
        return data

    def pledge(self) -> dict[str, Any]:
        """Return what giving.pledge() takes from the form."""
        return {name: value for name, value in self.cleaned_data.items() if name not in {"amount", "consent"}}


class ChangeForm(TermsForm):
    """What a giver changes about their pledge; its currency, in which money may have arrived, stays."""

    def __init__(self, made: Pledge, *args: Any, **kwargs: Any) -> None:
        self.made = made
        initial = {
            "amount": money.typed_amount(made.amount_minor, made.currency),
            "frequency": made.frequency,
            "until": made.until,
            "display": made.display,
            "amount_shown": made.amount_shown,
        }
        super().__init__(*args, initial=initial, **kwargs)
        self.fields["amount"].label = _("Amount in %(currency)s") % {"currency": made.currency}

    def clean(self) -> dict[str, Any]:
        self.read_terms(self.made.currency, self.made)
        return self.cleaned_data
