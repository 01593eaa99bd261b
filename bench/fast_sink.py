"""
A mail server that takes everything and keeps nothing, as fast as Python can: `python -m bench.fast_sink PORT`.

For machines without Postfix's `smtp-sink`. It prints `mesg=` and the number of messages taken, as that one does.
"""

import asyncio
import sys

_ANSWERS = {
    b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
    b"HELO": b"250 sink\r\n",
    b"DATA": b"354 Go on\r\n",
    b"QUIT": b"221 Bye\r\n",
}
_END = b"\r\n.\r\n"


class Session(asyncio.Protocol):
    """One client's connection."""

    taken = 0

    def __init__(self) -> None:
        self._buffer = b""
        self._in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type
        self._transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        buffer, answers = self._buffer + data, b""
        while True:
            if self._in_data:
                # The line end of DATA itself was left in the buffer: an empty message is a dot alone.
                _message, found, rest = buffer.partition(_END)
                if not found:
                    break
                buffer, self._in_data = rest, False
                Session.taken += 1
                answers += b"250 2.0.0 Ok\r\n"
                continue
            line, found, rest = buffer.partition(b"\r\n")
            if not found:
                break
            verb = line[:4].upper()
            answers += _ANSWERS.get(verb, b"250 Ok\r\n")
            if verb == b"DATA":
                self._in_data, buffer = True, b"\r\n" + rest
            elif verb == b"QUIT":
                self._transport.write(answers)
                self._transport.close()
                return
            else:
                buffer = rest
        self._buffer = buffer
        if answers:
            self._transport.write(answers)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Session, "127.0.0.1", port, backlog=100)
    printed = -1
    async with server:
        while True:
            if printed != Session.taken:
                printed = Session.taken
                print(f"mesg={printed}", end="\r", flush=True)
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
