"""A picture as it stands on a page."""

from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaign.models import Picture


def picture_tag(picture: Picture, sizes: str, *, alt: str = "", site: str = "") -> SafeString:
    """Return the picture in its sizes, of which a browser loads one by `sizes`: how wide it is shown, as in HTML."""
    *_smaller, largest = versions = picture.versions
    return format_html(
        '<img src="{}" srcset="{}" sizes="{}" width="{}" height="{}" alt="{}" loading="lazy" decoding="async">',
        site + versions[0].url,
        ", ".join(f"{site}{version.url} {version.width}w" for version in versions),
        sizes,
        largest.width,
        largest.height,
        alt or picture.safe_translation_getter("alt", any_language=True),
    )
