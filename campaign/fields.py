"""Form fields for what visitors type, cleaned before it is measured."""

from typing import Any

from django import forms

from privacy.typed import clean_address, clean_name, clean_text


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
