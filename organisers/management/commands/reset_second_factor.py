"""`manage.py reset_second_factor NAME`: for the operator, when no owner can help."""

from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from organisers import auditing, leaving


class Command(BaseCommand):
    help = "Removes an organiser's second factors and ends the sessions; the next login sets up a new one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the name that the organiser logs in with")

    def handle(self, *args: Any, **options: Any) -> None:
        user = get_user_model().objects.filter(username=options["name"]).first()
        if user is None:
            raise CommandError("There is no organiser of this name.")
        with auditing.recording(None, "manage.py reset_second_factor"):
            removed = leaving.reset_second_factor(user)
        LogEntry.objects.log_actions(user.pk, [user], CHANGE, "Second factor reset by the operator, on the server.")
        self.stdout.write(
            f"Removed {removed} second factor(s) and all recovery codes, and ended all sessions. Whoever logs in next "
            "with this name and its password sets up a new one: be sure that it is the person."
        )
