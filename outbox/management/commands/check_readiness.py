"""`manage.py check_readiness`: whether the campaign can go live, and what to do first."""

from textwrap import TextWrapper
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from outbox.readiness import BEFORE_SENDING, RUNNING, Level, Result, blocked, run

WIDTH = 100


class Command(BaseCommand):
    help = "Prints how each thing stands that mail needs, and what to do. Ends with 1 if a blocking one fails."
    # A key that cannot be used is one of the things to be told of here.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        results = run((*BEFORE_SENDING, *RUNNING))
        self.stdout.write(_("Live: mail leaves this machine.") if settings.MAIL_LIVE else _("Sandbox."))
        names = max(len(result.name) for result in results)
        levels = max(len(str(level.label)) for level in Level)
        for result in results:
            self.stdout.write(lines(result, names, levels))
        if stopped := blocked(results):
            raise CommandError(_("Not ready: %(names)s.") % {"names": ", ".join(result.name for result in stopped)})


def lines(result: Result, names: int, levels: int) -> str:
    """Return the result in columns of these widths."""
    finding = result.finding
    indent = " " * (names + levels + 4)
    says = TextWrapper(WIDTH, initial_indent="", subsequent_indent=indent, break_long_words=False)
    first = f"{result.name:<{names}}  {finding.level.label!s:<{levels}}  {finding.says}"
    if not finding.to_do:
        return says.fill(first)
    return f"{says.fill(first)}\n{indent}→ {finding.to_do}"
