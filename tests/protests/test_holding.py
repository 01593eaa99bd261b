import html
import json
import re
import time
from contextlib import suppress
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from limits import proving
from limits.models import Block, Post, SpentProof, Why
from limits.networks import network_tag
from limits.stamping import stamp
from outbox.models import State
from privacy.purging import purge
from privacy.tags import tag
from protests import holding, signing
from protests.models import ConfirmationMail, Hold, Letter, Signature
from tests.factories import HoldFactory, LetterFactory, LetterTextFactory, OrganiserFactory
from tests.limits.solving import solve
from tests.rows import more
from tests.threads import at_once

pytestmark = pytest.mark.django_db
PAGE = "/letters/free-her/"


def text_of(response):
    return html.unescape(response.content.decode().replace("<br>", "\n"))


def later(**kwargs):
    return time_machine.travel(timezone.now() + timedelta(**kwargs), tick=False)


def challenge_in(response):
    return json.loads(html.unescape(re.search(r'data-challenge="([^"]+)"', response.content.decode())[1]))


def is_held(response):
    return "An organiser looks at your signature first" in text_of(response)


def is_mailed(response):
    return "Look in your mailbox" in text_of(response)


def is_asked(response):
    return "data-challenge" in text_of(response)


@pytest.fixture
def organiser():
    return OrganiserFactory(username="vera")


@pytest.fixture(autouse=True)
def easy(monkeypatch):
    monkeypatch.setattr(proving, "HARDEST", 100)


@pytest.fixture
def post(client, letter, posted):
    """A function that signs as somebody of the given number from an address."""

    def post(number=0, remote="192.0.2.1", **changes):
        typed = {**posted, "email": f"nora{number}@riseup.net", **changes}
        return client.post(PAGE, typed, REMOTE_ADDR=remote)

    return post


class TestLimits:
    def test_thirty_people_in_one_hall_sign_as_everybody_does(self, post):
        assert all(is_mailed(post(number)) for number in range(30))
        assert Signature.objects.count() == 30
        assert not Hold.objects.exists()

    def test_near_the_limit_of_a_network_proof_is_asked_and_nothing_is_written(self, post, settings):
        settings.LIMIT_NETWORK_NEAR = 2
        assert [is_mailed(post(number)) for number in range(2)] == [True, True]

        asked = post(2)

        assert is_asked(asked)
        assert "no-store" in asked["Cache-Control"]
        assert 'name="own_words" value="I am an oil worker, too."' in text_of(asked)
        assert Signature.objects.count() == Post.objects.count() == 2
        assert is_mailed(post(2, remote="192.0.2.2"))

    def test_with_the_proof_one_signs(self, post, settings):
        settings.LIMIT_NETWORK_NEAR = 0
        solved = solve(challenge_in(post()))

        assert is_mailed(post(altcha=solved))
        assert Signature.objects.count() == 1
        assert is_asked(post(1, altcha=solved))
        assert Signature.objects.count() == SpentProof.objects.count() == 1

    def test_without_it_one_can_be_held_instead(self, post, settings):
        settings.LIMIT_NETWORK_NEAR = 0

        response = post(wait="1")

        assert is_held(response)
        assert Hold.objects.get().why == Why.NO_PROOF
        assert not ConfirmationMail.objects.exists()
        assert not Signature.objects.exists()

    def test_over_the_limit_of_a_network_one_is_held_even_with_proof(self, post, settings):
        settings.LIMIT_NETWORK_OVER = 2
        for number in range(2):
            post(number)

        response = post(2, altcha=solve(proving.challenge()))

        assert is_held(response)
        assert "from your network" in text_of(response)
        assert Hold.objects.get().why == Why.NETWORK
        with later(minutes=61):
            assert is_asked(post(3)) or is_mailed(post(3))

    def test_a_mail_domain_has_a_limit_unless_half_the_world_is_there(self, post, settings):
        settings.LIMIT_DOMAIN_NEAR, settings.LIMIT_DOMAIN_OVER = 1, 2
        at = [post(remote=f"192.0.2.{number}", email=f"{number}@example.org") for number in range(2)]
        assert is_mailed(at[0])
        assert is_asked(at[1])
        solved = solve(proving.challenge())
        assert is_mailed(post(remote="192.0.2.8", email="8@example.org", altcha=solved))

        assert is_held(post(remote="192.0.2.9", email="9@example.org"))
        assert Hold.objects.get().why == Why.DOMAIN
        assert all(is_mailed(post(remote=f"198.51.100.{n}", email=f"{n}@gmail.com")) for n in range(4))

    def test_what_is_held_does_not_use_up_the_limit_of_a_domain(self, post, settings):
        settings.LIMIT_DOMAIN_OVER = 2
        for number in range(5):
            post(number, email=f"{number}@example.org", homepage="x")

        assert is_mailed(post(remote="192.0.2.9", email="nora@example.org"))

    def test_one_mailbox_gets_three_mails_however_many_letters_name_it(self, client, post, posted, settings):
        settings.LIMIT_NETWORK_NEAR = settings.LIMIT_NETWORK_OVER = 1000
        letters = [LetterFactory() for _ in range(20)]
        for letter in letters:
            letter.addressees.create(target=Letter.objects.get(slug="free-her").targets.first(), rule="everybody")
        for number in range(100):
            client.post(letters[number % 20].get_absolute_url(), {**posted, "email": "victim@example.org"})

        assert ConfirmationMail.objects.count() == 3

    def test_behind_our_proxy_a_forged_address_does_not_help(self, client, letter, posted, settings):
        settings.TRUSTED_PROXIES, settings.LIMIT_NETWORK_NEAR = 1, 2
        answers = [
            client.post(
                PAGE,
                {**posted, "email": f"n{number}@riseup.net"},
                REMOTE_ADDR="10.0.0.2",
                headers={"X-Forwarded-For": f"203.0.113.{number}, 192.0.2.1"},
            )
            for number in range(3)
        ]

        assert [is_mailed(answer) for answer in answers] == [True, True, False]


class TestSignals:
    def test_a_field_that_people_do_not_see_holds(self, post):
        response = post(homepage="https://spam.example.org")

        assert is_held(response)
        assert "people do not see" in text_of(response)
        assert Hold.objects.get().why == Why.TRAP

    def test_a_form_sent_faster_than_people_type_holds(self, post, settings):
        settings.FORM_SECONDS = 30

        assert is_held(post(stamp=stamp()))
        assert is_mailed(post(1, stamp=stamp(time.time() - 60)))
        assert Hold.objects.get().why == Why.TOO_FAST

    @pytest.mark.parametrize("forged", ["", "x", "180000000." + "0" * 32])
    def test_without_a_stamp_of_ours_proof_is_asked(self, post, forged):
        assert is_asked(post(stamp=forged))
        assert not Post.objects.exists()
        assert is_mailed(post(stamp=forged, altcha=solve(proving.challenge())))

    def test_nobody_is_called_too_fast_because_a_clock_of_ours_was_wrong(self, post, settings):
        settings.FORM_SECONDS = 2
        ahead = stamp(time.time() + 3600)

        assert is_asked(post(stamp=ahead))
        assert is_mailed(post(stamp=ahead, altcha=solve(proving.challenge())))

    def test_the_stamp_is_the_same_for_all_readers_and_kept_when_the_form_comes_back(self, client, letter, posted):
        with time_machine.travel(1_900_000_001, tick=False):
            one = client.get(PAGE).content
        with time_machine.travel(1_900_000_009, tick=False):
            other = client.get(PAGE).content
        assert one == other

        again = client.post(PAGE, {**posted, "name": ""}).content.decode()
        assert f'name="stamp" value="{posted["stamp"]}"' in again

    def test_a_preview_is_never_held(self, client, letter, posted):
        response = client.post(PAGE, {**posted, "homepage": "x", "preview": "1"})

        assert "exactly as it goes" in text_of(response)
        assert not Hold.objects.exists()


class TestBlocks:
    @pytest.mark.parametrize(
        ("block", "why"),
        [
            ({"domain": "example.org"}, Why.BLOCKED_DOMAIN),
            ({"network": "192.0.2.0/24"}, Why.BLOCKED_NETWORK),
            ({"network": "192.0.2.1/32"}, Why.BLOCKED_NETWORK),
        ],
    )
    def test_what_is_blocked_is_held_and_told_so_until_it_ends(self, post, block, why):
        Block.objects.create(reason="Flood", **block)

        response = post(email="nora@mail.example.org")

        assert is_held(response)
        assert "organisers look first at" in text_of(response)
        assert "Flood" not in text_of(response)
        assert Hold.objects.get().why == why
        with later(days=31):
            assert is_mailed(post(1, email="ola@mail.example.org", stamp=stamp(time.time() - 60)))

    def test_others_are_not(self, post):
        Block.objects.create(reason="Flood", domain="ample.org")
        Block.objects.create(reason="Flood", network="2001:db8::/32")
        Block.objects.create(reason="Flood", network="192.0.3.0/24")
        Block.objects.create(reason="Flood", network_tag="0" * 64)

        assert is_mailed(post(email="nora@example.org"))

    def test_the_network_of_a_held_signature_can_be_blocked(self, post, organiser):
        post(homepage="x")
        post(1, homepage="x")

        assert holding.block_networks(Hold.objects.all(), "Flood") == 1
        assert holding.block_networks(Hold.objects.all(), "Flood") == 0
        assert is_held(post(2))
        assert is_mailed(post(2, remote="192.0.2.2"))


class TestHolding:
    def test_the_answer_is_the_same_to_the_byte_whoever_is_held(self, post):
        new = post(homepage="x")
        known_as_held = post(homepage="x")
        post()
        known = post(homepage="x")
        signing.confirm(Signature.objects.get())
        confirmed = post(homepage="x")

        for answer in (known_as_held, known, confirmed):
            assert answer.content == new.content
            assert answer.status_code == new.status_code == 200
            assert dict(answer.headers) == dict(new.headers)

    def test_it_asks_as_much_of_the_database_whoever_is_held(
        self, post, django_assert_num_queries, django_assert_max_num_queries
    ):
        post(1)
        with django_assert_max_num_queries(30) as new:
            post(2, homepage="x")
        with django_assert_num_queries(len(new)):
            post(1, homepage="x")

    def test_it_touches_nothing_of_a_signature(self, post):
        post()
        before = Signature.objects.values().get()

        post(homepage="x", name="Mallory", own_words="Buy this")

        assert Signature.objects.values().get() == before
        assert ConfirmationMail.objects.count() == 1
        signing.confirm(Signature.objects.get())

    def test_the_latest_post_of_a_person_waits_once(self, post):
        post(homepage="x", name="First")
        post(homepage="x", name="Second")
        post(1, homepage="x")

        held = Hold.objects.order_by("pk").first()
        assert Hold.objects.count() == 2
        assert (held.name, held.why) == ("Second", Why.TRAP)

    def test_who_posts_again_is_told_the_truth_about_the_thirty_days(self, post):
        with time_machine.travel(timezone.now() - timedelta(days=29), tick=False):
            post(homepage="x", stamp=stamp(time.time() - 60))
        assert "within 30 days" in text_of(post(homepage="x"))

        with later(days=29):
            purge()
        assert Hold.objects.count() == 1

    @pytest.mark.parametrize("act", [signing.discard, signing.withdraw])
    def test_who_deletes_or_withdraws_what_was_typed_leaves_nothing_held(self, post, organiser, act):
        post(homepage="x")
        post()
        post(1, homepage="x")
        signature = Signature.objects.get()
        if act is signing.withdraw:
            signing.confirm(signature)
        act(signature)

        assert [held.email for held in Hold.objects.all()] == ["nora1@riseup.net"]

    def test_it_is_forgotten_after_thirty_days_and_decided_ones_after_seven(self, organiser):
        waiting, refused = HoldFactory(), HoldFactory()
        holding.refuse(Hold.objects.filter(pk=refused.pk), organiser)

        with later(days=6.9):
            purge()
            assert Hold.objects.count() == 2
        with later(days=7.1):
            purge()
            assert Hold.objects.get() == waiting
        with later(days=30.1):
            purge()
        assert not Hold.objects.exists()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"decision": "released"},
            {"decision": "maybe", "decided_at": timezone.now()},
            {"decided_at": timezone.now()},
            {"why": "dislike"},
            {"country": "de"},
        ],
    )
    def test_the_database_keeps_it_whole(self, wrong):
        with pytest.raises(IntegrityError), transaction.atomic():
            HoldFactory(**wrong)

    def test_a_person_waits_once_a_letter(self):
        held = HoldFactory()

        with pytest.raises(IntegrityError), transaction.atomic():
            HoldFactory(text=held.text, email=held.email)


class TestDeciding:
    def test_released_it_goes_the_way_of_all(self, post, organiser, send_all):
        post(homepage="x", name="Nora Berg")
        assert holding.release(Hold.objects.all(), organiser) == 1

        held, signature = Hold.objects.get(), Signature.objects.get()
        assert (held.decision, held.decided_by, held.signature) == ("released", organiser, signature)
        assert (signature.name, signature.confirmed_at) == ("Nora Berg", None)
        assert not send_all(ConfirmationMail)
        with later(minutes=11):
            assert [mail.rcpt_tos for mail in send_all(ConfirmationMail)] == [["nora0@riseup.net"]]
            signing.confirm(signature)

    def test_the_time_to_confirm_begins_with_the_release(self, post, organiser):
        post(homepage="x")
        with later(days=20):
            holding.release(Hold.objects.all(), organiser)
        with later(days=26):
            signing.confirm(Signature.objects.get())

    def test_twice_does_no_harm(self, post, organiser):
        post(homepage="x")

        assert [holding.release(Hold.objects.all(), organiser) for _ in range(2)] == [1, 0]
        assert ConfirmationMail.objects.count() == 1

    def test_one_whose_mailbox_has_had_enough_waits_on(self, organiser):
        for number in range(5):
            HoldFactory(email=f"victim+{number}@example.org")

        assert holding.release(Hold.objects.all(), organiser) == 3
        assert Hold.objects.waiting().count() == 2
        with later(hours=25):
            assert holding.release(Hold.objects.all(), organiser) == 2

    def test_one_under_a_closed_letter_waits_on(self, organiser):
        HoldFactory(text__letter__closed_at=timezone.now())

        assert holding.release(Hold.objects.all(), organiser) == 0

    def test_what_the_person_posted_since_stays(self, post, organiser):
        post(homepage="x", name="Earlier")
        with later(minutes=1):
            post(name="Later")
        with later(minutes=20):
            assert holding.release(Hold.objects.all(), organiser) == 1

        assert Signature.objects.get().name == "Later"
        assert Hold.objects.get().signature is None
        assert ConfirmationMail.objects.count() == 2

    def test_a_confirmed_signature_stays_as_it_is(self, post, organiser):
        post()
        signing.confirm(Signature.objects.get())
        before = Signature.objects.values().get()
        post(homepage="x", name="Mallory")

        with later(minutes=20):
            holding.release(Hold.objects.all(), organiser)

        assert Signature.objects.values().get() == before

    def test_refused_nothing_is_sent(self, post, organiser):
        post(homepage="x")

        assert holding.refuse(Hold.objects.all(), organiser) == 1
        assert holding.refuse(Hold.objects.all(), organiser) == 0
        assert holding.release(Hold.objects.all(), organiser) == 0
        assert not ConfirmationMail.objects.exists()

    def test_a_refusal_can_be_taken_back(self, post, organiser):
        post(homepage="x")
        holding.refuse(Hold.objects.all(), organiser)

        assert holding.undo(Hold.objects.all()) == 1
        held = Hold.objects.get()
        assert (held.decision, held.decided_at, held.decided_by) == ("", None, None)
        assert holding.undo(Hold.objects.all()) == 0

    def test_not_where_another_post_of_the_person_waits(self, post, organiser):
        post(homepage="x")
        holding.refuse(Hold.objects.all(), organiser)
        post(homepage="x")

        assert holding.undo(Hold.objects.all()) == 0
        holding.refuse(Hold.objects.all(), organiser)
        assert holding.undo(Hold.objects.all()) == 1
        assert Hold.objects.waiting().count() == 1

    def test_a_release_can_be_taken_back_until_the_mail_leaves(self, post, organiser, send_all):
        post(homepage="x")
        holding.release(Hold.objects.all(), organiser)
        assert holding.undo(Hold.objects.all()) == 1
        assert not Signature.objects.exists()
        assert not ConfirmationMail.objects.exists()
        assert Hold.objects.waiting().count() == 1

        holding.release(Hold.objects.all(), organiser)
        with later(minutes=11):
            send_all(ConfirmationMail)
        assert ConfirmationMail.objects.get().state == State.ACCEPTED
        assert holding.undo(Hold.objects.all()) == 0
        assert Signature.objects.exists()

    def test_not_where_the_signer_has_signed_anew(self, post, organiser):
        post(homepage="x")
        holding.release(Hold.objects.all(), organiser)
        with later(minutes=1):
            post(name="Anew")

        assert holding.undo(Hold.objects.all()) == 0
        assert Signature.objects.get().name == "Anew"


class TestAtTheSameTime:
    @pytest.fixture
    def at_the_door(self, letter, posted):
        def post(number, **changes):
            typed = {**posted, "email": f"nora{number}@riseup.net", **changes}
            return Client().post(PAGE, typed, REMOTE_ADDR="192.0.2.1")

        return post

    @pytest.mark.django_db(transaction=True)
    def test_every_post_is_kept_once_and_the_limit_passed_by_no_more_than_run(self, at_the_door, settings):
        settings.LIMIT_NETWORK_NEAR = settings.LIMIT_NETWORK_OVER = 6
        answers = at_once(4, lambda thread: [at_the_door(thread * 10 + n) for n in range(6)])

        flat = [answer for some in answers for answer in some]
        assert all(is_mailed(answer) or is_held(answer) for answer in flat)
        assert Post.objects.count() == Signature.objects.count() + Hold.objects.count() == 24
        assert 6 <= Signature.objects.count() <= 6 + 4
        assert Signature.objects.count() == ConfirmationMail.objects.count() == sum(map(is_mailed, flat))

    @pytest.mark.django_db(transaction=True)
    def test_a_person_who_is_held_many_times_waits_once(self, at_the_door):
        answers = at_once(6, lambda _: at_the_door(1, homepage="x"))

        assert len({answer.content for answer in answers}) == 1
        assert Hold.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_a_proof_lets_one_through(self, at_the_door, settings):
        settings.LIMIT_NETWORK_NEAR = 0
        solved = solve(proving.challenge())
        answers = at_once(6, lambda number: at_the_door(number, altcha=solved))

        assert sum(map(is_mailed, answers)) == Signature.objects.count() == 1
        assert sum(map(is_asked, answers)) == 5

    @pytest.mark.django_db(transaction=True)
    def test_who_takes_releases_back_and_who_deletes_do_not_lock_each_other_out(self, letter, organiser):
        text = LetterTextFactory(letter=letter)
        for number in range(20):
            HoldFactory(text=text, email=f"held{number}@example.org")
        holding.release(Hold.objects.all(), organiser)
        newest_first = list(Signature.objects.order_by("-pk"))

        def act(number):
            if number % 2:
                holding.undo(Hold.objects.all())
                return
            for signature in newest_first:
                with suppress(Signature.DoesNotExist):
                    signing.discard(signature)

        at_once(4, act)

        assert not Signature.objects.exists()
        assert not Hold.objects.exclude(decision="").exists()

    @pytest.mark.django_db(transaction=True)
    def test_two_organisers_release_each_once(self, letter, organiser):
        for number in range(6):
            HoldFactory(email=f"held{number}@example.org")
        done = at_once(3, lambda _: holding.release(Hold.objects.all(), organiser))

        assert sum(done) == Signature.objects.count() == ConfirmationMail.objects.count() == 6


class TestWhenTheLimitsFail:
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("table", [Block._meta.db_table, Post._meta.db_table])
    def test_what_is_posted_is_held_and_the_site_goes_on(self, post, client, letter, table, caplog):
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} RENAME TO away")
        try:
            response = post()
            assert client.get(PAGE).status_code == 200
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER TABLE away RENAME TO {table}")

        assert is_held(response)
        assert "could not check" in text_of(response)
        assert Hold.objects.get().why == Why.UNKNOWN
        assert not Signature.objects.exists()
        assert "cannot be read" in caplog.text
        assert is_mailed(post(1))

    @pytest.mark.django_db(transaction=True)
    def test_so_it_is_if_they_can_be_read_but_not_written(self, post, caplog):
        Post.objects.all().delete()
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("ALTER TABLE limits_post ADD CONSTRAINT closed CHECK (id < 0)")
            else:
                cursor.execute(
                    "CREATE TRIGGER closed BEFORE INSERT ON limits_post BEGIN SELECT RAISE(ABORT, 'closed'); END"
                )
        try:
            response = post()
        finally:
            with connection.cursor() as cursor:
                if connection.vendor == "postgresql":
                    cursor.execute("ALTER TABLE limits_post DROP CONSTRAINT closed")
                else:
                    cursor.execute("DROP TRIGGER closed")

        assert is_held(response)
        assert Hold.objects.get().why == Why.UNKNOWN
        assert "cannot be written" in caplog.text

    def test_no_cache_is_asked(self, post, settings):
        settings.CACHES = {
            "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1"}
        }

        assert is_mailed(post())


class TestDesk:
    LIST = "admin:protests_hold_changelist"

    @pytest.fixture
    def desk(self, client, organiser):
        client.force_login(organiser)
        return client

    def act(self, desk, action, pks, **query):
        url = reverse(self.LIST, query=query)
        form = {"action": action, "_selected_action": pks}
        asked = desk.post(url, form)
        found = re.search(r'name="confirm" value="(\w+)"', asked.content.decode())
        return text_of(asked), desk.post(url, {**form, "confirm": found[1]}, follow=True)

    def test_it_groups_what_is_alike(self, desk, post):
        for number in range(3):
            post(number, homepage="x", name=f"Nora Berg {number}", email=f"n{number}@spam.example.org")
        HoldFactory(text=Hold.objects.first().text, name="Somebody Else")

        page = text_of(desk.get(reverse(self.LIST)))

        for title in ("One network", "One mail domain", "Similar names", "Similar words"):
            assert title in page
        assert "spam.example.org" in page
        links = re.findall(r'href="\?group=([^"]+)"', page)
        assert len(links) == 4
        for link in links:
            assert "Somebody Else" not in text_of(desk.get(reverse(self.LIST) + "?group=" + link))
            assert "3 results" in text_of(desk.get(reverse(self.LIST) + "?group=" + link))

    def test_a_burst_is_a_group(self, desk):
        with time_machine.travel(1_900_000_000, tick=False):
            for _ in range(12):
                HoldFactory()
        with time_machine.travel(1_900_000_060, tick=False):
            for _ in range(5):
                HoldFactory()
            (title, (group,)) = holding.groups()[-1]

            assert (str(title), group.count) == ("At one time", 17)
            assert holding.of_group(Hold.objects.all(), group.key).count() == 17
        with time_machine.travel(1_900_009_000, tick=False):
            HoldFactory()
        assert holding.of_group(Hold.objects.all(), group.key).count() == 17

    def test_a_flood_is_grouped_by_the_newest_of_it_alone(self, desk, monkeypatch):
        monkeypatch.setattr(holding, "GROUPED", 3)
        held = more(HoldFactory(domain_tag="a" * 64), 1)
        newer = more(HoldFactory(text=held[0].text, domain_tag="b" * 64), 2)

        (_title, (group,)) = holding.groups()[0]

        assert (group.key, group.count) == (f"domain:{'b' * 64}", len(newer) + 1)

    @pytest.mark.parametrize(
        "key", ["", "x", "burst:", "burst:1", "burst:9999999999-9999999999", "network:%00", "name:"]
    )
    def test_a_group_that_is_none_breaks_nothing(self, desk, key):
        HoldFactory()

        assert desk.get(reverse(self.LIST), {"group": key}).status_code in {200, 302}

    def test_it_says_how_many_rows_an_action_touches_before_it_does(self, desk, organiser):
        holds = [HoldFactory(text__letter__title=f"Letter {n}") for n in range(3)]
        pks = [held.pk for held in holds]

        asked, done = self.act(desk, "refuse", pks[:2])

        assert "This will change 2 rows." in asked
        assert "Changed 2 of 2 rows." in text_of(done)
        assert set(Hold.objects.values_list("decision", flat=True)) == {"refused", ""}
        assert Hold.objects.filter(decided_by=organiser).count() == 2
        asked, done = self.act(desk, "undo", pks, decision="all")
        assert "This will change 2 rows." in asked
        assert Hold.objects.waiting().count() == 3
        asked, done = self.act(desk, "release", pks)
        assert "in ten minutes" in asked
        assert Signature.objects.count() == ConfirmationMail.objects.count() == 3
        asked, done = self.act(desk, "undo", pks, decision="released")
        assert not Signature.objects.exists()

    def test_networks_are_blocked_from_it(self, desk):
        held = HoldFactory(network_tag="ab" * 32)

        self.act(desk, "block_networks", [held.pk])

        block = Block.objects.get()
        assert block.network_tag == held.network_tag
        assert "vera" in block.reason

    def test_who_may_only_look_decides_nothing(self, client):
        volunteer = OrganiserFactory(is_superuser=False)
        volunteer.user_permissions.add(Permission.objects.get(codename="view_hold"))
        client.force_login(volunteer)
        held = HoldFactory()

        assert client.get(reverse(self.LIST)).status_code == 200
        client.post(reverse(self.LIST), {"action": "release", "_selected_action": [held.pk]})
        assert not Signature.objects.exists()
        assert 'value="release"' not in client.get(reverse(self.LIST)).content.decode()

    def test_its_pages_show_no_tag_and_no_form(self, desk):
        held = HoldFactory(network_tag="cd" * 32, own_words="Words of mine")
        page = text_of(desk.get(reverse("admin:protests_hold_change", args=[held.pk])))

        assert "Words of mine" in page
        assert held.network_tag not in page
        assert held.email_tag not in page

    def test_it_asks_as_much_of_the_database_for_more_rows(
        self, desk, django_assert_num_queries, django_assert_max_num_queries
    ):
        HoldFactory(network_tag=network_tag(None), domain_tag=tag("x", "x"))
        HoldFactory(network_tag=network_tag(None), domain_tag=tag("x", "x"))
        desk.get(reverse(self.LIST))
        with django_assert_max_num_queries(30) as few:
            desk.get(reverse(self.LIST))
        for _ in range(4):
            HoldFactory(network_tag=network_tag(None), domain_tag=tag("x", "x"))
        with django_assert_num_queries(len(few)):
            desk.get(reverse(self.LIST))
