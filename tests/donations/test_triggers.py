"""The books by SQL: whoever has the database's password finds the same rules as the organiser."""

import pytest
from django.db import IntegrityError, connection
from django.db.transaction import atomic
from django.utils import timezone

from donations import accounts, balances, ledger, posting, reconciling, triggers
from donations.models import (
    Allocation,
    Approval,
    BankAccount,
    BankStatement,
    Cancellation,
    CollectionSheet,
    Disbursement,
    Evidence,
    LedgerEvent,
    OpenLine,
    Rate,
    StoredFile,
    Transaction,
)
from privacy.purging import purge
from tests.factories import BankAccountFactory, FundFactory, OrganiserFactory, PledgeFactory, TransactionFactory

pytestmark = pytest.mark.django_db

HASH = "0" * 64


def sql(statement, *values):
    with atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


@pytest.fixture
def books():
    """One row of each kind."""
    account = BankAccountFactory()
    pledge = PledgeFactory(fund=account.fund)
    posted = TransactionFactory(
        fund=account.fund, account=account, pledge=pledge, counterparty="Nora Berg", counterparty_iban_tag="1"
    )
    who, when = OrganiserFactory(), timezone.now()
    file = StoredFile.objects.create(name="scan.jpg", media_type="image/jpeg", content="AAAA", sha256=HASH, size=3)
    disbursement = Disbursement.objects.create(
        fund=account.fund, purpose="Bread", households=3, amount_minor=100, currency="EUR", requested_by=who
    )
    rows = [
        Approval(disbursement=disbursement, approved_by=who),
        Evidence(disbursement=disbursement, file=file),
        Cancellation(disbursement=disbursement, cancelled_by=who),
        BankStatement(
            account=account,
            sha256=HASH,
            file_name="1.xml",
            format="camt",
            currency="EUR",
            opening_minor=1,
            closing_minor=3,
            lines_minor=2,
            read_count=1,
            new_count=1,
            known_count=0,
            rejected_count=0,
        ),
        Rate(from_currency="EUR", to_currency="SEK", millionths=11, source="A bank", dated_on=when.date()),
    ]
    for row in rows:
        row.save()
    return [file, disbursement, *rows, posted, posted.allocations.get(), LedgerEvent.objects.first()]


def test_every_column_of_every_posted_row_is_frozen_and_no_row_is_deleted(books):
    assert {type(row)._meta.db_table for row in books} == set(triggers.tables())
    for row in books:
        table, key = row._meta.db_table, row._meta.pk.column
        for field in row._meta.concrete_fields:
            if field.name not in row.erasable:
                column = connection.ops.quote_name(field.column)
                changed = "NULL"
                if field.primary_key:
                    changed = f"{column} + 1000"
                elif getattr(row, field.attname) is None:
                    changed = "'2011-01-01'" if "Date" in field.get_internal_type() else "'1'"
                with pytest.raises(IntegrityError, match="never edited"):
                    sql(f"UPDATE {table} SET {column} = {changed} WHERE {key} = %s", row.pk)
        with pytest.raises(IntegrityError, match="never edited or deleted"):
            sql(f"DELETE FROM {table} WHERE {key} = %s", row.pk)
        if connection.vendor == "postgresql":
            sql("SET CONSTRAINTS ALL IMMEDIATE")  # else it refuses for what the test itself has pending
            with pytest.raises(IntegrityError, match="never edited or deleted"):
                sql(f"TRUNCATE {table} CASCADE")
        else:
            with pytest.raises(IntegrityError, match="never edited or deleted"):
                sql(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} WHERE {key} = %s", row.pk)


def test_what_tells_of_a_person_can_be_emptied_and_nothing_else_written_there(books):
    (posted,) = Transaction.objects.all()
    table = posted._meta.db_table
    for written in ("'Somebody Else'", "counterparty || 'x'"):
        with pytest.raises(IntegrityError, match="never edited"):
            sql(f"UPDATE {table} SET counterparty = {written}")
    with pytest.raises(IntegrityError, match="never edited"):
        sql(f"UPDATE {table} SET counterparty = '', amount_minor = 1")
    sql(f"UPDATE {table} SET counterparty = '', counterparty_iban_tag = NULL")
    posted.refresh_from_db()
    assert (posted.counterparty, posted.counterparty_iban_tag, posted.amount_minor) == ("", None, 150000)
    with pytest.raises(IntegrityError, match="never edited"):
        sql(f"UPDATE {table} SET counterparty = 'Back again'")


def test_purging_empties_what_tells_of_a_person_after_two_years(time_machine):
    time_machine.move_to("2026-11-21 10:00+00:00", tick=False)
    TransactionFactory(counterparty="Nora Berg", remittance="for bread", counterparty_iban_tag="1")
    purge()
    assert Transaction.objects.get().counterparty == "Nora Berg"
    time_machine.move_to("2028-11-22 10:00+00:00", tick=False)
    purge()
    posted = Transaction.objects.get()
    assert (posted.counterparty, posted.remittance, posted.counterparty_iban_tag) == ("", "", None)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"amount_minor": 150001}, "never exceed"),
        ({"amount_minor": -1, "kind": "transfer"}, "never exceed"),
        ({"kind": "pledge", "pledge": "other fund"}, "another fund or currency"),
        ({"kind": "pledge", "pledge": "other currency"}, "another fund or currency"),
        ({"kind": "disbursement", "disbursement": "approved once"}, "two approvals"),
        ({"kind": "pledge"}, "donations_allocation_to_a_pledge"),
        ({"kind": "gift", "disbursement": "approved once"}, "approvals|to_a_disbursement"),
        ({"kind": "deposit"}, "donations_allocation_to_a_sheet"),
        ({"kind": "refund"}, "donations_refund_goes_out"),
        ({"kind": "tip"}, "donations_allocation_kind_is_known"),
        ({"amount_minor": 0}, "donations_allocation_is_not_zero"),
    ],
)
def test_the_database_refuses_a_wrong_allocation(columns, words):
    posted = TransactionFactory()
    disbursement = Disbursement.objects.create(
        fund=posted.fund, purpose="Bread", households=1, amount_minor=5, currency="EUR"
    )
    Approval.objects.create(disbursement=disbursement, approved_by=OrganiserFactory())
    named = {
        "other fund": PledgeFactory(),
        "other currency": PledgeFactory(fund=posted.fund, currency="SEK"),
        "approved once": disbursement,
    }
    columns = {name: named.get(value, value) for name, value in columns.items()}
    with pytest.raises(IntegrityError, match=words), atomic():
        Allocation(**{"transaction": posted, "kind": "gift", "amount_minor": 100} | columns).save_base(
            force_insert=True
        )


def test_the_database_refuses_to_undo_twice_or_by_another_amount():
    posted = TransactionFactory()
    made = posting.allocate(posted, "gift", 1000, by=None)
    wrong = {"transaction": posted, "kind": "gift", "reverses": made}
    with pytest.raises(IntegrityError, match="mirrors"), atomic():
        Allocation(amount_minor=-999, **wrong).save_base(force_insert=True)
    undone = posting.undo(made, by=None)
    for again in (wrong, wrong | {"reverses": undone}):
        with pytest.raises(IntegrityError), atomic():
            Allocation(amount_minor=-1000, **again).save_base(force_insert=True)


def test_the_database_refuses_a_reversal_of_what_is_allocated_and_an_allocation_of_what_is_reversed():
    posted = TransactionFactory()
    posting.allocate(posted, "gift", 1000, by=None)
    mirror = {"fund": posted.fund, "currency": "EUR", "booked_on": posted.booked_on, "reverses": posted}
    with pytest.raises(IntegrityError, match="undo the allocations"), atomic():
        Transaction(amount_minor=-150000, **mirror).save_base(force_insert=True)
    reversal = posting.reverse(posted, by=None)
    for one, amount, kind in ((posted, 1, "gift"), (reversal, -1, "fee")):
        with pytest.raises(IntegrityError, match="is reversed"), atomic():
            Allocation(transaction=one, kind=kind, amount_minor=amount).save_base(force_insert=True)


@pytest.mark.parametrize("fund_of", ["another", "its own"])
def test_the_database_refuses_money_of_another_fund_or_currency_on_an_account(fund_of):
    account = BankAccountFactory(currency="EUR")
    wrong = Transaction(
        fund=FundFactory() if fund_of == "another" else account.fund,
        account=account,
        amount_minor=5,
        currency="EUR" if fund_of == "another" else "SEK",
        booked_on=timezone.localdate(),
    )
    with pytest.raises(IntegrityError, match="another fund or currency"), atomic():
        wrong.save_base(force_insert=True)


@pytest.mark.parametrize(
    "change",
    [
        "holder = 'Thief'",
        "iban = 'BE29734032422964'",
        "bic = 'KREDBEBB'",
        "currency = 'SEK'",
        "proposed_by_id = NULL",
        "approved_by_id = proposed_by_id",
        "approved_at = NULL, approved_by_id = NULL, valid_from = NULL, payable = '0'",
        "valid_from = '2011-01-01'",
    ],
)
def test_an_account_stays_as_it_was_proposed_and_approved(change):
    account = BankAccountFactory()
    with pytest.raises(IntegrityError):
        sql(f"UPDATE donations_bankaccount SET {change} WHERE id = %s", account.pk)
    with pytest.raises(IntegrityError, match="never deleted"):
        sql("DELETE FROM donations_bankaccount WHERE id = %s", account.pk)


def test_an_account_is_never_put_in_approved_nor_changed_within_a_day():
    account, by = BankAccountFactory(), OrganiserFactory()
    now = timezone.now()
    approval = {"approved_by": by, "approved_at": now, "valid_from": now}
    fresh = BankAccountFactory.build(fund=account.fund, payable=False, proposed_by=OrganiserFactory(), **approval)
    with pytest.raises(IntegrityError, match="proposed before"), atomic():
        fresh.save_base(force_insert=True)
    proposed = accounts.propose(BankAccountFactory.build(fund=account.fund, payable=False), by=OrganiserFactory())
    with pytest.raises(IntegrityError, match="24 hours"), atomic():
        BankAccount.objects.filter(pk=proposed.pk).update(**approval)
    with pytest.raises(IntegrityError), atomic():
        BankAccount.objects.filter(pk=proposed.pk).update(payable=True)


def test_a_withdrawal_stays():
    account = accounts.withdraw(BankAccountFactory(), by=OrganiserFactory())
    with pytest.raises(IntegrityError, match="a withdrawal stays"):
        sql("UPDATE donations_bankaccount SET withdrawn_at = NULL WHERE id = %s", account.pk)


def test_a_counted_sheet_stays_but_for_its_scan():
    one, two = OrganiserFactory(), OrganiserFactory()
    sheet = CollectionSheet.objects.create(fund=FundFactory(), number=1, currency="EUR")
    counted = {
        "counted_minor": 20000,
        "held_on": timezone.localdate(),
        "counted_at": timezone.now(),
        "counter_one": one,
    }
    rows = CollectionSheet.objects.filter(pk=sheet.pk)
    with pytest.raises(IntegrityError, match="two_counters"), atomic():
        rows.update(**counted, counter_two=one)
    rows.update(**counted, counter_two=two)
    with pytest.raises(IntegrityError, match="never edited"), atomic():
        rows.update(counted_minor=1)
    with pytest.raises(IntegrityError, match="never edited"), atomic():
        rows.delete()
    scan = StoredFile.objects.create(media_type="image/jpeg", sha256=HASH, size=0)
    rows.update(scan=scan)
    with pytest.raises(IntegrityError, match="never edited"), atomic():
        rows.update(scan=None)


@pytest.mark.parametrize(
    "columns", [{"closing_minor": 4}, {"known_count": 1}, {"opening_minor": None}, {"sha256": "x"}, {"currency": "eu"}]
)
def test_a_statement_that_does_not_add_up_is_refused(columns):
    right = {
        "account": BankAccountFactory(),
        "sha256": HASH,
        "file_name": "1.xml",
        "format": "camt",
        "currency": "EUR",
        "opening_minor": 1,
        "closing_minor": 3,
        "lines_minor": 2,
        "read_count": 1,
        "new_count": 1,
        "known_count": 0,
        "rejected_count": 0,
    }
    with pytest.raises(IntegrityError), atomic():
        BankStatement(**right | columns).save_base(force_insert=True)
    BankStatement(**right).save()
    with pytest.raises(IntegrityError, match=r"imported_once|account_id, .*sha256"), atomic():
        BankStatement(**right).save()


def test_a_missing_trigger_is_noticed_and_made_again():
    assert triggers.missing() == []
    triggers.drop("default")
    assert "donations_transaction" in triggers.missing()
    triggers.create("default")
    assert triggers.missing() == []


def open_lines():
    """Return what the database keeps as open, once that is what the books say."""
    kept = set(OpenLine.objects.values_list("pk", flat=True))
    assert kept == set(balances.left_open().values_list("pk", flat=True))
    return kept


def test_the_database_keeps_which_lines_are_open():
    who = OrganiserFactory()
    account = BankAccountFactory()
    line = TransactionFactory(fund=account.fund, account=account, amount_minor=2500)
    line = posting.post(
        Transaction(fund=account.fund, account=account, amount_minor=2500, currency="EUR", booked_on=line.booked_on)
    )
    assert line.pk in open_lines()

    part = posting.allocate(line, "gift", 1000, by=who)
    assert line.pk in open_lines()
    posting.allocate(line, "gift", 1500, by=who)
    assert line.pk not in open_lines()
    posting.undo(part, by=who)
    assert line.pk in open_lines()
    posting.reverse(line, by=who)
    assert line.pk not in open_lines()


def test_no_open_line_is_taken_from_the_desk():
    account = BankAccountFactory()
    line = posting.post(
        Transaction(
            fund=account.fund, account=account, amount_minor=2500, currency="EUR", booked_on=timezone.localdate()
        )
    )
    with pytest.raises(IntegrityError, match="left to be said"):
        sql("DELETE FROM donations_openline WHERE transaction_id = %s", line.pk)
    with pytest.raises(IntegrityError, match="donations_openline"):
        sql("UPDATE donations_openline SET transaction_id = transaction_id + 1")
    if connection.vendor == "postgresql":
        with pytest.raises(IntegrityError, match="triggers alone"):
            sql("SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE donations_openline")
    assert open_lines() == {line.pk}
    assert ledger.verify() == []

    triggers.drop("default")
    sql("DELETE FROM donations_openline")
    triggers.create("default")
    assert ledger.verify() == [f"Transaction {line.pk} is open, and the desk does not show it."]


def test_a_settled_line_that_is_kept_as_open_shows_nothing():
    account = BankAccountFactory()
    line = TransactionFactory(fund=account.fund, account=account, pledge=PledgeFactory(fund=account.fund))
    assert line.pk not in open_lines()
    sql("INSERT INTO donations_openline (transaction_id) VALUES (%s)", line.pk)
    assert not reconciling.waiting().exists()
    sql("DELETE FROM donations_openline WHERE transaction_id = %s", line.pk)
    assert not open_lines()
