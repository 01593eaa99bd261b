from typing import Any

from django import template
from django.db.models import Q, Sum

from campaign.models import Activist, Strike
from protests.models import Letter, Tally

register = template.Library()


@register.inclusion_tag("protests/open_letters.html", takes_context=True)
def open_letters(context: dict[str, Any], strike: Strike | None = None) -> dict[str, Any]:
    """Show the letters that can be signed now: those of `strike`, or all."""
    letters = Letter.objects.open().with_signed().prefetch_related("translations")
    found = letters.filter(strike=strike) if strike else letters
    return {"letters": found, "strike": strike, "mirror": context.get("mirror")}


@register.inclusion_tag("protests/sign_now.html", takes_context=True)
def sign_now(context: dict[str, Any], strike: Strike) -> dict[str, Any]:
    """Lead to the newest letter of the strike that can be signed now."""
    letters = Letter.objects.open().filter(strike=strike).with_signed().prefetch_related("translations")
    return {"letter": letters.first(), "mirror": context.get("mirror")}


@register.simple_tag
def signed_in_all(strike: Strike | None = None) -> int:
    """Return how many signatures stand under the letters of `strike`, or under all, closed ones too."""
    tallies = Tally.objects.filter(letter__in=Letter.objects.published())
    tallies = tallies.filter(letter__strike=strike) if strike else tallies
    return tallies.aggregate(signed=Sum("signed", default=0))["signed"]


@register.inclusion_tag("protests/letters_for.html", takes_context=True)
def letters_for(context: dict[str, Any], activist: Activist) -> dict[str, Any]:
    """Show the letters for one person that can be signed now; if there is none, those for all of their strike."""
    theirs = Q(activist=activist)
    if not activist.remembered:
        theirs |= Q(activist=None, strike=activist.strike_id)
    letters = Letter.objects.open().filter(theirs).with_signed().prefetch_related("translations")
    own = [letter for letter in letters if letter.activist_id == activist.pk]
    return {"activist": activist, "letters": own or letters, "own": own, "mirror": context.get("mirror")}
