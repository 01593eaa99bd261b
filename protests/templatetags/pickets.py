from typing import Any

from django import template
from django.db.models import F

from campaign.countries import country_name
from campaign.models import Strike
from protests.models import Picket

SHOWN = 6
register = template.Library()
register.filter("country_name", country_name)


@register.inclusion_tag("protests/pickets_of.html", takes_context=True)
def pickets_of(context: dict[str, Any], strike: Strike | None = None) -> dict[str, Any]:
    """Show some protests in the street, those to come before the newest of the past: for `strike`, or of all."""
    pickets = Picket.objects.published().prefetch_related("translations")
    chosen = pickets.filter(strike=strike) if strike else pickets
    return {"pickets": chosen.order_by(F("starts_at").desc(nulls_first=True), "-pk")[:SHOWN]}


@register.inclusion_tag("protests/picket_now.html")
def picket_now(strike: Strike | None = None) -> dict[str, Any]:
    """Name the places of a few protests in the street: those for `strike`, or of all."""
    pickets = Picket.objects.published().prefetch_related("translations")
    chosen = pickets.filter(strike=strike) if strike else pickets
    return {"pickets": chosen.order_by(F("starts_at").desc(nulls_first=True), "-pk")[:SHOWN]}
