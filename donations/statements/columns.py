"""
CSV files of any bank: a mapping, saved for the account, says which column is what.

The decimal sign, the order of day and month, and the encoding are found once for the whole file, which is therefore
read more than once: first to find them out, then to take the lines.
"""

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from itertools import islice
from typing import Any, BinaryIO, ClassVar

from django.utils.translation import gettext as _

from donations.statements.amounts import DecimalSign, signed
from donations.statements.finding import number_in
from donations.statements.items import Head, Item, Line, Rejected, StatementError, Tail
from donations.statements.text import encoding_of
from donations.statements.text import lines as lines_of

DELIMITERS = ";,\t|"
ORDERS = ("dmy", "mdy", "ymd")
# Before the row with the columns' names banks write the account, the period and themselves.
_PREAMBLE = 40

# Words that banks use for their columns, in small letters without accents and signs.
_NAMES: dict[str, str] = {
    "booked_on": "buchungstag buchungsdatum buchung datum date bookingdate booked transactiondate postingdate "
    "boekdatum boekingsdatum rentedatum datecomptable dateoperation datedeloperation bokforingsdag "
    "bokforingsdatum bogfort dataoperacji dataksiegowania fechaoperacion fecha data datacontabile "
    "completeddate kirjauspaiva дата bokfordato",
    "value_on": "valuta valutadatum wertstellung wertstellungsdatum valuedate valutedatum datevaleur datedevaleur "
    "valutadag datawaluty fechavalor datavaluta valuteringsdag",
    "amount": "betrag umsatz amount bedrag montant belopp belob kwota importe importo maara сумма transactionamount "
    "betrageur amounteur umsatzineur transaktionsbetrag bedrageur belop",
    "credit": "credit haben gutschrift moneyin paidin bij credits gutschriften entrate abono innbetaling insattning",
    "debit": "debit soll belastung lastschrift moneyout paidout af debits belastungen uscite cargo utbetaling uttag",
    "sign": "afbij sollhaben debitcredit creditdebit kreditdebit debetcredit dc sh creditdebitindicator",
    "currency": "wahrung waehrung currency valuta munt devise valuuta waluta moneda валюта transactioncurrency "
    "muntsoort",
    "counterparty": "beguenstigterzahlungspflichtiger begunstigterzahlungspflichtiger nameempfanger "
    "zahlungspflichtiger auftraggeber auftraggeberempfanger beguenstigter zahlungsbeteiligter counterparty "
    "counterpartyname "
    "payee payer naamtegenpartij naamtegenpartijbevat tegenpartij naam nameofcounterparty nomcontrepartie "
    "contrepartie nadawcaodbiorca avsandare mottagare name namezahlungsbeteiligter naamomschrijving "
    "partnername",
    "counterparty_iban": "kontonummeriban ibanzahlungsbeteiligter counterpartyiban counterpartyaccount tegenrekening "
    "rekeningtegenpartij tegenpartijrekening tegenrekeningiban comptecontrepartie iban ibankontonummer "
    "partneriban kontrahentkonto",
    "remittance": "verwendungszweck purpose remittance remittanceinformation description details omschrijving "
    "mededelingen mededeling vrijemededeling libelle communication communicationlibre meddelande tekst "
    "text tytul opis concepto causale beskrivning viesti buchungsdetails paymentreference "
    "vrijemededelingen forklaring",
    "reference": "structuredcommunication gestructureerdemededeling communicationstructuree structuredreference "
    "zahlungsreferenz betalingskenmerk creditorreference kid ocr viite reference referenz",
    "end_to_end": "endtoend endtoendid endtoendreferenz kundenreferenz kundenreferenzendtoend",
    "bank_reference": "bankreferenz bankreference transactionid transaktionsid volgnr volgnummer arkivreferens id "
    "numerodemouvement",
    "balance": "saldo saldonachbuchung balance solde saldonatrn saldonamutatie kontostand saldopooperacji "
    "runningbalance saldoeur saldonatransactie",
    "status": "status state etat statut info",
    "account": "auftragskonto ibanauftragskonto rekening rekeningnummer eigenrekening account accountnumber compte "
    "numerodecompte ibanbban rekeningnummeriban",
}
FIELDS: tuple[str, ...] = tuple(_NAMES)
_KNOWN = {word: name for name, words in reversed(list(_NAMES.items())) for word in words.split()}
_CURRENCY = re.compile(r"[A-Z]{3}")
_CREDIT = {"c", "cr", "crdt", "credit", "bij", "h", "haben", "+", "in", "kredit"}
_DEBIT = {"d", "dr", "dbit", "debit", "af", "s", "soll", "-", "out", "debet"}
_PENDING = (
    *(
        "pending",
        "vorgemerkt",
        "vormerkung",
        "umsatz vorgemerkt",
        "nicht gebucht",
        "reserv",
        "en attente",
        "in behandeling",
    ),
    *("not booked", "declined", "reverted", "failed", "oczekuj", "expected"),
)


def _word(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(c for c in plain if c.isalnum())


@dataclass(frozen=True)
class CsvMapping:
    """Which column is what, by its name in the file, or by its number ("1", "2") where the file names none."""

    columns: dict[str, list[str]] = field(default_factory=dict)
    delimiter: str = ";"
    header: bool = True
    # Empty: to be found in the file.
    encoding: str = ""
    decimal: str = ""
    order: str = ""
    # Of all lines, where no column tells.
    currency: str = ""

    allowed: ClassVar[dict[str, tuple[str, ...]]] = {"decimal": ("", ",", "."), "order": ("", *ORDERS)}

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "CsvMapping":
        known = {f.name for f in fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in known})

    def check(self) -> None:
        """Raise StatementError unless the mapping says enough to read a file."""
        if not self.columns.get("booked_on"):
            raise StatementError(_("Please say which column holds the date."))
        if not (self.columns.get("amount") or self.columns.get("credit")):
            raise StatementError(_("Please say which column holds the amount."))
        if len(self.delimiter) != 1 or any(getattr(self, name) not in good for name, good in self.allowed.items()):
            raise StatementError(_("The mapping is not valid."))


Row = tuple[int, list[str]]


def rows(file: BinaryIO, delimiter: str, encoding: str = "") -> Iterator[Row]:
    """Yield each row that is not empty, with its line."""
    reader = csv.reader(lines_of(file, encoding), delimiter=delimiter)
    while True:
        at = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise StatementError(_("This row cannot be read. A quotation mark may be missing."), at) from error
        # Some programs write ="0012" so that a spreadsheet keeps the zeros.
        cells = [c.strip().removeprefix("=").strip('"') if c.strip().startswith('="') else c.strip() for c in row]
        if any(cells):
            yield at, cells


def proposed(file: BinaryIO) -> CsvMapping:
    """Return the mapping that the file's own column names suggest. Raises StatementError if they suggest none."""
    encoding = encoding_of(file)
    best: CsvMapping | None = None
    most = 1
    for delimiter in DELIMITERS:
        try:
            first = list(islice(rows(file, delimiter, encoding), _PREAMBLE))
        except StatementError:
            continue
        for place, (_at, cells) in enumerate(first):
            columns = _recognised(cells, first[place + 1][1] if place + 1 < len(first) else [])
            if len(columns) > most and columns.get("booked_on") and (columns.get("amount") or columns.get("credit")):
                best, most = CsvMapping(columns, delimiter), len(columns)
    if best is None:
        raise StatementError(
            _(
                "No row of this file names columns for a date and an amount that we recognise. "
                "If it is a statement, please say yourself which column is what."
            )
        )
    return best


def guessed(file: BinaryIO) -> CsvMapping:
    """Return a mapping to begin with: the proposed one, else an empty one with the delimiter that separates most."""
    try:
        return proposed(file)
    except StatementError:
        encoding = encoding_of(file)
        return CsvMapping(delimiter=max(DELIMITERS, key=lambda one: len(_widest(file, one, encoding))))


def names(file: BinaryIO, mapping: CsvMapping) -> list[str]:
    """Return what the file's columns can be called: by the names in it, else by their numbers."""
    widest = _widest(file, mapping.delimiter, mapping.encoding)
    return [c for c in widest if c] if mapping.header else [str(i) for i in range(1, len(widest) + 1)]


def first_rows(file: BinaryIO, mapping: CsvMapping, count: int = 5) -> list[Row]:
    """Return the first rows as they stand in the file."""
    return list(islice(rows(file, mapping.delimiter, mapping.encoding), count))


def _widest(file: BinaryIO, delimiter: str, encoding: str) -> list[str]:
    """Return the first of the rows with most cells: the one with the names, if there are names."""
    try:
        first = list(islice(rows(file, delimiter, encoding), _PREAMBLE))
    except StatementError:
        return []
    return max((cells for _at, cells in first), key=lambda cells: sum(map(bool, cells)), default=[])


def account_in(file: BinaryIO) -> str:
    """Return the account that the file's own column tells, or nothing. Raises StatementError."""
    mapping = proposed(file)
    rows_of = islice(_Table(file, mapping), _PREAMBLE) if mapping.columns.get("account") else []
    return next(("".join(row["account"].split()).upper() for _at, row in rows_of if row.get("account")), "")


def _recognised(names: list[str], example: list[str]) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for place, written in enumerate(names):
        name = _KNOWN.get(_word(written))
        # "Valuta" is the day of value in some countries and the currency in others.
        if name == "value_on" and place < len(example) and _CURRENCY.fullmatch(example[place]):
            name = "currency"
        if name and names.count(written) == 1 and (name == "remittance" or name not in columns):
            columns.setdefault(name, []).append(written)
    if not columns.get("debit"):
        columns.pop("credit", None)
    return columns


class _Table:
    """The rows of a file under a mapping, each as the texts of its fields."""

    def __init__(self, file: BinaryIO, mapping: CsvMapping) -> None:
        mapping.check()
        self.file, self.mapping = file, mapping
        self.encoding = mapping.encoding or encoding_of(file)

    def __iter__(self) -> Iterator[tuple[int, dict[str, str]]]:
        places: dict[str, list[int]] | None = None if self.mapping.header else self._numbered()
        for seen, (at, cells) in enumerate(rows(self.file, self.mapping.delimiter, self.encoding)):
            if places is None:
                places = self._places(cells)
                if places is None and seen >= _PREAMBLE:
                    break
                continue
            yield at, {name: "\n".join(_cells(cells, where)) for name, where in places.items()}
        if places is None:
            wanted = ", ".join(f"“{c}”" for names in self.mapping.columns.values() for c in names)
            raise StatementError(
                _("This file does not have the columns of this account's bank: %(columns)s.") % {"columns": wanted}
            )

    def _numbered(self) -> dict[str, list[int]]:
        try:
            places = {name: [int(c) - 1 for c in names] for name, names in self.mapping.columns.items() if names}
        except ValueError as error:
            raise StatementError(_("Without a row of names, columns are given by their numbers.")) from error
        if any(place < 0 for where in places.values() for place in where):
            raise StatementError(_("Columns are counted from 1."))
        return places

    def _places(self, cells: list[str]) -> dict[str, list[int]] | None:
        words = [_word(c) for c in cells]
        wanted = {name: [_word(c) for c in names] for name, names in self.mapping.columns.items() if names}
        if not all(word in words for names in wanted.values() for word in names):
            return None
        return {name: [words.index(word) for word in names] for name, names in wanted.items()}


def _cells(cells: list[str], where: Iterable[int]) -> list[str]:
    return [cells[i] for i in where if i < len(cells) and cells[i]]


@dataclass
class _Found:
    """What the first reading finds out about the whole file."""

    decimal: str
    order: str
    currency: str
    account: str
    opening_minor: int | None
    closing_minor: int | None
    from_on: date | None
    to_on: date | None


class _Orders:
    """Finds out from all dates whether the day or the month comes first."""

    def __init__(self, chosen: str) -> None:
        self.left = {chosen} if chosen else set(ORDERS)

    def see(self, cell: str, at: int) -> None:
        left = {order for order in self.left if _date(cell, order)}
        if not left:
            if not any(_date(cell, order) for order in ORDERS):
                raise StatementError(_("“%(cell)s” is no date.") % {"cell": cell[:40]}, at)
            raise StatementError(_("The dates contradict each other: “%(cell)s”.") % {"cell": cell[:40]}, at)
        self.left = left

    def decided(self) -> str:
        if self.left == {"dmy", "mdy"}:
            raise StatementError(
                _("No date in the file tells whether the day or the month comes first. Please choose the order.")
            )
        return min(self.left)


def _date(cell: str, order: str) -> date | None:
    parts = re.fullmatch(r"(\d{1,4})[-./ ]?(\d{1,2})[-./ ]?(\d{1,4})(?:[T ,]+\d{1,2}:\d{2}.*)?", cell.strip(), re.ASCII)
    compact = re.fullmatch(r"(\d{4})(\d{2})(\d{2})", cell.strip(), re.ASCII)
    match = compact if compact and order == "ymd" else parts
    if not match or (compact and order != "ymd"):
        return None
    numbers = dict(zip(order, match.groups(), strict=True))
    if len(numbers["y"]) not in {2, 4} or max(len(numbers["m"]), len(numbers["d"])) > 2:
        return None
    # Nobody writes the month first between points, nor a year of two digits in front.
    if (order == "mdy" and "." in cell) or (order == "ymd" and len(numbers["y"]) == 2):
        return None
    year = int(numbers["y"]) + (2000 if len(numbers["y"]) == 2 else 0)
    try:
        return date(year, int(numbers["m"]), int(numbers["d"]))
    except ValueError:
        return None


def _unbooked(row: dict[str, str]) -> str:
    """Return why a row is no booking, or nothing."""
    status = row.get("status", "").casefold()
    if status.startswith(_PENDING):
        return _("not booked yet")
    if not row.get("booked_on"):
        return _("no date")
    if not (row.get("amount") or row.get("credit") or row.get("debit")):
        return _("no amount")
    return ""


def _is_footer(row: dict[str, str]) -> bool:
    """Whether the row is a remark such as "Total" below the lines: it has no date, and no digit stands in its place."""
    return not any(c.isdigit() for c in row.get("booked_on", ""))


def _survey(table: _Table) -> _Found:
    mapping = table.mapping
    sign, orders, currency, account = DecimalSign(), _Orders(mapping.order), mapping.currency, ""
    for at, row in table:
        if _unbooked(row) or _is_footer(row):
            continue
        orders.see(row["booked_on"], at)
        for name in ("amount", "credit", "debit", "balance"):
            sign.see(row.get(name, ""), at)
        currency = currency or row.get("currency", "").upper()
        account = account or row.get("account", "")
    if not _CURRENCY.fullmatch(currency):
        raise StatementError(_("The file does not tell the currency. Please choose it."))
    found = _Found(mapping.decimal or sign.decided(), orders.decided(), currency, account, None, None, None, None)
    balances = _Balances()
    for at, row in table:
        if isinstance(line := _line(at, row, found), Line):
            found.from_on = min(found.from_on or line.booked_on, line.booked_on)
            found.to_on = max(found.to_on or line.booked_on, line.booked_on)
            balances.see(line)
    found.opening_minor, found.closing_minor = balances.ends()
    return found


class _Balances:
    """Follows the column with the balance, whether the file's first line is the oldest or the newest."""

    def __init__(self) -> None:
        self.first: tuple[int, int] | None = None
        self.last: tuple[int, int] | None = None
        self.rising = self.falling = True
        self.culprit = 0

    def see(self, line: Line) -> None:
        if line.balance_minor is None:
            return
        amount, balance = line.amount_minor, line.balance_minor
        if self.last is not None:
            amount_before, balance_before = self.last
            self.rising = self.rising and balance == balance_before + amount
            self.falling = self.falling and balance_before == balance + amount_before
            self.culprit = self.culprit or (0 if self.rising or self.falling else line.at)
        self.first = self.first or (amount, balance)
        self.last = amount, balance

    def ends(self) -> tuple[int | None, int | None]:
        """Return what the account held before the first and after the last line."""
        if self.first is None or self.last is None:
            return None, None
        if self.culprit:
            raise StatementError(_("The column with the balance does not follow from the amounts here."), self.culprit)
        oldest, newest = (self.first, self.last) if self.rising else (self.last, self.first)
        return oldest[1] - oldest[0], newest[1]


def read(file: BinaryIO, mapping: CsvMapping) -> Iterator[Item]:
    """Yield what the file holds: one statement. Raises StatementError."""
    table = _Table(file, mapping)
    found = _survey(table)
    account = "".join(found.account.split()).upper()
    yield Head(account, found.currency, "", found.opening_minor)
    for at, row in table:
        yield _line(at, row, found)
    yield Tail(found.closing_minor, found.from_on, found.to_on)


def _line(at: int, row: dict[str, str], found: _Found) -> Line | Rejected:
    shown = " ".join(row.get(name, "") for name in ("booked_on", "amount", "credit", "debit")).strip()[:60]
    if reason := _unbooked(row):
        return Rejected(at, shown, reason)
    if _is_footer(row):
        return Rejected(at, shown, _("no date"))
    if (own := row.get("currency", "").upper()) and own != found.currency:
        return Rejected(at, shown, _("in %(one)s, not in %(other)s") % {"one": own, "other": found.currency})
    booked_on = _date(row["booked_on"], found.order)
    if booked_on is None:
        raise StatementError(_("“%(cell)s” is no date.") % {"cell": row["booked_on"][:40]}, at)
    amount = _amount(row, found, at)
    if amount == 0:
        return Rejected(at, shown, _("an amount of zero"))
    remittance = "\n".join(t for t in (row.get("reference"), row.get("remittance")) if t)
    end_to_end = row.get("end_to_end", "")
    return Line(
        at=at,
        amount_minor=amount,
        currency=found.currency,
        booked_on=booked_on,
        value_on=_date(row.get("value_on", ""), found.order),
        bank_reference=row.get("bank_reference", ""),
        end_to_end="" if end_to_end.upper() in {"NOTPROVIDED", "NONREF"} else end_to_end,
        reference=number_in([row["reference"]] if row.get("reference") else [], remittance),
        counterparty=row.get("counterparty", ""),
        counterparty_iban="".join(row.get("counterparty_iban", "").split()).upper(),
        remittance=remittance,
        balance_minor=signed(row["balance"], found.decimal, found.currency, at) if row.get("balance") else None,
    )


def _amount(row: dict[str, str], found: _Found, at: int) -> int:
    if row.get("amount"):
        amount = signed(row["amount"], found.decimal, found.currency, at)
        if way := row.get("sign", "").strip().casefold():
            if way not in _CREDIT | _DEBIT:
                raise StatementError(_("“%(cell)s” tells neither credit nor debit.") % {"cell": way[:40]}, at)
            return -abs(amount) if way in _DEBIT else abs(amount)
        return amount
    credit = signed(row["credit"], found.decimal, found.currency, at) if row.get("credit") else 0
    debit = signed(row["debit"], found.decimal, found.currency, at) if row.get("debit") else 0
    return credit - abs(debit)
