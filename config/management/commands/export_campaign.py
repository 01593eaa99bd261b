"""Write the campaign to a folder of text files."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.exporting import export
from config.folder import CampaignFolderError
from config.loading import check


class Command(BaseCommand):
    help = "Write the campaign to a folder of text files (docs/campaign-folder.md), as load_campaign reads them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR", help="the folder, which must be new or empty")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        try:
            files, warnings = export(folder)
        except FileExistsError as error:
            raise CommandError(f"Nothing was written: {folder} is there already, and not empty.") from error
        except OSError as error:
            raise CommandError(f"Nothing was written: {error}") from error
        self.stdout.write(f"{files} files are in {folder}.")
        for warning in warnings:
            self.stderr.write(self.style.WARNING(warning))
        try:
            check(folder)
        except CampaignFolderError as error:
            raise CommandError(f"Before {folder} can be loaded, this is to be put right:\n{error}") from error
