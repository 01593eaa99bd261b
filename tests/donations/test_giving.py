from contextlib import suppress
from datetime import date, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection
from django.db.transaction import atomic
from django.test import Client
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from donations import consent, giving, ledger, posting
from donations.models import LINK_FOR, Pledge, PledgeMail, Transaction
from outbox.models import State
from privacy.tags import tag
from tests.factories import FundFactory, OrganiserFactory, PledgeFactory, PledgeMailFactory, TransactionFactory
from tests.sizes import examples
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def pledge(fund, **others):
    typed = {
        "kind": "person",
        "name": "Nora Berg",
        "organisation": "",
        "email": "nora@example.org",
        "amount_minor": 2500,
        "currency": "EUR",
        "frequency": "once",
        "display": "anonymous",
        "locale": "en",
    }
    return giving.pledge(fund, **typed | others)


def later(time_machine, **how_much):
    time_machine.move_to(timezone.now() + timedelta(**how_much), tick=False)


def test_a_pledge_is_written_unconfirmed_with_one_mail():
    made = pledge(FundFactory(), locale="de")
    assert (made.name, made.email, made.locale) == ("Nora Berg", "nora@example.org", "de")
    assert made.consent_version == consent.VERSION in consent.TEXTS
    assert made.confirmed_at is None
    assert Pledge.objects.counted().count() == 0
    mail = made.mails.get()
    assert mail.state == State.QUEUED
    assert mail.token_hash == tag("token", mail.token)
    assert mail.expires_at - mail.created_at >= LINK_FOR - timedelta(seconds=5)


def test_the_bell_rings_once_the_pledge_is_committed(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks:
        pledge(FundFactory())
    assert len(callbacks) == 1


def test_a_person_has_no_organisation():
    fund = FundFactory()
    assert pledge(fund, organisation="Local 1").organisation == ""
    assert pledge(fund, kind="branch", organisation="Local 1", amount_minor=1).organisation == "Local 1"


@pytest.mark.parametrize("email", ["nora@example.org", "NORA@EXAMPLE.ORG", " nora@example.org "])
def test_the_same_pledge_of_a_day_is_one_pledge_and_stays_as_it_was_made(email):
    fund = FundFactory()
    first = pledge(fund)
    again = pledge(fund, email=email, name="Somebody Else", display="public")
    assert again == first
    assert (again.name, again.display) == ("Nora Berg", "anonymous")
    assert PledgeMail.objects.count() == 1


@pytest.mark.parametrize(
    "other",
    [{"amount_minor": 2501}, {"currency": "SEK"}, {"frequency": "monthly"}, {"email": "other@example.org"}],
)
def test_another_pledge_is_another_one(other):
    fund = FundFactory()
    assert pledge(fund) != pledge(fund, **other)
    assert Pledge.objects.count() == 2


def test_the_same_pledge_on_another_day_or_to_another_fund_is_another_one(time_machine):
    fund = FundFactory()
    pledge(fund)
    pledge(FundFactory())
    later(time_machine, days=1)
    pledge(fund)
    assert Pledge.objects.count() == 3


def test_the_mail_is_written_again_after_ten_minutes(time_machine):
    time_machine.move_to("2026-11-21 10:00+00:00", tick=False)
    fund = FundFactory()
    pledge(fund)
    later(time_machine, minutes=9)
    pledge(fund)
    assert PledgeMail.objects.count() == 1
    later(time_machine, minutes=2)
    pledge(fund)
    assert PledgeMail.objects.count() == 2


def test_one_address_gets_three_mails_a_day_over_all_funds_and_amounts(time_machine):
    time_machine.move_to("2026-11-21 10:00+00:00", tick=False)
    for cents in range(1, 6):
        pledge(FundFactory(), amount_minor=cents)
    assert (Pledge.objects.count(), PledgeMail.objects.count()) == (5, 3)
    pledge(FundFactory(), email="other@example.org")
    assert PledgeMail.objects.count() == 4
    later(time_machine, hours=24, seconds=1)
    pledge(FundFactory())
    assert PledgeMail.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_fifty_posts_of_the_same_pledge_at_once_make_one_row_and_one_mail():
    fund = FundFactory()
    made = at_once(50, lambda _number: pledge(fund))
    assert {type(one) for one in made} == {Pledge}
    assert len({one.pk for one in made}) == 1
    assert (Pledge.objects.count(), PledgeMail.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_different_pledges_of_one_address_at_once_keep_the_cap():
    fund = FundFactory()
    at_once(20, lambda number: pledge(fund, amount_minor=number + 1))
    assert (Pledge.objects.count(), PledgeMail.objects.count()) == (20, 3)


def test_sub_addresses_do_not_get_round_the_cap():
    fund = FundFactory()
    for number in range(5):
        pledge(fund, email=f"nora+{number}@example.org")

    assert Pledge.objects.count() == 5
    assert PledgeMail.objects.count() == 3


def test_confirming_counts_once():
    made = PledgeFactory()
    assert giving.confirm(made)
    first = Pledge.objects.get().confirmed_at
    assert not giving.confirm(made)
    assert Pledge.objects.counted().get().confirmed_at == first


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one transaction write at a time anyway")
@pytest.mark.parametrize("act", ["confirm", "withdraw", "change"])
def test_who_comes_while_a_long_statement_is_booked_is_asked_to_come_again(client, monkeypatch, act):
    monkeypatch.setattr(ledger, "PATIENCE_MS", 50)
    mail = PledgeMailFactory(pledge=PledgeFactory(confirmed_at=None if act == "confirm" else timezone.now()))
    before = list(Pledge.objects.values())
    path, typed = f"/fund/pledge/{mail.token}/", {"action": act, "sure": "1"}
    if act == "change":
        path, typed = f"{path}change/", {"amount": "7", "frequency": "once", "display": "public"}

    def answer(_number):
        return Client().post(path, typed)

    with atomic():
        ledger.take_turns()
        (response,) = at_once(1, answer)
    assert (response.status_code, response["Retry-After"]) == (503, "60")
    assert "Please try again in a minute" in response.content.decode()
    assert list(Pledge.objects.values()) == before
    (response,) = at_once(1, answer)
    assert response.status_code == 200
    assert list(Pledge.objects.values()) != before


@pytest.mark.django_db(transaction=True)
def test_donors_and_treasurers_at_once_wait_for_each_other_in_no_circle():
    fund = FundFactory()
    pledges = [PledgeFactory(fund=fund, confirmed=True) for _ in range(4)]
    gifts = [TransactionFactory(fund=fund, pledge=one, amount_minor=1000) for one in pledges]

    def act(number):
        made, gift = pledges[number % 4], gifts[(number + 1) % 4]
        if number < 4:
            giving.withdraw(made)
        elif number < 8:
            with suppress(giving.GoneError):
                giving.change(made, amount_minor=number, frequency="once", until=None, display="public")
        else:
            posting.undo(gift.allocations.get(reverses=None, reversal=None), by=None)
            posting.allocate(gift, "pledge", 500, pledge=made, by=None)

    at_once(12, act)
    assert not Pledge.objects.exclude(email="").exists()
    assert ledger.verify() == []


def test_withdrawing_takes_the_person_away_and_stops_the_mail():
    fund = FundFactory()
    made = pledge(fund, kind="branch", organisation="Local 1")
    giving.confirm(made)
    TransactionFactory(fund=fund, pledge=made)
    assert giving.withdraw(made)
    assert not giving.withdraw(made)
    made.refresh_from_db()
    assert (made.name, made.organisation, made.email, made.email_tag) == ("", "", "", None)
    assert Pledge.objects.counted().count() == 0
    assert set(made.mails.values_list("kind", "state")) == {("instructions", "cancelled"), ("thanks", "cancelled")}
    assert made.allocations.count() == 1


def test_withdrawing_forgets_no_giver_whose_gift_was_taken_for_this_pledges_by_mistake():
    made, others = PledgeFactory(confirmed=True), PledgeFactory(confirmed=True)
    own = TransactionFactory(fund=made.fund, pledge=made, counterparty="Nora Berg", remittance="for bread")
    somebodys = TransactionFactory(fund=made.fund, pledge=made, counterparty="Jan Novak", remittance="for rent")
    posting.undo(somebodys.allocations.get(), by=None)
    of_another = TransactionFactory(fund=others.fund, pledge=others, counterparty="Aigul", remittance="for milk")
    giving.withdraw(made)
    for posted in (own, somebodys, of_another):
        posted.refresh_from_db()
    assert (own.counterparty, own.remittance) == ("", "")
    assert (somebodys.counterparty, somebodys.remittance) == ("Jan Novak", "for rent")
    assert of_another.counterparty == "Aigul"
    assert ledger.verify() == []


def test_a_withdrawn_pledge_cannot_be_confirmed_but_made_anew_on_the_same_day():
    fund = FundFactory()
    first = pledge(fund)
    giving.withdraw(first)
    assert not giving.confirm(first)
    assert pledge(fund) != first
    assert Pledge.objects.count() == 2


def test_a_record_says_who_made_it():
    made, organiser = PledgeFactory(), OrganiserFactory()
    posted = giving.record(
        made.fund,
        pledge=made,
        amount_minor=2500,
        currency="EUR",
        booked_on=date(2026, 11, 1),
        description="Bank line 7",
        recorded_by=organiser,
    )
    assert Transaction.objects.get() == posted
    assert posted.recorded_by == organiser


def test_what_arrived_never_changes_what_was_pledged():
    made = PledgeFactory(amount_minor=2500, confirmed=True)
    TransactionFactory(fund=made.fund, pledge=made, amount_minor=1000)
    assert giving.totals(made.fund) == [giving.Total("EUR", pledged=2500, received=1000, in_hand=1000)]


@pytest.mark.parametrize("amount", [0, -1])
def test_only_money_that_arrived_is_recorded(amount):
    with pytest.raises(ValidationError):
        giving.record(FundFactory(), amount_minor=amount, currency="EUR", booked_on=date(2026, 11, 1), recorded_by=None)


def test_a_reversal_is_the_opposite_and_both_stay():
    posted, organiser = TransactionFactory(), OrganiserFactory()
    reversal = posting.reverse(posted, by=organiser)
    assert (reversal.amount_minor, reversal.currency, reversal.fund) == (-150000, "EUR", posted.fund)
    assert (reversal.reverses, reversal.recorded_by) == (posted, organiser)
    assert Transaction.objects.count() == 2
    assert giving.totals(posted.fund) == [giving.Total("EUR")]


def test_nothing_is_reversed_twice_and_no_reversal_is_reversed():
    posted = TransactionFactory()
    reversal = posting.reverse(posted, by=None)
    for again in (posted, reversal):
        with pytest.raises(posting.AlreadyReversedError):
            posting.reverse(again, by=None)
    assert Transaction.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_who_reverse_at_once_make_one_reversal():
    posted = TransactionFactory()

    def reverse(_number):
        try:
            return posting.reverse(Transaction.objects.get(pk=posted.pk), by=None)
        except posting.AlreadyReversedError:
            return None

    answers = at_once(8, reverse)
    assert [type(answer) for answer in answers if answer] == [Transaction]
    assert Transaction.objects.exclude(reverses=None).count() == 1


def test_totals_count_confirmed_pledges_and_keep_the_monthly_ones_apart():
    fund = FundFactory()
    PledgeFactory(fund=fund, amount_minor=100)
    PledgeFactory(fund=fund, amount_minor=200, confirmed=True, withdrawn_at=timezone.now())
    PledgeFactory(fund=fund, amount_minor=400, confirmed=True)
    PledgeFactory(fund=fund, amount_minor=800, confirmed=True)
    PledgeFactory(fund=fund, amount_minor=1600, confirmed=True, frequency="monthly")
    PledgeFactory(amount_minor=3200, confirmed=True)  # of another fund
    assert giving.totals(fund) == [giving.Total("EUR", pledged=1200, pledged_monthly=1600)]


def test_a_fund_without_pledge_or_gift_has_no_totals():
    assert giving.totals(FundFactory()) == []


def test_totals_take_three_queries_however_many_funds(django_assert_num_queries):
    funds = [TransactionFactory(fund=PledgeFactory(confirmed=True).fund).fund for _ in range(5)]
    with django_assert_num_queries(3):
        assert len(giving.totals_of(funds[:1])) == 1
    with django_assert_num_queries(3):
        assert len(giving.totals_of(funds)) == 5


def test_a_fund_shows_those_who_chose_it_as_they_chose():
    fund = FundFactory()

    def confirmed(**columns):
        PledgeFactory(fund=fund, **{"confirmed": True, "display": "public", **columns})

    confirmed(name="Nora Berg")
    confirmed(name="Jan Novak", display="initials")
    confirmed(name="Not Shown", display="anonymous")
    confirmed(name="Not Confirmed", confirmed=False)
    confirmed(name="Clerk", kind="branch", organisation="Dockers Local 1")
    confirmed(name="Clerk", kind="organisation", organisation="Miners Union", display="initials")
    confirmed(name="", organisation="")  # purged
    assert [(one.name, one.kind) for one in giving.supporters(fund)] == [
        ("M. U.", "an organisation"),
        ("Dockers Local 1", "a union branch"),
        ("J. N.", "a person"),
        ("Nora Berg", "a person"),
    ]
    assert len(giving.supporters(fund, limit=2)) <= 2


def test_an_amount_is_shown_as_its_giver_chose_rounded_and_a_week_later(client, time_machine):
    fund = FundFactory()
    for name, amount_shown in (("Nora", "exact"), ("Jan", "rounded"), ("Aigul", "no")):
        columns = {"fund": fund, "confirmed": True, "display": "public", "amount_minor": 7550}
        PledgeFactory(name=name, amount_shown=amount_shown, **columns)

    def shown():
        return {one.name: (one.amount_minor, one.is_rounded) for one in giving.supporters(fund)}

    assert shown() == {"Nora": (7550, False), "Aigul": (None, False)}
    time_machine.move_to(timezone.now() + giving.SHOWN_AFTER, tick=False)
    assert shown() == {"Nora": (7550, False), "Aigul": (None, False), "Jan": (5000, True)}
    page = " ".join(client.get("/fund/").content.decode().split())
    supporters = page[page.index("Who pledged lately") :]
    assert "€50.00 or more" in supporters
    assert supporters.count("€75.50") == 1


@pytest.mark.parametrize("amount_shown", ["", "always"])
def test_the_database_knows_how_amounts_are_shown(amount_shown):
    with pytest.raises(IntegrityError), atomic():
        PledgeFactory(amount_shown=amount_shown)


class TotalsOfAnything(TestCase):
    """Currencies never add, whatever is pledged, given and reversed."""

    money = st.tuples(st.sampled_from(["EUR", "SEK", "JPY"]), st.integers(1, 10**11))

    @settings(deadline=None, max_examples=examples(20))
    @given(pledged=st.lists(money, max_size=4), arrived=st.lists(st.tuples(money, st.booleans()), max_size=4))
    def test_each_total_is_the_sum_of_its_own_currency(self, pledged, arrived):
        fund = FundFactory()
        for currency, amount in pledged:
            PledgeFactory(fund=fund, currency=currency, amount_minor=amount, confirmed=True)
        for (currency, amount), mistaken in arrived:
            posted = TransactionFactory(fund=fund, currency=currency, amount_minor=amount)
            if mistaken:
                posting.reverse(posted, by=None)
        totals = {total.currency: total for total in giving.totals(fund)}
        assert set(totals) == {currency for currency, _ in pledged} | {currency for (currency, _), _ in arrived}
        for currency, total in totals.items():
            assert total.pledged == sum(amount for code, amount in pledged if code == currency)
            assert total.received == sum(
                amount for (code, amount), mistaken in arrived if code == currency and not mistaken
            )


def test_withdrawing_leaves_every_amount_in_the_books():
    made = PledgeFactory(confirmed=True)
    PledgeMailFactory(pledge=made)
    TransactionFactory(fund=made.fund, pledge=made, amount_minor=1000)
    giving.withdraw(made)
    assert giving.totals(made.fund) == [giving.Total("EUR", received=1000, in_hand=1000)]


def change(made, **others):
    terms = {name: getattr(made, name) for name in ("amount_minor", "frequency", "until", "display")}
    return giving.change(made, **terms | others)


def test_a_change_keeps_the_number_and_mails_the_instructions_anew(time_machine):
    time_machine.move_to("2026-11-22 10:00+00:00", tick=False)
    made = PledgeFactory(confirmed=True)
    assert change(made, amount_minor=1000, frequency="monthly", until=date(2027, 1, 1))
    changed = Pledge.objects.get()
    assert (changed.amount_minor, changed.frequency, changed.until) == (1000, "monthly", date(2027, 1, 1))
    assert (changed.number, changed.confirmed_at, changed.changed_on) == (
        made.number,
        made.confirmed_at,
        date(2026, 11, 22),
    )
    assert changed.mails.get().kind == PledgeMail.Kind.CHANGED


def test_what_changes_nothing_to_be_paid_is_not_mailed():
    made = PledgeFactory(confirmed=True)
    assert not change(made)
    assert not change(made, display="public")
    assert Pledge.objects.get().display == "public"
    assert Pledge.objects.get().changed_on is None
    assert not PledgeMail.objects.exists()


def test_a_gift_made_once_has_no_end():
    made = PledgeFactory(frequency="monthly", until=date(2099, 1, 1))
    change(made, frequency="once")
    assert Pledge.objects.get().until is None


def test_changes_mail_no_more_than_a_mailbox_gets_a_day():
    made = PledgeFactory()
    for cents in range(1, 6):
        change(made, amount_minor=cents)
    assert Pledge.objects.get().amount_minor == 5
    assert PledgeMail.objects.count() == 3


def test_a_change_that_would_make_two_pledges_one_changes_nothing():
    made = PledgeFactory()
    PledgeFactory(fund=made.fund, email=made.email, amount_minor=1)
    with pytest.raises(giving.AlreadyPledgedError):
        change(made, amount_minor=1, display="public")
    made.refresh_from_db()
    assert (made.amount_minor, made.display) == (2500, "anonymous")
    assert not PledgeMail.objects.exists()


def test_a_pledge_that_is_gone_is_not_changed():
    withdrawn, purged = PledgeFactory(), PledgeFactory()
    giving.withdraw(withdrawn)
    Pledge.objects.filter(pk=purged.pk).update(email="", name="", email_tag=None)
    purged.refresh_from_db()
    for made in (withdrawn, purged):
        with pytest.raises(giving.GoneError):
            change(made, amount_minor=1)


@pytest.mark.django_db(transaction=True)
def test_two_changes_at_once_leave_one_of_them_whole():
    made = PledgeFactory()
    ways = [{"amount_minor": 100, "display": "public"}, {"amount_minor": 200, "display": "initials"}]
    at_once(6, lambda number: change(Pledge.objects.get(pk=made.pk), **ways[number % 2]))
    made.refresh_from_db()
    assert (made.amount_minor, made.display) in {(100, "public"), (200, "initials")}
    assert PledgeMail.objects.count() <= 3


@pytest.mark.django_db(transaction=True)
def test_changing_and_withdrawing_at_once_leave_it_withdrawn_without_a_person():
    made = PledgeFactory()

    def act(number):
        try:
            if number % 2:
                return giving.withdraw(made)
            return change(Pledge.objects.get(pk=made.pk), amount_minor=number + 1)
        except giving.GoneError:
            return None

    at_once(6, act)
    made.refresh_from_db()
    assert (made.name, made.email) == ("", "")
    assert made.withdrawn_at is not None
    assert not made.mails.filter(state=State.QUEUED).exists()


def test_a_monthly_pledge_counts_as_long_as_it_goes_on():
    fund = FundFactory()
    today = timezone.localdate()
    running = {"fund": fund, "frequency": "monthly", "confirmed": True, "currency": "EUR"}
    PledgeFactory(**running, amount_minor=100, until=today)
    PledgeFactory(**running, amount_minor=200)
    PledgeFactory(**running, amount_minor=400, made_on=today - timedelta(days=9), until=today - timedelta(days=1))
    PledgeFactory(**running, amount_minor=800, made_on=today - timedelta(days=731))
    assert giving.totals(fund) == [giving.Total("EUR", pledged_monthly=300)]
