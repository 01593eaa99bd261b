"""The bells of what is told; it stands in the rows when that is due."""

from celery import shared_task

from outbox.tasks import Bell
from protests import proving, tallying, telling


@shared_task(base=Bell)
def write_digest() -> None:
    """Write the organisers' mail of the day, if it is time."""
    telling.write_digest()


@shared_task(base=Bell)
def tell_signers() -> None:
    """Tell signers of letters that did not get through."""
    telling.tell_signers()


@shared_task(base=Bell)
def tally() -> None:
    """Count the signatures for the public pages."""
    tallying.tally()


@shared_task(base=Bell)
def log_letters() -> None:
    """Take accepted letters into the public log, and sign it."""
    proving.keep()
