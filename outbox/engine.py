"""
The engine: claims due mails of any queue, sends them, and records what became of each.

SMTP cannot promise exactly once. The promise here: no mail is lost, and none is sent twice on our own account.

- A worker claims rows under a lease (outbox.leases). A worker that dies loses its rows: at once where the database
  notices, else when the time of the lease is over.
- Before a message's final dot goes out, its row is marked, in the commit that records the message before. A dead
  worker's unmarked rows go back to the queue; the marked one may have arrived, and waits for a person: `in_doubt`.
- The mark counts only if it changed the row under this lease, so a worker that was held up too long cannot send what
  another one has taken over.
- A row alone owns its retries; Celery only rings.
"""

import logging
import random
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, transaction
from django.db import connection as db_connection
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from outbox import leases
from outbox.bounces import address_for
from outbox.dkim_signing import sign
from outbox.ledger import Accepted, Ledger, open_ledger
from outbox.messages import Withdrawn, compose, one_line
from outbox.models import WAITING, Heartbeat, OutgoingMail, State
from outbox.pacing import choose
from outbox.readiness import gate
from outbox.smtp import Broken, Connection, InDoubt, Refused, Reply, Unavailable
from privacy.showing import without_addresses

logger = logging.getLogger(__name__)

Queue = type[OutgoingMail]

# Rows that are claimed at once: as many as are sent in about TURN_SECONDS, so that all queues get their turn and a
# pause is heard soon.
SMALLEST_CLAIM, LARGEST_CLAIM = 20, 400
TURN_SECONDS = 1.0
# Seconds after which a run hands over to the next, so that one queue does not keep a worker from the others.
RUN_SECONDS = 10
# Breaks in the middle of a message, or messages without an answer, one after the other, after which the server counts
# as unavailable.
BREAKS = 3
# Columns that sending writes and does not read: to load ten thousand times what is not used takes its time.
_WRITTEN_ALONE = (
    "state",
    "next_attempt_at",
    "lease",
    "leased_until",
    "handing_over_at",
    "settled_at",
    "reply_code",
    "reply",
)
LONGEST_BACKOFF = timedelta(hours=4)


def send_due(*some: Queue) -> Queue | None:
    """
    Send what is due in these queues, for RUN_SECONDS at the most. Return whose turn is next if there may be more.

    The queues take turns claim by claim: who has just signed does not wait for ten thousand letters. Must not run in
    a transaction: what happened to a mail has to be committed mail by mail.
    """
    for queue in _having(some, lambda mails: mails.held().filter(state=State.SENDING)):
        settle_expired(queue)
    if Heartbeat.paused_since():
        logger.warning("Nothing is sent: a backup was restored. `manage.py resume_mail` lets mail leave again.")
        return None
    try:
        gate.pass_or_raise()
    except Unavailable as error:
        logger.warning("Nothing is sent: %s", error)
        return None
    deadline = time.monotonic() + RUN_SECONDS
    # Also those that their pace or a pause keeps back, which only claiming them tells.
    waiting = _having(some, lambda mails: mails.waiting().filter(next_attempt_at__lte=timezone.now()))
    turns = deque((queue, SMALLEST_CLAIM) for queue in waiting)
    with leases.hold() as lease, open_ledger() as ledger, Connection() as connection:
        while turns and (began := time.monotonic()) < deadline:
            queue, size = turns.popleft()
            try:
                mails = claim(queue, size, lease)
                _Sending(connection, ledger, lease).run(mails, deadline)
            except Unavailable as error:
                logger.warning("%s: the mail server is not available: %s", queue.__name__, error)
                _release(queue, lease, after=_backoff(1))
                return None
            finally:
                _release(queue, lease)
            if mails:
                quick = time.monotonic() - began < TURN_SECONDS / 2
                turns.append((queue, min(size * 2, LARGEST_CLAIM) if quick else SMALLEST_CLAIM))
    return turns[0][0] if turns else None


def _having(some: Sequence[Queue], such: Callable[[Any], QuerySet[Any]]) -> list[Queue]:
    """Return the queues that have such mails, in one statement: most have none, and every bell asks."""
    asked = [such(queue._default_manager).order_by().values("pk").query.sql_with_params() for queue in some]
    with db_connection.cursor() as cursor:
        statement = ", ".join(f"EXISTS ({query})" for query, _values in asked)
        cursor.execute(f"SELECT {statement}", [value for _query, values in asked for value in values])
        return [queue for queue, found in zip(some, cursor.fetchone(), strict=True) if found]


def settle_expired(queue: Queue) -> None:
    """Take back what dead workers hold: to the queue what cannot have left, in doubt what may have arrived."""
    held = queue._default_manager.held().filter(state=State.SENDING)
    dead = leases.of_the_dead(list(held.values_list("lease", flat=True).distinct()))
    lost = held.filter(Q(leased_until__lt=timezone.now()) | Q(lease__in=dead))
    lost.filter(handing_over_at=None).update(state=State.QUEUED, lease="", leased_until=None)
    lost.filter(handing_over_at__isnull=False).update(
        state=State.IN_DOUBT, reply="The worker died while it handed the message over."
    )


def claim(queue: Queue, size: int, lease: str) -> list[Any]:
    """Claim up to `size` rows that may be sent now, and return them."""
    with transaction.atomic():
        keys = choose(queue, size)
        waiting = queue._default_manager.filter(pk__in=keys, state__in=WAITING)  # whatever chose them
        # For how long its turn had come was our doing, not the server's: it does not count towards giving up.
        now = timezone.now()
        since = F("deferred_since") + (now - F("next_attempt_at"))
        held = {"state": State.SENDING, "lease": lease, "leased_until": _lease_end()}
        if not keys or not waiting.update(**held, deferred_since=since, next_attempt_at=now):
            return []
    return list(queue.for_composing().defer(*_WRITTEN_ALONE).filter(pk__in=keys, lease=lease, state=State.SENDING))


@dataclass(frozen=True)
class _Message:
    """A mail, ready to be handed over."""

    mail: OutgoingMail
    mail_from: str
    rcpt_to: str
    content: bytes


@dataclass(frozen=True)
class _Outcome:
    """What has become of a mail, and is to be written down."""

    mail: OutgoingMail
    state: State
    reply: str
    code: int | None = None
    columns: dict[str, Any] = field(default_factory=dict)


class _Sending:
    """
    A claim on its way over a connection, mail by mail.

    One commit a mail records what became of the last one and marks this one. Then the dot of this one goes out,
    together with the envelope of the next. So at any time one mail at most is marked and not recorded.
    """

    def __init__(self, connection: Connection, ledger: Ledger, lease: str) -> None:
        self._connection = connection
        self._ledger = ledger
        self._lease = lease
        self._mails: Iterator[OutgoingMail] = iter(())
        self._ahead: _Message | _Outcome | Exception | None = None  # composed while a commit was under way
        self._handed: _Message | None = None
        self._silences = 0  # messages without an answer, one after the other
        self._enough = False  # an answer changed the pace: the rest is to be chosen anew

    def run(self, mails: Iterable[OutgoingMail], deadline: float) -> None:
        """Send until `deadline`, of the monotonic clock. Raises Unavailable; what was answered is written down."""
        self._mails = iter(mails)
        breaks = 0
        try:
            while not self._enough and time.monotonic() < deadline and (message := self._next()):
                try:
                    self._hand_over(message)
                    breaks = 0
                except Broken as error:
                    breaks += 1
                    if breaks == BREAKS:
                        raise Unavailable(str(error)) from error
        finally:
            self._write_down(self._answer())

    def _next(self) -> _Message | None:
        """Return the next message that can be sent; set aside what cannot. Raises what kept one from being composed."""
        while True:
            ready = self._ahead or self._composed()
            self._ahead = None
            if isinstance(ready, Exception):
                raise ready
            if not isinstance(ready, _Outcome):
                return ready
            self._write_down(ready)

    def _composed(self) -> _Message | _Outcome | Exception | None:
        """Return the next message, or what becomes of the mail without it, or what kept it from being composed."""
        mail = next(self._mails, None)
        if mail is None:
            return None
        try:
            message = compose(mail)
            content = sign(message.as_bytes())
        except (DatabaseError, Unavailable) as error:  # Unavailable: an unreadable key is not the message's fault
            return error
        except Withdrawn as reason:
            left = {"handing_over_at": mail.maybe_left_at} if mail.maybe_left_at else {}
            return _Outcome(mail, State.IN_DOUBT if left else State.CANCELLED, str(reason), columns=left)
        except Exception as error:  # noqa: BLE001 - one poisoned message must not stop the queue behind it
            # The words of the error may hold a name or an address: its kind alone is kept.
            kind = type(error).__name__
            logger.warning("%s %s cannot be built: %s", type(mail).__name__, mail.pk, kind)
            return _Outcome(mail, State.FAILED, f"The message could not be built ({kind}).")
        return _Message(mail, address_for(mail), message.rcpt_to, content)

    def _hand_over(self, message: _Message) -> None:
        """Hand one message over, after writing down the last. Raises Unavailable, or Broken once recorded."""
        self._connection.announce(message.mail_from, message.rcpt_to)
        last = self._answer()
        if last and self._silences >= BREAKS:  # each of them waits for a person: not the whole queue
            self._write_down(last)
            raise Unavailable(last.reply)
        try:
            self._connection.go_ahead()
            self._connection.body(message.content)
        except Unavailable:
            self._write_down(last)
            raise
        except Broken as error:
            self._write_down(last, _put_off(message.mail, str(error)))
            raise
        except Refused as refused:
            self._write_down(last, _refused(message, refused.reply))
            return
        try:
            marked = self._mark(message.mail, last)
        except DatabaseError:
            # Nobody else knows the answer to the last one; and this one, marked or not, has certainly not left.
            self._connection.drop()
            self._write_down(last, _put_off(message.mail, "The database was not available."))
            raise
        if not marked:
            logger.warning("%s %s: the lease ran out before it left", type(message.mail).__name__, message.mail.pk)
            self._connection.drop()
            return
        try:
            self._connection.dot()
        except Broken as error:
            self._write_down(_put_off(message.mail, str(error)))
            raise
        self._handed = message

    def _answer(self) -> _Outcome | None:
        """Return what became of the message that was handed over, if one was."""
        message, self._handed = self._handed, None
        if message is None:
            return None
        handed_over = {"handing_over_at": F("handing_over_at")}
        silences, self._silences = self._silences, 0
        try:
            reply = self._connection.answer()
        except InDoubt as error:
            self._silences = silences + 1
            return _Outcome(message.mail, State.IN_DOUBT, str(error), columns=handed_over)
        except Refused as refused:
            return _refused(message, refused.reply)
        columns = {**handed_over, **message.mail.forget()}
        return _Outcome(message.mail, State.ACCEPTED, _scrubbed(reply, message.rcpt_to), reply.code, columns)

    def _mark(self, mail: OutgoingMail, last: _Outcome | None) -> bool:
        """
        Mark the mail as being handed over, and write down what became of the last. Return whether it may go.

        The mark counts only under this claim's lease: a worker that was held up too long has lost it.
        """
        now, until = timezone.now(), _lease_end()
        if last is None or last.state != State.ACCEPTED:
            self._write_down(last)
            return self._held(mail).filter(leased_until__gt=now).update(handing_over_at=now, leased_until=until) == 1
        answer = Accepted(last.mail, last.code, _fitting(last.reply), last.mail.forget())
        self._ledger.begin(self._lease, answer, mail, now, until)
        self._ahead = self._composed()
        changed = self._ledger.end()
        marked = changed == 2 or self._held(mail).filter(handing_over_at=now).exists()
        self._note(last, recorded=changed - marked == 1)
        return marked

    def _held(self, mail: OutgoingMail) -> QuerySet[Any]:
        return type(mail)._default_manager.filter(pk=mail.pk, lease=self._lease, state=State.SENDING)

    def _write_down(self, *outcomes: _Outcome | None) -> None:
        """
        Record outcomes, each in a commit of its own.

        The server's answer is known to nobody else: while the database restarts, it is tried again for a while.
        """
        for outcome in filter(None, outcomes):
            recorded = None
            for wait in (0.2, 1, 2, 4, 8, None):
                try:
                    if recorded is None:
                        recorded = _record(self._lease, outcome) == 1
                    self._note(outcome, recorded=recorded)
                    break
                except (OperationalError, InterfaceError):
                    if wait is None:
                        raise
                    db_connection.close()
                    time.sleep(wait)

    def _note(self, outcome: _Outcome, *, recorded: bool) -> None:
        mail = outcome.mail
        if not recorded:
            kind = type(mail).__name__
            logger.error("%s %s: somebody else settled it before this answer: %s", kind, mail.pk, outcome.state)
        elif mail.answered(outcome.state):
            self._enough = True


def _record(lease: str, outcome: _Outcome) -> int:
    """
    Write down what became of a mail, if this claim still holds it; return how many rows that are.

    A row that was put in doubt meanwhile, because the server took longer than the lease to answer, still takes the
    answer: it is the evidence that was missing.
    """
    held = type(outcome.mail)._default_manager.filter(
        pk=outcome.mail.pk, lease=lease, state__in=(State.SENDING, State.IN_DOUBT)
    )
    in_doubt = outcome.state == State.IN_DOUBT
    unsettled = in_doubt or outcome.state == State.DEFERRED
    return held.update(
        **{
            "state": outcome.state,
            "attempts": F("attempts") + 1,
            "reply_code": outcome.code,
            "reply": _fitting(outcome.reply),
            "settled_at": None if unsettled else timezone.now(),
            "handing_over_at": None,
            "lease": lease if in_doubt else "",
            "leased_until": None,
            **outcome.columns,
        }
    )


def _refused(message: _Message, reply: Reply) -> _Outcome:
    """Return what a refusal makes of a mail: 4xx is for now, 5xx for good (RFC 5321, 4.2.1)."""
    words = _scrubbed(reply, message.rcpt_to)
    if 400 <= reply.code < 500:
        return _put_off(message.mail, words, reply.code)
    return _Outcome(message.mail, State.BOUNCED, words, reply.code)


def _put_off(mail: OutgoingMail, reply: str, code: int | None = None) -> _Outcome:
    """Return that it is tried again later, or given up when the server has put it off for too long."""
    now = timezone.now()
    if now >= mail.gives_up_at:
        reply = f"Given up after {settings.OUTBOX_GIVE_UP_DAYS} days. Last answer: {reply}"
        return _Outcome(mail, State.FAILED, reply, code)
    columns = {"next_attempt_at": now + _backoff(mail.attempts + 1), "deferred_since": mail.deferred_since or now}
    return _Outcome(mail, State.DEFERRED, reply, code, columns)


def _release(queue: Queue, lease: str, after: timedelta = timedelta(0)) -> None:
    """Give back the rows of a claim that were not sent, without counting an attempt."""
    queue._default_manager.held().filter(lease=lease, state=State.SENDING, handing_over_at=None).update(
        state=State.QUEUED, lease="", leased_until=None, next_attempt_at=timezone.now() + after
    )


def _lease_end() -> Any:
    return timezone.now() + timedelta(seconds=settings.OUTBOX_LEASE_SECONDS)


def _backoff(attempt: int) -> timedelta:
    """Return the wait before the next attempt: doubled each time, capped, and spread so that retries do not crowd."""
    wait = min(timedelta(seconds=settings.OUTBOX_BACKOFF_SECONDS) * 2 ** min(attempt - 1, 20), LONGEST_BACKOFF)
    return wait * random.uniform(0.75, 1.25)  # noqa: S311 - no secret


def _fitting(reply: str) -> str:
    """Return a server's words as the column takes them."""
    return one_line(reply)[:500]


def _scrubbed(reply: Reply, rcpt_to: str) -> str:
    """Return the server's words without any address; servers like to repeat the recipient's, or its first part."""
    local_part = rcpt_to.rpartition("@")[0]
    text = reply.text
    if local_part.casefold() in text.casefold():
        text = re.sub(rf"{re.escape(rcpt_to)}|\b{re.escape(local_part)}\b", "…", text, flags=re.IGNORECASE)
    return without_addresses(text)
