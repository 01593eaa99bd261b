"""Which mails of a queue are claimed next: what is due, unless the queue has a pace of its own."""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import Min

from outbox.models import OutgoingMail

Queue = type[OutgoingMail]
Chooser = Callable[[int], list[int]]
# How many of the mails that may leave now are looked at for the oldest one.
LOOKED_AT = 100
_choosers: dict[Queue, Chooser] = {}


def chooses(queue: Queue) -> Callable[[Chooser], Chooser]:
    """
    Register the decorated function, in an app's `emails` or `pacing` module, as what chooses the mails of `queue`.

    It is given a number and returns at most so many primary keys of rows that may be sent now. It runs in the
    transaction that claims them, before they are marked: its locks hold until the claim is committed.
    """

    def register(chooser: Chooser) -> Chooser:
        _choosers[queue] = chooser
        return chooser

    return register


def choose(queue: Queue, size: int) -> list[int]:
    """Return the keys of at most `size` mails to claim now. Must run in the transaction that claims them."""
    if queue in _choosers:
        return _choosers[queue](size)
    # With FOR UPDATE SKIP LOCKED workers pass by each other's rows; where a database lacks it, the transaction has
    # the only write lock.
    due = queue._default_manager.select_for_update(skip_locked=True).due()
    return list(due.order_by("next_attempt_at").values_list("pk", flat=True)[:size])


def oldest_due(queue: Queue) -> datetime | None:
    """Return since when the oldest mail waits of those that may leave now: what waits for its pace is not late."""
    with transaction.atomic():
        chosen = queue._default_manager.filter(pk__in=choose(queue, LOOKED_AT))
        oldest: datetime | None = chosen.aggregate(at=Min("next_attempt_at"))["at"]
        return oldest
