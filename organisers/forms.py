"""What is typed at the organisers' door."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import BaseUserCreationForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from organisers import inviting, lockout
from organisers.models import Factor, Invitation


class LoginForm(AdminAuthenticationForm):
    locked = False

    def clean(self) -> dict[str, Any]:
        name, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not (name and password and self.request):
            return self.cleaned_data
        try:
            with lockout.attempt(self.request, name, Factor.PASSWORD):
                super().clean()
        except lockout.Locked as locked:
            self.locked = True
            raise ValidationError(str(locked.message), code="locked") from locked
        return self.cleaned_data


class CodeForm(forms.Form):
    code = forms.CharField(
        label=_("Code"),
        max_length=40,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
        ),
    )


class AccountForm(BaseUserCreationForm):
    """The name and the password that an invited person chooses."""

    class Meta(BaseUserCreationForm.Meta):
        model = get_user_model()
        fields = ("username",)


class InvitationForm(forms.ModelForm):
    email = forms.EmailField(label=_("E-mail address"), max_length=254)

    language = forms.ChoiceField(label=_("Language of the mail"), choices=settings.LANGUAGES)

    class Meta:
        model = Invitation
        fields = ("email", "roles", "language")

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if inviting.is_taken(email):
            raise ValidationError(_("An organiser with this address has an account already."))
        return email
