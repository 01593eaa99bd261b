"""
One kept SMTP connection, which says of each message what is certain: taken, refused, broken off, or in doubt.

What decides is the phase (RFC 5321, 4.1.1.4): until the final dot of DATA has gone out, the server cannot have taken
the message. After it, only the server's answer can tell.
"""

import re
import select
import smtplib
import socket
import ssl
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

    Of each message: `announce`, `go_ahead`, `body`, `dot`. The dot goes out with the announcement of the next message,
    if the server takes PIPELINING (RFC 2920): one round trip a message. So `answer`, which tells what became of a
    message, comes after the announcement of the next one, or where there is none, at the end.

    In the sandbox it goes nowhere but to this machine, whatever EMAIL_URL says.
    """

    def __init__(self) -> None:
        self._smtp: smtplib.SMTP | None = None
        self._kept = False  # whether it was open before the message that is announced
        self._dot = b""  # the final dot of the message before, until it goes out
        self._envelope: tuple[str, ...] = ()
        self._announced = False  # whether the whole envelope has gone out

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

    def drop(self) -> None:
        """Close without a word, so that the server throws away what it has of the message."""
        self._dot = b""
        if self._smtp:
            self._smtp.close()
            self._smtp = None

    def _open(self) -> None:
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
        except UnicodeError as error:  # its words hold a part of the password
            self.drop()
            raise Unavailable("SMTP cannot use the host, the user or the password in EMAIL_URL.") from error
        except (smtplib.SMTPException, OSError) as error:
            self.drop()
            raise Unavailable(_words(error)) from error

    def announce(self, mail_from: str, rcpt_to: str) -> None:
        """Send the envelope of the next message, or as much of it as the server takes at once. Raises Unavailable."""
        self._envelope = (f"MAIL FROM:<{mail_from}>", f"RCPT TO:<{rcpt_to}>", "DATA")
        self._kept = self._smtp is not None
        if self._smtp is None:
            self._open()
        self._announced = self._smtp is not None and self._smtp.has_extn("pipelining")
        try:
            self._write(*(self._envelope if self._announced else ()))
        except (smtplib.SMTPException, OSError):
            self.drop()  # `answer` and `go_ahead` say what that means

    def answer(self) -> Reply:
        """Return what the server answered to the dot of the message before. Raises Refused or InDoubt."""
        try:
            self._write()
            reply = self._read()
        except (smtplib.SMTPException, OSError) as error:
            self.drop()
            raise InDoubt(_words(error)) from error
        if _kind(reply) == "2":
            return reply
        if _kind(reply) not in {"4", "5"}:
            self.drop()
            raise InDoubt(f"The server's answer makes no sense: {reply.text}")
        if reply.code == 421:  # the server closes the connection
            self.drop()
        raise Refused(reply)

    def go_ahead(self) -> None:
        """Wait until the server is ready for the announced message. Raises Unavailable, Refused or Broken."""
        mail, rcpt, data = self._envelope
        self._begin(mail)
        refused = None
        try:
            refused = self._refusal(self._ask(rcpt), "2")
            if refused and refused.code != 421 and self._announced:
                if _kind(self._read()) == "3":  # the server waits for a message although it has no recipient
                    self._write(".")
                    self._read()
            elif not refused:
                refused = self._refusal(self._ask(data), "3")
            if refused and refused.code != 421:
                self._write("RSET")
                self._read()
        except (smtplib.SMTPException, OSError) as error:
            self.drop()
            if not refused:  # some servers hang up after a refusal, which stands
                raise Broken(_words(error)) from error
        if refused:
            if refused.code == 421:
                self.drop()
            raise Refused(refused)

    def _begin(self, mail: str) -> None:
        """Open a transaction with MAIL, on a new connection if the server has dropped the kept one meanwhile."""
        try:
            reply = self._ask(mail)
        except (smtplib.SMTPException, OSError) as error:
            reply = Reply(421, _words(error))
        if _kind(reply) == "2":
            return
        self.drop()
        if not self._kept or reply.code != 421:  # of our sender, not of this message
            raise Unavailable(f"{reply.code} {reply.text}")
        self._kept = self._announced = False
        self._open()
        self._begin(mail)

    def body(self, content: bytes) -> None:
        """Send the message (with CRLF line ends), complete but for its final dot. Raises Broken."""
        try:
            self._socket().sendall(_dot_stuffed(content))
        except OSError as error:
            self.drop()
            raise Broken(_words(error)) from error

    def dot(self) -> None:
        """From here on the message may arrive. Raises Broken if the server has hung up, and did not take it."""
        try:
            if _hung_up(self._socket()):
                raise ConnectionError("The server closed the connection.")
        except OSError as error:
            self.drop()
            raise Broken(_words(error)) from error
        self._dot = b".\r\n"

    def _ask(self, command: str) -> Reply:
        """Return the answer to a command, and send it first if it was not sent with the announcement."""
        if not self._announced:
            self._write(command)
        return self._read()

    def _write(self, *commands: str) -> None:
        """Send commands, after the dot that waits, in one packet."""
        if any("\r" in command or "\n" in command for command in commands):
            raise ValueError("an SMTP command is one line")
        lines = self._dot + b"".join(command.encode("ascii") + b"\r\n" for command in commands)
        if lines:
            self._socket().sendall(lines)
        self._dot = b""

    def _read(self) -> Reply:
        if self._smtp is None:
            raise ConnectionError("The connection broke.")
        code, text = self._smtp.getreply()
        return Reply(code, text.decode(errors="replace"))

    def _socket(self) -> socket.socket:
        if self._smtp is None or self._smtp.sock is None:
            raise ConnectionError("The connection broke.")
        return self._smtp.sock

    def _refusal(self, reply: Reply, wanted: str) -> Reply | None:
        """Return the reply if it refuses; raise Broken if it is none of SMTP's."""
        if _kind(reply) == wanted:
            return None
        if _kind(reply) not in {"4", "5"}:
            self.drop()
            raise Broken(f"The server's answer makes no sense: {reply.text}")
        return reply


def _hung_up(sock: socket.socket) -> bool:
    """Whether the other side has closed the connection; under TLS that cannot be seen without reading."""
    if isinstance(sock, ssl.SSLSocket):
        return False
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0)) and sock.recv(1, socket.MSG_PEEK) == b""


def _kind(reply: Reply) -> str:
    """Return the first digit of a code, or nothing: smtplib takes any number for a code, and -1 stands for no reply."""
    return str(reply.code)[0] if 100 <= reply.code <= 599 else ""


def _dot_stuffed(content: bytes) -> bytes:
    """Return the lines of DATA (RFC 5321, 4.5.2), complete but for the final dot."""
    stuffed = re.sub(rb"(?m)^\.", b"..", content) if b"\n." in content or content[:1] == b"." else content
    return stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"


def _words(error: BaseException) -> str:
    """Say what went wrong, in the server's words where it used some."""
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return f"{error.smtp_code} {text}"
    return f"{type(error).__name__}: {error}"
