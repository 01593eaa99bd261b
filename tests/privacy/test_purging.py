from datetime import timedelta

import pytest
import time_machine
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.db.models.signals import pre_delete
from django.utils import timezone

from campaign.models import Subscriber
from limits.models import Post, SpentProof
from outbox import readiness
from outbox.models import State
from outbox.tasks import heartbeat
from privacy import clock, purging
from privacy.models import PurgeRun, TrustedTime
from privacy.purging import purge, run, run_if_due
from protests.models import ConfirmationMail, Delivery, Signature
from tests.factories import (
    ConfirmationMailFactory,
    DeliveryFactory,
    HoldFactory,
    LetterTextFactory,
    OrganiserFactory,
    SignatureFactory,
    SubmittedMessageFactory,
    SubscriberFactory,
)
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def in_days(days):
    return time_machine.travel(timezone.now() + timedelta(days=days), tick=False)


def test_a_signature_that_nobody_confirmed_goes_after_seven_days_with_its_mail():
    ConfirmationMailFactory()
    SignatureFactory(confirmed=True)

    with in_days(6.9):
        purge()
        assert Signature.objects.count() == 2
    with in_days(7.1):
        purge()

    assert Signature.objects.count() == 1
    assert ConfirmationMail.objects.count() == 0


def settled(state=State.ACCEPTED, **more):
    return DeliveryFactory(
        signature__own_words="Free her",
        signature__organisation="Branch 7",
        state=state,
        settled_at=timezone.now(),
        reply="250 taken",
        **more,
    )


def typed(signature):
    signature.refresh_from_db()
    return signature.name, signature.email, signature.own_words, signature.organisation


@pytest.mark.parametrize("state", [State.ACCEPTED, State.BOUNCED, State.FAILED, State.CANCELLED])
def test_names_addresses_and_words_go_once_no_letter_can_come_back_and_the_count_stays(state):
    delivery = settled(state)
    signature = delivery.signature

    with in_days(13):
        purge()
        assert all(typed(signature))
    with in_days(14.1):
        purge()

    assert typed(signature) == ("", "", "", "")
    delivery.refresh_from_db()
    assert delivery.reply == ""
    assert signature.country == "DE"
    assert Signature.objects.counted().count() == 1
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize("state", [State.QUEUED, State.DEFERRED, State.IN_DOUBT])
def test_a_letter_on_its_way_keeps_what_it_is_made_of_for_half_a_year_at_most(state):
    signature = settled().signature
    DeliveryFactory(signature=signature, state=state)

    with in_days(179):
        purge()
        assert all(typed(signature))
    with in_days(181):
        purge()

    assert typed(signature) == ("", "", "", "")


def test_a_second_letter_that_was_settled_later_keeps_them_as_long_as_it_may_come_back():
    signature = settled().signature
    DeliveryFactory(signature=signature, state=State.ACCEPTED, settled_at=timezone.now() + timedelta(days=10))

    with in_days(20):
        purge()
        assert all(typed(signature))
    with in_days(24.1):
        purge()

    assert typed(signature) == ("", "", "", "")


def test_who_wants_updates_keeps_the_address_with_the_subscription_alone():
    signature = settled(signature__updates=True).signature
    SubscriberFactory(email=signature.email)

    with in_days(400):
        purge()

    assert typed(signature) == ("", "", "", "")
    assert Subscriber.objects.get().email


def test_a_signature_whose_letters_were_all_withdrawn_and_deleted_goes_too():
    signature = SignatureFactory(confirmed=True, withdrawn_at=timezone.now())

    with in_days(14.1):
        purge()

    assert typed(signature) == ("", "", "", "")


def test_the_tag_goes_thirty_days_after_its_letter_closed():
    signature = SignatureFactory(confirmed=True)

    with in_days(1000):
        purge()
        signature.refresh_from_db()
        assert signature.email_tag
        signature.letter.closed_at = timezone.now()
        signature.letter.save()
    with in_days(1031):
        purge()

    signature.refresh_from_db()
    assert signature.email_tag is None


def test_a_mailed_secret_that_never_left_goes_too():
    mail = ConfirmationMailFactory(signature__confirmed=True, state=State.FAILED)

    with in_days(8):
        purge()

    mail.refresh_from_db()
    assert mail.token == ""


def test_the_tag_of_a_network_goes_after_a_day_and_what_is_held_stays():
    held = HoldFactory(network_tag="0" * 64)

    with in_days(0.9):
        purge("hourly")
        held.refresh_from_db()
        assert held.network_tag
    with in_days(1.1):
        purge("hourly")

    held.refresh_from_db()
    assert held.network_tag is None
    assert held.name


def test_the_desks_history_forgets_what_a_deleted_row_was_called():
    message = SubmittedMessageFactory(person="Nora Berg")
    user = OrganiserFactory()
    LogEntry.objects.log_actions(user.pk, [message], CHANGE, "published", single_object=True)
    LogEntry.objects.update(object_repr=str(message))  # as it was written before names were left out
    assert "Nora" in LogEntry.objects.get().object_repr

    with in_days(1000):
        purge()

    assert LogEntry.objects.get().object_repr == "…"


# --- Batches, and runs that are killed -----------------------------------------------------------------------------


def test_any_number_of_rows_goes_in_batches(monkeypatch):
    monkeypatch.setattr(purging, "BATCH", 3)
    text = LetterTextFactory()
    for number in range(10):
        SignatureFactory(text=text, confirmed=number % 4 == 0)

    with in_days(8):
        done = purge()

    assert done["protests.Signature"] == 7
    assert Signature.objects.count() == 3


def test_a_key_that_is_text_is_gone_through_too(monkeypatch):
    monkeypatch.setattr(purging, "BATCH", 2)
    now = timezone.now()
    SpentProof.objects.bulk_create(SpentProof(challenge=f"{n:x}" * 8, expires_at=now) for n in range(9))

    with in_days(1):
        purge()

    assert not SpentProof.objects.exists()


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


def test_a_run_that_was_killed_is_finished_by_the_next(monkeypatch):
    monkeypatch.setattr(purging, "BATCH", 2)
    SignatureFactory.create_batch(6)
    said = []

    def dies(line):
        said.append(line)
        if len(said) == 2:
            raise Killed

    with in_days(8):
        with pytest.raises(Killed):
            run(tell=dies)
        left = PurgeRun.objects.get(kind="daily")
        assert (left.table, left.is_under_way, left.finished_at) == ("protests.Signature", True, None)
        assert left.key
        assert Signature.objects.count() == 2
        run()

    after = PurgeRun.objects.get(kind="daily")
    assert not Signature.objects.exists()
    assert (after.table, after.key, after.began_at) == ("", "", left.began_at)
    assert after.finished_at


def test_a_run_that_was_killed_yesterday_is_finished_and_then_one_made_from_the_beginning():
    Post.objects.create(network_tag="1" * 64)  # before the place where the run was killed
    SignatureFactory()
    yesterday = timezone.now() + timedelta(days=7)
    PurgeRun.objects.create(kind="daily", began_at=yesterday, table="protests.Signature")

    with in_days(8):
        run()

    assert not Post.objects.exists()
    assert not Signature.objects.exists()
    assert PurgeRun.objects.get(kind="daily").began_at > yesterday


def test_a_table_that_is_no_more_begins_the_run_anew():
    SignatureFactory()
    with in_days(8):
        PurgeRun.objects.create(kind="daily", began_at=timezone.now(), table="gone.Table", key="7")
        run()

    assert not Signature.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_at_once_do_no_harm(monkeypatch):
    monkeypatch.setattr(purging, "BATCH", 2)
    text = LetterTextFactory()
    for number in range(12):
        SignatureFactory(text=text, confirmed=number % 3 == 0)
    Signature.objects.update(created_at=timezone.now() - timedelta(days=8))

    at_once(2, lambda number: run())

    assert Signature.objects.count() == 4
    after = PurgeRun.objects.get(kind="daily")
    assert (after.is_under_way, after.failed) == (False, 0)


def test_a_row_that_cannot_be_deleted_keeps_none_of_the_others_and_is_told(caplog):
    text = LetterTextFactory()
    stuck, *_others = SignatureFactory.create_batch(5, text=text)

    def refuse(sender, instance, **kwargs):
        if instance.pk == stuck.pk:
            raise ValueError(instance.email)

    pre_delete.connect(refuse, sender=Signature)
    try:
        with in_days(8), pytest.raises(CommandError, match="1 rows could not be purged"):
            call_command("purge")
    finally:
        pre_delete.disconnect(refuse, sender=Signature)

    assert list(Signature.objects.all()) == [stuck]
    with in_days(8):
        says, to_do = purging.alarm()
    assert f"protests.Signature {stuck.pk}: ValueError" in says
    assert "manage.py purge" in to_do
    assert stuck.email not in caplog.text + says


def test_who_signs_again_at_the_last_moment_keeps_the_signature(monkeypatch):
    signature = SignatureFactory()
    found = purging._in_turn

    def late(rows, pks, act):
        Signature.objects.filter(pk=signature.pk).update(created_at=timezone.now())
        return found(rows, pks, act)

    monkeypatch.setattr(purging, "_in_turn", late)
    with in_days(8):
        purge()

    assert Signature.objects.exists()


@pytest.mark.parametrize("wrong", [{"kind": "weekly"}, {"kind": "daily", "key": "7"}, {"kind": "daily", "failed": 1}])
def test_the_database_refuses_a_run_that_makes_no_sense(wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        PurgeRun.objects.create(began_at=timezone.now(), **wrong)


# --- When it runs, and the alarm -----------------------------------------------------------------------------------


def test_beats_bell_runs_all_once_a_day_and_what_is_kept_for_a_day_each_hour():
    def after(hours):
        with in_days(hours / 24):
            clock.look()
            run_if_due()
        return PurgeRun.objects.get(kind="daily").began_at

    first = after(0)
    assert after(1) == first
    assert PurgeRun.objects.get(kind="hourly").finished_at
    assert after(24) > first


def test_the_alarm_comes_after_26_hours_and_ends_with_the_next_run():
    assert purging.alarm() is None  # nothing ever ran: the alarm of beat says that
    clock.look()
    assert purging.alarm() is None
    with in_days(26.5 / 24):
        assert "never" in purging.alarm()[0]
        run()
        assert purging.alarm() is None
    with in_days(53.5 / 24):
        clock.look()
        assert "26 hours" in purging.alarm()[0]


def test_the_alarm_is_on_the_desk_in_check_readiness_and_in_the_metrics(client):
    client.force_login(OrganiserFactory(is_superuser=True, is_staff=True))
    with in_days(-2):
        clock.look()
    with in_days(-1):
        clock.look()

    words = "What is past its date was never deleted yet."
    assert words in client.get("/admin/").content.decode()
    assert words in [result.finding.says for result in readiness.run(readiness.RUNNING)]
    assert "solidarity_purge_wrong 1" in client.get("/metrics").content.decode()

    run()

    assert words not in client.get("/admin/").content.decode()
    metrics = client.get("/metrics").content.decode()
    assert "solidarity_purge_wrong 0" in metrics
    assert "solidarity_purge_finished_timestamp_seconds" in metrics


# --- A clock that jumps --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [2.1, 8, 4000, -2.1])
def test_a_clock_that_jumps_stops_the_purge_and_says_so(days):
    SignatureFactory()
    run()

    with in_days(days):
        heartbeat()  # beat goes on ringing, and does not make the wrong time right
        with pytest.raises(CommandError, match="--clock-is-right"):
            call_command("purge")
        run_if_due()
        assert "clock" in purging.alarm()[0]
        assert "--clock-is-right" in purging.alarm()[1]
    assert Signature.objects.count() == 1
    assert purging.alarm() is None  # the clock is right again


def test_a_person_can_say_that_the_clock_is_right():
    SignatureFactory()
    run()

    with in_days(8):
        call_command("purge", "--clock-is-right")
        assert purging.alarm() is None

    assert not Signature.objects.exists()


def test_a_clock_that_is_heard_goes_on():
    for day in range(10):
        with in_days(day):
            heartbeat()
    with in_days(10):
        run()


def test_a_clock_that_jumps_while_a_run_is_under_way_stops_it_where_it_is(monkeypatch):
    monkeypatch.setattr(purging, "BATCH", 2)
    SignatureFactory.create_batch(6)
    clock.look()
    with in_days(8):
        clock.is_right()
        with time_machine.travel(timezone.now(), tick=False) as traveller, pytest.raises(purging.ClockDoubted):
            run(tell=lambda line: traveller.shift(timedelta(days=30)))

    assert Signature.objects.count() == 4
    assert PurgeRun.objects.get(kind="daily").is_under_way


def test_there_is_one_trusted_time():
    with pytest.raises(IntegrityError), transaction.atomic():
        TrustedTime.objects.create(id=2, at=timezone.now())


def test_the_command_says_what_it_did_and_a_second_run_does_nothing(capsys):
    SignatureFactory()

    with in_days(8):
        call_command("purge")
        assert "1 protests.Signature" in capsys.readouterr().out
        call_command("purge")

    assert capsys.readouterr().out == "Purged.\n"
