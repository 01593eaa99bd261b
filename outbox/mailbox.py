"""The sandbox's mailbox: each message that the sink caught is one file in VAR_DIR/mailbox/."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage
from functools import cached_property
from itertools import count
from pathlib import Path

from django.conf import settings

# The oldest messages go first, so that a sandbox left running never fills the disk.
KEPT = 2000
_FOLD = re.compile(r"\r?\n(?=[ \t])")


@dataclass(frozen=True)
class Caught:
    """A message as the sink took it: the envelope, and the bytes that came after DATA (as Latin-1 text)."""

    id: int
    mail_from: str
    rcpt_tos: list[str]
    received_at: str
    raw: str

    @cached_property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.raw.encode("latin-1"), policy=policy.default)

    @property
    def headers(self) -> dict[str, str]:
        """Decoded headers; the values of one that is there several times are joined by line breaks."""
        found: dict[str, list[str]] = {}
        spelt: dict[str, str] = {}
        for name, value in self.message.raw_items():
            found.setdefault(spelt.setdefault(name.casefold(), name), []).append(_decoded(str(value)))
        return {name: "\n".join(values) for name, values in found.items()}

    @property
    def text(self) -> str:
        """The decoded body, the plain-text part where there are several."""
        body = self.message.get_body(("plain", "html")) or self.message
        try:
            return str(body.get_content())
        except (LookupError, ValueError):  # an unknown charset, or no text at all
            return self.raw

    @property
    def received(self) -> datetime:
        return datetime.fromisoformat(self.received_at)


def _decoded(value: str) -> str:
    """
    Return a header's value as people read it.

    The email package's own headers put blanks between the encoded words of a name (Python 3.11).
    """
    line = _FOLD.sub("", value).encode("ascii", "surrogateescape").decode(errors="replace").strip()
    try:
        return str(make_header(decode_header(line))).strip()
    except (HeaderParseError, LookupError, ValueError):  # such as an unknown charset
        return line


def folder() -> Path:
    return Path(settings.VAR_DIR) / "mailbox"


def keep(mail_from: str, rcpt_tos: list[str], raw: bytes, received_at: datetime) -> int:
    """Write one message, whole or not at all; return its number, which is higher than all before it."""
    folder().mkdir(parents=True, exist_ok=True)
    draft = folder() / f".{os.getpid()}.draft"
    for number in count(max(_numbers(), default=0) + 1):
        caught = Caught(number, mail_from, rcpt_tos, received_at.isoformat(), raw.decode("latin-1"))
        draft.write_text(json.dumps(asdict(caught)))
        try:
            _file(number).hardlink_to(draft)
        except FileExistsError:
            continue  # another sink on the same folder was quicker
        draft.unlink()
        _file(number - KEPT).unlink(missing_ok=True)
        return number
    raise AssertionError("count() does not end")


def caught(to: str = "") -> Iterator[Caught]:
    """Yield the messages, newest first; with `to`, those to that recipient."""
    for number in sorted(_numbers(), reverse=True):
        try:
            one = Caught(**json.loads(_file(number).read_text()))
        except FileNotFoundError:
            continue  # made room for a newer one meanwhile
        if not to or to.casefold() in map(str.casefold, one.rcpt_tos):
            yield one


def _file(number: int) -> Path:
    return folder() / f"{number:08}.json"


def _numbers() -> list[int]:
    return [int(path.stem) for path in folder().glob("[0-9]*.json")]
