from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from donations import triggers


class DonationsConfig(AppConfig):
    name = "donations"
    verbose_name = _("Donations")

    def ready(self) -> None:
        triggers.BOOKS.connect(self)
