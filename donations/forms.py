"""What a donor types, checked. No form here changes anything."""

import re
from typing import Any

from crispy_forms.helper import FormHelper
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from donations import consent, money
from donations.models import Fund, Pledge, validate_iban
from privacy.typed import clean_address, clean_name


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


class PledgeForm(forms.Form):
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
    amount = forms.CharField(
        label=_("Amount"), max_length=40, widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
    )
    currency = forms.ChoiceField(label=_("Currency"))
    frequency = forms.ChoiceField(
        label=_("How often?"),
        choices=Pledge.Frequency.choices,
        initial=Pledge.Frequency.ONCE,
        widget=forms.RadioSelect,
    )
    display = forms.ChoiceField(
        label=_("How may we show you on this site?"),
        choices=Pledge.Display.choices,
        initial=Pledge.Display.ANONYMOUS,
        help_text=_(
            "Never with your amount or address. For an organisation or branch we show its name, and not yours."
        ),
        widget=forms.RadioSelect,
    )
    consent = forms.BooleanField(
        label=consent.TEXTS[consent.VERSION],
        error_messages={"required": _("Without your agreement we may not keep your pledge.")},
    )

    def __init__(self, fund: Fund, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["currency"].choices = [(code, money.currency_name(code)) for code in fund.currency_list]  # type: ignore[attr-defined]
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True

    def clean_name(self) -> str:
        return clean_name(self.cleaned_data["name"])

    def clean_organisation(self) -> str:
        return clean_name(self.cleaned_data["organisation"])

    def clean_email(self) -> str:
        return clean_address(self.cleaned_data["email"])

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if "amount" in data and "currency" in data:
            try:
                data["amount_minor"] = money.parse_amount(data.pop("amount"), data["currency"])
            except ValidationError as error:
                self.add_error("amount", error)
        if data.get("kind") in {Pledge.Kind.ORGANISATION, Pledge.Kind.BRANCH} and data.get("organisation") == "":
            self.add_error("organisation", _("Please give the name of the organisation or branch."))
        return data

    def pledge(self) -> dict[str, Any]:
        """Return what giving.pledge() takes from the form."""
        return {name: value for name, value in self.cleaned_data.items() if name not in {"amount", "consent"}}
