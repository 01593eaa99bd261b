"""`manage.py bounce_server`: takes bounces over SMTP or LMTP, in the foreground."""

import asyncio
import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from outbox.bounce_server import serve


class Command(BaseCommand):
    help = "Takes the bounces that a mail server hands on, by SMTP or LMTP. All but our own bounce addresses get 550."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on (127.0.0.1).")
        parser.add_argument("--port", type=int, default=settings.BOUNCE_PORT)
        parser.add_argument("--lmtp", action="store_true", help="Speak LMTP (RFC 2033) instead of SMTP.")

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        try:
            asyncio.run(serve(host, port, lmtp=options["lmtp"]))
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise CommandError(f"Bounces cannot be taken on {host}, port {port}: {reason}.") from error
