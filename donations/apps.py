from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from donations import triggers
from privacy import holding


class DonationsConfig(AppConfig):
    name = "donations"
    verbose_name = _("Donations")

    def ready(self) -> None:
        holding.register(self.name, import_string("donations.persons.HOLDER"))
        pre_migrate.connect(triggers.drop_before, sender=self)
        post_migrate.connect(triggers.create, sender=self)
