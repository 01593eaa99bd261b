"""Each file, and what it must give, worked out by hand (README.md says what each one shows)."""

from datetime import date
from pathlib import Path

import pytest

from donations.statements import columns, reading
from donations.statements.columns import CsvMapping
from donations.statements.items import Head, Line, Rejected, Tail

FILES = Path(__file__).parent / "files"
BY_NUMBER = {
    name: [str(number)]
    for number, name in enumerate(
        ["bank_reference", "booked_on", "counterparty", "amount", "currency", "remittance"], 1
    )
}
CHOSEN = {
    "trailing-minus.csv": CsvMapping(BY_NUMBER, header=False),
    "netherlands.csv": {"currency": "EUR"},
    "britain.csv": {"currency": "GBP"},
}

# Line of the file, amount, booked, reference, from or to whom, what the payer wrote
EXPECTED = {
    "belgium.camt053.001.02.xml": [
        Head("BE71096123456769", "EUR", "2026-041", 100000),
        (26, 2500, "2026-03-02", "1234567890", "Afdeling Voorbeeld", "123456789002"),
        (52, 1000, "2026-03-02", "2024000017", "An Peeters", "RF98202400 0017\nmaart"),
        (
            52,
            2000,
            "2026-03-02",
            "3000000103",
            "Bo Example",
            "solidarity from across the sea, our\nreference +++300/0000/10311+++",
        ),
        (52, 3000, "2026-03-02", "", "Cem Voorbeeld", "gift"),
        (82, 10000, "2026-03-02", "", "Dirk Voorbeeld", "steun"),
        (97, 10000, "2026-03-02", "", "Dirk Voorbeeld", "steun"),
        (112, -10000, "2026-03-02", "", "Dirk Voorbeeld", "steun"),
        (130, -50, "2026-03-02", "", "", "Kosten"),
        (138, "not booked yet"),
        (144, "an amount of zero"),
        Tail(118450, date(2026, 3, 2), date(2026, 3, 2)),
    ],
    "switzerland.camt053.001.08.xml": [
        Head("CH9300762011623852957", "CHF", "CH-2026-04-01", -1250),
        (11, 5005, "2026-04-01", "", "Jörg Beispiel", "210000000003139471430009017\nFür die Streikkasse"),
        (11, 5000, "2026-04-01", "0012345678", "Anna Muster", "RF200012345678"),
        (31, 5000, "2026-04-01", "", "Erste Person", "RF98 2024 0000 17\nRF95 3000 0001 03"),
        (39, "for information only"),
        Tail(13755, date(2026, 4, 1), date(2026, 4, 1)),
        Head("CH9300762011623852957", "CHF", "CH-2026-04-02", 13755),
        Tail(13755, date(2026, 4, 2), date(2026, 4, 2)),
    ],
    "germany.mt940.sta": [
        Head("50010517/5407324931", "EUR", "STARTUMSE 00012", 150000),
        (5, 5000, "2026-02-28", "1234567890", "Erika Beispiel", "Streikfonds RF47 1234 5678 90\nweiterer Text"),
        (9, 1000, "2026-03-02", "", "Max Muster", "Spende Februar"),
        (11, -5000, "2026-03-02", "1234567890", "Erika Beispiel", "Streikfonds RF47 1234 567890"),
        (14, 550, "2026-03-02", "", "", "zurueck"),
        (16, -20000, "2026-03-02", "", "Verein Beispiel", "Beihilfe Maerz"),
        (19, 1000, "2026-03-02", "", "Max Muster", "Spende"),
        (21, 1000, "2026-03-02", "", "Max Muster", "Spende"),
        Tail(133550, date(2026, 2, 27), date(2026, 3, 2)),
    ],
    "netherlands.mt940.sta": [
        Head("NL12BANK0123456789", "EUR", "PAGE-1 61", 0),
        (
            6,
            250000,
            "2026-03-02",
            "2024000017",
            "VOORBEELD AFD. ROTTERDAM",
            "STEUN AAN DE STAKERS 202/4000/01754 MET GROET",
        ),
        (11, 1525, "2026-03-02", "5550001234", "J VOORBEELD", "RF71555000 1234"),
        (21, -100000, "2026-03-02", "", "STICHTING VOORBEELD", "BIJSTAND MAART"),
        (24, "not booked yet"),
        Tail(151525, date(2026, 3, 1), date(2026, 3, 2)),
    ],
    "czechia.mt940.sta": [
        Head("CZ6508000000192000145399", "CZK", "2026-55 55", -10000),
        (5, 150000, "2026-04-01", "0012345678", "", "VS 0012345678\nDar od odboru\n+++001/2345/67803+++"),
        (9, 150000, "2026-04-01", "", "", "reference RF98 2024 0000 17 or RF95 3000 0001 03"),
        Tail(290000, date(2026, 3, 31), date(2026, 4, 1)),
    ],
    "germany.csv": [
        Head("DE12500105170648489890", "EUR", "", None),
        (2, 150000, "2026-03-05", "1234567890", "Jörg Müßig", "RF47 1234 5678 90"),
        (3, -20000, "2026-03-05", "", "Verein Beispiel", "Beihilfe; zwei Familien"),
        (4, 1000, "2026-03-06", "", "Max Muster", "Spende"),
        (5, 1000, "2026-03-06", "", "Max Muster", "Spende"),
        (6, "not booked yet"),
        Tail(None, date(2026, 3, 5), date(2026, 3, 6)),
    ],
    "netherlands.csv": [
        Head("NL12BANK0123456789", "EUR", "", None),
        (
            2,
            2500,
            "2026-03-06",
            "3000000103",
            "VOORBEELD AFD. UTRECHT",
            "Naam: VOORBEELD Omschrijving: +++300/0000/10311+++",
        ),
        (3, -120050, "2026-03-05", "", "STICHTING VOORBEELD", "Bijstand"),
        Tail(None, date(2026, 3, 5), date(2026, 3, 6)),
    ],
    "britain.csv": [
        Head("", "GBP", "", 10025),
        (5, 150000, "2026-04-13", "", "", "0012345678\nEXAMPLE BRANCH"),
        (6, 2000, "2026-04-14", "0012345678", "", "RF20 0012 3456 78\nJ EXAMPLE"),
        (7, 2000, "2026-04-14", "0012345678", "", "RF20 0012 3456 78\nJ EXAMPLE"),
        (8, -100000, "2026-04-15", "", "", "APR\nHARDSHIP GRANTS"),
        (9, "no date"),
        Tail(64025, date(2026, 4, 13), date(2026, 4, 15)),
    ],
    "sweden.csv": [
        Head("", "SEK", "", 50050),
        (2, 1250000, "2026-05-04", "9876543210", "", "Klubben, RF52 9876 5432 10"),
        (3, -10050, "2026-05-04", "", "", "Bankavgift"),
        (4, 10000, "2026-05-03", "", "", "Gåva"),
        Tail(1300000, date(2026, 5, 3), date(2026, 5, 4)),
    ],
    "trailing-minus.csv": [
        Head("", "EUR", "", None),
        (1, -20000, "2025-12-03", "", "Strike committee", "Rent of the hall"),
        (2, 150000, "2025-12-04", "7000700070", "A. Example", "RF92 7000 7000 70"),
        (3, 150000, "2025-12-04", "", "B. Example", 'gift, "for the kitchen"'),
        Tail(None, date(2025, 12, 3), date(2025, 12, 4)),
    ],
}


def mapping_of(name, file):
    chosen = CHOSEN.get(name, {})
    if not name.endswith(".csv") or isinstance(chosen, CsvMapping):
        return chosen or None
    return CsvMapping(**{**columns.proposed(file).as_json(), **chosen})


def read(name):
    with (FILES / name).open("rb") as file:
        return list(reading.read(file, mapping_of(name, file)))


def shown(item):
    match item:
        case Line():
            return (
                item.at,
                item.amount_minor,
                item.booked_on.isoformat(),
                item.reference,
                item.counterparty,
                item.remittance,
            )
        case Rejected():
            return item.at, item.reason
    return item


def test_each_file_here_has_its_expectation():
    assert {path.name for path in FILES.iterdir()} == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_gives_what_was_worked_out_by_hand(name):
    assert [shown(item) for item in read(name)] == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_opening_and_lines_are_the_closing_where_a_file_tells_both(name):
    balance = None
    for item in read(name):
        match item:
            case Head():
                balance = item.opening_minor
            case Line() if balance is not None:
                balance += item.amount_minor
            case Tail():
                assert item.closing_minor == balance


def test_the_rest_of_a_line_is_read_too():
    belgian = [item for item in read("belgium.camt053.001.02.xml") if isinstance(item, Line)]
    assert [line.counterparty_iban for line in belgian if line.counterparty == "Dirk Voorbeeld"] == 3 * [
        "BE43068999999501"
    ]
    assert [line.end_to_end for line in belgian[:4]] == ["", "E2E-A", "E2E-B", "E2E-C"]
    assert belgian[0].value_on == date(2026, 3, 1)
    assert [line.reversal for line in belgian] == 6 * [False] + [True, False]
    german = [item for item in read("germany.mt940.sta") if isinstance(item, Line)]
    assert german[0].end_to_end == "E2E-2026-1"
    assert german[0].bank_reference == "POS 1"
    assert german[0].counterparty_iban == "DE89370400440532013000"
    assert [line.reversal for line in german] == [False, False, True, True, False, False, False]
    dutch = [item for item in read("netherlands.mt940.sta") if isinstance(item, Line)]
    assert [line.counterparty_iban for line in dutch] == [
        "NL91ABNA0417164300",
        "NL02RABO0123456789",
        "NL18RABO0123459876",
    ]
    assert [line.end_to_end for line in dutch] == ["", "E2E-77", "UIT-1"]
