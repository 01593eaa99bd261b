from django.apps import AppConfig
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from privacy import holding
from protests import triggers


class ProtestsConfig(AppConfig):
    name = "protests"
    verbose_name = _("Protests")

    def ready(self) -> None:
        holding.register(self.name, import_string("protests.persons.HOLDER"))
        triggers.LOG.connect(self)
