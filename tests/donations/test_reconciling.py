from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection
from django.db.transaction import atomic
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from donations import balances, giving, ledger, posting, reconciling, references, suggesting
from donations.models import Allocation, CollectionSheet, Disbursement, LedgerEvent, Transaction
from donations.reconciling import Paid, Part
from tests.factories import BankAccountFactory, FundFactory, OrganiserFactory, PledgeFactory
from tests.threads import at_once

Kind = Allocation.Kind
IBAN = "DE02120300000000202051"


@pytest.fixture
def account(db):
    return BankAccountFactory()


@pytest.fixture
def fund(account):
    return account.fund


@pytest.fixture
def treasurer(db):
    return OrganiserFactory()


def pledge_of(fund, /, **values):
    return PledgeFactory(**{"fund": fund, "confirmed": True, "number": references.new_number(), **values})


def line_at(account, **values):
    return posting.post(
        Transaction(
            **{
                "fund": account.fund,
                "account": account,
                "amount_minor": 2500,
                "currency": "EUR",
                "booked_on": timezone.localdate(),
                **values,
            }
        )
    )


def line_of(account, reference):
    """A line of a statement that is not posted yet."""
    return Transaction(
        fund=account.fund,
        account=account,
        amount_minor=2500,
        currency="EUR",
        booked_on=timezone.localdate(),
        reference=reference,
    )


def balances_of_pledge(pledge):
    return sum(pledge.allocations.values_list("amount_minor", flat=True))


def waiting():
    return list(reconciling.waiting())


def guesses(line):
    """The suggestions for a line that waits."""
    return suggesting.suggestions([reconciling.waiting().get(pk=line.pk)])[line.pk]


def named(found):
    return [tuple(part.pledge for part in guess.parts) for guess in found]


# --- by itself


def test_a_line_with_the_reference_of_a_standing_pledge_is_posted_by_itself(fund, account):
    pledge = pledge_of(fund)
    line = line_at(account, reference=pledge.number)
    assert reconciling.settle([line]) == 1
    made = Allocation.objects.get()
    assert (made.transaction, made.pledge, made.amount_minor, made.kind, made.made_by) == (
        line,
        pledge,
        2500,
        Kind.PLEDGE,
        None,
    )
    assert waiting() == []
    assert reconciling.settle([line]) == 0
    assert LedgerEvent.objects.filter(kind="allocation_made", about=made.pk).exists()
    assert ledger.verify() == []


@pytest.mark.parametrize(
    ("of_pledge", "of_line"),
    [
        ({"confirmed_at": None}, {}),
        ({"withdrawn_at": timezone.now()}, {}),
        ({"currency": "SEK"}, {}),
        ({}, {"amount_minor": -2500}),
        ({}, {"reference": ""}),
        ({"fund": "another"}, {}),
    ],
)
def test_nothing_else_is_posted_by_itself(fund, account, of_pledge, of_line):
    if of_pledge.get("fund"):
        of_pledge = {"fund": FundFactory()}
    pledge = pledge_of(fund, **of_pledge)
    line = line_at(account, **{"reference": pledge.number, **of_line})
    assert reconciling.settle([line]) == 0
    assert waiting() == [line]


def test_what_comes_under_the_funds_own_reference_is_a_gift_without_a_pledge(fund, account):
    line = line_at(account, reference=references.fund_number(fund.pk))
    anothers = line_at(account, reference=references.fund_number(FundFactory().pk))
    assert reconciling.settle([line, anothers]) == 1
    made = Allocation.objects.get()
    assert (made.transaction, made.pledge, made.kind) == (line, None, Kind.GIFT)
    assert waiting() == [anothers]
    assert ledger.verify() == []


def test_the_program_does_not_repeat_what_a_person_undid(fund, account, treasurer):
    line = line_at(account, reference=pledge_of(fund).number)
    reconciling.settle([line])
    posting.undo(Allocation.objects.get(), by=treasurer)
    assert reconciling.settle([line]) == 0
    assert waiting() == [line]


def test_what_arrived_before_the_pledge_was_confirmed_is_posted_when_it_is(fund, account, treasurer):
    pledge = pledge_of(fund, confirmed_at=None)
    lines = [line_at(account, reference=pledge.number, remittance=words) for words in ("first", "second")]
    in_sek = line_at(account, reference=pledge.number, currency="SEK")
    of_others = line_at(BankAccountFactory(iban=IBAN), reference=pledge.number)
    decided = line_at(account, reference=pledge.number)
    posting.undo(posting.allocate(decided, Kind.GIFT, 2500, by=treasurer), by=treasurer)
    assert reconciling.settle(lines) == 0
    assert giving.confirm(pledge)
    said = list(Allocation.objects.filter(kind=Kind.PLEDGE).values_list("transaction", "pledge", "amount_minor"))
    assert said == [(line.pk, pledge.pk, 2500) for line in lines]
    assert set(waiting()) == {in_sek, of_others, decided}
    assert pledge.mails.filter(kind="thanks").count() == 2
    assert not giving.confirm(pledge)
    assert ledger.verify() == []


@pytest.mark.django_db(transaction=True)
def test_who_confirms_while_the_statement_is_booked_has_it_posted_once():
    account = BankAccountFactory()
    for _ in range(5):
        pledge = pledge_of(account.fund, confirmed_at=None)

        def act(number, pledge=pledge):
            if number % 2:
                return giving.confirm(pledge)
            with atomic():
                ledger.take_turns()
                return reconciling.settle(posting.post_all([line_of(account, pledge.number)]))

        at_once(4, act)
        assert balances_of_pledge(pledge) == 2 * 2500
    assert waiting() == []
    assert ledger.verify() == []


def test_many_lines_are_settled_in_a_fixed_number_of_queries(fund, account):
    pledge = pledge_of(fund)

    def queries(count):
        lines = [line_at(account, reference=pledge.number) for _ in range(count)]
        with CaptureQueriesContext(
            connection,
        ) as ran:
            assert reconciling.settle(lines) == count
        return len(ran)

    assert queries(2) == queries(12)


def test_in_bulk_only_whole_lines_go_to_pledges(fund, account):
    line, pledge = line_at(account), pledge_of(fund)
    for kind, amount in ((Kind.FEE, 2500), (Kind.PLEDGE, 2400)):
        with pytest.raises(ValueError, match="whole lines"):
            posting.allocate_all([Allocation(transaction=line, kind=kind, amount_minor=amount, pledge=pledge)])
    twice = [Allocation(transaction=line, kind=Kind.PLEDGE, amount_minor=2500, pledge=pledge) for _ in range(2)]
    with pytest.raises(IntegrityError, match="never exceed"):
        posting.allocate_all(twice)


# --- what arrives is compared with what was pledged


@pytest.mark.parametrize(
    ("amounts", "paid"),
    [
        ([], Paid.NOTHING),
        ([1000], Paid.PART),
        ([2500], Paid.FULL),
        ([1000, 1500], Paid.FULL),
        ([3000], Paid.OVER),
        ([2500, 2500], Paid.OVER),
    ],
)
def test_underpaid_overpaid_and_paid_twice_are_seen_from_what_arrived(fund, account, amounts, paid):
    pledge = pledge_of(fund)
    reconciling.settle([line_at(account, amount_minor=amount, reference=pledge.number) for amount in amounts])
    assert reconciling.paid(pledge, balances.of_pledge(pledge.pk)) == paid
    assert waiting() == []


def test_the_public_figure_follows_allocations_and_never_counts_twice(fund, account, treasurer):
    pledge = pledge_of(fund)
    line = line_at(account, amount_minor=4000)
    assert giving.totals(fund)[0].received == 4000  # it arrived, whatever for
    parts = [Part(Kind.PLEDGE, 2500, pledge), Part(Kind.GIFT, 1000)]
    reconciling.accept(line, parts, left_minor=4000, by=treasurer)
    (balance,) = balances.of(fund)
    assert (balance.received, balance.allocated, balance.in_hand) == (4000, 3500, 4000)
    assert [one.left_minor for one in waiting()] == [500]


# --- the queue


def test_the_queue_holds_what_is_open_oldest_first_and_no_reversals(fund, account, treasurer):
    newer = line_at(account)
    older = line_at(account, booked_on=timezone.localdate() - timedelta(days=3))
    done, wrong = line_at(account), line_at(account)
    reconciling.accept(done, [Part(Kind.GIFT, 2500)], left_minor=2500, by=treasurer)
    posting.reverse(wrong, by=treasurer)
    assert waiting() == [older, newer]
    work = reconciling.work(fund.pk)
    assert (work.count, work.oldest, work.more) == (2, older.booked_on, False)
    assert reconciling.work(FundFactory().pk) == reconciling.Waiting([], None)


def test_a_zero_amount_is_neither_posted_nor_allocated(fund, account, treasurer):
    with pytest.raises(IntegrityError):
        line_at(account, amount_minor=0)


def test_a_zero_part_is_refused_and_with_it_the_others(fund, account, treasurer):
    line = line_at(account)
    with pytest.raises(posting.RefusedError):
        reconciling.accept(line, [Part(Kind.GIFT, 1000), Part(Kind.GIFT, 0)], left_minor=2500, by=treasurer)
    assert waiting()[0].left_minor == 2500


@pytest.mark.parametrize("amounts", [[2000, 501], [-100], [2501]])
def test_parts_that_do_not_fit_the_line_are_refused_as_a_whole(fund, account, treasurer, amounts):
    line = line_at(account)
    with pytest.raises(posting.RefusedError):
        reconciling.accept(line, [Part(Kind.GIFT, amount) for amount in amounts], left_minor=2500, by=treasurer)
    assert not Allocation.objects.exists()


def test_what_changed_since_the_page_was_made_is_not_decided_again(fund, account, treasurer):
    line = line_at(account, amount_minor=10000)
    part = [Part(Kind.PLEDGE, 2500, pledge_of(fund))]
    reconciling.accept(line, part, left_minor=10000, by=treasurer)
    with pytest.raises(reconciling.ChangedMeanwhileError):
        reconciling.accept(line, part, left_minor=10000, by=treasurer)
    assert Allocation.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("open_minor", [2500, 10000])
def test_two_organisers_and_the_program_at_once_allocate_once(open_minor):
    account = BankAccountFactory()
    pledge = pledge_of(account.fund)
    line = line_at(account, amount_minor=open_minor, reference=pledge.number)
    organisers = [OrganiserFactory(), OrganiserFactory()]

    def act(number):
        if number == 2:
            return reconciling.settle([line])
        parts = [Part(Kind.PLEDGE, 2500, pledge)]
        try:
            return len(reconciling.accept(line, parts, left_minor=open_minor, by=organisers[number]))
        except reconciling.ChangedMeanwhileError:
            return 0

    assert sorted(at_once(3, act)) == [0, 0, 1]
    assert Allocation.objects.count() == 1
    assert ledger.verify() == []


@pytest.mark.django_db(transaction=True)
def test_two_who_undo_at_once_undo_once():
    account = BankAccountFactory()
    line = line_at(account, reference=pledge_of(account.fund).number)
    reconciling.settle([line])
    made, treasurer = Allocation.objects.get(), OrganiserFactory()

    def act(number):
        try:
            return bool(posting.undo(made, by=treasurer))
        except posting.AlreadyReversedError:
            return False

    assert sorted(at_once(2, act)) == [False, True]
    assert waiting() == [line]
    assert waiting()[0].left_minor == 2500


def test_erasing_the_donor_changes_no_figure(fund, account):
    pledge = pledge_of(fund)
    line = line_at(account, reference=pledge.number, counterparty="Nora Berg", counterparty_iban=IBAN)
    reconciling.settle([line])
    before = balances.of(fund)
    giving.withdraw(pledge)
    line.refresh_from_db()
    assert (line.counterparty, line.counterparty_iban, line.counterparty_iban_tag) == ("", "", None)
    assert balances.of(fund) == before


# --- suggestions


def test_references_come_before_accounts_names_and_amounts(fund, account, treasurer):
    exact, slipped, seen = (pledge_of(fund, amount_minor=900, name="Somebody Else") for _ in range(3))
    name = pledge_of(fund, amount_minor=900, name="Núria Berg")
    pledge_of(fund, amount_minor=901, name="Nobody Known")
    paid = line_at(account, counterparty_iban=IBAN)
    reconciling.accept(paid, [Part(Kind.PLEDGE, 2500, seen)], left_minor=2500, by=treasurer)
    line = line_at(
        account,
        amount_minor=900,
        counterparty="BERG NURIA",
        counterparty_iban="de02 1203 0000 0000 2020 51",
        remittance=f"for {references.ogm(exact.number)} or {slipped.number[:-1]}O {slipped.number[:-1]}",
    )
    found = guesses(line)
    order = [guess.parts[0].pledge for guess in found]
    assert order[0] == exact
    assert set(order) == {exact, slipped, seen, name}
    assert all(guess.reasons for guess in found)
    assert [guess.score for guess in found] == sorted((guess.score for guess in found), reverse=True)


def test_two_names_whose_key_is_lost_are_not_the_same_name(fund, account, settings):
    pledge_of(fund, name="Nora Berg")
    line = line_at(account, counterparty="Kim Example")
    settings.PRIVACY_KEYS = [Fernet.generate_key().decode()]
    assert guesses(line) == []


def test_an_amount_alone_is_no_suggestion(fund, account):
    pledge_of(fund, amount_minor=2500, created_at=timezone.now() - timedelta(days=300))
    assert guesses(line_at(account)) == []


def test_a_pledge_of_another_fund_or_currency_is_never_suggested(fund, account):
    for pledge in (pledge_of(FundFactory()), pledge_of(fund, currency="SEK")):
        line = line_at(account, reference=pledge.number, counterparty=pledge.name)
        assert guesses(line) == []


@pytest.mark.parametrize(
    ("of_pledge", "amount", "caution"),
    [
        ({"confirmed_at": None}, 2500, "never confirmed"),
        ({"withdrawn_at": timezone.now()}, 2500, "withdrawn"),
        ({}, 2000, "stay open"),
        ({}, 3000, "more than is open"),
    ],
)
def test_what_is_unusual_is_said(fund, account, of_pledge, amount, caution):
    pledge = pledge_of(fund, **of_pledge)
    (found,) = guesses(line_at(account, amount_minor=amount, remittance=pledge.number))
    assert found.parts == (Part(Kind.PLEDGE, amount, pledge),)
    assert [caution in said for said in found.cautions] == [True]


def test_a_second_payment_of_a_paid_pledge_is_called_so(fund, account):
    pledge = pledge_of(fund)
    reconciling.settle([line_at(account, reference=pledge.number)])
    (found,) = guesses(line_at(account, remittance=pledge.number))
    assert "paid already" in found.cautions[0]


def test_one_payment_for_several_pledges_is_suggested_split(fund, account, treasurer):
    one, two = pledge_of(fund, amount_minor=1000), pledge_of(fund, amount_minor=1500)
    line = line_at(account, remittance=f"{references.rf(one.number)} + {references.ogm(two.number)}")
    best = guesses(line)[0]
    assert {(part.pledge, part.amount_minor) for part in best.parts} == {(one, 1000), (two, 1500)}
    reconciling.accept(line, best.parts, left_minor=2500, by=treasurer)
    assert [balances.of_pledge(one.pk), balances.of_pledge(two.pk)] == [1000, 1500]
    assert waiting() == []


def test_a_gift_that_goes_back_is_suggested_for_its_pledge_and_lowers_what_arrived(fund, account, treasurer):
    pledge = pledge_of(fund)
    reconciling.settle([line_at(account, reference=pledge.number, counterparty_iban=IBAN)])
    back = line_at(account, amount_minor=-2500, counterparty_iban=IBAN)
    best = guesses(back)[0]
    assert best.parts == (Part(Kind.REFUND, -2500, pledge),)
    reconciling.accept(back, best.parts, left_minor=-2500, by=treasurer)
    assert balances.of_pledge(pledge.pk) == 0
    (balance,) = balances.of(fund)
    assert (balance.received, balance.in_hand, balance.unexplained) == (0, 0, 0)


def test_a_gift_that_was_split_goes_back_split(fund, account, treasurer):
    one, two = pledge_of(fund), pledge_of(fund)
    came = line_at(account, counterparty_iban=IBAN)
    parts = [Part(Kind.PLEDGE, 1000, one), Part(Kind.PLEDGE, 1500, two)]
    reconciling.accept(came, parts, left_minor=2500, by=treasurer)
    back = line_at(account, amount_minor=-2500, counterparty_iban=IBAN)
    found = guesses(back)[0].parts
    assert {(part.pledge, part.amount_minor) for part in found} == {(one, -1000), (two, -1500)}


def test_a_bank_that_names_the_reference_of_a_returned_gift_is_understood(fund, account):
    pledge = pledge_of(fund)
    reconciling.settle([line_at(account, reference=pledge.number)])
    best = guesses(line_at(account, amount_minor=-2500, reference=pledge.number))[0]
    assert best.parts == (Part(Kind.REFUND, -2500, pledge),)


def test_fees_and_own_transfers_are_recognised(fund, account):
    line_at(account, amount_minor=5000)
    fee = line_at(account, amount_minor=-310, remittance="Kontoführung, Entgelt Oktober")
    assert guesses(fee)[0].parts == (Part(Kind.FEE, -310),)
    own = line_at(account, amount_minor=-1000, counterparty_iban="DE02 1005 0000 0054 5404 02")
    assert guesses(own)[0].parts == (Part(Kind.TRANSFER, -1000),)


def test_an_approved_disbursement_of_this_amount_is_suggested(fund, account, treasurer):
    line_at(account, amount_minor=90000)
    wanted = Disbursement(fund=fund, purpose="Bread", households=4, amount_minor=40000, currency="EUR")
    wanted.save()
    paid = line_at(account, amount_minor=-40000)
    assert guesses(paid) == []
    for organiser in (OrganiserFactory(), OrganiserFactory()):
        wanted.approvals.create(approved_by=organiser)
    best = guesses(paid)[0]
    assert best.parts == (Part(Kind.DISBURSEMENT, -40000, disbursement=wanted),)
    reconciling.accept(paid, best.parts, left_minor=-40000, by=treasurer)
    assert balances.of(fund)[0].disbursed == 40000


def test_cash_of_a_collection_that_arrives_at_the_bank_counts_once(fund, account, treasurer):
    sheet = CollectionSheet.objects.create(
        fund=fund,
        number=1,
        currency="EUR",
        place="Hamburg",
        held_on=timezone.localdate(),
        counted_minor=20000,
        counter_one=treasurer,
        counter_two=OrganiserFactory(),
        counted_at=timezone.now(),
    )
    cash = posting.post(
        Transaction(
            fund=fund, amount_minor=20000, currency="EUR", booked_on=timezone.localdate(), recorded_by=treasurer
        )
    )
    posting.allocate(cash, Kind.GIFT, 20000, sheet=sheet, by=treasurer)
    line = line_at(account, amount_minor=20000)
    best = guesses(line)[0]
    assert best.parts == (Part(Kind.DEPOSIT, 20000, sheet=sheet),)
    reconciling.accept(line, best.parts, left_minor=20000, by=treasurer)
    (balance,) = balances.of(fund)
    assert (balance.received, balance.bank, balance.cash) == (20000, 20000, 0)
    assert waiting() == []


def test_suggestions_take_as_many_queries_for_twenty_lines_as_for_two(fund, account):
    def queries(count):
        for _ in range(count):
            pledge = pledge_of(fund)
            line_at(account, remittance=pledge.number, counterparty_iban=IBAN)
            line_at(account, amount_minor=-1, counterparty_iban=IBAN)
        lines = waiting()
        with CaptureQueriesContext(connection) as ran:
            assert len(suggesting.suggestions(lines)) == len(lines)
        return len(ran)

    assert queries(1) == queries(9)


def test_the_tag_of_an_account_is_the_same_however_it_is_written(account):
    written = [line_at(account, counterparty_iban=iban) for iban in (IBAN, "de02 1203 0000 0000 2020 51")]
    assert written[0].counterparty_iban_tag == written[1].counterparty_iban_tag != None  # noqa: E711
    with pytest.raises(ValidationError):
        line_at(account, currency="euro")
