from typing import Any

from django import template

from campaign import charting
from campaign.models import Strike

register = template.Library()


@register.inclusion_tag("campaign/labour.html")
def month_of_labour(strike: Strike) -> dict[str, Any]:
    """Draw what a month's labour is worth and who gets it, if the strike tells."""
    labour = getattr(strike, "labour", None)
    return {"labour": labour, "picture": labour and charting.of(labour)}
