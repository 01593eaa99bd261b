"""manage.py purge: delete personal data that is past its date."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from privacy import clock, purging
from privacy.models import PurgeRun


class Command(BaseCommand):
    help = (
        "Deletes personal data that is past its date, as the registry says, and prints how much. "
        "It may be stopped at any time, and goes on where it was; two at once do no harm."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--clock-is-right",
            action="store_true",
            help="go on although the clock is more than 48 hours away from the last time that is known",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["clock_is_right"]:
            clock.is_right()
        try:
            done = purging.run(tell=self.stdout.write)
        except purging.ClockDoubted as doubt:
            raise CommandError(
                f"{doubt} Set the clock right. If it is right: manage.py purge --clock-is-right"
            ) from doubt
        for name, count in sorted(done.items()):
            self.stdout.write(f"{count:8} {name}")
        run = PurgeRun.objects.get(kind=PurgeRun.Kind.DAILY)
        if run.failed:
            raise CommandError(f"{run.failed} rows could not be purged. The first: {run.failure}.")
        self.stdout.write("Purged.")
