"""
`make bench`: start PostgreSQL, a broker and a mail server, measure on them, and leave nothing behind.

`python -m bench --quick --only ours1,a` is for trying things out: one short run of the rows that are named.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

import pytest

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
        if find_spec("post_office") is None:
            raise CannotRun("django-post-office is not installed, which the bench compares with. Run: make bench")
        with ExitStack() as running:
            folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            say("starting PostgreSQL (with fsync), a Redis-protocol broker and the sink")
            database = running.enter_context(postgres(durable=True))
            broker = running.enter_context(valkey())
            mail = running.enter_context(sink(folder))
            env = {
                **{name: os.environ[name] for name in KEPT if name in os.environ},
                "BENCH_FOLDER": str(folder),
                "BENCH_LOAD": str(load),
                "BENCH_SINK": mail.name,
                "BENCH_SINK_PORT": str(mail.port),
                "CELERY_BROKER_URL": broker,
                "DATABASE_URL": database,
                "DEVELOPMENT": "1",
                "DJANGO_SETTINGS_MODULE": "bench.settings",
                "EMAIL_URL": f"smtp://127.0.0.1:{mail.port}",
                "LOG_LEVEL": "WARNING",
                "VAR_DIR": str(folder / "var"),
            }
            return measured(options, env)
    except (CannotRun, pytest.UsageError) as error:
        print(f"make bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure letters per second.")
    parser.add_argument("--only", default="", help="these rows alone, such as ours1,a")
    parser.add_argument("--quick", action="store_true", help="one short run")
    parser.add_argument("--rounds", type=int, default=0, help="how many runs (5, or 1 with --quick)")
    return parser.parse_args()


def measured(options: argparse.Namespace, env: dict[str, str]) -> int:
    """Run the measuring process until its end; return its exit status."""
    command = [
        *(sys.executable, "manage.py", "measure_throughput", "--skip-checks"),
        f"--only={options.only}",
        f"--rounds={options.rounds or (1 if options.quick else 5)}",
        f"--seconds={1.5 if options.quick else 2}",
        f"--json={Path(os.environ.get('VAR_DIR', ROOT / 'var'), 'bench.json').resolve()}",
    ]
    process = subprocess.Popen(command, cwd=ROOT, env=env, preexec_fn=end_with_the_tests)  # noqa: PLW1509
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
