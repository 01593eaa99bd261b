import pytest
from django.core.exceptions import ValidationError
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from donations import money

CURRENCIES = {"EUR": 2, "GBP": 2, "USD": 2, "SEK": 2, "KZT": 2, "CHF": 2, "PLN": 2, "JPY": 0, "KWD": 3}


@pytest.mark.parametrize(("currency", "decimals"), CURRENCIES.items())
def test_a_currency_has_the_decimals_that_stored_amounts_were_written_with(currency, decimals):
    assert money.exponent(currency) == decimals


@pytest.mark.parametrize(
    ("typed", "minor"),
    [
        ("25", 2500),
        ("25.50", 2550),
        ("25,50", 2550),
        ("25,5", 2550),
        ("0.01", 1),
        (" 25 ", 2500),
        ("1500", 150000),
        ("1 500", 150000),
        ("1\u00a0500", 150000),
        ("1\u202f500,25", 150025),
        ("1'500.00", 150000),
        ("1’500", 150000),
        ("1.500,00", 150000),
        ("1,500.00", 150000),
        ("1.500.000", 150000000),
        ("1 500 000", 150000000),
        ("20.", 2000),
        ("20,–", 2000),
        ("20,-", 2000),
        ("20.-- EUR", 2000),
        ("1.500,–", 150000),
        ("25 €", 2500),
        ("€25", 2500),
        ("25 EUR", 2500),
        ("eur 25", 2500),
        ("٢٥", 2500),  # the digits of an Arabic keyboard mean nothing else
        ("1000000000", 100000000000),
    ],
)
def test_an_amount_is_read_as_people_write_it(typed, minor):
    assert money.parse_amount(typed, "EUR") == minor


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("1.500", "ambiguous"),
        ("1,500", "ambiguous"),
        ("25.505", "ambiguous"),
        ("€1.500", "ambiguous"),
        ("0.505", "too_precise"),
        ("1500.505", "too_precise"),
        ("25.5050", "too_precise"),
        ("-5", "not_positive"),
        ("−5", "not_positive"),
        ("0", "not_positive"),
        ("0,00", "not_positive"),
        ("1000000000.01", "too_large"),
        ("9" * 20, "too_large"),
        ("9" * 5000, "too_large"),
        ("", "not_a_number"),
        (" ", "not_a_number"),
        ("1e3", "not_a_number"),
        ("NaN", "not_a_number"),
        ("inf", "not_a_number"),
        ("1_000", "not_a_number"),
        ("0x19", "not_a_number"),
        ("+5", "not_a_number"),
        ("200,00-", "not_a_number"),
        ("20-", "not_a_number"),
        ("1.500.", "not_a_number"),
        (".50", "not_a_number"),
        ("1.500.00", "not_a_number"),
        ("12 34", "not_a_number"),
        ("1 500 00", "not_a_number"),
        ("1 500'000", "not_a_number"),
        ("25 USD", "not_a_number"),
        ("$25", "not_a_number"),
        ("²", "not_a_number"),
        ("½", "not_a_number"),
        ("25\u200b0", "not_a_number"),
        ("=25", "not_a_number"),
    ],
)
def test_what_can_be_misread_is_refused_with_a_reason(typed, code):
    with pytest.raises(ValidationError) as refused:
        money.parse_amount(typed, "EUR")
    assert refused.value.code == code
    assert refused.value.messages[0].endswith((".", "1500 / 25.50"))


@pytest.mark.parametrize(("language", "example"), [("en", "25.50"), ("de", "25,50"), ("ru", "25,50")])
def test_the_example_is_written_as_the_reader_does(language, example):
    with translation.override(language), pytest.raises(ValidationError) as refused:
        money.parse_amount("much", "EUR")
    assert refused.value.messages[0].endswith(f"1500 / {example}")


def test_the_coins_of_the_currency_decide():
    assert money.parse_amount("1500", "JPY") == 1500
    assert money.parse_amount("0.505", "KWD") == 505
    assert money.parse_amount("1505,250", "KWD") == 1505250
    with pytest.raises(ValidationError, match="no smaller coins"):
        money.parse_amount("15.5", "JPY")
    for currency in ("JPY", "KWD"):
        with pytest.raises(ValidationError, match="two ways"):
            money.parse_amount("1.500", currency)


@settings(deadline=None)  # Babel reads a locale on its first use
@given(st.integers(1, money.MAXIMUM * 100), st.sampled_from(sorted(CURRENCIES)), st.sampled_from(["en", "de", "ru"]))
def test_an_amount_as_we_write_it_is_read_back_or_refused_but_never_changed(minor, currency, language):
    written = money.format_amount(minor, currency, language)
    try:
        assert money.parse_amount(written, currency) == minor
    except ValidationError as refused:
        assert refused.code in {"ambiguous", "too_large", "not_a_number"}  # noqa: PT017


@given(st.text())
def test_anything_typed_is_a_positive_integer_or_refused(typed):
    try:
        minor = money.parse_amount(typed, "EUR")
    except ValidationError:
        return
    assert isinstance(minor, int)
    assert 0 < minor <= money.MAXIMUM * 100


def test_an_amount_is_shown_in_the_language_of_the_reader():
    assert money.format_amount(150000, "EUR", "en") == "€1,500.00"
    assert money.format_amount(-150000, "EUR", "en") == "-€1,500.00"
    assert money.format_amount(1500, "JPY", "en") == "¥1,500"
    assert money.format_amount(-50000, "SEK", "en") == "-SEK\u00a0500.00"
    with translation.override("de"):
        assert money.format_amount(150000, "EUR") == "1.500,00\u00a0€"
    with translation.override("ru"):
        assert money.currency_name("EUR") == "EUR, евро"
    assert money.format_amount(5, "EUR", "xx") == "€0.05"


def test_a_large_total_is_shown_to_the_last_cent():
    assert money.format_amount(922337203685477580, "EUR", "en") == "€9,223,372,036,854,775.80"


@pytest.mark.parametrize("text", ["EUR", "EUR SEK", " EUR  GBP "])
def test_a_list_of_currencies_is_taken(text):
    money.validate_currencies(text)


@pytest.mark.parametrize("text", ["", " ", "EUR EUR", "EUR,SEK", "euro", "eur", "ABC"])
def test_a_list_that_names_no_currency_is_refused(text):
    with pytest.raises(ValidationError):
        money.validate_currencies(text)


@pytest.mark.parametrize(
    ("minor", "rounded"),
    [(1, 1), (2, 2), (4, 2), (7, 5), (10, 10), (99, 50), (2500, 2000), (9999, 5000), (10000, 10000)],
)
def test_a_rounded_amount_tells_the_size_alone(minor, rounded):
    assert money.rounded_down(minor) == rounded
