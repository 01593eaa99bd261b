"""The one way into a bank's file: find out what it is, and read it, as a stream."""

from collections.abc import Iterator
from enum import Enum
from typing import BinaryIO

from django.utils.translation import gettext as _

from donations.statements import camt, columns, swift
from donations.statements.columns import CsvMapping
from donations.statements.items import Item, StatementError

# 100,000 payments take some 100 MB of CAMT.053, the most talkative of the formats.
MAXIMUM_BYTES = 150 * 1024 * 1024
_START = 4096


class Format(Enum):
    CAMT = "camt.053"
    MT940 = "mt940"
    CSV = "csv"


def format_of(file: BinaryIO) -> Format:
    """Return what kind of file it is. Raises StatementError for what is certainly none, and for what is too large."""
    size = file.seek(0, 2)
    if size > MAXIMUM_BYTES:
        raise StatementError(
            _("The file has %(size)s MB; we read up to %(limit)s MB. Please export a shorter period.")
            % {"size": size // 1024 // 1024, "limit": MAXIMUM_BYTES // 1024 // 1024}
        )
    if not size:
        raise StatementError(_("The file is empty."))
    file.seek(0)
    start = file.read(_START)
    file.seek(0)
    if start.startswith((b"PK\x03\x04", b"\x1f\x8b", b"Rar!", b"7z")):
        raise StatementError(
            _("This is a packed file or a spreadsheet. Please unpack it, or save the spreadsheet as CSV.")
        )
    if start.startswith((b"%PDF", b"\xd0\xcf\x11\xe0")):
        raise StatementError(_("This is a document for reading. Please ask the bank for CAMT.053, MT940 or CSV."))
    wide = start.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = start.decode("utf-16", "ignore") if wide else start.decode("utf-8-sig", "ignore")
    if text.lstrip().startswith("<"):
        return Format.CAMT
    if b"\0" in start and not wide:
        raise StatementError(_("This is no text file, or one in an unknown encoding."))
    fields = [line[:5] for line in text.splitlines()] + (["{1:"] if text.startswith("{1:") else [])
    if ":20:" in text and any(f.startswith((":20:", "{1:")) for f in fields):
        if ":34F:" in text and ":60" not in text:
            raise StatementError(
                _("This file tells of movements (MT942), which may still change. Please ask the bank for MT940.")
            )
        return Format.MT940
    return Format.CSV


def read(file: BinaryIO, mapping: CsvMapping | None = None) -> Iterator[Item]:
    """
    Yield, for each statement in the file, a Head, its Lines and what is Rejected, and a Tail. Raises StatementError.

    A CSV file is read by `mapping`, or by what its own columns' names suggest.
    """
    kind = format_of(file)
    if kind is Format.CAMT:
        yield from camt.read(file)
    elif kind is Format.MT940:
        yield from swift.read(file)
    else:
        yield from columns.read(file, mapping or columns.proposed(file))
