"""
One kept SMTP connection, which says of each message what is certain: taken, refused, broken off, or in doubt.

What decides is the phase (RFC 5321, 4.1.1.4): until the final dot of DATA has gone out, the server cannot have taken
the message. After it, only the server's answer can tell.
"""

import re
import smtplib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType
from typing import Self

from django.conf import settings


@dataclass(frozen=True)
class Reply:
    """What the server answered."""

    code: int
    text: str


class Unavailable(Exception):
    """The server as a whole: no connection, no greeting, no login, or not for our sender. No message is to blame."""


class Broken(Exception):
    """The connection broke in the middle of this message, before its final dot: it was not taken."""


class Refused(Exception):
    """The server refused this message or its recipient; temporarily if the code is 4xx (RFC 5321, 4.2.1)."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply


class InDoubt(Exception):
    """The final dot went out and no answer came back: the message may have arrived."""


def on_this_machine(host: str, port: int) -> bool:
    """Whether each address of `host` is a loopback address."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return all(ip_address(address[4][0]).is_loopback for address in found)


class Connection:
    """
    A connection to the relay of the settings, opened when the first message needs it and kept for the next ones.

    In the sandbox it goes nowhere but to this machine, whatever EMAIL_URL says.
    """

    def __init__(self) -> None:
        self._smtp: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Say goodbye if the server still listens."""
        if self._smtp:
            try:
                self._smtp.quit()
            except (smtplib.SMTPException, OSError):
                self._smtp.close()
            self._smtp = None

    def _drop(self) -> None:
        """Close without a word, so that the server throws away what it has of the message."""
        if self._smtp:
            self._smtp.close()
            self._smtp = None

    def _open(self) -> smtplib.SMTP:
        if self._smtp:
            return self._smtp
        host, port = settings.EMAIL_HOST, settings.EMAIL_PORT
        timeout = settings.OUTBOX_SMTP_TIMEOUT_SECONDS
        try:
            if not settings.MAIL_LIVE and not on_this_machine(host, port):
                raise Unavailable(f"The sandbox sends to this machine alone, and {host} is another.")
            if settings.EMAIL_USE_SSL:
                smtp: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=timeout, context=ssl.create_default_context())
            else:
                smtp = smtplib.SMTP(host, port, timeout=timeout)
            self._smtp = smtp
            # The final dot is a packet of its own: without this it would wait for the other side's acknowledgement.
            smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # type: ignore[union-attr]
            if settings.EMAIL_USE_TLS:
                smtp.starttls(context=ssl.create_default_context())
            if settings.EMAIL_HOST_USER:
                smtp.login(settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD)
            smtp.ehlo_or_helo_if_needed()
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            raise Unavailable(_words(error)) from error
        return smtp

    def send(self, mail_from: str, rcpt_to: str, content: bytes, before_final_dot: Callable[[], None]) -> Reply:
        """
        Hand over one message (with CRLF line ends) and return the server's answer to its final dot.

        `before_final_dot` is called when all but the final dot has gone out; if it raises, the message is not sent.
        Raises Unavailable, Broken, Refused or InDoubt.
        """
        smtp = self._begin(mail_from)
        try:
            self._expect(smtp.rcpt(rcpt_to), "2")
            self._expect(smtp.docmd("DATA"), "3")
            smtp.send(_dot_stuffed(content))
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            self._drop()
            raise Broken(_words(error)) from error
        try:
            before_final_dot()
        except BaseException:
            self._drop()
            raise
        return self._finish(smtp)

    def _begin(self, mail_from: str) -> smtplib.SMTP:
        """Open a transaction with MAIL, on a new connection if the server has dropped the kept one meanwhile."""
        kept = self._smtp is not None
        smtp = self._open()
        try:
            code, text = smtp.mail(mail_from)
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            self._drop()
            if kept:
                return self._begin(mail_from)
            raise Unavailable(_words(error)) from error
        if not 200 <= code < 300:  # of our sender, not of this message
            self._drop()
            if kept and code == 421:
                return self._begin(mail_from)
            raise Unavailable(f"{code} {text.decode(errors='replace')}")
        return smtp

    def _expect(self, answer: tuple[int, bytes], kind: str) -> None:
        """Go on if the answer is of this kind (its first digit); raise Broken if it is none of SMTP's."""
        reply = Reply(answer[0], answer[1].decode(errors="replace"))
        if _kind(reply) == kind:
            return
        if _kind(reply) not in {"4", "5"}:
            self._drop()
            raise Broken(f"The server's answer makes no sense: {reply.text}")
        self._end_transaction(reply)
        raise Refused(reply)

    def _end_transaction(self, reply: Reply) -> None:
        """Make the connection ready for the next message, or give it up: 421 means that the server closes it."""
        if reply.code == 421 or self._smtp is None:
            self._drop()
            return
        try:
            self._smtp.rset()
        except (smtplib.SMTPException, OSError):
            self._drop()

    def _finish(self, smtp: smtplib.SMTP) -> Reply:
        try:
            smtp.send(b".\r\n")
        except TimeoutError as error:
            self._drop()
            raise InDoubt(_words(error)) from error
        except (smtplib.SMTPServerDisconnected, OSError) as error:  # the dot did not even leave this machine
            self._drop()
            raise Broken(_words(error)) from error
        try:
            code, text = smtp.getreply()
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            raise InDoubt(_words(error)) from error
        reply = Reply(code, text.decode(errors="replace"))
        if _kind(reply) == "2":
            return reply
        if _kind(reply) not in {"4", "5"}:
            self._drop()
            raise InDoubt(f"The server's answer makes no sense: {reply.text}")
        if code == 421:
            self._drop()
        raise Refused(reply)


def _kind(reply: Reply) -> str:
    """Return the first digit of a reply's code; smtplib gives the code -1 to what is no reply at all."""
    return str(reply.code)[0]


def _dot_stuffed(content: bytes) -> bytes:
    """Return the lines of DATA (RFC 5321, 4.5.2), complete but for the final dot."""
    stuffed = re.sub(rb"(?m)^\.", b"..", content)
    return stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"


def _words(error: BaseException) -> str:
    """Say what went wrong, in the server's words where it used some."""
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return f"{error.smtp_code} {text}"
    return f"{type(error).__name__}: {error}"
