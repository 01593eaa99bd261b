"""`manage.py take_bounces`: takes the bounces in a maildir, or one on standard input."""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError

from outbox import bounces


class Command(BaseCommand):
    help = "Takes the bounces in a maildir (--maildir DIR), or one message on standard input (-)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("stdin", nargs="?", choices=["-"], help="Read one message, as a mail server pipes it.")
        source.add_argument("--maildir", type=Path, metavar="DIR", help="Take what is in DIR/new, move it to DIR/cur.")
        parser.add_argument(
            "--to", default="", metavar="ADDRESS", help="With -: the envelope's recipient, if the headers lack it."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["maildir"]:
            self.take_all(options["maildir"])
        else:
            content = sys.stdin.buffer.read(bounces.LIMIT)
            while sys.stdin.buffer.read(64 * 1024):
                pass  # a pipe that is closed too early is an error to the mail server
            take_one(content, options["to"])

    def take_all(self, maildir: Path) -> None:
        """Take each message in new/, oldest name first, then move it to cur/. What cannot be taken stays in new/."""
        new, cur = maildir / "new", maildir / "cur"
        if not new.is_dir():
            raise CommandError(f"{maildir} is no maildir: it has no folder new/.", returncode=os.EX_NOINPUT)
        cur.mkdir(exist_ok=True)
        counts: Counter[str] = Counter()
        for path in sorted(path for path in new.iterdir() if not path.name.startswith(".")):
            try:
                with path.open("rb") as file:
                    outcome = bounces.take(file.read(bounces.LIMIT))
                path.rename(cur / f"{path.name.partition(':')[0]}:2,S")
            except FileNotFoundError:
                continue  # another run was quicker
            except bounces.NotYet:
                counts["left for the next time"] += 1
                continue
            except DatabaseError as error:
                raise CommandError(
                    f"The database does not answer ({type(error).__name__}). What is left stays in {new}.",
                    returncode=os.EX_TEMPFAIL,
                ) from error
            counts[outcome.value] += 1
        self.stdout.write("\n".join(f"{count} {words}" for words, count in sorted(counts.items())) or "Nothing new.")


def take_one(content: bytes, rcpt_to: str) -> None:
    """
    Take one message. Raises CommandError with EX_TEMPFAIL (sysexits.h) if it has to come again.

    A forged one ends well, too: an error would make the mail server bounce it to whoever was named as its sender.
    """
    try:
        bounces.take(content, rcpt_to)
    except Exception as error:
        raise CommandError(
            f"It cannot be recorded just now ({type(error).__name__}).", returncode=os.EX_TEMPFAIL
        ) from error
