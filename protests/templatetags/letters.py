from typing import Any

from django import template

from campaign.models import Strike
from protests.models import Letter

register = template.Library()


@register.inclusion_tag("protests/open_letters.html", takes_context=True)
def open_letters(context: dict[str, Any], strike: Strike | None = None) -> dict[str, Any]:
    """Show the letters that can be signed now: those of `strike`, or all."""
    letters = Letter.objects.open().with_signed().prefetch_related("translations")
    return {"letters": letters.filter(strike=strike) if strike else letters}
