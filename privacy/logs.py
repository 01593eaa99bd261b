"""
Log lines without people: no mail address, no mailed secret, no visitor's network address.

Whatever logs it: an error's own words may hold what somebody typed, and a path the secret of somebody's link.
"""

import logging
import re

_ADDRESS = re.compile(r"[^\s@<>\"'(),;:=]+@[^\s@<>\"'(),;:]+")
# A mailed secret is 32 characters of URL-safe Base64, a signed number longer (privacy.tags, django.core.signing).
_SECRET = re.compile(r"/(?![^/\s\"']*\.py\b)[A-Za-z0-9_:=.-]{32,}")
# Gunicorn's words about what is no request.
_NETWORK = re.compile(r"\bip=\S+")


class Plain(logging.Formatter):
    """Formats a line, traceback and all, and takes out what tells of a person."""

    def format(self, record: logging.LogRecord) -> str:
        return scrubbed(super().format(_by_route(record)))


def scrubbed(text: str) -> str:
    return _NETWORK.sub("ip=…", _SECRET.sub("/…", _ADDRESS.sub("…@…", text)))


def _by_route(record: logging.LogRecord) -> logging.LogRecord:
    """Return the record with the route's name in place of a request's path: a path holds what a visitor sent."""
    request = getattr(record, "request", None)
    path = getattr(request, "path", None)
    if not path or not isinstance(record.args, tuple):
        return record
    match = getattr(request, "resolver_match", None)
    named = logging.makeLogRecord(record.__dict__)
    name = (match.view_name or match.route) if match else "a path that leads nowhere"
    named.args = tuple(name if arg == path else arg for arg in record.args)
    return named
