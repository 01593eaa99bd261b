"""The organisers' admin site."""

from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import path
from django.utils.translation import gettext_lazy as _

from campaign.editions import new_edition
from outbox import views


class OrganisersAdminSite(AdminSite):
    site_title = _("Solidarity")
    site_header = _("Solidarity: organisers' desk")
    index_title = _("What would you like to do?")

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Wrap a page of the desk; whatever an organiser's form may have changed, readers see within seconds."""
        page = super().admin_view(view, cacheable)

        @wraps(page)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                return page(request, *args, **kwargs)
            finally:
                if request.method == "POST" and self.has_permission(request):
                    new_edition()

        return wrapped

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the apps with what organisers work on first, and the accounts last."""
        return sorted(super().get_app_list(request, app_label), key=lambda app: app["app_label"] == "auth")

    def get_urls(self) -> list[Any]:
        """Add the pages that belong to no model."""
        return [
            path("readiness/", self.admin_view(views.readiness_page), name="readiness"),
            path("readiness/trial/", self.admin_view(views.send_trial_letter), name="trial_letter"),
            *super().get_urls(),
        ]
