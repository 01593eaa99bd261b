"""`manage.py restore FILE --key KEY`: puts a backup in the place of the database."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.utils.translation import gettext as _

from config import backing_up
from config.backing_up import BackupError
from privacy.sealing import SealError, read_key


class Command(BaseCommand):
    help = (
        "Checks a backup to its last byte, puts it in the place of the database in one transaction, pauses all mail, "
        "migrates, and erases again who was erased since. Stop web, worker and beat before."
    )
    # The database may be empty, or of another version.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--key", type=Path, required=True, help="The file with the private key; it is not kept.")
        parser.add_argument("--replace", action="store_true", help="Delete what is in the database now.")
        parser.add_argument("--yes", action="store_true", help="Do not ask.")
        parser.add_argument("--check", action="store_true", help="Only check that the backup is whole and opens.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            key = read_key(options["key"])
            backup = backing_up.look(options["file"], key, tell=self.stdout.write)
            if options["check"]:
                self.stdout.write(_("The backup is whole."))
                return
            if not options["replace"] and not backing_up.is_empty():
                raise BackupError(_("The database is not empty. --replace deletes what is in it. Nothing was changed."))
            if not options["yes"]:
                self._ask(backup)
            faults = backing_up.restore(backup, tell=self.stdout.write)
        except (BackupError, SealError, OSError) as error:
            raise CommandError(str(error)) from error
        for fault in faults:
            self.stdout.write(fault)
        self.stdout.write(
            _(
                "Restored. All mail is paused: settle what is in doubt, then run `manage.py resume_mail`; see "
                "“Backups” in docs/operators.md."
            )
        )
        if faults:
            raise CommandError(_("The books or the log of letters are not as they should be: see above."))

    def _ask(self, backup: backing_up.Backup) -> None:
        database = connection.settings_dict["NAME"]
        self.stdout.write(
            _("The database %(database)s of %(site)s is replaced by what it was at %(made_at)s.")
            % {"database": database, "site": settings.BASE_URL, "made_at": backup.made_at.isoformat()}
        )
        if input(_("Type “restore” to go on: ")).strip() != "restore":
            raise CommandError(_("Nothing was changed."))
