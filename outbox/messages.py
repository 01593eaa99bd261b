"""Building a message that is one message to one recipient, whatever people typed into its parts."""

import unicodedata
from collections.abc import Callable
from email.charset import QP, Charset
from email.errors import HeaderParseError
from email.header import Header
from email.headerregistry import Address
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import compat32
from email.utils import format_datetime, formataddr
from typing import Any

from django.conf import settings
from django.template import Context
from django.template.loader import get_template
from django.utils import timezone

from outbox.models import OutgoingMail

Composer = Callable[[Any], "PlainText"]
_composers: dict[type[OutgoingMail], Composer] = {}


class Withdrawn(Exception):
    """Raised by a composer: this mail is not to be sent any more, for the reason in its argument."""


# The older half of the email package on purpose: it writes headers as they were encoded here, while the newer one
# decodes and folds them again, and lets an encoded line end through (seen on Python 3.11.7).
_FOR_SMTP = compat32.clone(linesep="\r\n")
_QUOTED_PRINTABLE = Charset("utf-8")
_QUOTED_PRINTABLE.body_encoding = QP
_SHORT = 60


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


class PlainText(MIMENonMultipart):
    """A plain-text message in UTF-8 to the one address in `rcpt_to`."""

    def __init__(self, rcpt_to: str, body: str) -> None:
        super().__init__("text", "plain", policy=_FOR_SMTP)
        self.rcpt_to = rcpt_to
        # Quoted-printable keeps lines short and passes servers that know no 8BITMIME.
        self.set_payload(body.replace("\r\n", "\n"), _QUOTED_PRINTABLE)


def one_line(text: str) -> str:
    """
    Return `text` as it may stand in a header: control and line-separating characters become blanks.

    CR and LF would end the header; others, such as a vertical tab, make the email package fail when it builds.
    """
    return " ".join("".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp", "Cs"} else c for c in text).split())


def _unstructured(text: str) -> str:
    """
    Return a header's text, in encoded words (RFC 2047) unless it is short, plain ASCII.

    What a person typed in the form of an encoded word is encoded once more: decoded, it could hold a line end.
    """
    text = one_line(text)
    if text.isascii() and "=?" not in text and len(text) <= _SHORT:
        return text
    return Header(text, "utf-8", maxlinelen=76).encode(linesep="\r\n")


def _address(name: str, address: str) -> str:
    """Return a mailbox (RFC 5322, 3.4), its domain in ASCII (RFC 5890). Raises ValueError if it is not one address."""
    parsed = _mailbox(address)
    encoded = _unstructured(name)
    if encoded == one_line(name):
        return formataddr((encoded, parsed))
    return f"{encoded}\r\n <{parsed}>"


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
    is not one address.
    """
    message = PlainText(_mailbox(to), body)
    message["From"] = _address(from_name, settings.MAIL_FROM)
    message["To"] = _address(to_name, to)
    message["Reply-To"] = _address("", reply_to or settings.MAIL_REPLY_TO)
    message["Subject"] = _unstructured(subject)
    message["Date"] = format_datetime(timezone.now())
    message["Message-ID"] = message_id
    return message


def render_text(template: str, context: dict[str, Any]) -> str:
    """Render a plain-text template, in which an apostrophe stays an apostrophe."""
    return get_template(template).template.render(Context(context, autoescape=False))  # type: ignore[attr-defined]
