"""The bell of the mailings; which copies are missing stands in the rows."""

from celery import shared_task

from campaign import enqueuing
from outbox.tasks import Bell


@shared_task(base=Bell)
def enqueue_mailings() -> None:
    """Write the copies that subscribers are to get."""
    if enqueuing.enqueue_due():
        enqueue_mailings.delay()
