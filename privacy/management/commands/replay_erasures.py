"""manage.py replay_erasures: after a restore, erase again whoever was erased since the backup."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from privacy import erasing


class Command(BaseCommand):
    help = (
        "Erases again everybody whom the file VAR_DIR/erasures names, in all rows from before their erasure. "
        "Run it after the database was restored, before anybody reads the site. Twice does no harm."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        people, bad = erasing.recorded()
        rows = erasing.replay()
        self.stdout.write(f"{len(people)} people were erased before; {rows} rows of theirs were erased again.")
        if bad:
            raise CommandError(f"{bad} lines of {settings.ERASURES} could not be read: whose they are is lost.")
