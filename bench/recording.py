"""
The drill's mail server: a process of its own, which writes down what it took when that counts as taken.

How it behaves is told to it on its standard input, one JSON object a line; when that ends, it ends. What happened
stands in a file, one JSON object a line, so that nothing is forgotten whoever is killed. Commands are read in order,
one by one, so a client may send several at once (PIPELINING, RFC 2920).
"""

import asyncio
import base64
import json
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_MESSAGE_ID = re.compile(rb"(?im)^message-id:\s*(<[^>\r\n]+>)")
_PATH = re.compile(r"<([^>]*)>")
LONGEST_LINE = 1024 * 1024
# So many refusals in a row a recipient may get by chance: five would have its letters rest for longer than a drill.
IN_A_ROW = 3


@dataclass(frozen=True)
class Manners:
    """How the server behaves."""

    rate: float = 0  # recipients a second, of all connections together; 0: as many as come
    put_off: float = 0  # share of the recipients that get 451
    drop: float = 0  # share of the messages after which the connection is dropped, half of them taken
    answer_after: float = 0  # seconds before each answer
    refuse: str = ""  # a recipient who gets 550
    busy: bool = False  # 421 on connecting
    listening: bool = True
    keep: bool = False  # write down the whole message


class Server:
    def __init__(self, port: int, record: Path) -> None:
        self.port = port
        self.manners = Manners()
        self.chance = random.Random(port)  # noqa: S311 - no secret
        self.in_a_row: Counter[str] = Counter()  # refusals of a recipient
        self._turn = 0.0
        self._record = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    def write_down(self, what: str, **more: Any) -> None:
        os.write(self._record, json.dumps({"what": what, **more}).encode() + b"\n")

    async def run(self) -> None:
        """Do as standard input says until it ends."""
        told = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
        while line := await told.readline():
            await self._behave(Manners(**json.loads(line)))

    async def _behave(self, manners: Manners) -> None:
        self.manners = manners
        if manners.listening and self._server is None:
            self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port, limit=LONGEST_LINE)
        if not manners.listening and self._server is not None:
            self._server.close()
            self._server = None
            for writer in self._open:
                writer.transport.abort()
        self.write_down("behaves")

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await Conversation(self, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side is gone
        finally:
            self._open.discard(writer)
            writer.close()

    async def take_turn(self) -> None:
        """Wait so long that no more recipients come than `rate`."""
        if self.manners.rate:
            now = asyncio.get_running_loop().time()
            self._turn = max(self._turn + 1 / self.manners.rate, now)
            await asyncio.sleep(self._turn - now)


class Conversation:
    """One connection."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.mail_from: str | None = None
        self.rcpt_tos: list[str] = []
        self.ended = False

    async def run(self) -> None:
        if self.server.manners.busy:
            self.server.write_down("busy")
            await self._answer("421 4.3.2 Too busy, come again later")
            return
        await self._answer("220 sink ESMTP")
        while not self.ended and (line := await self.reader.readline()):
            await self._do(line.decode("utf-8", "replace").strip())

    async def _answer(self, *lines: str) -> None:
        if self.server.manners.answer_after:
            await asyncio.sleep(self.server.manners.answer_after)
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self.writer.drain()

    async def _do(self, line: str) -> None:
        verb = line[:4].upper()
        if verb == "EHLO":
            await self._answer("250-sink", "250-PIPELINING", "250-8BITMIME", "250-ENHANCEDSTATUSCODES", "250 SIZE")
        elif verb == "MAIL":
            self.mail_from, self.rcpt_tos = _path(line), []
            await self._answer("250 2.1.0 OK")
        elif verb == "RCPT":
            await self._rcpt(_path(line))
        elif verb == "DATA":
            await self._data()
        elif verb == "QUIT":
            self.ended = True
            await self._answer("221 2.0.0 Bye")
        elif verb in {"RSET", "NOOP", "HELO"}:
            if verb == "RSET":
                self.mail_from, self.rcpt_tos = None, []
            await self._answer("250 2.0.0 OK")
        else:
            await self._answer("502 5.5.1 No such command")

    async def _rcpt(self, address: str) -> None:
        if self.mail_from is None:
            await self._answer("503 5.5.1 MAIL first")
            return
        await self.server.take_turn()
        manners = self.server.manners
        if address == manners.refuse:
            answer = "550 5.1.1 No such mailbox"
        elif self.server.in_a_row[address] < IN_A_ROW and self.server.chance.random() < manners.put_off:
            answer = "451 4.7.1 Greylisted, come again later"
            self.server.in_a_row[address] += 1
        else:
            answer = "250 2.1.5 OK"
            self.server.in_a_row[address] = 0
            self.rcpt_tos.append(address)
        self.server.write_down("rcpt", mail_from=self.mail_from, to=address, code=int(answer[:3]))
        await self._answer(answer)

    async def _data(self) -> None:
        if not self.rcpt_tos:
            await self._answer("503 5.5.1 No valid recipients")
            return
        await self._answer("354 Go on")
        lines = []
        while (line := await self.reader.readline()) != b".\r\n":
            if not line.endswith(b"\n"):
                raise ConnectionError("gone before the final dot: not taken")
            lines.append(line[1:] if line.startswith(b".") else line)
        content = b"".join(lines)
        found = _MESSAGE_ID.search(content)
        message_id = found.group(1).decode() if found else "none"
        self.mail_from, (rcpt_to, *_), self.rcpt_tos = None, self.rcpt_tos, []
        dropped = self.server.chance.random() < self.server.manners.drop
        taken = not dropped or self.server.chance.random() < 0.5
        if taken:
            kept = {"content": base64.b64encode(content).decode()} if self.server.manners.keep else {}
            self.server.write_down("taken", id=message_id, to=rcpt_to, **kept)
        if dropped:
            self.server.write_down("dropped", id=message_id, taken=taken)
            self.ended = True
            self.writer.transport.abort()
        else:
            await self._answer("250 2.0.0 Taken")


def _path(line: str) -> str:
    found = _PATH.search(line)
    return found.group(1) if found else ""


@dataclass
class Record:
    """What the server has written down so far."""

    taken: Counter[str] = field(default_factory=Counter)  # by Message-ID
    to: Counter[str] = field(default_factory=Counter)  # by recipient
    dropped: set[str] = field(default_factory=set)  # Message-IDs, taken or not
    recipients: int = 0
    answers: dict[str, list[int]] = field(default_factory=dict)  # to RCPT, by return path: each mail has its own
    busy: int = 0
    behaved: int = 0
    contents: list[bytes] = field(default_factory=list)

    def add(self, entry: dict[str, Any]) -> None:
        match entry["what"]:
            case "taken":
                self.taken[entry["id"]] += 1
                self.to[entry["to"]] += 1
                if "content" in entry:
                    self.contents.append(base64.b64decode(entry["content"]))
            case "dropped":
                self.dropped.add(entry["id"])
            case "rcpt":
                self.recipients += 1
                self.answers.setdefault(entry["mail_from"], []).append(entry["code"])
            case "busy":
                self.busy += 1
            case "behaves":
                self.behaved += 1


class RecordingSink:
    """The server's process, from outside."""

    def __init__(self, port: int, file: Path, wait: Callable[[Callable[[], bool], str], None]) -> None:
        self.port, self._file, self._wait = port, file, wait
        self.record = Record()
        self._read = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.recording", str(port), str(file)],
            stdin=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
            start_new_session=True,
        )

    def behave(self, manners: Manners) -> None:
        """Change the server's manners; return when they hold."""
        before = self.read().behaved
        assert self._process.stdin  # noqa: S101 - for mypy
        self._process.stdin.write(json.dumps(asdict(manners)) + "\n")
        self._process.stdin.flush()
        self._wait(lambda: self.read().behaved > before, "the mail server does not listen")

    def read(self) -> Record:
        """Return the record as it stands now."""
        with suppress(FileNotFoundError), self._file.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                self.record.add(json.loads(line))
        return self.record

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def main() -> None:
    port, record = sys.argv[1:]
    with suppress(KeyboardInterrupt):
        asyncio.run(Server(int(port), Path(record)).run())


if __name__ == "__main__":
    main()
