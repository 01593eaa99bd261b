from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaign.models import Picture

register = template.Library()


@register.simple_tag
def picture(row: Picture | None, sizes: str = "100vw") -> SafeString | str:
    """
    Show a published picture; nothing if there is none. `sizes` is how wide it is on the page, as in HTML.

    Reads the picture's translations: prefetch them.
    """
    if row is None or not row.is_published:
        return ""
    *_smaller, largest = versions = row.versions
    return format_html(
        '<img src="{}" srcset="{}" sizes="{}" width="{}" height="{}" alt="{}" loading="lazy" decoding="async">',
        versions[0].url,
        ", ".join(f"{version.url} {version.width}w" for version in versions),
        sizes,
        largest.width,
        largest.height,
        row.safe_translation_getter("alt", any_language=True),
    )
