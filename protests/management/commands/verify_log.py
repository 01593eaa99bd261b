"""`manage.py verify_log`: whether the public log of accepted letters is whole, and as its heads were signed."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from protests import proving


class Command(BaseCommand):
    help = "Checks the log of accepted letters and its signed heads, names each fault, and ends with 1 if there is one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--new-key",
            action="store_true",
            help="Say that LETTER_LOG_KEY was changed on purpose: today's head is signed with the new one.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["new_key"] and proving.sign_head(new_key=True):
            self.stdout.write(_("Signed with the new key: %(key)s") % {"key": proving.public_key()})
        faults = proving.verify()
        for fault in faults:
            self.stdout.write(fault)
        if faults:
            raise CommandError(_("Faults: %(count)d.") % {"count": len(faults)})
        entries, last_hash = proving.end()
        self.stdout.write(
            _("The log is whole. Note where it ends: %(entries)d:%(hash)s") % {"entries": entries, "hash": last_hash}
        )
        if head := proving.newest_head():
            values = {"entries": head.entries, "day": head.day, "key": head.public_key}
            self.stdout.write(_("Signed up to entry %(entries)d on %(day)s with the key %(key)s") % values)
