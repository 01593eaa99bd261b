"""A worker that is killed with SIGKILL in the middle of its work, and the one that is started after it."""

import signal
import time
from collections import Counter
from contextlib import ExitStack

import pytest

from outbox import tasks
from outbox.models import State
from protests.models import Delivery
from tests.factories import DeliveryFactory, LetterTextFactory, TargetFactory
from tests.processes import database_url, environment, started

pytestmark = pytest.mark.django_db(transaction=True)

LETTERS = 200


@pytest.fixture
def start_worker(sink, settings):
    env = environment(
        settings.VAR_DIR,
        DATABASE_URL=database_url(),
        CELERY_BROKER_URL=settings.CELERY_BROKER_URL,
        EMAIL_URL=f"smtp://127.0.0.1:{sink.port}",
        OUTBOX_LEASE_SECONDS=2,
    )
    with ExitStack() as workers:
        yield lambda: workers.enter_context(
            started("-m", "celery", "-A", "config", "worker", "--pool=solo", "--without-mingle", "-l", "error", env=env)
        )


def wait_for(condition, ring=lambda: None, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, Counter(Delivery.objects.values_list("state", flat=True))
        ring()
        time.sleep(0.05)


def test_a_worker_killed_in_the_middle_loses_nothing_and_sends_nothing_twice(sink, start_worker):
    text, target = LetterTextFactory(), TargetFactory()
    mails = [DeliveryFactory(signature__text=text, target=target) for _ in range(LETTERS)]
    sink.delay = 0.005

    first = start_worker()
    tasks.send.delay(Delivery._meta.label_lower)
    wait_for(lambda: len(sink.taken) > LETTERS // 4)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert Delivery.objects.waiting().exists()

    start_worker()
    swept = [0.0]

    def sweep():
        if time.monotonic() > swept[0] + 1:
            swept[0] = time.monotonic()
            tasks.sweep.delay()

    wait_for(lambda: not Delivery.objects.filter(state__in=["queued", "sending", "deferred"]).exists(), ring=sweep)

    states = Counter(Delivery.objects.values_list("state", flat=True))
    assert states[State.ACCEPTED] + states[State.IN_DOUBT] == LETTERS
    assert states[State.IN_DOUBT] <= 1
    assert max(Counter(sink.message_ids()).values()) == 1
    taken = set(sink.message_ids())
    assert set(Delivery.objects.filter(state=State.ACCEPTED).values_list("message_id", flat=True)) <= taken
    assert taken <= {mail.message_id for mail in mails}
