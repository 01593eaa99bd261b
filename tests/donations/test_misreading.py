import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from donations import references
from donations.misreading import readings

NUMBER = "1234567890"


def numbers(text, *, exact):
    return {reading.number for reading in readings(text) if reading.exact == exact}


@pytest.mark.parametrize(
    "text",
    [
        NUMBER,
        references.ogm(NUMBER),
        references.rf(NUMBER),
        "gift for the strikers 123/4567/89002 thank you",
        "RF47 1234\n5678 90",
        "SOLIDARITY 1234567890",
        f"{references.ogm('2345678901')} and {references.rf(NUMBER)}",
    ],
)
def test_a_reference_is_read_in_any_text(text):
    assert NUMBER in numbers(text, exact=True)


@pytest.mark.parametrize(
    "text",
    [
        "12345678 9O",
        "l234567890",
        "RF47 1Z34 5678 90",
        "+++l23/4567/89OO2+++",
        "123456789О",  # the Cyrillic letter
        "1234567809",
        "1234567891",
        "123456789",
        "12345678900",
        "+++123/4567/89003+++",
        "+++123/4567/8902+++",
        "+++132/4567/89002+++",
        "RF47 1234 5678 91",
    ],
)
def test_a_slip_or_a_look_alike_letter_is_seen_through_and_never_taken_as_exact(text):
    assert NUMBER in numbers(text, exact=False)


@pytest.mark.parametrize("text", ["", "Solidarity!", "Bob is glad: so long", "20-11-2026", "\0" * 50])
def test_what_holds_no_reference_yields_none(text):
    assert readings(text) == []


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="0123456789 OIlSB/+RF.\n€x", max_size=1500))
def test_whatever_is_typed_is_read_in_bounded_work(text):
    found = readings(text)
    assert len(found) <= 400
    assert all(len(one.number) == 10 and one.number.isascii() and one.number.isdigit() for one in found)


@settings(max_examples=60, deadline=None)
@given(st.from_regex(r"[1-9][0-9]{9}", fullmatch=True), st.integers(0, 9), st.integers(1, 9))
def test_any_one_wrong_digit_is_seen_through(number, at, by):
    wrong = number[:at] + str((int(number[at]) + by) % 10) + number[at + 1 :]
    assert number in {reading.number for reading in readings(wrong)}


def test_a_long_heap_of_digits_is_read_quickly():
    heap = "1 2 3 4 5 6 7 8 9 0 " * 250
    assert len(readings(heap)) == 400
