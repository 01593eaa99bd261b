"""What every page needs to know of the campaign."""

from django.http import HttpRequest

from campaign.models import Campaign


def campaign(request: HttpRequest) -> dict[str, object]:
    """Put the campaign's one row, or None before there is one, into each template."""
    return {"campaign": Campaign.objects.prefetch_related("translations").first()}
