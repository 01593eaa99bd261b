from django import template
from django.utils.safestring import SafeString

from campaign.markdown import Opening, render
from campaign.markdown import opening as opening_of

register = template.Library()


@register.filter
def markdown(text: str) -> SafeString:
    """Render organisers' Markdown as sanitised HTML."""
    return render(text)


@register.filter
def opening(text: str) -> Opening:
    """Return the first paragraphs of long Markdown as `.html`, and as `.goes_on` whether there is more."""
    return opening_of(text)
