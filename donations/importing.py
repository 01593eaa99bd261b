"""
Importing a bank's statements: every line of a file is new, known already or rejected, and the three add up.

A file is read to its end before anything is written, into a private database on disk, so that memory stays small and
nobody waits meanwhile. Then all its statements are booked in one transaction: all of them, or none.

A line that was imported before is known by its fingerprint. Two gifts that are alike in all that the bank tells are two
lines: within a file by their number (`occurrence`), and from one file to the next by the balances, which say how much
the new lines must come to.
"""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from hashlib import sha256
from typing import BinaryIO

from django.contrib.auth.models import User
from django.db.models import Max, Min, QuerySet, Sum
from django.db.transaction import atomic
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from donations import ledger, money, posting, reconciling
from donations.models import BankAccount, BankStatement, LedgerEvent, StatementMapping, Transaction
from donations.statements import columns, reading
from donations.statements.columns import CsvMapping
from donations.statements.items import Head, Line, Rejected, StatementError, Tail
from privacy.tags import tag

_BATCH = 1000
_PIECE = 64 * 1024
_EXAMPLES = 20
# What comes in and what goes out are each added up by the database, in 64 bits.
_MOST = 10**17
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,}")

Progress = Callable[[str, int], None]


@dataclass
class Report:
    """What became of one statement of the file."""

    reference: str
    currency: str
    from_on: date | None
    to_on: date | None
    new: int = 0
    known: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    # Some of what was rejected, with its line.
    examples: list[Rejected] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        return self.reasons.total()

    @property
    def read(self) -> int:
        return self.new + self.known + self.rejected


@dataclass
class _Part:
    """One statement of the file, as far as it is kept in memory."""

    number: int
    head: Head
    tail: Tail = field(default_factory=lambda: Tail(None, None, None))
    lines: int = 0
    total_minor: int = 0
    turnover_minor: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[Rejected] = field(default_factory=list)

    def reject(self, item: Rejected) -> None:
        self.reasons[item.reason] += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(item)

    @property
    def read(self) -> int:
        return self.lines + self.reasons.total()

    def report(self, new: int) -> Report:
        return Report(
            self.head.reference,
            self.head.currency,
            self.tail.from_on,
            self.tail.to_on,
            new,
            self.lines - new,
            self.reasons,
            self.examples,
        )


class _Draft:
    """The lines of a file, on disk: in a database without a name, which is gone when it is closed."""

    def __init__(self) -> None:
        self.database = sqlite3.connect("", isolation_level=None)
        self.database.execute(
            "CREATE TABLE line (id INTEGER PRIMARY KEY, part INTEGER, fingerprint TEXT, nth INTEGER,"
            " before INTEGER DEFAULT 0, at INTEGER, amount INTEGER, booked_on TEXT, facts TEXT)"
        )
        self.database.execute("CREATE UNIQUE INDEX alike ON line (part, fingerprint, nth)")

    def close(self) -> None:
        self.database.close()

    def add(self, part: int, lines: list[Line]) -> None:
        self.database.execute("BEGIN")
        self.database.executemany(
            "INSERT INTO line (part, fingerprint, nth, at, amount, booked_on, facts) SELECT ?1, ?2,"
            " 1 + COALESCE((SELECT MAX(nth) FROM line WHERE part = ?1 AND fingerprint = ?2), 0), ?3, ?4, ?5, ?6",
            (
                (part, _fingerprint(one), one.at, one.amount_minor, one.booked_on.isoformat(), _written(one))
                for one in lines
            ),
        )
        self.database.execute("COMMIT")

    def compare(self, part: int, account: BankAccount) -> None:
        """Note of each line how many like it are posted on the account."""
        last = 0
        while rows := self.database.execute(
            "SELECT id, fingerprint FROM line WHERE part = ? AND id > ? ORDER BY id LIMIT ?", (part, last, _BATCH)
        ).fetchall():
            posted = dict(
                Transaction.objects.filter(account=account, fingerprint__in={fingerprint for _id, fingerprint in rows})
                .order_by()
                .values_list("fingerprint")
                .annotate(Max("occurrence"))
            )
            self.database.execute("BEGIN")
            self.database.executemany(
                "UPDATE line SET before = ? WHERE id = ?", [(posted[f], pk) for pk, f in rows if f in posted]
            )
            self.database.execute("COMMIT")
            last = rows[-1][0]

    def new(self, part: int) -> tuple[int, int]:
        """Return how many lines are not posted yet, and their sum."""
        count, total = self.database.execute(
            "SELECT COUNT(*), COALESCE(SUM(amount), 0) FROM line WHERE part = ? AND nth > before", (part,)
        ).fetchone()
        return count, total

    def new_between(self, part: int, first: date, last: date) -> int | None:
        """Return where the first line not posted yet and booked in these days stands in the file."""
        found = self.database.execute(
            "SELECT at FROM line WHERE part = ? AND nth > before AND booked_on BETWEEN ? AND ? ORDER BY id LIMIT 1",
            (part, first.isoformat(), last.isoformat()),
        ).fetchone()
        return found[0] if found else None

    def take(self, part: int, *, every: bool) -> Iterator[list[tuple[str, int, Line]]]:
        """Yield the fingerprint, the occurrence and the line of what is new, or of everything, some at a time."""
        cursor = self.database.execute(
            "SELECT fingerprint, CASE WHEN ?2 THEN before + nth ELSE nth END, facts FROM line"
            " WHERE part = ?1 AND (?2 OR nth > before) ORDER BY id",
            (part, every),
        )
        while rows := cursor.fetchmany(_BATCH):
            yield [(fingerprint, occurrence, _line(facts)) for fingerprint, occurrence, facts in rows]


def _written(line: Line) -> str:
    return json.dumps([getattr(line, name) for name in Line.__slots__], default=date.isoformat)


def _line(facts: str) -> Line:
    line = Line(*json.loads(facts))
    return replace(line, booked_on=_day(line.booked_on), value_on=_day(line.value_on) if line.value_on else None)


def _day(written: object) -> date:
    return date.fromisoformat(str(written))


def _fingerprint(line: Line) -> str:
    facts = [
        line.booked_on.isoformat(),
        line.amount_minor,
        line.currency,
        line.bank_reference,
        line.end_to_end,
        line.counterparty,
        line.counterparty_iban,
        line.remittance,
    ]
    return tag("bank-line", json.dumps(facts, ensure_ascii=False))


def account_of(file: BinaryIO) -> BankAccount:
    """Return the one account of ours that the file is about. Raises StatementError if that cannot be told."""
    kind = reading.format_of(file)
    told = ""
    if kind is not reading.Format.CSV:
        told = next((item.account for item in reading.read(file) if isinstance(item, Head)), "")
    else:
        told = columns.account_in(file)
    accounts: QuerySet[BankAccount] = BankAccount.objects.order_by("-pk")
    found = [account for account in accounts if told and is_of(account, told)]
    if len({account.iban for account in found}) == 1:
        return _stood_for(found)
    raise StatementError(
        _("The file is about the account “%(account)s”, which is not one of ours.") % {"account": told}
        if told and not found
        else _("The file does not tell which account it is about. Please choose it.")
    )


def account_with(iban: str) -> BankAccount | None:
    """Return the account with this number, or None. Raises StatementError if nobody stands for it."""
    found = list(BankAccount.objects.filter(iban=iban).order_by("-pk"))
    return _stood_for(found) if found else None


def takes_statements() -> QuerySet[BankAccount]:
    """Return the accounts that two organisers stand for, also those withdrawn by now: money arrives late."""
    return BankAccount.objects.exclude(approved_at=None)


def _stood_for(alike: Sequence[BankAccount]) -> BankAccount:
    """Return, of the accounts with one number, the one that keeps its books, or else the newest that is approved."""
    approved = [account for account in alike if account.approved_at]
    return _kept_under(alike[0].iban) or books_of(approved[0] if approved else alike[0])


def _kept_under(iban: str) -> BankAccount | None:
    return takes_statements().filter(iban=iban, statements__isnull=False).order_by("pk").first()


def books_of(account: BankAccount) -> BankAccount:
    """
    Return where the books of an account's number are kept: a proposal that put its holder or BIC right is another row.

    Raises StatementError if two organisers do not stand for the account, or another fund keeps its books.
    """
    if account.approved_at is None:
        raise StatementError(
            _(
                "Nobody but who proposed it stands for the account %(account)s yet, or it came with the campaign's "
                "files. Under “Bank accounts”, let a second organiser approve it, or propose it yourself. Then import "
                "the file again."
            )
            % {"account": account.grouped_iban}
        )
    kept = _kept_under(account.iban) or account
    if kept.fund_id != account.fund_id:
        raise StatementError(
            _("The statements of %(account)s are booked for another fund: a gift would count twice.")
            % {"account": account.grouped_iban}
        )
    return kept


def is_of(account: BankAccount, told: str) -> bool:
    """Whether what a file calls its account can be this one; a masked number says nothing."""
    if _IBAN.match(told):
        return told.startswith(account.iban)
    groups = [group.lstrip("0") for group in re.findall(r"[0-9]+", told)]
    if max(map(len, groups), default=0) < 5:
        return True
    return all(group in account.iban[4:] for group in groups)


def mapping_for(account: BankAccount, file: BinaryIO) -> CsvMapping | None:
    """Return how to read a CSV file of this account's bank: as saved, else as its columns' names suggest."""
    if reading.format_of(file) is not reading.Format.CSV:
        return None
    saved = StatementMapping.objects.filter(account=account).first()
    mapping = CsvMapping.from_json(saved.mapping) if saved else columns.proposed(file)
    currencies = [account.currency] if account.currency else account.fund.currency_list
    if not (mapping.currency or mapping.columns.get("currency")) and len(currencies) == 1:
        mapping = replace(mapping, currency=currencies[0])
    return mapping


def save_mapping(account: BankAccount, mapping: CsvMapping) -> None:
    """Keep how this account's bank writes its CSV files. Raises StatementError if the mapping cannot read any."""
    mapping.check()
    StatementMapping.objects.update_or_create(account=account, defaults={"mapping": mapping.as_json()})


def preview(file: BinaryIO, account: BankAccount, mapping: CsvMapping | None, count: int = 10) -> list[Line | Rejected]:
    """Return the first lines as they would be booked. Raises StatementError for what shows until there."""
    shown: list[Line | Rejected] = []
    for item in reading.read(file, mapping):
        if isinstance(item, Head):
            check_account(item, account)
        elif isinstance(item, Line | Rejected):
            shown.append(item)
        if len(shown) == count:
            break
    return shown


def import_file(
    file: BinaryIO,
    account: BankAccount,
    *,
    by: User | None,
    name: str,
    mapping: CsvMapping | None = None,
    progress: Progress = lambda _step, _lines: None,
) -> list[Report]:
    """
    Book what the file holds; return a report for each of its statements. Raises StatementError; then nothing changed.

    `progress` is told the step, "read" or "post", and how many lines are done.
    """
    account = books_of(account)
    mapping = mapping or mapping_for(account, file)
    with closing(_Draft()) as draft:
        parts = _read(file, mapping, account, draft, progress)
        digest = _sha256(file)
        kind = reading.format_of(file)
        source = BankStatement(account=account, sha256=digest, file_name=name[:200], format=kind.value, imported_by=by)
        with atomic():
            ledger.take_turns()
            same_file = BankStatement.objects.filter(account=account, sha256=digest)
            imported = set(same_file.values_list("currency", flat=True))
            return [
                part.report(0) if part.head.currency in imported else _Booking(source, part, draft, progress).book()
                for part in parts
            ]


def _sha256(file: BinaryIO) -> str:
    file.seek(0)
    digest = sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _read(
    file: BinaryIO, mapping: CsvMapping | None, account: BankAccount, draft: _Draft, progress: Progress
) -> list[_Part]:
    parts: list[_Part] = []
    waiting: list[Line] = []
    seen = 0
    today = timezone.localdate()
    for item in reading.read(file, mapping):
        match item:
            case Head():
                check_account(item, account)
                parts.append(_Part(len(parts) + 1, item))
            case Line():
                if item.booked_on > today:
                    raise StatementError(_("This line is booked on a day that is still to come."), item.at)
                parts[-1].lines += 1
                parts[-1].total_minor += item.amount_minor
                parts[-1].turnover_minor += abs(item.amount_minor)
                waiting.append(item)
            case Rejected():
                parts[-1].reject(item)
            case Tail():
                parts[-1].tail = item
        if len(waiting) >= _BATCH or (waiting and isinstance(item, Tail)):
            draft.add(parts[-1].number, waiting)
            seen += len(waiting)
            waiting = []
            progress("read", seen)
    for part in parts:
        _check_sum(part)
    return parts


def check_account(head: Head, account: BankAccount) -> None:
    """Raise StatementError unless the statement is of this account and in its currency."""
    if head.account and not is_of(account, head.account):
        raise StatementError(
            _("This statement is of the account “%(told)s”, not of %(account)s.")
            % {"told": head.account[:60], "account": account.grouped_iban}
        )
    if account.currency and head.currency != account.currency:
        raise StatementError(
            _("This statement is in %(told)s, the account in %(currency)s.")
            % {"told": head.currency, "currency": account.currency}
        )


def _check_sum(part: _Part) -> None:
    opening, ending = part.head.opening_minor, part.tail.closing_minor
    if part.turnover_minor > _MOST:
        raise StatementError(_("The amounts are too large."))
    if opening is None or ending is None or opening + part.total_minor == ending:
        return
    shown = {
        "opening": money.format_amount(opening, part.head.currency),
        "lines": money.format_amount(part.total_minor, part.head.currency),
        "closing": money.format_amount(ending, part.head.currency),
        "missing": money.format_amount(ending - opening - part.total_minor, part.head.currency),
    }
    raise StatementError(
        _(
            "The statement does not add up: it begins with %(opening)s, its lines come to %(lines)s, and it ends with "
            "%(closing)s. The difference is %(missing)s."
        )
        % shown
    )


class _Booking:
    """One statement on its way into the books, within the file's transaction."""

    def __init__(self, source: BankStatement, part: _Part, draft: _Draft, progress: Progress) -> None:
        self.source, self.part, self.draft, self.progress = source, part, draft, progress
        self.account = source.account
        self.opening, self.closing = part.head.opening_minor, part.tail.closing_minor
        self.before = BankStatement.objects.filter(account=self.account, currency=part.head.currency)
        chained = self.before.exclude(opening_minor=None)
        self.first = chained.order_by("to_date", "from_date", "pk").first()
        # Of those that end on the same day the one that was booked last tells what the account holds.
        self.last = chained.order_by("to_date", "pk").last()

    def book(self) -> Report:
        part = self.part
        self.draft.compare(part.number, self.account)
        new, new_minor = self.draft.new(part.number)
        every = False
        if self._is_imported():
            return part.report(0)
        if self.last is None or self.opening is None or self.closing is None:
            self._refuse_late_lines()
        else:
            held = self._held(self.last)
            every = self._follows(held) and self.opening + new_minor != self.closing
            if not (new or every) and (part.lines or self.opening == held or not self._is_later()):
                return part.report(0)
            if not (every or held + new_minor == self.closing or self._goes_before()):
                raise self._gap(held)
        if every:
            new = part.lines
        if new or not self.before.exists():
            self._write(new, every=every)
        return part.report(new)

    def _is_imported(self) -> bool:
        """Whether another file, maybe in another format, told the very same: days, balances, and amounts by day."""
        if self.opening is None or not self.before.filter(
            opening_minor=self.opening,
            closing_minor=self.closing,
            from_date=self.part.tail.from_on,
            to_date=self.part.tail.to_on,
            read_count=self.part.read,
        ):
            return False
        told = Counter(
            (line.booked_on, line.amount_minor)
            for batch in self.draft.take(self.part.number, every=True)
            for _fingerprint, _occurrence, line in batch
        )
        booked = Transaction.objects.filter(account=self.account, booked_on__in={day for day, _minor in told})
        return not told - Counter(booked.values_list("booked_on", "amount_minor").iterator())

    def _held(self, last: BankStatement) -> int:
        """Return what the account holds by what was imported."""
        later = Transaction.objects.filter(
            statement__in=self.before.filter(opening_minor=None, pk__gt=last.pk), currency=last.currency
        )
        return int((last.closing_minor or 0) + (later.aggregate(total=Sum("amount_minor"))["total"] or 0))

    def _follows(self, held: int) -> bool:
        """Whether the statement begins where the last one ended."""
        return self.opening == held and self._is_later()

    def _is_later(self) -> bool:
        begins, ended = self.part.tail.from_on, self.last.to_date if self.last else None
        return begins is None or ended is None or begins >= ended

    def _goes_before(self) -> bool:
        """Whether the statement ends where the first one began: an older one, brought later."""
        ends = self.part.tail.to_on
        return bool(
            self.first
            and self.closing == self.first.opening_minor
            and ends
            and self.first.from_date
            and self.first.to_date
            and ends <= self.first.from_date
            and ends < self.first.to_date
        )

    def _gap(self, held: int) -> StatementError:
        currency = self.part.head.currency
        ended = self.last.to_date if self.last else None
        return StatementError(
            _(
                "There is a gap of %(gap)s: this statement begins with %(opening)s, and the last one ended on %(day)s "
                "with %(held)s. Please import what lies between them first."
            )
            % {
                "gap": money.format_amount(abs((self.opening or 0) - held), currency),
                "opening": money.format_amount(self.opening or 0, currency),
                "held": money.format_amount(held, currency),
                "day": date_format(ended, "DATE_FORMAT") if ended else "?",
            }
        )

    def _refuse_late_lines(self) -> None:
        """Without balances to compare, refuse new lines on days that were imported already: they may be the same."""
        told = self.before.aggregate(first=Min("from_date"), last=Max("to_date"))
        first: date | None = told["first"]
        last: date | None = told["last"]
        if first is None or last is None:
            return
        # On its last day a file may have been made before the day was over.
        until = last if self.last else last - timedelta(days=1)
        if at := self.draft.new_between(self.part.number, first, until):
            raise StatementError(
                _(
                    "This line is new, but the account's lines up to %(day)s have been imported. If the columns are "
                    "mapped otherwise than then, or it is another format, the same gift would count twice."
                )
                % {"day": date_format(last, "DATE_FORMAT")},
                at,
            )

    def _write(self, new: int, *, every: bool) -> None:
        part, source = self.part, self.source
        number = BankStatement.objects.filter(account=self.account, sha256=source.sha256).count() + 1
        statement = BankStatement(
            account=self.account,
            part=number,
            sha256=source.sha256,
            file_name=source.file_name,
            format=source.format,
            imported_by=source.imported_by,
            reference=part.head.reference,
            from_date=part.tail.from_on,
            to_date=part.tail.to_on,
            currency=part.head.currency,
            opening_minor=self.opening,
            closing_minor=self.closing,
            lines_minor=part.total_minor,
            read_count=part.read,
            new_count=new,
            known_count=part.lines - new,
            rejected_count=part.reasons.total(),
        )
        statement.save()
        ledger.record(LedgerEvent.Kind.STATEMENT_IMPORTED, statement)
        done = 0
        for batch in self.draft.take(part.number, every=every):
            reconciling.settle(posting.post_all([_transaction(statement, *one) for one in batch]))
            done += len(batch)
            self.progress("post", done)


def _transaction(statement: BankStatement, fingerprint: str, occurrence: int, line: Line) -> Transaction:
    return Transaction(
        fund=statement.account.fund,
        account=statement.account,
        statement=statement,
        amount_minor=line.amount_minor,
        currency=line.currency,
        booked_on=line.booked_on,
        value_on=line.value_on,
        bank_reference=line.bank_reference[:140],
        reference=line.reference,
        end_to_end=line.end_to_end,
        counterparty=line.counterparty,
        counterparty_iban=line.counterparty_iban,
        remittance=line.remittance,
        fingerprint=fingerprint,
        occurrence=occurrence,
        recorded_by=statement.imported_by,
    )
