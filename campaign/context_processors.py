"""What every page needs to know of the campaign."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from campaign.models import Campaign


def campaign(request: HttpRequest) -> dict[str, object]:
    """Put the campaign's one row, or None before there is one, into each template; it is read when a template asks."""
    return {"campaign": SimpleLazyObject(Campaign.objects.prefetch_related("translations").first)}
