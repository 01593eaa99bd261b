"""The public log: each accepted letter once, nothing of anybody in it, and what was changed past the program."""

import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import pytest
import time_machine
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.db.transaction import atomic
from django.urls import reverse
from django.utils import timezone

from outbox import deciding, readiness
from outbox.models import State
from outbox.readiness import Level
from outbox.resolving import Names
from privacy import triggers as shared
from privacy.purging import purge
from protests import proving, signing, telling
from protests import readiness as protests_readiness
from protests.models import ConfirmationMail, Delivery, LetterLogEntry, LetterLogHead, LoggedDelivery, Signature
from protests.triggers import LOG
from tests.factories import DeliveryFactory, OrganiserFactory, SignatureFactory, TargetFactory
from tests.threads import at_once
from tests.tools.test_verify_log import verify_log

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CHANGED = "'x'"
SAID = {"state": State.ACCEPTED, "reply_code": 250}


def accepted(count=1, *, at=NOON, **columns):
    return [DeliveryFactory(**SAID, settled_at=at, **columns) for _ in range(count)]


def run(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


def past_the_triggers(statement, *values):
    LOG.drop("default")
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        assert cursor.rowcount
    LOG.create("default")


def published(tmp_path, client):
    """Download log and heads as a stranger does, and return their paths."""
    paths = [tmp_path / "log.jsonl", tmp_path / "heads.json"]
    paths[0].write_bytes(b"".join(client.get("/letters/log.jsonl").streaming_content))
    paths[1].write_bytes(client.get("/letters/log/heads.json").content)
    return [str(path) for path in paths]


@pytest.fixture
def signer(letter, client):
    """A person who has confirmed with the mailed link, and whose letters were accepted; and the link's code."""
    typed = {"email": "nora@example.org", "name": "Nora Berg", "organisation": "", "own_words": "", "country": "DE"}
    signing.sign(letter, **typed, display="public", updates=False, locale="en")
    code = ConfirmationMail.objects.get().token
    signature = Signature.objects.get()
    seen = signing.fingerprint(signature, signing.unsent(signature))
    assert client.post(reverse("protests:confirm", args=[code]), {"seen": seen}).status_code == 303
    Delivery.objects.update(**SAID, settled_at=timezone.now())
    signature.refresh_from_db()
    return signature, code


@pytest.mark.django_db
class TestTakingIn:
    def test_each_letter_that_a_server_accepted_comes_in_once(self):
        accepted(3)
        DeliveryFactory(state=State.BOUNCED, reply_code=550, settled_at=NOON)
        DeliveryFactory()
        # An organiser's finding that a letter in doubt arrived is no server's answer.
        DeliveryFactory(state=State.ACCEPTED, settled_at=NOON)

        assert proving.append()
        assert proving.append()

        assert LetterLogEntry.objects.count() == LoggedDelivery.objects.count() == 3
        assert set(LetterLogEntry.objects.values_list("day", flat=True)) == {NOON.date()}

    def test_a_letter_that_came_back_and_was_accepted_again_stands_there_once(self):
        (delivery,) = accepted()
        proving.append()
        Delivery.objects.update(state=State.BOUNCED)
        Delivery.objects.all().send_again()
        Delivery.objects.update(**SAID, settled_at=NOON)
        proving.append()
        assert LetterLogEntry.objects.count() == 1

    def test_a_live_log_holds_no_day_before_it_is_over_so_that_nobody_sees_the_hour(self, settings):
        settings.MAIL_LIVE = True
        accepted(2, at=NOON - timedelta(days=1))
        accepted(1, at=NOON)
        with time_machine.travel(NOON, tick=False):
            proving.keep()
        assert LetterLogEntry.objects.count() == 2
        with time_machine.travel(NOON + timedelta(days=1), tick=False):
            proving.keep()
        assert list(LetterLogEntry.objects.values_list("live", flat=True)) == [True] * 3
        assert list(LetterLogHead.objects.values_list("entries", flat=True)) == [2, 3]

    def test_the_order_of_a_batch_is_that_of_the_commitments(self):
        accepted(20)
        proving.append()
        commitments = list(LetterLogEntry.objects.values_list("commitment", flat=True))
        assert commitments == sorted(commitments)

    def test_after_the_log_is_signed_a_live_site_asks_the_database_once(self, settings, django_assert_num_queries):
        settings.MAIL_LIVE = True
        accepted(1, at=NOON - timedelta(days=1))
        with time_machine.travel(NOON, tick=False):
            proving.keep()
            accepted(1)
            with django_assert_num_queries(1):
                proving.keep()

    def test_what_does_not_fit_into_one_run_goes_on_in_the_next_and_is_signed_then(self):
        accepted(2)
        assert not proving.append(deadline=time.monotonic() - 1)
        proving.keep()
        assert LetterLogHead.objects.get().entries == 2

    def test_it_asks_as_much_of_the_database_for_40_letters_as_for_4(self):
        def asked(count):
            signatures = [SignatureFactory(confirmed=True, proof="5" * 64) for _ in range(count)]
            for signature in signatures:
                accepted(signature=signature)
            queries = []
            with connection.execute_wrapper(lambda run, sql, *rest: queries.append(sql) or run(sql, *rest)):
                proving.append()
            return len(queries)

        assert asked(4) == asked(40)

    def test_signing_says_no_more_than_once_a_day(self):
        assert proving.sign_head() is None
        accepted()
        proving.keep()
        proving.keep()
        assert LetterLogHead.objects.count() == 1


@pytest.mark.django_db(transaction=True)
class TestTogether:
    def test_ten_at_once_take_each_letter_in_once(self):
        accepted(30)
        at_once(10, lambda number: proving.keep())

        assert LetterLogEntry.objects.count() == LoggedDelivery.objects.count() == 30
        assert proving.verify() == []
        assert LetterLogHead.objects.count() == 1

    def test_killed_in_the_middle_it_loses_and_doubles_nothing(self, monkeypatch):
        accepted(30)
        monkeypatch.setattr(proving, "AT_ONCE", 3)
        connection.close()

        def work():
            # After the entries of a few batches were written, before their commit.
            def die(run, sql, *rest):
                answer = run(sql, *rest)
                if "INSERT" in sql and "letterlogentry" in sql and LetterLogEntry.objects.count() > 8:
                    os.kill(os.getpid(), signal.SIGKILL)
                return answer

            with connection.execute_wrapper(die):
                proving.append()

        worker = get_context("fork").Process(target=work)
        worker.start()
        worker.join(60)
        assert worker.exitcode == -signal.SIGKILL
        assert LetterLogEntry.objects.count() == LoggedDelivery.objects.count() == 6

        proving.keep()
        assert LetterLogEntry.objects.count() == LoggedDelivery.objects.count() == 30
        assert proving.verify() == []


@pytest.mark.django_db
class TestProof:
    def test_a_supporter_proves_it_with_a_file_also_after_the_purge(self, signer, client, tmp_path, capsys):
        signature, code = signer
        proving.keep()
        path = reverse("protests:proof", args=[code])
        before = client.get(path)
        assert before["Content-Disposition"] == 'attachment; filename="letter-proof.json"'
        assert before["Cache-Control"] == "private, no-store"
        with time_machine.travel(timezone.now() + timedelta(days=179), tick=False):
            Signature.objects.update(confirmed_at=timezone.now() - timedelta(days=181))
            purge()
            assert (Signature.objects.get().name, Signature.objects.get().proof) == ("", "")
            after = client.get(path)
            page = client.get(reverse("protests:receipt", args=[code])).text

        assert json.loads(after.content) == json.loads(before.content)
        assert "Download your proof" in page
        (tmp_path / "proof.json").write_bytes(after.content)
        assert verify_log.run([*published(tmp_path, client), "--receipt", str(tmp_path / "proof.json")]) == 0
        said = capsys.readouterr().out
        for entry in LetterLogEntry.objects.all():
            assert f"is in it as entry {entry.sequence}" in said

    def test_nothing_in_the_database_leads_from_an_entry_to_its_letter_after_the_purge(self, signer):
        signature, code = signer
        proving.append()
        commitments = set(LetterLogEntry.objects.values_list("commitment", flat=True))
        Signature.objects.update(confirmed_at=timezone.now() - timedelta(days=181))
        purge()

        held = set()
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names():
                if table != "protests_letterlogentry":
                    cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
                    held |= {str(value) for row in cursor.fetchall() for value in row}
        assert not commitments & held
        # Nor does anything that is held make the salt.
        for delivery in Delivery.objects.all():
            for value in held - {code}:
                salts = (
                    value,
                    proving.salt_of(value, delivery.message_id),
                    proving.salt_of(proving.secret_of(value), delivery.message_id),
                )
                assert not commitments & {proving.commitment_of(delivery.message_id, salt) for salt in salts}
        assert {proving.salt_of(proving.secret_of(code), one.message_id) for one in Delivery.objects.all()}
        assert len(proving.proofs(Signature.objects.get(), code, list(Delivery.objects.all()))) == len(commitments)

    def test_another_link_of_the_same_person_opens_it_until_the_purge(self, signer):
        signature, _code = signer
        proving.append()
        deliveries = list(Delivery.objects.all())
        assert len(proving.proofs(signature, "another", deliveries)) == len(deliveries)
        signature.proof = ""
        assert proving.proofs(signature, "another", deliveries) == []

    def test_what_was_accepted_before_there_was_a_log_gets_a_secret_until_the_purge(self):
        (known,) = accepted(signature=SignatureFactory(confirmed=True))
        (forgotten,) = accepted(signature=SignatureFactory(confirmed=True, name="", email=""))
        proving.append()

        known.signature.refresh_from_db()
        forgotten.signature.refresh_from_db()
        assert len(proving.proofs(known.signature, "code", [known])) == 1
        assert forgotten.signature.proof == ""
        assert LetterLogEntry.objects.count() == 2

    def test_a_secret_whose_key_is_lost_is_not_taken_for_one(self, settings):
        (delivery,) = accepted(signature=SignatureFactory(confirmed=True, proof="5" * 64))
        settings.PRIVACY_KEYS = [Fernet.generate_key().decode()]
        proving.append()
        guessed = proving.salt_of("⟦unreadable⟧", delivery.message_id)
        assert LetterLogEntry.objects.get().commitment != proving.commitment_of(delivery.message_id, guessed)

    def test_a_signature_that_is_withdrawn_before_anything_left_keeps_no_secret(self, letter):
        signature = SignatureFactory(letter=letter)
        signing.confirm(signature, code="x")
        signing.withdraw(signature)
        assert Signature.objects.get().proof == ""

    def test_before_the_letter_is_in_the_log_there_is_no_file_and_the_page_says_when(self, signer, client, settings):
        settings.MAIL_LIVE = True
        _signature, code = signer
        assert client.get(reverse("protests:proof", args=[code])).status_code == 303
        page = client.get(reverse("protests:receipt", args=[code])).text
        assert "on the day after the server took it" in page
        assert "Download your proof" not in page
        assert client.get(reverse("protests:proof", args=["nobody"])).status_code == 404


@pytest.mark.django_db
class TestNoFurtherQuery:
    """What is signed, confirmed and sent does not wait for the log."""

    def test_confirming_asks_nothing_of_the_log(self, letter):
        signature = SignatureFactory(letter=letter)
        queries = []
        with connection.execute_wrapper(lambda run, sql, *rest: queries.append(sql) or run(sql, *rest)):
            signing.confirm(signature, code="code")

        assert not [sql for sql in queries if "letterlog" in sql or "loggeddelivery" in sql]
        # The secret is written with what was written before.
        assert len([sql for sql in queries if sql.startswith("UPDATE")]) == 1
        assert [sql for sql in queries if '"proof" =' in sql and '"confirmed_at" =' in sql]
        assert Signature.objects.get().proof == proving.secret_of("code")


@pytest.mark.django_db(transaction=True)
def test_sending_asks_nothing_of_the_log_and_reads_no_secret(send_all):
    DeliveryFactory(signature=SignatureFactory(confirmed=True, proof="5" * 64))
    queries = []
    with connection.execute_wrapper(lambda run, sql, *rest: queries.append(sql) or run(sql, *rest)):
        assert len(send_all(Delivery)) == 1
    assert queries
    assert not [sql for sql in queries if any(word in sql for word in ("letterlog", "loggeddelivery", '"proof"'))]


@pytest.mark.django_db
class TestVerifying:
    @pytest.fixture
    def log(self):
        for day in range(3):
            accepted(3, at=NOON + timedelta(days=day))
            with time_machine.travel(NOON + timedelta(days=day), tick=False):
                proving.keep()
        assert proving.verify() == []

    @pytest.mark.parametrize(
        ("statement", "says"),
        [
            ("UPDATE protests_letterlogentry SET letter = 'other' WHERE sequence = 4", "not as it was written"),
            ("UPDATE protests_letterlogentry SET day = '2026-11-01' WHERE sequence = 9", "not as it was written"),
            ("DELETE FROM protests_letterlogentry WHERE sequence = 4", "Entries 4 to 4 are missing"),
            ("DELETE FROM protests_letterlogentry WHERE sequence > 7", "does not hold 9:"),
            ("UPDATE protests_letterlogentry SET sequence = 20 WHERE sequence = 4", "Entries 4 to 4 are missing"),
            ("UPDATE protests_letterloghead SET entries = 8 WHERE entries = 9", "not as it was signed"),
            ("UPDATE protests_letterloghead SET day = '2027-01-01' WHERE entries = 9", "not as it was signed"),
            ("UPDATE protests_letterloghead SET public_key = hash WHERE entries = 3", "not as it was signed"),
        ],
    )
    def test_what_was_changed_past_the_triggers_is_named_and_is_not_signed(self, log, statement, says):
        past_the_triggers(statement)
        assert any(says in fault for fault in proving.verify())
        with pytest.raises(CommandError, match="Faults"):
            call_command("verify_log")
        assert protests_readiness.log(Names()).level == Level.BLOCKING

    def test_a_chain_that_was_made_anew_after_the_last_head_is_not_signed(self, log, caplog):
        past_the_triggers("UPDATE protests_letterlogentry SET hash = %s WHERE sequence = 9", "0" * 64)
        with time_machine.travel(NOON + timedelta(days=5), tick=False):
            assert proving.sign_head() is None
        assert "is not signed" in caplog.text
        assert LetterLogHead.objects.count() == 3

    def test_a_new_key_signs_only_when_the_operator_says_so(self, log, settings, capsys):
        settings.LETTER_LOG_KEY = Fernet.generate_key().decode()
        assert any("another key" in fault for fault in proving.verify())
        with time_machine.travel(NOON + timedelta(days=5), tick=False):
            proving.keep()
            assert LetterLogHead.objects.count() == 3
            call_command("verify_log", "--new-key")
        assert "Signed with the new key" in capsys.readouterr().out
        assert proving.newest_head().public_key == proving.public_key()

    def test_the_command_says_where_the_log_ends(self, log, capsys):
        call_command("verify_log")
        entries, last_hash = proving.end()
        assert f"{entries}:{last_hash}" in capsys.readouterr().out
        assert protests_readiness.log(Names()).level in {Level.OK, Level.WARNING}
        assert "Log of letters" in [str(check.name) for check in readiness.RUNNING]

    def test_a_head_that_is_some_days_old_is_an_alarm_on_the_desk(self, log, client):
        organiser = OrganiserFactory(is_superuser=True)
        with time_machine.travel(NOON + timedelta(days=2), tick=False):
            assert not [one for one in deciding.waiting_for(organiser) if "log" in str(one.what)]
        with time_machine.travel(NOON + timedelta(days=6), tick=False):
            assert [one for one in deciding.waiting_for(organiser) if "not signed any more" in str(one.what)]
            assert protests_readiness.log(Names()).level == Level.WARNING

    def test_missing_triggers_are_a_fault(self, log):
        LOG.drop("default")
        assert any("triggers are missing" in fault for fault in proving.verify())
        LOG.create("default")
        assert LOG in shared.Triggers.known


@pytest.mark.django_db
class TestInTheDatabase:
    @pytest.fixture(autouse=True)
    def log(self):
        accepted(2)
        proving.keep()

    @pytest.mark.parametrize("model", [LetterLogEntry, LetterLogHead])
    def test_every_column_is_frozen_and_no_row_is_deleted(self, model):
        table = model._meta.db_table
        other = {"live": "NOT live", "day": "'2020-01-01'", **dict.fromkeys(("id", "sequence", "entries"), "1000")}
        changes = [f"UPDATE {table} SET {one.column} = {other.get(one.column, CHANGED)}" for one in model._meta.fields]
        for statement in (*changes, f"DELETE FROM {table}"):
            with pytest.raises(IntegrityError, match="only ever added to"), atomic():
                run(statement)
        with pytest.raises(IntegrityError), atomic():
            model.objects.all().delete()

    @pytest.mark.parametrize(
        "changes",
        [
            {"sequence": 0},
            {"commitment": "x"},
            {"commitment": None},
            {"hash": "A" * 64},
            {"previous_hash": proving.BEGINNING},
            {"previous_hash": "-"},
        ],
    )
    def test_the_chain_cannot_fork_nor_hold_what_is_no_hash(self, changes):
        row = LetterLogEntry.objects.last()
        good = {"sequence": 3, "commitment": "c" * 64, "previous_hash": row.hash, "hash": "d" * 64}
        columns = {name: getattr(row, name) for name in ("day", "letter", "target", "target_name", "live")}
        if changes == {"commitment": None}:
            changes = {"commitment": row.commitment}
        with pytest.raises(IntegrityError), atomic():
            LetterLogEntry.objects.create(**columns, **good | changes)
        LetterLogEntry.objects.create(**columns, **good)

    @pytest.mark.parametrize("changes", [{"entries": 0}, {"hash": "x"}, {"public_key": "x"}, {"signature": "0" * 64}])
    def test_a_head_is_one_a_day_and_signed(self, changes):
        known = LetterLogHead.objects.get()
        columns = {name: getattr(known, name) for name in ("day", "entries", "hash", "public_key", "signature")}
        with pytest.raises(IntegrityError), atomic():
            LetterLogHead.objects.create(**columns)
        with pytest.raises(IntegrityError), atomic():
            LetterLogHead.objects.create(**columns | {"day": known.day + timedelta(days=1)} | changes)

    def test_a_delivery_is_logged_once(self):
        with pytest.raises(IntegrityError), atomic():
            LoggedDelivery.objects.bulk_create([LoggedDelivery(delivery_id=LoggedDelivery.objects.first().pk)])


@pytest.mark.django_db
class TestInPublic:
    def test_the_log_is_downloaded_as_a_whole_and_in_parts_which_stay_when_full(self, client, monkeypatch):
        monkeypatch.setattr("protests.log.PER_FILE", 4)
        accepted(6)
        proving.keep()
        whole = client.get("/letters/log.jsonl")
        assert client.get("/letters/log.jsonl").status_code == 503  # one at a time
        text = b"".join(whole.streaming_content)
        first, last = client.get("/letters/log/1.jsonl"), client.get("/letters/log/5.jsonl")

        assert text == first.content + last.content
        assert len(text.splitlines()) == 6
        assert "immutable" in first["Cache-Control"]
        assert last["Cache-Control"] == "public, max-age=60"
        assert client.get("/letters/log/5.jsonl", headers={"If-None-Match": last["ETag"]}).status_code == 304
        assert client.get("/letters/log.jsonl", headers={"If-None-Match": whole["ETag"]}).status_code == 304
        for path in (
            "/letters/log/2.jsonl",
            "/letters/log/9.jsonl",
            "/letters/log/0.jsonl",
            "/letters/log/99999999999999999999.jsonl",
        ):
            assert client.get(path).status_code == 404
        for response in (whole, first, last):
            assert not response.cookies

    def test_the_whole_log_is_made_a_thousand_entries_at_a_time(self, monkeypatch):
        monkeypatch.setattr(proving, "_READ_AT_ONCE", 2)
        accepted(5)
        proving.append()
        assert [part.count("\n") for part in proving.lines()] == [2, 2, 1]

    def test_the_page_tells_what_it_proves_and_leads_to_the_files(self, client):
        assert "Nothing is signed yet" in client.get("/letters/log/").text
        accepted(target=TargetFactory(slug="embassy", name="<b>Embassy</b>"))
        proving.keep()
        page = client.get("/letters/log/")
        assert LetterLogHead.objects.get().hash in page.text
        assert proving.public_key() in page.text
        for path in ("/letters/log.jsonl", "/letters/log/heads.json", "/letters/log/verify_log.py"):
            assert f'href="{path}"' in page.text
            response = client.get(path)
            assert response.status_code == 200
            assert response.getvalue()
        assert "What it does not prove" in page.text
        assert client.get("/de/letters/log/").status_code == 200

    def test_no_letter_can_take_the_address_of_the_log(self, letter):
        letter.slug = "log"
        with pytest.raises(Exception, match="address of the log"):
            letter.full_clean()

    def test_the_organisers_mail_of_the_day_holds_the_head(self, send_all, settings):
        settings.DIGEST_HOUR = 0
        accepted(at=timezone.now())
        proving.keep()
        telling.write_digest()
        mails = send_all()
        assert any(str(LetterLogHead.objects.get()) in mail.message.get_content() for mail in mails)
