import pytest
from django.template import Context, Template
from django.utils import timezone

from protests.tallying import tally
from protests.templatetags.pickets import SHOWN
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

    with django_assert_num_queries(3 if tag == "open_letters" else 2):
        rendered(tag)


def test_the_newest_open_letter_of_a_strike_is_the_one_to_sign_now():
    strike = StrikeFactory()
    LetterFactory(strike=strike, slug="old")
    LetterFactory(strike=strike, slug="new", published_at=timezone.now())
    LetterFactory(strike=strike, slug="shut", published_at=timezone.now(), closed_at=timezone.now())
    LetterFactory(slug="other", published_at=timezone.now())

    page = rendered("sign_now", strike)

    assert 'href="/letters/new/#sign"' in page
    assert page.count("href=") == 1
    assert rendered("sign_now", StrikeFactory()).strip() == ""


def test_the_signatures_of_all_letters_are_added_up_closed_ones_too_and_drafts_not():
    letters = [LetterFactory(title="One"), LetterFactory(title="Two", closed_at=timezone.now())]
    letters += [LetterFactory(strike=letters[0].strike), LetterFactory(published_at=None)]
    for number, letter in enumerate(letters, start=1):
        for _ in range(number):
            SignatureFactory(text=LetterTextFactory(letter=letter, digest=str(_)), confirmed=True)
    tally()

    assert ">6<" in rendered("open_letters")
    assert ">4<" in rendered("open_letters", letters[0].strike)


def test_a_letter_that_is_paused_says_that_none_is_lost():
    LetterFactory(paused_at=timezone.now())

    assert "none is lost" in rendered("open_letters")


def test_a_few_places_of_pickets_are_named():
    own = PicketFactory(place="Own place")
    for number in range(8):
        PicketFactory(place=f"Elsewhere {number}")
    PicketFactory(place="A draft", published_at=None)

    assert "Own place" in rendered("picket_now", own.strike)
    assert "Elsewhere" not in rendered("picket_now", own.strike)
    assert rendered("picket_now").count("lsewhere") == SHOWN
    assert "A draft" not in rendered("picket_now")
