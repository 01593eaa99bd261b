"""
The crowd: a process of its own that sends HTTP requests over kept connections, and notes how each was answered.

It waits for many sockets in one thread and reads no more of an answer than where it ends, so that it costs a fraction
of what the server does. `Crowd.hurry()` sends the next request as soon as one is answered; `Crowd.arrive()` sends each
at its time, whatever becomes of those before it, and counts the time from when it was due.
"""

import pickle
import resource
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parent.parent
# A connection is closed after so many answers: else one of several web processes may keep most of them for itself.
KEPT_FOR = 50
MOST_CONNECTIONS = 500
# For so long a connection may take to open, or to take a request.
PATIENCE = 30.0


class Request(NamedTuple):
    """What is sent. `mark`: words that stand in the answer wanted. `due`: seconds from the beginning."""

    kind: str
    content: bytes
    mark: bytes = b""
    due: float = 0.0


class Answer(NamedTuple):
    """`status` 0: none came. `at`: when it was sent or due, and `took` until it was there, in seconds."""

    kind: str
    number: int
    status: int
    marked: bool
    retry_after: bool
    at: float
    took: float
    body: bytes = b""


@dataclass
class Plan:
    """What one crowd does."""

    port: int
    requests: Sequence[Request]
    connections: int = 8
    seconds: float = 0.0  # 0: until all are answered
    by_the_clock: bool = False
    keep: bool = False  # what was answered


@dataclass
class Found:
    """How it went. `busy`: which share of one processor the crowd itself took; `began`: when, by the clock."""

    answers: list[Answer] = field(default_factory=list)
    began: float = 0.0
    seconds: float = 0.0
    busy: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.answers) / self.seconds

    def of(self, kind: str) -> list[Answer]:
        return [answer for answer in self.answers if answer.kind == kind]


def percentile(answers: Iterable[Answer], share: float) -> float:
    """Return within how many seconds such a share of the answers came."""
    took = sorted(answer.took for answer in answers)
    return took[min(len(took) - 1, int(len(took) * share))] if took else 0.0


def get(path: str, *, kind: str = "read", method: str = "GET", due: float = 0.0, **headers: str) -> Request:
    return Request(kind, _head(method, path, headers), due=due)


def post(
    path: str, form: dict[str, str], *, kind: str = "sign", mark: bytes = b"", due: float = 0.0, **headers: str
) -> Request:
    body = urlencode(form).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body)), **headers}
    return Request(kind, _head("POST", path, headers) + body, mark, due)


def _head(method: str, path: str, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


class Connection:
    """One connection, and the request that it carries."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number, self.at, self.answered = -1, 0.0, 0
        self.got, self._head_alone = b"", False

    def send(self, number: int, content: bytes, at: float) -> None:
        self.number, self.at, self.got = number, at, b""
        self._head_alone = content.startswith(b"HEAD ")
        self.socket.sendall(content)

    def read(self) -> bool | None:
        """Take what has come; return whether the answer is whole, or None if the other side is gone."""
        try:
            piece = self.socket.recv(262144)
        except OSError:
            return None
        if not piece:
            return None
        self.got = self.got + piece if self.got else piece
        return _is_whole(self.got, head_alone=self._head_alone)

    @property
    def is_kept(self) -> bool:
        return self.answered < KEPT_FOR and b"connection: close" not in self.got.partition(b"\r\n\r\n")[0].lower()


def _is_whole(got: bytes, *, head_alone: bool) -> bool:
    end = got.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = got[:end].lower()
    if head_alone or got[9:12] in (b"204", b"304"):
        return True
    start = head.find(b"\r\ncontent-length:")
    if start >= 0:
        length = int(head[start + 17 :].partition(b"\r\n")[0])
        return len(got) >= end + 4 + length
    return got.endswith(b"0\r\n\r\n")


class Crowd:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._poll = select.epoll()
        self._open: dict[int, Connection] = {}
        self._free: list[Connection] = []
        self._answers: list[Answer] = []
        self._began = 0.0

    def run(self) -> Found:
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.time()
        self._began = time.perf_counter()
        self.arrive() if self._plan.by_the_clock else self.hurry()
        took = time.perf_counter() - self._began
        after = resource.getrusage(resource.RUSAGE_SELF)
        busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Found(self._answers, began, took, busy / took)

    def hurry(self) -> None:
        """Keep so many connections busy until all is sent, or time is up."""
        plan, sent = self._plan, 0
        while sent < min(plan.connections, len(plan.requests)):
            self._send(self._connect(), sent, time.perf_counter())
            sent += 1
        while self._open:
            for done in self._done(1.0):
                now = time.perf_counter()
                if sent < len(plan.requests) and not (plan.seconds and now - self._began >= plan.seconds):
                    self._send(self._kept(done) or self._connect(), sent, time.perf_counter())
                    sent += 1
                elif done:
                    self._close(done)

    def arrive(self) -> None:
        """Send each request when it is due, over a connection that is free, or a new one."""
        requests, sent = self._plan.requests, 0
        waiting: deque[int] = deque()
        while sent < len(requests) or waiting or len(self._open) > len(self._free):
            now = time.perf_counter() - self._began
            while sent < len(requests) and requests[sent].due <= now:
                waiting.append(sent)
                sent += 1
            while waiting and (self._free or len(self._open) < MOST_CONNECTIONS):
                self._send_somehow(waiting.popleft())
            pause = requests[sent].due - (time.perf_counter() - self._began) if sent < len(requests) else 1.0
            for done in self._done(max(0.0, min(pause, 1.0))):
                if kept := self._kept(done):
                    self._free.append(kept)
        for connection in self._free:
            self._close(connection)

    def _send_somehow(self, number: int) -> None:
        at = self._began + self._plan.requests[number].due
        while self._free:
            connection = self._free.pop()
            try:
                self._send(connection, number, at)
            except OSError:  # the server has closed it meanwhile, as it may
                self._close(connection)
                continue
            return
        try:
            self._send(self._connect(), number, at)
        except OSError:
            self._note(number, at, b"")

    def _send(self, connection: Connection, number: int, at: float) -> None:
        connection.send(number, self._plan.requests[number].content, at)

    def _done(self, timeout: float) -> list[Connection | None]:
        """Wait for answers and note them; return their connections, and None for each that broke."""
        done: list[Connection | None] = []
        for handle, _event in self._poll.poll(timeout):
            connection = self._open[handle]
            state = connection.read()
            if state is None:
                done += self._broken(connection)
            elif state:
                self._note(connection.number, connection.at, connection.got)
                connection.answered += 1
                connection.number = -1
                done.append(connection)
        return done

    def _broken(self, connection: Connection) -> list[None]:
        self._close(connection)
        if connection.number < 0:
            self._free.remove(connection)
            return []
        # Closed by the server just as we sent, without a word: browsers send again then, and so does this.
        if connection.answered and not connection.got:
            try:
                self._send(self._connect(), connection.number, connection.at)
            except OSError:
                self._note(connection.number, connection.at, b"")
            return []
        self._note(connection.number, connection.at, b"")
        return [None]

    def _note(self, number: int, at: float, got: bytes) -> None:
        now = time.perf_counter()
        request = self._plan.requests[number]
        head = got[:2048].lower() if got[9:10] == b"5" else b""
        self._answers.append(
            Answer(
                kind=request.kind,
                number=number,
                status=int(got[9:12]) if got else 0,
                marked=request.mark in got if request.mark else True,
                retry_after=b"\r\nretry-after:" in head,
                at=at - self._began,
                took=now - at,
                body=got.partition(b"\r\n\r\n")[2] if self._plan.keep else b"",
            )
        )

    def _connect(self) -> Connection:
        connection = Connection(self._plan.port)
        self._open[connection.socket.fileno()] = connection
        self._poll.register(connection.socket, select.EPOLLIN)
        return connection

    def _kept(self, connection: Connection | None) -> Connection | None:
        """Return the connection if it can carry one more; else close it."""
        if connection and not connection.is_kept:
            self._close(connection)
            return None
        return connection

    def _close(self, connection: Connection) -> None:
        self._open.pop(connection.socket.fileno(), None)
        connection.socket.close()


class Sending:
    """A crowd at work, in a process of its own."""

    def __init__(self, plan: Plan) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from bench.crowd import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert self._process.stdin  # noqa: S101 - for mypy
        pickle.dump(plan, self._process.stdin)
        self._process.stdin.close()

    @property
    def is_over(self) -> bool:
        """Whether there is something to read, that is, all of it."""
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def found(self) -> Found:
        """Wait for the end; return what was found."""
        assert self._process.stdout  # noqa: S101 - for mypy
        with self._process:
            found: Found = pickle.load(self._process.stdout)  # noqa: S301 - our own process wrote it
        return found

    def end(self) -> None:
        with self._process:
            self._process.kill()


def send(plan: Plan) -> Found:
    """Send it all from a process of its own; return what was found."""
    return Sending(plan).found()


def main() -> None:
    plan = pickle.load(sys.stdin.buffer)  # noqa: S301 - the process that started this one wrote it
    pickle.dump(Crowd(plan).run(), sys.stdout.buffer)
