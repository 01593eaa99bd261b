"""Import a bank's statement file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.formats import date_format

from donations import importing
from donations.models import BankAccount
from donations.statements.items import StatementError


class Command(BaseCommand):
    help = (
        "Import a bank's file: CAMT.053, MT940 or CSV. All of its statements are booked, or none. Importing it again, "
        "or another that overlaps with it, books only what is new."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--account", metavar="IBAN", help="the account, if the file does not tell it, as many CSV do not"
        )

    def handle(self, *args: Any, file: Path, account: str | None, **options: Any) -> None:
        self.ticking = options["verbosity"] > 0 and self.stderr.isatty()
        try:
            with file.open("rb") as opened:
                chosen = self._account(account) if account else importing.account_of(opened)
                reports = importing.import_file(opened, chosen, by=None, name=file.name, progress=self._tick)
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}") from error
        except StatementError as error:
            where = f", line {error.line}" if error.line else ""
            raise CommandError(f"Nothing was imported from {file.name}{where}: {error}") from error
        finally:
            if self.ticking:
                self.stderr.write("")
        for report in reports:
            self._tell(report)

    def _account(self, iban: str) -> BankAccount:
        compact = "".join(iban.split()).upper()
        if found := importing.account_with(compact):
            return found
        known = ", ".join(sorted({account.iban for account in importing.takes_statements()})) or "none"
        raise CommandError(f"No account has the IBAN {compact}. Known: {known}.")

    def _tick(self, step: str, lines: int) -> None:
        if self.ticking:
            self.stderr.write(f"\r{'Reading' if step == 'read' else 'Booking'}: {lines} lines", ending="")

    def _tell(self, report: importing.Report) -> None:
        days = " to ".join(date_format(day, "Y-m-d") for day in (report.from_on, report.to_on) if day)
        title = " ".join(part for part in (report.reference, days, report.currency) if part)
        self.stdout.write(
            f"{title}: {report.read} lines read: {report.new} new, {report.known} known already, "
            f"{report.rejected} rejected."
        )
        for reason, count in report.reasons.items():
            places = [str(example.at) for example in report.examples if example.reason == reason]
            more = " ..." if len(places) < count else ""
            self.stdout.write(f"  rejected, {reason}: {count} (line {', '.join(places)}{more})")
