from typing import Any

from django import template

from campaign.models import Strike
from donations import accounts, documents, giving, money
from donations.models import Fund

register = template.Library()


@register.filter
def amount(minor: int, currency: str) -> str:
    """Return an amount of the smallest unit as readers of the active language write it."""
    return money.format_amount(minor, currency)


@register.filter
def size(minor: int, currency: str) -> str:
    """Return an amount without its sign, where a word beside it says which way the money went."""
    return money.format_amount(abs(minor), currency)


@register.inclusion_tag("donations/fund_box.html", takes_context=True)
def fund_box(context: dict[str, Any], strike: Strike | None) -> dict[str, Any]:
    """Show each published fund of a strike, or of all: what is pledged, and what has arrived."""
    funds = Fund.objects.published().prefetch_related("translations")
    if strike:
        funds = funds.filter(strike=strike)
    totals = giving.totals_of(funds)
    told = accounts.shown_of(funds)
    return {"funds": [(fund, totals[fund.pk], told[fund.pk].payable) for fund in funds]}


@register.inclusion_tag("donations/how_to_give.html")
def how_to_give(strike: Strike | None) -> dict[str, Any]:
    """Show how to give to the fund of a strike, or of all, as it is at this moment."""
    return {"giving": documents.giving_to(strike)}
