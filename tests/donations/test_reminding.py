from datetime import date, timedelta

import pytest
from django.db import IntegrityError
from django.db.transaction import atomic

from donations import accounts, giving, reminding
from donations.models import BankAccount, Pledge, PledgeMail
from donations.tasks import remind
from outbox.models import State
from privacy.addresses import mailbox_tag
from tests.donations.test_emails import text_of
from tests.factories import BankAccountFactory, OrganiserFactory, PledgeFactory, PledgeMailFactory, TransactionFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db
NOW = "2026-11-15 09:00+00:00"


@pytest.fixture(autouse=True)
def on_the_day(time_machine):
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def account():
    return BankAccountFactory()


@pytest.fixture
def fund(account):
    return account.fund


@pytest.fixture
def pledged(fund):
    """A function that makes a confirmed monthly pledge, due on the 15th."""

    def pledged(**columns):
        columns = {"made_on": date(2026, 9, 15), "frequency": "monthly", "confirmed": True, **columns}
        return PledgeFactory(**{"fund": fund, **columns})

    return pledged


def reminders():
    return [(mail.pledge, mail.due_on) for mail in PledgeMail.objects.filter(kind="reminder").order_by("pk")]


def test_an_instalment_is_reminded_of_once(pledged, time_machine):
    made = pledged()
    assert reminding.remind() == 1
    assert reminders() == [(made, date(2026, 11, 15))]
    for day in (15, 16, 18, 30):
        time_machine.move_to(f"2026-11-{day} 21:00+00:00", tick=False)
        assert reminding.remind() == 0
    time_machine.move_to("2026-12-15 09:00+00:00", tick=False)
    remind()
    assert reminders() == [(made, date(2026, 11, 15)), (made, date(2026, 12, 15))]


@pytest.mark.parametrize(("day", "count"), [(14, 0), (15, 1), (19, 1), (20, 0)])
def test_a_day_on_which_nothing_ran_is_made_up_for_but_not_for_long(pledged, time_machine, day, count):
    pledged()
    time_machine.move_to(f"2026-11-{day} 09:00+00:00", tick=False)
    assert reminding.remind() == count


@pytest.mark.parametrize("made_on", [date(2026, 8, 28), date(2026, 8, 30), date(2026, 8, 31)])
def test_in_a_short_month_the_last_day_is_for_all_that_it_lacks(pledged, time_machine, made_on):
    made = pledged(made_on=made_on)
    time_machine.move_to("2027-02-28 09:00+00:00", tick=False)
    assert reminding.remind() == 1
    assert reminders() == [(made, date(2027, 2, 28))]


@pytest.mark.parametrize(
    "columns",
    [
        {"frequency": "once"},
        {"confirmed": False},
        {"withdrawn_at": "2026-10-01 00:00+00:00"},
        {"reminders_stopped_at": "2026-10-01 00:00+00:00"},
        {"until": date(2026, 11, 14)},
        {"email": ""},
        {"made_on": date(2026, 11, 15)},  # the instructions have just told of the first one
        {"changed_on": date(2026, 11, 15)},
        {"made_on": date(2024, 9, 15)},
        {"made_on": date(2026, 9, 14), "until": date(2026, 10, 14)},
    ],
)
def test_who_needs_no_reminder_gets_none(pledged, columns):
    pledged(**columns)
    assert reminding.remind() == 0
    assert reminders() == []


def test_on_the_last_day_it_is_still_due(pledged):
    pledged(until=date(2026, 11, 15))
    assert reminding.remind() == 1


@pytest.mark.parametrize("in_force", [True, False])
def test_nobody_is_reminded_of_what_cannot_be_paid(pledged, account, in_force):
    pledged()
    if in_force:
        BankAccount.objects.update(payable=False)
    else:
        accounts.withdraw(account, by=OrganiserFactory())
    assert reminding.remind() == 0


def test_what_has_arrived_is_not_reminded_of(pledged):
    def paid(amount, booked_on):
        made = pledged()
        TransactionFactory(fund=made.fund, pledge=made, amount_minor=amount, booked_on=booked_on)
        return made

    paid(2500, date(2026, 11, 12))  # a standing order may run some days ahead
    paid(5000, date(2026, 10, 20))
    late = paid(2500, date(2026, 10, 15))  # that was October's
    short = paid(1000, date(2026, 11, 14))
    assert reminding.remind() == 2
    assert [made for made, _ in reminders()] == [late, short]


def test_a_mailbox_that_had_its_mails_for_today_gets_it_another_day(pledged, time_machine):
    made = pledged(email="nora@example.org")
    for _ in range(3):
        PledgeMailFactory(recipient_tag=mailbox_tag("nora@example.org"))
    assert reminding.remind() == 0
    time_machine.move_to("2026-11-16 10:00+00:00", tick=False)
    assert reminding.remind() == 1
    assert reminders() == [(made, date(2026, 11, 15))]


@pytest.mark.django_db(transaction=True)
def test_six_that_remind_at_once_write_one_mail(pledged):
    pledged()
    assert sum(at_once(6, lambda _number: reminding.remind())) == 1
    assert len(reminders()) == 1


def test_the_database_holds_one_reminder_of_a_day_and_knows_of_which(pledged):
    made = pledged()
    PledgeMailFactory(pledge=made, kind="reminder", due_on=date(2026, 11, 15))
    for wrong in (
        {"kind": "reminder", "due_on": date(2026, 11, 15)},
        {"kind": "reminder", "due_on": None},
        {"kind": "instructions", "due_on": date(2026, 12, 15)},
        {"kind": "birthday"},
    ):
        with pytest.raises(IntegrityError), atomic():
            PledgeMailFactory(pledge=made, **wrong)


def test_it_repeats_how_to_pay_and_leads_to_the_end_of_the_reminders(pledged, settings):
    pledged(number="1234567890", locale="en", name="Buy at spam.example")
    reminding.remind()
    mail = PledgeMail.objects.get()
    message, text = text_of(mail)
    assert message["Subject"] == "Reminder of your pledge 1234567890"
    for needed in ("€25.00", "15 November 2026", "DE02 1005 0000 0054 5404 02", "RF47 1234 5678 90", "standing order"):
        assert needed in text
    assert f"{settings.BASE_URL}/fund/pledge/{mail.token}/" in text.split()
    assert "spam.example" not in text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "meanwhile",
    [
        giving.stop_reminders,
        giving.withdraw,
        lambda made: Pledge.objects.filter(pk=made.pk).update(reminders_stopped_at="2026-11-15 09:00+00:00"),
        lambda made: Pledge.objects.filter(pk=made.pk).update(email=""),
        lambda made: BankAccount.objects.update(payable=False),
        lambda made: giving.change(made, amount_minor=1, frequency="monthly", until=None, display="public"),
    ],
)
def test_one_that_waits_does_not_leave_once_there_is_no_reason(pledged, send_all, meanwhile):
    made = pledged()
    reminding.remind()
    meanwhile(made)
    send_all(PledgeMail)
    assert PledgeMail.objects.get(kind="reminder").state == State.CANCELLED


def test_a_reminder_is_of_the_amount_after_a_change(pledged, time_machine):
    made = pledged()
    giving.change(made, amount_minor=1000, frequency="monthly", until=None, display="anonymous")
    time_machine.move_to("2026-12-15 09:00+00:00", tick=False)
    reminding.remind()
    assert "€10.00" in text_of(PledgeMail.objects.get(kind="reminder"))[1]


def test_looking_takes_as_many_queries_for_ten_reminded_as_for_one(pledged, django_assert_num_queries):
    pledged()
    reminding.remind()
    with django_assert_num_queries(5):
        reminding.remind()
    for _ in range(9):
        pledged()
    reminding.remind()
    assert len(reminders()) == 10
    with django_assert_num_queries(5):
        reminding.remind()
    assert timedelta(days=5) == reminding.REMIND_WITHIN
