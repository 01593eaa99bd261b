from typing import Any

from django import template

from config.help import HELP, Text
from outbox.deciding import Step, User, next_step

register = template.Library()


@register.simple_tag
def help_on_list(opts: Any) -> Text:
    """Return what stands on top of a model's list."""
    return HELP[opts.label_lower].on_list if opts.label_lower in HELP else ""


@register.simple_tag
def help_on_form(opts: Any) -> Text:
    """Return what stands on top of the page of one row."""
    return HELP[opts.label_lower].on_form if opts.label_lower in HELP else ""


@register.inclusion_tag("admin/next_step.html")
def next_of_the_first_steps(user: User) -> dict[str, Step | None]:
    """Lead on to the first of the first steps that is not done, while a site is new."""
    return {"step": next_step(user)}
