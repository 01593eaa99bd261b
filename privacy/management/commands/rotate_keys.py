"""`manage.py rotate_keys`: brings every encrypted text under the newest of PRIVACY_KEYS."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from privacy import rotating
from privacy.rotating import Counts


class Command(BaseCommand):
    help = (
        "Encrypts anew, under the first of PRIVACY_KEYS, what was encrypted under an older one, while the program "
        "runs. Can be stopped and run again at any time. Ends with 1 while a text is under an older key, or under none."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--count", action="store_true", help="Only say how many there are under which key.")

    def handle(self, *args: Any, **options: Any) -> None:
        total = rotating.rotate(only_count=options["count"], tell=self._tell)
        self._tell(_("All"), total)
        if total.unreadable:
            self.stderr.write(
                _(
                    "%(count)d texts can be read with none of PRIVACY_KEYS, and were left as they are: their key is "
                    "missing. If you find it, put it last and run this again."
                )
                % {"count": total.unreadable}
            )
        if total.older:
            raise CommandError(
                _("%(count)d texts still use an older key. Keep all keys, and run this again.") % {"count": total.older}
            )
        if total.unreadable:
            raise CommandError(_("Some texts could not be read."))
        if len(settings.PRIVACY_KEYS) > 1:
            self.stdout.write(
                _(
                    "No text uses an older key. Once every process was started with the new one, run this again; if it "
                    "says the same, take the older keys out of PRIVACY_KEYS. Keep them as long as a backup made before "
                    "today."
                )
            )

    def _tell(self, name: str, counts: Counts) -> None:
        self.stdout.write(
            _(
                "%(name)s: %(newest)d under the newest key, %(rotated)d brought under it, %(older)d under an older "
                "one, %(unreadable)d unreadable"
            )
            % {"name": name, **vars(counts)}
        )
