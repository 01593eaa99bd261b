import html
import json
import re
import time
from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaign import subscribing
from campaign.models import Subscriber, SubscriptionMail
from limits import proving
from limits.models import Block, Post
from limits.stamping import stamp
from outbox.models import State
from privacy.addresses import address_tag
from privacy.purging import purge
from tests.factories import OrganiserFactory, StrikeFactory, SubscriberFactory, UpdateFactory
from tests.limits.solving import solve
from tests.threads import at_once

pytestmark = pytest.mark.django_db
PAGE = "/subscribe/"


def text_of(response):
    return html.unescape(response.content.decode())


def is_mailed(response):
    return response.status_code == 200 and "Look in your mailbox" in text_of(response)


@pytest.fixture
def posted():
    return {"email": "nora@example.org", "language": "de", "consent": "on", "stamp": stamp(time.time() - 60)}


@pytest.fixture
def link(client, posted):
    """The page behind the mailed link of somebody who has asked for updates."""
    client.post(PAGE, posted)
    return reverse("campaign:subscription", args=[SubscriptionMail.objects.get().token])


def leaving(subscriber):
    return reverse("campaign:unsubscribe", args=[subscribing.unsubscribe_token(subscriber.pk)])


class TestAsking:
    def test_asking_subscribes_nobody_and_mails_a_link(self, client, posted, send_all):
        assert is_mailed(client.post(PAGE, posted))

        subscriber = Subscriber.objects.get()
        assert (subscriber.email, subscriber.language, subscriber.confirmed_at) == ("nora@example.org", "de", None)
        assert not Subscriber.objects.subscribed().exists()
        token = SubscriptionMail.objects.get().token
        (mail,) = send_all(SubscriptionMail)
        assert f"/de/subscribe/{token}/" in mail.message.get_content()
        assert mail.message["Auto-Submitted"] == "auto-generated"
        assert SubscriptionMail.objects.get().token == ""

    def test_the_page_sets_no_cookie_and_is_the_same_for_all(self, client):
        response = client.get(PAGE)

        assert not response.cookies
        assert "public" in response["Cache-Control"]

    def test_without_consent_or_address_nothing_is_kept(self, client, posted):
        for name in ("consent", "email"):
            assert client.post(PAGE, {**posted, name: ""}).status_code == 400
        assert client.post(PAGE, {**posted, "email": "nora@localhost"}).status_code == 400
        assert client.post(PAGE, {**posted, "language": "xx"}).status_code == 400
        assert not Subscriber.objects.exists()

    def test_another_sites_form_is_refused(self, client, posted):
        assert client.post(PAGE, posted, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert not Subscriber.objects.exists()

    def test_new_and_known_get_the_same_answer(self, client, posted):
        SubscriberFactory(email="known@example.org")

        pages = [text_of(client.post(PAGE, {**posted, "email": f"{name}@example.org"})) for name in ("known", "fresh")]

        assert pages[0].replace("known@", "fresh@") == pages[1]

    def test_a_post_changes_nothing_for_a_subscriber_and_mails_where_to_change_it(self, client, posted, send_all):
        strikes = StrikeFactory.create_batch(2)
        known = SubscriberFactory(email="nora@example.org", strikes=strikes[:1])

        assert is_mailed(client.post(PAGE, {**posted, "strikes": [strikes[1].pk]}))

        known.refresh_from_db()
        assert (known.language, list(known.strikes.all()), known.consent_version) == ("en", strikes[:1], "test")
        assert "You get them already" in send_all(SubscriptionMail)[0].message.get_content()

    def test_before_it_is_confirmed_the_latest_post_counts(self, client, posted):
        strikes = StrikeFactory.create_batch(2)
        client.post(PAGE, {**posted, "strikes": [strikes[0].pk]})
        client.post(PAGE, {**posted, "strikes": [strikes[1].pk], "language": "ru"})

        subscriber = Subscriber.objects.get()
        assert (subscriber.language, list(subscriber.strikes.all())) == ("ru", strikes[1:])
        assert SubscriptionMail.objects.count() == 1

    def test_spellings_of_one_address_subscribe_once(self, client, posted):
        for email in ("n.berg@gmail.com", "nberg+x@gmail.com", "N.Berg@GoogleMail.com"):
            client.post(PAGE, {**posted, "email": email})

        assert Subscriber.objects.count() == 1

    def test_a_mailbox_gets_three_mails_a_day_at_most(self, client, posted):
        for number in range(5):
            assert is_mailed(client.post(PAGE, {**posted, "email": f"nora+{number}@example.org"}))

        assert SubscriptionMail.objects.count() == 3

    def test_strikes_are_asked_for_only_where_there_are_several(self, client):
        StrikeFactory()
        assert 'name="strikes"' not in text_of(client.get(PAGE))

        StrikeFactory()
        assert 'name="strikes"' in text_of(client.get(PAGE))

    @pytest.mark.parametrize("bad", ["\x00", "9" * 5000, "-1", "x", "\ud800"])
    def test_no_strike_that_is_none_breaks_the_page(self, client, posted, bad):
        StrikeFactory.create_batch(2)

        assert client.post(PAGE, {**posted, "strikes": bad.encode("utf-8", "replace")}).status_code == 400
        assert not Subscriber.objects.exists()


class TestLimits:
    def test_near_a_limit_proof_is_asked_and_with_it_one_goes_on(self, client, posted, settings, monkeypatch):
        monkeypatch.setattr(proving, "HARDEST", 100)
        settings.LIMIT_NETWORK_NEAR = 0
        strikes = StrikeFactory.create_batch(3)
        posted["strikes"] = [strikes[0].pk, strikes[2].pk]

        asked = text_of(client.post(PAGE, posted))

        assert not Subscriber.objects.exists()
        chosen = re.findall(r'name="strikes" value="(\d+)"', asked)
        assert chosen == [str(pk) for pk in posted["strikes"]]
        challenge = re.search(r'data-challenge="([^"]+)"', client.post(PAGE, posted).content.decode())[1]
        assert is_mailed(client.post(PAGE, {**posted, "altcha": solve(html_json(challenge))}))
        assert Subscriber.objects.get().strikes.count() == 2

    @pytest.mark.parametrize(
        ("change", "words"),
        [({"homepage": "x"}, "only programs fill it in"), ({"stamp": "", "wait": "1"}, "to do a sum first")],
    )
    def test_what_is_doubtful_is_not_kept_and_told_so(self, client, posted, change, words):
        response = client.post(PAGE, {**posted, **change})

        assert response.status_code == 429
        assert words in text_of(response)
        assert "nothing that you typed was kept" in text_of(response)
        assert not Subscriber.objects.exists()

    def test_what_was_sent_too_fast_comes_again_with_what_was_typed_and_goes_a_moment_later(
        self, client, posted, settings
    ):
        settings.FORM_SECONDS = 2
        with time_machine.travel(1_800_000_000, tick=False) as clock:
            response = client.post(PAGE, {**posted, "stamp": stamp()})
            assert response.status_code == 429
            assert "Please send it once more" in text_of(response)
            assert 'value="nora@example.org"' in text_of(response)
            assert not Subscriber.objects.exists()

            again = re.search(r'name="stamp" value="([^"]+)"', text_of(response))[1]
            clock.shift(3)
            assert is_mailed(client.post(PAGE, {**posted, "stamp": again}))

    def test_a_blocked_domain_and_a_network_over_its_limit_are_told_why(self, client, posted, settings):
        Block.objects.create(domain="example.org", reason="Flood.")
        assert "blocked addresses at your mail provider" in text_of(client.post(PAGE, posted))

        Block.objects.all().delete()
        settings.LIMIT_NETWORK_OVER = Post.objects.count()
        assert "Very many forms came from your network" in text_of(client.post(PAGE, posted))
        assert not Subscriber.objects.exists()


def html_json(text):
    return json.loads(html.unescape(text))


class TestConfirming:
    def test_reading_the_page_changes_nothing_and_the_button_subscribes(self, client, link):
        for _ in range(3):
            assert "Do you want updates" in text_of(client.get(link))
            client.head(link)
        assert not Subscriber.objects.subscribed().exists()

        response = client.post(link, {"action": "confirm"}, follow=True)

        assert "You get updates by e-mail" in text_of(response)
        assert Subscriber.objects.subscribed().exists()
        assert "no-store" in response["Cache-Control"]
        assert response["Referrer-Policy"] == "no-referrer"

    def test_confirming_twice_does_no_harm(self, client, link):
        client.post(link, {"action": "confirm"})
        first = Subscriber.objects.get().confirmed_at
        client.post(link, {"action": "confirm"})

        assert Subscriber.objects.get().confirmed_at == first

    def test_too_late_is_told_and_a_purge_forgets_the_address(self, client, link):
        with time_machine.travel(timezone.now() + timedelta(days=8)):
            assert "The time to confirm has passed" in text_of(client.post(link, {"action": "confirm"}))
            assert not Subscriber.objects.subscribed().exists()
            purge()
            assert not Subscriber.objects.exists()
            assert client.get(link).status_code == 404

    def test_a_purge_leaves_subscribers_alone(self):
        SubscriberFactory(created_at=timezone.now() - timedelta(days=800))
        with time_machine.travel(timezone.now() + timedelta(days=800)):
            purge()

        assert Subscriber.objects.get().email

    def test_the_wrong_person_deletes_it(self, client, link):
        assert "Deleted" in text_of(client.post(link, {"action": "delete"}))
        assert not Subscriber.objects.exists()

    def test_what_is_confirmed_is_not_deleted_by_that_button(self, client, link):
        client.post(link, {"action": "confirm"})
        client.post(link, {"action": "delete"})

        assert Subscriber.objects.subscribed().exists()

    def test_a_subscriber_changes_what_they_get(self, client, link):
        strikes = StrikeFactory.create_batch(2)
        client.post(link, {"action": "change", "language": "ru"})
        assert Subscriber.objects.get().language == "de"  # not before it is confirmed

        client.post(link, {"action": "confirm"})
        client.post(link, {"action": "change", "language": "ru", "strikes": [strikes[1].pk]})

        subscriber = Subscriber.objects.get()
        assert (subscriber.language, list(subscriber.strikes.all())) == ("ru", strikes[1:])
        assert client.post(link, {"action": "change", "language": "xx"}).status_code == 400

    def test_what_is_no_button_is_refused(self, client, link):
        for action in ("", "x", "\0"):
            assert client.post(link, {"action": action}).status_code == 400
        assert client.post(link).status_code == 400

    @pytest.mark.parametrize("path", ["/subscribe/x/", "/unsubscribe/x/", "/unsubscribe/1-" + "0" * 32 + "/"])
    def test_an_unknown_link_says_so(self, client, path):
        for method in (client.get, client.post):
            assert "This link does not work" in text_of(method(path))
            assert method(path).status_code == 404


class TestLeaving:
    def test_reading_the_page_a_hundred_times_changes_nothing(self, client):
        page = leaving(SubscriberFactory())
        for _ in range(50):
            assert (
                client.get(page).status_code
                == client.head(page, headers={"Sec-Purpose": "prefetch"}).status_code
                == 200
            )

        assert client.options(page).status_code == 405
        assert Subscriber.objects.subscribed().exists()

    def test_the_button_unsubscribes_and_forgets_the_address(self, client):
        subscriber = SubscriberFactory(strikes=[StrikeFactory()])
        page = leaving(subscriber)
        assert 'name="action" value="unsubscribe"' in text_of(client.get(page))

        response = client.post(page, {"action": "unsubscribe"}, follow=True)

        assert "You are unsubscribed" in text_of(response)
        subscriber.refresh_from_db()
        assert (subscriber.email, subscriber.email_tag, subscriber.strikes.count()) == ("", None, 0)
        assert "You are unsubscribed" in text_of(client.post(page, {"action": "unsubscribe"}, follow=True))

    @pytest.mark.parametrize(
        "headers", [{}, {"Origin": "https://mail.example.com", "Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
    )
    @pytest.mark.parametrize("multipart", [True, False])
    def test_one_click_unsubscribes_wherever_it_comes_from(self, client, headers, multipart):
        subscriber = SubscriberFactory()
        data, kind = {"List-Unsubscribe": "One-Click"}, {}
        if not multipart:
            data, kind = "List-Unsubscribe=One-Click", {"content_type": "application/x-www-form-urlencoded"}

        response = client.post(leaving(subscriber), data, headers=headers, **kind)

        assert response.status_code == 200  # RFC 8058, 3.1: no redirect
        assert not response.cookies
        assert not Subscriber.objects.subscribed().exists()

    def test_another_post_unsubscribes_nobody(self, client):
        page = leaving(SubscriberFactory())
        for data in ({}, {"action": "x"}, {"List-Unsubscribe": "x"}):
            assert client.post(page, data).status_code == 400
        assert client.post(page, "{}", content_type="application/json").status_code == 415

        assert Subscriber.objects.subscribed().exists()

    def test_nobody_leaves_by_anothers_link(self):
        one, other = SubscriberFactory.create_batch(2)
        token = subscribing.unsubscribe_token(one.pk)

        assert subscribing.of_token(token) == one
        assert subscribing.of_token(token.replace(f"{one.pk}-", f"{other.pk}-")) is None
        assert subscribing.of_token(f"0{token}") is None
        assert subscribing.of_token("9" * 40 + "-" + "0" * 32) is None

    def test_a_waiting_mail_about_the_subscription_is_withdrawn(self, client, posted, send_all):
        known = SubscriberFactory(email=posted["email"])
        client.post(PAGE, posted)
        subscribing.unsubscribe(known)

        assert send_all(SubscriptionMail) == []
        assert SubscriptionMail.objects.get().state == State.CANCELLED

    def test_who_left_can_subscribe_anew(self, client, posted):
        subscribing.unsubscribe(SubscriberFactory(email=posted["email"]))
        client.post(PAGE, posted)

        assert Subscriber.objects.filter(email_tag=address_tag(posted["email"]), confirmed_at=None).count() == 1
        assert Subscriber.objects.count() == 2


class TestAgreeingElsewhere:
    @pytest.fixture
    def agree(self):
        def agree(email="nora@example.org", strike=None):
            agreement = subscribing.Agreement(strike or agree.strike, "2026-11", timezone.now())
            subscribing.agree(email, "ru", agreement)
            return agreement

        agree.strike = StrikeFactory()
        return agree

    def test_who_agreed_is_subscribed_to_the_news_of_that_strike(self, agree):
        agree()

        subscriber = Subscriber.objects.subscribed().get()
        assert (subscriber.language, subscriber.consent_version) == ("ru", "2026-11")
        assert list(subscriber.strikes.all()) == [agree.strike]

    def test_a_subscription_that_nobody_confirmed_becomes_what_was(self, agree):
        SubscriberFactory(unconfirmed=True, email="nora@example.org", strikes=[StrikeFactory()])
        agree()

        subscriber = Subscriber.objects.subscribed().get()
        assert (subscriber.language, list(subscriber.strikes.all())) == ("ru", [agree.strike])

    def test_a_subscriber_gets_one_strike_more_and_stays_by_the_first_consent(self, agree):
        other = StrikeFactory()
        SubscriberFactory(email="nora@example.org", strikes=[other])
        agree()

        subscriber = Subscriber.objects.get()
        assert set(subscriber.strikes.all()) == {other, agree.strike}
        assert (subscriber.language, subscriber.consent_version) == ("en", "test")

    def test_who_gets_the_news_of_all_goes_on_to(self, agree):
        SubscriberFactory(email="nora@example.org")
        agree()

        assert not Subscriber.objects.get().strikes.exists()

    def test_taking_it_back_unsubscribes_nobody_else(self, agree):
        agree()
        agree("vera@example.org")
        SubscriberFactory(email="rosa@example.org", consent_version="updates-1")

        subscribing.take_back(address_tag("nora@example.org"), [])
        subscribing.take_back(address_tag("rosa@example.org"), [])
        subscribing.take_back(None, [])

        left = {subscriber.email for subscriber in Subscriber.objects.subscribed()}
        assert left == {"vera@example.org", "rosa@example.org"}

    def test_what_was_agreed_to_besides_goes_on_under_the_same_link(self, agree):
        agree()
        other = agree(strike=StrikeFactory())
        subscriber = Subscriber.objects.get()

        subscribing.take_back(address_tag("nora@example.org"), [other])

        after = Subscriber.objects.subscribed().get()
        assert after == subscriber
        assert (after.consented_at, list(after.strikes.all())) == (other.consented_at, [other.strike])


class TestWhoGetsWhat:
    def test_an_update_goes_to_those_who_want_its_strike_or_everything(self):
        one, other = StrikeFactory.create_batch(2)
        everything = SubscriberFactory()
        both = SubscriberFactory(strikes=[one, other])
        mine = SubscriberFactory(strikes=[one])
        foreign = SubscriberFactory(strikes=[other])
        SubscriberFactory(unconfirmed=True)
        subscribing.unsubscribe(SubscriberFactory())

        assert set(Subscriber.objects.to_get(UpdateFactory(strike=one))) == {everything, both, mine}
        assert Subscriber.objects.to_get(UpdateFactory(strike=one)).count() == 3
        assert set(Subscriber.objects.to_get(UpdateFactory(strike=None))) == {everything, both, mine, foreign}


class TestConstraints:
    @pytest.mark.parametrize(
        "columns",
        [
            {"email": ""},
            {"email_tag": None},
            {"unsubscribed_at": timezone.now()},
            {"unsubscribed_at": timezone.now(), "email": ""},
            {"unsubscribed_at": timezone.now(), "email_tag": None},
            {"unsubscribed_at": timezone.now(), "email": "", "email_tag": None, "confirmed_at": None},
            {"language": ""},
        ],
    )
    def test_a_row_that_says_two_things_cannot_be(self, columns):
        subscriber = SubscriberFactory()
        with pytest.raises(IntegrityError), transaction.atomic():
            Subscriber.objects.filter(pk=subscriber.pk).update(**columns)

    def test_a_mailbox_subscribes_once(self):
        SubscriberFactory(email="nora@example.org")
        with pytest.raises(IntegrityError), transaction.atomic():
            SubscriberFactory(email="nora@example.org")


@pytest.mark.django_db(transaction=True)
def test_fifty_posts_at_once_in_many_spellings_make_one_row_and_one_mail(posted):
    spellings = [f"n{'.' * (number % 2)}berg+{number}@gmail.com" for number in range(20)]

    def post(number):
        return {Client().post(PAGE, {**posted, "email": email}).status_code for email in spellings[number::8]}

    assert at_once(8, post) == [{200}] * 8
    assert Subscriber.objects.count() == SubscriptionMail.objects.count() == 1


class TestDesk:
    @pytest.fixture
    def desk(self, client):
        client.force_login(OrganiserFactory())
        return client

    def test_a_subscriber_is_found_by_the_whole_address_and_unsubscribed(self, desk):
        subscriber = SubscriberFactory(email="nora@example.org", language="ru")
        SubscriberFactory()
        found = desk.get("/admin/campaign/subscriber/?q=Nora@example.org").context["cl"].result_list
        assert list(found) == [subscriber]
        assert desk.get("/admin/campaign/subscriber/?q=nora").context["cl"].result_count == 0
        page = text_of(desk.get(f"/admin/campaign/subscriber/{subscriber.pk}/change/"))
        assert all(words in page for words in ("nora@example.org", "Russian", "all strikes"))

        data = {"action": "unsubscribe", "_selected_action": [subscriber.pk]}
        page = text_of(desk.post("/admin/campaign/subscriber/", data))
        confirm = re.search(r'name="confirm" value="(\w+)"', page)[1]
        desk.post("/admin/campaign/subscriber/", {**data, "confirm": confirm})

        subscriber.refresh_from_db()
        assert subscriber.email == ""

    @pytest.mark.parametrize("state", ["subscribed", "unconfirmed", "left"])
    def test_the_list_shows_one_state(self, desk, state):
        SubscriberFactory()
        SubscriberFactory(unconfirmed=True)
        subscribing.unsubscribe(SubscriberFactory())

        assert desk.get(f"/admin/campaign/subscriber/?state={state}").context["cl"].result_count == 1
