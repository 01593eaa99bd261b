"""What every page needs to know of the campaign."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language

from campaign.editions import remembered
from campaign.models import Campaign

# Where config.mirroring says that the page is for a copy of the site.
MIRROR = "solidarity.mirror"


def campaign(request: HttpRequest) -> dict[str, object]:
    """Put the campaign's one row, or None before there is one, into each template; it is read when a template asks."""
    key = ("campaign", get_language())
    found = Campaign.objects.prefetch_related("translations")
    return {
        "campaign": SimpleLazyObject(lambda: remembered(request, key, found.first)),
        "mirror": request.META.get(MIRROR, False),
    }
