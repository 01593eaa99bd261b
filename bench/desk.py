"""
Every page of the desk as an owner opens it, over a million rows, on PostgreSQL and on SQLite.

Lists are opened plain, in each order, with each choice of each filter, searched, and on their second and last pages.
Of each page is told how long it took, how long the database took of that, and which query took longest.

`python -m bench desk` starts PostgreSQL and calls this; not to be called by itself. Nothing of it is timed in tests.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import setup_test_environment
from django.urls import NoReverseMatch, URLPattern, reverse
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_static.models import StaticDevice

from bench import machine
from campaign.models import MailingCopy, Subscriber, SubscriptionMail
from donations import balances
from donations.models import Allocation, OpenLine, Pledge, PledgeHold, PledgeMail, Transaction
from organisers.models import AuditEntry
from organisers.verifying import AUTHENTICATED_AT
from privacy.triggers import Triggers
from protests import tallying
from protests.models import ConfirmationMail, Delivery, Hold, LetterLogEntry, Signature
from tests.rows import more, one_of_each
from tests.servers import end_with_the_tests

ROOT = Path(__file__).resolve().parent.parent
ROWS = 1_000_000
AIM_SECONDS = 0.3
# Letters and targets of a large campaign, and what else only organisers write.
FEW = {"protests.letter": 19, "protests.target": 59, "campaign.update": 199, "campaign.strike": 9}
# What visitors send in.
VISITORS = {
    *("campaign.messageofsupport", "campaign.endorsement", "campaign.comment", "protests.picket"),
    *("protests.picketreport", "campaign.picture"),
}
FROM_VISITORS = 1000
_BASE = 10_000_000
_DAYS = 60


# --- A million rows --------------------------------------------------------------------------------------------------


class Words:
    """What the two databases say differently, of the number `n` of a row."""

    def __init__(self, rows: int) -> None:
        self.rows, self.postgres = rows, connection.vendor == "postgresql"

    def numbers(self, rows: int) -> str:
        if self.postgres:
            return f"generate_series(1, {rows}::bigint) AS numbers(n)"
        return f"(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {rows}) SELECT n FROM c)"  # noqa: S608

    def past(self) -> str:
        """Return some second of the last days."""
        ago = f"({self.rows} - n) * {_DAYS * 86400} / {self.rows}"  # the higher the number, the newer
        if self.postgres:
            return f"now() - interval '1 second' * ({ago})"
        return f"strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || ({ago}) || ' seconds')"

    def day(self) -> str:
        ago = f"(n * 7919) % {_DAYS}"
        return f"current_date - (({ago})::int)" if self.postgres else f"date('now', '-' || ({ago}) || ' days')"

    def digest(self, number: str = "n") -> str:
        """Return 64 hexadecimal digits that no other number has."""
        return f"lpad(to_hex({number}), 64, '0')" if self.postgres else f"printf('%064x', {number})"

    def text(self, number: str) -> str:
        return f"CAST({number} AS text)"


def one_in(share: int, then: str, otherwise: str) -> str:
    return f"CASE WHEN n % {share} = 0 THEN {then} ELSE {otherwise} END"


def columns(model: Any, rows: dict[str, Any], some: Words) -> dict[str, str]:
    """Return what the rows of a model differ in, as SQL."""
    past, unique = some.past(), some.digest()
    first_letter, first_target = rows["protests.letter"].pk, rows["protests.target"].pk
    # Half of all letters wait, as in the first days of a large campaign.
    states = (
        "CASE WHEN n % 100 < 50 THEN 'queued' WHEN n % 100 < 97 THEN 'accepted' WHEN n % 100 = 97 THEN 'bounced' "
        "WHEN n % 1000 = 98 THEN 'in_doubt' ELSE 'cancelled' END"
    )
    settled = f"CASE WHEN n % 100 < 50 OR n % 1000 = 98 THEN NULL ELSE {past} END"
    mail = {
        "message_id": f"'<' || {unique} || '@history.example.org>'",
        **dict.fromkeys(("created_at", "queued_at", "next_attempt_at"), past),
        "state": states,
        "handing_over_at": f"CASE WHEN n % 100 BETWEEN 50 AND 97 OR n % 1000 = 98 THEN {past} END",
        "settled_at": settled,
    }
    link = {**mail, "token_hash": unique, "recipient_tag": unique}
    return {
        Signature: {
            "letter_id": f"{first_letter} + n % 20",
            "email_tag": unique,
            "country": "CASE n % 3 WHEN 0 THEN 'DE' WHEN 1 THEN 'SE' ELSE 'PL' END",
            "created_at": past,
            "confirmed_at": one_in(20, "NULL", past),
            "withdrawn_at": one_in(33, past, "NULL"),
        },
        ConfirmationMail: {**link, "signature_id": f"{_BASE} + n"},
        Delivery: {**mail, "signature_id": f"{_BASE} + n", "target_id": f"{first_target} + n % 60"},
        Hold: {
            "email_tag": unique,
            "letter_id": f"{first_letter} + n % 20",
            "created_at": past,
            "network_tag": some.digest("n % 1000"),
            "domain_tag": some.digest("n % 5000"),
            "name_tag": some.digest("n % 70000"),
        },
        LetterLogEntry: {
            "commitment": unique,
            "previous_hash": some.digest("n - 1"),
            "hash": unique,
            "day": some.day(),
        },
        Subscriber: {
            "email_tag": unique,
            "created_at": past,
            "confirmed_at": one_in(20, "NULL", past),
        },
        SubscriptionMail: {**link, "subscriber_id": f"{_BASE} + n"},
        MailingCopy: {**mail, "subscriber_id": f"{_BASE} + n"},
        Pledge: {
            "number": some.text("6000000000 + n"),
            "amount_minor": "500 + 100 * (n % 300)",
            "email_tag": unique,
            "created_at": past,
            "confirmed_at": one_in(20, "NULL", past),
            "withdrawn_at": one_in(33, past, "NULL"),
        },
        PledgeMail: {**link, "pledge_id": f"{_BASE} + n", "due_on": "NULL", "transaction_id": "NULL"},
        PledgeHold: {"email_tag": unique, "created_at": past},
        Transaction: {
            "fingerprint": unique,
            "booked_on": some.day(),
            "recorded_at": past,
            "reference": "''",
            "counterparty_iban_tag": some.digest("n % 300000"),
        },
        Allocation: {
            "transaction_id": f"{_BASE} + n",
            "pledge_id": f"{_BASE} + n",
            "made_at": past,
            "mirrors_id": "NULL",
            "reverses_id": "NULL",
        },
        AuditEntry: {
            "at": past,
            "object_id": some.text("n % 5000"),
            "previous_hash": some.digest("n + 16"),
            "hash": some.digest("n + 17"),
            "act": one_in(10, "'logged in'", "'changed'"),
            "model": one_in(3, "'campaign.update'", "'protests.letter'"),
        },
    }[model]


def fill(rows: int) -> None:
    """Write a row of each kind, some more of what organisers write, and a million of what the world does."""
    call_command("migrate", verbosity=0, interactive=False)
    some = Words(rows)
    with transaction.atomic():
        found = one_of_each()
        sample = LetterLogEntry(
            sequence=_BASE, day="2026-01-01", letter="letter", target="target", target_name="Embassy"
        )
        sample.live, sample.commitment = True, "f" * 64
        sample.previous_hash = sample.hash = "f" * 64
        sample.save()
        for label, times in FEW.items():
            more(found[label], times)
    for label in sorted(VISITORS):
        with transaction.atomic():
            more(found[label], min(FROM_VISITORS, rows))
    patterns = {model: found.get(model._meta.label_lower, sample) for model in MILLIONS}
    # Foreign keys that we know to fit.
    with connection.constraint_checks_disabled(), transaction.atomic(), connection.cursor() as cursor:
        for guard in Triggers.known:
            guard.drop("default")
        if some.postgres:
            cursor.execute("SET LOCAL session_replication_role = replica")
        for model, share in MILLIONS.items():
            # One line in a thousand waits for a word.
            number = rows // share - (rows // 1000 if model is Allocation else 0)
            say(f"{connection.vendor}: {number:,} {model._meta.verbose_name_plural}")
            some = Words(number)
            multiplied(cursor, patterns[model], number, columns(model, found, some), some)
    for guard in Triggers.known:
        guard.create("default")
    open_lines = balances.left_open().filter(open_line=None).values_list("pk", flat=True)
    OpenLine.objects.bulk_create([OpenLine(transaction_id=pk) for pk in open_lines], batch_size=1000)
    tallying.tally()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if some.postgres else "ANALYZE")


# Each model, and of how many rows there is one.
MILLIONS: dict[Any, int] = {
    Signature: 1,
    ConfirmationMail: 1,
    Delivery: 1,
    Hold: 10,
    LetterLogEntry: 1,
    Subscriber: 1,
    SubscriptionMail: 1,
    MailingCopy: 1,
    Pledge: 1,
    PledgeMail: 1,
    PledgeHold: 10,
    Transaction: 1,
    Allocation: 1,
    AuditEntry: 1,
}


def multiplied(cursor: Any, pattern: Any, rows: int, others: dict[str, str], some: Words) -> None:
    meta = pattern._meta
    names = [field.column for field in meta.concrete_fields]
    others = {meta.pk.column: f"{_BASE} + n", **others}
    values = ", ".join(others.get(name, f't."{name}"') for name in names)
    into = ", ".join(f'"{name}"' for name in names)
    cursor.execute(
        f"INSERT INTO {meta.db_table} ({into}) SELECT {values} FROM {meta.db_table} t, {some.numbers(rows)} "  # noqa: S608
        f'WHERE t."{meta.pk.column}" = {int(pattern.pk)}'
    )


# --- Looking ---------------------------------------------------------------------------------------------------------


@contextmanager
def _took(query: list[Any]) -> Iterator[None]:
    begins = time.perf_counter()
    try:
        yield
    finally:
        query[0] += time.perf_counter() - begins


class Fetched:
    """A cursor whose fetching counts as time of the database."""

    def __init__(self, cursor: Any, took: Any) -> None:
        self._cursor, self._took = cursor, took

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._cursor, name)
        if not name.startswith("fetch"):
            return found

        def timed(*args: Any) -> Any:
            with self._took():
                return found(*args)

        return timed

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())


class Desk:
    """The desk, as an owner's browser asks for it."""

    def __init__(self) -> None:
        self.client = Client(raise_request_exception=False, headers={"x-forwarded-proto": "https"})
        user, _new = get_user_model().objects.get_or_create(
            username="bench", defaults={"is_staff": True, "is_superuser": True, "email": "bench@example.org"}
        )
        self.client.force_login(user)
        session = self.client.session
        device, _new = StaticDevice.objects.get_or_create(user=user, name="of the bench")
        session[DEVICE_ID_SESSION_KEY] = device.persistent_id
        session[AUTHENTICATED_AT] = int(time.time())
        session.save()

    def open(self, url: str) -> tuple[Any, dict[str, Any]]:
        """Return the answer and what it took, with nothing kept from before."""
        cache.clear()
        queries: list[list[Any]] = []

        def timed(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
            queries.append([0.0, sql])
            took = partial(_took, queries[-1])
            if connection.vendor == "sqlite":  # works a query out while its rows are fetched
                context["cursor"].cursor = Fetched(context["cursor"].cursor, took)
            with took():
                return execute(sql, params, many, context)

        begins = time.perf_counter()
        with connection.execute_wrapper(timed):
            answer = self.client.get(url, secure=True)
            size = len(b"".join(answer.streaming_content) if answer.streaming else answer.content)
        seconds = time.perf_counter() - begins
        slowest = max(queries, default=[0.0, ""])
        return answer, {
            "url": url,
            "status": answer.status_code,
            "bytes": size,
            "seconds": seconds,
            "database_seconds": sum(one for one, _sql in queries),
            "queries": len(queries),
            "slowest_seconds": slowest[0],
            "slowest": slowest[1],
        }


def look(only: str) -> Iterator[dict[str, Any]]:
    call_command("collectstatic", verbosity=0, interactive=False)
    setup_test_environment(debug=False)  # what a template was given can be read; nothing else is changed that counts
    desk = Desk()
    desk.open(reverse("admin:index"))  # what is read once for the whole process
    for model, registered in admin.site._registry.items():
        if only in model._meta.label_lower:
            yield from lists(desk, model, registered)
    for url in others():
        if only in url:
            yield desk.open(url)[1]


def others() -> Iterator[str]:
    """Yield the pages that are no list, of the newest row of each model."""
    newest = {
        model._meta.label_lower.replace(".", "_"): model._base_manager.order_by("-pk").values_list("pk", flat=True)[0]
        for model in admin.site._registry
        if model._base_manager.exists()
    }
    newest["donations_desk"] = newest["donations_transaction"]
    for pattern in patterns(admin.site.get_urls()):
        name = pattern.name or ""
        if not name or name.endswith(("_changelist", "_export", "_add")) or name in NOT_OPENED:
            continue
        model = max((label for label in newest if name.startswith(label)), key=len, default="")
        named = pattern.pattern.regex.groupindex
        given = {"app_label": "protests", "language_code": "en"}
        try:
            yield reverse(f"admin:{name}", kwargs={key: given.get(key, newest.get(model)) for key in named})
        except NoReverseMatch:
            continue
    yield reverse("admin:autocomplete") + "?app_label=protests&model_name=addressee&field_name=target&term=e"
    yield reverse("admin:autocomplete") + "?app_label=campaign&model_name=update&field_name=activists&term=e"


def patterns(some: Any) -> Iterator[URLPattern]:
    for one in some:
        if isinstance(one, URLPattern):
            yield one
        else:
            yield from patterns(one.url_patterns)


# What ends the session, what needs parameters, and what asks name servers and mail servers.
NOT_OPENED = {"login", "logout", "autocomplete", "readiness", "trial_letter"}
# What people search for: a word that nothing has, one that much has, a number, an address, a Message-ID.
SEARCHED = ("zzyzx", "letter", "4711", "nobody@history.example.org")


def lists(desk: Desk, model: Any, registered: Any) -> Iterator[dict[str, Any]]:
    """Open a list in every way that it offers."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    answer, row = desk.open(url)
    yield row
    if answer.status_code != 200:
        return
    shown = answer.context["cl"]
    ways = {f"?p={page}" for page in (2, shown.paginator.num_pages) if page <= shown.paginator.num_pages}
    for place in range(1, len(shown.list_display)):
        if shown.get_ordering_field(shown.list_display[place]):
            ways |= {f"?o={place}", f"?o=-{place}"}
    for spec in shown.filter_specs:
        chosen = [choice["query_string"] for choice in spec.choices(shown)]
        ways |= {*chosen[:4], *chosen[-1:]}
    ways |= set(re.findall(r'href="(\?[^"]*__year[^"]*)"', answer.content.decode()))
    if shown.search_fields:
        ways |= {f"?q={word}" for word in SEARCHED}
    for way in sorted(ways - {"?", ""}):
        yield desk.open(url + way.replace("&amp;", "&"))[1]


# --- Measuring -------------------------------------------------------------------------------------------------------


def measured(folder: Path, rows: int, only: str) -> Iterator[dict[str, Any]]:
    """Fill each database and look at it."""
    for name, url in (("PostgreSQL", os.environ["DATABASE_URL"]), ("SQLite", f"sqlite:///{folder / 'desk.sqlite3'}")):
        env, file = {**os.environ, "DATABASE_URL": url}, folder / "looked.json"
        for arguments in ([f"--fill={rows}"], ["--look", f"--only={only}", f"--json={file}"]):
            command = [sys.executable, "-m", "bench.desk", *arguments]
            status = subprocess.run(command, cwd=ROOT, env=env, preexec_fn=end_with_the_tests, check=False)
            if status.returncode:
                raise SystemExit(f"{arguments[0]} on {name} ended with {status.returncode}")
        for line in file.read_text().splitlines():
            yield {"database": name, **json.loads(line)}


def table(result: dict[str, Any], shown: int = 25) -> str:
    """Return the slowest pages of each database, and how many of all are slower than they may be."""
    lines = [*(f"{name:<16}{fact}" for name, fact in result["machine"].items()), ""]
    for name in dict.fromkeys(row["database"] for row in result["rows"]):
        rows = sorted((row for row in result["rows"] if row["database"] == name), key=_cost, reverse=True)
        title = f"{name}, {result['count']:,} rows: {len(rows)} pages of the desk"
        lines.append(f"{title:<84}{'seconds':>9}{'database':>9}{'queries':>9}{'slowest':>9}")
        lines += [
            f"{row['url'][:83]:<84}{row['seconds']:>9.2f}{row['database_seconds']:>9.2f}{row['queries']:>9}"
            f"{row['slowest_seconds']:>9.2f}"
            for row in rows[:shown]
        ]
        slow = sum(row["database_seconds"] > AIM_SECONDS for row in rows)
        failed = [row["url"] for row in rows if row["status"] >= 500]
        lines += [f"{'met   ' if not slow else 'NOT MET'} within {AIM_SECONDS} s of the database: all but {slow}", ""]
        lines += [f"FAILED: {url}" for url in failed]
    return "\n".join(lines)


def _cost(row: dict[str, Any]) -> float:
    return float(row["database_seconds"])


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.desk")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--fill", type=int, default=0)
    parser.add_argument("--look", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=Path)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = parser.parse_args()
    try:
        if options.fill:
            fill(options.fill)
            return 0
        if options.look:
            with options.json.open("w") as file:
                for row in look(options.only):
                    file.write(json.dumps(row) + "\n")
                    file.flush()
            return 0
        rows = list(measured(Path(os.environ["BENCH_FOLDER"]), options.rows, options.only))
    except KeyboardInterrupt:
        return 130
    result = {"count": options.rows, "machine": machine.facts(), "rows": rows}
    print(table(result))
    options.json.write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
