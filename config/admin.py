"""The organisers' admin site."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _


class OrganisersAdminSite(AdminSite):
    site_title = _("Solidarity")
    site_header = _("Solidarity: organisers' desk")
    index_title = _("What would you like to do?")

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the apps with what organisers work on first, and the accounts last."""
        return sorted(super().get_app_list(request, app_label), key=lambda app: app["app_label"] == "auth")
