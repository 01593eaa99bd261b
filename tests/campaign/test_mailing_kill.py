"""A mailing whose worker is killed: `make drill DRILLS=mailing` in small."""

import signal
import time
from collections import Counter

import pytest

from campaign import mailing
from campaign.models import Mailing, MailingCopy
from campaign.tasks import enqueue_mailings
from outbox import tasks
from outbox.models import State
from tests.factories import OrganiserFactory, SubscriberFactory, UpdateFactory
from tests.outbox.test_kill import start_worker  # noqa: F401 - a fixture
from tests.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
SUBSCRIBERS = 60


def test_a_mailing_whose_worker_is_killed_twice_reaches_each_once_and_none_twice(sink, start_worker):  # noqa: F811
    readers = SubscriberFactory.create_batch(SUBSCRIBERS)
    made = Mailing.objects.create(update=UpdateFactory(), created_by=OrganiserFactory())
    sink.delay = 0.02
    mailing.approve(made, OrganiserFactory(), mailing.fingerprint(mailing.texts(made)))
    swept = [0.0]

    def swept_until(condition):
        def is_so():
            if time.monotonic() > swept[0] + 1:  # beat's part
                swept[0] = time.monotonic()
                enqueue_mailings.delay()
                tasks.sweep.delay()
            return condition()

        wait_until(is_so, 60, f"there were {Counter(MailingCopy.objects.values_list('state', flat=True))}")

    for kill in (1, 2):
        worker = start_worker()
        swept_until(lambda kill=kill: len(sink.taken) >= kill * SUBSCRIBERS // 4)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    assert MailingCopy.objects.exclude(state=State.ACCEPTED).exists()
    start_worker()
    swept_until(lambda: not MailingCopy.objects.filter(state__in=["queued", "sending", "deferred"]).exists())

    times = Counter(mail.rcpt_tos[0] for mail in sink.taken)
    states = Counter(MailingCopy.objects.values_list("state", flat=True))
    assert set(times.values()) == {1}
    assert states[State.ACCEPTED] + states[State.IN_DOUBT] == SUBSCRIBERS
    assert states[State.IN_DOUBT] <= 2
    assert len({reader.email for reader in readers} - times.keys()) <= states[State.IN_DOUBT]
