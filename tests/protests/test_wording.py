import pytest
from django.core.exceptions import ValidationError

from protests.wording import fill, validate_body, validate_subject

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
