"""`manage.py backup FILE`: writes all that the program keeps into one file that only the operator's key opens."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config import backing_up


class Command(BaseCommand):
    help = "Writes database and media into one file, sealed to BACKUP_KEY, while the program runs. Keys are not in it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="A new file, or a folder: the file then gets its date as its name.")
        parser.add_argument(
            "--keep",
            type=int,
            metavar="N",
            help="Afterwards delete this site's older backups in that folder, until N are left.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["keep"] is not None and options["keep"] < 1:
            raise CommandError("--keep takes a number from 1 on.")
        try:
            backing_up.back_up(options["file"], keep=options["keep"], tell=self.stdout.write)
        except backing_up.BackupError as error:
            raise CommandError(str(error)) from error
