"""
`make drill`: real workers, PostgreSQL and broker, killed and cut off while letters go to a mail server that misbehaves.

    make drill                        every drill, some 10 minutes
    make drill DRILLS="kills clock"   only these
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from types import FrameType

from django.utils.module_loading import import_string

from bench.stage import stage

# What each one does is in bench/drills.py. To add one: write it there under its name, and name it here.
# Those of signing are in bench/signing_drills.py, that of the mirror in bench/mirror_drill.py, that of what is kept
# in bench/canary_drill.py, and that of backups in bench/backup_drill.py.
SIGNING = ("races", "greatday", "restart", "broker")
TRUST = ("mirror", "canaries", "erasure", "backup")
SENDING = ("kills", "down", "slow", "refused", "busy", "forged", "clock", "dkim", "week", "mailing")
DRILLS = (*SENDING, *SIGNING, *TRUST)
HEAD = ("drill", "letters", "lost", "twice", "in doubt", "by kills", "by drops", "settled", "passed")


@dataclass
class Outcome:
    """What a drill showed."""

    drill: str
    letters: int = 0
    lost: int = 0
    twice: int = 0
    in_doubt: int = 0
    by_kills: int = 0
    by_drops: int = 0
    settled_after: float | None = None  # seconds after the last fault
    took: float = 0
    remarks: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.failures

    @property
    def row(self) -> tuple[str, ...]:
        settled = "-" if self.settled_after is None else f"{self.settled_after:.1f} s"
        counts = (self.letters, self.lost, self.twice, self.in_doubt, self.by_kills, self.by_drops)
        return (self.drill, *(f"{count:,}" for count in counts), settled, "yes" if self.passed else "NO")


def table(outcomes: list[Outcome]) -> str:
    rows = [HEAD, *(outcome.row for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    for outcome in outcomes:
        words = [*outcome.remarks, *(f"FAILED: {failure}" for failure in outcome.failures)]
        lines += ["", *(f"{outcome.drill}: {line}" for line in words)] if words else []
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.drill", description="Fault drills of the delivery engine.")
    parser.add_argument("drills", nargs="*", metavar="DRILL", help=f"of {', '.join(DRILLS)}; none: all")
    parser.add_argument("--minutes", type=float, default=2, help="how long the great day lasts (2)")
    parser.add_argument(
        "--quick", action="store_true", help="the drills of signing and of canaries in seconds, to try them out"
    )
    options = parser.parse_args()
    names = options.drills or DRILLS
    if unknown := [name for name in names if name not in DRILLS]:
        parser.error(f"there is no drill {', '.join(unknown)}; there are {', '.join(DRILLS)}")
    file = Path(os.environ.get("VAR_DIR", "var")).resolve() / "drill.json"
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _end)
    began = time.time()
    try:
        with stage(options.minutes, quick=options.quick) as set_up:
            # The models can be imported only now that the settings know of the servers.
            play: Callable[..., Outcome] = import_string("bench.drills.play")
            import_module("bench.signing_drills")
            import_module("bench.mirror_drill")
            import_module("bench.canary_drill")
            import_module("bench.backup_drill")
            machine = set_up.facts()
            outcomes = [play(set_up, name) for name in names]
    except KeyboardInterrupt:
        print("\nBroken off. Nothing is left running.", file=sys.stderr)
        return 130
    print("\n" + "\n".join(f"{name + ':':<12}{value}" for name, value in machine.items()))
    print(f"\n{table(outcomes)}\n")
    file.parent.mkdir(parents=True, exist_ok=True)
    drills = [{**asdict(outcome), "passed": outcome.passed} for outcome in outcomes]
    report = {"machine": machine, "took": round(time.time() - began, 1), "drills": drills}
    file.write_text(json.dumps(report, indent=2) + "\n")
    print(f"{report['took']} s in all; also in {file}")
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _end(number: int, frame: FrameType | None) -> None:
    """End in order, so that what was started is stopped."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
