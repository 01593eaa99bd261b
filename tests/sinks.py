"""A real SMTP server on a loopback port that records what it takes, and whose answers a test can script."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

DROP = "drop"  # an answer that closes the connection without a word


@dataclass
class Taken:
    """A message that the server took."""

    mail_from: str
    rcpt_tos: list[str]
    content: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.SMTP)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class ScriptedSink:
    """
    `on_mail(address)`, `on_rcpt(address)` and `on_data(rcpt, content)` return an answer such as "451 later", DROP,
    or None for a plain yes. `drop_after_taking(rcpt)` says whether to keep the message and close without an answer.
    """

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.connections = 0
        self.lock = threading.Lock()
        self.on_mail: Callable[[str], str | None] = lambda address: None
        self.on_rcpt: Callable[[str], str | None] = lambda address: None
        self.on_data: Callable[[str, bytes], str | None] = lambda rcpt, content: None
        self.drop_after_taking: Callable[[str], bool] = lambda rcpt: False
        self.greeting: str | None = None
        self.delay = 0.0
        self.pipelining = True
        self.auth = False  # whether it says that it takes a password

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.connections += 1
        session.host_name = hostname
        self._open = server
        extensions = ["250-PIPELINING"] * self.pipelining + ["250-AUTH PLAIN"] * self.auth
        return [*responses[:-1], *extensions, responses[-1]]

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address, options):
        if answer := self._answer(server, self.on_mail(address)):
            return answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address, options):
        if answer := self._answer(server, self.on_rcpt(address)):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope):
        rcpt = envelope.rcpt_tos[0]
        if self.delay:
            await asyncio.sleep(self.delay)
        if answer := self._answer(server, self.on_data(rcpt, envelope.content)):
            return answer
        with self.lock:
            self.taken.append(Taken(envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
        if self.drop_after_taking(rcpt):
            server.transport.abort()
        return "250 2.0.0 Taken"

    @staticmethod
    def _answer(server: SMTP, answer: str | None) -> str | None:
        if answer == DROP:
            server.transport.abort()
            return "421 gone"
        return answer

    def hang_up(self) -> None:
        """Close the connection that was opened last."""
        self._controller.loop.call_soon_threadsafe(self._open.transport.abort)

    def to(self, address: str) -> list[Taken]:
        return [taken for taken in self.taken if address in taken.rcpt_tos]

    def message_ids(self) -> list[str]:
        return [str(taken.message["Message-ID"]) for taken in self.taken]

    def start(self, port: int = 0) -> "ScriptedSink":
        self.port = port or free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, ready_timeout=10)
        self._controller.start()
        return self

    def stop(self) -> None:
        self._controller.stop(no_assert=True)
