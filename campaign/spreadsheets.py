"""
Tables for spreadsheets, as CSV and as XLSX, in which no cell is a formula.

Both are made while they are sent, whatever their length: nothing of them is ever on disk or whole in memory, which no
library for XLSX offers. Names and addresses would lie in a temporary file in the clear.
"""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import chain, islice
from typing import Any
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

from django.utils import timezone

from campaign.streaming import Taken

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
MARKS = [(codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")]
_AT_ONCE = 500
_MARK = "\ufeff"  # else spreadsheets take UTF-8 for something older
# What a sheet of XLSX holds, with the row of headings, and a cell.
ROWS_OF_A_SHEET = 1_048_576
LONGEST_CELL = 32_767
# What XML cannot hold, and what a spreadsheet would read as the code of a character.
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LIKE_A_CODE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")


def encoding_of(content: bytes) -> str:
    """Return the encoding of a text: what its mark says, else UTF-8 if it is, else Windows-1252."""
    for mark, name in MARKS:
        if content.startswith(mark):
            return name
    try:
        content.decode()
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def cell(value: Any) -> str:
    """Return a cell of CSV that no spreadsheet takes for a formula."""
    text = _text(value)
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def typed(text: str) -> str:
    """Return what somebody had written, of a cell that went out through cell()."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return timezone.localtime(value).isoformat(" ", "seconds") if timezone.is_aware(value) else value.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else str(value)


class _Echo:
    def write(self, text: str) -> str:
        return text


def csv_lines(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Yield CSV (RFC 4180), a line for each row."""
    write = csv.writer(_Echo()).writerow
    return (write([cell(value) for value in row]) for row in rows)


def as_csv(headings: Sequence[str], rows: Iterable[Iterable[Any]]) -> Iterator[bytes]:
    """Yield a table as CSV in UTF-8, in pieces of many lines."""
    yield (_MARK + "".join(csv_lines([headings]))).encode()
    lines = csv_lines(rows)
    while piece := "".join(islice(lines, _AT_ONCE)):
        yield piece.encode(errors="replace")


def as_xlsx(headings: Sequence[str], rows: Iterable[Iterable[Any]]) -> Iterator[bytes]:
    """Yield a table as a workbook (ISO/IEC 29500), with another sheet when one is full."""
    out, rest, sheets = Taken(), iter(rows), 0
    with ZipFile(out, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        first: Any = next(rest, None)
        while first is not None or not sheets:
            sheets += 1
            inside = chain([] if first is None else [first], islice(rest, ROWS_OF_A_SHEET - 2))
            with archive.open(f"xl/worksheets/sheet{sheets}.xml", "w") as sheet:
                sheet.write(f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
                lines = map(_row, chain([headings], inside))
                while piece := "".join(islice(lines, _AT_ONCE)):
                    sheet.write(piece.encode())
                    yield out.take()
                sheet.write(b"</sheetData></worksheet>")
            first = next(rest, None)
        for name, content in _parts(sheets):
            archive.writestr(name, _XML + content)
    yield out.take()


def _row(values: Iterable[Any]) -> str:
    return f"<row>{''.join(map(_xlsx_cell, values))}</row>"


def _xlsx_cell(value: Any) -> str:
    """Return a number or a text; whatever a text begins with, its kind says that it is one."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return f"<c><v>{value}</v></c>"
    text = _text(value)[:LONGEST_CELL]
    if not text:
        return "<c/>"
    text = escape(_LIKE_A_CODE.sub("_x005F_", _NO_XML.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_LINKS = "application/vnd.openxmlformats-package.relationships+xml"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def _parts(sheets: int) -> Iterator[tuple[str, str]]:
    """Yield the small files around the sheets, which say what is where."""
    numbers = range(1, sheets + 1)
    kinds = {"workbook": "sheet.main", **{f"worksheets/sheet{n}": "worksheet" for n in numbers}}
    types = "".join(
        f'<Override PartName="/xl/{name}.xml" ContentType="{_TYPE}.{kind}+xml"/>' for name, kind in kinds.items()
    )
    yield (
        "[Content_Types].xml",
        f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType="{_LINKS}"/>{types}</Types>',
    )
    yield "_rels/.rels", _relations({"r1": ("officeDocument", "xl/workbook.xml")})
    named = "".join(f'<sheet name="{n}" sheetId="{n}" r:id="r{n}"/>' for n in numbers)
    yield "xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{named}</sheets></workbook>'
    yield (
        "xl/_rels/workbook.xml.rels",
        _relations({f"r{n}": ("worksheet", f"worksheets/sheet{n}.xml") for n in numbers}),
    )


def _relations(targets: dict[str, tuple[str, str]]) -> str:
    links = "".join(
        f'<Relationship Id="{key}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for key, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'
