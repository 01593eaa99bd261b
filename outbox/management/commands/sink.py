"""`manage.py sink`: the sandbox's mail server, in the foreground."""

import asyncio
import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from outbox.sink import serve


class Command(BaseCommand):
    help = "Catches all mail of a sandbox on SINK_PORT, and keeps it in VAR_DIR/mailbox/."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=settings.SINK_PORT)

    def handle(self, *args: Any, **options: Any) -> None:
        port = options["port"]
        try:
            asyncio.run(serve(port))
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise CommandError(f"The mail sink cannot listen on port {port}: {reason}.") from error
