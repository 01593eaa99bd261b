"""What the database itself holds, tried by hand, and the rows that nobody may change."""

from datetime import timedelta
from time import process_time

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection
from django.db.models import ProtectedError
from django.db.transaction import atomic
from django.utils import timezone

from donations import accounts, collecting, posting
from donations.models import (
    CONFIRM_WITHIN,
    BankAccount,
    Disbursement,
    Fund,
    Pledge,
    Posted,
    PostedError,
    Transaction,
    iban_in,
)
from privacy.purging import purge
from tests.factories import BankAccountFactory, FundFactory, PledgeFactory, PledgeMailFactory, TransactionFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("number", "12345"),
        ("number", "12345abcde"),
        ("amount_minor", 0),
        ("amount_minor", -1),
        ("currency", "eur"),
        ("currency", "EU"),
        ("display", "somehow"),
        ("kind", "martian"),
        ("frequency", "hourly"),
        ("until", "2099-01-01"),  # of a gift made once
    ],
)
def test_the_database_refuses_a_wrong_pledge(column, value):
    pledge = PledgeFactory()
    with pytest.raises(IntegrityError), atomic():
        Pledge.objects.filter(pk=pledge.pk).update(**{column: value})


def test_the_database_refuses_an_end_before_the_beginning():
    pledge = PledgeFactory(frequency="monthly")
    Pledge.objects.update(until=pledge.made_on)
    with pytest.raises(IntegrityError), atomic():
        Pledge.objects.update(until=pledge.made_on - timedelta(days=1))


def test_the_database_refuses_the_same_pledge_twice_a_day_and_a_number_twice():
    pledge = PledgeFactory(number="1234567890")
    with pytest.raises(IntegrityError), atomic():
        PledgeFactory(number="1234567890")
    alike = {
        name: getattr(pledge, name) for name in ("fund", "email", "amount_minor", "currency", "frequency", "made_on")
    }
    with pytest.raises(IntegrityError), atomic():
        PledgeFactory(**alike)
    PledgeFactory(**alike | {"amount_minor": 1})
    PledgeFactory(**alike | {"made_on": pledge.made_on - timedelta(days=1)})


@pytest.mark.parametrize("iban", ["BE29 7340 3242 2964", "be29734032422964", "BE29", "29734032422964BE"])
def test_the_database_refuses_an_iban_that_is_not_compact(iban):
    account = BankAccountFactory()
    with pytest.raises(IntegrityError), atomic(), connection.cursor() as cursor:
        # By SQL: the field itself would tidy it up.
        cursor.execute("UPDATE donations_bankaccount SET iban = %s WHERE id = %s", [iban, account.pk])


@pytest.mark.parametrize(
    "text",
    [
        "Pay to BE29 7340 3242 2964.",
        "B E 2 9 7 3 4 0 3 2 4 2 2 9 6 4",
        "BE 29 - 7340 - 3242 - 2964",
        "IBANBE29734032422964",
        "be29/7340/3242/2964",
        "BE29\u20137340\u20133242\u20132964",
        "BE29\u200b7340\u200b3242\u200b2964",
        "ＢＥ２９ ７３４０ ３２４２ ２９６４",
        "ВЕ29 7340 3242 2964",  # the letters are Cyrillic
        "BE٢٩ ٧٣٤٠ ٣٢٤٢ ٢٩٦٤",
        "**BE29** *7340* _3242_ 2964",
        "BE29&nbsp;7340&#32;3242&#8203;2964",
        "BE29\n7340\n3242\n2964",
    ],
    ids=ascii,
)
def test_an_account_number_is_found_however_it_is_spelt(text):
    assert iban_in(text) == "BE29734032422964"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Bread and rent in May 2012 for 1,500 families; phone +32 2 123 45 67 89 10, +49 30 1234567890123456",
        "BE28 7340 3242 2964",  # a digit is wrong
        "Since 26 May 2011 the strikers of Zhanaozen have had no wages. KZ-130200 Mangystau.",
        "https://example.org/de/2011/12/16/1234567890",
    ],
)
def test_no_account_number_is_found_where_there_is_none(text):
    assert iban_in(text) == ""


def test_a_long_text_is_searched_in_no_time():
    began = process_time()
    assert iban_in("AB12 " * 20_000) == ""
    assert process_time() - began < 5


def told(act):
    with pytest.raises(ValidationError) as refused:
        act()
    return str(refused.value)


def test_no_organiser_alone_tells_donors_an_account():
    """Each of these texts stands on public pages."""
    fund, pay = FundFactory(), "Pay to BE29 7340 3242 2964"
    fund.title = pay
    translation = fund.get_translation("en")
    translation.title = pay
    assert "account number" in told(translation.full_clean)
    line = {"fund": fund, "amount_minor": 1, "currency": "EUR", "booked_on": timezone.localdate()}
    assert "account number" in told(Transaction(**line, description=pay).save)
    asked = Disbursement(fund=fund, purpose=pay, households=1, amount_minor=1, currency="EUR")
    assert "account number" in told(asked.save)
    assert "account number" in told(lambda: collecting.make(fund, "EUR", place=pay))


def test_what_was_posted_with_an_account_number_once_can_be_reversed():
    posted = Transaction(
        fund=FundFactory(),
        amount_minor=5,
        currency="EUR",
        booked_on=timezone.localdate(),
        description="BE29 7340 3242 2964",
    )
    posted.save_base(force_insert=True)  # as before it was refused
    assert posting.reverse(posted, by=None).description == posted.description


def test_an_iban_is_tidied_up_and_checked():
    account = BankAccountFactory.build(fund=FundFactory(), payable=False, iban=" be29 7340 3242 2964 ", bic="kred bebb")
    account.full_clean()
    account.save()
    account.refresh_from_db()
    assert (account.iban, account.bic) == ("BE29734032422964", "KREDBEBB")
    assert account.grouped_iban == "BE29 7340 3242 2964"


@pytest.mark.parametrize(
    ("column", "value"), [("iban", "BE28734032422964"), ("iban", "XX29734032422964"), ("bic", "KRED")]
)
def test_a_mistyped_account_is_refused(column, value):
    account = BankAccountFactory.build(fund=FundFactory(), payable=False, **{column: value})
    with pytest.raises(ValidationError) as refused:
        account.full_clean()
    assert set(refused.value.error_dict) == {column}


def test_the_holder_is_kept_letter_for_letter():
    account = BankAccountFactory(holder="  Caisse d’Épargne & Søn  ")
    account.refresh_from_db()
    assert account.holder == "  Caisse d’Épargne & Søn  "


@pytest.mark.parametrize(
    "columns",
    [{"amount_minor": 0}, {"currency": "eur"}, {"currency": "EURO"}, {"reference": "RF18"}, {"occurrence": 0}],
)
def test_a_wrong_transaction_is_refused_by_the_model_and_by_the_database(columns):
    with pytest.raises((ValidationError, IntegrityError)), atomic():
        TransactionFactory(**columns)
    wrong = TransactionFactory.build(fund=FundFactory(), **columns)
    with pytest.raises(DatabaseError), atomic():
        super(Posted, wrong).save(force_insert=True)  # past the model's own checks


def test_a_transaction_cannot_reverse_itself():
    wrong = TransactionFactory.build(fund=FundFactory(), pk=77, reverses_id=77)
    with pytest.raises(IntegrityError), atomic():
        super(Posted, wrong).save(force_insert=True)


def test_a_posted_transaction_is_never_edited():
    posted = TransactionFactory()
    posted.amount_minor = 1
    for change in (
        posted.save,
        lambda: posted.save(update_fields=["amount_minor"]),
        lambda: Transaction.objects.update(amount_minor=1),
        lambda: Transaction.objects.filter(pk=posted.pk).update(description="x"),
        lambda: Transaction.objects.bulk_update([posted], ["amount_minor"]),
        lambda: Transaction.objects.bulk_create([Transaction(pk=posted.pk, fund=posted.fund)]),
        lambda: Transaction.objects.update_or_create(pk=posted.pk, defaults={"description": "x"}),
        lambda: posted.fund.transactions.update(amount_minor=1),
        lambda: Transaction._base_manager.update(amount_minor=1),
        lambda: Transaction.objects.filter(pk=posted.pk).only("id").get().save(),
    ):
        with pytest.raises(PostedError), atomic():
            change()
    with pytest.raises(IntegrityError), atomic():
        Transaction(pk=posted.pk, fund=posted.fund, amount_minor=1, currency="EUR", booked_on=posted.booked_on).save()
    assert Transaction.objects.values_list("amount_minor", "description").get() == (150000, "Mineworkers in Sweden")


def test_a_posted_transaction_is_never_deleted():
    posted = TransactionFactory(pledge=None)
    for delete in (
        posted.delete,
        Transaction.objects.all().delete,
        Transaction.objects.filter(pk=posted.pk).delete,
        lambda: Transaction.objects.filter(pk=posted.pk)._raw_delete("default"),
        posted.fund.transactions.all().delete,
    ):
        with pytest.raises(PostedError):
            delete()
    with pytest.raises(ProtectedError):
        Fund.objects.all().delete()
    assert Transaction.objects.get() == posted


def test_money_has_arrived_today_at_the_latest():
    with pytest.raises(ValidationError, match="still to come"):
        TransactionFactory(booked_on=timezone.localdate() + timedelta(days=1))


def test_a_reversal_mirrors_what_it_reverses():
    posted = TransactionFactory()
    mirror = {"reverses": posted, "fund": posted.fund, "amount_minor": -posted.amount_minor}
    for wrong in ({"amount_minor": -1}, {"amount_minor": 1}, {"currency": "SEK"}, {"fund": FundFactory()}):
        with pytest.raises(ValidationError, match="opposite amount"):
            TransactionFactory(**mirror | wrong)
    TransactionFactory(**mirror)
    with pytest.raises(IntegrityError), atomic():
        TransactionFactory(**mirror)


def test_only_an_account_that_is_open_is_payable():
    assert accounts.payable(FundFactory()) is None
    assert accounts.payable(BankAccountFactory(payable=False).fund) is None
    assert accounts.payable(BankAccountFactory().fund) is not None
    assert BankAccount._meta.get_field("payable").default is False


def test_purging_deletes_pledges_that_nobody_confirmed_but_none_with_money():
    long_ago = timezone.now() - CONFIRM_WITHIN - timedelta(minutes=1)
    forgotten = PledgeFactory(created_at=long_ago)
    PledgeMailFactory(pledge=forgotten)
    kept = [
        PledgeFactory(),
        PledgeFactory(created_at=long_ago, confirmed=True),
        TransactionFactory(fund=(paid := PledgeFactory(created_at=long_ago)).fund, pledge=paid)
        .allocations.get()
        .pledge,
    ]
    purge()
    assert list(Pledge.objects.order_by("pk")) == kept


def test_purging_after_two_years_leaves_the_money_and_no_person():
    old = PledgeFactory(created_at=timezone.now() - timedelta(days=731), confirmed=True, organisation="Local 1")
    TransactionFactory(fund=old.fund, pledge=old)
    purge()
    old.refresh_from_db()
    assert (old.name, old.organisation, old.email, old.email_tag) == ("", "", "", None)
    assert (old.amount_minor, Transaction.objects.count()) == (2500, 1)


def test_names_and_addresses_are_not_readable_in_the_database():
    PledgeMailFactory(pledge=PledgeFactory(name="Nora Berg", email="nora@example.org", organisation="Local 1"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM donations_pledge")
        stored = str(cursor.fetchall())
    assert not any(secret in stored for secret in ("Nora", "nora", "Local 1"))
