"""Collections, disbursements and files as an organiser keeps them in the admin."""

from html import unescape
from io import BytesIO

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone, translation

from campaign.typesetting import TypesettingError
from donations import balances, collecting, disbursing, documents, posting
from donations.collecting import State
from donations.models import Allocation, Approval, CollectionSheet, Disbursement, StoredFile, Transaction
from tests.donations.test_admin import act, rows, url
from tests.donations.test_collecting import counted
from tests.donations.test_disbursing import approved, asked
from tests.donations.test_filing import PDF, photo
from tests.factories import BankAccountFactory, FundFactory, OrganiserFactory, TransactionFactory
from tests.protests.test_handover import pages

pytestmark = pytest.mark.django_db


@pytest.fixture
def organiser():
    return OrganiserFactory()


@pytest.fixture
def desk(client, organiser):
    client.force_login(organiser)
    return client


@pytest.fixture
def account():
    return BankAccountFactory()


@pytest.fixture
def fund(account):
    return account.fund


def text(response):
    return unescape(response.content.decode())


def steps(desk, row):
    shown = desk.get(url(row._meta.model_name, "change", row.pk))
    assert shown.status_code == 200
    return [str(name) for name, _address, _action in shown.context["steps"]]


def upload(content=PDF, name="scan.pdf"):
    return {"file": SimpleUploadedFile(name, content)}


def test_a_sheet_is_made_numbered_and_printed(desk, fund):
    for number in (1, 2):
        made = desk.post(
            url("collectionsheet", "add"), {"fund": fund.pk, "currency": "eur", "place": "", "held_on": ""}
        )
        assert made.status_code == 302
        sheet = CollectionSheet.objects.get(number=number)
        assert steps(desk, sheet) == ["Print", "Count", "Add a photo or scan"]
    printed = desk.get(url("collectionsheet", "print", sheet.pk))
    assert printed["Content-Type"] == "application/pdf"
    (page,) = pages(printed.content)
    for words in ("No. 2", str(fund), "DE02 1005 0000 0054 5404 02", "Collection sheet 2", "First counter", "Total"):
        assert words in page
    refused = desk.post(url("collectionsheet", "add"), {"fund": fund.pk, "currency": "EURO", "place": ""})
    assert refused.status_code == 200
    assert CollectionSheet.objects.count() == 2


def test_sheets_are_printed_a_page_each_whatever_stands_in_them(desk, fund):
    made = [collecting.make(fund, "EUR", place="#strong[x] $y$ " + "Ж" * 180), collecting.make(FundFactory(), "SEK")]
    chosen = {"action": "print_sheets", "_selected_action": [one.pk for one in made]}
    found = pages(desk.post(url("collectionsheet", "changelist"), chosen).content)
    assert len(found) == 2
    assert "20 Total" not in found[0]
    assert "20 Total" in found[1]
    assert "#strong[x] $y$" in found[0]
    assert "no account now" in found[1]
    with translation.override("de"):
        assert len(pages(documents.collection(made))) == 2


def test_a_typesetter_that_fails_is_told_in_words(desk, fund, monkeypatch):
    def broken(*args):
        raise TypesettingError("no font")

    monkeypatch.setattr(documents, "typeset", broken)
    sheet = collecting.make(fund, "EUR")
    told = desk.get(url("collectionsheet", "print", sheet.pk), follow=True)
    assert "no font" in text(told)


def test_two_organisers_count_apart_and_the_first_amount_is_not_shown(desk, client, fund):
    sheet = collecting.make(fund, "EUR")
    page = url("collectionsheet", "count", sheet.pk)
    day = timezone.localdate().isoformat()
    desk.post(page, {"amount": "203,50", "held_on": day, "place": "Hamburg"})
    assert CollectionSheet.objects.get().counted_minor == 20350
    client.force_login(OrganiserFactory())
    for shown in (page, url("collectionsheet", "change", sheet.pk), url("collectionsheet", "changelist")):
        assert "203" not in text(client.get(shown))
    refused = client.post(page, {"amount": "203,00"})
    assert refused.status_code == 400
    assert "another amount" in text(refused)
    assert "203.5" not in text(refused)
    assert not Transaction.objects.exists()
    client.post(page, {"amount": "203.50"})
    (balance,) = balances.of(fund)
    assert balance.cash == 20350
    again = client.post(page, {"amount": "203.50", "held_on": day, "place": "x"})
    assert again.status_code == 400
    assert "€203.50" in text(client.get(url("collectionsheet", "changelist")))


@pytest.mark.parametrize(
    "data",
    [
        {"amount": "1.500", "place": "Hamburg"},
        {"amount": "", "place": "Hamburg"},
        {"amount": "-5", "place": "Hamburg"},
        {"amount": "9" * 39, "place": "Hamburg"},
        {"amount": "5", "place": ""},
        {"amount": "5", "place": "H" * 201},
        {"amount": "5", "place": "Hamburg", "held_on": "2999-01-01"},
        {"amount": "5", "place": "Hamburg", "held_on": "yesterday"},
    ],
)
def test_a_count_that_cannot_be_read_is_asked_again(desk, fund, data):
    sheet = collecting.make(fund, "EUR")
    asked_again = desk.post(
        url("collectionsheet", "count", sheet.pk), {"held_on": timezone.localdate().isoformat()} | data
    )
    assert asked_again.status_code == 400
    assert CollectionSheet.objects.get().counter_one is None


def test_the_first_count_is_discarded_and_a_wrong_one_taken_back(desk, organiser, fund):
    sheet = collecting.make(fund, "EUR")
    collecting.count(sheet, 100, held_on=timezone.localdate(), place="", by=organiser)
    act(desk, "collectionsheet", "discard_count", sheet)
    assert CollectionSheet.objects.get().counter_one is None
    sheet = counted(fund, (organiser, OrganiserFactory()), 100)
    assert "Take back the count" in steps(desk, sheet)
    act(desk, "collectionsheet", "take_back", sheet)
    assert collecting.standing_of(sheet).state == State.TAKEN_BACK


def test_cash_that_was_paid_in_is_matched_with_the_banks_line_and_undone(desk, organiser, account, fund):
    sheet = counted(fund, (organiser, OrganiserFactory()))
    page = url("collectionsheet", "deposit", sheet.pk)
    assert "no such line" in text(desk.get(page))
    line = TransactionFactory(fund=fund, account=account, amount_minor=20350, description="Hamburg")
    posting.allocate(line, "gift", 20350, by=organiser)
    stranger = TransactionFactory(amount_minor=20350)
    assert "taken for a gift" in text(desk.get(page))
    for wrong in ({"line": stranger.pk, "amount": "1"}, {"line": line.pk, "amount": "203.51"}, {"amount": "1"}, {}):
        assert desk.post(page, wrong).status_code == 400
    assert desk.post(page, {"line": line.pk, "amount": "203.50"}).status_code == 302
    (balance,) = balances.of(fund)
    assert (balance.received, balance.bank, balance.cash) == (20350, 20350, 0)
    deposit = Allocation.objects.get(kind="deposit", transaction=line)
    shown = desk.get(url("collectionsheet", "change", sheet.pk))
    assert reverse("admin:donations_allocation_change", args=[deposit.pk]) in text(shown)
    act(desk, "allocation", "undo", deposit)
    assert balances.of(fund)[0].cash == 20350


def test_a_scan_is_kept_for_organisers_alone(desk, client, organiser, fund):
    sheet = collecting.make(fund, "EUR")
    page = url("collectionsheet", "scan", sheet.pk)
    for wrong in ({}, upload(b"MZ"), upload(b"")):
        assert desk.post(page, wrong).status_code == 400
    assert desk.post(page, upload(photo(), "Nora.jpg")).status_code == 302
    assert "attached already" in text(desk.post(page, upload()))
    stored = StoredFile.objects.get()
    got = desk.get(url("storedfile", "download", stored.pk))
    assert (got["Content-Type"], got["Content-Disposition"]) == ("image/jpeg", 'attachment; filename="Nora.jpg"')
    assert got["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in got["Cache-Control"]
    assert stored.sha256 in text(desk.get(url("collectionsheet", "change", sheet.pk)))
    client.logout()
    assert client.get(url("storedfile", "download", stored.pk)).status_code == 302
    client.force_login(OrganiserFactory(is_superuser=False))
    assert client.get(url("storedfile", "download", stored.pk)).status_code == 403


def test_a_file_whose_key_is_lost_is_said_to_be_so(desk, fund, settings):
    sheet = collecting.make(fund, "EUR")
    desk.post(url("collectionsheet", "scan", sheet.pk), upload())
    settings.PRIVACY_KEYS = [Fernet.generate_key().decode()]
    stored = StoredFile.objects.get()
    assert "its key" not in text(desk.get(url("storedfile", "change", stored.pk)))
    answer = desk.get(url("storedfile", "download", stored.pk), follow=True)
    assert "the key that it was stored under is missing" in text(answer)


def test_a_file_that_shows_too_much_is_erased(desk, organiser, fund):
    wanted = approved(fund, (organiser, OrganiserFactory()))
    evidence = disbursing.add_evidence(wanted, BytesIO(PDF), name="Berg.pdf", by=organiser)
    assert "Berg.pdf" in text(desk.get(url("disbursement", "change", wanted.pk)))
    act(desk, "storedfile", "erase", evidence.file)
    stored = StoredFile.objects.get()
    assert (stored.content, steps(desk, stored)) == ("", [])
    assert "was erased" in text(desk.get(url("storedfile", "download", stored.pk), follow=True))
    assert evidence.file.sha256 in text(desk.get(url("disbursement", "change", wanted.pk)))


DISBURSEMENT = {"purpose": "Bread in May", "households": "12", "currency": "EUR", "amount": "500"}


def test_a_disbursement_goes_its_way(desk, client, organiser, account, fund):
    desk.post(url("disbursement", "add"), {"fund": fund.pk} | DISBURSEMENT)
    wanted = Disbursement.objects.get()
    assert (wanted.amount_minor, wanted.requested_by, wanted.approvals.count()) == (50000, organiser, 0)
    assert steps(desk, wanted) == ["Approve", "Add evidence", "Cancel"]
    act(desk, "disbursement", "approve", wanted)
    told = act(desk, "disbursement", "approve", wanted)
    assert "another organiser's" in text(told)
    assert steps(desk, wanted) == ["Add evidence", "Cancel"]
    client.force_login(OrganiserFactory())
    act(client, "disbursement", "approve", wanted)
    assert Approval.objects.count() == 2
    assert "Paid from the cash box" in steps(client, wanted)

    TransactionFactory(fund=fund, amount_minor=20000)
    TransactionFactory(fund=fund, account=account, amount_minor=50000)
    cash, bank = (url("disbursement", page, wanted.pk) for page in ("cash", "bank"))
    today = timezone.localdate().isoformat()
    for data, words in (
        ({"amount": "200.01", "paid_on": today}, "not so much cash"),
        ({"amount": "0", "paid_on": today}, "more than zero"),
        ({"amount": "1", "paid_on": "2999-01-01"}, "still to come"),
        ({"amount": "1", "paid_on": ""}, "required"),
    ):
        refused = client.post(cash, data)
        assert refused.status_code == 400
        assert words in text(refused)
    assert client.post(cash, {"amount": "200", "paid_on": today}).status_code == 302
    assert "no such line" in text(client.get(bank))
    line = TransactionFactory(fund=fund, account=account, amount_minor=-30000)
    assert "than was approved" not in text(client.get(bank))
    assert client.post(bank, {"line": line.pk, "amount": "300"}).status_code == 302
    assert client.post(url("disbursement", "evidence", wanted.pk), upload()).status_code == 302
    (told,) = map(disbursing.standing_of, disbursing.public(fund))
    assert (told.state, told.paid_minor, len(told.evidence)) == (disbursing.State.PAID, 50000, 1)
    assert [one.pk for one in rows(client, "disbursement", state="paid")] == [wanted.pk]
    assert rows(client, "disbursement", state="asked") == []
    act(client, "allocation", "undo", Allocation.objects.get(transaction__account=None, kind="disbursement"))
    assert disbursing.standing_of(wanted).paid_minor == 30000


@pytest.mark.parametrize(
    "data",
    [{"amount": "0"}, {"amount": "x"}, {"households": "0"}, {"households": "-1"}, {"purpose": ""}, {"currency": "XX"}],
)
def test_a_request_that_cannot_be_read_is_asked_again(desk, fund, data):
    assert desk.post(url("disbursement", "add"), {"fund": fund.pk} | DISBURSEMENT | data).status_code == 200
    assert not Disbursement.objects.exists()


def test_a_request_is_cancelled_for_good(desk, organiser, fund):
    wanted = asked(fund, organiser)
    act(desk, "disbursement", "cancel", wanted)
    assert steps(desk, wanted) == ["Add evidence"]
    assert "cancelled" in text(desk.get(url("disbursement", "changelist")))


def test_who_may_only_look_takes_no_step(client, organiser, fund):
    looker = OrganiserFactory(is_superuser=False)
    names = [f"view_{name}" for name in ("collectionsheet", "disbursement", "allocation")]
    looker.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(looker)
    sheet, wanted = collecting.make(fund, "EUR"), asked(fund, organiser)
    assert (steps(client, sheet), steps(client, wanted)) == ([], [])
    for model, page, row in (
        *(("collectionsheet", page, sheet) for page in ("count", "scan", "deposit")),
        *(("disbursement", page, wanted) for page in ("evidence", "cash", "bank")),
    ):
        assert client.post(url(model, page, row.pk)).status_code == 403
    client.post(url("disbursement", "changelist"), {"action": "approve", "_selected_action": [wanted.pk]})
    assert not Approval.objects.exists()
    assert client.get(url("storedfile", "changelist")).status_code == 403


@pytest.mark.parametrize("model", ["collectionsheet", "disbursement", "allocation", "storedfile"])
def test_lists_take_as_many_queries_for_many_rows_as_for_few(
    desk, organiser, fund, django_assert_max_num_queries, model
):
    both = (organiser, OrganiserFactory())
    for _ in range(6):
        counted(fund, both, 100)
        wanted = approved(fund, both, 50)
        disbursing.pay_in_cash(wanted, 50, paid_on=timezone.localdate(), by=organiser)
        disbursing.add_evidence(wanted, BytesIO(PDF), name="x.pdf", by=organiser)
    with django_assert_max_num_queries(22):
        assert len(rows(desk, model)) >= 6


def test_nothing_of_it_is_edited_or_deleted_in_the_admin(desk, organiser, fund):
    sheet, wanted = counted(fund, (organiser, OrganiserFactory())), asked(fund, organiser)
    for row in (sheet, wanted, Allocation.objects.first()):
        name = row._meta.model_name
        assert desk.post(url(name, "change", row.pk), {"purpose": "x"}).status_code == 403
        assert desk.post(url(name, "delete", row.pk), {"post": "yes"}).status_code == 403
