from typing import Any

from django import template
from django.contrib import admin
from django.urls import reverse
from django.utils.http import urlencode

from config.help import HELP, Text
from organisers.models import AuditEntry
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


@register.simple_tag(takes_context=True)
def record_of(context: dict[str, Any], row: Any) -> str:
    """Return where the record tells of a row, for those who may read it; else nothing."""
    if row is None or isinstance(row, AuditEntry):
        return ""
    if not admin.site.get_model_admin(AuditEntry).has_view_permission(context["request"]):
        return ""
    query = urlencode({"model": row._meta.concrete_model._meta.label_lower, "object_id": row.pk})
    return f"{reverse('admin:organisers_auditentry_changelist')}?{query}"
