import pytest
from django.core.exceptions import ValidationError

from protests.wording import fill, validate_body, validate_subject, varies, vary

VALUES = {"target": "Dear Sir", "name": "Nora", "country": "Germany", "organisation": "", "own_words": "{name} says no"}


def test_what_a_supporter_types_is_never_read_as_a_variable():
    assert fill("{own_words}\n\n{name}", VALUES) == "{name} says no\n\nNora\n"


def test_own_words_go_first_where_the_letter_has_no_place_for_them():
    assert fill("{target}", VALUES) == "{name} says no\n\nDear Sir\n"


def test_empty_paragraphs_are_left_out():
    assert fill("{target}\r\n\r\n{organisation}\r\n\r\n{name}", {**VALUES, "own_words": ""}) == "Dear Sir\n\nNora\n"


@pytest.mark.parametrize("subject", ["a\x0bb", "a\nb", "a\tb", "{name}", "{nonsense}"])
def test_a_subject_refuses_control_characters_and_other_variables(subject):
    with pytest.raises(ValidationError):
        validate_subject(subject)


def test_a_body_refuses_unknown_variables_and_says_which():
    with pytest.raises(ValidationError, match=r"\{nmae\}"):
        validate_body("{nmae}")
    validate_body("{name} {country} {target} {organisation} {own_words} {\n}")


def test_each_passage_has_one_of_its_wordings_and_all_of_them_occur():
    text = "[[Free|Release]] her, [[please|now|\n\ntoday]]. [x] a|b"

    seen = {vary(text, str(seed)) for seed in range(200)}

    assert seen == {
        f"{verb} her, {when}. [x] a|b" for verb in ("Free", "Release") for when in ("please", "now", "\n\ntoday")
    }
    assert len({vary(text, "Nora") for _ in range(5)}) == 1
    assert varies(text)
    assert not varies("[x] a|b")


@pytest.mark.parametrize("text", ["[[a|b", "a|b]]", "[[a|[[b|c]]]]", "[[a]]", "[[]]", "[[a|b]] [[c", "]] [[a|b]] [["])
def test_wrong_variants_are_refused(text):
    for validate in (validate_body, validate_subject):
        with pytest.raises(ValidationError, match=r"\[\["):
            validate(text)


@pytest.mark.parametrize("subject", ["[[Free her|]]", " [[ |Free her]] ", "[[a|" + "b" * 100 + "]] " + "c" * 50])
def test_a_subject_is_neither_empty_nor_too_long_in_any_wording(subject):
    with pytest.raises(ValidationError, match="wordings"):
        validate_subject(subject)


def test_variants_may_hold_variables_and_be_empty_beside_other_words():
    validate_subject("Free her[[| now]] [[from {country}|in {country}]]")
    validate_body("{name} [[{country}|]]")
    with pytest.raises(ValidationError, match=r"\{nmae\}"):
        validate_body("[[{nmae}|x]]")
