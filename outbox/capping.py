"""
How many mails one mailbox gets a day, over all queues that answer a public form.

Anybody can type anybody's address into a form, with a +tag as often as they like: no form must serve to flood a
mailbox. A queue takes part by a column `recipient_tag` (privacy.addresses.mailbox_tag).
"""

from datetime import timedelta
from functools import cache

from django.db import connection
from django.utils import timezone

from outbox.models import queues

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
def _counting() -> tuple[str, int]:
    """Return the query that counts a mailbox's mails, and in how many queues. Every post asks: put together once."""
    capped = [queue for queue in queues() if any(field.name == "recipient_tag" for field in queue._meta.fields)]
    counts = [
        f'(SELECT COUNT(*) FROM "{queue._meta.db_table}" WHERE recipient_tag = %s AND created_at > %s)'  # noqa: S608
        for queue in capped
    ]
    return f"SELECT {' + '.join(counts)}", len(capped)


def has_had_enough(mailbox: str) -> bool:
    """Whether the mailbox with this tag has had its mails for today."""
    since = connection.ops.adapt_datetimefield_value(timezone.now() - timedelta(days=1))
    query, count = _counting()
    with connection.cursor() as cursor:
        cursor.execute(query, [mailbox, since] * count)
        (had,) = cursor.fetchone()
    return bool(had >= MAILS_A_DAY)
