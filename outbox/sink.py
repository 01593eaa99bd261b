"""
The sandbox's mail server: takes every message and keeps it in the mailbox, and forwards none.

To rehearse what goes wrong outside: a recipient whose local part begins with `busy` is put off (451), one that
begins with `gone` is refused (550).
"""

import asyncio
import logging
import signal

from aiosmtpd.smtp import SMTP, Envelope, Session
from django.utils import timezone

from outbox import mailbox

logger = logging.getLogger(__name__)

REHEARSALS = {
    "busy": "451 4.7.1 Too many messages just now, try again later",
    "gone": "550 5.1.1 No such mailbox here",
}


class Sink:
    """aiosmtpd's handler."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        for prefix, answer in REHEARSALS.items():
            if address.casefold().startswith(prefix):
                return answer
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)  # noqa: S101 - for mypy: decode_data is off
        number = mailbox.keep(envelope.mail_from or "", list(envelope.rcpt_tos), content, timezone.now())
        return f"250 2.0.0 Kept as number {number}"


async def serve(port: int) -> None:
    """Serve on the loopback address until SIGINT or SIGTERM. Raises OSError if the port is taken."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for stopping in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(stopping, stop.set)
    server = await loop.create_server(
        lambda: SMTP(Sink(), hostname="sandbox", ident="Solidarity sandbox", enable_SMTPUTF8=False, loop=loop),
        "127.0.0.1",
        port,
    )
    logger.debug("The sandbox's mail server listens on port %d", port)
    await stop.wait()
    server.close()
