from typing import Any

from django import template

from config.help import HELP, Text

register = template.Library()


@register.simple_tag
def help_on_list(opts: Any) -> Text:
    """Return what stands on top of a model's list."""
    return HELP[opts.label_lower].on_list if opts.label_lower in HELP else ""


@register.simple_tag
def help_on_form(opts: Any) -> Text:
    """Return what stands on top of the page of one row."""
    return HELP[opts.label_lower].on_form if opts.label_lower in HELP else ""
