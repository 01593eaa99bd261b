"""
A bank's file on its way into the books, by `manage.py import_statement`, on PostgreSQL and on SQLite.

The file is CAMT.053 of the last year. Half of its lines carry the reference of one of a thousand pledges, and are
posted to them; who gave in the last sixty days is thanked. Then the same file is brought again, and all is known.

`python -m bench` starts PostgreSQL and calls this; not to be called by itself.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.core.management import call_command
from django.utils import timezone

from bench import machine
from donations import references
from donations.models import Allocation, Pledge
from tests.factories import BankAccountFactory, FundFactory, PledgeFactory
from tests.servers import end_with_the_tests

ROOT = Path(__file__).resolve().parent.parent
LINES = 100_000
PLEDGES = 1000
AIM_SECONDS = 60
_ENTRY = (
    '<Ntry><NtryRef>{number}</NtryRef><Amt Ccy="EUR">25.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>'
    "<BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt><AcctSvcrRef>BANK-{number:08d}</AcctSvcrRef>"
    "<NtryDtls><TxDtls><Refs><EndToEndId>E2E-{number}</EndToEndId></Refs><RltdPties>"
    "<Dbtr><Nm>Donor {number}</Nm></Dbtr><DbtrAcct><Id><IBAN>BE68539007547034</IBAN></Id></DbtrAcct></RltdPties>"
    "<RmtInf>{told}</RmtInf></TxDtls></NtryDtls></Ntry>\n"
)


def written(path: Path, iban: str, lines: int, numbers: list[str]) -> None:
    """Write a statement of so many lines; every other one has the reference of a pledge."""
    begins = timezone.localdate() - timedelta(days=364)
    balances = "".join(
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{euros}.00</Amt>'
        f"<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
        for code, euros, day in (("OPBD", 0, begins), ("CLBD", 25 * lines, timezone.localdate()))
    )
    with path.open("w") as file:
        file.write(
            '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt><Stmt><Id>1</Id>'
            f"<Acct><Id><IBAN>{iban}</IBAN></Id><Ccy>EUR</Ccy></Acct>{balances}\n"
        )
        for number in range(lines):
            ogm = re.sub(r"\D", "", references.ogm(numbers[number // 2 % len(numbers)]))
            told = (
                f"<Ustrd>gift {number}</Ustrd>"
                if number % 2
                else f"<Strd><CdtrRefInf><Ref>{ogm}</Ref></CdtrRefInf></Strd>"
            )
            file.write(_ENTRY.format(number=number, day=begins + timedelta(days=number * 365 // lines), told=told))
        file.write("</Stmt></BkToCstmrStmt></Document>\n")


def prepare(path: Path, lines: int) -> None:
    """Make the tables, an account in force and the pledges, and the file."""
    call_command("migrate", verbosity=0, interactive=False)
    account = BankAccountFactory(fund=FundFactory(currencies="EUR"))
    pledges = [
        PledgeFactory.build(fund=account.fund, confirmed=True, number=str(2_000_000_000 + number))
        for number in range(PLEDGES)
    ]
    Pledge.objects.bulk_create(pledges, batch_size=500)
    written(path, account.iban, lines, [one.number for one in pledges])


def timed(*command: str, env: dict[str, str]) -> dict[str, Any]:
    """Run a command; return its seconds, those of its processor, its memory and what it said."""
    begins = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=env,
            stdout=said,
            preexec_fn=end_with_the_tests,  # noqa: PLW1509
        )
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begins
        said.seek(0)
        if process.returncode:
            raise SystemExit(f"{command[0]} ended with {process.returncode}")
        return {
            "seconds": seconds,
            "processor_seconds": used.ru_utime + used.ru_stime,
            "peak_mb": used.ru_maxrss / 1024,
            "said": said.read().strip(),
        }


def measured(folder: Path, lines: int) -> Iterator[dict[str, Any]]:
    """Import the file on each database, twice."""
    for name, url in (("PostgreSQL", os.environ["DATABASE_URL"]), ("SQLite", f"sqlite:///{folder / 'bench.sqlite3'}")):
        env = {**os.environ, "DATABASE_URL": url}
        path = folder / "statement.xml"
        timed("-m", "bench.statements", f"--lines={lines}", f"--prepare={path}", env=env)
        for what, expected in (("new", f"{lines} new"), ("known", f"{lines} known")):
            row = timed("manage.py", "import_statement", str(path), env=env)
            if expected not in row["said"]:
                raise SystemExit(f"On {name} the import said: {row['said']}")
            say(f"{name}, {what}: {row['seconds']:.1f} s")
            yield {"database": name, "what": what, **row}
        posted = int(timed("-m", "bench.statements", "--posted", env=env)["said"])
        if posted != (lines + 1) // 2:
            raise SystemExit(f"On {name} {posted} lines were posted to pledges.")


def table(result: dict[str, Any]) -> str:
    lines = [*(f"{name:<16}{fact}" for name, fact in result["machine"].items()), ""]
    lines.append(f"{result['lines']:,} lines{'':<20}{'seconds':>10}{'own processor':>16}{'peak memory':>14}")
    for row in result["rows"]:
        title = f"{row['database']}, all {row['what']}"
        lines.append(f"{title:<34}{row['seconds']:>10.1f}{row['processor_seconds']:>14.1f} s{row['peak_mb']:>11.0f} MB")
    if result["lines"] >= LINES:
        met = all(row["seconds"] < AIM_SECONDS for row in result["rows"])
        lines += ["", f"{'met   ' if met else 'NOT MET'} {LINES:,} lines in less than {AIM_SECONDS} s"]
    return "\n".join(lines)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.statements")
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--prepare", type=Path)
    parser.add_argument("--posted", action="store_true")
    parser.add_argument("--json", type=Path)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = parser.parse_args()
    if options.prepare:
        prepare(options.prepare, options.lines)
        return 0
    if options.posted:
        print(Allocation.objects.filter(kind=Allocation.Kind.PLEDGE).count())
        return 0
    try:
        rows = list(measured(Path(os.environ["BENCH_FOLDER"]), options.lines))
    except KeyboardInterrupt:
        return 130
    result = {"lines": options.lines, "machine": machine.facts(), "rows": rows}
    print(table(result))
    options.json.write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
