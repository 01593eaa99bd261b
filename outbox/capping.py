"""
How many mails one mailbox gets a day, over all queues that answer a public form.

Anybody can type anybody's address into a form, with a +tag as often as they like: no form must serve to flood a
mailbox. A queue takes part by a column `recipient_tag` (privacy.addresses.mailbox_tag).
"""

from datetime import timedelta
from functools import cache

from django.db import connection
from django.utils import timezone

from outbox.models import OutgoingMail, queues

MAILS_A_DAY = 3


def take_turns(mailbox: str) -> None:
    """
    Make posts for one mailbox wait for each other until the transaction ends, so that the cap holds.

    SQLite lets one transaction write at a time anyway.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int(mailbox[:15], 16)])


@cache
def _capped() -> list[type[OutgoingMail]]:
    return [queue for queue in queues() if any(field.name == "recipient_tag" for field in queue._meta.fields)]


def has_had_enough(mailbox: str) -> bool:
    """Whether the mailbox with this tag has had its mails for today."""
    since = timezone.now() - timedelta(days=1)
    mine = {"recipient_tag": mailbox, "created_at__gt": since}
    first, *others = [queue._default_manager.filter(**mine).order_by().values("created_at") for queue in _capped()]
    return first.union(*others, all=True).count() >= MAILS_A_DAY
