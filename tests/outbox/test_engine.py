import threading
import time
from datetime import timedelta

import pytest
import time_machine
from cryptography.fernet import Fernet
from django.db import connection, connections, transaction
from django.db.utils import IntegrityError
from django.utils import timezone

from outbox import engine, leases, messages
from outbox.bounces import address_for
from outbox.ledger import open_ledger
from outbox.models import State, queues
from protests.models import Breaker, ConfirmationMail, Delivery
from tests.factories import ConfirmationMailFactory, DeliveryFactory, LetterTextFactory
from tests.sinks import DROP, free_port

LEASE, OTHER_LEASE = "a" * 32, "b" * 32

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def text():
    return LetterTextFactory()


@pytest.fixture
def deliveries(text):
    return lambda count, **kwargs: [DeliveryFactory(signature__text=text, **kwargs) for _ in range(count)]


def states(queue=Delivery):
    return list(queue.objects.order_by("pk").values_list("state", flat=True))


def test_what_is_due_is_sent_and_recorded(sink, deliveries):
    one, two = deliveries(2)

    assert engine.send_due(Delivery) is None

    assert sorted(sink.message_ids()) == sorted([one.message_id, two.message_id])
    one.refresh_from_db()
    assert (one.state, one.reply_code, one.attempts, one.lease) == (State.ACCEPTED, 250, 1, "")
    assert one.reply == "2.0.0 Taken"
    assert one.handing_over_at <= one.settled_at
    assert sink.to(one.target.email)[0].mail_from == address_for(one)


def test_a_mail_is_sent_once(sink, deliveries):
    deliveries(1)

    engine.send_due(Delivery)
    engine.send_due(Delivery)

    assert len(sink.taken) == 1


def test_a_batch_uses_one_connection_and_as_many_queries_for_many_targets(sink, deliveries):
    deliveries(engine.SMALLEST_CLAIM)

    engine.send_due(Delivery)

    assert sink.connections == 1


def test_the_link_is_forgotten_once_its_mail_was_accepted(sink, text):
    mail = ConfirmationMailFactory(signature__text=text)
    token = mail.token

    engine.send_due(ConfirmationMail)

    assert token in sink.taken[0].message.get_content()
    mail.refresh_from_db()
    assert mail.token == ""


def test_a_temporary_refusal_is_tried_again_later_with_the_same_message_id(sink, deliveries, settings):
    settings.OUTBOX_BACKOFF_SECONDS = 60
    (mail,) = deliveries(1)
    sink.on_rcpt = lambda rcpt: "451 4.7.1 come back later"

    with time_machine.travel(timezone.now(), tick=False):
        engine.send_due(Delivery)
        mail.refresh_from_db()
        assert (mail.state, mail.reply_code, mail.attempts) == (State.DEFERRED, 451, 1)
        assert timedelta(seconds=45) <= mail.next_attempt_at - timezone.now() <= timedelta(seconds=75)
        engine.send_due(Delivery)
        mail.refresh_from_db()
        assert mail.attempts == 1

    sink.on_rcpt = lambda rcpt: None
    with time_machine.travel(mail.next_attempt_at + timedelta(seconds=1), tick=False):
        engine.send_due(Delivery)

    mail.refresh_from_db()
    assert mail.state == State.ACCEPTED
    assert sink.message_ids() == [mail.message_id]


def test_the_wait_doubles_up_to_a_cap_and_is_spread(settings):
    settings.OUTBOX_BACKOFF_SECONDS = 60
    waits = [[engine._backoff(attempt).total_seconds() for _ in range(50)] for attempt in (1, 2, 3, 30, 60_000)]

    assert all(45 <= wait <= 75 for wait in waits[0])
    assert all(90 <= wait <= 150 for wait in waits[1])
    assert all(180 <= wait <= 300 for wait in waits[2])
    assert all(wait <= 5 * 3600 for wait in waits[3] + waits[4])
    assert len(set(waits[0])) > 10


def test_a_permanent_refusal_is_never_tried_again_and_does_not_stop_the_next(sink, deliveries):
    bad, good = deliveries(2)
    sink.on_rcpt = lambda rcpt: f"550 5.1.1 <{rcpt}> unknown" if rcpt == bad.target.email else None

    engine.send_due(Delivery)
    with time_machine.travel(timezone.now() + timedelta(days=30)):
        engine.send_due(Delivery)

    assert states() == [State.BOUNCED, State.ACCEPTED]
    bad.refresh_from_db()
    assert bad.attempts == 1
    assert bad.reply == "5.1.1 <…> unknown"
    assert [taken.rcpt_tos for taken in sink.taken] == [[good.target.email]]


def test_after_five_days_of_refusals_the_engine_gives_up(sink, deliveries):
    (mail,) = deliveries(1)
    sink.on_rcpt = lambda rcpt: "451 later"

    began = timezone.now()
    with time_machine.travel(began, tick=False) as clock:
        while mail.state in {State.QUEUED, State.DEFERRED}:
            engine.send_due(Delivery)
            mail.refresh_from_db()
            clock.move_to(max(mail.next_attempt_at, timezone.now()))
            Breaker.objects.all().delete()

    assert mail.state == State.FAILED
    assert mail.reply == "Given up after 5 days. Last answer: later"
    assert timedelta(days=5) <= mail.settled_at - began < timedelta(days=5, hours=6)
    assert mail.attempts > 20


def test_the_wait_for_its_pace_does_not_count_towards_giving_up(sink, deliveries):
    (mail,) = deliveries(1)
    sink.on_rcpt = lambda rcpt: "451 later"
    engine.send_due(Delivery)

    with time_machine.travel(timezone.now() + timedelta(days=9), tick=False):
        engine.claim(Delivery, 10, LEASE)  # by a worker that dies: no wait is left out twice
        Delivery.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
        engine.send_due(Delivery)
        mail.refresh_from_db()
        put_off_for = timezone.now() - mail.deferred_since

    assert (mail.state, mail.attempts) == (State.DEFERRED, 2)
    assert timedelta(0) <= put_off_for < timedelta(minutes=2)


def test_the_time_in_the_queue_does_not_count_towards_giving_up(sink, deliveries):
    (mail,) = deliveries(1)
    sink.on_rcpt = lambda rcpt: "451 later"

    with time_machine.travel(timezone.now() + timedelta(days=30)):
        engine.send_due(Delivery)

    mail.refresh_from_db()
    assert mail.state == State.DEFERRED


def test_a_poisoned_message_is_set_aside_and_the_queue_goes_on(sink, deliveries):
    poisoned, good = deliveries(2)
    poisoned.target.email = "not an address"
    poisoned.target.save()

    engine.send_due(Delivery)

    assert states() == [State.FAILED, State.ACCEPTED]
    poisoned.refresh_from_db()
    assert poisoned.reply == "The message could not be built (ValueError)."
    assert sink.message_ids() == [good.message_id]


def test_what_people_type_into_a_name_and_a_subject_makes_one_letter_to_one_recipient(sink, text):
    text.subject = "Free\x0bher"
    text.save()
    first = DeliveryFactory(signature__text=text, signature__name='"x" <v@v.org>,')
    second = DeliveryFactory(signature__text=text)

    engine.send_due(Delivery)

    assert states() == [State.ACCEPTED, State.ACCEPTED]
    (taken,) = sink.to(first.target.email)
    assert taken.rcpt_tos == [first.target.email]
    assert taken.message["To"].addresses[0].addr_spec == first.target.email
    assert len(taken.message.get_all("Reply-To")) == 1
    assert "v@v.org" not in str([a.addr_spec for a in taken.message["From"].addresses])
    assert taken.message["Subject"] == "Free her"
    assert len(sink.to(second.target.email)) == 1


def test_without_a_server_nothing_is_lost_and_no_attempt_is_counted(deliveries, settings):
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    deliveries(3)

    assert engine.send_due(Delivery) is None

    assert states() == [State.QUEUED] * 3
    assert set(Delivery.objects.values_list("attempts", "lease")) == {(0, "")}
    assert not Delivery.objects.due().exists()  # not at once


def test_a_break_in_the_middle_of_one_message_does_not_block_the_queue(sink, deliveries):
    bad, *good = deliveries(4)
    sink.on_rcpt = lambda rcpt: DROP if rcpt == bad.target.email else None

    engine.send_due(Delivery)

    assert states() == [State.DEFERRED] + [State.ACCEPTED] * 3


def test_a_server_that_breaks_every_message_is_left_alone_for_a_while(sink, deliveries):
    deliveries(10)
    sink.on_data = lambda rcpt, content: None
    attempted = []
    sink.on_rcpt = lambda rcpt: attempted.append(rcpt) or DROP

    engine.send_due(Delivery)

    assert len(attempted) == engine.BREAKS
    assert Delivery.objects.waiting().count() == 10


def test_a_message_without_an_answer_waits_for_a_person(sink, deliveries):
    doubtful, good = deliveries(2)
    sink.drop_after_taking = lambda rcpt: rcpt == doubtful.target.email

    engine.send_due(Delivery)
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        engine.send_due(Delivery)

    assert states() == [State.IN_DOUBT, State.ACCEPTED]
    assert len(sink.taken) == 2


def test_a_server_that_answers_no_message_does_not_put_the_whole_queue_in_doubt(sink, deliveries):
    deliveries(10)
    sink.drop_after_taking = lambda rcpt: True

    engine.send_due(Delivery)

    assert states().count(State.IN_DOUBT) == engine.BREAKS
    assert Delivery.objects.waiting().filter(next_attempt_at__gt=timezone.now()).count() == 10 - engine.BREAKS


def test_a_person_can_send_a_doubtful_message_again_under_its_message_id(sink, deliveries):
    deliveries(1)
    sink.drop_after_taking = lambda rcpt: True
    engine.send_due(Delivery)
    sink.drop_after_taking = lambda rcpt: False

    assert Delivery.objects.all().send_again() == 1
    engine.send_due(Delivery)

    assert states() == [State.ACCEPTED]
    assert len(set(sink.message_ids())) == 1


def test_a_person_can_settle_a_doubtful_message_as_accepted(sink, deliveries):
    deliveries(1)
    sink.drop_after_taking = lambda rcpt: True
    engine.send_due(Delivery)

    assert Delivery.objects.all().settle_as_accepted() == 1

    assert states() == [State.ACCEPTED]


def test_only_what_has_not_left_is_withdrawn(sink, deliveries):
    sent, held, waiting = deliveries(3)
    Delivery.objects.filter(pk=sent.pk).update(state=State.ACCEPTED)
    Delivery.objects.filter(pk=held.pk).update(state=State.SENDING, lease="x", leased_until=timezone.now())

    assert Delivery.objects.all().cancel() == 1

    assert states() == [State.ACCEPTED, State.SENDING, State.CANCELLED]
    engine.send_due(Delivery)
    assert waiting.target.email not in str(sink.taken)


def test_a_silent_workers_mails_go_back_or_in_doubt(sink, deliveries):
    unmarked, marked = deliveries(2)
    with leases.hold() as lease:
        engine.claim(Delivery, 2, lease)
        Delivery.objects.filter(pk=marked.pk).update(handing_over_at=timezone.now())

        with time_machine.travel(timezone.now() + timedelta(seconds=299)):
            engine.settle_expired(Delivery)
            assert states() == [State.SENDING] * 2
        with time_machine.travel(timezone.now() + timedelta(seconds=301)):
            engine.send_due(Delivery)

    assert states() == [State.ACCEPTED, State.IN_DOUBT]
    assert sink.message_ids() == [unmarked.message_id]


def test_postgresql_notices_a_dead_worker_at_once(sink, deliveries):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no advisory locks: the lease has to run out")
    unmarked, marked = deliveries(2)
    with leases.hold() as lease:
        engine.claim(Delivery, 2, lease)
        Delivery.objects.filter(pk=marked.pk).update(handing_over_at=timezone.now())
        connection.close()  # as when the worker is killed

        engine.send_due(Delivery)

    assert states() == [State.ACCEPTED, State.IN_DOUBT]
    assert sink.message_ids() == [unmarked.message_id]


def test_a_worker_that_was_held_up_cannot_send_what_another_took_over(sink, deliveries):
    (mail,) = deliveries(1)
    stale, mails = LEASE, engine.claim(Delivery, 1, LEASE)
    Delivery.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    engine.settle_expired(Delivery)
    engine.claim(Delivery, 1, OTHER_LEASE)

    with engine.Connection() as kept, open_ledger() as ledger:
        engine._Sending(kept, ledger, stale).run(mails, time.monotonic() + 10)

    assert sink.taken == []
    mail.refresh_from_db()
    assert mail.state == State.SENDING


def test_an_answer_that_comes_after_the_lease_settles_the_doubt(deliveries):
    (mail,) = deliveries(1)
    (held,) = engine.claim(Delivery, 1, LEASE)
    sending = engine._Sending(engine.Connection(), open_ledger(), LEASE)
    assert sending._mark(held, None)
    Delivery.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    engine.settle_expired(Delivery)
    assert states() == [State.IN_DOUBT]

    sending._write_down(engine._Outcome(held, State.ACCEPTED, "Taken", 250))

    assert states() == [State.ACCEPTED]


def test_two_workers_never_claim_the_same_mail(deliveries):
    deliveries(60)
    claimed, lock, start = [], threading.Lock(), threading.Barrier(4)

    def work():
        try:
            start.wait()
            while mails := engine.claim(Delivery, 5, LEASE):
                with lock:
                    claimed.extend(mail.pk for mail in mails)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(claimed) == 60
    assert len(set(claimed)) == 60


def test_a_claimed_row_is_passed_by_not_waited_for(deliveries):
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("SQLite has one writer at a time")
    deliveries(2)
    others = []

    def claim_elsewhere():
        others.extend(engine.claim(Delivery, 5, LEASE))
        connections.close_all()

    with transaction.atomic():
        Delivery.objects.select_for_update().first()
        thread = threading.Thread(target=claim_elsewhere)
        thread.start()
        thread.join(timeout=10)

    assert len(others) == 1


@pytest.mark.parametrize(
    "columns",
    [
        {"state": "delivered"},
        {"state": "sending"},
        {"state": "queued", "handing_over_at": timezone.now()},
        {"state": "deferred", "handing_over_at": timezone.now()},
        {"state": "cancelled", "handing_over_at": timezone.now()},
    ],
)
def test_the_database_refuses_impossible_states(deliveries, columns):
    deliveries(1)

    with pytest.raises(IntegrityError):
        Delivery.objects.update(**columns)


def test_a_message_id_is_under_the_campaigns_domain_and_unique(deliveries):
    one, two = deliveries(2)

    assert one.message_id.endswith("@solidarity.example.org>")
    assert one.message_id != two.message_id
    with pytest.raises(IntegrityError):
        Delivery.objects.update(message_id=one.message_id)


def test_every_queue_has_a_composer():
    assert set(queues()) == set(messages._composers)


def test_letters_follow_a_target_to_its_new_address(sink, deliveries):
    (mail,) = deliveries(1)
    mail.target.email = "new@example.org"
    mail.target.save()

    engine.send_due(Delivery)

    assert len(sink.to("new@example.org")) == 1


def test_a_letter_that_was_withdrawn_while_a_worker_held_it_does_not_leave_later(sink, deliveries):
    (mail,) = deliveries(1)
    sink.on_rcpt = lambda rcpt: "451 later"
    engine.send_due(Delivery)
    mail.signature.withdrawn_at = timezone.now()
    mail.signature.save()

    sink.on_rcpt = lambda rcpt: None
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        engine.send_due(Delivery)

    assert states() == [State.CANCELLED]
    assert sink.taken == []


def test_no_letter_leaves_without_the_name_of_its_signer(sink, deliveries):
    (mail,) = deliveries(1)
    mail.signature.name = ""
    mail.signature.save()

    engine.send_due(Delivery)

    assert states() == [State.CANCELLED]
    assert sink.taken == []


@pytest.mark.parametrize(
    ("rcpt_to", "words", "kept"),
    [
        ("m@example.org", "5.1.1 ß m <M@Example.org> mailbox", "5.1.1 ß … <…> mailbox"),
        ("info@example.org", "ﬃﬃ info@example.org unknown", "ﬃﬃ … unknown"),
        ("a+b.c@example.org", "no such user a+b.c", "no such user …"),
    ],
)
def test_a_reply_is_kept_without_the_address(rcpt_to, words, kept):
    assert engine._scrubbed(engine.Reply(550, words), rcpt_to) == kept


def test_a_server_that_talks_nonsense_does_not_stop_the_queue(sink, deliveries):
    bad, good = deliveries(2)
    sink.on_rcpt = lambda rcpt: "garbage" if rcpt == bad.target.email else None

    engine.send_due(Delivery)

    assert states() == [State.DEFERRED, State.ACCEPTED]
    assert len(sink.to(good.target.email)) == 1


def test_nonsense_after_the_dot_is_in_doubt(sink, deliveries):
    deliveries(1)
    sink.on_data = lambda rcpt, content: "garbage"

    engine.send_due(Delivery)

    assert states() == [State.IN_DOUBT]


def test_every_positive_answer_to_the_dot_is_acceptance(sink, deliveries):
    deliveries(1)
    sink.on_data = lambda rcpt, content: "200 accepted"

    engine.send_due(Delivery)

    assert states() == [State.ACCEPTED]


def test_a_mail_to_a_person_does_not_wait_for_a_backlog_of_letters(sink, deliveries, text):
    deliveries(3 * engine.SMALLEST_CLAIM)
    mail = ConfirmationMailFactory(signature__text=text)

    engine.send_due(Delivery, ConfirmationMail)

    assert mail.message_id in sink.message_ids()[: engine.SMALLEST_CLAIM + 1]
    assert len(sink.taken) == 3 * engine.SMALLEST_CLAIM + 1


def test_what_may_have_left_before_is_never_called_withdrawn_before_it_was_sent(sink, deliveries):
    deliveries(1)
    sink.drop_after_taking = lambda rcpt: True
    engine.send_due(Delivery)
    Delivery.objects.all().send_again()

    assert Delivery.objects.all().cancel() == 0

    assert states() == [State.IN_DOUBT]
    assert engine.send_due(Delivery) is None
    assert len(sink.taken) == 1


def test_a_withdrawn_letter_that_may_have_left_before_goes_back_in_doubt(sink, deliveries):
    (mail,) = deliveries(1)
    sink.drop_after_taking = lambda rcpt: True
    engine.send_due(Delivery)
    Delivery.objects.all().send_again()
    mail.signature.withdrawn_at = timezone.now()
    mail.signature.save()

    engine.send_due(Delivery)

    assert states() == [State.IN_DOUBT]
    assert len(sink.taken) == 1


def test_a_row_whose_key_is_lost_is_set_aside_and_the_queue_goes_on(sink, text, settings):
    keys = settings.PRIVACY_KEYS
    settings.PRIVACY_KEYS = [Fernet.generate_key().decode()]
    DeliveryFactory(signature__text=text, signature__own_words="Free her")
    settings.PRIVACY_KEYS = keys
    DeliveryFactory(signature__text=text)

    engine.send_due(Delivery)

    assert states() == [State.FAILED, State.ACCEPTED]
