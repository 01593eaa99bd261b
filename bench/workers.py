"""Real Celery workers, each with a broker database of its own, so that only the one that is meant hears a bell."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from celery import Celery

from bench.sinking import CannotRun
from tests.servers import end_with_the_tests

_databases = count(1)
START_SECONDS = 120


class Worker:
    """A `celery -A config worker` with `processes` processes. Kept until `stop`; what it prints goes to a file."""

    def __init__(self, folder: Path, processes: int, **env: str) -> None:
        number = next(_databases)
        self.processes = processes
        self._log = folder / f"worker-{number}.log"
        broker = f"{os.environ['CELERY_BROKER_URL']}?virtual_host={number}"
        self._client = Celery(set_as_current=False)
        self._client.conf.broker_write_url = broker  # CELERY_BROKER_URL would win over a `broker_url`
        options = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"]
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(
                [*(sys.executable, "-m", "celery", "-A", "config", "worker", f"--concurrency={processes}"), *options],
                env={**os.environ, "CELERY_BROKER_URL": broker, "LOG_LEVEL": "WARNING", **env},
                stdout=out,
                stderr=out,
                preexec_fn=end_with_the_tests,  # noqa: PLW1509 - no thread runs yet
            )

    def ring(self, task: Any, *args: Any, queue: str = "celery") -> None:
        self._client.send_task(task.name, args, queue=queue)

    def listen(self, queue: str) -> None:
        """Have it take tasks from one more queue."""
        self._client.control.add_consumer(queue)

    def wait_until_ready(self) -> None:
        """Wait until it answers. Raises CannotRun if it does not."""
        deadline = time.monotonic() + START_SECONDS
        while not self._client.control.ping(timeout=0.5, limit=1):
            self.check()
            if time.monotonic() > deadline:
                raise CannotRun(f"A worker did not start within {START_SECONDS} s:\n{self.last_words()}")

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
        self._client.close()
