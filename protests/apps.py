from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from protests import triggers


class ProtestsConfig(AppConfig):
    name = "protests"
    verbose_name = _("Protests")

    def ready(self) -> None:
        triggers.LOG.connect(self)
