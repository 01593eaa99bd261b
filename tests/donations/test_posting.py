from datetime import date

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from donations import balances, giving, ledger, posting
from donations.models import Allocation, Approval, CollectionSheet, Disbursement, LedgerEvent, Transaction
from tests.factories import (
    BankAccountFactory,
    FundFactory,
    OrganiserFactory,
    PledgeFactory,
    TransactionFactory,
)
from tests.sizes import examples
from tests.threads import at_once

Kind = Allocation.Kind

pytestmark = pytest.mark.django_db


def disbursement_of(fund, amount=100000, currency="EUR"):
    asked = Disbursement.objects.create(
        fund=fund, purpose="Bread", households=3, amount_minor=amount, currency=currency
    )
    ledger.record(LedgerEvent.Kind.DISBURSEMENT_REQUESTED, asked)
    for _ in range(2):
        approval = Approval.objects.create(disbursement=asked, approved_by=OrganiserFactory())
        ledger.record(LedgerEvent.Kind.DISBURSEMENT_APPROVED, approval)
    return asked


def balance(fund, currency="EUR"):
    return next(one for one in balances.of(fund) if one.currency == currency)


def test_a_gift_is_split_over_pledges_and_what_is_left_can_be_a_gift():
    posted = TransactionFactory(amount_minor=1000)
    first, second = PledgeFactory(fund=posted.fund), PledgeFactory(fund=posted.fund)
    posting.allocate(posted, Kind.PLEDGE, 600, pledge=first, by=None)
    posting.allocate(posted, Kind.PLEDGE, 300, pledge=second, by=None)
    assert balances.unallocated(posted) == 100
    with pytest.raises(posting.RefusedError, match=r"Only €1\.00"):
        posting.allocate(posted, Kind.GIFT, 101, by=None)
    posting.allocate(posted, Kind.GIFT, 100, by=None)
    assert [balances.of_pledge(one.pk) for one in (first, second)] == [600, 300]
    assert (balance(posted.fund).received, balance(posted.fund).allocated) == (1000, 1000)


@pytest.mark.parametrize(
    ("kind", "amount", "names", "words"),
    [
        (Kind.GIFT, 0, {}, "Only"),
        (Kind.GIFT, -5, {}, "Only"),
        (Kind.REFUND, 5, {}, "given back goes out"),
        (Kind.PLEDGE, 5, {}, "its own kind"),
        (Kind.GIFT, 5, {"pledge": "own"}, "its own kind"),
        (Kind.PLEDGE, 5, {"pledge": "another fund's"}, "another fund"),
        (Kind.PLEDGE, 5, {"pledge": "another currency's"}, "another fund or currency"),
    ],
)
def test_a_wrong_allocation_is_refused_in_words(kind, amount, names, words):
    posted = TransactionFactory()
    pledges = {
        "own": PledgeFactory(fund=posted.fund),
        "another fund's": PledgeFactory(),
        "another currency's": PledgeFactory(fund=posted.fund, currency="SEK"),
    }
    with pytest.raises(posting.RefusedError, match=words):
        posting.allocate(posted, kind, amount, by=None, **{name: pledges[value] for name, value in names.items()})
    assert not Allocation.objects.exists()


def test_undoing_leaves_both_and_happens_once():
    posted = TransactionFactory(pledge=(pledge := PledgeFactory()), fund=pledge.fund)
    made = posted.allocations.get()
    undone = posting.undo(made, by=(organiser := OrganiserFactory()))
    assert (undone.amount_minor, undone.pledge, undone.reverses, undone.made_by) == (-150000, pledge, made, organiser)
    assert balances.of_pledge(pledge.pk) == 0
    for again in (made, undone):
        with pytest.raises(posting.AlreadyReversedError):
            posting.undo(again, by=None)


def test_a_disbursement_needs_two_approvals_money_and_pays_no_more_than_approved():
    account = BankAccountFactory()
    line = TransactionFactory(fund=account.fund, account=account, amount_minor=-60000)
    asked = Disbursement.objects.create(
        fund=account.fund, purpose="Bread", households=3, amount_minor=50000, currency="EUR"
    )

    def pay(amount):
        return posting.allocate(line, Kind.DISBURSEMENT, amount, disbursement=asked, by=None)

    Approval.objects.create(disbursement=asked, approved_by=OrganiserFactory())
    with pytest.raises(posting.RefusedError, match="two organisers"):
        pay(-50000)
    Approval.objects.create(disbursement=asked, approved_by=OrganiserFactory())
    with pytest.raises(posting.RefusedError, match="than came in"):
        pay(-50000)
    TransactionFactory(fund=account.fund, account=account, amount_minor=70000)
    with pytest.raises(posting.RefusedError, match="than was approved"):
        pay(-50001)
    pay(-50000)
    assert (balance(account.fund).disbursed, balance(account.fund).unexplained) == (50000, 10000)
    assert balance(account.fund).in_hand == balance(account.fund).by_the_books == 10000


def test_what_was_paid_out_cannot_be_taken_from_what_came_in():
    account = BankAccountFactory()
    gift = TransactionFactory(fund=account.fund, account=account, amount_minor=1000)
    line = TransactionFactory(fund=account.fund, account=account, amount_minor=-1000)
    paid = posting.allocate(line, Kind.DISBURSEMENT, -1000, disbursement=disbursement_of(account.fund), by=None)
    with pytest.raises(posting.RefusedError, match="than came in"):
        posting.reverse(gift, by=None)
    assert Transaction.objects.count() == 2
    posting.undo(paid, by=None)
    posting.reverse(gift, by=None)
    assert ledger.verify() == []


def collected(fund, amount=20000):
    """A counted sheet, and its cash in the box."""
    number = CollectionSheet.objects.filter(fund=fund).count() + 1
    sheet = CollectionSheet.objects.create(fund=fund, number=number, currency="EUR")
    cash = TransactionFactory(fund=fund, amount_minor=amount, description="Hamburg")
    posting.allocate(cash, Kind.GIFT, amount, sheet=sheet, by=None)
    return sheet, cash


def test_cash_that_is_paid_in_counts_once():
    account = BankAccountFactory()
    sheet, cash = collected(account.fund)
    line = TransactionFactory(fund=account.fund, account=account, amount_minor=20500)
    assert balance(account.fund).received == 40500
    deposit = posting.allocate(line, Kind.DEPOSIT, 20000, sheet=sheet, by=None)
    now = balance(account.fund)
    assert (now.received, now.bank, now.cash, now.in_transit) == (20500, 20500, 0, 0)
    with pytest.raises(posting.RefusedError, match=r"cash|brought"):
        posting.allocate(line, Kind.DEPOSIT, 500, sheet=sheet, by=None)
    for wrong in (cash, deposit.mirror.transaction):
        with pytest.raises(posting.RefusedError):
            posting.reverse(wrong, by=None)
    with pytest.raises(posting.RefusedError, match="other end"):
        posting.undo(deposit.mirror, by=None)

    posting.undo(deposit, by=None)
    now = balance(account.fund)
    assert (now.received, now.bank, now.cash, now.in_transit) == (40500, 20500, 20000, 0)
    assert ledger.verify() == []


def test_no_more_cash_goes_out_than_there_is():
    gift = TransactionFactory(amount_minor=100)
    with pytest.raises(posting.RefusedError, match="not so much cash"):
        TransactionFactory(fund=gift.fund, amount_minor=-101)
    TransactionFactory(fund=gift.fund, amount_minor=-100)
    assert balance(gift.fund).in_hand == 0


def test_what_a_person_records_is_for_its_pledge_or_a_gift():
    pledge = PledgeFactory()
    day = date(2026, 11, 1)
    giving.record(pledge.fund, amount_minor=5, currency="EUR", booked_on=day, recorded_by=None)
    giving.record(pledge.fund, pledge=pledge, amount_minor=7, currency="EUR", booked_on=day, recorded_by=None)
    assert list(Allocation.objects.values_list("kind", "amount_minor")) == [("gift", 5), ("pledge", 7)]
    with pytest.raises(ValidationError, match="This pledge is in EUR"):
        giving.record(pledge.fund, pledge=pledge, amount_minor=7, currency="SEK", booked_on=day, recorded_by=None)
    assert Transaction.objects.count() == 2


def lines(account, amounts, **columns):
    return [
        Transaction(
            fund=account.fund,
            account=account,
            amount_minor=amount,
            currency="EUR",
            booked_on=timezone.localdate(),
            fingerprint="f",
            occurrence=number + 1,
            **columns,
        )
        for number, amount in enumerate(amounts)
    ]


def test_many_lines_are_posted_with_few_queries(django_assert_max_num_queries):
    other = BankAccountFactory()
    with django_assert_max_num_queries(10):  # SQLite takes no more than 999 values at a time
        posting.post_all(lines(other, range(1, 101), counterparty="Nora Berg"))
    assert ledger.verify() == []


def test_the_same_line_is_posted_once_and_a_wrong_one_stops_all():
    account = BankAccountFactory()
    posting.post_all(lines(account, [5, 5]))
    with pytest.raises(Exception, match=r"donations_line_posted_once|fingerprint"), posting.atomic():
        posting.post_all(lines(account, [7, 7, 7]))
    with pytest.raises(ValidationError), posting.atomic():
        posting.post_all(lines(account, [1, 2], description="x" * 201))
    assert Transaction.objects.count() == 2
    assert LedgerEvent.objects.filter(kind="transaction_posted").count() == 2


@pytest.mark.django_db(transaction=True)
def test_many_who_allocate_at_once_never_exceed_the_transaction():
    posted = TransactionFactory(amount_minor=1000)

    def allocate(_number):
        try:
            return posting.allocate(Transaction.objects.get(pk=posted.pk), Kind.GIFT, 300, by=None)
        except posting.RefusedError:
            return None

    assert sum(one is not None for one in at_once(8, allocate)) == 3
    assert balances.unallocated(posted) == 100
    assert ledger.verify() == []


AMOUNTS = st.integers(1, 400)
CURRENCIES = st.sampled_from(["EUR", "SEK"])


class Treasurer(RuleBasedStateMachine):
    """Does anything in any order, right or wrong; the sums are kept beside by plain addition."""

    posted = Bundle("posted")
    allocated = Bundle("allocated")

    def __init__(self):
        super().__init__()
        self.account = BankAccountFactory()
        self.fund = self.account.fund
        self.moved = {"EUR": [0, 0], "SEK": [0, 0]}
        self.pledges = {code: PledgeFactory(fund=self.fund, currency=code, confirmed=True) for code in self.moved}
        self.asked = {code: disbursement_of(self.fund, 500, code) for code in self.moved}
        self.sheet, _cash = collected(self.fund, 100)
        self.moved["EUR"][1] += 100

    @rule(target=posted, amount=AMOUNTS, currency=CURRENCIES, out=st.booleans(), bank=st.booleans())
    def post(self, amount, currency, out, bank):
        signed = -amount if out else amount
        line = TransactionFactory.build(
            fund=self.fund, account=self.account if bank else None, amount_minor=signed, currency=currency
        )
        line.counterparty = "Nora Berg"
        try:
            posted = posting.post(line)
        except posting.RefusedError:
            assert not bank
            assert self.moved[currency][1] + signed < 0
            return None
        self.moved[currency][0 if bank else 1] += signed
        return posted

    @rule(target=allocated, line=posted, amount=AMOUNTS, kind=st.sampled_from(list(Kind)), currency=CURRENCIES)
    def allocate(self, line, amount, kind, currency):
        if line is None:
            return None
        names = {
            Kind.PLEDGE: {"pledge": self.pledges[currency]},
            Kind.DISBURSEMENT: {"disbursement": self.asked[currency]},
            Kind.DEPOSIT: {"sheet": self.sheet},
        }
        signed = amount if line.amount_minor > 0 else -amount
        try:
            made = posting.allocate(line, kind, signed, by=None, **names.get(kind, {}))
        except posting.RefusedError:
            return None
        if kind == Kind.DEPOSIT:
            self.moved[line.currency][1] -= signed
        return made

    @rule(made=consumes(allocated))
    def undo(self, made):
        if made is None:
            return
        try:
            posting.undo(made, by=None)
        except (posting.RefusedError, posting.AlreadyReversedError):
            return
        if made.kind == Kind.DEPOSIT:
            self.moved[made.transaction.currency][1] += made.amount_minor

    @rule(line=posted)
    def reverse(self, line):
        if line is None:
            return
        deposits = sum(one.amount_minor for one in posting.live(line) if one.kind == Kind.DEPOSIT)
        try:
            posting.reverse(line, by=None)
        except (posting.RefusedError, posting.AlreadyReversedError):
            return
        self.moved[line.currency][0 if line.account_id else 1] -= line.amount_minor
        self.moved[line.currency][1] += deposits

    @rule(currency=CURRENCIES)
    def erase(self, currency):
        before = balances.of(self.fund)
        giving.withdraw(self.pledges[currency])
        Transaction.objects.filter(fund=self.fund).erase()
        assert balances.of(self.fund) == before

    @invariant()
    def the_books_add_up(self):
        found = {one.currency: one for one in balances.of(self.fund)}
        for currency, (bank, cash) in self.moved.items():
            one = found.get(currency, balances.Balance(currency))
            assert (one.bank, one.cash) == (bank, cash)
            assert one.in_hand == one.bank + one.cash == one.by_the_books
            assert 0 <= one.disbursed <= one.received
            assert one.cash >= 0
        for line in Transaction.objects.filter(fund=self.fund).prefetch_related("allocations"):
            said = sum(one.amount_minor for one in line.allocations.all())
            assert abs(said) <= abs(line.amount_minor)
            assert said * line.amount_minor >= 0

    def teardown(self):
        assert ledger.verify() == []


class AnySequence(TestCase):
    def test_any_sequence_of_operations_leaves_books_that_add_up(self):
        run_state_machine_as_test(
            Treasurer,
            settings=settings(
                max_examples=examples(10),
                stateful_step_count=14,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


def test_a_fund_of_nothing_has_no_balance():
    assert balances.of(FundFactory()) == []
