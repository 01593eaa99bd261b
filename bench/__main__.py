"""
`make bench`: start PostgreSQL, a broker and a mail server, measure on them, and leave nothing behind.

The headers are graded first, then is measured what a page weighs, what is served, what is sent, and banks' statements.
`python -m bench serving --quick` and `python -m bench letters --quick --only ours1,a` are for trying things out: one
short run of one of them, or of the rows that are named.
"""

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from cryptography.fernet import Fernet

from bench.sinking import CannotRun, sink
from tests.servers import end_with_the_tests, postgres, valkey

ROOT = Path(__file__).resolve().parent.parent
# Of the caller's environment, so that nothing else of it changes what is measured.
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "SMTP_SINK")


def main() -> int:
    options, load = parsed(), os.getloadavg()[0]
    for ending in (signal.SIGINT, signal.SIGTERM):  # a shell that runs this in the background has SIGINT ignored
        signal.signal(ending, interrupt)
    try:
        if "letters" in options.what and find_spec("post_office") is None:
            raise CannotRun("django-post-office is not installed, which the bench compares with. Run: make bench")
        with ExitStack() as running:
            folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            say("starting a Redis-protocol broker and the sink")
            broker = running.enter_context(valkey())
            mail = running.enter_context(sink(folder))
            env = {
                **{name: os.environ[name] for name in KEPT if name in os.environ},
                "BENCH_FOLDER": str(folder),
                "BENCH_LOAD": str(load),
                "BENCH_SINK": mail.name,
                "BENCH_SINK_PORT": str(mail.port),
                "CELERY_BROKER_URL": broker,
                "EMAIL_URL": f"smtp://127.0.0.1:{mail.port}",
                "LOG_LEVEL": "WARNING",
                "VAR_DIR": str(folder / "var"),
            }
            return measured(options, env, folder)
    except (CannotRun, pytest.UsageError) as error:
        print(f"make bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure pages, letters and statements.")
    parser.add_argument("what", nargs="*", help=f"of {', '.join(MEASURES)}; none: all but {', '.join(ASKED_FOR)}")
    parser.add_argument(
        "--only", default="", help="these rows of the letters alone, such as ours1,a; or pages of the desk"
    )
    parser.add_argument("--sizes", default="", help="signatures in the table, such as 100,100000; rows at the desk")
    parser.add_argument("--quick", action="store_true", help="one short run")
    parser.add_argument("--rounds", type=int, default=0, help="how many runs (5 of the letters, 3 of what is served)")
    options = parser.parse_args()
    if unknown := set(options.what) - MEASURES.keys():
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    options.what = options.what or [what for what in MEASURES if what not in ASKED_FOR]
    return options


def measured(options: argparse.Namespace, env: dict[str, str], folder: Path) -> int:
    """Run what was asked for, each on a PostgreSQL of its own; write all to one file; return the exit status."""
    results: dict[str, Any] = {}
    for what, command in MEASURES.items():
        if what not in options.what:
            continue
        file = folder / f"{what}.json"
        say("starting PostgreSQL (with fsync)")
        with postgres(durable=True) as database:
            arguments, more = command(options)
            if status := ended([*arguments, f"--json={file}"], {**env, **more, "DATABASE_URL": database}):
                return status
        results[what] = json.loads(file.read_text())
    # The figures of the letters stand where they always did.
    result = {**results.pop("letters", {}), **results}
    path = Path(os.environ.get("VAR_DIR", ROOT / "var"), "bench.json").resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    print(f"\nThe same in {path}")
    return 0


def headers(options: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """Return the command that grades the headers, and its settings."""
    return ["-m", "bench.headers"], in_production()


def weights(options: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """Return the command that weighs the pages, and its settings."""
    return ["-m", "bench.weights"], in_production()


def serving(options: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """Return the command that measures what is served, and its settings."""
    arguments = [
        *("-m", "bench.serving"),
        f"--rounds={options.rounds or (1 if options.quick else 3)}",
        f"--seconds={0.5 if options.quick else 3}",
        *(["--sizes", *options.sizes.split(",")] if options.sizes else []),
    ]
    return arguments, in_production()


def in_production() -> dict[str, str]:
    """Return the settings of production, behind a proxy."""
    return {
        "BASE_URL": "https://solidarity.example.org",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "LETTER_LOG_KEY": Fernet.generate_key().decode(),
        "PRIVACY_KEYS": Fernet.generate_key().decode(),
        "PRIVACY_TAG_KEY": secrets.token_urlsafe(48),
        "SECRET_KEY": secrets.token_urlsafe(48),
        "TRUSTED_PROXIES": "1",
    }


def letters(options: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """Return the command that measures the sending of letters, and its settings."""
    arguments = [
        *("manage.py", "measure_throughput", "--skip-checks"),
        f"--only={options.only}",
        f"--rounds={options.rounds or (1 if options.quick else 5)}",
        f"--seconds={1.5 if options.quick else 2}",
    ]
    return arguments, {"DEVELOPMENT": "1", "DJANGO_SETTINGS_MODULE": "bench.settings"}


def statements(options: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """Return the command that measures the import of a bank's statement, and its settings."""
    arguments = ["-m", "bench.statements", *(["--lines=1000"] if options.quick else [])]
    return arguments, {"DEVELOPMENT": "1", "DJANGO_SETTINGS_MODULE": "config.settings"}


def desk(options: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """Return the command that opens every page of the desk, and its settings."""
    rows = options.sizes or ("2000" if options.quick else "")
    arguments = ["-m", "bench.desk", f"--only={options.only}", *([f"--rows={rows}"] if rows else [])]
    return arguments, {"DEVELOPMENT": "1", "DJANGO_SETTINGS_MODULE": "config.settings"}


MEASURES: dict[str, Callable[[argparse.Namespace], tuple[list[str], dict[str, str]]]] = {
    "headers": headers,
    "weights": weights,
    "serving": serving,
    "letters": letters,
    "statements": statements,
    "desk": desk,
}
# What takes an hour is measured where it is named.
ASKED_FOR = {"desk"}


def ended(arguments: list[str], env: dict[str, str]) -> int:
    """Run the measuring process until its end; return its exit status."""
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=env, preexec_fn=end_with_the_tests)  # noqa: PLW1509
    try:
        return process.wait()
    finally:
        # Ctrl-C comes here alone: the measuring process has a process group of its own.
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def say(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
