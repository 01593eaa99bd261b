from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _


class OrganisersConfig(AppConfig):
    name = "organisers"
    verbose_name = _("The organisers' door")

    def ready(self) -> None:
        user_logged_in.connect(import_string("organisers.sessions.begin"))
