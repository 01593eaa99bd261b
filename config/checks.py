"""The system check that a live instance would not lose its letters."""

from typing import Any

from django.conf import settings
from django.core import checks

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
# Domains that are nobody's, and so receive no answers: RFC 2606 and RFC 6761.
NOBODYS = ("example", "example.com", "example.net", "example.org", "invalid", "localhost", "test")


def live_mail_reaches_somebody(**kwargs: Any) -> list[checks.CheckMessage]:
    """Fail for a live instance that would send its mail to the sandbox, or from an address that nobody can answer."""
    found: list[checks.CheckMessage] = []
    if not settings.MAIL_LIVE:
        return found
    if settings.EMAIL_HOST in LOOPBACK and settings.EMAIL_PORT == settings.SINK_PORT:
        found.append(
            checks.Error(
                "MAIL_LIVE is set, but EMAIL_URL is the sandbox's own mail server: no letter would leave.",
                hint="Set EMAIL_URL to your relay, or MAIL_LIVE=0.",
                id="config.E001",
            )
        )
    for name in ("MAIL_FROM", "MAIL_REPLY_TO"):
        address = getattr(settings, name)
        if f".{address.rpartition('@')[2].lower()}".endswith(tuple(f".{domain}" for domain in NOBODYS)):
            found.append(
                checks.Error(
                    f"MAIL_LIVE is set, but {name} is {address}, whose domain is nobody's: no answer could arrive.",
                    hint=f"Set {name} to an address of the campaign's own, or MAIL_LIVE=0.",
                    id="config.E002",
                )
            )
    return found
