"""Cash: sheets without gaps, two counts apart, and what is paid in counts once."""

from datetime import timedelta
from io import BytesIO

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.transaction import atomic
from django.utils import timezone

from donations import balances, collecting, ledger, posting
from donations.collecting import DifferentCountError, RefusedError, State
from donations.models import Allocation, CollectionSheet, LedgerEvent, StoredFile, Transaction
from tests.donations.test_filing import PDF, picture
from tests.donations.test_posting import disbursement_of
from tests.factories import BankAccountFactory, FundFactory, OrganiserFactory, TransactionFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db
Kind = Allocation.Kind


@pytest.fixture
def account():
    return BankAccountFactory()


@pytest.fixture
def organisers():
    return OrganiserFactory(), OrganiserFactory()


def counted(fund, organisers, amount=20350, place="Hamburg"):
    sheet = collecting.make(fund, "EUR")
    for organiser in organisers:
        sheet = collecting.count(sheet, amount, held_on=timezone.localdate(), place=place, by=organiser)
    return sheet


def state(sheet):
    return collecting.standing_of(sheet).state


def balance(fund):
    (found,) = balances.of(fund)
    return found


def at_bank(account, amount=20350, **columns):
    return TransactionFactory(fund=account.fund, account=account, amount_minor=amount, **columns)


def test_numbers_have_no_gaps_and_are_of_each_fund():
    fund, other = FundFactory(), FundFactory()
    made = [collecting.make(one, "EUR") for one in (fund, fund, other)]
    assert [sheet.number for sheet in made] == [1, 2, 1]
    with pytest.raises(ValidationError):
        collecting.make(fund, "euro")
    with pytest.raises(IntegrityError, match=r"sheet_number_once|number"), atomic():
        CollectionSheet.objects.create(fund=fund, number=2, currency="EUR")


def test_the_second_equal_count_posts_the_money_into_the_cash_box(account, organisers):
    sheet = collecting.make(account.fund, "EUR")
    day = timezone.localdate() - timedelta(days=2)
    sheet = collecting.count(sheet, 20350, held_on=day, place="Hamburg", by=organisers[0])
    assert (state(sheet), balances.of(account.fund)) == (State.COUNTED_ONCE, [])
    sheet = collecting.count(sheet, 20350, held_on=timezone.localdate(), place="Bremen", by=organisers[1])
    assert (sheet.counter_one, sheet.counter_two, sheet.place, sheet.held_on) == (*organisers, "Hamburg", day)
    posted = Transaction.objects.get()
    assert (posted.account, posted.amount_minor, posted.booked_on) == (None, 20350, day)
    assert posted.description == "Collection sheet 1, Hamburg"
    assert (state(sheet), balance(account.fund).cash, balance(account.fund).received) == (State.CASH, 20350, 20350)
    with pytest.raises(RefusedError, match="counted already"):
        collecting.count(sheet, 20350, held_on=day, place="", by=OrganiserFactory())
    assert ledger.verify() == []


def test_the_same_person_counts_once_and_may_put_it_right(account, organisers):
    sheet = collecting.make(account.fund, "EUR")
    for amount in (100, 200):
        sheet = collecting.count(sheet, amount, held_on=timezone.localdate(), place="", by=organisers[0])
    assert (sheet.counted_at, sheet.counted_minor, Transaction.objects.count()) == (None, 200, 0)


def test_another_count_than_the_first_posts_nothing_and_can_be_begun_anew(account, organisers):
    sheet = collecting.make(account.fund, "EUR")
    today = timezone.localdate()
    collecting.count(sheet, 20350, held_on=today, place="", by=organisers[0])
    with pytest.raises(DifferentCountError, match="another amount"):
        collecting.count(sheet, 20300, held_on=today, place="", by=organisers[1])
    assert not Transaction.objects.exists()
    collecting.discard_count(sheet)
    with pytest.raises(RefusedError):
        collecting.discard_count(sheet)
    collecting.count(sheet, 20300, held_on=today, place="", by=organisers[1])
    sheet = collecting.count(sheet, 20300, held_on=today, place="", by=organisers[0])
    assert (sheet.counted_minor, state(sheet)) == (20300, State.CASH)


def test_a_count_of_a_day_to_come_is_refused(account, organisers):
    sheet = collecting.make(account.fund, "EUR", held_on=timezone.localdate() + timedelta(days=7))
    with pytest.raises(ValidationError, match="still to come"):
        collecting.count(sheet, 1, held_on=sheet.held_on, place="", by=organisers[0])


def test_a_sheet_that_brought_nothing_is_accounted_for(account, organisers):
    sheet = counted(account.fund, organisers, 0)
    assert (state(sheet), Transaction.objects.exists()) == (State.EMPTY, False)
    with pytest.raises(RefusedError, match="Nothing of this sheet"):
        collecting.take_back(sheet, by=organisers[0])
    assert ledger.verify() == []


@pytest.mark.django_db(transaction=True)
def test_many_second_counters_at_once_post_once():
    fund, first = FundFactory(), OrganiserFactory()
    sheet = collecting.make(fund, "EUR")
    others = [OrganiserFactory() for _ in range(6)]
    collecting.count(sheet, 500, held_on=timezone.localdate(), place="", by=first)

    def count(number):
        try:
            mine = CollectionSheet.objects.get(pk=sheet.pk)
            return collecting.count(mine, 500, held_on=timezone.localdate(), place="", by=others[number])
        except RefusedError:
            return None

    assert sum(one is not None for one in at_once(6, count)) == 1
    assert (Transaction.objects.count(), balance(fund).cash) == (1, 500)
    assert ledger.verify() == []


def test_over_200_euro_from_hamburg_count_once(account, organisers):
    sheet = counted(account.fund, organisers, 20350)
    line = at_bank(account, 20000, counterparty="Cash deposit", description="")
    assert [(one, one.free_minor) for one in collecting.lines_for(sheet)] == [(line, 20000)]
    collecting.deposit(sheet, line, 20000, by=organisers[0])
    now = balance(account.fund)
    assert (now.received, now.bank, now.cash, now.in_hand) == (20350, 20000, 350, 20350)
    assert (state(sheet), collecting.standing_of(sheet).in_cash_minor) == (State.PARTLY, 350)
    assert collecting.lines_for(sheet) == []
    collecting.deposit(sheet, at_bank(account, 350), 350, by=organisers[0])
    assert (state(sheet), balance(account.fund).received) == (State.PAID_IN, 20350)
    assert ledger.verify() == []


@pytest.mark.parametrize(("of_line", "left"), [(20350, 0), (20500, 150)])
def test_a_line_that_was_taken_for_a_gift_counts_once_after_all(account, organisers, of_line, left):
    line = at_bank(account, of_line)
    posting.allocate(line, Kind.GIFT, of_line, by=organisers[0])
    sheet = counted(account.fund, organisers, 20350)
    assert balance(account.fund).received == of_line + 20350  # twice
    assert [one.as_gift for one in collecting.lines_for(sheet)] == [of_line]
    collecting.deposit(sheet, line, 20350, by=organisers[0])
    now = balance(account.fund)
    assert (now.received, now.bank, now.cash, balances.unallocated(line)) == (of_line, of_line, 0, 0)
    assert sum(one.amount_minor for one in posting.live(line) if one.kind == Kind.GIFT) == left
    assert ledger.verify() == []


def test_only_lines_that_can_be_it_are_offered_the_same_amount_first(account, organisers):
    sheet = counted(account.fund, organisers, 100)
    earlier = at_bank(account, 100)
    other_currency = at_bank(account, 100, currency="SEK")
    out = at_bank(account, -100)
    before = at_bank(account, 100, booked_on=timezone.localdate() - timedelta(days=1))
    more, same = at_bank(account, 999), at_bank(account, 100)
    reversed_ = at_bank(account, 100)
    posting.reverse(reversed_, by=None)
    offered = collecting.lines_for(sheet)
    assert offered == [same, earlier, more]
    assert not {other_currency, out, before, reversed_} & set(offered)


@pytest.mark.parametrize(
    ("of_line", "amount", "words"), [(500, 101, "cash|brought"), (50, 51, "Only"), (500, 0, "Only")]
)
def test_a_deposit_that_does_not_fit_leaves_all_as_it_was(account, organisers, of_line, amount, words):
    sheet = counted(account.fund, organisers, 100)
    line = at_bank(account, of_line)
    posting.allocate(line, Kind.GIFT, of_line, by=None)
    before = (Allocation.objects.count(), LedgerEvent.objects.count())
    with pytest.raises(RefusedError, match=words):
        collecting.deposit(sheet, line, amount, by=organisers[0])
    assert before == (Allocation.objects.count(), LedgerEvent.objects.count())


def test_cash_that_was_spent_cannot_be_paid_in(account, organisers):
    sheet = counted(account.fund, organisers, 100)
    TransactionFactory(fund=account.fund, amount_minor=-60)
    with pytest.raises(RefusedError, match="not so much cash"):
        collecting.deposit(sheet, at_bank(account, 100), 100, by=organisers[0])
    collecting.deposit(sheet, at_bank(account, 40), 40, by=organisers[0])


def test_nothing_is_paid_in_before_two_have_counted(account, organisers):
    sheet = collecting.make(account.fund, "EUR")
    with pytest.raises(RefusedError, match="count the sheet first"):
        collecting.deposit(sheet, at_bank(account), 1, by=organisers[0])


def test_a_wrong_count_is_taken_back_and_both_entries_stay(account, organisers):
    sheet = counted(account.fund, organisers, 100)
    deposit = collecting.deposit(sheet, at_bank(account, 100), 100, by=organisers[0])
    with pytest.raises(RefusedError, match="Undo that first"):
        collecting.take_back(sheet, by=organisers[0])
    posting.undo(deposit, by=organisers[0])
    collecting.take_back(sheet, by=organisers[0])
    assert (state(sheet), balance(account.fund).cash) == (State.TAKEN_BACK, 0)
    assert Transaction.objects.filter(account=None).count() == 4
    with pytest.raises(RefusedError):
        collecting.take_back(sheet, by=organisers[0])
    assert ledger.verify() == []


def test_a_scan_is_attached_once_before_or_after_the_count(account, organisers):
    sheet = counted(account.fund, organisers)
    with pytest.raises(ValidationError):
        collecting.attach(sheet, BytesIO(b"no picture"), name="x", by=organisers[0])
    collecting.attach(sheet, BytesIO(picture()), name="x.jpg", by=organisers[0])
    with pytest.raises(RefusedError, match="attached already"):
        collecting.attach(sheet, BytesIO(PDF), name="x.pdf", by=organisers[0])
    assert StoredFile.objects.get() == CollectionSheet.objects.get().scan
    assert ledger.verify() == []


def test_a_count_without_a_counter_is_no_count():
    sheet = collecting.make(FundFactory(), "EUR")
    for columns in ({"counted_minor": 5}, {"counter_one": OrganiserFactory()}):
        with pytest.raises(IntegrityError, match="count_has_a_counter"), atomic():
            CollectionSheet.objects.filter(pk=sheet.pk).update(**columns)


def test_the_public_sees_counted_sheets_and_where_the_money_is(account, organisers, django_assert_num_queries):
    collecting.make(account.fund, "EUR")
    counted(FundFactory(), organisers)
    sheet = counted(account.fund, organisers)
    with django_assert_num_queries(1):
        (told,) = map(collecting.standing_of, collecting.public(account.fund))
        assert (told.sheet, told.state, told.posted_minor, told.paid_in_minor) == (sheet, State.CASH, 20350, 0)


def test_cash_pays_a_disbursement_too(account, organisers):
    counted(account.fund, organisers, 500)
    paid = TransactionFactory(fund=account.fund, amount_minor=-500)
    posting.allocate(paid, Kind.DISBURSEMENT, -500, disbursement=disbursement_of(account.fund), by=None)
    assert (balance(account.fund).in_hand, balance(account.fund).disbursed) == (0, 500)
