"""`manage.py verify_audit`: whether the record of what organisers did is whole."""

import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from organisers import auditing


class Command(BaseCommand):
    help = "Checks the hash chain of what organisers did, names each fault, and ends with 1 if there is one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--head",
            metavar="HASH",
            default="",
            help="What an earlier run printed, which the chain must still hold: else an end cut off cannot be seen.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["head"] and not re.fullmatch(r"[0-9a-f]{64}", options["head"]):
            raise CommandError(_("--head takes 64 hexadecimal digits, as an earlier run printed them."))
        faults = auditing.verify(options["head"])
        for fault in faults:
            self.stdout.write(fault)
        if faults:
            raise CommandError(_("Faults: %(count)d.") % {"count": len(faults)})
        entries, last_hash = auditing.end()
        told = {"entries": entries, "hash": last_hash}
        self.stdout.write(_("The record is whole: %(entries)d entries. Note where it ends: %(hash)s") % told)
