from django import template

from campaign import countries

register = template.Library()


@register.filter
def country_name(code: str) -> str:
    """Return the name of the country in the reader's language."""
    return countries.country_name(code)
