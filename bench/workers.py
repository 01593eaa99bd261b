"""Real Celery workers, each with a broker database of its own, so that only the one that is meant hears a bell."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from kombu import Connection

from bench.sinking import CannotRun
from config.celery import app
from tests.servers import end_with_the_tests

_databases = count(1)


class Worker:
    """A `celery -A config worker` with `processes` processes. Kept until `stop`; what it prints goes to a file."""

    def __init__(self, folder: Path, processes: int, **env: str) -> None:
        number = next(_databases)
        self.processes = processes
        self._log = folder / f"worker-{number}.log"
        self._broker = f"{os.environ['CELERY_BROKER_URL']}?virtual_host={number}"
        self._connection = Connection(self._broker)
        options = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"]
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(
                [*(sys.executable, "-m", "celery", "-A", "config", "worker", f"--concurrency={processes}"), *options],
                env={**os.environ, "CELERY_BROKER_URL": self._broker, "LOG_LEVEL": "WARNING", **env},
                stdout=out,
                stderr=out,
                preexec_fn=end_with_the_tests,  # noqa: PLW1509 - no thread runs yet
            )

    def ring(self, task: Any, *args: Any, queue: str = "celery") -> None:
        task.apply_async(args, connection=self._connection, queue=queue)

    def listen(self, queue: str) -> None:
        """Have it take tasks from one more queue."""
        app.control.add_consumer(queue, reply=False, connection=self._connection)

    def check(self) -> None:
        """Raise CannotRun if it is not running any more."""
        if self._process.poll() is not None:
            raise CannotRun(f"A worker stopped by itself:\n{self.last_words()}")

    def last_words(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])

    def peak_memory(self) -> int:
        """Return the most bytes that one of its sending processes ever held."""
        peaks = []
        for status in Path("/proc").glob("[0-9]*/status"):
            with suppress(OSError, ValueError):
                facts = dict(line.split(":", 1) for line in status.read_text().splitlines())
                if int(facts["PPid"]) == self._process.pid:
                    peaks.append(int(facts["VmHWM"].split()[0]) * 1024)
        return max(peaks, default=0)

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._connection.close()
