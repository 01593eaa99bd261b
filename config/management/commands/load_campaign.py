"""Load a campaign from a folder of text files."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.folder import CampaignFolderError
from config.loading import load


class Command(BaseCommand):
    help = (
        "Load a campaign from a folder of TOML and Markdown files (docs/campaign-folder.md). Loading again is harmless."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR", help="the folder, for example demo")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        try:
            report = load(folder)
        except CampaignFolderError as error:
            raise CommandError(f"Nothing was changed. To put right in {folder}:\n{error}") from error
        except OSError as error:
            raise CommandError(f"Nothing was changed: {error}") from error
        self.stdout.write(str(report))
        if report.changed_nothing:
            self.stdout.write("Nothing had to be changed: the database says what the folder says.")
