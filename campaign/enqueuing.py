"""
Writing each subscriber's copy of a mailing. The copies are rows of the outbox, which sends each once.

They are written batch by batch, in the order of the subscribers' keys, each batch in one transaction: whoever is
killed in between, the next one goes on behind the last copy.
"""

import time

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from campaign.models import Mailing, MailingCopy, Subscriber
from outbox.tasks import send

BATCH = 500
# Seconds after which a run hands over to the next, so that a task is short.
RUN_SECONDS = 10


def recipients(mailing: Mailing) -> QuerySet[Subscriber]:
    """Return who is to get it: those who had confirmed when it was approved, and have not left."""
    found = Subscriber.objects.to_get(mailing.update).reachable()
    return found.filter(confirmed_at__lte=mailing.approved_at) if mailing.approved_at else found


def enqueue_due() -> bool:
    """Write the copies that are missing, for RUN_SECONDS at the most; return whether there may be more."""
    deadline = time.monotonic() + RUN_SECONDS
    for pk in list(Mailing.objects.to_enqueue().order_by("approved_at").values_list("pk", flat=True)):
        while _enqueue(pk):
            if time.monotonic() > deadline:
                return True
    return False


@transaction.atomic
def _enqueue(pk: int) -> bool:
    """Write one batch of copies; return whether there may be more."""
    unfinished = Mailing.objects.to_enqueue().select_related("update")
    mailing = unfinished.select_for_update(of=("self",)).filter(pk=pk).first()
    if mailing is None:
        return False
    last = mailing.copies.aggregate(last=Max("subscriber"))["last"] or 0
    keys = list(recipients(mailing).filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH])
    MailingCopy.objects.bulk_create([MailingCopy(mailing=mailing, subscriber_id=key) for key in keys])
    send.delay_on_commit(MailingCopy._meta.label_lower)
    if len(keys) == BATCH:
        return True
    mailing.enqueued_at = timezone.now()
    mailing.save(update_fields=["enqueued_at"])
    return False
