"""Building a message that is one message to one recipient, whatever people typed into its parts."""

import unicodedata
from collections.abc import Callable
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from django.conf import settings
from django.template import Context
from django.template.loader import get_template
from django.utils import timezone

from outbox.models import OutgoingMail

Composer = Callable[[Any], EmailMessage]
_composers: dict[type[OutgoingMail], Composer] = {}


def composes(queue: type[OutgoingMail]) -> Callable[[Composer], Composer]:
    """Register the decorated function, in an app's `emails` module, as what turns a row of `queue` into a message."""

    def register(composer: Composer) -> Composer:
        _composers[queue] = composer
        return composer

    return register


def compose(mail: OutgoingMail) -> EmailMessage:
    """Return the message of a row, with exactly one recipient in `To`."""
    return _composers[type(mail)](mail)


def one_line(text: str) -> str:
    """
    Return `text` as it may stand in a header: control and line-separating characters become blanks.

    CR and LF would end the header; others, such as a vertical tab, make the email package fail when it builds.
    """
    return " ".join("".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in text).split())


def plain_text(  # noqa: PLR0913: these are the parts of a mail
    *, to: str, subject: str, body: str, message_id: str, from_name: str, to_name: str = "", reply_to: str = ""
) -> EmailMessage:
    """
    Return a plain-text message in UTF-8 from the campaign's own address.

    `from_name` and `to_name` are display names and may hold anything a person types. Raises ValueError where `to` or
    `reply_to` is not one address.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(one_line(from_name), addr_spec=settings.MAIL_FROM)
    message["To"] = Address(one_line(to_name), addr_spec=to)
    message["Reply-To"] = Address(addr_spec=reply_to or settings.MAIL_REPLY_TO)
    message["Subject"] = one_line(subject)
    message["Date"] = format_datetime(timezone.now())
    message["Message-ID"] = message_id
    # Quoted-printable keeps lines short and passes servers that know no 8BITMIME.
    message.set_content(body, cte="quoted-printable")
    return message


def render_text(template: str, context: dict[str, Any]) -> str:
    """Render a plain-text template, in which an apostrophe stays an apostrophe."""
    return get_template(template).template.render(Context(context, autoescape=False))  # type: ignore[attr-defined]
