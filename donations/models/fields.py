"""Columns that take no wrong code, and no account number where none belongs."""

import re
import unicodedata
from html import unescape
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from schwifty import BIC, IBAN
from schwifty.exceptions import SchwiftyException

currency_code = RegexValidator(r"^[A-Z]{3}\Z", _("Three capital letters, as in ISO 4217: EUR, GBP, SEK."))


def validate_iban(text: str) -> None:
    """Refuse an IBAN (ISO 13616) with wrong check digits, or of a shape that its country does not have."""
    try:
        IBAN(text)
    except SchwiftyException as error:
        raise ValidationError(_("This is no valid IBAN. Please compare it with the bank's paper.")) from error


def validate_bic(text: str) -> None:
    """Refuse what is no BIC (ISO 9362)."""
    try:
        BIC(text)
    except SchwiftyException as error:
        raise ValidationError(_("This is no valid BIC. It has 8 or 11 letters and digits.")) from error


class CompactField(models.CharField):
    """A code that people type in groups and in any case, and that is stored in capitals without blanks."""

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return "".join(value.split()).upper() if value else value

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"max_length": 2 * (self.max_length or 0), **kwargs})


# Whatever stands between its characters: blanks, dots, dashes, the marks of Markdown.
_IBAN_WITHIN = re.compile(r"(?=([A-Z](?:S[A-Z])(?:S[0-9]){2}(?:S[A-Z0-9]){11,30}))".replace("S", "[^A-Z0-9]{0,4}"))
# Cyrillic and Greek capitals that look like Latin ones.
_LOOK_ALIKES = str.maketrans("АВЕКМНОРСТХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEKMHOPCTXIJSABEZHIKMNOPTYX")


def iban_in(text: str) -> str:
    """Return the valid IBAN that a reader would find in a text, however it is spelt; empty if there is none."""
    plain = unicodedata.normalize("NFKC", unescape(text)).upper().translate(_LOOK_ALIKES)
    plain = "".join(str(unicodedata.decimal(c, c)) for c in plain if unicodedata.category(c) != "Cf")
    for found in _IBAN_WITHIN.finditer(plain):
        typed = re.sub(r"[^A-Z0-9]", "", found[1])
        for length in range(15, len(typed) + 1):
            if IBAN(typed[:length], allow_invalid=True).is_valid:
                return typed[:length]
    return ""


def without_iban(text: str) -> None:
    """Refuse a text with a valid IBAN in it: an account that donors see is proposed and approved by two."""
    if found := iban_in(text):
        raise ValidationError(
            _("%(iban)s is an account number. Donors are told one in one place only: propose it as an account."),
            params={"iban": found},
        )
