"""The part of `python -m bench` that runs on its servers; not to be called by itself."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bench import throughput
from bench.sinking import CannotRun, Sink


class Command(BaseCommand):
    help = "Measures on the servers that `python -m bench` has started. Call that."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", default="")
        parser.add_argument("--rounds", type=int, default=3)
        parser.add_argument("--seconds", type=float, default=3)
        parser.add_argument("--json", type=Path, required=True)

    def handle(self, *args: Any, only: str, rounds: int, seconds: float, json: Path, **options: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        folder = Path(os.environ["BENCH_FOLDER"])
        sink = Sink(os.environ["BENCH_SINK"], int(os.environ["BENCH_SINK_PORT"]), folder / "sink.log")
        try:
            result = throughput.run(
                folder, sink, only={key for key in only.split(",") if key}, rounds=rounds, seconds=seconds, say=self.say
            )
        except CannotRun as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            sys.exit(130)
        self.stdout.write(throughput.table(result))
        write(json, result)

    def say(self, line: str) -> None:
        self.stderr.write(line)


def write(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
