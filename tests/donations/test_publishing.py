"""The public ledger: what a stranger sees, can add up, and can compute again from what is published alone."""

import csv
import hashlib
import io
import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from donations import accounts, balances, giving, ledger, posting, publishing, triggers
from donations.models import Allocation, BankAccount, Evidence, Fund, LedgerEvent, StoredFile, Transaction
from privacy.purging import purge
from tests.donations.test_posting import collected, disbursement_of
from tests.factories import BankAccountFactory, FundFactory, OrganiserFactory, PledgeFactory, TransactionFactory

Kind = Allocation.Kind
DOCS = Path(settings.BASE_DIR) / "docs" / "organisers.md"

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    return BankAccountFactory()


@pytest.fixture
def fund(account):
    return account.fund


@pytest.fixture
def busy(account, fund):
    """A fund in which everything happened once: gifts, a split, an undoing, a reversal, a deposit, a fee, a payment."""
    made = PledgeFactory(fund=fund, confirmed=True, name="Nora Berg", display="public")
    gift = TransactionFactory(
        fund=fund, account=account, amount_minor=90000, counterparty="Nora Berg", remittance="for the kids"
    )
    wrong = posting.allocate(gift, Kind.PLEDGE, 50000, pledge=PledgeFactory(fund=fund, confirmed=True), by=None)
    posting.undo(wrong, by=OrganiserFactory())
    posting.allocate(gift, Kind.PLEDGE, 60000, pledge=made, by=None)
    posting.reverse(TransactionFactory(fund=fund, amount_minor=777), by=None)
    sheet, _cash = collected(fund, 20000)
    line = TransactionFactory(fund=fund, account=account, amount_minor=20000)
    posting.allocate(line, Kind.DEPOSIT, 20000, sheet=sheet, by=None)
    out = TransactionFactory(fund=fund, account=account, amount_minor=-30500, description="Paid out")
    asked = disbursement_of(fund, 30000)
    posting.allocate(out, Kind.DISBURSEMENT, -30000, disbursement=asked, by=None)
    posting.allocate(out, Kind.FEE, -500, by=None)
    back = TransactionFactory(fund=fund, account=account, amount_minor=-1000)
    posting.allocate(back, Kind.REFUND, -1000, pledge=made, by=None)
    TransactionFactory(fund=fund, currency="SEK", amount_minor=500)
    return made


def text(response):
    """Return the whole of a download; the test client closes it at its end, and leaves the connection open."""
    return b"".join(response.streaming_content).decode()


def as_csv(client):
    return list(csv.DictReader(io.StringIO(text(client.get("/fund/ledger.csv")), newline="")))


def as_json(client):
    return json.loads(text(client.get("/fund/ledger.json")))


def program():
    """The program that docs/organisers.md gives an auditor."""
    return re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)[1]


def checked(content, folder):
    (folder / "check.py").write_text(program())
    (folder / "ledger.csv").write_text(content, newline="")
    return subprocess.run(
        [sys.executable, "check.py", "ledger.csv"], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def test_the_program_in_the_docs_finds_the_chain_whole_and_the_sums_of_the_page(client, fund, busy, tmp_path):
    content = text(client.get("/fund/ledger.csv"))
    done = checked(content, tmp_path)
    assert done.returncode == 0, done.stderr
    expected = [
        f"fund {fund.pk}, {one.currency}: received {one.received}, disbursed {one.disbursed}, in hand {one.in_hand}"
        for one in balances.of(fund)
    ]
    head = ledger.head()
    # The two pledges are withheld.
    ends = f"{head.sequence} entries, the last hash is {head.hash}; 2 withheld"
    assert done.stdout.splitlines() == [*expected, ends]
    assert [one.received for one in balances.of(fund)] == [109000, 500]


@pytest.mark.parametrize("how", ["changed", "left out", "cut in two"])
def test_the_program_in_the_docs_sees_what_was_tampered_with(client, busy, tmp_path, how):
    lines = text(client.get("/fund/ledger.csv")).splitlines(keepends=True)
    if how == "changed":
        lines = [line.replace('""amount_minor"":90000', '""amount_minor"":80000') for line in lines]
    else:
        del lines[5 : 6 if how == "left out" else 9]
    done = checked("".join(lines), tmp_path)
    assert done.returncode == 1
    assert "entry" in done.stderr


def test_a_stranger_computes_the_hashes_of_the_json_again(client, busy):
    told = as_json(client)
    assert (told["head"]["sequence"], told["head"]["hash"]) == (ledger.head().sequence, ledger.head().hash)
    previous = told["beginning"]
    for entry in told["entries"]:
        assert entry["previous_hash"] == previous
        if "withheld" in entry:
            previous = entry["hash"]
            continue
        canonical = json.dumps(entry["event"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        previous = entry["hash"]
        assert hashlib.sha256((entry["previous_hash"] + canonical).encode()).hexdigest() == previous
    assert previous == told["head"]["hash"]
    assert len(told["entries"]) == told["head"]["sequence"]


def test_the_columns_add_up_as_the_page_says(client, fund, busy):
    rows = [row | {"amount": int(row["amount_minor"] or 0)} for row in as_csv(client) if row["currency"] == "EUR"]
    posted = [row for row in rows if row["kind"] == "transaction_posted"]
    said = [row for row in rows if row["kind"] == "allocation_made"]
    ours = {"deposit", "transfer", "disbursement", "fee"}
    (balance, _sek) = balances.of(fund)
    assert sum(row["amount"] for row in posted) == balance.in_hand
    assert -sum(row["amount"] for row in said if row["for"] == "disbursement") == balance.disbursed == 30000
    received = sum(row["amount"] for row in posted if row["side"] == "in")
    received -= sum(row["amount"] for row in said if row["side"] == "in" and row["for"] in ours)
    received += sum(row["amount"] for row in said if row["for"] == "refund")
    assert received == balance.received == 109000


def test_neither_page_nor_export_names_a_donor_or_what_they_wrote(client, busy):
    shown = [client.get("/fund/ledger/").content.decode(), text(client.get("/fund/ledger.csv"))]
    shown.append(text(client.get("/fund/ledger.json")))
    for content in shown:
        assert "Mineworkers in Sweden" in content  # a public description
        for secret in ("Nora", "Berg", "kids", busy.email, busy.number):
            assert secret not in content


@pytest.mark.parametrize(
    "words", ["=1+1", "+41", "-2+3", "@SUM(A1)", "\tx", "＝1", '=HYPERLINK("http://example.org","x"),"'], ids=repr
)
def test_no_cell_is_a_formula(client, fund, words):
    TransactionFactory(fund=fund, amount_minor=700, description=words)
    posting.reverse(Transaction.objects.get(), by=None)
    rows = as_csv(client)
    assert [row["text"] for row in rows if row["text"]] == [f"'{words}"] * 2
    assert [row["amount_minor"] for row in rows if row["kind"] == "transaction_posted"] == ["700", "-700"]
    for row in rows:
        for cell in row.values():
            assert cell[:1] not in {"=", "+", "@", "\t", "\r"}
            assert cell[:1] != "-" or int(cell)


def test_a_proposed_account_is_withheld_until_it_is_approved(client, account, fund):
    change = accounts.propose(
        BankAccount(fund=fund, holder="Somebody Else", iban="BE29734032422964"), by=OrganiserFactory()
    )

    def seen():
        page = client.get("/fund/ledger/").content.decode()
        content = text(client.get("/fund/ledger.csv")) + text(client.get("/fund/ledger.json"))
        assert ("BE29734032422964" in page) == ("BE29734032422964" in content)
        return "BE29734032422964" in page

    assert "DE02100500000054540402" in client.get("/fund/ledger/").content.decode()
    assert not seen()
    last = as_csv(client)[-1]
    assert (last["withheld"], last["event"], last["hash"]) == ("unapproved", "", ledger.head().hash)
    accounts.approve(change, by=OrganiserFactory())
    assert seen()


def test_what_somebody_wrote_into_the_ledger_by_sql_is_withheld(client, account, fund, busy):
    genuine = LedgerEvent.objects.get(kind="account_approved")
    triggers.drop("default")
    changed = json.dumps(genuine.payload | {"iban": "BE29734032422964"})
    with connection.cursor() as cursor:
        cursor.execute("UPDATE donations_ledgerevent SET payload = %s WHERE sequence = %s", [changed, genuine.pk])
        cursor.execute("UPDATE donations_transaction SET description = 'Pay to BE29734032422964'")
    triggers.create("default")
    assert [row["sequence"] for row in as_csv(client) if row["withheld"] == "broken"] == [str(genuine.pk)]
    assert "BE29" not in text(client.get("/fund/ledger.csv")) + client.get("/fund/ledger/").content.decode()


def test_of_a_pledge_the_public_sees_hashes_alone(client, fund):
    made = PledgeFactory(fund=fund, amount_minor=123456)
    giving.confirm(made)
    kept = {"frequency": "monthly", "until": None, "display": "public", "amount_shown": "no"}
    giving.change(made, amount_minor=654321, **kept)
    giving.withdraw(made)
    content = text(client.get("/fund/ledger.csv")) + text(client.get("/fund/ledger.json"))
    content += client.get("/fund/ledger/").content.decode()
    assert content.count("Withheld: a pledge, of which only its giver says") == 3
    for secret in ("123456", "654321", "1,234.56", "6,543.21", "pledge_confirmed", "monthly"):
        assert secret not in content


def test_a_fund_that_is_not_published_is_withheld_and_the_chain_goes_on(client, fund, busy, tmp_path):
    TransactionFactory(fund=FundFactory(published_at=None), description="A secret fund")
    TransactionFactory(fund=fund, amount_minor=5)
    content = text(client.get("/fund/ledger.csv"))
    assert "secret" not in content
    assert content.count("unpublished") == 1
    done = checked(content, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 withheld" in done.stdout  # with the two pledges


def test_the_exports_are_not_sent_again_while_nothing_changed(client, fund):
    for path in ("/fund/ledger.csv", "/fund/ledger.json"):
        first = client.get(path)
        tag = first["ETag"]
        text(first)
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
        TransactionFactory(fund=fund)
        response = client.get(path, headers={"If-None-Match": tag})
        assert response.status_code == 200
        tag = response["ETag"]
        text(response)
        Fund.objects.filter(pk=fund.pk).update(published_at=None)
        response = client.get(path, headers={"If-None-Match": tag})
        assert response.status_code == 200
        text(response)
        Fund.objects.filter(pk=fund.pk).update(published_at=timezone.now())


def test_one_download_at_a_time_and_the_next_is_asked_to_wait(client, fund):
    first = client.get("/fund/ledger.csv")
    second = client.get("/fund/ledger.json")
    assert (second.status_code, second["Retry-After"], second["Cache-Control"]) == (503, "60", "no-store")
    text(first)
    third = client.get("/fund/ledger.json")
    assert third.status_code == 200
    text(third)


def test_an_empty_ledger_is_a_page_and_two_files(client):
    assert "There is no entry here" in client.get("/fund/ledger/").content.decode()
    assert as_csv(client) == []
    assert as_json(client)["entries"] == []


def test_the_ledger_is_paged_newest_first_and_nothing_is_left_out(client, account, fund, monkeypatch):
    monkeypatch.setattr(publishing, "PER_PAGE", 4)
    for _ in range(9):
        TransactionFactory(fund=fund)
    seen, path = [], "/fund/ledger/"
    while path:
        page = client.get(path).content.decode()
        seen += [int(number) for number in re.findall(r'id="entry-(\d+)"', page)]
        older = re.search(r'href="(\?before=\d+)"', page)
        path = "/fund/ledger/" + older[1] if older else None
    assert seen == list(range(ledger.head().sequence, 0, -1))


@pytest.mark.parametrize("before", ["0", "-1", "x", "9" * 15, "9" * 400, "%00", "²", ""])
def test_any_number_of_an_entry_is_a_page(client, fund, before):
    TransactionFactory(fund=fund)
    assert client.get(f"/fund/ledger/?before={before}").status_code == 200


def test_erasing_donors_leaves_every_figure_and_every_hash(client, fund, busy, time_machine):
    def told():
        sums = [(one.currency, one.received, one.disbursed, one.in_hand) for one in giving.totals(fund)]
        return sums, as_csv(client), as_json(client)["entries"]

    sums, rows, entries = told()
    assert "Nora Berg" in client.get("/fund/").content.decode()
    giving.withdraw(busy)
    after = told()
    assert (after[0], after[1][:-1], after[2][:-1]) == (sums, rows, entries)
    assert after[1][-1]["withheld"] == after[2][-1]["withheld"] == "pledge"
    time_machine.move_to(timezone.now() + timedelta(days=800))
    before = (giving.totals(fund), client.get("/fund/").content)
    purge()
    assert not PledgeFactory._meta.model.objects.exclude(name="").exists()
    assert (giving.totals(fund), client.get("/fund/").content) == before
    assert ledger.verify() == []


def test_the_page_shows_what_was_paid_out_its_approvals_and_the_hash_of_its_evidence(client, fund, busy):
    asked = fund.disbursements.get()
    file = StoredFile.objects.create(
        name="receipt-of-aigul.jpg", media_type="image/jpeg", content="c2VjcmV0", sha256="ab" * 32, size=6
    )
    ledger.record(LedgerEvent.Kind.EVIDENCE_ADDED, Evidence.objects.create(disbursement=asked, file=file))
    page = client.get("/fund/").content.decode()
    for shown in ("Bread", "€300.00", "ab" * 32, '<td data-label="Households">3</td>'):
        assert shown in page
    assert page.count("<time", page.index("Bread"), page.index("ab" * 32)) == 2
    for secret in ("aigul", "c2VjcmV0", *(str(one.approved_by) for one in asked.approvals.all())):
        assert secret not in page


def fill(fund, account, number):
    """Post a number of lines, each for a pledge, as a statement does."""
    made = PledgeFactory(fund=fund, confirmed=True, display="public")
    lines = [
        Transaction(
            fund=fund,
            account=account,
            amount_minor=100,
            currency="EUR",
            booked_on=timezone.localdate() - timedelta(day % 90),
        )
        for day in range(number)
    ]
    posted = posting.post_all(lines)
    posting.allocate_all(
        [Allocation(transaction=one, kind=Kind.PLEDGE, amount_minor=100, pledge=made) for one in posted]
    )


def test_as_many_queries_at_ten_rows_as_at_ten_thousand(client, account, fund):
    def queries():
        counts = []
        for path in ("/fund/", "/fund/ledger/"):
            with CaptureQueriesContext(connection) as asked:
                assert client.get(path).status_code == 200
            counts.append(len(asked))
        return counts

    fill(fund, account, 10)
    disbursement_of(fund, 5)
    at_ten = queries()
    fill(fund, account, 9990)
    disbursement_of(fund, 5)
    assert queries() == at_ten
    assert max(at_ten) < 30
