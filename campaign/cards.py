"""The picture that services show beside a link, handed out."""

import logging

from django.http import HttpResponse
from django.utils.cache import patch_cache_control

from campaign import sharing
from campaign.cookieless import for_all_sites
from campaign.typesetting import TypesettingError

logger = logging.getLogger(__name__)
_DAY = 24 * 3600


def answer(title: str) -> HttpResponse:
    """Return the picture with this title. A page whose title changes names another address."""
    try:
        content = sharing.drawn(sharing.card(title, sharing.site_name()))
    except (sharing.Busy, TypesettingError) as error:
        logger.warning("a page's picture was not drawn: %r", error)
        return HttpResponse(status=503, headers={"Retry-After": "30", "Cache-Control": "no-store"})
    response = HttpResponse(content, content_type="image/png")
    patch_cache_control(response, public=True, max_age=_DAY)
    return for_all_sites(response)
