"""manage.py purge: delete personal data that is past its date."""

from typing import Any

from django.core.management.base import BaseCommand

from privacy.purging import purge


class Command(BaseCommand):
    help = "Deletes personal data that is past its date, as the registry says, and prints how much."

    def handle(self, *args: Any, **options: Any) -> None:
        for name, count in purge().items():
            if count:
                self.stdout.write(f"{count:8} {name}")
        self.stdout.write("Purged.")
