from django.apps import AppConfig
from django.core import checks
from django.utils.module_loading import autodiscover_modules, import_string
from django.utils.translation import gettext_lazy as _


class OutboxConfig(AppConfig):
    name = "outbox"
    verbose_name = _("Outgoing mail")

    def ready(self) -> None:
        # Here, because the modules of queues import models, which this module must not before the apps are loaded.
        for check in ("every_queue_has_a_composer", "every_queue_has_a_bounce_address"):
            checks.register(import_string(f"outbox.checks.{check}"), checks.Tags.models)
        checks.register(import_string("outbox.checks.every_dkim_key_is_usable"), checks.Tags.security)
        # Each app's modules of these names register what composes its queues, what chooses from them, what to look at
        # before going live, and what waits for organisers.
        autodiscover_modules("emails", "pacing", "readiness", "decisions")
