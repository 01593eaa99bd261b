"""The bench of importing statements: that its file is one, and that its table tells what was measured."""

import os
import sys

import pytest
from django.core.management import call_command

from bench import statements
from donations import ledger
from donations.models import Allocation, Transaction
from tests.factories import BankAccountFactory, FundFactory, PledgeFactory


@pytest.mark.django_db
def test_every_other_line_of_its_file_goes_to_a_pledge_and_the_same_file_again_is_known(tmp_path, capsys):
    account = BankAccountFactory(fund=FundFactory(currencies="EUR"))
    pledges = [PledgeFactory(fund=account.fund, confirmed=True, number=str(2_000_000_000 + nth)) for nth in range(3)]
    path = tmp_path / "statement.xml"
    statements.written(path, account.iban, 20, [one.number for one in pledges])
    for what in ("20 new, 0 known", "0 new, 20 known"):
        call_command("import_statement", str(path))
        assert f"20 lines read: {what} already, 0 rejected." in capsys.readouterr().out
    assert Transaction.objects.count() == 20
    assert [one.allocations.count() for one in pledges] == [4, 3, 3]
    assert not Allocation.objects.exclude(kind=Allocation.Kind.PLEDGE).exists()
    assert ledger.verify() == []


def test_a_command_is_measured_with_its_memory_and_its_words(tmp_path):
    found = statements.timed("-c", "held = b'x' * 60_000_000; print('done')", env=dict(os.environ))
    assert found["said"] == "done"
    assert 60 < found["peak_mb"] < 500
    assert 0 < found["processor_seconds"] < 60
    assert found["seconds"] > 0
    with pytest.raises(SystemExit, match="ended with 3"):
        statements.timed("-c", "raise SystemExit(3)", env=dict(os.environ))


@pytest.mark.parametrize(
    ("lines", "seconds", "verdict"),
    [(100_000, 59.0, "met   "), (100_000, 61.0, "NOT MET"), (1000, 61.0, "")],
)
def test_the_table_says_whether_the_aim_is_met(lines, seconds, verdict):
    row = {"database": "SQLite", "what": "new", "seconds": seconds, "processor_seconds": 1.0, "peak_mb": 80.0}
    said = statements.table({"lines": lines, "machine": {"python": sys.version.split()[0]}, "rows": [row]})
    assert f"{lines:,} lines" in said
    assert f"{seconds:.1f}" in said
    assert [line for line in said.splitlines() if "in less than" in line] == (
        [f"{verdict} 100,000 lines in less than 60 s"] if verdict else []
    )
