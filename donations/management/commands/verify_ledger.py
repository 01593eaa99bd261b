"""`manage.py verify_ledger`: whether the ledger's chain is whole, and the books are as it tells."""

import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from donations import ledger


class Command(BaseCommand):
    help = "Checks the hash chain and every posted row against it, names each fault, and ends with 1 if there is one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--head",
            metavar="NUMBER:HASH",
            help="What an earlier run printed, which the chain must still hold: else an end cut off cannot be seen.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        faults = ledger.verify(_head(options["head"]))
        for fault in faults:
            self.stdout.write(fault)
        if faults:
            raise CommandError(_("Faults: %(count)d.") % {"count": len(faults)})
        self.stdout.write(
            _("The books are as the ledger tells. Note where it ends: %(head)s") % {"head": ledger.head()}
        )


def _head(text: str | None) -> ledger.Head | None:
    if text is None:
        return None
    if not (found := re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text.strip())):
        raise CommandError(
            _("--head takes a number, a colon and 64 hexadecimal digits, as an earlier run printed them.")
        )
    return ledger.Head(int(found[1]), found[2])
