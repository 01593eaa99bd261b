"""The mail server that all letters of a run go to: Postfix's `smtp-sink`, or our own where it is missing."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import end_with_the_tests

GET_IT = (
    "smtp-sink of Postfix was not found, which is faster. Debian: apt install postfix; or unpack that package "
    "anywhere (apt download postfix, dpkg -x) and name the program: SMTP_SINK=/there/usr/sbin/smtp-sink."
)
_COUNT = re.compile(rb"mesg=(\d+)")


class CannotRun(Exception):
    """The bench cannot go on; the words say why, and what to do."""


@dataclass(frozen=True)
class Sink:
    """A running sink, and the file in which it counts."""

    name: str
    port: int
    log: Path

    def taken(self) -> int:
        """Return how many messages it has taken so far."""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 300))
            counts = _COUNT.findall(log.read())
        return int(counts[-1]) if counts else 0

    def check(self, expected: int) -> None:
        """Wait a moment until it has counted so many messages. Raises CannotRun if it counts another number."""
        deadline = time.monotonic() + 2
        while self.taken() != expected:
            if time.monotonic() > deadline:
                raise CannotRun(f"The sink took {self.taken()} messages, and {expected} were recorded as accepted.")
            time.sleep(0.02)


@contextmanager
def sink(folder: Path) -> Iterator[Sink]:
    """Run a sink with its log in `folder`."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    if found := smtp_sink():
        unprivileged = ["-u", "nobody"] if os.geteuid() == 0 else []  # it refuses to run as root
        name, command = "Postfix's smtp-sink", [*found, *unprivileged, "-c", f"127.0.0.1:{port}", "200"]
    else:
        name, command = "our own (bench/fast_sink.py)", [sys.executable, "-m", "bench.fast_sink", str(port)]
    log = folder / "sink.log"
    with log.open("wb") as out:
        try:
            process = subprocess.Popen(command, stdout=out, stderr=out, preexec_fn=end_with_the_tests)  # noqa: PLW1509
        except OSError as error:
            raise CannotRun(f"SMTP_SINK cannot be run: {error}") from error
    try:
        _wait_for(port, process, log)
        yield Sink(name, port, log)
    finally:
        process.kill()
        process.wait()


def smtp_sink() -> list[str] | None:
    """Return the command line of Postfix's smtp-sink: SMTP_SINK, or the program where it usually is."""
    if named := shlex.split(os.environ.get("SMTP_SINK", "")):
        return named
    found = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    return [found] if found else None


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise CannotRun(f"The sink did not start: {log.read_text(errors='replace').strip()}") from None
            time.sleep(0.05)
        else:
            return
