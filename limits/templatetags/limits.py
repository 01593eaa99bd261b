"""The fields that every public form holds for the limits."""

from typing import Any

from django import template

from limits.stamping import stamp

register = template.Library()


@register.inclusion_tag("limits/fields.html", takes_context=True)
def limit_fields(context: dict[str, Any]) -> dict[str, Any]:
    """Show the stamp and the trap; a form that is shown again keeps its stamp, so that it grows older."""
    request = context.get("request")
    posted = request.POST.get("stamp", "") if request else ""
    return {"stamp": posted or stamp()}
