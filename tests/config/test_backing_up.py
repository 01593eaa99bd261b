import threading
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone

from campaign.models import Subscriber
from config import backing_up
from donations import ledger
from outbox.models import Heartbeat, State
from outbox.readiness import Level, restored
from outbox.resolving import Names
from privacy import erasing, sealing
from privacy.addresses import address_tag
from protests import proving
from protests.models import Delivery, Signature
from tests.factories import (
    DeliveryFactory,
    LetterTextFactory,
    OrganiserFactory,
    SignatureFactory,
    SubscriberFactory,
    TransactionFactory,
)


@pytest.fixture
def key(settings, tmp_path):
    """The file with the operator's private key; the settings know the public one."""
    path = tmp_path / "operator.key"
    settings.BACKUP_KEY = sealing.make_key(path, "")
    return path


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.ERASURES = tmp_path / "erasures"
    settings.MEDIA_ROOT.mkdir()


@pytest.fixture
def to(tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder / "one.backup"


def run(command, *arguments):
    out = StringIO()
    call_command(command, *map(str, arguments), stdout=out)
    return out.getvalue()


def write_media(settings, name, content):
    path = settings.MEDIA_ROOT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.django_db(transaction=True)
def test_a_restored_backup_brings_all_back_but_whom_was_erased_and_what_may_have_left(settings, key, to, send_all):
    text = LetterTextFactory()
    erased, kept = (
        SignatureFactory(text=text, name=name, email=f"{name}@example.org", confirmed=True) for name in ("Nora", "Rosa")
    )
    SubscriberFactory(email="nora@example.org")
    waits, sent = DeliveryFactory(signature=kept), DeliveryFactory(signature=kept, state=State.ACCEPTED)
    TransactionFactory()
    picture = write_media(settings, "pictures/a.jpg", b"a picture")
    write_media(settings, "cards/b.png", b"made anew")
    erasing.record(address_tag("before@example.org"))
    books = ledger.head()

    assert "MB" in run("backup", to)
    erasing.erase(address_tag("nora@example.org"))
    picture.unlink()
    (settings.MEDIA_ROOT / "cards" / "b.png").unlink()
    settings.ERASURES.write_text(settings.ERASURES.read_text().splitlines()[1] + "\n")  # knows the newer one alone
    SignatureFactory(text=text, name="Late", email="late@example.org")
    Delivery.objects.filter(pk=waits.pk).update(state=State.ACCEPTED)

    with pytest.raises(CommandError, match="not empty"):
        run("restore", to, "--key", key, "--yes")
    assert Signature.objects.filter(email_tag=address_tag("late@example.org")).exists()
    run("restore", to, "--key", key, "--yes", "--replace")

    assert not Signature.objects.filter(email_tag=address_tag("late@example.org")).exists()
    assert Signature.objects.counted().count() == 2
    erased.refresh_from_db()
    kept.refresh_from_db()
    assert (erased.name, erased.email, erased.email_tag) == ("", "", None)
    assert (kept.name, kept.email) == ("Rosa", "Rosa@example.org")
    assert picture.read_bytes() == b"a picture"
    assert not (settings.MEDIA_ROOT / "cards" / "b.png").exists()
    assert len(settings.ERASURES.read_text().splitlines()) == 2
    assert settings.ERASURES.stat().st_mode & 0o777 == 0o600
    assert not Subscriber.objects.exclude(email="").exists()
    assert (ledger.verify(books), proving.verify()) == ([], [])
    waits.refresh_from_db()
    sent.refresh_from_db()
    assert (waits.state, sent.state) == (State.IN_DOUBT, State.ACCEPTED)
    assert waits.handing_over_at

    # Nothing leaves before an operator says so, and then only what a person sends again.
    assert restored(Names()).level == Level.BLOCKING
    fresh = DeliveryFactory(signature=kept)
    assert send_all() == []
    assert "In doubt: 1" in run("resume_mail")
    assert len(send_all()) == 1
    fresh.refresh_from_db()
    assert fresh.state == State.ACCEPTED
    assert "not paused" in run("resume_mail")


@pytest.mark.django_db(transaction=True)
def test_a_backup_is_of_one_moment_while_people_sign(key, to):
    text = LetterTextFactory()
    ended, failures = threading.Event(), []

    def sign():
        try:
            number = 0
            while not ended.is_set() and number < 500:
                signature = SignatureFactory(text=text, email=f"nora-{number}@example.org", confirmed=True)
                DeliveryFactory(signature=signature)
                number += 1
        except Exception as error:  # noqa: BLE001 - told by the test
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=sign)
    thread.start()
    try:
        while not Signature.objects.exists():
            assert thread.is_alive()
        run("backup", to)
        meanwhile = Signature.objects.count()
    finally:
        ended.set()
        thread.join()
    run("restore", to, "--key", key, "--yes", "--replace")

    assert failures == []
    found = Signature.objects.count()
    assert 0 < found <= meanwhile
    # Each signature was followed by its delivery: at no moment did more than one lack its own.
    assert found - 1 <= Delivery.objects.count() <= found
    connection.check_constraints()


@pytest.mark.django_db
class TestRefusals:
    @pytest.fixture
    def made(self, key, to):
        SignatureFactory(name="Nora Berg")
        run("backup", to)
        return to

    def test_the_file_is_for_its_owner_and_tells_nobody_what_is_in_it(self, made):
        assert made.stat().st_mode & 0o777 == 0o600
        content = made.read_bytes()
        assert b"SQLite format" not in content
        assert b"protests_signature" not in content
        assert [path.name for path in made.parent.iterdir()] == [made.name]

    def test_a_backup_is_never_written_over_a_file(self, made):
        before = made.read_bytes()
        with pytest.raises(CommandError, match="is there already"):
            run("backup", made)
        assert made.read_bytes() == before

    def test_without_a_key_none_is_made(self, settings, to):
        settings.BACKUP_KEY = ""
        with pytest.raises(CommandError, match="BACKUP_KEY is not set"):
            run("backup", to)
        assert not to.exists()

    def test_one_that_cannot_be_written_leaves_nothing(self, key, tmp_path):
        with pytest.raises(CommandError, match="could not be written"):
            run("backup", tmp_path / "nowhere" / "one.backup")

    def test_the_newest_are_kept_and_what_is_no_backup_of_ours(self, settings, made):
        (made.parent / "notes.backup").write_text("not a backup")
        site = settings.BASE_URL
        settings.BASE_URL = "https://other.example.org"
        run("backup", made.parent / "other.backup")
        settings.BASE_URL = site
        second = backing_up.back_up(made.parent, keep=2, tell=lambda said: None)
        third = made.parent / "three.backup"
        run("backup", third, "--keep", 2)
        names = {path.name for path in made.parent.iterdir()}
        assert names == {second.name, "three.backup", "other.backup", "notes.backup"}
        with pytest.raises(CommandError, match="from 1 on"):
            run("backup", made.parent / "four.backup", "--keep", 0)

    def test_a_damaged_or_foreign_file_is_refused_before_anything_changes(self, key, made, tmp_path):
        whole = made.read_bytes()
        bad = tmp_path / "bad.backup"
        middle = len(whole) // 2
        for content in (
            b"",
            whole[:middle],
            whole[:-1],
            whole + b"x",
            b"x" + whole[1:],
            whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        ):
            bad.write_bytes(content)
            with pytest.raises(CommandError, match=r"damaged|cut off|not a sealed|added"):
                run("restore", bad, "--key", key, "--yes", "--replace")
        other = tmp_path / "other.key"
        sealing.make_key(other, "")
        with pytest.raises(CommandError, match="another one"):
            run("restore", made, "--key", other, "--yes", "--replace")
        with pytest.raises(CommandError, match="not a key"):
            run("restore", made, "--key", bad, "--yes", "--replace")
        with pytest.raises(CommandError, match="No such file"):
            run("restore", tmp_path / "none", "--key", key, "--yes", "--replace")
        assert Signature.objects.get().name == "Nora Berg"
        assert not Heartbeat.objects.exists()

    @pytest.mark.parametrize(
        ("about", "says"),
        [
            ({"database": "oracle"}, "backup of oracle"),
            ({"version": 2}, "another version"),
            ({"kind": "table"}, "no backup"),
            ({}, "no whole database"),
        ],
    )
    def test_another_databases_or_versions_backup_is_refused(self, settings, key, to, about, says):
        content = b"".join(backing_up._compressed(iter([bytes(10240)])))
        told = {"kind": "backup", "version": 1, "database": connection.vendor, "made_at": timezone.now().isoformat()}
        to.write_bytes(b"".join(sealing.seal([content], settings.BACKUP_KEY, {**told, **about})))
        with pytest.raises(CommandError, match=says):
            run("restore", to, "--key", key, "--yes", "--replace")

    def test_a_name_that_leads_out_of_the_folder_is_refused(self):
        for name in ("media/../../x", "/etc/x", "erasures/x", "x", "media", "../x"):
            assert not backing_up._is_expected(name), name
        for name in ("media/a/b.jpg", "erasures", "database/00000000"):
            assert backing_up._is_expected(name), name

    def test_a_trial_checks_without_touching_anything(self, key, made):
        assert "is whole" in run("restore", made, "--key", key, "--check")
        assert not Heartbeat.objects.exists()

    def test_who_does_not_type_the_word_changes_nothing(self, key, made, monkeypatch):
        monkeypatch.setattr("builtins.input", lambda asked: "yes")
        with pytest.raises(CommandError, match="Nothing was changed"):
            run("restore", made, "--key", key, "--replace")
        assert not Heartbeat.objects.exists()

    def test_a_database_with_an_account_alone_is_not_empty(self):
        assert backing_up.is_empty()
        OrganiserFactory()
        assert not backing_up.is_empty()

    def test_a_missing_program_is_named_with_what_to_install(self):
        with pytest.raises(backing_up.BackupError, match="postgresql-client"):
            backing_up._program("pg_nothing")
