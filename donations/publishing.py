"""
What the public sees of the ledger: every entry, as a page, as CSV and as JSON, so that a stranger can check it.

Withheld is what nobody may see: entries of a fund that is not published, a proposed account that nobody has approved
(donors might pay to it), a pledge (its moment and amount would tell what a supporter who is shown without an amount
gave), and one that this program did not write. Its hashes stand there, so the chain goes on.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from campaign.spreadsheets import csv_lines
from donations import ledger
from donations.chaining import seal, text_hash
from donations.models import Allocation, Disbursement, Fund, LedgerEvent, Transaction
from privacy.chaining import BEGINNING, canonical, digest_of_text, moment

Kind = LedgerEvent.Kind
PER_PAGE = 100
_PLEDGES = {Kind.PLEDGE_CONFIRMED, Kind.PLEDGE_CHANGED, Kind.PLEDGE_WITHDRAWN}
_AT_ONCE = 1000

RULE = (
    "hash = SHA-256, in hexadecimal, of previous_hash followed by the event as JSON: UTF-8, keys in alphabetical "
    "order, no blanks between keys and values, no character escaped that need not be. The first previous_hash is 64 "
    "zeros, each other one is the hash of the entry before. Of a withheld entry only the hashes are given."
)
COLUMNS = (
    "sequence",
    "at",
    "fund",
    "kind",
    "about",
    "side",
    "for",
    "amount_minor",
    "currency",
    "booked_on",
    "text",
    "withheld",
    "previous_hash",
    "hash",
    "event",
)


class Withheld(TextChoices):
    """Why an entry's content is not shown."""

    UNPUBLISHED = "unpublished", _("of a fund that is not published")
    UNAPPROVED = "unapproved", _("a proposed account that two people have not approved")
    PLEDGE = "pledge", _("a pledge, of which only its giver says what is shown")
    BROKEN = "broken", _("not as it was written: the organisers have to look into it")


@dataclass(frozen=True)
class Entry:
    """An event as the public sees it."""

    event: LedgerEvent
    # What is hashed, after the hash before.
    hashed: str
    withheld: Withheld | None = None
    fund: str = ""
    # Public words of the row: a transaction's description, a disbursement's purpose.
    text: str = ""
    currency: str = ""
    # Whether it is about money that came in or went out; a reversal stands on the side of what it takes back.
    side: str = ""

    @property
    def amount_minor(self) -> int | None:
        return (
            None if self.withheld else self.event.payload.get("amount_minor", self.event.payload.get("counted_minor"))
        )

    @property
    def label(self) -> str:
        return str(Kind(self.event.kind).label) if self.event.kind in Kind else str(self.event.kind)

    @property
    def what_for(self) -> str:
        """What an allocation was for, by its kind's name."""
        return str(self.event.payload.get("kind", "")) if self.event.kind == Kind.ALLOCATION_MADE else ""

    @property
    def what_for_label(self) -> str:
        return str(Allocation.Kind(self.what_for).label) if self.what_for else ""

    @property
    def facts(self) -> str:
        """The payload as it is hashed."""
        return canonical(self.event.payload)


def head() -> ledger.Head:
    return ledger.head()


def etag() -> str:
    """Return what changes with all that stands in the exports."""
    funds = Fund.objects.published().order_by("pk").values_list("pk", "slug")
    return f'"{sha256(canonical([str(head()), [list(fund) for fund in funds]]).encode()).hexdigest()[:32]}"'


def page(before: int) -> list[Entry]:
    """Return the entries before this number, newest first."""
    return _entries(list(LedgerEvent.objects.filter(sequence__lt=before).order_by("-sequence")[:PER_PAGE]), _Open.now())


@dataclass(frozen=True)
class _Open:
    """What may be shown: published funds, and accounts that two people stand for."""

    funds: dict[int, str]
    accounts: frozenset[int]

    @classmethod
    def now(cls) -> "_Open":
        approved = LedgerEvent.objects.filter(kind=Kind.ACCOUNT_APPROVED)
        return cls(
            dict(Fund.objects.published().values_list("pk", "slug")),
            frozenset(event.about for event in approved if ledger.is_genuine(event)),
        )

    def withholds(self, event: LedgerEvent, hashed: str) -> Withheld | None:
        if digest_of_text(event.previous_hash, hashed) != event.hash or seal(event.hash) != event.seal:
            return Withheld.BROKEN
        if event.fund_id not in self.funds:
            return Withheld.UNPUBLISHED
        if event.kind in _PLEDGES:
            return Withheld.PLEDGE
        if (
            event.kind == Kind.ACCOUNT_PROPOSED
            and event.about not in self.accounts
            and event.payload["proposed_by"] is not None  # None: a fact of the campaign's files, shown as such
        ):
            return Withheld.UNAPPROVED
        return None


def _all(up_to: ledger.Head, open_to_all: _Open) -> Iterator[Entry]:
    """Yield all entries, oldest first, a few in memory at a time."""
    last = 0
    while some := list(
        LedgerEvent.objects.filter(sequence__gt=last, sequence__lte=up_to.sequence).order_by("sequence")[:_AT_ONCE]
    ):
        yield from _entries(some, open_to_all)
        last = some[-1].sequence


def _entries(events: Sequence[LedgerEvent], open_to_all: _Open) -> list[Entry]:
    """Return the events as the public sees them, in two queries however many there are."""
    hashed = [canonical(ledger.content(event)) for event in events]
    withheld = [open_to_all.withholds(event, text) for event, text in zip(events, hashed, strict=True)]
    shown = [event for event, why in zip(events, withheld, strict=True) if not why]
    posted = {event.about for event in shown if event.kind == Kind.TRANSACTION_POSTED}
    posted |= {event.payload["transaction"] for event in shown if event.kind == Kind.ALLOCATION_MADE}
    # Not as models: that would take half of the time that the whole ledger takes.
    lines = {row[0]: row[1:] for row in Transaction.objects.filter(pk__in=posted).values_list("pk", *_LINE)}
    asked = [event.about for event in shown if event.kind == Kind.DISBURSEMENT_REQUESTED]
    purposes = dict(Disbursement.objects.filter(pk__in=asked).values_list("pk", "purpose"))
    return [
        Entry(event, text, why)
        if why
        else Entry(event, text, None, open_to_all.funds[event.fund_id], *_said(event, lines, purposes))
        for event, text, why in zip(events, hashed, withheld, strict=True)
    ]


_LINE = ("amount_minor", "currency", "description", "bank_reference", "reference", "fingerprint", "occurrence")


def _said(event: LedgerEvent, lines: dict[int, tuple[Any, ...]], purposes: dict[int, str]) -> tuple[str, str, str]:
    """Return an entry's text, currency and side. Words that are not those which were posted are not shown."""
    payload, text, side = event.payload, "", ""
    currency = payload.get("currency", "")
    if event.kind == Kind.TRANSACTION_POSTED:
        side = "in" if (payload["amount_minor"] > 0) != bool(payload["reverses"]) else "out"
        if line := lines.get(event.about):
            *texts, occurrence = line[2:]
            text = texts[0] if payload["text_sha256"] == text_hash(*texts, str(occurrence)) else ""
    elif event.kind == Kind.ALLOCATION_MADE and (line := lines.get(payload["transaction"])):
        amount, currency = line[:2]
        side = "in" if amount > 0 else "out"
    elif event.kind == Kind.DISBURSEMENT_REQUESTED:
        purpose = purposes.get(event.about, "")
        text = purpose if payload["text_sha256"] == text_hash(purpose) else ""
    return text, currency, side


def as_csv() -> Iterator[str]:
    """Yield the ledger as CSV (RFC 4180), a line at a time. `event` is the very text that is hashed."""
    up_to, open_to_all = head(), _Open.now()
    yield from csv_lines([COLUMNS])
    yield from _in_pieces(csv_lines(map(_row, _all(up_to, open_to_all))))


def _row(entry: Entry) -> Iterable[Any]:
    event = entry.event
    if entry.withheld:
        return (event.sequence, *[""] * 10, entry.withheld.value, event.previous_hash, event.hash, "")
    return (
        event.sequence,
        moment(event.at),
        entry.fund,
        event.kind,
        event.about,
        entry.side,
        entry.what_for,
        entry.amount_minor,
        entry.currency,
        event.payload.get("booked_on"),
        entry.text,
        "",
        event.previous_hash,
        event.hash,
        entry.hashed,
    )


def as_json() -> Iterator[str]:
    """Yield the ledger as one JSON object, with the rule by which its hashes are made."""
    up_to, open_to_all = head(), _Open.now()
    start = {
        "rule": RULE,
        "beginning": BEGINNING,
        "head": {"sequence": up_to.sequence, "hash": up_to.hash},
        "funds": {str(pk): slug for pk, slug in open_to_all.funds.items()},
    }
    yield json.dumps(start, ensure_ascii=False, indent=1).removesuffix("\n}") + ',\n "entries": [\n'
    lines = map(_object, _all(up_to, open_to_all))
    first = next(lines, None)
    if first is not None:
        yield first
    yield from _in_pieces(f",\n{line}" for line in lines)
    yield "\n]}\n"


def _object(entry: Entry) -> str:
    event = entry.event
    hashes = {"previous_hash": event.previous_hash, "hash": event.hash}
    if entry.withheld:
        return canonical({"sequence": event.sequence, "withheld": entry.withheld.value, **hashes})
    said = {"side": entry.side, "currency": entry.currency, "text": entry.text}
    more = canonical({name: value for name, value in said.items() if value} | hashes)
    return f'{{"event":{entry.hashed},{more.removeprefix("{")}'


def _in_pieces(lines: Iterable[str]) -> Iterator[str]:
    """Join lines: a response of very many small parts is slow."""
    piece: list[str] = []
    for line in lines:
        piece.append(line)
        if len(piece) == _AT_ONCE:
            yield "".join(piece)
            piece = []
    if piece:
        yield "".join(piece)
