from datetime import timedelta

import pytest
from celery.signals import before_task_publish
from django.db import transaction
from django.utils import timezone
from kombu import Connection

from outbox import engine, tasks
from outbox.models import State, queues
from protests.models import Delivery, SuspensionNotice
from tests.factories import DeliveryFactory, TargetFactory
from tests.sinks import free_port


@pytest.fixture
def rung_with():
    """The arguments of the tasks that were handed to the broker."""
    given = []

    def hear(sender, body, **kwargs):
        given.append(body[0])

    before_task_publish.connect(hear)
    yield given
    before_task_publish.disconnect(hear)


@pytest.mark.django_db(transaction=True)
def test_the_sweep_takes_back_what_dead_workers_hold():
    mail = DeliveryFactory()
    Delivery.objects.update(state=State.SENDING, lease="x", leased_until=timezone.now() - timedelta(seconds=1))

    tasks.sweep()

    mail.refresh_from_db()
    assert mail.state == State.QUEUED


@pytest.mark.django_db(transaction=True)
def test_the_sweep_rings_for_what_is_due_and_only_then(rung):
    tasks.sweep()
    assert rung == []
    DeliveryFactory()

    tasks.sweep()

    assert rung == ["outbox.tasks.send"]


def test_a_bell_that_many_pull_within_a_moment_rings_once_at_its_end(rung_with, settings, monkeypatch):
    monkeypatch.setattr(tasks.send, "_rings_at", 0.0)
    settings.BELL_SECONDS = 60
    for queue in ("a", "a", "b", "a"):
        tasks.send.delay(queue)
    tasks.send.apply_async(("a",), at_once=True)
    assert [args for (args,) in rung_with] == ["a", "a"]


def test_a_bell_rings_again_when_the_moment_has_passed(rung_with, settings, monkeypatch):
    monkeypatch.setattr(tasks.send, "_rings_at", 0.0)
    settings.BELL_SECONDS = 1e-9
    tasks.send.delay("a")
    tasks.send.delay("a")
    assert len(rung_with) == 2


@pytest.mark.django_db(transaction=True)
def test_the_task_sends_the_queue_that_its_label_names(sink):
    DeliveryFactory()

    tasks.send(Delivery._meta.label_lower)

    assert len(sink.taken) == 1


@pytest.mark.django_db(transaction=True)
def test_with_a_slow_server_no_queue_waits_for_the_end_of_another(sink, rung_with, monkeypatch):
    monkeypatch.setattr(engine, "RUN_SECONDS", 0.1)
    sink.delay = 0.06
    for _ in range(5 * len(queues())):
        DeliveryFactory()
    notice = SuspensionNotice.objects.create(target=TargetFactory(), email="embassy@example.org", because="550")

    tasks.send()
    for _ in queues():
        tasks.send(*rung_with[-1])

    notice.refresh_from_db()
    assert notice.state == State.ACCEPTED
    assert Delivery.objects.waiting().exists()


def test_a_broker_that_is_down_disturbs_nobody(caplog):
    with Connection(f"redis://127.0.0.1:{free_port()}/0", transport_options={"socket_connect_timeout": 1}) as dead:
        assert tasks.send.apply_async(("protests.delivery",), connection=dead, retry=False) is None

    assert "next sweep" in caplog.text


def test_a_broker_that_is_down_is_not_asked_by_everybody(rung_with, settings, monkeypatch):
    monkeypatch.setattr(tasks.send, "_rings_at", 0.0)
    settings.BELL_SECONDS = 1e-9
    with Connection(f"redis://127.0.0.1:{free_port()}/0", transport_options={"max_retries": 0}) as dead:
        for _visitor in range(3):
            assert tasks.send.apply_async(("a",), connection=dead) is None

    assert len(rung_with) == 1


@pytest.mark.django_db(transaction=True)
def test_the_bell_rings_only_when_the_rows_are_there(rung):
    with transaction.atomic():
        DeliveryFactory()
        tasks.send.delay_on_commit("protests.delivery")
        assert rung == []

    assert rung == ["outbox.tasks.send"]
