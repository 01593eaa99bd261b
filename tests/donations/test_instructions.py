from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from donations import references
from donations.instructions import (
    Instructions,
    NoCodeError,
    WrongAccountError,
    of_appeal,
    of_pledge,
    payload,
)
from tests.donations.reading import read
from tests.factories import BankAccountFactory, FundFactory, PledgeFactory

GERMAN = "DE02100500000054540402"
TOLD = Instructions(
    holder="Caisse d’Épargne & Søn",
    iban=GERMAN,
    bic="BELADEBE",
    currency="EUR",
    amount_minor=2550,
    number="1234567890",
)
WRITTEN = f"BCD\n002\n1\nSCT\nBELADEBE\nCaisse d’Épargne & Søn\n{GERMAN}\nEUR25.50\n\nRF471234567890"


def test_the_code_says_exactly_what_the_text_beside_it_says():
    assert payload(TOLD) == WRITTEN
    assert read(TOLD.qr) == WRITTEN
    assert (TOLD.ogm, TOLD.rf) == ("+++123/4567/89002+++", "RF47 1234 5678 90")
    assert TOLD.grouped_iban == "DE02 1005 0000 0054 5404 02"


@pytest.mark.parametrize(
    ("changed", "line", "says"),
    [
        ({"bic": ""}, 4, ""),
        ({"holder": " Фонд «Жаңаөзен», Әйгерім "}, 5, " Фонд «Жаңаөзен», Әйгерім "),
        ({"holder": "é" * 70}, 5, "é" * 70),
        ({"amount_minor": 1}, 7, "EUR0.01"),
        ({"amount_minor": 100_050}, 7, "EUR1000.50"),
        ({"amount_minor": 999_999_999_99}, 7, "EUR999999999.99"),
        ({"amount_minor": None}, 7, ""),
        ({"number": "9876543210"}, 9, "RF529876543210"),
        ({"iban": "CH9300762011623852957", "bic": "POFICHBEXXX"}, 6, "CH9300762011623852957"),
    ],
)
def test_whatever_is_told_is_read_back_letter_for_letter(changed, line, says):
    told = replace(TOLD, **changed)
    found = read(told.qr).split("\n")
    assert found[line] == says
    assert found == payload(told).split("\n")


@pytest.mark.parametrize(
    "changed",
    [
        {"currency": "SEK"},
        {"currency": "GBP", "iban": "GB33BUKB20201555555555"},
        {"iban": "KZ86125KZT5004100100"},
        {"iban": "CH9300762011623852957", "bic": ""},  # outside the European Economic Area
        {"holder": "x" * 71},
        {"holder": "𝕏" * 70},  # fewer letters than the standard's limit, more octets than the code's
        {"amount_minor": 0},
        {"amount_minor": 100_000_000_000},
    ],
)
def test_what_the_code_has_no_room_for_has_none_but_is_told_as_text(changed):
    told = replace(TOLD, **changed)
    with pytest.raises(NoCodeError):
        payload(told)
    assert told.qr == ""
    assert told.rf


@pytest.mark.parametrize(
    "changed",
    [
        {"iban": "DE03100500000054540402"},
        {"iban": ""},
        {"bic": "BELA"},
        {"holder": ""},
        {"holder": "  "},
        {"holder": "Fund\nGB33BUKB20201555555555"},
        {"holder": "Fund\u2028Other"},
    ],
)
def test_nobody_is_told_to_pay_to_a_wrong_account(changed):
    with pytest.raises(WrongAccountError):
        replace(TOLD, **changed)


def test_the_code_needs_no_style_and_is_black_on_white_in_the_dark_too():
    root = ET.fromstring(TOLD.qr)  # noqa: S314 - our own
    for element in root.iter():
        assert not {"style", "onload", "href"} & set(element.attrib)
        assert element.tag.rpartition("}")[2] in {"svg", "title", "path"}
    assert 'fill="#fff"' in TOLD.qr
    side = int(root.attrib["viewBox"].split()[2])
    assert side <= 69 + 2 * 4  # version 13, with the quiet zone that ISO 18004 asks for


class TestOfRows:
    pytestmark = pytest.mark.django_db

    def test_a_pledge_is_paid_to_its_funds_account_with_its_own_reference(self):
        made = PledgeFactory(fund=BankAccountFactory(holder="Søn & Co").fund, number="1234567890", amount_minor=2550)
        told = of_pledge(made)
        assert read(told.qr).split("\n")[5:] == ["Søn & Co", GERMAN, "EUR25.50", "", "RF471234567890"]

    def test_an_appeal_names_no_amount_and_the_funds_own_reference(self):
        fund = BankAccountFactory().fund
        told = of_appeal(fund)
        lines = read(told.qr).split("\n")
        assert lines[7] == ""
        assert references.fund_of(references.number_from_rf(lines[9])) == fund.pk
        assert references.fund_of(references.number_from_ogm(told.ogm)) == fund.pk

    @pytest.mark.parametrize("of", [lambda fund: of_pledge(PledgeFactory(fund=fund)), of_appeal])
    def test_without_an_account_in_force_nothing_is_to_be_paid(self, of):
        assert of(FundFactory()) is None
        assert of(BankAccountFactory(payable=False, iban="BE29734032422964").fund) is None

    def test_an_account_that_is_damaged_is_told_to_nobody(self, caplog):
        damaged = BankAccountFactory(holder="Fund\nOther")
        assert of_pledge(PledgeFactory(fund=damaged.fund)) is None
        assert "Nobody is told to pay" in caplog.text
        assert damaged.iban not in caplog.text


class TestAnything:
    holders = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=70)

    @settings(max_examples=40, deadline=None)
    @given(holder=holders.filter(str.strip), amount=st.integers(1, 10**11 - 1), number=st.integers(10**9, 10**10 - 1))
    def test_every_code_is_read_back_exactly(self, holder, amount, number):
        told = replace(TOLD, holder=holder, amount_minor=amount, number=str(number))
        if told.qr:
            assert read(told.qr) == payload(told)
        else:
            assert len(holder.encode()) > 200
