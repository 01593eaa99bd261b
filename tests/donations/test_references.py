import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iso11649
from stdnum.be import ogm_vcs

from donations import references
from donations.references import WrongReferenceError

numbers = st.from_regex(r"[0-9]{10}", fullmatch=True)


def test_one_number_is_written_in_two_ways():
    assert references.ogm("0108068171") == "+++010/8068/17183+++"  # an example of Febelfin's own, by python-stdnum
    assert references.rf("1234567890") == "RF47 1234 5678 90"


def test_an_ogm_whose_remainder_is_zero_ends_in_97():
    assert references.ogm("0000000097") == "+++000/0000/09797+++"
    assert references.number_from_ogm("+++000/0000/09797+++") == "0000000097"


@given(numbers)
def test_both_references_are_valid_and_lead_back_to_the_number(number):
    assert ogm_vcs.is_valid(references.ogm(number).strip("+"))
    assert iso11649.is_valid(references.rf(number))
    for written in (references.ogm(number), references.rf(number), number):
        assert references.number_from(written) == number


@given(numbers, st.data())
def test_any_single_mistyped_digit_is_noticed(number, data):
    for written in (references.ogm(number), references.rf(number)):
        at = data.draw(st.sampled_from([i for i, c in enumerate(written) if c.isdigit()]))
        other = data.draw(st.sampled_from([d for d in "0123456789" if d != written[at]]))
        with pytest.raises(WrongReferenceError):
            references.number_from(written[:at] + other + written[at + 1 :])


@pytest.mark.parametrize(
    "typed",
    ["***010/8068/17183***", "010806817183", " 010 8068 17183 ", "+++010/8068/17183+++\n", "010\u00a08068\u202f17183"],
)
def test_an_ogm_is_read_as_people_and_banks_write_it(typed):
    assert references.number_from(typed) == "0108068171"


@pytest.mark.parametrize("typed", ["RF47 1234 5678 90", "rf471234567890", "RF47-1234-5678-90"])
def test_an_rf_reference_is_read_as_people_and_banks_write_it(typed):
    assert references.number_from(typed) == "1234567890"


def test_an_rf_reference_that_a_bank_cut_the_leading_zeros_off_is_still_ours():
    short = references.iso11649.compact(references.rf("0000000042"))
    check = short[2:4]
    assert references.number_from(f"RF{check}42") == "0000000042"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "RF",
        "+++010/8068/17184+++",
        "RF48 1234 5678 90",
        "RF18 5390 0754 70Y",
        "12345",
        "gift",
        "٠١٠٨٠٦٨١٧١",
        "1" * 40,
    ],
)
def test_what_is_no_reference_of_ours_is_refused(typed):
    with pytest.raises(WrongReferenceError):
        references.number_from(typed)


@given(st.text())
def test_anything_typed_is_a_number_or_refused(typed):
    try:
        number = references.number_from(typed)
    except WrongReferenceError:
        return
    assert len(number) == 10
    assert number.isascii()
    assert number.isdigit()


def test_new_numbers_have_ten_digits_without_a_leading_zero_and_differ():
    numbers = {references.new_number() for _ in range(1000)}
    assert len(numbers) > 990
    assert all(len(number) == 10 and number.isdigit() and number[0] != "0" for number in numbers)


def test_a_funds_own_number_is_never_a_pledges(monkeypatch):
    lowest, highest = 0, 0

    def extreme(below):
        return below - 1 if highest else lowest

    monkeypatch.setattr(references.secrets, "randbelow", extreme)
    assert references.fund_of(references.new_number()) is None
    highest = 1
    assert references.new_number() == "9999999999"
    assert references.fund_number(7) == "1000000007"
    assert references.fund_of("1000000007") == 7
    with pytest.raises(IndexError):
        references.fund_number(10**6)
