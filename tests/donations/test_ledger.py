"""The chain, and what it finds: here the triggers are gone, as they would be for whoever owns the database."""

import json
import re
from hashlib import sha256

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.db.transaction import atomic
from django.utils import timezone

from donations import accounts, giving, ledger, posting, triggers
from donations.models import Allocation, LedgerEvent, Pledge, StoredFile, Transaction
from donations.readiness import books
from outbox import readiness
from outbox.readiness import Level
from outbox.resolving import Names
from tests.factories import BankAccountFactory, OrganiserFactory, PledgeFactory, TransactionFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def told():
    """Some books with most kinds of events."""
    account = BankAccountFactory()
    pledge = PledgeFactory(fund=account.fund)
    giving.confirm(pledge)
    posted = TransactionFactory(
        fund=account.fund, account=account, pledge=pledge, counterparty="Nora Berg", remittance="for bread"
    )
    posting.undo(posted.allocations.get(), by=OrganiserFactory())
    posting.reverse(TransactionFactory(fund=account.fund), by=None)
    accounts.withdraw(BankAccountFactory(), by=OrganiserFactory())
    return posted


def past_the_triggers(statement, *values):
    triggers.drop("default")
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        assert cursor.rowcount
    triggers.create("default")


def test_the_chain_can_be_computed_by_anybody(told):
    previous = "0" * 64
    for number, event in enumerate(LedgerEvent.objects.order_by("sequence"), start=1):
        content = {
            "about": event.about,
            "at": event.at.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"),
            "fund": event.fund_id,
            "kind": event.kind,
            "payload": event.payload,
            "sequence": number,
        }
        text = previous + json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert (event.previous_hash, event.hash) == (previous, sha256(text.encode()).hexdigest())
        previous = event.hash
    assert ledger.head() == ledger.Head(number, previous)
    assert ledger.verify() == []


def test_the_ledger_holds_nothing_of_a_person(told):
    written = str(list(LedgerEvent.objects.values()))
    for secret in ("Nora", "bread", told.allocations.first().pledge.email, told.allocations.first().pledge.name):
        assert secret not in written


def test_erasing_a_donor_leaves_the_books_as_told(told):
    Transaction.objects.all().erase()
    assert Transaction.objects.get(pk=told.pk).counterparty == ""
    assert ledger.verify() == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE donations_transaction SET amount_minor = amount_minor + 1 WHERE reverses_id IS NULL", "amount_minor"),
        ("UPDATE donations_transaction SET description = 'x'", "text_sha256"),
        ("UPDATE donations_transaction SET booked_on = '2011-01-01'", "booked_on"),
        ("UPDATE donations_allocation SET kind = 'gift', pledge_id = NULL WHERE reverses_id IS NULL", "kind, pledge"),
        ("UPDATE donations_bankaccount SET iban = 'BE29734032422964'", "iban"),
        ("UPDATE donations_bankaccount SET holder = 'Thief'", "holder"),
        ("UPDATE donations_bankaccount SET withdrawn_at = NULL WHERE withdrawn_at IS NOT NULL", "not in the books"),
        ("DELETE FROM donations_allocation WHERE reverses_id IS NOT NULL", "not in the books"),
        ("UPDATE donations_pledge SET amount_minor = 1", "amount_minor"),
        ("UPDATE donations_pledge SET currency = 'SEK'", "currency"),
        ("UPDATE donations_pledge SET frequency = 'monthly'", "frequency"),
        ("UPDATE donations_pledge SET made_on = '2011-01-01'", "made_on"),
        ("UPDATE donations_pledge SET withdrawn_at = confirmed_at", "withdrawn_at"),
        ("UPDATE donations_pledge SET confirmed_at = NULL", "not in the books"),
        ("UPDATE donations_ledgerevent SET payload = '{}' WHERE sequence = 3", "not as it was written"),
        ("UPDATE donations_ledgerevent SET seal = hash WHERE sequence = 3", "not as it was written"),
        ("UPDATE donations_ledgerevent SET hash = seal WHERE sequence = 3", "does not follow"),
        ("DELETE FROM donations_ledgerevent WHERE sequence IN (3, 4)", "Events 3 to 4 are missing"),
        ("DELETE FROM donations_ledgerevent WHERE sequence = 1", "Events 1 to 1 are missing"),
    ],
)
def test_what_was_changed_by_sql_is_found_and_named(told, statement, words, capsys):
    past_the_triggers(statement)
    assert any(words in fault for fault in ledger.verify())
    with pytest.raises(CommandError, match="Faults"):
        call_command("verify_ledger")
    assert words in capsys.readouterr().out
    finding = books(Names())
    assert finding.level == Level.BLOCKING


def test_a_pledge_tells_the_ledger_when_it_is_confirmed_changed_and_withdrawn():
    made = PledgeFactory(frequency="monthly")
    terms = {"frequency": "monthly", "until": None, "display": "public"}
    giving.change(made, amount_minor=1, **terms)
    assert not LedgerEvent.objects.exists()  # anybody can post one
    giving.confirm(made)
    giving.confirm(made)
    for amount in (2, 3):
        giving.change(made, amount_minor=amount, **terms)
    giving.change(made, amount_minor=3, **terms | {"display": "initials"})  # nothing to be paid changes
    assert ledger.verify() == []
    giving.withdraw(made)
    giving.withdraw(made)
    told = [(event.kind, event.about, event.payload["amount_minor"]) for event in LedgerEvent.objects.all()]
    changed = [("pledge_changed", made.pk, amount) for amount in (2, 3)]
    assert told == [("pledge_confirmed", made.pk, 1), *changed, ("pledge_withdrawn", made.pk, 3)]
    assert ledger.verify() == []
    written = str(list(LedgerEvent.objects.values()))
    for secret in (made.name, made.email, made.number):
        assert secret not in written


def test_a_pledge_that_was_withdrawn_unconfirmed_is_in_no_book():
    giving.withdraw(PledgeFactory())
    assert not LedgerEvent.objects.exists()
    assert ledger.verify() == []


def test_a_pledge_that_sql_confirmed_or_took_away_is_found():
    made = PledgeFactory()
    Pledge.objects.filter(pk=made.pk).update(confirmed_at=timezone.now())
    assert any("no event tells of it" in fault for fault in ledger.verify())
    Pledge.objects.filter(pk=made.pk).update(confirmed_at=None)
    giving.confirm(made)
    Pledge.objects.filter(pk=made.pk).delete()
    assert any("not in the books" in fault for fault in ledger.verify())


def test_what_happens_once_to_a_row_is_told_once():
    made = PledgeFactory(confirmed=True)
    with pytest.raises(IntegrityError), atomic():
        ledger.record(LedgerEvent.Kind.PLEDGE_CONFIRMED, made)


def test_an_entry_of_a_pledge_cannot_be_guessed_without_the_key():
    """Its hash is public: without a secret in it, trying amounts and moments would find what is withheld."""
    for _ in range(2):
        PledgeFactory(confirmed=True)
    salts = [event.payload["salt"] for event in LedgerEvent.objects.all()]
    assert len(set(salts)) == 2
    assert all(re.fullmatch("[0-9a-f]{64}", salt) for salt in salts)


def test_a_row_that_was_put_in_by_sql_is_found(told):
    Transaction(
        fund=told.fund, amount_minor=5, currency="EUR", booked_on=timezone.localdate(), recorded_at=timezone.now()
    ).save_base(force_insert=True)
    (fault,) = ledger.verify()
    assert "no event tells of it" in fault


def test_an_end_that_was_cut_off_shows_against_a_noted_head(told, capsys):
    call_command("verify_ledger")
    noted = capsys.readouterr().out.split()[-1]
    last = Transaction.objects.create(fund=told.fund, amount_minor=5, currency="EUR", booked_on=told.booked_on)
    ledger.record(LedgerEvent.Kind.TRANSACTION_POSTED, last)
    call_command("verify_ledger", head=noted)
    later = str(ledger.head())
    past_the_triggers("DELETE FROM donations_ledgerevent WHERE sequence = %s", ledger.head().sequence)
    past_the_triggers("DELETE FROM donations_openline WHERE transaction_id = %s", last.pk)
    past_the_triggers("DELETE FROM donations_transaction WHERE id = %s", last.pk)
    assert ledger.verify() == []
    call_command("verify_ledger", head=noted)
    with pytest.raises(CommandError):
        call_command("verify_ledger", head=later)
    assert "where it ended when that was noted" in capsys.readouterr().out


@pytest.mark.parametrize("typed", ["", "7", "7:abc", "x:" + "0" * 64, "9" * 30 + ":" + "0" * 64])
def test_a_mistyped_head_is_refused(typed):
    with pytest.raises(CommandError, match="64 hexadecimal"):
        call_command("verify_ledger", head=typed)


def test_missing_triggers_are_a_fault(told):
    triggers.drop("default")
    assert any("triggers are missing" in fault for fault in ledger.verify())
    triggers.create("default")


def test_the_readiness_page_asks_the_ledger(told, client):
    assert books(Names()).level == Level.OK
    assert str(ledger.head()) in books(Names()).says
    assert books in [check.look for check in readiness.RUNNING]


def test_an_empty_ledger_is_whole():
    assert ledger.verify() == []
    assert ledger.head() == ledger.Head(0, "0" * 64)


def test_verifying_takes_as_many_queries_for_much_as_for_little(told, django_assert_max_num_queries):
    with django_assert_max_num_queries(40) as little:
        ledger.verify()
    for _ in range(5):
        TransactionFactory(pledge=(pledge := PledgeFactory()), fund=pledge.fund)
    with django_assert_max_num_queries(len(little)):
        assert ledger.verify() == []


@pytest.mark.django_db(transaction=True)
def test_events_that_are_written_at_once_make_one_chain():
    posted = [TransactionFactory() for _ in range(8)]
    at_once(8, lambda number: posting.allocate(posted[number], "gift", 5, by=None))
    assert Allocation.objects.count() == 8
    assert ledger.verify() == []


def test_a_stored_file_may_go_and_its_hash_stays():
    file = StoredFile.objects.create(
        name="Nora Berg.jpg", media_type="image/jpeg", content="AAAA", sha256="a" * 64, size=3
    )
    StoredFile.objects.filter(pk=file.pk).erase()
    file.refresh_from_db()
    assert (file.name, file.content, file.sha256) == ("", "", "a" * 64)
