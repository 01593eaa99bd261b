"""Write a copy of the public site as files."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.mirroring import MirrorError, export


class Command(BaseCommand):
    help = "Write a copy of the public site as files, to be signed elsewhere (docs/mirrors.md)."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # Django's own --version would tell that of Django.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR", help="a new folder, or one that holds a mirror")
        parser.add_argument("--version", type=int, metavar="N", help="of the mirror; else one more than the last")

    def handle(self, *args: Any, folder: Path, version: int | None = None, verbosity: int = 1, **options: Any) -> None:
        if version is not None and version < 1:
            raise CommandError("The version is a number from 1 on.")
        is_watched = verbosity and self.stderr.isatty()

        def show(done: int, waiting: int) -> None:
            if is_watched and done % 20 == 0:
                self.stderr.write(f"\r{done:,} read, {waiting:,} ahead   ", ending="")

        try:
            made = export(folder, version, show)
        except (MirrorError, OSError) as error:
            raise CommandError(f"No mirror was written. {error}") from error
        finally:
            if is_watched:
                self.stderr.write("\r" + " " * 40 + "\r", ending="")
        if not verbosity:
            return
        manifest = made.manifest
        self.stdout.write(
            f"{made.files:,} files, {made.size / 2**20:.1f} MB, are in {folder}: version {manifest['version']}."
        )
        self.stdout.write(
            f"It is good until {manifest['expires_on']}, and not signed yet: tools/sign_mirror.py sign DIR"
        )
        for account in manifest["accounts"]:
            self.stdout.write(f"Gifts go to: {account['holder']}, {account['iban']} {account['bic']}")
        if others := ", ".join(manifest["other_numbers"]):
            self.stdout.write(f"Account numbers in its pages that are not for gifts: {others}")
