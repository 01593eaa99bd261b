import csv
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO, StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from campaign import spreadsheets

FORMULAS = ["=1+1", "+41", "-2+3", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1", '=HYPERLINK("http://example.org","x")']


def csv_rows(headings, rows):
    text = b"".join(spreadsheets.as_csv(headings, rows)).decode("utf-8-sig")
    return list(csv.reader(StringIO(text, newline="")))


def workbook(headings, rows):
    return load_workbook(BytesIO(b"".join(spreadsheets.as_xlsx(headings, rows))))


def xlsx_rows(headings, rows):
    return [[cell.value for cell in row] for row in workbook(headings, rows).worksheets[0].iter_rows()]


@pytest.mark.parametrize("words", FORMULAS, ids=repr)
def test_no_cell_is_a_formula_in_either_format(words):
    assert csv_rows(["a"], [[words]])[1] == [f"'{words}"]
    (cell,) = workbook(["a"], [[words]]).active[2]
    assert cell.data_type == "s"
    assert cell.value == words.replace("\r", "\n")


def test_numbers_stay_numbers_and_days_are_written_so_that_they_sort():
    values = [-5, Decimal("15.00"), date(2011, 9, 1), datetime(2011, 9, 1, 12, tzinfo=UTC), None, "0123"]
    shown = ["2011-09-01", "2011-09-01 12:00:00+00:00"]
    assert csv_rows(["a"] * 6, [values])[1] == ["-5", "15.00", *shown, "", "0123"]
    assert xlsx_rows(["a"] * 6, [values])[1] == [-5, 15, *shown, None, "0123"]


def test_a_spreadsheet_knows_the_csv_for_utf8():
    assert b"".join(spreadsheets.as_csv(["имя"], [])).startswith(b"\xef\xbb\xbf")


def test_what_xml_cannot_hold_breaks_no_workbook():
    assert xlsx_rows(["a"], [["a\x00b\x0bc\ud800\uffff"]])[1] == ["a\ufffdb\ufffdc\ufffd\ufffd"]
    assert csv_rows(["a"], [["a\ud800"]])[1] == ["a?"]


def test_a_cell_longer_than_a_spreadsheet_takes_is_cut_in_the_workbook_alone():
    assert xlsx_rows(["a"], [["x" * 40_000]])[1] == ["x" * spreadsheets.LONGEST_CELL]
    assert csv_rows(["a"], [["x" * 40_000]])[1] == ["x" * 40_000]


def test_a_table_without_rows_has_its_headings():
    assert csv_rows(["a", "b"], []) == xlsx_rows(["a", "b"], []) == [["a", "b"]]


def test_what_is_too_much_for_a_sheet_goes_on_in_the_next_one(monkeypatch):
    monkeypatch.setattr(spreadsheets, "ROWS_OF_A_SHEET", 4)
    sheets = workbook(["n"], ([number] for number in range(7))).worksheets
    assert [[row[0].value for row in sheet.iter_rows()] for sheet in sheets] == [
        ["n", 0, 1, 2],
        ["n", 3, 4, 5],
        ["n", 6],
    ]


def test_a_workbook_begins_before_its_rows_are_all_read():
    read = []
    rows = ([read.append(number) or number] for number in range(100_000))
    next(piece for piece in spreadsheets.as_xlsx(["n"], rows) if piece)
    assert len(read) < 2000


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=30)


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=5))
def test_every_text_comes_back_as_it_was(rows):
    assert [[spreadsheets.typed(cell) for cell in row] for row in csv_rows(["a", "b"], rows)[1:]] == rows
    assert [[cell or "" for cell in row] for row in xlsx_rows(["a", "b"], rows)[1:]] == rows
