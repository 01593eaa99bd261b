"""The pace of the letters: caps, hours, spacing, pauses and the breaker, through the engine to a real SMTP server."""

import threading
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from bench import week
from outbox import engine
from outbox.models import State
from outbox.pacing import oldest_due
from protests import pacing
from protests.models import REFUSALS, Breaker, Delivery, Letter, MailDomain, Target
from tests.factories import DeliveryFactory, LetterFactory, LetterTextFactory, OrganiserFactory, TargetFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
LEASE = "a" * 32
ALMATY = ZoneInfo("Asia/Almaty")
BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture
def text():
    return LetterTextFactory()


@pytest.fixture
def write(text):
    """A function that writes letters to a target at the moment to which the test has travelled."""
    return lambda count, target: [DeliveryFactory(signature__text=text, target=target) for _ in range(count)]


@pytest.fixture
def at():
    """A function that sets the clock, which stands still."""
    travels = []

    def travel(moment):
        while travels:
            travels.pop().stop()
        travels.append(time_machine.travel(moment, tick=False))
        travels[-1].start()

    yield travel
    while travels:
        travels.pop().stop()


def choose(size=100):
    with transaction.atomic():
        return pacing.choose(size)


def test_no_more_than_the_daily_cap_leave_in_a_day_of_the_targets_zone(write, send_all, at):
    at(datetime(2026, 3, 4, 22, tzinfo=ALMATY))
    write(7, TargetFactory(daily_cap=3, time_zone="Asia/Almaty"))

    assert len(send_all(Delivery)) == 3
    at(datetime(2026, 3, 4, 23, 59, tzinfo=ALMATY))
    assert len(send_all(Delivery)) == 3
    at(datetime(2026, 3, 5, 0, 0, 1, tzinfo=ALMATY))
    assert len(send_all(Delivery)) == 6


def test_a_letter_in_doubt_counts_towards_the_cap(write, at):
    at(NOON)
    target = TargetFactory(daily_cap=3)
    doubtful, *_ = write(4, target)
    Delivery.objects.filter(pk=doubtful.pk).update(state=State.IN_DOUBT, handing_over_at=timezone.now())

    assert len(choose()) == 2


def test_without_a_cap_all_may_leave(write, at):
    at(NOON)
    write(4, TargetFactory(daily_cap=None))

    assert len(choose()) == 4


def test_letters_leave_within_the_hours_by_the_clock_on_the_wall(write, send_all, at):
    at(datetime(2026, 3, 28, 12, tzinfo=UTC))
    target = TargetFactory(opens_at=time(9), closes_at=time(17), time_zone="Europe/Berlin", daily_cap=1)
    write(5, target)
    # On 29 March 2026 the clock is set forward: nine o'clock is an hour earlier from then on.
    for moment, sent in [
        (datetime(2026, 3, 28, 7, 59, tzinfo=UTC), 0),
        (datetime(2026, 3, 28, 15, 59, tzinfo=UTC), 1),
        (datetime(2026, 3, 29, 6, 59, tzinfo=UTC), 1),
        (datetime(2026, 3, 29, 7, 0, tzinfo=UTC), 2),
        (datetime(2026, 3, 30, 15, 0, tzinfo=UTC), 2),
        (datetime(2026, 3, 30, 14, 59, tzinfo=UTC), 3),
    ]:
        at(moment)
        Delivery.objects.waiting().update(next_attempt_at=moment)
        assert len(send_all(Delivery)) == sent, moment


def test_on_the_longest_day_the_cap_holds_for_25_hours(write, send_all, at):
    at(datetime(2026, 10, 25, 0, 0, tzinfo=BERLIN))
    write(3, TargetFactory(daily_cap=1, time_zone="Europe/Berlin"))

    send_all(Delivery)
    at(datetime(2026, 10, 25, 22, 59, tzinfo=UTC))
    assert len(send_all(Delivery)) == 1
    at(datetime(2026, 10, 25, 23, 0, tzinfo=UTC))
    assert len(send_all(Delivery)) == 2


def test_between_two_letters_lies_the_spacing(write, send_all, at):
    at(NOON)
    write(3, TargetFactory(spacing_seconds=60))

    assert len(send_all(Delivery)) == 1
    at(NOON + timedelta(seconds=59))
    assert len(send_all(Delivery)) == 1
    at(NOON + timedelta(seconds=60))
    assert len(send_all(Delivery)) == 2


def test_targets_at_one_mail_domain_share_its_limits(write, at):
    at(NOON)
    for name in ("a@Foreign.example.org", "b@foreign.example.org"):
        write(4, TargetFactory(email=name))
    write(4, TargetFactory(email="c@other.example.org"))
    domain = MailDomain.objects.create(domain="foreign.example.org", daily_cap=3)

    assert len(choose()) == 3 + 4
    Delivery.objects.filter(target__email__startswith="a@").update(state=State.ACCEPTED, settled_at=timezone.now())
    assert len(choose()) == 4
    MailDomain.objects.filter(pk=domain.pk).update(daily_cap=None, spacing_seconds=60)
    assert len(choose()) == 4
    at(NOON + timedelta(minutes=1))
    assert len(choose()) == 1 + 4
    MailDomain.objects.all().pause()
    assert len(choose()) == 4
    MailDomain.objects.create(domain=MailDomain.EVERY, daily_cap=6)
    assert len(choose()) == 2
    MailDomain.pause_all()
    assert choose() == []
    MailDomain.objects.all().resume()
    assert len(choose()) == 2


def test_a_letter_being_sent_counts_towards_the_limits_of_its_domain(write, at):
    at(NOON)
    busy, *_ = write(2, TargetFactory(email="a@foreign.example.org"))
    write(2, TargetFactory(email="b@foreign.example.org"))
    rows = Delivery.objects.filter(pk=busy.pk)
    rows.update(state=State.SENDING, lease="x", leased_until=timezone.now() + timedelta(minutes=5))
    domain = MailDomain.objects.create(domain="foreign.example.org", daily_cap=2)

    assert len(choose()) == 1
    MailDomain.objects.filter(pk=domain.pk).update(daily_cap=None, spacing_seconds=1)
    assert choose() == []


def test_a_target_has_letters_with_one_worker_at_a_time(write):
    one, other = TargetFactory(), TargetFactory()
    write(4, one)
    write(4, other)

    mine = engine.claim(Delivery, 3, LEASE)
    yours = engine.claim(Delivery, 8, LEASE)
    nobodys = engine.claim(Delivery, 8, LEASE)

    assert len({mail.target_id for mail in mine}) == 1
    assert len(yours) == 4
    assert {mail.target_id for mail in mine}.isdisjoint(mail.target_id for mail in yours)
    assert nobodys == []


def test_what_a_dead_worker_held_counts_no_more_once_its_lease_is_settled(write, at):
    at(NOON)
    write(2, TargetFactory())
    engine.claim(Delivery, 1, LEASE)
    assert choose() == []

    at(NOON + timedelta(hours=1))
    engine.settle_expired(Delivery)

    assert len(choose()) == 2


def test_a_claim_takes_few_targets_and_forgets_none(write):
    for target in TargetFactory.create_batch(6):
        write(3, target)
    seen = set()
    for _ in range(6):
        mails = engine.claim(Delivery, 3, LEASE)
        assert len({mail.target_id for mail in mails}) == 1
        seen |= {mail.target_id for mail in mails}

    assert len(seen) == 6


def test_each_target_may_be_the_first(write):
    targets = TargetFactory.create_batch(5)
    for target in targets:
        write(2, target)

    chosen = [Delivery.objects.get(pk=choose(1)[0]).target_id for _ in range(100)]

    assert set(chosen) == {target.pk for target in targets}


def test_the_choice_takes_as_many_queries_for_many_targets(
    write, django_assert_num_queries, django_assert_max_num_queries
):
    write(30, TargetFactory())
    with django_assert_max_num_queries(9) as few, transaction.atomic():
        pacing.choose(20)
    for target in TargetFactory.create_batch(20):
        write(20, target)
    with django_assert_num_queries(len(few)), transaction.atomic():
        pacing.choose(20)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_two_workers_never_hold_letters_to_one_target_at_once(write):
    for target in TargetFactory.create_batch(3):
        write(10, target)
    busy, lock, overlaps = set(), threading.Lock(), []

    def work(number):
        while Delivery.objects.waiting().exists():
            mails = engine.claim(Delivery, 2, str(number))
            targets = {mail.target_id for mail in mails}
            with lock:
                overlaps.extend(busy & targets)
                busy.update(targets)
            with lock:
                busy.difference_update(targets)
            Delivery.objects.filter(lease=str(number)).update(
                state=State.ACCEPTED, settled_at=timezone.now(), lease="", leased_until=None
            )

    at_once(2, work)

    assert overlaps == []


def test_what_waits_for_its_pace_is_not_late(write, at):
    at(NOON)
    write(2, TargetFactory(daily_cap=1))
    at(NOON + timedelta(hours=3))
    assert oldest_due(Delivery) == NOON

    Delivery.objects.filter(pk=choose()[0]).update(state=State.ACCEPTED, settled_at=timezone.now())

    assert oldest_due(Delivery) is None


def test_no_index_holds_what_is_written_in_mid_sending():
    """PostgreSQL spares the indexes (HOT) only if none of the written columns is in one, or in its predicate."""
    written = {"handing_over_at", "leased_until"}
    for model in apps.get_models():
        for index in model._meta.indexes:
            assert written.isdisjoint(index.fields), index
            assert not any(column in str(index.condition) for column in written), index


class TestPausing:
    def test_a_pause_takes_hold_in_the_middle_of_a_queue(self, write, sink, send_all):
        write(engine.SMALLEST_CLAIM + 10, TargetFactory())

        def pause(rcpt, content):
            if len(sink.taken) == 4:
                at_once(1, lambda number: Target.objects.all().pause())

        sink.on_data = pause

        send_all(Delivery)

        assert len(sink.taken) <= engine.SMALLEST_CLAIM  # what was claimed already goes
        assert Delivery.objects.waiting().count() == engine.SMALLEST_CLAIM + 10 - len(sink.taken)
        Target.objects.all().resume()
        assert len(send_all(Delivery)) == engine.SMALLEST_CLAIM + 10

    def test_a_paused_letter_waits_and_another_to_the_same_target_goes(self, write, send_all, text):
        target = TargetFactory()
        write(2, target)
        other = DeliveryFactory(
            signature__text=LetterTextFactory(letter=LetterFactory(strike=text.letter.strike)), target=target
        )
        Letter.objects.filter(pk=text.letter.pk).pause()

        (taken,) = send_all(Delivery)

        assert str(taken.message["Message-ID"]) == other.message_id
        assert not Delivery.objects.due().exists()
        Letter.objects.all().resume()
        assert len(send_all(Delivery)) == 3

    def test_the_wait_does_not_count_towards_giving_up(self, write, at):
        at(NOON)
        target = TargetFactory()
        write(1, target)
        Delivery.objects.update(state=State.DEFERRED, deferred_since=NOON - timedelta(days=9))
        for rows in (Target.objects.all(), Letter.objects.all()):
            rows.pause()
            Delivery.objects.update(deferred_since=NOON)
            assert rows.resume() == 1
            assert Delivery.objects.get().deferred_since is None

    def test_all_is_paused_whatever_else_is_set(self, write, send_all):
        write(1, TargetFactory())
        MailDomain.pause_all()

        assert send_all(Delivery) == []
        assert not Delivery.objects.due().exists()


class TestBreaker:
    @pytest.fixture
    def target(self, write, sink, at):
        """A target with 20 letters, whose server refuses all."""
        at(NOON)
        target = TargetFactory()
        write(20, target)
        sink.on_rcpt = lambda rcpt: "550 5.7.1 no more of these" if rcpt == target.email else None
        return target

    def refused(self):
        return Delivery.objects.filter(state=State.BOUNCED).count()

    @pytest.mark.parametrize("answer", ["550 5.7.1 no", "451 4.7.1 later"])
    def test_after_some_refusals_in_a_row_the_server_is_left_alone(self, target, sink, send_all, write, answer):
        sink.on_rcpt = lambda rcpt: answer if rcpt == target.email else None
        write(30, TargetFactory(email="other@example.org"))

        send_all(Delivery)

        assert Delivery.objects.filter(attempts=1, target=target).count() == REFUSALS
        assert len(sink.to("other@example.org")) == 30
        assert Breaker.objects.get().words.startswith(answer)

    def test_the_rest_doubles_with_each_refused_trial_up_to_a_day(self, target, send_all, at):
        send_all(Delivery)
        now = NOON
        for number, minutes in enumerate([15, 30, 60, 120, 240, 480, 960, 1440, 1440]):
            rest = timedelta(minutes=minutes)
            assert Breaker.objects.get().trial_at == now + rest
            at(now + rest - timedelta(seconds=1))
            send_all(Delivery)
            assert self.refused() == REFUSALS + number
            now += rest
            at(now)
            send_all(Delivery)
            assert self.refused() == REFUSALS + number + 1

    def test_one_accepted_trial_lets_the_rest_go(self, target, sink, send_all, at):
        send_all(Delivery)
        sink.on_rcpt = lambda rcpt: None
        at(NOON + timedelta(minutes=15))

        trial = engine.claim(Delivery, 20, LEASE)
        assert len(trial) == 1
        engine._release(Delivery, LEASE)
        send_all(Delivery)

        assert len(sink.taken) == 20 - REFUSALS
        assert not Breaker.objects.exists()

    def test_an_acceptance_in_between_starts_the_count_anew(self, target, sink, send_all):
        turns = []
        sink.on_rcpt = lambda rcpt: turns.append(1) or ("550 no" if len(turns) % REFUSALS else None)

        send_all(Delivery)

        assert len(turns) == 20
        assert not Breaker.objects.exists()

    def test_an_organiser_who_closes_it_at_that_moment_disturbs_no_letter(self, target, sink, send_all):
        Breaker.objects.create(target=target, words="550")

        def closed_meanwhile(execute, sql, *args):
            done = execute(sql, *args)
            if sql.startswith("UPDATE") and Breaker._meta.db_table in sql:
                Breaker.objects.all().delete()
            return done

        with connection.execute_wrapper(closed_meanwhile):
            send_all(Delivery)

        assert self.refused() >= REFUSALS - 1

    def test_trouble_on_the_way_says_nothing_about_a_target(self, target, sink, send_all):
        sink.greeting = None
        sink.on_rcpt = lambda rcpt: "drop"

        send_all(Delivery)

        assert not Breaker.objects.exists()

    def test_a_new_address_takes_the_queue_along_and_starts_anew(self, target, sink, send_all):
        sink.on_rcpt = lambda rcpt: "451 later" if rcpt == target.email else None
        send_all(Delivery)
        target.email = "new@example.org"
        sink.on_rcpt = lambda rcpt: None
        target.save()

        send_all(Delivery)

        assert len(sink.to("new@example.org")) == 20

    def test_saving_a_target_that_was_read_before_does_not_close_its_breaker(self, target, send_all):
        send_all(Delivery)
        target.save()

        assert Breaker.objects.get().refusals == REFUSALS

    def test_an_organiser_sees_it_and_need_not_wait(self, target, client, send_all):
        send_all(Delivery)
        client.force_login(OrganiserFactory())
        targets = reverse("admin:protests_target_changelist")

        for page in (targets, reverse("admin:protests_target_change", args=[target.pk])):
            shown = client.get(page).content.decode()
            assert "Its server refused 5 letters in a row" in shown
            assert "550 5.7.1 no more of these" in shown
            assert "12:15" in shown
        assert (
            "the target&#x27;s server refuses letters"
            in client.get(reverse("admin:protests_delivery_changelist"), {"state__exact": "queued"}).content.decode()
        )
        form = {"action": "try_now", "_selected_action": [target.pk]}
        asked = client.post(targets, form)
        client.post(targets, {**form, "confirm": asked.context["fingerprint"]})
        assert not Breaker.objects.exists()


class TestConstraints:
    @pytest.mark.parametrize(
        "columns",
        [
            {"daily_cap": 0},
            {"spacing_seconds": 86401},
            {"opens_at": time(9)},
            {"closes_at": time(9)},
            {"opens_at": time(17), "closes_at": time(9)},
            {"opens_at": time(9), "closes_at": time(9)},
            {"time_zone": ""},
        ],
    )
    def test_a_target_has_a_pace_that_can_be(self, columns):
        TargetFactory()
        with pytest.raises(IntegrityError):
            Target.objects.update(**columns)

    @pytest.mark.parametrize(
        "columns",
        [
            {"domain": "A.example.org"},
            {"domain": "a@b"},
            {"domain": ""},
            {"domain": "*.b"},
            {"daily_cap": 0},
            {"spacing_seconds": 86401},
        ],
    )
    def test_a_mail_domain_has_a_pace_that_can_be(self, columns):
        MailDomain.objects.create(domain="example.org")
        with pytest.raises(IntegrityError):
            MailDomain.objects.update(**columns)

    def test_a_mail_domain_is_there_once(self):
        MailDomain.objects.create(domain="*")
        with pytest.raises(IntegrityError):
            MailDomain.objects.create(domain="*")

    @pytest.mark.parametrize("columns", [{"refusals": 0}, {"words": ""}])
    def test_a_breaker_counts_and_says_why(self, columns):
        Breaker.objects.create(target=TargetFactory(), words="550")
        with pytest.raises(IntegrityError):
            Breaker.objects.update(**columns)


def test_a_simulated_week_sends_so_many_a_day_within_the_hours():
    found = week.run(letters=50, cap=30)

    assert list(found["per_day"].values()) == [30, 20]
    assert found["ok"], found
