from django import template
from django.utils.safestring import SafeString

from campaign.models import Picture
from campaign.showing import picture_tag

register = template.Library()


@register.simple_tag
def picture(row: Picture | None, sizes: str = "100vw") -> SafeString | str:
    """
    Show a published picture; nothing if there is none. `sizes` is how wide it is on the page, as in HTML.

    Reads the picture's translations: prefetch them.
    """
    return picture_tag(row, sizes) if row and row.is_published else ""
