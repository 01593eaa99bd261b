from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.db.backends.utils import CursorWrapper

from donations import ledger
from donations.models import StoredFile, Transaction
from donations.triggers import BOOKS
from outbox.readiness import Level, rotation
from outbox.resolving import Names
from privacy import rotating
from privacy.fields import EncryptedTextField
from privacy.rotating import Counts, rotate
from protests.models import Signature
from tests.factories import SignatureFactory, SubscriberFactory, TransactionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def old(settings):
    settings.PRIVACY_KEYS = [Fernet.generate_key().decode()]
    return settings.PRIVACY_KEYS[0]


def add_key(settings):
    settings.PRIVACY_KEYS = [Fernet.generate_key().decode(), *settings.PRIVACY_KEYS]


def rotate_keys(*arguments):
    out = StringIO()
    call_command("rotate_keys", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_every_encrypted_column_of_every_model_is_gone_through():
    fields = [
        (model._meta.label, field.column)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, EncryptedTextField)
    ]
    assert len(fields) > 20
    assert sorted(fields) == sorted((t.model._meta.label, column) for t in rotating.tables() for column in t.columns)


def test_afterwards_the_new_key_alone_reads_all(settings, old, monkeypatch):
    monkeypatch.setattr(rotating, "BATCH", 3)
    signatures = [SignatureFactory(name=f"Nora {number}", own_words="") for number in range(8)]
    SubscriberFactory(email="nora@example.org")
    add_key(settings)
    SignatureFactory(name="Rosa")

    counted = rotate(only_count=True)
    done = rotate()

    assert counted.older == done.rotated > 16
    assert counted.newest == done.newest > 0
    assert (done.older, done.unreadable) == (0, 0)
    settings.PRIVACY_KEYS = settings.PRIVACY_KEYS[:1]
    assert [Signature.objects.get(pk=one.pk).name for one in signatures] == [f"Nora {n}" for n in range(8)]
    assert rotate() == Counts(newest=done.newest + done.rotated)


def test_the_books_are_rotated_too_and_stay_guarded_and_whole(settings, old):
    stored = StoredFile(name="receipt.pdf", media_type="application/pdf", content="YQ==", sha256="a" * 64, size=1)
    stored.save()
    booked = TransactionFactory(counterparty="Nora Berg", remittance="for the strike")
    add_key(settings)

    assert rotate().rotated >= 4

    settings.PRIVACY_KEYS = settings.PRIVACY_KEYS[:1]
    assert StoredFile.objects.get(pk=stored.pk).name == "receipt.pdf"
    assert Transaction.objects.get(pk=booked.pk).counterparty == "Nora Berg"
    assert ledger.verify() == []
    for column in ("counterparty", "amount_minor"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE donations_transaction SET {column} = 7")


def test_a_text_that_changed_meanwhile_is_not_overwritten(settings, old, monkeypatch):
    signature = SignatureFactory(name="Nora Berg")
    add_key(settings)
    execute = CursorWrapper.executemany

    def erase_first(cursor, sql, parameters):
        monkeypatch.setattr(CursorWrapper, "executemany", execute)
        Signature.objects.filter(pk=signature.pk).update(name="", email="")
        return execute(cursor, sql, parameters)

    monkeypatch.setattr(CursorWrapper, "executemany", erase_first)
    done = rotate()

    signature.refresh_from_db()
    assert (signature.name, signature.email) == ("", "")
    assert done.older == 2
    assert rotate().older == 0


def test_what_no_key_reads_is_left_as_it_is_and_counted(settings, old):
    lost = SignatureFactory(name="Nora Berg", email="nora@example.org", organisation="", own_words="")
    settings.PRIVACY_KEYS = [Fernet.generate_key().decode(), Fernet.generate_key().decode()]

    with pytest.raises(CommandError, match="could not be read"):
        rotate_keys()
    assert rotate().unreadable == 2

    settings.PRIVACY_KEYS = [old]
    assert Signature.objects.get(pk=lost.pk).name == "Nora Berg"


def test_a_run_that_is_broken_off_is_finished_by_the_next(settings, old, monkeypatch):
    monkeypatch.setattr(rotating, "BATCH", 2)
    for number in range(5):
        SignatureFactory(name=f"Nora {number}", organisation="", own_words="")
    add_key(settings)
    write, batches = rotating._write, []

    def break_off(table, changes):
        batches.append(table)
        if len(batches) == 2:
            raise KeyboardInterrupt
        return write(table, changes)

    monkeypatch.setattr(rotating, "_write", break_off)
    with pytest.raises(KeyboardInterrupt):
        rotate()
    monkeypatch.setattr(rotating, "_write", write)

    done = rotate()
    assert (done.newest, done.rotated) == (4, 6)


def test_long_texts_are_taken_few_at_a_time(settings, old, monkeypatch):
    monkeypatch.setattr(rotating, "BATCH_CHARACTERS", 5000)
    for _number in range(6):
        SignatureFactory(own_words="x" * 2000, organisation="")
    add_key(settings)
    sizes = []
    look_at = rotating._look_at
    monkeypatch.setattr(
        rotating,
        "_look_at",
        lambda table, rows, *rest, **more: (sizes.append(len(rows)), look_at(table, rows, *rest, **more)),
    )

    assert rotate().rotated == 18
    assert max(sizes) == 1


def test_the_command_says_when_an_old_key_can_go(settings, old):
    SignatureFactory()
    assert "take the older keys" not in rotate_keys()
    add_key(settings)

    with pytest.raises(CommandError, match="still use an older key"):
        rotate_keys("--count")
    assert rotation(Names()).level == Level.WARNING
    assert "take the older keys out of PRIVACY_KEYS" in rotate_keys()

    settings.PRIVACY_KEYS = settings.PRIVACY_KEYS[:1]
    assert rotation(Names()).level == Level.OK


@pytest.mark.django_db(transaction=True)
def test_no_guard_is_lifted_outside_a_transaction():
    with pytest.raises(RuntimeError), BOOKS.lifted("donations_transaction"):
        pass
