"""The bell. What is to be sent stands in the rows; these tasks only say that it is time to look."""

import logging
import time
from typing import Any

from celery import shared_task
from celery.contrib.django.task import DjangoTask
from celery.signals import after_task_publish
from django.conf import settings
from django.db import close_old_connections
from kombu.exceptions import OperationalError

from outbox import engine
from outbox.models import Heartbeat, queues
from privacy import clock

logger = logging.getLogger(__name__)


class Bell(DjangoTask):
    """A task that nobody misses: if the broker is down, the next sweep finds the rows."""

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().apply_async(*args, **kwargs)
        except (OperationalError, OSError) as error:
            logger.warning("The broker does not answer (%s); the next sweep will send.", type(error).__name__)
            return None


class GatheringBell(Bell):
    """
    A bell that rings once for all that pull it within BELL_SECONDS, at the end of them, so that nobody is missed.

    Whichever queue they mean: a worker goes through all of them. Fifty signatures a second would send it fifty times.
    """

    _rings_at = 0.0

    def apply_async(self, *args: Any, at_once: bool = False, **options: Any) -> Any:
        if at_once or not settings.BELL_SECONDS:
            return super().apply_async(*args, **options)
        now = time.monotonic()
        if now < self._rings_at:
            return None
        # Until it has rung: one alone waits for a broker that hangs, and while it is away the sweep sends.
        self._rings_at = now + settings.OUTBOX_SWEEP_SECONDS
        rung = super().apply_async(*args, countdown=settings.BELL_SECONDS, **options)
        if rung is not None:
            self._rings_at = now + settings.BELL_SECONDS
        return rung


# A bell that nobody heard within a minute is not worth hearing: the sweep has rung since.
@shared_task(base=GatheringBell, expires=60)
def send(queue: str = "") -> None:
    """Send what is due, first in the queue with the label `app.model`, in turns with all others."""
    if following := engine.send_due(*sorted(queues(), key=lambda model: model._meta.label_lower != queue)):
        send.apply_async((following._meta.label_lower,), at_once=True)


@shared_task(base=Bell)
def sweep() -> None:
    """Look at every queue, in case a bell was not heard."""
    for queue in queues():
        engine.settle_expired(queue)
    if any(queue._default_manager.due().exists() for queue in queues()):
        send.delay()


@shared_task(base=Bell)
def heartbeat() -> None:
    """Beat rings, a worker hears: both live. The time is noted while the clock can be trusted."""
    Heartbeat.stamp(Heartbeat.WORKER)
    clock.look()


@after_task_publish.connect(sender="outbox.tasks.heartbeat")
def beat_lives(**kwargs: Any) -> None:
    """Runs in beat, which alone rings this one: so its own death can be told from the workers'."""
    close_old_connections()  # no task ends in beat that would do it
    Heartbeat.stamp(Heartbeat.BEAT)
