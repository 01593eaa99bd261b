from django import template

from campaign.models import Activist

register = template.Library()


@register.filter
def initials(activist: Activist) -> str:
    """Return the first letters of the first and the last word of the name, for where there is no portrait."""
    words = [letters for word in activist.name.split() if (letters := [sign for sign in word if sign.isalpha()])]
    return "".join(letters[0].upper() for letters in (words[:1] if len(words) < 2 else (words[0], words[-1])))
