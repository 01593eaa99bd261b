from typing import Any

from django import template
from django.db.models import Sum

from campaign.models import Strike
from protests.models import Letter, Tally

register = template.Library()


@register.inclusion_tag("protests/open_letters.html", takes_context=True)
def open_letters(context: dict[str, Any], strike: Strike | None = None) -> dict[str, Any]:
    """Show the letters that can be signed now: those of `strike`, or all."""
    letters = Letter.objects.open().with_signed().prefetch_related("translations")
    return {"letters": letters.filter(strike=strike) if strike else letters, "strike": strike}


@register.inclusion_tag("protests/sign_now.html")
def sign_now(strike: Strike) -> dict[str, Any]:
    """Lead to the newest letter of the strike that can be signed now."""
    letters = Letter.objects.open().filter(strike=strike).with_signed().prefetch_related("translations")
    return {"letter": letters.first()}


@register.simple_tag
def signed_in_all(strike: Strike | None = None) -> int:
    """Return how many signatures stand under the letters of `strike`, or under all, closed ones too."""
    tallies = Tally.objects.filter(letter__in=Letter.objects.published())
    tallies = tallies.filter(letter__strike=strike) if strike else tallies
    return tallies.aggregate(signed=Sum("signed", default=0))["signed"]
