from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.core import checks

from config.checks import live_mail_reaches_somebody


class ConfigConfig(AppConfig):
    """Holds the commands that see every app; it has no models."""

    name = "config"

    def ready(self) -> None:
        checks.register(live_mail_reaches_somebody)


class OrganisersAdminConfig(admin_apps.AdminConfig):
    """Django's admin with the organisers' own site."""

    default = False  # "config" in INSTALLED_APPS means ConfigConfig
    default_site = "config.admin.OrganisersAdminSite"
