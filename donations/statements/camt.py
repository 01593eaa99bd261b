"""
CAMT.053 (ISO 20022, bank to customer statement), in every version and with any prefix of its namespace.

Read as a stream, one entry at a time, by defusedxml's parser: it refuses document types, and with them entity bombs.
pycamt was tried and is not used: it builds the whole document in memory, overwrites the payer's text with the
structured reference, keeps one of several, and finds nothing in a file whose namespace has a prefix.
"""

import re
from collections import deque
from collections.abc import Iterator
from datetime import date
from typing import Any, BinaryIO
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser
from django.utils.translation import gettext as _

from donations import money
from donations.statements.amounts import minor
from donations.statements.finding import number_in
from donations.statements.items import Head, Item, Line, Rejected, StatementError, Tail

_PIECE = 64 * 1024
# One entry may hold a batch; what is larger is no statement of a fund's account, and would not fit into memory.
_ENTRY_CHARACTERS = 16 * 1024 * 1024
_ENTRY_ELEMENTS = 400_000
_ANCESTORS = ["Document", "BkToCstmrStmt", "Stmt"]
_AMOUNT = re.compile(r"\+?(\d{1,18})(?:\.(\d{0,17}))?", re.ASCII)
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[TZ+-].*)?", re.ASCII)
_NOT_GIVEN = {"NOTPROVIDED", "NOTAVAILABLE", "NONREF", "NOT PROVIDED"}


class _Children:
    """The parser's target: gives out each child of a statement, whole and with its line, and None where one ends."""

    def __init__(self) -> None:
        self.done: deque[tuple[int, Element | None]] = deque()
        self.expat: Any = None
        self._path: list[str] = []
        self._builder: TreeBuilder | None = None
        self._depth = self._elements = self._characters = self._line = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition("}")[2]
        if self._builder is None:
            if self._path != _ANCESTORS:
                self._enter(name)
                return
            self._builder, self._line = TreeBuilder(), self.expat.CurrentLineNumber
            self._depth = self._elements = self._characters = 0
        self._depth += 1
        self._elements += 1
        if self._elements > _ENTRY_ELEMENTS:
            raise StatementError(_("This entry is too large."), self._line)
        self._builder.start(name, attributes)

    def _enter(self, name: str) -> None:
        self._path.append(name)
        place = len(self._path)
        if place == 2 and name in {"BkToCstmrAcctRpt", "BkToCstmrDbtCdtNtfctn"}:
            raise StatementError(
                _(
                    "This file tells of movements (camt.052 or camt.054), which may still change. "
                    "Please ask the bank for the statement, camt.053."
                ),
                self.expat.CurrentLineNumber,
            )
        if place <= 2 and name != _ANCESTORS[place - 1]:
            raise StatementError(_("This XML file is no bank statement (camt.053)."), self.expat.CurrentLineNumber)
        if place > 50:
            raise StatementError(_("This XML file is no bank statement (camt.053)."), self.expat.CurrentLineNumber)

    def data(self, text: str) -> None:
        if self._builder is not None:
            self._characters += len(text)
            if self._characters > _ENTRY_CHARACTERS:
                raise StatementError(_("This entry is too large."), self._line)
            self._builder.data(text)

    def end(self, tag: str) -> None:
        name = tag.rpartition("}")[2]
        if self._builder is not None:
            self._builder.end(name)
            self._depth -= 1
            if self._depth == 0:
                self.done.append((self._line, self._builder.close()))
                self._builder = None
            return
        if self._path == _ANCESTORS:
            self.done.append((self.expat.CurrentLineNumber, None))
        self._path.pop()

    def close(self) -> None:
        pass


def _children(file: BinaryIO) -> Iterator[tuple[int, Element | None]]:
    target = _Children()
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    target.expat = parser.parser
    # Straight to the target: the parser's own steps between take as long as all the rest.
    target.expat.ordered_attributes = False
    target.expat.StartElementHandler, target.expat.EndElementHandler = target.start, target.end
    target.expat.CharacterDataHandler = target.data
    while True:
        piece = file.read(_PIECE)
        try:
            if piece:
                parser.feed(piece)
            else:
                parser.close()
        except DefusedXmlException as error:
            raise StatementError(
                _("The file declares a document type, which no bank's statement does. It is not read any further."),
                target.expat.CurrentLineNumber,
            ) from error
        except ParseError as error:
            raise StatementError(
                _("The file is damaged or cut off: it is no well-formed XML."), error.position[0]
            ) from error
        except (ValueError, LookupError) as error:
            raise StatementError(_("The file's encoding cannot be read."), target.expat.CurrentLineNumber) from error
        yield from target.done
        target.done.clear()
        if not piece:
            return


def read(file: BinaryIO) -> Iterator[Item]:
    """Yield what the statements in the file hold. Raises StatementError."""
    statement, found = _Statement(), False
    for line, element in _children(file):
        if element is None:
            yield from statement.head(line)
            yield statement.tail()
            statement, found = _Statement(), True
        elif element.tag == "Ntry":
            yield from statement.head(line)
            yield from statement.lines(line, element)
        else:
            statement.take(line, element)
    if not found:
        raise StatementError(_("There is no statement in this file."))


class _Statement:
    def __init__(self) -> None:
        self.account = self.currency = self.reference = ""
        self.balances: dict[str, tuple[int, str]] = {}
        self.from_on: date | None = None
        self.to_on: date | None = None
        self.booked_from: date | None = None
        self.booked_to: date | None = None
        self.begun = False

    def take(self, line: int, element: Element) -> None:
        """Keep what stands before the entries."""
        match element.tag:
            case "Id":
                self.reference = (element.text or "").strip()[:100]
            case "Acct":
                self.account = "".join((_text(element, "Id/IBAN") or _text(element, "Id/Othr/Id")).split()).upper()
                self.currency = _text(element, "Ccy")
            case "FrToDt":
                self.from_on, self.to_on = _day(element, "FrDtTm", "FrDt"), _day(element, "ToDtTm", "ToDt")
            case "Bal":
                code = _text(element, "Tp/CdOrPrtry/Cd")
                # The first of its kind: a bank may repeat it for later days or for each side of a page.
                if code in {"OPBD", "PRCD", "CLBD"} and code not in self.balances:
                    self.balances[code] = _amount(element, line)
                    day = _day(element, "Dt")
                    if code == "CLBD":
                        self.to_on = self.to_on or day
                    elif code == "OPBD":
                        self.from_on = self.from_on or day

    def head(self, line: int) -> Iterator[Head]:
        if self.begun:
            return
        self.begun = True
        opening, closing = self.balances.get("OPBD") or self.balances.get("PRCD"), self.balances.get("CLBD")
        if not opening or not closing:
            raise StatementError(
                _("The statement does not tell the booked balance at its beginning and at its end."), line
            )
        self.currency = self.currency or opening[1]
        if {opening[1], closing[1]} != {self.currency}:
            raise StatementError(_("The balances are not in the account's currency."), line)
        yield Head(self.account, self.currency, self.reference, opening[0])

    def tail(self) -> Tail:
        return Tail(self.balances["CLBD"][0], self.from_on or self.booked_from, self.to_on or self.booked_to)

    def lines(self, line: int, entry: Element) -> Iterator[Line | Rejected]:
        """Yield one line for the entry, or one for each payment of a batch if their sum is the entry's."""
        amount, currency = _amount(entry, line)
        status = _text(entry, "Sts/Cd") or _text(entry, "Sts")
        if status != "BOOK":
            reason = _("not booked yet") if status in {"PDNG", "FUTR"} else _("for information only")
            if status not in {"PDNG", "FUTR", "INFO"}:
                raise StatementError(_("The entry does not tell whether it is booked."), line)
            yield Rejected(line, _shown(amount, currency), reason)
            return
        if currency != self.currency:
            raise StatementError(
                _("The entry is in %(one)s, the account in %(other)s.") % {"one": currency, "other": self.currency},
                line,
            )
        booked_on = _day(entry, "BookgDt") or _day(entry, "ValDt") or self.to_on
        if booked_on is None:
            raise StatementError(_("The entry has no date."), line)
        self.booked_from = min(self.booked_from or booked_on, booked_on)
        self.booked_to = max(self.booked_to or booked_on, booked_on)
        reversal = _text(entry, "RvslInd") in {"true", "1"}
        details = entry.findall("NtryDtls/TxDtls")
        parts = [_part(detail, currency, incoming=amount >= 0) for detail in details] if len(details) > 1 else []
        whole = [detail for detail, part in zip(details, parts, strict=False) if part is None]
        batch = bool(parts) and not whole and sum(part for part in parts if part is not None) == amount
        groups = [([d], p or 0) for d, p in zip(details, parts, strict=True)] if batch else [(details, amount)]
        for group, share in groups:
            if share == 0:
                yield Rejected(line, _shown(share, currency), _("an amount of zero"))
            else:
                yield _line(
                    entry, group, at=line, amount=share, currency=currency, booked_on=booked_on, reversal=reversal
                )


def _line(
    entry: Element, details: list[Element], *, at: int, amount: int, currency: str, booked_on: date, reversal: bool
) -> Line:
    structured, texts = [], []
    name = iban = end_to_end = reference = ""
    # In a reversal the parties keep the parts that they had in what is reversed.
    sides = ("Dbtr", "Cdtr") if (amount > 0) != reversal else ("Cdtr", "Dbtr")
    for detail in details:
        for found in detail.findall("RmtInf/Strd"):
            typed = [t for t in (e.text for e in found.findall("CdtrRefInf/Ref")) if t]
            structured += typed
            texts += typed + [e.text for e in found.findall("AddtlRmtInf") if e.text]
        texts += [e.text for e in detail.findall("RmtInf/Ustrd") if e.text]
        reference = reference or _text(detail, "Refs/AcctSvcrRef")
        end_to_end = end_to_end or _text(detail, "Refs/EndToEndId")
        for side in sides:
            party = f"RltdPties/{side}"
            name = name or _text(detail, f"{party}/Nm") or _text(detail, f"{party}/Pty/Nm")
            iban = iban or _text(detail, f"{party}Acct/Id/IBAN") or _text(detail, f"{party}Acct/Id/Othr/Id")
            if name or iban:
                break
    if not texts:
        texts += [t for t in [_text(d, "AddtlTxInf") for d in details] if t]
    if not texts and (more := _text(entry, "AddtlNtryInf")):
        texts.append(more)
    remittance = "\n".join(t.strip() for t in texts)
    return Line(
        at=at,
        amount_minor=amount,
        currency=currency,
        booked_on=booked_on,
        value_on=_day(entry, "ValDt"),
        bank_reference=reference or _text(entry, "AcctSvcrRef") or _text(entry, "NtryRef"),
        end_to_end="" if end_to_end.upper() in _NOT_GIVEN else end_to_end,
        reference=number_in(structured, remittance),
        counterparty=name,
        counterparty_iban="".join(iban.split()).upper(),
        remittance=remittance,
        reversal=reversal,
    )


def _part(detail: Element, currency: str, *, incoming: bool) -> int | None:
    """Return a payment's own share of a batch in the account's currency, or None where it does not tell."""
    for place in (".", "AmtDtls/TxAmt"):
        holder = detail.find(place)
        found = holder.find("Amt") if holder is not None else None
        if (
            found is not None
            and found.get("Ccy") == currency
            and (match := _AMOUNT.fullmatch((found.text or "").strip()))
        ):
            share = minor(match[1], match[2] or "", currency)
            way = _text(detail, "CdtDbtInd") or ("CRDT" if incoming else "DBIT")
            return share if way == "CRDT" else -share
    return None


def _amount(holder: Element, line: int) -> tuple[int, str]:
    """Return the signed amount and the currency of an entry or a balance."""
    found = holder.find("Amt")
    text, currency = ((found.text or "").strip(), found.get("Ccy", "")) if found is not None else ("", "")
    match, way = _AMOUNT.fullmatch(text), _text(holder, "CdtDbtInd")
    if not match or not re.fullmatch(r"[A-Z]{3}", currency):
        raise StatementError(_("“%(cell)s” is no amount.") % {"cell": f"{text} {currency}".strip()[:60]}, line)
    if way not in {"CRDT", "DBIT"}:
        raise StatementError(_("It does not tell whether the amount is credit or debit."), line)
    # A reversal's own indicator says already which way the money goes now.
    size = minor(match[1], match[2] or "", currency, line)
    return (size if way == "CRDT" else -size), currency


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _day(element: Element, *paths: str) -> date | None:
    for path in paths:
        text = _text(element, f"{path}/Dt") or _text(element, f"{path}/DtTm") or _text(element, path)
        if match := _DAY.fullmatch(text):
            try:
                return date(int(match[1]), int(match[2]), int(match[3]))
            except ValueError:
                continue
    return None


def _shown(minor_units: int, currency: str) -> str:
    return money.format_amount(minor_units, currency)
