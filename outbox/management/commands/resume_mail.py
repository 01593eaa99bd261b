"""`manage.py resume_mail`: lets mail leave again after a backup was restored."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from outbox.models import Heartbeat, queues


class Command(BaseCommand):
    help = "Lets mail leave again after a backup was restored. What is in doubt waits for an organiser all the same."

    def handle(self, *args: Any, **options: Any) -> None:
        if not Heartbeat.objects.filter(name=Heartbeat.RESTORED).delete()[0]:
            self.stdout.write(_("Mail was not paused."))
            return
        doubtful = sum(queue._default_manager.in_doubt().count() for queue in queues())
        self.stdout.write(_("Mail leaves again. In doubt: %(count)d, which organisers settle.") % {"count": doubtful})
