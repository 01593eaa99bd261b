import re
from datetime import timedelta

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from protests import signing
from protests.models import Letter, Signature, Tally
from protests.tallying import tally
from tests.factories import LetterFactory, LetterTextFactory, SignatureFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def counts():
    return dict(Tally.objects.values_list("letter__slug", "signed"))


@pytest.fixture
def text():
    return LetterTextFactory(letter=LetterFactory(slug="a"))


def test_each_letter_has_the_number_of_its_standing_signatures(text):
    LetterFactory(slug="none")
    SignatureFactory.create_batch(3, text=text, confirmed=True)
    SignatureFactory(text=text)
    SignatureFactory(text=text, confirmed=True, withdrawn_at=timezone.now())

    assert tally() == 2
    assert counts() == {"a": 3, "none": 0}
    assert tally() == 0


def test_it_follows_who_confirms_withdraws_and_is_deleted(text):
    first, second, third = SignatureFactory.create_batch(3, text=text, confirmed=True)
    tally()
    signing.withdraw(first)
    second.delete()
    assert tally() == 1
    assert counts() == {"a": 1}
    third.delete()
    tally()
    assert counts() == {"a": 0}


def test_a_count_that_went_wrong_is_right_the_next_time(text):
    SignatureFactory(text=text, confirmed=True)
    tally()
    Tally.objects.update(signed=999)
    tally()
    assert counts() == {"a": 1}


def test_a_slow_count_does_not_overwrite_a_later_one(text):
    tally()
    later = timezone.now() + timedelta(seconds=5)
    Tally.objects.update(signed=7, counted_at=later)
    tally()
    assert Tally.objects.get().signed == 7


def test_a_clock_that_was_wrong_and_is_set_back_does_not_stop_the_count(text):
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=False):
        tally()
    SignatureFactory(text=text, confirmed=True)
    tally()
    assert counts() == {"a": 1}
    assert Tally.objects.get().counted_at <= timezone.now()


def test_nor_where_the_number_stays(text):
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=False):
        tally()
    tally()
    assert Tally.objects.get().counted_at <= timezone.now()


def test_it_writes_nothing_where_nothing_changed_but_once_a_minute_that_it_still_stands(text):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        tally()
        with CaptureQueriesContext(connection) as few:
            tally()
        assert not [query for query in few if query["sql"].startswith(("UPDATE", "INSERT"))]
        clock.shift(timedelta(seconds=61))
        tally()
        assert Tally.objects.get().counted_at == timezone.now()


def test_it_asks_as_much_for_one_letter_as_for_many(text, django_assert_num_queries):
    tally()
    with CaptureQueriesContext(connection) as one:
        tally()
    LetterFactory.create_batch(5)
    tally()
    with django_assert_num_queries(len(one)):
        tally()


class TestThePages:
    PAGES = ("/", "/letters/", "/letters/a/")

    def number(self, client, page):
        words = " ".join(re.sub(r"<[^>]+>", " ", client.get(page).text).split())
        found = re.search(r"(\S+ signatures?)( \(counted [^)]*\))?|Signatures are being counted", words)
        return found[0]

    def test_they_show_what_was_counted_last_and_count_nothing_themselves(self, client, text):
        SignatureFactory.create_batch(2, text=text, confirmed=True)
        tally()
        SignatureFactory(text=text, confirmed=True)
        for page in self.PAGES:
            with CaptureQueriesContext(connection) as queries:
                assert self.number(client, page) == "2 signatures"
            counting = [q["sql"] for q in queries if "COUNT(" in q["sql"] and "protests_signature" in q["sql"]]
            assert counting == []

    def test_they_say_when_an_old_count_was_taken(self, client, text):
        SignatureFactory(text=text, confirmed=True)
        tally()
        Tally.objects.update(counted_at="2026-03-04T05:06:00Z")
        for page in self.PAGES:
            assert self.number(client, page) == "1 signature (counted 4 Mar 2026, 05:06 UTC)"

    def test_they_do_not_say_none_before_anything_was_counted(self, client, text):
        SignatureFactory(text=text, confirmed=True)
        for page in self.PAGES:
            assert self.number(client, page) == "Signatures are being counted"

    def test_names_are_sought_among_the_newest_signatures_only(self, client, text, monkeypatch):
        monkeypatch.setattr("protests.views.NAMES_SOUGHT", 3)
        now = timezone.now()
        SignatureFactory(text=text, name="Ann Old", display="public", confirmed_at=now - timedelta(hours=1))
        SignatureFactory(text=text, name="Zoe New", display="public", confirmed_at=now)
        SignatureFactory.create_batch(2, text=text, confirmed=True)
        page = client.get("/letters/a/").text
        assert "Zoe New" in page
        assert "Ann Old" not in page


@pytest.mark.django_db(transaction=True)
def test_many_who_count_at_once_agree_while_others_sign(text):
    SignatureFactory.create_batch(5, text=text, confirmed=True)

    at_once(6, lambda _number: tally())

    assert counts() == {"a": 5}


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_no_signer_waits_for_the_count_nor_it_for_a_signer(text):
    signature = SignatureFactory(text=text)
    tally()
    with transaction.atomic():
        Signature.objects.filter(pk=signature.pk).update(confirmed_at=timezone.now())
        Letter.objects.select_for_update(of=("self",), no_key=True).get()
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE relation = 'protests_tally'::regclass")
            assert cursor.fetchone() == (0,)
        at_once(1, lambda _number: tally())
    assert counts() == {"a": 0}
    tally()
    assert counts() == {"a": 1}
