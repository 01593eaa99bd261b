from django import template

from donations import reconciling

register = template.Library()


@register.simple_tag
def waiting_lines() -> reconciling.Waiting:
    """Return how many bank lines wait for somebody's word, and since when."""
    return reconciling.work()
