"""`manage.py up`, behind `make run`: sets up what is missing and runs the whole program until Ctrl-C."""

import fcntl
import hashlib
import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.urls import reverse

from campaign.models import Campaign
from config import probing
from config.supervising import Supervisor

ORGANISER = "organiser"
READY_SECONDS = 60


class Command(BaseCommand):
    help = "Sets up what is missing, then runs web, worker, beat and the sandbox's mail server until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--with-parent", action="store_true", help="Stop as soon as the process that started this one is gone."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        check_folder(settings.VAR_DIR)
        with alone_on(settings.VAR_DIR):
            self.run(**options)

    def run(self, *, with_parent: bool, **options: Any) -> None:
        check_port(settings.PORT, "PORT", f"make run PORT={settings.PORT + 1}")
        if own_sink():
            check_port(settings.SINK_PORT, "SINK_PORT", f"make run SINK_PORT={settings.SINK_PORT + 1}")
        self.say(f"Setting up in {settings.VAR_DIR}")
        set_up(self.say)
        login = organiser_login()
        connection.close()
        self.say("Starting web, worker and beat" + (", and a mail server that keeps every mail here" * own_sink()))
        supervisor = Supervisor(commands(), environment(), self.say)
        probe = Probe(lambda: self.ready(login))
        supervisor.run(lambda: probe.look(supervisor), with_parent=with_parent)
        self.say("Stopped.")
        if probe.failed:
            raise CommandError(f"The site did not answer within {READY_SECONDS} s. Last answer: {probe.failed}")

    def say(self, line: str) -> None:
        try:
            self.stdout.write(line)
            self.stdout.flush()
        except OSError:
            pass  # the terminal is gone; what is left is to stop in order

    def ready(self, login: str) -> None:
        site = settings.BASE_URL
        self.say(f"\nReady: {site}/\n\nOrganisers: {site}{reverse('admin:index')}\n  {login}")
        if own_sink():
            self.say(f"Every mail it sends ends here: {site}{reverse('outbox:mailbox')}")
        if not settings.DEVELOPMENT:
            self.say(f"It listens for your proxy on 127.0.0.1:{settings.PORT}.")
        self.say("Ctrl-C stops it.\n")


def own_sink() -> bool:
    """Whether mail goes to the mail server that this command starts itself."""
    return not settings.MAIL_LIVE and (settings.EMAIL_HOST, settings.EMAIL_PORT) == ("127.0.0.1", settings.SINK_PORT)


def check_folder(folder: Path) -> None:
    """Raise CommandError unless files can be made in `folder`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CommandError(
            f"Cannot write to {folder} ({error.strerror}). Choose another folder: make run VAR_DIR=/some/folder"
        ) from error


@contextmanager
def alone_on(folder: Path) -> Iterator[None]:
    """Keep `folder` for this process until the end. Raises CommandError while another one has it."""
    with (folder / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CommandError(
                f"The program runs on {folder} already. Stop it, or choose another folder: "
                "make run VAR_DIR=/some/folder"
            ) from error
        yield


def check_port(port: int, name: str, other: str) -> None:
    """Raise CommandError unless the loopback port is free."""
    if not 0 < port < 65536:
        raise CommandError(f"{name} is {port}, and a port is a number from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise CommandError(f"Port {port} is reserved for the system. Choose another: {other}") from error
        except OSError as error:
            raise CommandError(
                f"Port {port} is taken by another program. Stop it, or choose another: {other}"
            ) from error


def set_up(say: Callable[[str], None]) -> None:
    """
    Make the database, the static files and, in an empty database in development, the demo campaign.

    Runs again harmlessly.
    """
    for name in ("queue", "control"):
        (settings.VAR_DIR / "broker" / name).mkdir(parents=True, exist_ok=True)
    call_command("migrate", verbosity=0, interactive=False)
    stamp = settings.VAR_DIR / "static.stamp"
    digest = static_digest()
    if not stamp.exists() or stamp.read_text() != digest:
        say("Collecting static files")
        call_command("collectstatic", verbosity=0, interactive=False, clear=True)
        stamp.write_text(digest)
    if Campaign.objects.exists():
        return
    if not settings.DEVELOPMENT:
        say("There is no campaign yet: write it in the admin, or load a folder with `manage.py load_campaign FOLDER`.")
    else:
        say("Loading the demo campaign")
        call_command("load_campaign", str(settings.BASE_DIR / "demo"), stdout=StringIO())


def static_digest() -> str:
    """Return what changes when a static file does."""
    digest = hashlib.sha256(str(settings.STATIC_ROOT).encode())
    for finder in get_finders():
        for path, storage in sorted(finder.list([]), key=lambda found: found[0]):
            stat = Path(storage.path(path)).stat()
            digest.update(f"{path}\0{stat.st_mtime_ns}\0{stat.st_size}\n".encode())
    return digest.hexdigest()


def organiser_login() -> str:
    """Make a first login if there is nobody who could log in; return how to log in, in words."""
    note = settings.VAR_DIR / "organiser.txt"
    if get_user_model().objects.exists():
        if note.exists():
            return f"name and password are in {note}"
        return "log in with your own name (a forgotten password: manage.py changepassword NAME)"
    password = readable_password()
    get_user_model().objects.create_superuser(ORGANISER, password=password)
    note.unlink(missing_ok=True)
    with os.fdopen(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"name: {ORGANISER}\npassword: {password}\n")
    return (
        f"name: {ORGANISER}   password: {password}   (kept in {note})\n"
        "  The first login sets up a second factor: an app on your phone that shows codes. The page says how."
    )


def readable_password() -> str:
    """Return 50 random bits in syllables that can be read out and typed."""
    words = ("".join(secrets.choice("bdfghklmnprstvwz") + secrets.choice("aeiou") for _ in range(2)) for _ in range(4))
    return "-".join(words)


def commands() -> dict[str, list[str]]:
    """Return the processes by name. docker-compose.yml starts the same ones."""
    python, celery = [sys.executable, "-W", "ignore"], ["-m", "celery", "--quiet", "-A", "config"]
    # Solo: on one small machine a pool of processes costs more memory than it brings speed.
    unshared = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return {
        "web": [*python, "-m", "gunicorn", "-c", "python:config.gunicorn", "config.wsgi"],
        "worker": [*python, *celery, "worker", "--pool=solo", *unshared, "--loglevel=WARNING"],
        "beat": [*python, *celery, "beat", "--pidfile=", "--loglevel=WARNING"],
        **({"sink": [*python, "manage.py", "sink"]} if own_sink() else {}),
    }


def environment() -> dict[str, str]:
    return {**os.environ, "PORT": str(settings.PORT), "VAR_DIR": str(settings.VAR_DIR), "PYTHONUNBUFFERED": "1"}


class Probe:
    """Asks /readyz until it says yes, then says so once."""

    def __init__(self, ready: Callable[[], None]) -> None:
        self._ready = ready
        self._asking, self._next = True, 0.0
        self._deadline = time.monotonic() + READY_SECONDS
        self.failed = ""

    def look(self, supervisor: Supervisor) -> None:
        if not self._asking or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 0.3
        answer = probing.ask()
        if answer == probing.READY:
            self._asking = False
            self._ready()
        elif time.monotonic() > self._deadline:
            self.failed = answer
            supervisor.stopping = True
