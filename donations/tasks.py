"""The bell of what falls due; it stands in the rows when that is."""

from celery import shared_task

from donations import reminding
from outbox.tasks import Bell


@shared_task(base=Bell)
def remind() -> None:
    """Remind donors of instalments that have fallen due."""
    reminding.remind()
