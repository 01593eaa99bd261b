"""The bell of the mailings, for which copies are missing stands in the rows; and the sweeping of files."""

from celery import shared_task

from campaign import enqueuing, media_files
from outbox.tasks import Bell


@shared_task(base=Bell)
def enqueue_mailings() -> None:
    """Write the copies that subscribers are to get."""
    if enqueuing.enqueue_due():
        enqueue_mailings.delay()


@shared_task
def sweep_pictures() -> None:
    """Remove files that belong to no picture (daily)."""
    media_files.sweep()
