from django.apps import AppConfig
from django.core import checks
from django.utils.translation import gettext_lazy as _

from privacy.checks import every_column_is_declared


class PrivacyConfig(AppConfig):
    name = "privacy"
    verbose_name = _("Privacy")

    def ready(self) -> None:
        checks.register(every_column_is_declared, checks.Tags.models)
