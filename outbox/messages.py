"""Building a message that is one message to one recipient, whatever people typed into its parts."""

import quopri
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.utils import format_datetime, formataddr
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.template import Context
from django.template.loader import get_template
from django.utils import timezone

from outbox.models import OutgoingMail
from privacy.fields import UNREADABLE

Composer = Callable[[Any], "PlainText"]
_composers: dict[type[OutgoingMail], Composer] = {}

# A header line longer than this is folded into encoded words; RFC 5322, 2.1.1 asks for at most 78 characters.
_LINE = 76


# Unicode's controls (Cc), line and paragraph separators (Zl, Zp) and lone surrogates (Cs).
_BREAKING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Withdrawn(Exception):
    """Raised by a composer: this mail is not to be sent any more, for the reason in its argument."""


def composes(queue: type[OutgoingMail]) -> Callable[[Composer], Composer]:
    """Register the decorated function, in an app's `emails` module, as what turns a row of `queue` into a message."""

    def register(composer: Composer) -> Composer:
        _composers[queue] = composer
        return composer

    return register


def can_compose(queue: type[OutgoingMail]) -> bool:
    """Whether something is registered that composes the messages of `queue`."""
    return queue in _composers


def compose(mail: OutgoingMail) -> "PlainText":
    """Return the message of a row."""
    return _composers[type(mail)](mail)


class PlainText:
    """
    A plain-text message in UTF-8 to the one address in `rcpt_to`. Headers are set like a dictionary's entries.

    Written line by line instead of through the email package's own message: that decodes and folds headers once more,
    and on Python 3.11.7 lets an encoded line end that somebody typed into a name through as a new header. It also
    takes several times as long.
    """

    def __init__(self, rcpt_to: str, body: str) -> None:
        self.rcpt_to = rcpt_to
        self._body = body.replace("\r\n", "\n")
        self._headers = {
            "MIME-Version": "1.0",
            "Content-Type": 'text/plain; charset="utf-8"',
            # Keeps lines short and passes servers that know no 8BITMIME.
            "Content-Transfer-Encoding": "quoted-printable",
        }

    def __getitem__(self, name: str) -> str:
        return self._headers[name]

    def __setitem__(self, name: str, value: str) -> None:
        if any(line[:1] not in {" ", "\t"} for line in value.split("\n")[1:]) or not value.isascii():
            raise ValueError(f"{name} is not one encoded header")
        self._headers[name] = value

    def as_bytes(self) -> bytes:
        """Return the message with CRLF line ends. Raises ValueError if a part of it could not be decrypted."""
        if UNREADABLE in self._body:
            raise ValueError("a part of the message cannot be decrypted")
        head = "".join(f"{name}: {value}\r\n" for name, value in self._headers.items())
        body = quopri.encodestring(self._body.encode(), quotetabs=False).replace(b"\n", b"\r\n")
        return head.encode("ascii") + b"\r\n" + body


def one_line(text: str) -> str:
    """
    Return `text` as it may stand in a header: control and line-separating characters become blanks.

    CR and LF would end the header; others, such as a vertical tab, make programs disagree on where a line ends.
    """
    return " ".join(_BREAKING.sub(" ", text).split())


def _unstructured(name: str, text: str) -> str:
    """
    Return a header's text, in encoded words (RFC 2047) unless it is plain ASCII that fits on the line.

    What a person typed in the form of an encoded word is encoded once more: decoded, it could hold a line end.
    """
    text = one_line(text)
    if UNREADABLE in text:
        raise ValueError(f"{name} cannot be decrypted")
    if text.isascii() and "=?" not in text and len(name) + 2 + len(text) <= _LINE:
        return text
    return "\r\n ".join(_encoded_words(text, _LINE - len(name) - 2))


def _encoded_words(text: str, first_line: int) -> Iterator[str]:
    """
    Yield the encoded words of `text`, one a line, the first in `first_line` characters.

    Each stands for whole characters (RFC 2047, 5). Ours, since the email package takes nearly half as long for one name
    as all else of a letter takes together.
    """
    room, word = _octets(first_line), b""
    for character in text:
        octets = character.encode()
        if len(word) + len(octets) > room:
            yield f"=?utf-8?b?{b64encode(word).decode()}?="
            room, word = _octets(_LINE - 1), b""
        word += octets
    yield f"=?utf-8?b?{b64encode(word).decode()}?="


def _octets(characters: int) -> int:
    """Return how many octets fit into an encoded word of so many characters, of which RFC 2047, 2 allows 75."""
    return (min(characters, 75) - len("=?utf-8?b??=")) // 4 * 3


def _address(header: str, name: str, address: str) -> str:
    """Return a mailbox (RFC 5322, 3.4), its domain in ASCII (RFC 5890). Raises ValueError if it is not one address."""
    mailbox = _mailbox(address)
    encoded = _unstructured(header, name)
    if encoded != one_line(name):
        return f"{encoded}\r\n <{mailbox}>"
    return formataddr((encoded, mailbox))


# Many letters go to the same few offices.
_known_address = lru_cache(maxsize=256)(_address)


@lru_cache(maxsize=256)
def _mailbox(address: str) -> str:
    """Return the address with its domain in ASCII. Raises ValueError if it is not one address that can be mailed."""
    local_part, _, domain = address.rpartition("@")
    try:
        parsed = Address(addr_spec=f"{local_part}@{domain.encode('idna').decode()}")
    except HeaderParseError as error:
        raise ValueError("not one mail address") from error
    return str(parsed.addr_spec).encode("ascii").decode()


def plain_text(
    *, to: str, subject: str, body: str, message_id: str, from_name: str, to_name: str = "", reply_to: str = ""
) -> PlainText:
    """
    Return a plain-text message in UTF-8 from the campaign's own address to one recipient.

    `subject`, `from_name` and `to_name` may hold anything a person types. Raises ValueError where `to` or `reply_to`
    is not one address, and where something could not be decrypted.
    """
    message = PlainText(_mailbox(to), body)
    message["From"] = _address("From", from_name, settings.MAIL_FROM)
    message["To"] = _known_address("To", to_name, to)
    message["Reply-To"] = _known_address("Reply-To", "", reply_to or settings.MAIL_REPLY_TO)
    message["Subject"] = _unstructured("Subject", subject)
    message["Date"] = format_datetime(timezone.now())
    message["Message-ID"] = message_id
    return message


def render_text(template: str, context: dict[str, Any]) -> str:
    """Render a plain-text template, in which an apostrophe stays an apostrophe."""
    return get_template(template).template.render(Context(context, autoescape=False))  # type: ignore[attr-defined]
