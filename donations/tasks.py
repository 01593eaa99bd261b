"""The bells of what is done for the fund; it stands in the rows when there is something to do."""

from celery import shared_task

from donations import reminding, uploading
from outbox.tasks import Bell


@shared_task(base=Bell)
def remind() -> None:
    """Remind donors of instalments that have fallen due."""
    reminding.remind()


@shared_task(base=Bell)
def import_statements() -> None:
    """Import the banks' files that organisers have uploaded."""
    uploading.work()
