"""
Who holds a mail: a worker's lease, and whether that worker lives.

On PostgreSQL a worker keeps a session-level advisory lock as long as it holds mails. The database frees it when the
worker's connection dies, so that a killed worker is noticed at once. Elsewhere, and where a pooler keeps the dead
worker's session, the time in `leased_until` has to run out.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

from django.db import Error as DatabaseError
from django.db import connection


@contextmanager
def hold() -> Iterator[str]:
    """Yield a new lease; until the end of the block its holder counts as living."""
    lease = secrets.token_hex(16)
    if connection.vendor != "postgresql":
        yield lease
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_lock_of(lease)])
    try:
        yield lease
    finally:
        with suppress(DatabaseError), connection.cursor() as cursor:  # a broken connection has freed it
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_lock_of(lease)])


def of_the_dead(leases: list[str]) -> list[str]:
    """Return those of `leases` whose holder is known to live no longer; they must have been read before the call."""
    if connection.vendor != "postgresql" or not leases:
        return []
    with connection.cursor() as cursor:
        # pg_locks instead of a try at the lock: behind a pooler a session could get the lock that it holds itself.
        cursor.execute(
            "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        living = {lock for (lock,) in cursor.fetchall()}
    return [lease for lease in leases if _lock_of(lease) not in living]


def _lock_of(lease: str) -> int:
    """Return the number of a lease's lock: 64 bits, signed."""
    return int.from_bytes(sha256(lease.encode()).digest()[:8], signed=True)
