from django import template
from django.utils.safestring import SafeString

from campaign.markdown import render

register = template.Library()


@register.filter
def markdown(text: str) -> SafeString:
    """Render organisers' Markdown as sanitised HTML."""
    return render(text)
