"""
What a drill plays on: PostgreSQL that keeps its data safe on disk, a broker, worker and beat as processes of their own.

All of it listens on sockets in a folder of scratch or on 127.0.0.1, and goes with the run.
"""

import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import TypeVar

import django
import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.db.utils import Error as DatabaseError

from bench.recording import RecordingSink
from tests.processes import ROOT, environment
from tests.servers import Postgres, Valkey, end_with_the_tests
from tests.sinks import free_port

Answer = TypeVar("Answer")
# Of the worker; each has its connection to the mail server.
PROCESSES = 2
# So that a drill takes minutes: a sweep each second, and short waits before the next attempt.
SHORT = {"OUTBOX_SWEEP_SECONDS": "1", "OUTBOX_BACKOFF_SECONDS": "1"}


class Overdue(Exception):
    """A drill took longer than it may."""


class Stage:
    """
    The servers and the processes. `deadline` is when the drill that plays has to be over.

    `minutes` is how long the great day lasts; `quick` lets the drills of signing last seconds.
    """

    def __init__(self, folder: Path, minutes: float = 2, *, quick: bool = False) -> None:
        self.folder, self.minutes, self.quick = folder, minutes, quick
        self.deadline = float("inf")
        self.port, self.web_port = free_port(), free_port()
        self.processes = ExitStack()
        self.running: dict[str, Running] = {}
        self._numbers = count(1)
        self._said = 0.0
        for name in ("pg", "broker", "var"):
            (folder / name).mkdir()
        self.postgres = Postgres(str(folder / "pg"))
        self.broker = Valkey(str(folder / "broker"))
        self.environment = environment(
            folder / "var",
            DATABASE_URL=self.postgres.url,
            CELERY_BROKER_URL=self.broker.url,
            EMAIL_URL=f"smtp://127.0.0.1:{self.port}",
            PORT=self.web_port,
            LOG_LEVEL="ERROR",
            PYTHONWARNINGS="ignore",
            DJANGO_SETTINGS_MODULE="config.settings",
            # One machine signs for all.
            LIMIT_NETWORK_NEAR=10**9,
            LIMIT_NETWORK_OVER=10**9,
            LIMIT_DOMAIN_NEAR=10**9,
            LIMIT_DOMAIN_OVER=10**9,
            **SHORT,
        )

    def open(self) -> None:
        """Start the servers, and make this process one of the program's."""
        self.postgres.start()
        self.broker.start()
        os.environ.clear()
        os.environ.update(self.environment)
        django.setup()
        call_command("migrate", verbosity=0, interactive=False)
        call_command("collectstatic", verbosity=0, interactive=False)

    def facts(self) -> dict[str, str]:
        """Return what a figure means nothing without."""
        shown = {}
        with connection.cursor() as cursor:
            for name in ("server_version", "fsync", "synchronous_commit"):
                cursor.execute(f"SHOW {name}")
                (shown[name],) = cursor.fetchone()
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return {
            "processor": f"{_processor()}, {os.cpu_count()} cores",
            "memory": f"{memory / 2**30:.0f} GiB",
            "system": f"{platform.system()} {platform.release()}",
            "programs": f"Python {platform.python_version()}, Django {version('django')}, Celery {version('celery')}",
            "PostgreSQL": f"{shown['server_version']}, fsync {shown['fsync']}, "
            f"synchronous_commit {shown['synchronous_commit']}",
        }

    def close(self) -> None:
        self.processes.close()
        connections.close_all()
        self.broker.end(signal.SIGKILL)
        self.postgres.end(signal.SIGINT)

    @contextmanager
    def playing(self, seconds: float) -> Iterator[RecordingSink]:
        """Yield a mail server for one drill, which may take so long; empty the tables and the broker before."""
        self.deadline = time.monotonic() + seconds
        self.restart_broker()
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")  # the books let nobody empty them
            call_command("flush", verbosity=0, interactive=False)
            cursor.execute("SET session_replication_role = DEFAULT")
        sink = RecordingSink(self.port, self.folder / f"record-{next(self._numbers)}", self.wait)
        self.processes.callback(sink.end)
        try:
            yield sink
        finally:
            self.processes.close()
            self.running.clear()

    def start(self, name: str, *command: str, **more: str) -> "Running":
        """Start a process of the program under a supervisor: `supervise` starts it again if it ends by itself."""
        running = Running(command, {**self.environment, **more}, self.folder / f"{name}.log")
        self.running[name] = running
        self.processes.callback(running.end)
        return running

    def start_worker(self, name: str = "worker", **more: str) -> "Running":
        unshared = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        return self.start(
            name,
            *("-m", "celery", "--quiet", "-A", "config", "worker", "-n", f"{name}@drill"),
            *("--concurrency", str(PROCESSES), *unshared, "--loglevel=ERROR"),
            **more,
        )

    def start_web(self, **more: str) -> "Running":
        """Start the web server by the command that the product is served by."""
        return self.start("web", "-m", "gunicorn", "-c", "python:config.gunicorn", "config.wsgi", **more)

    def start_beat(self) -> "Running":
        return self.start("beat", "-m", "celery", "--quiet", "-A", "config", "beat", "--pidfile=", "--loglevel=ERROR")

    def restart_postgres(self, how: signal.Signals) -> None:
        """End PostgreSQL without warning, and start it again on what is on the disk."""
        connections.close_all()
        self.postgres.end(how)
        # After SIGKILL its other processes may hold the shared memory for a moment.
        for attempt in count():
            try:
                self.postgres.start()
                return
            except pytest.UsageError:
                if attempt == 20:
                    raise
                time.sleep(0.2)

    def restart_broker(self) -> None:
        self.broker.end(signal.SIGKILL)
        self.broker.start()

    def supervise(self) -> None:
        for running in self.running.values():
            running.start_again_if_ended()

    def wait(self, true: Callable[[], bool], otherwise: str) -> None:
        """Wait until `true()`, and play the supervisor meanwhile. Raises Overdue with the words in `otherwise`."""
        while not true():
            if time.monotonic() > self.deadline:
                raise Overdue(otherwise)
            self.supervise()
            time.sleep(0.01)

    def sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() >= until, "time is up")

    def say(self, words: str, *, always: bool = False) -> None:
        """Show how far it is, a few times a second at most."""
        if not always and time.monotonic() < self._said + 0.5:
            return
        self._said = time.monotonic()
        if sys.stderr.isatty():
            print(f"\r\033[K  {words}", end="\n" * always, file=sys.stderr, flush=True)
        elif always:
            print(f"  {words}", file=sys.stderr, flush=True)


class Running:
    """A Python process of the program and its children, in a process group of their own."""

    def __init__(self, command: tuple[str, ...], env: dict[str, str], log: Path) -> None:
        self._command, self._env, self._log = command, env, log
        self.ended_by_itself = 0
        self._spawn()

    def _spawn(self) -> None:
        with self._log.open("a") as out:
            self.process = subprocess.Popen(
                [sys.executable, *self._command],
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=end_with_the_tests,  # noqa: PLW1509 - the drill has no threads
            )

    def kill(self) -> None:
        """Kill the whole group, and start the process again at once, as a supervisor does."""
        self.end()
        self._spawn()

    def start_again_if_ended(self) -> None:
        if self.process.poll() is not None:
            self.ended_by_itself += 1
            self.kill()

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def stage(minutes: float = 2, *, quick: bool = False) -> Iterator[Stage]:
    """Yield a stage, and leave nothing of it behind, not even on Ctrl-C."""
    folder = Path(tempfile.mkdtemp(prefix="drill-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user where this one is root
    made: Stage | None = None
    try:
        made = Stage(folder, minutes, quick=quick)
        made.open()
        yield made
    finally:
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_IGN)
        if made:
            made.close()
        shutil.rmtree(folder, ignore_errors=True)


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def patiently(ask: Callable[[], Answer]) -> Answer:
    """Ask the database again until it is there."""
    for attempt in count():
        try:
            return ask()
        except DatabaseError:
            connections.close_all()
            if attempt == 100:
                raise
            time.sleep(0.1)
    raise AssertionError("count() does not end")
