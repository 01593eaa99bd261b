"""Running the program itself, as `make run` does, beside the tests."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from django.db import connection

ROOT = Path(__file__).resolve().parent.parent
# What the suite's own settings and the caller's shell must not hand on.
_OURS = {
    *("BASE_URL", "CELERY_BROKER_URL", "DATABASE_URL", "DJANGO_SETTINGS_MODULE", "EMAIL_URL"),
    *("MAIL_LIVE", "MAKELEVEL", "PORT", "SINK_PORT"),
}


def environment(var_dir, **more):
    """Return the environment for a process of the program with its data in `var_dir`."""
    kept = {name: value for name, value in os.environ.items() if name not in _OURS}
    return {**kept, "DEVELOPMENT": "1", "VAR_DIR": str(var_dir), **{name: str(value) for name, value in more.items()}}


def database_url():
    """Return the URL of the test database, for a process that works on it beside the test."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    login = quote(database["USER"]) + (f":{quote(database['PASSWORD'])}" if database["PASSWORD"] else "")
    if database["HOST"].startswith("/"):  # a socket's folder, which django-environ wants after a second slash
        return f"postgres://{login}@/{database['HOST']}/{database['NAME']}"
    return f"postgres://{login}@{database['HOST']}:{database['PORT'] or 5432}/{database['NAME']}"


@contextmanager
def started(*command, env):
    """Start a Python command in the project's folder; yield the process, and kill it and its children at the end."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for_port(port, process):
    wait_until(lambda: _answers(port) or process.poll() is not None, 30, f"nothing listens on port {port}")
    assert process.poll() is None, process.communicate()[0]


def wait_until(true, seconds, otherwise):
    """Wait until `true()`, at most so many seconds; fail with the words in `otherwise`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"After {seconds} s {otherwise}."
        time.sleep(0.05)


def running_with(var_dir):
    """Return the running processes of the program on that folder, as {pid: command line}."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"\0VAR_DIR={var_dir}\0".encode() in b"\0" + (entry / "environ").read_bytes():
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
    return found


def _answers(port):
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
