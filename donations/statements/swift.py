"""
MT940 (SWIFT, customer statement message), with the dialects of `:86:` that German and Dutch banks write.

The file is cut into its fields here, so that it is read as a stream; mt-940 then reads each field.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, BinaryIO

import mt940
from django.utils.translation import gettext as _

from donations import money
from donations.statements.amounts import minor
from donations.statements.finding import number_in
from donations.statements.items import Head, Item, Line, Rejected, StatementError, Tail
from donations.statements.text import lines as lines_of

_FIELD = re.compile(r":(\d{2}[A-Z]?|NS):(.*)", re.DOTALL)
_LONGEST_FIELD = 64 * 1024
# mt-940 reads `1.500,00` as 1 and loses the rest; so the shape is checked before. The comma is the standard's.
_ENTRY = re.compile(
    r"\d{6}(?:\d{4}|\s{4})?(E[CD]|R?[CD])[A-Z]?\n? ?(\d{1,15})(?:,(\d*))?(?=[A-Z][A-Z0-9 ]{3}|\s*\Z)", re.ASCII
)
_BALANCE = re.compile(r"([CD])(\d{6})([A-Z]{3})(\d{1,15})(?:,(\d*))?", re.ASCII)
# What Dutch banks write into :86:, `/TRTP/SEPA OVERBOEKING/IBAN/.../NAME/.../REMI/.../EREF/...`.
_KEYWORD = re.compile(
    r"/(TRTP|TRCD|IBAN|BIC|NAME|REMI|EREF|PREF|MARF|CSID|RTRN|ISDT|PURP|ADDR|ORDP|BENM|CNTP|ULTD|ULTB|ULTC|KREF|IREF)/"
)
_NOT_GIVEN = {"NOTPROVIDED", "NONREF", ""}


def read(file: BinaryIO) -> Iterator[Item]:
    """Yield what the statements in the file hold. Raises StatementError."""
    statement: _Statement | None = None
    found = False
    for at, tag, value in _fields(file):
        if statement is None:
            if tag == "20":
                statement = _Statement(reference=value)
            elif tag == "61":
                raise StatementError(_("An entry stands outside of a statement."), at)
            continue
        yield from statement.take(at, tag, value)
        if statement.ended:
            found, statement = True, None
    if statement is not None:
        raise StatementError(_("The file is cut off: the last statement has no closing balance."))
    if not found:
        raise StatementError(_("There is no statement in this file."))


def _fields(file: BinaryIO) -> Iterator[tuple[int, str, str]]:
    tag, at, parts, size = "", 0, [""], 0
    for number, raw in enumerate(lines_of(file), 1):
        line = raw.rstrip("\r\n")
        match = _FIELD.match(line)
        if match or line.strip() in {"-", "-}"} or line.startswith(("{", "-}{")):
            if tag:
                yield at, tag, "\n".join(parts)
            tag, at, parts, size = (match[1], number, [match[2]], 0) if match else ("", 0, [""], 0)
            # `{1:...}{4:` and its first field may share a line
            if not match and (inner := re.search(r"\{4:(:\d{2}[A-Z]?:.*)", line)) and (match := _FIELD.match(inner[1])):
                tag, at, parts = match[1], number, [match[2]]
            continue
        parts.append(line)
        size += len(line)
        if size > _LONGEST_FIELD:
            raise StatementError(_("This entry is too large."), at or number)
    if tag:
        yield at, tag, "\n".join(parts)


def _balance(value: str, at: int) -> tuple[int, str, date]:
    match = _BALANCE.fullmatch(value.strip())
    try:
        day = date(2000 + int(match[2][:2]), int(match[2][2:4]), int(match[2][4:])) if match else None
    except ValueError:
        day = None
    if not match or not day:
        raise StatementError(_("“%(cell)s” is no balance.") % {"cell": value[:60]}, at)
    size = minor(match[4], match[5] or "", match[3], at)
    return (size if match[1] == "C" else -size), match[3], day


@dataclass
class _Statement:
    reference: str
    account: str = ""
    currency: str = ""
    entry: tuple[int, str] | None = None
    details: list[str] = field(default_factory=list)
    # The closing balance of a page that is continued.
    carried: int | None = None
    from_on: date | None = None
    begun: bool = False
    ended: bool = False
    book: mt940.models.Transactions = field(
        default_factory=lambda: mt940.models.Transactions(options=mt940.Options.all())
    )

    def take(self, at: int, tag: str, value: str) -> Iterator[Item]:
        if tag == "86" and self.entry:
            self.details.append(value)
            return
        if self.entry:
            yield self._entry()
        match tag:
            case "20" if self.carried is None:
                raise StatementError(_("The statement before has no closing balance."), at)
            case "25":
                self._on_account("".join(value.split()).upper(), at)
            case "28C" | "28" if not self.begun:
                self.reference = f"{self.reference.strip()} {value.strip().partition('/')[0]}".strip()
            case "60F" | "60M":
                yield from self._open(at, tag, value)
            case "61":
                self._must_have_begun(at)
                self.entry = at, value
            case "62M":
                self.carried = _balance(value, at)[0]
            case "62F":
                yield self._end(at, value)

    def _on_account(self, account: str, at: int) -> None:
        if self.account and account != self.account:
            raise StatementError(_("The next page of a statement is missing."), at)
        self.account = account

    def _must_have_begun(self, at: int) -> None:
        if not self.begun or self.carried is not None:
            raise StatementError(_("The statement has no opening balance before this line."), at)

    def _end(self, at: int, value: str) -> Tail:
        self._must_have_begun(at)
        closing, currency, to_on = _balance(value, at)
        if currency != self.currency:
            raise StatementError(_("The balances are not in the account's currency."), at)
        self.ended = True
        return Tail(closing, self.from_on, to_on)

    def _open(self, at: int, tag: str, value: str) -> Iterator[Item]:
        opening, currency, day = _balance(value, at)
        if self.begun:
            if tag != "60M" or self.carried != opening or currency != self.currency:
                raise StatementError(_("The next page of a statement is missing."), at)
            self.carried = None
            return
        if tag == "60M":
            raise StatementError(_("The first page of a statement is missing."), at)
        self.begun, self.currency, self.from_on = True, currency, day
        self.book.parse(f":60F:{value}")
        yield Head(self.account, currency, self.reference[:100], opening)

    def _entry(self) -> Line | Rejected:
        at, value = self.entry or (0, "")
        shape = _ENTRY.match(value)
        if not shape:
            raise StatementError(_("“%(cell)s” is no entry of MT940.") % {"cell": value[:60]}, at)
        size = minor(shape[2], shape[3] or "", self.currency, at)
        shown = money.format_amount(size, self.currency)
        details, self.entry, self.details = "\n".join(self.details), None, []
        if shape[1] in {"EC", "ED"}:
            return Rejected(at, shown, _("not booked yet"))
        if size == 0:
            return Rejected(at, shown, _("an amount of zero"))
        try:
            self.book.parse(f":61:{value}\n:86:{details}" if details else f":61:{value}")
            found = self.book.transactions.pop().data
        except (RuntimeError, ValueError, ArithmeticError) as error:
            raise StatementError(_("“%(cell)s” is no entry of MT940.") % {"cell": value[:60]}, at) from error
        # RC takes back what came in, RD what went out.
        signed = -size if shape[1] in {"D", "RC"} else size
        return _line(at, signed, self.currency, found, details, reversal=shape[1].startswith("R"))


def _line(at: int, amount: int, currency: str, found: dict[str, Any], details: str, *, reversal: bool) -> Line:
    value_on = _plain(found["date"])
    name, iban, end_to_end, structured = "", "", "", []
    if found.get("transaction_code"):  # the German structure, `166?00...?20...?32...`
        name = found.get("applicant_name") or ""
        iban = found.get("applicant_iban") or found.get("gvc_applicant_iban") or ""
        end_to_end = found.get("end_to_end_reference") or ""
        purposes = [found.get("purpose"), found.get("additional_purpose")]
        remittance = "\n".join(p for p in purposes if p) or found.get("posting_text") or ""
    elif len(_KEYWORD.findall(flat := details.replace("\n", ""))) > 1:
        parts = _keywords(flat)
        counter = (parts.get("CNTP", "") + "///").split("/")
        name, iban = parts.get("NAME") or counter[2], parts.get("IBAN") or counter[0]
        end_to_end, remittance = parts.get("EREF", ""), parts.get("REMI", "")
        if strd := re.fullmatch(r"STRD/(?:CUR|ISO)/(.*?)/*", remittance):
            structured, remittance = [strd[1]], strd[1]
        remittance = re.sub(r"\AUSTD/{1,2}|/+\Z", "", remittance) or parts.get("TRTP", "")
    else:
        remittance = "\n".join(part for part in (found.get("extra_details"), details) if part)
    end_to_end = (end_to_end or found.get("customer_reference") or "").strip()
    return Line(
        at=at,
        amount_minor=amount,
        currency=currency,
        booked_on=_plain(found["entry_date"]) if found.get("entry_date") else value_on,
        value_on=value_on,
        bank_reference=(found.get("bank_reference") or "").strip(),
        end_to_end="" if end_to_end.upper() in _NOT_GIVEN else end_to_end,
        reference=number_in(structured, remittance),
        counterparty=name.strip(),
        counterparty_iban="".join(iban.split()).upper(),
        remittance=remittance.strip(),
        reversal=reversal,
    )


def _keywords(text: str) -> dict[str, str]:
    pieces = _KEYWORD.split(text)
    found: dict[str, str] = {}
    for key, value in zip(pieces[1::2], pieces[2::2], strict=True):
        if value.strip("/ "):
            found.setdefault(key, value.strip() if key == "REMI" else value.strip("/ "))
    return found


def _plain(day: date) -> date:
    """Return a date of the standard library's: mt-940's own does not compare equal everywhere."""
    return date(day.year, day.month, day.day)
