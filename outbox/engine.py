"""
The engine: claims due mails of any queue, sends them, and records what became of each.

SMTP cannot promise exactly once. The promise here: no mail is lost, and none is sent twice on our own account.

- A worker claims rows for the time of a lease. A worker that dies loses its rows when the lease runs out.
- Just before a message's final dot goes out, its row is marked in a commit of its own. A dead worker's unmarked rows
  go back to the queue; a marked one (at most one per worker) may have arrived, and waits for a person: `in_doubt`.
- The mark counts only if it changed the row under this claim's lease, so a worker that was held up too long
  cannot send what another one has taken over.
- A row alone owns its retries; Celery only rings.
"""

import logging
import random
import re
import secrets
import time
from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from outbox.bounces import address_for
from outbox.dkim_signing import sign
from outbox.messages import Withdrawn, compose, one_line
from outbox.models import WAITING, OutgoingMail, State
from outbox.pacing import choose
from outbox.readiness import gate
from outbox.smtp import Broken, Connection, InDoubt, Refused, Reply, Unavailable

logger = logging.getLogger(__name__)

Queue = type[OutgoingMail]

BATCH = 20
# Seconds after which a run hands over to the next, so that one queue does not keep a worker from the others.
RUN_SECONDS = 10
# Breaks in the middle of a message, one after the other, after which the server counts as unavailable.
BREAKS = 3
LONGEST_BACKOFF = timedelta(hours=4)


class LeaseLost(Exception):
    """Another worker may hold this row by now: it must not be sent here."""


class PaceChanged(Exception):
    """With the answer just recorded, the rest of the claim is to be given back."""


def send_due(*some: Queue) -> bool:
    """
    Send what is due in these queues, for RUN_SECONDS at the most. Return whether there may be more to send at once.

    The queues take turns batch by batch: who has just signed does not wait for ten thousand letters. Must not run in
    a transaction: what happened to a mail has to be committed mail by mail.
    """
    for queue in some:
        settle_expired(queue)
    try:
        gate.pass_or_raise()
    except Unavailable as error:
        logger.warning("Nothing is sent: %s", error)
        return False
    deadline = time.monotonic() + RUN_SECONDS
    turns = deque(some)
    with Connection() as connection:
        while turns and time.monotonic() < deadline:
            queue = turns.popleft()
            lease, mails = claim(queue, BATCH)
            try:
                _send_batch(connection, lease, mails, deadline)
            except Unavailable as error:
                logger.warning("%s: the mail server is not available: %s", queue.__name__, error)
                _release(queue, lease, after=_backoff(1))
                return False
            finally:
                _release(queue, lease)
            if mails:
                turns.append(queue)
    return bool(turns)


def settle_expired(queue: Queue) -> None:
    """Take back what dead workers hold: to the queue what cannot have left, in doubt what may have arrived."""
    held = queue._default_manager.filter(state=State.SENDING, leased_until__lt=timezone.now())
    held.filter(handing_over_at=None).update(state=State.QUEUED, lease="", leased_until=None)
    held.filter(handing_over_at__isnull=False).update(
        state=State.IN_DOUBT, reply="The worker died while it handed the message over."
    )


def claim(queue: Queue, size: int) -> tuple[str, list[Any]]:
    """
    Claim up to `size` rows that may be sent now; return the lease and the rows.

    Whatever chose them, the conditional UPDATE decides.
    """
    lease = secrets.token_hex(16)
    with transaction.atomic():
        if keys := choose(queue, size):
            queue._default_manager.filter(pk__in=keys, state__in=WAITING).update(
                state=State.SENDING, lease=lease, leased_until=_lease_end()
            )
    return lease, list(queue.for_composing().filter(lease=lease, state=State.SENDING).order_by("pk")) if keys else []


def _send_batch(connection: Connection, lease: str, mails: Iterable[OutgoingMail], deadline: float) -> None:
    breaks = 0
    for mail in mails:
        if time.monotonic() > deadline:
            return
        try:
            _send_one(connection, lease, mail)
            breaks = 0
        except PaceChanged:
            return
        except Broken as error:
            breaks += 1
            if breaks == BREAKS:
                raise Unavailable(str(error)) from error


def _send_one(connection: Connection, lease: str, mail: OutgoingMail) -> None:
    """Send one claimed mail and record what became of it. Raises Unavailable, and Broken once that is recorded."""
    try:
        message = compose(mail)
        content = sign(message.as_bytes())
    except (DatabaseError, Unavailable):  # Unavailable: a key that cannot be read is not the message's fault
        raise
    except Withdrawn as reason:
        doubt: dict[str, Any] = {"handing_over_at": mail.maybe_left_at} if mail.maybe_left_at else {}
        _record(lease, mail, State.IN_DOUBT if doubt else State.CANCELLED, reply=str(reason), **doubt)
        return
    except Exception as error:  # noqa: BLE001 - one poisoned message must not stop the queue behind it
        # The words of the error may hold a name or an address: its kind alone is kept.
        logger.warning("%s %s cannot be built: %s", type(mail).__name__, mail.pk, type(error).__name__)
        _record(lease, mail, State.FAILED, reply=f"The message could not be built ({type(error).__name__}).")
        return
    try:
        reply = connection.send(address_for(mail), message.rcpt_to, content, lambda: _mark(lease, mail))
    except LeaseLost:
        logger.warning("%s %s: the lease ran out before it was handed over", type(mail).__name__, mail.pk)
    except Broken as error:
        _put_off(lease, mail, None, str(error))
        raise
    except Refused as refused:
        code, words = refused.reply.code, _scrubbed(refused.reply, message.rcpt_to)
        if 400 <= code < 500:
            _put_off(lease, mail, code, words)
        else:
            _record(lease, mail, State.BOUNCED, code=code, reply=words)
    except InDoubt as error:
        _record(lease, mail, State.IN_DOUBT, reply=str(error), handing_over_at=timezone.now())
    else:
        accepted = {"handing_over_at": F("handing_over_at"), **mail.forget()}
        _record(lease, mail, State.ACCEPTED, code=reply.code, reply=_scrubbed(reply, message.rcpt_to), **accepted)


def _mark(lease: str, mail: OutgoingMail) -> None:
    now = timezone.now()
    marked = (
        type(mail)
        ._default_manager.filter(pk=mail.pk, lease=lease, state=State.SENDING, leased_until__gt=now)
        .update(handing_over_at=now, leased_until=_lease_end())
    )
    if marked != 1:
        raise LeaseLost


def _put_off(lease: str, mail: OutgoingMail, code: int | None, reply: str) -> None:
    """Try again later, or give up when the mail is too old."""
    if timezone.now() >= mail.gives_up_at:
        reply = f"Given up after {settings.OUTBOX_GIVE_UP_DAYS} days. Last answer: {reply}"
        _record(lease, mail, State.FAILED, code=code, reply=reply)
    else:
        now = timezone.now()
        later, since = now + _backoff(mail.attempts + 1), mail.deferred_since or now
        _record(lease, mail, State.DEFERRED, code=code, reply=reply, next_attempt_at=later, deferred_since=since)


def _record(
    lease: str, mail: OutgoingMail, state: State, *, code: int | None = None, reply: str = "", **columns: Any
) -> None:
    """
    Write down what became of a mail, if this claim still holds it, and let the queue know.

    A row that was put in doubt meanwhile, because the server took longer than the lease to answer, still takes the
    answer: it is the evidence that was missing.
    """
    recorded = (
        type(mail)
        ._default_manager.filter(pk=mail.pk, lease=lease, state__in=(State.SENDING, State.IN_DOUBT))
        .update(
            **{
                "state": state,
                "attempts": F("attempts") + 1,
                "reply_code": code,
                "reply": one_line(reply)[:500],
                "settled_at": None if state in {State.DEFERRED, State.IN_DOUBT} else timezone.now(),
                "handing_over_at": None,
                "lease": lease if state == State.IN_DOUBT else "",
                "leased_until": None,
                **columns,
            }
        )
    )
    if recorded != 1:
        logger.error("%s %s: somebody else settled it before this answer: %s", type(mail).__name__, mail.pk, state)
    elif mail.answered(state):
        raise PaceChanged


def _release(queue: Queue, lease: str, after: timedelta = timedelta(0)) -> None:
    """Give back the rows of a claim that were not sent, without counting an attempt."""
    queue._default_manager.filter(lease=lease, state=State.SENDING, handing_over_at=None).update(
        state=State.QUEUED, lease="", leased_until=None, next_attempt_at=timezone.now() + after
    )


def _lease_end() -> Any:
    return timezone.now() + timedelta(seconds=settings.OUTBOX_LEASE_SECONDS)


def _backoff(attempt: int) -> timedelta:
    """Return the wait before the next attempt: doubled each time, capped, and spread so that retries do not crowd."""
    wait = min(timedelta(seconds=settings.OUTBOX_BACKOFF_SECONDS) * 2 ** min(attempt - 1, 20), LONGEST_BACKOFF)
    return wait * random.uniform(0.75, 1.25)  # noqa: S311 - no secret


def _scrubbed(reply: Reply, rcpt_to: str) -> str:
    """Return the server's words without the recipient's address, which servers like to repeat."""
    local_part = rcpt_to.rpartition("@")[0]
    return re.sub(rf"{re.escape(rcpt_to)}|\b{re.escape(local_part)}\b", "…", reply.text, flags=re.IGNORECASE)
