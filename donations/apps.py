from django.apps import AppConfig
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from donations import triggers
from privacy import holding


class DonationsConfig(AppConfig):
    name = "donations"
    verbose_name = _("Donations")

    def ready(self) -> None:
        holding.register(self.name, import_string("donations.persons.HOLDER"))
        triggers.BOOKS.connect(self)
