from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ProtestsConfig(AppConfig):
    name = "protests"
    verbose_name = _("Protests")
