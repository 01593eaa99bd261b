import pytest
from django.template import Context, Template
from django.utils import timezone

from protests.tallying import tally
from tests.factories import LetterFactory, LetterTextFactory, PicketFactory, SignatureFactory, StrikeFactory

pytestmark = pytest.mark.django_db


def rendered(tag, strike=None):
    template = Template("{% load letters pickets %}{% " + tag + " strike %}")
    return template.render(Context({"strike": strike}))


def test_open_letters_are_shown_with_their_count_and_a_way_to_sign():
    letter = LetterFactory(title="Free her")
    SignatureFactory(text=LetterTextFactory(letter=letter), confirmed=True)
    SignatureFactory(text=letter.texts.get())
    LetterFactory(title="Closed", closed_at=timezone.now())
    LetterFactory(title="Draft", published_at=None)

    tally()
    page = rendered("open_letters", letter.strike)

    assert "Free her" in page
    assert "1 signature" in page
    assert f'href="/letters/{letter.slug}/#sign"' in page
    assert "Closed" not in page
    assert "Draft" not in page


def test_a_strike_shows_its_own_and_no_strike_shows_all():
    own, other = LetterFactory(title="Own"), LetterFactory(title="Other")
    PicketFactory(place="Own place", strike=own.strike)
    PicketFactory(place="Other place", strike=other.strike)

    assert "Other" not in rendered("open_letters", own.strike)
    assert "Other" in rendered("open_letters")
    assert "Other" not in rendered("pickets_of", own.strike)
    assert "Other" in rendered("pickets_of")


@pytest.mark.parametrize("tag", ["open_letters", "pickets_of"])
def test_nothing_to_show_is_nothing(tag):
    assert rendered(tag, StrikeFactory()).strip() == ""


@pytest.mark.parametrize("tag", ["open_letters", "pickets_of"])
def test_more_of_them_ask_no_more_of_the_database(tag, django_assert_num_queries):
    for _ in range(3):
        LetterFactory()
        PicketFactory()

    with django_assert_num_queries(2):
        rendered(tag)
