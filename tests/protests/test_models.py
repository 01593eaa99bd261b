from datetime import timedelta

import pytest
from django.db import IntegrityError, connection
from django.db.models import ProtectedError
from django.utils import timezone

from protests.models import Letter, LetterText, Signature, TargetCountry
from protests.tallying import tally
from tests.factories import (
    AddresseeFactory,
    DeliveryFactory,
    LetterFactory,
    LetterTextFactory,
    SignatureFactory,
    StrikeFactory,
    TargetFactory,
)

pytestmark = pytest.mark.django_db


def test_one_person_signs_a_letter_once():
    first = SignatureFactory()

    with pytest.raises(IntegrityError):
        SignatureFactory(text=first.text, email_tag=first.email_tag)


def test_erased_people_do_not_collide():
    text = LetterTextFactory()

    SignatureFactory(text=text, email_tag=None)
    SignatureFactory(text=text, email_tag=None)

    assert text.letter.signatures.count() == 2


def test_one_signature_has_one_letter_per_target():
    first = DeliveryFactory()

    with pytest.raises(IntegrityError):
        DeliveryFactory(signature=first.signature, target=first.target)


@pytest.mark.parametrize(("column", "value"), [("country", "de"), ("country", ""), ("display", "loudly")])
def test_a_signature_holds_known_values_only(column, value):
    signature = SignatureFactory()

    with pytest.raises(IntegrityError):
        Signature.objects.filter(pk=signature.pk).update(**{column: value})


@pytest.mark.parametrize(
    "change",
    [
        {"state": "lost"},
        {"state": "sending"},
        {"state": "sending", "lease": "me"},
        {"state": "queued", "handing_over_at": timezone.now()},
        {"state": "cancelled", "handing_over_at": timezone.now()},
    ],
)
def test_a_delivery_cannot_be_in_an_impossible_state(change):
    delivery = DeliveryFactory()

    with pytest.raises(IntegrityError):
        type(delivery).objects.filter(pk=delivery.pk).update(**change)


def test_two_targets_do_not_share_an_address_in_any_case():
    TargetFactory(email="embassy@example.org")

    with pytest.raises(IntegrityError):
        TargetFactory(email="Embassy@Example.org")


def test_a_letter_has_a_target_once():
    first = AddresseeFactory()

    with pytest.raises(IntegrityError):
        AddresseeFactory(letter=first.letter, target=first.target, rule="fallback")


def test_a_target_stands_to_a_country_in_one_way():
    target = TargetFactory()
    target.countries.create(country="DE")

    with pytest.raises(IntegrityError):
        TargetCountry.objects.create(target=target, country="DE", kind="accredited")


def test_a_country_is_two_capital_letters():
    with pytest.raises(IntegrityError):
        TargetFactory().countries.create(country="d1")


def test_the_words_of_a_letter_are_kept_once():
    first = LetterTextFactory()

    with pytest.raises(IntegrityError):
        LetterTextFactory(letter=first.letter)


def test_a_letter_that_was_signed_and_a_target_that_is_written_to_cannot_be_deleted():
    delivery = DeliveryFactory()

    with pytest.raises(ProtectedError):
        delivery.signature.letter.delete()
    with pytest.raises(ProtectedError):
        delivery.target.delete()


def test_the_words_are_those_of_the_readers_language_else_of_the_first_there_is():
    letter = LetterFactory(subject="Free her")
    letter.create_translation("de", title="Freiheit", subject="Lasst sie frei", body="{target}")
    russian = LetterFactory()
    russian.translations.update(language_code="ru", subject="Свободу")

    assert LetterText.now(letter, "de").subject == "Lasst sie frei"
    assert LetterText.now(letter, "ru").subject == "Free her"
    assert LetterText.now(letter, "ru").language == "en"
    assert LetterText.now(Letter.objects.get(pk=russian.pk), "de").language == "ru"


def test_a_letter_is_open_from_its_publication_to_its_closing():
    now = timezone.now()
    opened = LetterFactory()
    LetterFactory(published_at=None)
    LetterFactory(published_at=now + timedelta(hours=1))
    LetterFactory(strike=StrikeFactory(published_at=None))
    closed = LetterFactory(closed_at=now)

    assert list(Letter.objects.open()) == [opened]
    assert set(Letter.objects.published()) == {opened, closed}
    assert [letter for letter in Letter.objects.all() if letter.is_open] == [opened]
    assert {letter for letter in Letter.objects.all() if letter.is_published} == {opened, closed}


def test_only_confirmed_and_not_withdrawn_signatures_count():
    text = LetterTextFactory()
    SignatureFactory(text=text)
    SignatureFactory(text=text, confirmed=True, withdrawn_at=timezone.now())
    counted = SignatureFactory(text=text, confirmed=True)

    assert list(Signature.objects.counted()) == [counted]
    tally()
    assert Letter.objects.with_signed().get().tally.signed == 1


def test_what_a_supporter_typed_does_not_stand_readable_in_the_database():
    SignatureFactory(name="Nora Berg", own_words="free her", organisation="Branch 7", email="nora@example.org")

    with connection.cursor() as cursor:
        cursor.execute("SELECT name, own_words, organisation, email, email_tag FROM protests_signature")
        row = str(cursor.fetchall())

    for word in ("Nora", "free", "Branch", "nora", "example.org"):
        assert word not in row
