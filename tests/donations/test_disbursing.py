"""Money for families: two different organisers say yes, nothing is paid that is not there, and no file is public."""

from datetime import timedelta
from io import BytesIO

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection
from django.db.transaction import atomic
from django.utils import timezone

from donations import balances, disbursing, ledger, posting
from donations.disbursing import RefusedError, State
from donations.models import Allocation, Approval, Cancellation, Disbursement, Evidence, StoredFile, Transaction
from tests.donations.test_filing import PDF, photo
from tests.factories import BankAccountFactory, OrganiserFactory, TransactionFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    return BankAccountFactory()


@pytest.fixture
def organisers():
    return OrganiserFactory(), OrganiserFactory()


def asked(fund, by, amount=50000, currency="EUR", **columns):
    wanted = Disbursement(
        fund=fund, purpose="Bread in May", households=12, amount_minor=amount, currency=currency, **columns
    )
    return disbursing.request(wanted, by=by)


def approved(fund, organisers, amount=50000, **columns):
    wanted = asked(fund, organisers[0], amount, **columns)
    for organiser in organisers:
        disbursing.approve(wanted, by=organiser)
    return wanted


def state(wanted):
    return disbursing.standing_of(wanted).state


def cash(fund, amount, currency="EUR"):
    return TransactionFactory(fund=fund, amount_minor=amount, currency=currency)


def hand_over(wanted, amount, by, paid_on=None):
    return disbursing.pay_in_cash(wanted, amount, paid_on=paid_on or timezone.localdate(), by=by)


def test_two_different_organisers_approve_and_the_one_who_asked_counts_once(account, organisers):
    cash(account.fund, 50000)
    wanted = asked(account.fund, organisers[0])
    assert state(wanted) == State.ASKED
    disbursing.approve(wanted, by=organisers[0])
    assert state(wanted) == State.APPROVED_ONCE
    with pytest.raises(RefusedError, match="another organiser's"):
        disbursing.approve(wanted, by=organisers[0])
    with pytest.raises(IntegrityError, match=r"one_approval_a_person|approved_by_id"), atomic():
        Approval.objects.create(disbursement=wanted, approved_by=organisers[0])
    with pytest.raises(RefusedError, match="two organisers"):
        hand_over(wanted, 1, organisers[0])
    disbursing.approve(wanted, by=organisers[1])
    assert state(wanted) == State.APPROVED
    with pytest.raises(RefusedError, match="already"):
        disbursing.approve(wanted, by=OrganiserFactory())
    assert ledger.verify() == []


def test_two_who_did_not_ask_may_approve(account, organisers):
    wanted = asked(account.fund, OrganiserFactory())
    for organiser in organisers:
        disbursing.approve(wanted, by=organiser)
    assert state(wanted) == State.APPROVED


@pytest.mark.django_db(transaction=True)
def test_many_who_approve_at_once_are_two():
    wanted = asked(BankAccountFactory().fund, OrganiserFactory())
    several = [OrganiserFactory() for _ in range(5)]

    def approve(number):
        try:
            return disbursing.approve(Disbursement.objects.get(pk=wanted.pk), by=several[number])
        except RefusedError:
            return None

    assert sum(one is not None for one in at_once(5, approve)) == 2
    assert ledger.verify() == []


@pytest.mark.parametrize(
    "columns",
    [{"amount_minor": 0}, {"households": 0}, {"currency": "euro"}, {"purpose": ""}, {"purpose": "x" * 201}],
)
def test_a_request_that_makes_no_sense_is_refused(account, organisers, columns):
    right = {"fund": account.fund, "purpose": "Bread", "households": 3, "amount_minor": 5, "currency": "EUR"}
    with pytest.raises((ValidationError, IntegrityError)), atomic():
        disbursing.request(Disbursement(**right | columns), by=organisers[0])
    assert not Disbursement.objects.exists()


def test_cash_is_handed_over_in_parts_and_never_more_than_there_is_or_was_approved(account, organisers):
    fund, by = account.fund, organisers[0]
    wanted = approved(fund, organisers, 50000)
    cash(fund, 30000)
    cash(fund, 99999, "SEK")
    TransactionFactory(fund=fund, account=account, amount_minor=99999)
    with pytest.raises(RefusedError, match="not so much cash"):
        hand_over(wanted, 30001, by)
    hand_over(wanted, 30000, by)
    assert (state(wanted), disbursing.standing_of(wanted).paid_minor) == (State.PARTLY, 30000)
    cash(fund, 90000)
    with pytest.raises(RefusedError, match="than was approved"):
        hand_over(wanted, 20001, by)
    hand_over(wanted, 20000, by)
    told = disbursing.standing_of(wanted)
    assert (told.state, told.paid_on) == (State.PAID, timezone.localdate())
    assert {one.currency: one.disbursed for one in balances.of(fund)} == {"EUR": 50000, "SEK": 0}
    assert ledger.verify() == []


@pytest.mark.parametrize(("amount", "days"), [(0, 0), (-5, 0), (5, 1)])
def test_a_payment_that_makes_no_sense_leaves_nothing(account, organisers, amount, days):
    wanted = approved(account.fund, organisers)
    cash(account.fund, 50000)
    with pytest.raises((RefusedError, ValidationError)):
        hand_over(wanted, amount, organisers[0], timezone.localdate() + timedelta(days=days))
    assert Transaction.objects.count() == 1


def test_money_of_another_currency_pays_nothing(account, organisers):
    wanted = approved(account.fund, organisers, currency="SEK")
    cash(account.fund, 50000)
    with pytest.raises(RefusedError, match=r"cash|came in"):
        hand_over(wanted, 100, organisers[0])
    line = TransactionFactory(fund=account.fund, account=account, amount_minor=-100)
    assert disbursing.lines_for(wanted) == []
    with pytest.raises(RefusedError, match="another fund or currency"):
        disbursing.pay_by(wanted, line, 100, by=organisers[0])


def test_a_banks_line_pays_it_and_undoing_leaves_both(account, organisers):
    fund, by = account.fund, organisers[0]
    wanted = approved(fund, organisers, 50000)
    came = TransactionFactory(fund=fund, account=account, amount_minor=80000)
    fee = TransactionFactory(fund=fund, account=account, amount_minor=-310)
    line = TransactionFactory(fund=fund, account=account, amount_minor=-50000)
    assert disbursing.lines_for(wanted) == [line, fee]
    assert came not in disbursing.lines_for(wanted)
    payment = disbursing.pay_by(wanted, line, 50000, by=by)
    assert (state(wanted), disbursing.lines_for(wanted)) == (State.PAID, [fee])
    disbursing.undo(payment, by=by)
    assert (state(wanted), balances.unallocated(line)) == (State.APPROVED, -50000)
    with pytest.raises(posting.AlreadyReversedError):
        disbursing.undo(payment, by=by)
    assert ledger.verify() == []


def test_undoing_a_payment_in_cash_puts_the_money_back(account, organisers):
    cash(account.fund, 50000)
    wanted = approved(account.fund, organisers)
    payment = hand_over(wanted, 50000, organisers[0])
    disbursing.undo(payment, by=organisers[0])
    (balance,) = balances.of(account.fund)
    assert (balance.cash, balance.disbursed, balance.unexplained, state(wanted)) == (50000, 0, 0, State.APPROVED)
    assert Transaction.objects.count() == 3
    assert ledger.verify() == []


def test_a_cancelled_one_is_neither_approved_nor_paid_and_stays(account, organisers):
    cash(account.fund, 50000)
    wanted = approved(account.fund, organisers)
    payment = hand_over(wanted, 100, organisers[0])
    with pytest.raises(RefusedError, match="Undo the payments"):
        disbursing.cancel(wanted, by=organisers[0])
    with pytest.raises(IntegrityError, match="undo the payments"), atomic():
        Cancellation(disbursement=wanted, cancelled_by=organisers[0]).save()
    disbursing.undo(payment, by=organisers[0])
    disbursing.cancel(wanted, by=organisers[0])
    assert state(wanted) == State.CANCELLED
    for refused in (
        lambda: disbursing.cancel(wanted, by=organisers[1]),
        lambda: disbursing.approve(wanted, by=OrganiserFactory()),
        lambda: hand_over(wanted, 100, organisers[0]),
    ):
        with pytest.raises(RefusedError, match="cancelled"):
            refused()
    posted = cash(account.fund, -100)
    with pytest.raises(IntegrityError, match="is cancelled"), atomic():
        Allocation(transaction=posted, kind="disbursement", amount_minor=-100, disbursement=wanted).save()
    with pytest.raises(IntegrityError, match="never edited"), atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM donations_cancellation")
    assert not disbursing.public(account.fund)
    assert ledger.verify() == []


def test_evidence_tells_its_hash_and_stays_when_the_file_is_erased(account, organisers):
    wanted = approved(account.fund, organisers)
    first = disbursing.add_evidence(wanted, BytesIO(PDF), name="Family Berg.pdf", by=organisers[0])
    second = disbursing.add_evidence(wanted, BytesIO(photo()), name="x.jpg", by=organisers[0])
    with pytest.raises(RefusedError, match="already"):
        disbursing.add_evidence(wanted, BytesIO(PDF), name="other name.pdf", by=organisers[1])
    with pytest.raises(ValidationError):
        disbursing.add_evidence(wanted, BytesIO(b"MZ"), name="x.exe", by=organisers[1])
    assert (Evidence.objects.count(), StoredFile.objects.count()) == (2, 2)
    StoredFile.objects.all().erase()
    (told,) = map(disbursing.standing_of, disbursing.public(account.fund))
    assert told.evidence == (first.file.sha256, second.file.sha256)
    assert ledger.verify() == []


def test_the_public_reads_of_approved_ones_in_as_many_queries_as_of_one(
    account, organisers, django_assert_max_num_queries
):
    asked(account.fund, organisers[0])
    wanted = [approved(account.fund, organisers, 100) for _ in range(4)]
    for one in wanted:
        disbursing.add_evidence(one, BytesIO(PDF), name="x.pdf", by=organisers[0])
    with django_assert_max_num_queries(4):
        told = [disbursing.standing_of(one) for one in disbursing.public(account.fund)]
        assert [(one.disbursement, one.state, len(one.evidence)) for one in told] == [
            (one, State.APPROVED, 1) for one in reversed(wanted)
        ]
