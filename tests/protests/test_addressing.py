import pytest
from django.utils import translation

from protests.addressing import overview, recipients
from tests.factories import AddresseeFactory, LetterFactory, TargetFactory

pytestmark = pytest.mark.django_db


def names(targets):
    return [target.name for target in targets]


@pytest.mark.parametrize(
    ("country", "expected"),
    [
        ("DE", ["Bank", "Embassy in Berlin"]),  # has its seat there
        ("AT", ["Bank", "Embassy in Berlin"]),  # is accredited there
        ("VU", ["Bank", "Ministry"]),  # nobody is: the fallback
    ],
)
def test_everybodys_targets_and_those_of_the_country_get_the_letter(letter, country, expected):
    assert names(recipients(letter, country)) == expected


def test_a_seat_comes_before_an_accreditation(letter):
    AddresseeFactory(letter=letter, target__name="Embassy in Vienna", rule="own_country", countries=["AT"])

    assert names(recipients(letter, "AT")) == ["Bank", "Embassy in Vienna"]
    assert names(recipients(letter, "DE")) == ["Bank", "Embassy in Berlin"]


def test_two_seats_in_one_country_both_get_it(letter):
    AddresseeFactory(letter=letter, target__name="Consulate in Bonn", rule="own_country", countries=["DE"])

    assert names(recipients(letter, "DE")) == ["Bank", "Consulate in Bonn", "Embassy in Berlin"]


def test_an_embassy_that_is_not_an_addressee_of_this_letter_gets_nothing(letter):
    TargetFactory(name="Embassy in Vienna").countries.create(country="AT")
    other = LetterFactory()
    AddresseeFactory(letter=other, rule="own_country", countries=["VU"])

    assert names(recipients(letter, "AT")) == ["Bank", "Embassy in Berlin"]
    assert names(recipients(letter, "VU")) == ["Bank", "Ministry"]


def test_everybodys_target_gets_one_letter_even_if_it_has_seats_in_many_countries(letter):
    AddresseeFactory(letter=letter, target__name="A", rule="everybody", countries=["DE", "AT", "FR"])

    assert names(recipients(letter, "DE")) == ["A", "Bank", "Embassy in Berlin"]
    assert names(recipients(letter, "VU")) == ["A", "Bank", "Ministry"]


def test_without_everybody_and_fallback_some_countries_have_nobody():
    letter = LetterFactory()
    AddresseeFactory(letter=letter, rule="own_country", countries=["DE"])

    assert recipients(letter, "VU") == []
    assert overview(letter).elsewhere == []


def test_the_overview_says_the_same_as_the_rule(letter):
    AddresseeFactory(letter=letter, target__name="Embassy in Vienna", rule="own_country", countries=["AT", "SI"])

    seen = overview(letter)

    assert [name for name, _code, _targets in seen.countries] == ["Austria", "Germany", "Slovenia"]
    assert [code for _name, code, _targets in seen.countries] == ["AT", "DE", "SI"]
    for _name, code, targets in seen.countries:
        assert targets == recipients(letter, code)
    assert seen.elsewhere == recipients(letter, "VU")


def test_the_overview_is_in_the_readers_language(letter):
    with translation.override("de"):
        assert [name for name, _code, _targets in overview(letter).countries] == ["Deutschland", "Österreich"]


def test_neither_asks_more_of_the_database_for_more_addressees(letter, django_assert_num_queries):
    for _ in range(5):
        AddresseeFactory(letter=letter, rule="own_country", countries=["DE", "FR"])

    with django_assert_num_queries(2):
        assert len(recipients(letter, "DE")) == 7
    with django_assert_num_queries(2):
        assert len(overview(letter).countries) == 3
