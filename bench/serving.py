"""
Pages read, letters signed and signatures confirmed, a second, beside the smallest Django project there is.

Both are served by the same command, `gunicorn -c python:config.gunicorn`, by as many processes and threads, on the same
PostgreSQL, in turns. Everything is tried on tables of three sizes, each in a database of its own.

`python -m bench` starts the servers and calls this; not to be called by itself.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import django
import psycopg

if __name__ == "__main__":
    django.setup()

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from bench import machine
from bench.bare import Row
from bench.crowd import Found, Plan, Request, get, percentile, post, send
from bench.letters import multiply
from bench.people import COUNTRY, MAILED, confirmable, form, headers, written
from bench.sinking import CannotRun
from config import gunicorn
from limits.stamping import stamp
from outbox.models import State
from protests import tallying
from protests.addressing import recipients
from protests.models import ConfirmationMail, Delivery, Letter, Signature
from tests.processes import wait_for_port
from tests.servers import end_with_the_tests
from tests.sinks import free_port

ROOT = Path(__file__).resolve().parent.parent
SIZES = (100, 100_000, 1_000_000)
LETTER = "no-arrests"
# The rows of the past have numbers from here on, and what is written while it is measured smaller ones.
FIRST = 1_000_000_000
# So many are sent at most in a second of a run.
MOST_A_SECOND = {"read": 6000, "sign": 2000, "confirm": 2000}
TABLES = (Signature, ConfirmationMail, Delivery)
# What is measured, beside what, and at least how much of it is aimed at.
MEASURED = {
    "home": ("GET /", "hello", 0.9),
    "letter": (f"GET /letters/{LETTER}/", "hello", 0.9),
    "sign": (f"POST /letters/{LETTER}/: signatures", "insert", 0.6),
    "confirm": ("POST /confirm/<token>/: confirmations", "insert", 0.6),
}
BARE = {
    "hello": ("a bare Django project's hello view", "hello", 0.0),
    "insert": ("a bare Django project's view that inserts one row", "insert", 0.0),
}
ALL = {**BARE, **MEASURED}


# --- What stands in the tables ---------------------------------------------------------------------------------------


def set_aside(letter: Letter, count: int) -> list[tuple[str, str]]:
    """
    Empty the tables, with one row of each kept as a pattern, and as many as can be confirmed in one run.

    Return the secret and the fingerprint of what is shown of each of the latter.
    """
    (pattern,) = written(letter, range(1), confirmed_at=timezone.now())
    ConfirmationMail.objects.create(signature=pattern, token_hash="", expires_at=timezone.now(), state=State.ACCEPTED)
    Delivery.objects.create(signature=pattern, target=recipients(letter, COUNTRY)[0], state=State.ACCEPTED)
    _move("pattern")
    links = confirmable(letter, range(1, count + 1))
    _move("confirmable")
    return links


def _move(where: str) -> None:
    with connection.cursor() as cursor:
        for model in TABLES:
            table = model._meta.db_table
            cursor.execute(f"CREATE TABLE {where}_{table} AS SELECT * FROM {table}")  # noqa: S608 - our own names
        cursor.execute(f"TRUNCATE {TABLES[0]._meta.db_table} CASCADE")


def fill(first: int, last: int) -> None:
    """Add confirmed signatures with these numbers, each with its mail and its letter, both accepted."""
    when = "now() - interval '1 second' * (1 + n * 7919::bigint %% 5000000)"
    times = ("created_at", "queued_at", "next_attempt_at", "handing_over_at", "settled_at")
    mail = {
        "signature_id": f"{FIRST} + n",
        "message_id": "'<' || md5(n::text) || '@history.example.org>'",
        **dict.fromkeys(times, when),
    }
    hashed = "md5(n::text) || md5((-n)::text)"
    others: dict[Any, dict[str, str]] = {
        Signature: {"email_tag": hashed, **dict.fromkeys(("created_at", "consented_at", "confirmed_at"), when)},
        ConfirmationMail: {**mail, "token_hash": hashed},
        Delivery: mail,
    }
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # foreign keys that we know to fit
        for model, columns in others.items():
            table = model._meta.db_table
            numbers = f"generate_series({first}, {last}) n"
            multiply(cursor, table, numbers, {"id": f"{FIRST} + n", **columns}, f"pattern_{table}")
        cursor.execute("SET session_replication_role = DEFAULT")


# --- One size ----------------------------------------------------------------------------------------------------


class Place:
    """A database with so many signatures, and two web servers on it: the program's, and the bare project's."""

    def __init__(self, size: int, running: ExitStack, folder: Path) -> None:
        self.size = size
        name = f"serving_{size}"
        connection.close()
        parameters = connection.get_connection_params()
        with psycopg.connect(**{**parameters, "dbname": "template1"}, autocommit=True) as elsewhere:
            elsewhere.execute(f"CREATE DATABASE {name} TEMPLATE {connection.settings_dict['NAME']}")
        self.database = running.enter_context(psycopg.connect(**{**parameters, "dbname": name}, autocommit=True))
        url = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
        ours, bare = "config.wsgi", "bench.bare"
        self.ports = {
            program: running.enter_context(served(program, folder / f"{program}-{size}.log", DATABASE_URL=url))
            for program in (ours, bare)
        }
        self.ours, self.bare = self.ports[ours], self.ports[bare]

    def tidy(self) -> None:
        """Start every run from the same place: what the last one wrote is gone, and no checkpoint is due."""
        for model in reversed(TABLES):
            self.database.execute(f"DELETE FROM {model._meta.db_table} WHERE id < {FIRST}")  # noqa: S608 - our own names
        self.database.execute(f"TRUNCATE limits_post, {Row._meta.db_table}")
        for model in TABLES:
            self.database.execute(f"VACUUM (ANALYZE) {model._meta.db_table}")
        self.database.execute("CHECKPOINT")

    def count(self, what: str) -> int:
        found = self.database.execute(f"SELECT count(*) FROM {what}").fetchone()  # noqa: S608 - our own words
        return int(found[0]) if found else 0

    def copy_confirmable(self) -> None:
        for model in TABLES[:2]:
            table = model._meta.db_table
            self.database.execute(f"INSERT INTO {table} SELECT * FROM confirmable_{table}")  # noqa: S608 - our own names


@contextmanager
def served(program: str, log: Path, **env: str) -> Iterator[int]:
    """Serve a program by the command with which the product is served; yield the port."""
    port = free_port()
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn", program],
            cwd=ROOT,
            env={**os.environ, "PORT": str(port), **env},
            stdout=out,
            stderr=out,
            preexec_fn=end_with_the_tests,  # noqa: PLW1509 - no thread runs yet
        )
    try:
        wait_for_port(port, process)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# --- Measuring ---------------------------------------------------------------------------------------------------


@dataclass
class Line:
    """A line of the table: one thing measured at one size."""

    key: str
    size: int
    runs: list[Found] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        return [run.per_second for run in self.runs]

    @property
    def median(self) -> float:
        return statistics.median(self.rates)

    def within(self, share: float) -> float:
        """Return within how many milliseconds such a share was answered, in the median run."""
        return 1000 * statistics.median(percentile(run.answers, share) for run in self.runs)

    def beside(self, other: "Line") -> float:
        """Return the median of the ratios of each round."""
        return statistics.median(mine / theirs for mine, theirs in zip(self.rates, other.rates, strict=True))


class Bench:
    def __init__(
        self, places: list[Place], confirmable: list[tuple[str, str]], seconds: float, connections: int
    ) -> None:
        self.places, self._confirmable = places, confirmable
        self._seconds, self._connections = seconds, connections
        self._stamp = stamp(time.time() - 60)
        self._signed = 0
        self.lines = {(key, place.size): Line(key, place.size) for place in places for key in ALL}

    def warm_up(self) -> None:
        for place in self.places:
            for key in ALL:
                self._send(key, place, self._seconds / 3)

    def round(self) -> None:
        for place in self.places:
            for key in ALL:
                self.lines[key, place.size].runs.append(self._send(key, place, self._seconds))

    def _send(self, key: str, place: Place, seconds: float) -> Found:
        """Measure once, and check that the rows say the same as the answers."""
        if key not in {"hello", "home", "letter"}:
            place.tidy()
        if key == "confirm":
            place.copy_confirmable()
        port = place.bare if key in BARE else place.ours
        found = send(Plan(port, self._requests(key), self._connections, seconds))
        wrong = [answer for answer in found.answers if not answer.marked or answer.status not in {200, 303}]
        if wrong:
            raise CannotRun(
                f"{len(wrong)} of {len(found.answers)} times {ALL[key][0]} was answered otherwise: {wrong[0]}"
            )
        rows = {
            "insert": Row._meta.db_table,
            "sign": f"protests_signature WHERE id < {FIRST}",
            "confirm": f"protests_signature WHERE id < {FIRST} AND confirmed_at IS NOT NULL",
        }
        if key in rows and (count := place.count(rows[key])) != len(found.answers):
            raise CannotRun(f"{ALL[key][0]}: {len(found.answers)} answers, and {count} rows.")
        return found

    def _requests(self, key: str) -> list[Request]:
        most = int(self._seconds * MOST_A_SECOND["read"])
        match key:
            case "hello":
                return [get("/hello/", **headers())] * most
            case "insert":
                return [post("/insert/", form(0, self._stamp), **headers())] * most
            case "home":
                return [get("/", **headers())] * most
            case "letter":
                return [get(f"/letters/{LETTER}/", **headers())] * most
            case "sign":
                first, self._signed = self._signed, self._signed + int(self._seconds * MOST_A_SECOND["sign"])
                return [
                    post(f"/letters/{LETTER}/", form(number, self._stamp), mark=MAILED, **headers(number))
                    for number in range(first, self._signed)
                ]
        return [
            post(f"/confirm/{token}/", {"seen": seen}, **headers(number))
            for number, (token, seen) in enumerate(self._confirmable)
        ]

    def report(self) -> dict[str, Any]:
        """Return all figures, ready for JSON."""
        rows = []
        for (key, size), line in self.lines.items():
            title, base, aim = ALL[key]
            rows.append(
                {
                    "key": key,
                    "title": title,
                    "signatures": size,
                    "per_second": [round(rate, 1) for rate in line.rates],
                    "median": round(line.median, 1),
                    "p50_ms": round(line.within(0.5), 2),
                    "p99_ms": round(line.within(0.99), 2),
                    "crowd_busy": round(statistics.median(run.busy for run in line.runs), 2),
                    **({"of_bare": round(line.beside(self.lines[base, size]), 3)} if aim else {}),
                }
            )
        return {
            "at": timezone.now().isoformat(timespec="seconds"),
            "machine": {
                **machine.facts(),
                "served by": f"gunicorn, {gunicorn.workers} processes of {gunicorn.threads} threads; the bare project "
                "by the same",
                "crowd": f"bench/crowd.py: one process, {self._connections} connections, each kept for 50 requests",
            },
            "rows": rows,
            "aims": self._aims(),
        }

    def _aims(self) -> list[dict[str, Any]]:
        found = []
        for key, (title, base, aim) in MEASURED.items():
            ratios = [self.lines[key, place.size].beside(self.lines[base, place.size]) for place in self.places]
            found.append(
                {
                    "aim": f"{title}: at least {aim} of {BARE[base][0]}, at each size",
                    "reached": ", ".join(f"{ratio:.2f}" for ratio in ratios),
                    "met": min(ratios) >= aim,
                }
            )
            first, *larger = (self.lines[key, place.size] for place in self.places)
            apart = [line.beside(first) for line in larger]
            if apart:
                found.append(
                    {
                        "aim": f"{title}: at the larger sizes within 10 % of the smallest",
                        "reached": ", ".join(f"{ratio - 1:+.0%}" for ratio in apart),
                        "met": all(abs(ratio - 1) <= 0.1 for ratio in apart),
                    }
                )
        return found


def table(result: dict[str, Any]) -> str:
    """Return the result as text to read."""
    lines = ["", *(f"{name + ':':<20}{words}" for name, words in result["machine"].items()), ""]
    lines.append(
        f"{'':<52}{'signatures':>11}{'a second':>10}{'least-most':>14}{'p50':>9}{'p99':>9}{'of bare':>9}{'crowd':>7}"
    )
    for row in result["rows"]:
        spread = f"{min(row['per_second']):,.0f}-{max(row['per_second']):,.0f}"
        ratio = f"{row['of_bare']:.2f}" if "of_bare" in row else ""
        lines.append(
            f"{row['title']:<52}{row['signatures']:>11,}{row['median']:>10,.0f}{spread:>14}"
            f"{row['p50_ms']:>6.1f} ms{row['p99_ms']:>6.0f} ms{ratio:>9}{row['crowd_busy']:>7.0%}"
        )
    lines += [
        "",
        f"a second: the median of {len(result['rows'][0]['per_second'])} rounds; of bare: of each round's ratio.",
    ]
    lines += ["crowd: how much of one processor the process took that sent the requests.", ""]
    lines += [f"{'met   ' if aim['met'] else 'NOT MET'} {aim['aim']}: {aim['reached']}" for aim in result["aims"]]
    return "\n".join(lines)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Fill the databases, start the servers, measure in turns; return the figures."""
    folder = Path(os.environ["BENCH_FOLDER"])
    say("making the databases")
    call_command("migrate", verbosity=0, interactive=False)
    call_command("collectstatic", verbosity=0, interactive=False)
    call_command("load_campaign", str(ROOT / "demo"), verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Row)
    letter = Letter.objects.get(slug=LETTER)
    confirmable = set_aside(letter, int(options.seconds * MOST_A_SECOND["confirm"]))
    with ExitStack() as running:
        places, first = [], 1
        for size in sorted(options.sizes):
            say(f"writing {size:,} signatures")
            fill(first, size)
            first = size + 1
            tallying.tally()
            places.append(Place(size, running, folder))
        bench = Bench(places, confirmable, options.seconds, options.connections)
        say("warming up")
        bench.warm_up()
        for number in range(1, options.rounds + 1):
            bench.round()
            say(
                f"round {number} of {options.rounds}: "
                + ", ".join(f"{key} {line.rates[-1]:,.0f}/s at {size:,}" for (key, size), line in bench.lines.items())
            )
        return bench.report()


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.serving")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--connections", type=int, default=gunicorn.workers * gunicorn.threads)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--json", type=Path, required=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = parser.parse_args()
    try:
        result = run(options)
    except CannotRun as error:
        print(f"make bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(table(result))
    options.json.write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
