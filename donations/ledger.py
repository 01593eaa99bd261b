"""
The ledger: each change to the fund's money as an event in a hash chain, and whether chain and books agree.

An event is written in the transaction of what it tells, by the verb that does it. What it holds of a row is made from
that row by FACTS, here and when it is checked: a row that was changed, added or taken away past the verbs shows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db import OperationalError, connection, models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from donations import balances, triggers
from donations.chaining import digest, seal, text_hash
from donations.models import (
    Allocation,
    Approval,
    BankAccount,
    BankStatement,
    Cancellation,
    CollectionSheet,
    Disbursement,
    Evidence,
    LedgerEvent,
    Pledge,
    StoredFile,
    Transaction,
)
from privacy.chaining import BEGINNING, day, moment
from privacy.tags import tag

Kind = LedgerEvent.Kind
Facts = dict[str, Any]

_SECRET = StoredFile.erasable
# Any number, as long as nobody else locks by it.
_TURN = 0x5EA1ED
# A donor's click waits no longer for its turn: a long statement may be on its way into the books.
PATIENCE_MS = 5000
# Of lines that are gone from the desk, no more are named.
_SHOWN = 100


class BusyError(Exception):
    """Somebody else has been changing the books for a while; nothing was done."""


@dataclass(frozen=True)
class Telling:
    """
    Which rows one or more kinds of event tell of, and what: ids, amounts, hashes; nothing of a private person.

    The last event of a row, of all the kinds that tell of it, tells how it is.
    """

    model: type[models.Model]
    facts: Callable[[Any], Facts]
    rows: Q | None = None  # of all rows, if there are others
    fund: str = "fund_id"  # the path from the row to its fund
    related: tuple[str, ...] = ()  # the stored files that the facts name


def _proposed(account: BankAccount) -> Facts:
    return {
        "holder": account.holder,
        "iban": account.iban,
        "bic": account.bic,
        "currency": account.currency,
        "proposed_by": account.proposed_by_id,
        "proposed_at": moment(account.proposed_at),
    }


def _approved(account: BankAccount) -> Facts:
    return _proposed(account) | {
        "approved_by": account.approved_by_id,
        "approved_at": moment(account.approved_at),
        "valid_from": moment(account.valid_from),
    }


def _withdrawn(account: BankAccount) -> Facts:
    return {"withdrawn_by": account.withdrawn_by_id, "withdrawn_at": moment(account.withdrawn_at)}


def _imported(statement: BankStatement) -> Facts:
    return {
        "account": statement.account_id,
        "part": statement.part,
        "sha256": statement.sha256,
        "currency": statement.currency,
        "from_date": day(statement.from_date),
        "to_date": day(statement.to_date),
        "opening_minor": statement.opening_minor,
        "closing_minor": statement.closing_minor,
        "lines_minor": statement.lines_minor,
        "counts": [statement.read_count, statement.new_count, statement.known_count, statement.rejected_count],
        "imported_by": statement.imported_by_id,
    }


def _posted(posted: Transaction) -> Facts:
    return {
        "account": posted.account_id,
        "statement": posted.statement_id,
        "amount_minor": posted.amount_minor,
        "currency": posted.currency,
        "booked_on": day(posted.booked_on),
        "value_on": day(posted.value_on),
        "reverses": posted.reverses_id,
        # The fingerprint is a keyed tag: nobody can guess from the hash what the texts are.
        "text_sha256": text_hash(
            posted.description, posted.bank_reference, posted.reference, posted.fingerprint, str(posted.occurrence)
        ),
        "recorded_by": posted.recorded_by_id,
        "recorded_at": moment(posted.recorded_at),
    }


def _allocated(made: Allocation) -> Facts:
    return {
        "transaction": made.transaction_id,
        "kind": str(made.kind),
        "amount_minor": made.amount_minor,
        "pledge": made.pledge_id,
        "sheet": made.sheet_id,
        "disbursement": made.disbursement_id,
        "mirrors": made.mirrors_id,
        "reverses": made.reverses_id,
        "made_by": made.made_by_id,
        "made_at": moment(made.made_at),
    }


def _counted(sheet: CollectionSheet) -> Facts:
    return {
        "number": sheet.number,
        "currency": sheet.currency,
        "held_on": day(sheet.held_on),
        "counted_minor": sheet.counted_minor,
        "counters": [sheet.counter_one_id, sheet.counter_two_id],
        "counted_at": moment(sheet.counted_at),
        "text_sha256": text_hash(sheet.place),
    }


def _requested(disbursement: Disbursement) -> Facts:
    return {
        "amount_minor": disbursement.amount_minor,
        "currency": disbursement.currency,
        "households": disbursement.households,
        "text_sha256": text_hash(disbursement.purpose),
        "requested_by": disbursement.requested_by_id,
        "requested_at": moment(disbursement.requested_at),
    }


def _approval(approval: Approval) -> Facts:
    return {
        "disbursement": approval.disbursement_id,
        "approved_by": approval.approved_by_id,
        "approved_at": moment(approval.approved_at),
    }


def _pledged(pledge: Pledge) -> Facts:
    return {
        "amount_minor": pledge.amount_minor,
        "currency": pledge.currency,
        "frequency": str(pledge.frequency),
        "until": day(pledge.until),
        "made_on": day(pledge.made_on),
        "confirmed_at": moment(pledge.confirmed_at),
        "withdrawn_at": moment(pledge.withdrawn_at),
        # The entry's hash is public and its amount is not: without the key nobody finds the one by trying.
        "salt": tag("ledger-pledge", str(pledge.pk)),
    }


def _cancelled(cancellation: Cancellation) -> Facts:
    return {
        "disbursement": cancellation.disbursement_id,
        "cancelled_by": cancellation.cancelled_by_id,
        "cancelled_at": moment(cancellation.cancelled_at),
    }


def _evidence(evidence: Evidence) -> Facts:
    return {
        "disbursement": evidence.disbursement_id,
        "file": evidence.file_id,
        "sha256": evidence.file.sha256,
        "added_by": evidence.added_by_id,
        "added_at": moment(evidence.added_at),
    }


# A pledge enters the books when its giver confirms it: anybody can post one. What was never confirmed leaves no trace,
# and what erasing a giver empties is in no event.
_PLEDGE = Telling(Pledge, _pledged, Q(confirmed_at__isnull=False))

FACTS: dict[str, Telling] = {
    Kind.ACCOUNT_PROPOSED: Telling(BankAccount, _proposed),
    Kind.ACCOUNT_APPROVED: Telling(BankAccount, _approved, Q(approved_at__isnull=False)),
    Kind.ACCOUNT_WITHDRAWN: Telling(BankAccount, _withdrawn, Q(withdrawn_at__isnull=False)),
    Kind.STATEMENT_IMPORTED: Telling(BankStatement, _imported, fund="account__fund_id"),
    Kind.TRANSACTION_POSTED: Telling(Transaction, _posted),
    Kind.ALLOCATION_MADE: Telling(Allocation, _allocated, fund="transaction__fund_id"),
    Kind.SHEET_COUNTED: Telling(CollectionSheet, _counted, Q(counted_at__isnull=False)),
    Kind.DISBURSEMENT_REQUESTED: Telling(Disbursement, _requested),
    Kind.DISBURSEMENT_APPROVED: Telling(Approval, _approval, fund="disbursement__fund_id"),
    Kind.DISBURSEMENT_CANCELLED: Telling(Cancellation, _cancelled, fund="disbursement__fund_id"),
    Kind.EVIDENCE_ADDED: Telling(Evidence, _evidence, fund="disbursement__fund_id", related=("file",)),
    Kind.PLEDGE_CONFIRMED: _PLEDGE,
    Kind.PLEDGE_CHANGED: _PLEDGE,
    Kind.PLEDGE_WITHDRAWN: _PLEDGE,
}


def take_turns() -> None:
    """
    Make those who change the books wait for each other until the transaction ends. Every verb's first step.

    It comes before any row is locked, and after the turn of a mailbox (outbox.capping). SQLite lets one transaction
    write at a time anyway.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TURN])


def take_turns_soon() -> None:
    """Do the same for somebody who waits at a page. Raises BusyError; the transaction can then only be rolled back."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [str(PATIENCE_MS)])
        try:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TURN])
        except OperationalError as error:
            raise BusyError from error
        cursor.execute("SET LOCAL lock_timeout TO DEFAULT")


def record(kind: str, row: models.Model) -> LedgerEvent:
    """Write the event of this kind about a row, within the transaction that wrote the row."""
    return record_all(kind, [row])[0]


def record_all(kind: str, rows: Sequence[models.Model]) -> list[LedgerEvent]:
    """Write an event of this kind about each row, in order."""
    take_turns()
    last = LedgerEvent.objects.order_by("-sequence").first()
    sequence, previous = (last.sequence, last.hash) if last else (0, BEGINNING)
    now = timezone.now()
    telling = FACTS[kind]
    events = []
    for row in rows:
        sequence += 1
        event = LedgerEvent(
            sequence=sequence,
            at=now,
            fund_id=_fund(row, telling.fund),
            kind=str(kind),
            about=row.pk,
            payload=telling.facts(row),
            previous_hash=previous,
        )
        event.hash = previous = digest(previous, content(event))
        event.seal = seal(event.hash)
        events.append(event)
    return LedgerEvent.objects.post(events)


def _fund(row: Any, path: str) -> int:
    for name in path.split("__"):
        row = getattr(row, name)
    return int(row)


def content(event: LedgerEvent) -> Facts:
    """Return of an event what its hash is made of, beside the hash before it."""
    return {
        "sequence": event.sequence,
        "at": moment(event.at),
        "fund": event.fund_id,
        "kind": str(event.kind),
        "about": event.about,
        "payload": event.payload,
    }


def is_genuine(event: LedgerEvent) -> bool:
    """Whether the event is as this program wrote it: its hash fits what it holds, and its seal the hash."""
    return digest(event.previous_hash, content(event)) == event.hash and seal(event.hash) == event.seal


@dataclass(frozen=True)
class Head:
    """Where the chain ends: noted elsewhere, it shows later that nothing before it was cut off or rewritten."""

    sequence: int
    hash: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


def head() -> Head:
    last = LedgerEvent.objects.order_by("-sequence").first()
    return Head(last.sequence, last.hash) if last else Head(0, BEGINNING)


def verify(noted: Head | None = None) -> list[str]:
    """
    Return what is wrong, each in a sentence: in the chain, between the chain and the books, or with a head noted once.

    It reads every event and every row of the books once, a few at a time.
    """
    return [*_unguarded(), *_breaks(noted), *_disagreements()]


def _unguarded() -> Iterator[str]:
    for table in triggers.missing():
        yield _("%(table)s: the database's triggers are missing; `manage.py migrate` makes them.") % {"table": table}
    for line in balances.left_open().filter(open_line=None).order_by("pk").only("pk")[:_SHOWN]:
        yield _("Transaction %(pk)d is open, and the desk does not show it.") % {"pk": line.pk}


def _breaks(noted: Head | None) -> Iterator[str]:
    previous, expected, found = BEGINNING, 1, noted is None or noted == Head(0, BEGINNING)
    for event in LedgerEvent.objects.order_by("sequence").iterator():
        if event.sequence != expected:
            yield _("Events %(first)d to %(last)d are missing.") % {"first": expected, "last": event.sequence - 1}
        elif event.previous_hash != previous:
            yield _("Event %(event)s does not follow from the one before it.") % {"event": event}
        if not is_genuine(event):
            yield _("Event %(event)s is not as it was written.") % {"event": event}
        found = found or noted == Head(event.sequence, event.hash)
        previous, expected = event.hash, event.sequence + 1
    if not found:
        yield _("The chain does not hold %(head)s, where it ended when that was noted.") % {"head": noted}


def _disagreements() -> Iterator[str]:
    for telling, kinds in _tellings():
        rows: Any = telling.model._default_manager.filter(telling.rows or Q()).order_by("pk")
        related = [*telling.fund.split("__")[:-1], *telling.related]
        # What tells of a person is in no event: it need not be decrypted.
        hidden = [
            *getattr(telling.model, "personal", ()),
            *(f"{one}__{name}" for one in telling.related for name in _SECRET),
        ]
        events = LedgerEvent.objects.filter(kind__in=kinds).order_by("about", "sequence")
        for event, row in _side_by_side(
            _last_of_each(events.iterator()), rows.select_related(*related).defer(*hidden).iterator()
        ):
            name = telling.model._meta.verbose_name
            if event is None:
                yield _("%(name)s %(pk)s is in the books, but no event tells of it.") % {"name": name, "pk": row.pk}
            elif row is None:
                yield _("Event %(event)s tells of a row that is not in the books.") % {"event": event}
            elif differing := _differing(telling, event, row):
                values = {"name": name, "pk": row.pk, "event": event, "columns": ", ".join(differing)}
                yield _("%(name)s %(pk)s is not as event %(event)s tells: %(columns)s.") % values


def _tellings() -> list[tuple[Telling, list[str]]]:
    """Return each telling with its kinds of event."""
    found: dict[int, tuple[Telling, list[str]]] = {}
    for kind, telling in FACTS.items():
        found.setdefault(id(telling), (telling, []))[1].append(kind)
    return list(found.values())


def _last_of_each(events: Iterable[LedgerEvent]) -> Iterator[LedgerEvent]:
    """Yield the last event about each row; they come in the order of the rows."""
    for _about, told in groupby(events, key=lambda event: event.about):
        *_earlier, last = told
        yield last


def _side_by_side(
    events: Iterable[LedgerEvent], rows: Iterable[models.Model]
) -> Iterator[tuple[LedgerEvent | None, Any]]:
    """Pair events with the rows that they tell of, both in the order of the rows' keys."""
    left, right = iter(events), iter(rows)
    event, row = next(left, None), next(right, None)
    while event or row:
        if row is None or (event and event.about < row.pk):
            yield event, None
            event = next(left, None)
        elif event is None or event.about > row.pk:
            yield None, row
            row = next(right, None)
        else:
            yield event, row
            event, row = next(left, None), next(right, None)


def _differing(telling: Telling, event: LedgerEvent, row: models.Model) -> list[str]:
    facts = telling.facts(row) | {"fund": _fund(row, telling.fund)}
    told = event.payload | {"fund": event.fund_id}
    return sorted(name for name in facts.keys() | told.keys() if facts.get(name) != told.get(name))


def tells(event: LedgerEvent, row: models.Model) -> bool:
    """Whether the event is genuine and the row is as it tells."""
    return is_genuine(event) and event.about == row.pk and not _differing(FACTS[event.kind], event, row)
