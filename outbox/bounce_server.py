"""
The door for bounces: takes messages to our own bounce addresses, over SMTP or LMTP, and nothing else.

It answers for good only what is certain. As long as a bounce cannot be recorded, the other side is told to come again.
"""

import asyncio
import logging
import signal

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session
from asgiref.sync import sync_to_async
from django.db import Error as DatabaseError
from django.db import close_old_connections

from outbox import bounces

logger = logging.getLogger(__name__)

# Of what is taken, bounces.LIMIT is read. Refusing a bounce would lose it.
SIZE = 4 * 1024 * 1024
LATER = "451 4.3.0 It cannot be recorded just now, try again later"


class Door:
    """aiosmtpd's handler."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        if bounces.read_address(address) is None:
            return "550 5.1.1 No such address here"
        if envelope.rcpt_tos:  # in LMTP each recipient would need an answer of its own
            return "452 4.5.3 One recipient at a time"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)  # noqa: S101 - for mypy: decode_data is off
        # RFC 5321, 4.4: who delivers finally writes down the sender; a bounce has none.
        content = b"Return-Path: <%s>\r\n" % (envelope.mail_from or "").encode(errors="replace") + content
        try:
            # One thread, so that there is one connection to the database.
            outcome = await sync_to_async(_take)(content, envelope.rcpt_tos[0])
        except bounces.NotYet:
            return LATER
        except DatabaseError as error:
            logger.warning("A bounce has to come again: the database does not answer (%s)", type(error).__name__)
            return LATER
        logger.info("A message came back: %s", outcome.value)
        return "250 2.0.0 Taken"

    async def handle_exception(self, error: Exception) -> str:
        """Answer for what nobody thought of. The words of the error may hold an address."""
        logger.error("A bounce has to come again (%s)", type(error).__name__)
        return LATER


class Smtp(SMTP):
    """SMTP with lines of any length: a bounce that some server has written badly is not refused for it."""

    line_length_limit = SIZE


class Lmtp(LMTP):
    """LMTP, likewise."""

    line_length_limit = SIZE


def _take(content: bytes, rcpt_to: str) -> bounces.Outcome:
    close_old_connections()  # one that the database has dropped meanwhile is opened anew
    try:
        return bounces.take(content, rcpt_to)
    finally:
        close_old_connections()


async def serve(host: str, port: int, *, lmtp: bool = False) -> None:
    """Serve until SIGINT or SIGTERM. Raises OSError if the port is taken."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for stopping in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(stopping, stop.set)
    protocol = Lmtp if lmtp else Smtp
    server = await loop.create_server(
        lambda: protocol(Door(), hostname="bounces", ident="Solidarity", data_size_limit=SIZE, timeout=60, loop=loop),
        host,
        port,
    )
    logger.debug("Bounces are taken on %s, port %d", host, port)
    await stop.wait()
    server.close()
