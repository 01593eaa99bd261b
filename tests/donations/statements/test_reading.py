"""What a file may not be, and what is said of it."""

import io
import string
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donations.statements import columns, reading
from donations.statements.amounts import DecimalSign, signed
from donations.statements.columns import CsvMapping
from donations.statements.finding import number_in
from donations.statements.items import Line, StatementError, Tail

FILES = Path(__file__).parent / "files"
BELGIUM = (FILES / "belgium.camt053.001.02.xml").read_text()
GERMANY = (FILES / "germany.mt940.sta").read_text()


def read(content, mapping=None):
    data = content if isinstance(content, bytes) else content.encode()
    return list(reading.read(io.BytesIO(data), mapping))


def refused(content, mapping=None):
    with pytest.raises(StatementError) as caught:
        read(content, mapping)
    return caught.value


def lines(content, mapping=None):
    return [item for item in read(content, mapping) if isinstance(item, Line)]


BOMB = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>
<Document><BkToCstmrStmt><Stmt><Id>&c;</Id></Stmt></BkToCstmrStmt></Document>"""
OUTSIDE = """<?xml version="1.0"?>
<!DOCTYPE Document [<!ENTITY secret SYSTEM "file:///etc/passwd">]>
<Document><BkToCstmrStmt><Stmt><Id>&secret;</Id></Stmt></BkToCstmrStmt></Document>"""


@pytest.mark.parametrize("bomb", [BOMB, OUTSIDE, BOMB.replace("<!DOCTYPE", "\n" * 5000 + "<!DOCTYPE")])
def test_an_xml_bomb_is_refused_before_it_goes_off(bomb):
    error = refused(bomb)
    assert "document type" in str(error)
    assert error.line == bomb[: bomb.index("<!DOCTYPE")].count("\n") + 1


def test_a_file_that_is_too_large_is_refused_unread(tmp_path):
    large = tmp_path / "large.xml"
    with large.open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    with large.open("rb") as file, pytest.raises(StatementError, match="200 MB; we read up to 150 MB"):
        next(reading.read(file))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"PK\x03\x04rest", "packed"),
        (b"%PDF-1.7", "document for reading"),
        (b"\x00\x01\x02\x03" * 100, "no text file"),
        (b"MZ\x90 binary \x00 rest", "no text file"),
        ("Once upon a time, there was\na strike, and it won.", "No row of this file names columns"),
        ("<html><body>Please log in</body></html>", "no bank statement"),
        ("<Document><pain.001/></Document>", "no bank statement"),
        ('<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.052.001.02"><BkToCstmrAcctRpt/></Document>', "camt.052"),
        (":20:X\n:25:X\n:28C:1\n:34F:EURD0,\n:61:2603020302C1,00NTRFX\n", "MT942"),
        ("<Document><BkToCstmrStmt></BkToCstmrStmt></Document>", "no statement in this file"),
        ('<?xml version="1.0" encoding="x-invented"?><Document/>', "well-formed|encoding"),
    ],
)
def test_what_is_no_statement_is_refused_in_words(content, says):
    with pytest.raises(StatementError, match=says):
        read(content)


@pytest.mark.parametrize("cut", [200, 1500, 3000, len(BELGIUM) - 30])
def test_a_cut_off_camt_file_is_refused(cut):
    assert "damaged or cut off" in str(refused(BELGIUM[:cut]))


@pytest.mark.parametrize("cut", [":62F:", ":64:"])
def test_a_cut_off_mt940_file_is_refused_unless_it_has_its_closing_balance(cut):
    content = GERMANY[: GERMANY.index(cut)]
    if cut == ":64:":
        assert isinstance(read(content)[-1], Tail)
    else:
        assert "cut off" in str(refused(content))


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('<Amt Ccy="EUR">25.00</Amt>', '<Amt Ccy="EUR">25,00</Amt>', 26, "no amount"),
        ('<Amt Ccy="EUR">25.00</Amt>', '<Amt Ccy="EUR">-25.00</Amt>', 26, "no amount"),
        ('<Amt Ccy="EUR">25.00</Amt>', '<Amt Ccy="EUR">25.001</Amt>', 26, "more decimals"),
        ('<Amt Ccy="EUR">25.00</Amt>', '<Amt Ccy="USD">25.00</Amt>', 26, "in USD, the account in EUR"),
        ("<Sts>BOOK</Sts>", "", 26, "whether it is booked"),
        ("<CdtDbtInd>CRDT</CdtDbtInd>\n        <Sts>", "<Sts>", 26, "credit or debit"),
        ("<Cd>OPBD</Cd>", "<Cd>ITBD</Cd>", 26, "balance"),
    ],
)
def test_an_entry_of_camt_that_cannot_be_read_is_named_by_its_line(old, new, line, says):
    assert old in BELGIUM
    error = refused(BELGIUM.replace(old, new, 1))
    assert error.line == line
    assert says in str(error)


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("CR50,00N051", "CR1.500,00N051", 5, "no entry"),
        ("CR50,00N051", "CR50.00N051", 5, "no entry"),
        ("2602280228CR", "2613280228CR", 5, "no entry"),
        ("EUR1500,00", "EUR1.500,00", 4, "no balance"),
        (":60F:C260227EUR1500,00\n", "", 4, "opening balance"),
        (":62F:C260302EUR", ":62F:C260302USD", 23, "currency"),
        ("CR50,00N051", "CR" + "9" * 15 + ",00N051", 5, "too large"),
    ],
)
def test_an_entry_of_mt940_that_cannot_be_read_is_named_by_its_line(old, new, line, says):
    assert old in GERMANY
    error = refused(GERMANY.replace(old, new, 1))
    assert error.line == line
    assert says in str(error)


def test_a_missing_page_of_mt940_is_noticed():
    dutch = (FILES / "netherlands.mt940.sta").read_text()
    second = dutch[dutch.index("{1:", 5) :]
    assert "first page" in str(refused(second))
    assert "next page" in str(refused(dutch.replace(":60M:C260302EUR2515,25", ":60M:C260302EUR9,99")))
    assert "cut off" in str(refused(dutch[: dutch.index("{1:", 5)]))


MAPPING = CsvMapping({"booked_on": ["Date"], "amount": ["Amount"], "remittance": ["Text"]}, ",", currency="EUR")


def table(*rows):
    return "Date,Amount,Text\n" + "".join(f'"{day}","{amount}",x\n' for day, amount in rows)


@pytest.mark.parametrize(
    ("cells", "minors"),
    [
        (["1.500,00", "200,00-"], [150000, -20000]),
        (["1.500", "12,5"], [150000, 1250]),
        (["1,500", "12.5"], [150000, 1250]),
        (["1.500", "1.234.567"], [150000, 123456700]),
        (["1 500,00", "-0,01"], [150000, -1]),
        (["1'500.00", "(20.00)"], [150000, -2000]),
        (["EUR 15,00", "15,00 €", "+1,00"], [1500, 1500, 100]),
        (["\u22125,00", "000010,00"], [-500, 1000]),
        (["10", "20"], [1000, 2000]),
        (["0.500", "1.5"], [50, 150]),
        (["12,00 DR", "12,00 CR"], [-1200, 1200]),
    ],
)
def test_amounts_are_read_as_the_whole_file_writes_them(cells, minors):
    content = table(*(("2026-03-01", cell) for cell in cells))
    assert [line.amount_minor for line in lines(content, MAPPING)] == minors


@pytest.mark.parametrize(
    ("cells", "line", "says"),
    [
        (["1.500,00", "1,500.00"], 3, "contradict"),
        (["12,50", "12.50"], 3, "contradict"),
        (["1.500", "2.750"], 2, "two ways"),
        (["12,50", "1.50.00"], 3, "contradict|no amount"),
        (["12,50", "abc"], 3, "no amount"),
        (["12,50", "200,-"], 3, "no amount"),
        (["12,50", "--5,00"], 3, "no amount"),
        (["12,50", "(5,00"], 3, "no amount"),
        (["12,501"], 2, "two ways"),
        (["12,501", "1,5"], 2, "more decimals"),
        (["1234567890123456,00"], 2, "too large"),
        (["12,50", "١٢,٥٠"], 3, "no amount"),
    ],
)
def test_no_amount_is_guessed(cells, line, says):
    with pytest.raises(StatementError, match=says) as caught:
        read(table(*(("2026-03-01", cell) for cell in cells)), MAPPING)
    assert caught.value.line == line


def test_the_decimal_sign_may_be_chosen_where_the_file_leaves_it_open():
    content = table(("2026-03-01", "1.500"))
    chosen = CsvMapping(**{**MAPPING.as_json(), "decimal": ","})
    assert [line.amount_minor for line in lines(content, chosen)] == [150000]


@pytest.mark.parametrize(
    ("days", "booked"),
    [
        (["01/02/2026", "13/02/2026"], "2026-02-01"),
        (["01/02/2026", "02/13/2026"], "2026-01-02"),
        (["01.02.2026"], "2026-02-01"),
        (["1.2.26"], "2026-02-01"),
        (["20260201"], "2026-02-01"),
        (["2026/02/01"], "2026-02-01"),
        (["2026-02-01T08:00:00"], "2026-02-01"),
    ],
)
def test_the_order_of_day_and_month_is_found_in_the_whole_file(days, booked):
    assert lines(table(*((day, "1") for day in days)), MAPPING)[0].booked_on.isoformat() == booked


@pytest.mark.parametrize(
    ("days", "says"),
    [
        (["01/02/2026"], "day or the month"),
        (["13/02/2026", "02/13/2026"], "contradict"),
        (["30.02.2026"], "no date"),
        (["1"], "no date"),
    ],
)
def test_no_date_is_guessed(days, says):
    assert says in str(refused(table(*((day, "1") for day in days)), MAPPING))


def test_a_file_of_another_bank_is_refused_by_its_columns():
    assert "does not have the columns" in str(refused((FILES / "germany.csv").read_bytes(), MAPPING))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (table(("2026-03-01", "1")) + '"2026-03-02","1,x\n' + "x\n" * 90000, "quotation mark|too long"),
        ("Date,Amount,Text\n" + "x" * 40000, "too long"),
        ("Date,Amount,Text\n2026-03-01,1,\0", "no text file"),
        (table(("2026-03-01", "1")), "the currency"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(content, says):
    mapping = CsvMapping(**{**MAPPING.as_json(), "currency": ""})
    with pytest.raises(StatementError, match=says):
        read(content, mapping)


def test_a_chosen_encoding_that_does_not_fit_is_named_with_its_line():
    mapping = CsvMapping(**{**MAPPING.as_json(), "encoding": "utf-8"})
    error = refused(table(("2026-03-01", "1")).encode() + "2026-03-02,1,Grüße\n".encode("latin-1"), mapping)
    assert error.line == 3
    assert "not known" in str(refused(table(), CsvMapping(**{**MAPPING.as_json(), "encoding": "klingon"})))


def test_a_balance_that_does_not_follow_is_named_by_its_line():
    british = (FILES / "britain.csv").read_text()
    with_gap = british.replace('"1,640.25"', '"1,641.25"')
    mapping = CsvMapping(**{**columns.proposed(io.BytesIO(british.encode())).as_json(), "currency": "GBP"})
    assert refused(with_gap, mapping).line == 7


def test_a_mapping_survives_being_saved():
    assert CsvMapping.from_json(MAPPING.as_json()) == MAPPING


@pytest.mark.parametrize(
    ("structured", "text", "number"),
    [
        (["123456789002"], "", "1234567890"),
        (["RF47 1234 5678 90"], "", "1234567890"),
        ([], "gift rf47-1234-5678-90, thank you", "1234567890"),
        ([], "+++123/4567/\n89002+++", "1234567890"),
        ([], "RF471234\n567890", "1234567890"),
        ([], "RF48 1234 5678 90", ""),
        ([], "123/4567/89003", ""),
        ([], "my invoice 123456789002", ""),
        (["RF47 1234 5678 90"], "RF98 2024 0000 17", "1234567890"),
        ([], "RF47 1234 5678 90 and RF98 2024 0000 17", ""),
        (["not a reference"], "RF98 2024 0000 17", "2024000017"),
    ],
)
def test_a_reference_is_found_only_if_it_is_valid_and_the_only_one(structured, text, number):
    assert number_in(structured, text) == number


@given(
    minors=st.lists(st.integers(-(10**13), 10**13), min_size=1, max_size=8),
    decimal=st.sampled_from(",."),
    thousands=st.sampled_from(["", " ", "'", "\u00a0", "other"]),
    trailing=st.booleans(),
)
def test_what_a_bank_writes_is_read_back_whatever_its_signs(minors, decimal, thousands, trailing):
    between = {",": ".", ".": ","}[decimal] if thousands == "other" else thousands
    cells = []
    for minor in minors:
        whole, part = divmod(abs(minor), 100)
        number = f"{whole:,}".replace(",", between) + f"{decimal}{part:02d}"
        cells.append(number if minor >= 0 else f"{number}-" if trailing else f"-{number}")
    sign = DecimalSign()
    for at, cell in enumerate(cells):
        sign.see(cell, at)
    assert [signed(cell, sign.decided(), "EUR", 1) for cell in cells] == minors


@given(st.binary(max_size=400) | st.text(string.printable, max_size=400).map(str.encode))
def test_whatever_the_bytes_there_is_an_answer_in_words(data):
    for content in (data, b":20:X\n:25:X\n:60F:C260101EUR0,00\n" + data, b"<Document><BkToCstmrStmt><Stmt>" + data):
        with suppress(StatementError):  # whatever else is raised fails
            assert read(content)
