import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import FieldError
from django.db import IntegrityError, connection

from privacy.fields import UNREADABLE
from privacy.showing import shown
from protests.models import Signature
from tests.factories import SignatureFactory

pytestmark = pytest.mark.django_db


def stored(column):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM protests_signature")
        return cursor.fetchone()[0]


@pytest.mark.parametrize("column", ["name", "email", "organisation", "own_words"])
def test_what_a_supporter_types_is_not_in_the_database(column):
    signature = SignatureFactory(**{column: "Nora Berg nora@example.org"})

    assert "Nora" not in stored(column)
    assert getattr(Signature.objects.get(pk=signature.pk), column) == "Nora Berg nora@example.org"


def test_the_same_text_is_stored_differently_each_time():
    first = SignatureFactory(name="Nora Berg")
    text = stored("name")
    first.save()

    assert stored("name") != text


def test_a_new_key_writes_and_an_old_one_still_reads(settings):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.PRIVACY_KEYS = [old]
    signature = SignatureFactory(name="Nora Berg")

    settings.PRIVACY_KEYS = [new, old]
    signature = Signature.objects.get(pk=signature.pk)
    assert signature.name == "Nora Berg"
    signature.save()
    settings.PRIVACY_KEYS = [new]
    assert Signature.objects.get(pk=signature.pk).name == "Nora Berg"


def test_without_the_key_a_text_is_marked_as_unreadable_and_kept(settings):
    signature = SignatureFactory(name="Nora Berg")
    keys = settings.PRIVACY_KEYS
    settings.PRIVACY_KEYS = [Fernet.generate_key().decode()]

    lost = Signature.objects.get()
    assert lost.name == UNREADABLE
    assert shown(lost.name, "public") == shown(lost.name, "initials") == ""
    lost.save()
    settings.PRIVACY_KEYS = keys

    signature.refresh_from_db()
    assert signature.name == "Nora Berg"


def test_comparing_ciphertext_is_an_error_not_an_empty_answer():
    with pytest.raises(ValueError, match="keyed tag"):
        Signature.objects.filter(name="Nora Berg").exists()
    with pytest.raises(FieldError):
        Signature.objects.filter(name__icontains="Nora").exists()


def test_an_erased_column_is_empty_and_can_be_found():
    SignatureFactory(own_words="")

    assert stored("own_words") == ""
    assert Signature.objects.filter(own_words="").count() == 1


def test_one_person_signs_a_letter_once_however_the_address_is_spelt():
    signature = SignatureFactory(email="Nora.Berg@Example.org")

    with pytest.raises(IntegrityError):
        SignatureFactory(text=signature.text, email="nora.berg@example.ORG")
