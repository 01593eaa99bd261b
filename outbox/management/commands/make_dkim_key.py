"""`manage.py make_dkim_key SELECTOR`: a new key to sign mail with, and the DNS record that belongs to it."""

import os
import re
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from outbox.dkim_signing import Signer, load

RSA_BITS = 2048
SELECTOR = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.IGNORECASE)
# A TXT record is made of strings of at most 255 bytes (RFC 1035, 3.3.14).
LONGEST_STRING = 255


class Command(BaseCommand):
    help = "Makes a DKIM key in a file that is yours alone, and prints the DNS record to publish."
    # A configured key that is still missing fails the checks, and this is the command that makes it.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("selector", help="The record's name in front of _domainkey; a new one for each key.")
        parser.add_argument("--rsa", action="store_true", help=f"RSA with {RSA_BITS} bits instead of ed25519.")
        parser.add_argument("--file", type=Path, help="Where to write it (default: VAR_DIR/dkim/SELECTOR.pem).")

    def handle(self, *args: Any, **options: Any) -> None:
        selector = options["selector"]
        if not SELECTOR.fullmatch(selector):
            raise CommandError(f"{selector} cannot be a selector: letters, digits, hyphens, and dots between them.")
        path = (options["file"] or settings.VAR_DIR / "dkim" / f"{selector}.pem").resolve()
        key = generate_private_key(65537, RSA_BITS) if options["rsa"] else Ed25519PrivateKey.generate()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        except OSError as error:
            if path.exists():
                raise CommandError(f"{path} is there already, and a key is never overwritten.") from error
            raise CommandError(f"Cannot write {path}: {error.strerror}.") from error
        signer = load(selector, str(path), settings.DKIM_DOMAIN)
        self.stdout.write(
            f"Made {path}\n\n"
            f"1. Publish this TXT record:\n\n{zone_line(signer)}\n\n"
            f"2. When it can be seen everywhere, set DKIM_KEY_FILE={selector}:{path} and start again.\n"
            "   Several keys, separated by commas, make several signatures."
        )
        if signer.kind != "rsa":
            self.stdout.write(
                "   Not every receiver can check ed25519 yet: make a second key with --rsa and sign with both."
            )


def zone_line(signer: Signer) -> str:
    """Return the record as a line of a zone file, in strings that are short enough."""
    record = signer.record
    strings = [record[at : at + LONGEST_STRING] for at in range(0, len(record), LONGEST_STRING)]
    return f"{signer.record_name}. IN TXT " + " ".join(f'"{string}"' for string in strings)
