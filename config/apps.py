from typing import Any

from django.apps import AppConfig, apps
from django.contrib.admin import apps as admin_apps
from django.core import checks
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.module_loading import import_string

from config.checks import live_mail_reaches_somebody
from config.upgrading import refuse_half_way


class ConfigConfig(AppConfig):
    """Holds the commands that see every app; it has no models."""

    name = "config"

    def ready(self) -> None:
        checks.register(live_mail_reaches_somebody)
        pre_migrate.connect(refuse_half_way, sender=apps.get_app_config("contenttypes"))  # one of those with models
        *_others, last = apps.get_app_configs()
        post_migrate.connect(_make_groups, sender=last)


def _make_groups(sender: Any, **kwargs: Any) -> None:
    # Found only now: the module imports models, which this one must not before the apps are loaded.
    import_string("config.roles.make_groups")(sender, **kwargs)


class OrganisersAdminConfig(admin_apps.AdminConfig):
    """Django's admin with the organisers' own site."""

    default = False  # "config" in INSTALLED_APPS means ConfigConfig
    default_site = "config.admin.OrganisersAdminSite"
