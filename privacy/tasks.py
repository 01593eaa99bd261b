from celery import shared_task

from privacy import purging


@shared_task
def purge() -> None:
    """Delete what is past its date."""
    purging.run_if_due()
