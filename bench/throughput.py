"""Letters per second: all ways of sending, in turns, to the same sink; a table of medians and what was aimed at."""

import statistics
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from bench import letters, machine
from bench.letters import Content
from bench.sinking import GET_IT, CannotRun, Sink, smtp_sink
from bench.ways import (
    Django,
    Ours,
    PostOffice,
    PostOfficeTask,
    Smtplib,
    TaskPerMail,
    Way,
    ed25519_key,
    rsa_key,
)

OURS = {"ours1", "ours2", "rsa", "ed25519", "history"}
WARM_UP = 200
MOST_MEMORY = 150 * 1000 * 1000


@dataclass
class Row:
    """A line of the table."""

    key: str
    title: str
    most: int
    make: Callable[..., Way]
    count: int = 0
    rates: list[float] = field(default_factory=list)
    peak_memory: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.rates)

    def beside(self, other: "Row") -> float:
        """Return the median ratio to another row of the same round: the machine's moods last longer than a round."""
        return statistics.median(mine / theirs for mine, theirs in zip(self.rates, other.rates, strict=True))


def rows(folder: Path) -> list[Row]:
    """Return every row there is, with the most letters that a run of it sends."""
    return [
        Row("b", "(b) smtplib in a loop, ready-made bytes", 5000, Smtplib),
        Row("a", "(a) Django's EmailMessage in a loop, no database", 4000, Django),
        Row("ours1", "ours, 1 process", 5000, lambda *a: Ours(*a, processes=1)),
        Row("ours2", "ours, 2 processes", 6000, lambda *a: Ours(*a, processes=2)),
        Row("rsa", "ours, 1 process, DKIM with RSA-2048", 2000, lambda *a: Ours(*a, processes=1, dkim=rsa_key(folder))),
        Row(
            "ed25519",
            "ours, 1 process, DKIM with ed25519",
            2000,
            lambda *a: Ours(*a, processes=1, dkim=ed25519_key(folder)),
        ),
        Row(
            "history",
            "ours, 1 process, 1,000,000 letters before",
            3000,
            lambda *a: Ours(*a, processes=1, database="history"),
        ),
        Row("c1", "(c) django-post-office, its command, 1 process", 2000, lambda *a: PostOffice(*a, processes=1)),
        Row("c2", "(c) django-post-office, its command, 2 processes", 2000, lambda *a: PostOffice(*a, processes=2)),
        Row("c-celery", "(c) django-post-office, its Celery task, 1 process", 2000, PostOfficeTask),
        Row("d1", "(d) a task per mail, defaults, 1 process", 300, lambda *a: TaskPerMail(*a, processes=1, kept=False)),
        Row(
            "d2", "(d) a task per mail, defaults, 2 processes", 500, lambda *a: TaskPerMail(*a, processes=2, kept=False)
        ),
        Row(
            "d-kept1",
            "(d) a task per mail, connections kept, 1 process",
            1000,
            lambda *a: TaskPerMail(*a, processes=1, kept=True),
        ),
        Row(
            "d-kept2",
            "(d) a task per mail, connections kept, 2 processes",
            1500,
            lambda *a: TaskPerMail(*a, processes=2, kept=True),
        ),
    ]


@dataclass(frozen=True)
class Aim:
    """What one figure has to be at least, or at most, beside another."""

    words: str
    row: str
    times: float
    than: str


AIMS = [
    Aim("1 process: at least 0.9 of (a)", "ours1", 0.9, "a"),
    Aim("2 processes: at least 1.6 of (a)", "ours2", 1.6, "a"),
    Aim("at least 2 times (c), each with 1 process", "ours1", 2, "c1"),
    Aim("at least 2 times (c) by its Celery task", "ours1", 2, "c-celery"),
    Aim("at least 2 times (c), each with 2 processes", "ours2", 2, "c2"),
    Aim("at least 5 times (d), each with 1 process", "ours1", 5, "d1"),
    Aim("at least 5 times (d), each with 2 processes", "ours2", 5, "d2"),
    Aim("with RSA DKIM: at least 0.5 of (a)", "rsa", 0.5, "a"),
    Aim("with 1,000,000 letters before: less than 10 % slower", "history", 0.9, "ours1"),
]


def run(
    folder: Path, sink: Sink, *, only: set[str], rounds: int, seconds: float, say: Callable[[str], None]
) -> dict[str, Any]:
    """Run the chosen rows in turns; return the figures, ready for JSON."""
    chosen = [row for row in rows(folder) if not only or row.key in only]
    if unknown := only - {row.key for row in chosen}:
        raise CannotRun(
            f"No such row: {', '.join(sorted(unknown))}. There are {', '.join(r.key for r in rows(folder))}."
        )
    say("making the database")
    call_command("migrate", run_syncdb=True, verbosity=0, interactive=False)
    letters.write_campaign()
    if any(row.key == "history" for row in chosen):
        say("writing 1,000,000 letters of the past")
        _copy_database("history")
        letters.write_history("history")
    contents = letters.contents(max(row.most for row in chosen))
    with ExitStack() as running:
        ways = {row.key: _started(running, row, folder, sink, contents) for row in chosen}
        say("warming up")
        for way in ways.values():
            way.wait_until_ready()  # none of them still starts while another is measured
        for row in chosen:
            row.count = _count(ways[row.key], row, seconds)
        for number in range(1, rounds + 1):
            for row in chosen:
                rate = ways[row.key].run(row.count)
                row.rates.append(rate)
                row.peak_memory = ways[row.key].peak_memory
                say(f"run {number} of {rounds}: {row.title}: {rate:,.0f} letters/s")
    facts = {
        **machine.facts(),
        "django-post-office": version("django-post-office"),
        "sink": sink.name if smtp_sink() else f"{sink.name}. {GET_IT}",
    }
    return report(chosen, facts, contents)


def _started(running: ExitStack, row: Row, folder: Path, sink: Sink, contents: list[Content]) -> Way:
    way = row.make(folder, sink, contents)
    running.callback(way.stop)
    return way


def _count(way: Way, row: Row, seconds: float) -> int:
    """Send what is not counted, until it is warm; return how many letters a run of some `seconds` takes."""
    return min(row.most, max(WARM_UP, int(way.run(WARM_UP) * seconds)))


def _copy_database(name: str) -> None:
    """Copy the whole database, to which nobody may be connected meanwhile."""
    connection.close()
    with psycopg.connect(**{**connection.get_connection_params(), "dbname": "template1"}, autocommit=True) as elsewhere:
        elsewhere.execute(f"CREATE DATABASE {name} TEMPLATE {connection.settings_dict['NAME']}")


def report(chosen: list[Row], facts: dict[str, str], contents: list[Content]) -> dict[str, Any]:
    """Return all figures, ready for JSON."""
    by_key = {row.key: row for row in chosen}
    size = statistics.mean(len(c.as_django().message().as_bytes(linesep="\r\n")) for c in contents[:200])
    beside = {key: by_key[key] for key in ("a", "b") if key in by_key}
    return {
        "at": timezone.now().isoformat(timespec="seconds"),
        "machine": {**facts, "a letter": f"{size:,.0f} bytes on average, to one of {letters.TARGETS} targets"},
        "rows": [
            {
                "key": row.key,
                "title": row.title,
                "letters_per_run": row.count,
                "per_second": [round(rate, 1) for rate in row.rates],
                "median": round(row.median, 1),
                "peak_memory_bytes": row.peak_memory or None,
                **{f"of_{key}": round(row.beside(other), 3) for key, other in beside.items()},
            }
            for row in chosen
        ],
        "aims": _aims(by_key),
    }


def _aims(by_key: dict[str, Row]) -> list[dict[str, Any]]:
    found = [
        {
            "aim": aim.words,
            "reached": f"{(ratio := by_key[aim.row].beside(by_key[aim.than])):.2f}",
            "met": ratio > aim.times if aim.row == "history" else ratio >= aim.times,
        }
        for aim in AIMS
        if aim.row in by_key and aim.than in by_key
    ]
    if ours := [row.peak_memory for key, row in by_key.items() if key in OURS]:
        aim = "peak memory of a worker process under 150 MB"
        found.append({"aim": aim, "reached": f"{max(ours) / 1e6:.0f} MB", "met": max(ours) < MOST_MEMORY})
    return found


def table(result: dict[str, Any]) -> str:
    """Return the result as text to read."""
    lines = ["", *(f"{name + ':':<20}{words}" for name, words in result["machine"].items()), ""]
    lines.append(f"{'':<52}{'letters/s':>10}{'least-most':>14}{'of (a)':>8}{'of (b)':>8}{'memory':>8}")
    for row in result["rows"]:
        spread = f"{min(row['per_second']):,.0f}-{max(row['per_second']):,.0f}"
        beside = "".join(f"{row[key]:>8.2f}" if key in row else f"{'':>8}" for key in ("of_a", "of_b"))
        memory = f"{row['peak_memory_bytes'] / 1e6:.0f} MB" if row["peak_memory_bytes"] else ""
        lines.append(f"{row['title']:<52}{row['median']:>10,.0f}{spread:>14}{beside}{memory:>8}")
    lines += ["", f"letters/s: the median of {len(result['rows'][0]['per_second'])} runs, the rows taking turns."]
    lines += ["memory: the most that one sending process ever held.", ""]
    lines += [f"{'met   ' if aim['met'] else 'NOT MET'} {aim['aim']}: {aim['reached']}" for aim in result["aims"]]
    return "\n".join(lines)
