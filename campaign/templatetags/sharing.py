from typing import Any

from django import template
from django.urls import reverse

from campaign import sharing

register = template.Library()


@register.inclusion_tag("campaign/share.html", takes_context=True)
def share(context: template.Context, title: str) -> dict[str, Any]:
    """Links with which a reader passes this page on, and its address to copy."""
    request = context["request"]
    url = request.build_absolute_uri(request.path)
    return {"links": sharing.links(title, url), "url": url}


@register.inclusion_tag("campaign/card.html", takes_context=True)
def card(context: template.Context, title: str, description: str = "", page: str = "", kind: str = "website") -> Any:
    """
    What services show beside a link to this page (Open Graph). To stand in the block `head`.

    `page` is the page's own address, below which its picture is; the campaign's picture without one.
    """
    request = context["request"]
    site = str(context.get("campaign") or "") or sharing.site_name()
    picture = f"{page}card.png" if page else reverse("campaign:card")
    return {
        "title": title,
        "description": description,
        "kind": kind,
        "site": site,
        "url": request.build_absolute_uri(request.path),
        "picture": f"{request.build_absolute_uri(picture)}?v={sharing.card(title, site).digest}",
        "width": sharing.WIDTH,
        "height": sharing.HEIGHT,
    }
