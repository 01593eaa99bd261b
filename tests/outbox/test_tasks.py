from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from kombu import Connection

from outbox import tasks
from outbox.models import State
from protests.models import Delivery
from tests.factories import DeliveryFactory
from tests.sinks import free_port


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


@pytest.mark.django_db(transaction=True)
def test_the_task_sends_the_queue_that_its_label_names(sink):
    DeliveryFactory()

    tasks.send(Delivery._meta.label_lower)

    assert len(sink.taken) == 1


def test_a_broker_that_is_down_disturbs_nobody(caplog):
    with Connection(f"redis://127.0.0.1:{free_port()}/0", transport_options={"socket_connect_timeout": 1}) as dead:
        assert tasks.send.apply_async(("protests.delivery",), connection=dead, retry=False) is None

    assert "next sweep" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_the_bell_rings_only_when_the_rows_are_there(rung):
    with transaction.atomic():
        DeliveryFactory()
        tasks.send.delay_on_commit("protests.delivery")
        assert rung == []

    assert rung == ["outbox.tasks.send"]
