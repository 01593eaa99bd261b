"""A person's own door: asked for with an address, opened by a mailed link, and what can be done behind it."""

import html
import json
import re
import time
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from campaign.models import MessageOfSupport, MyDataMail, Subscriber
from donations.models import Pledge
from limits.models import Block, Post
from limits.stamping import stamp
from outbox.models import State
from privacy import erasing
from privacy.addresses import address_tag
from privacy.purging import purge
from protests.models import Delivery, Hold, Signature
from tests.factories import (
    ConfirmationMailFactory,
    DeliveryFactory,
    HoldFactory,
    LetterFactory,
    LetterTextFactory,
    MyDataMailFactory,
    OrganiserFactory,
    PledgeFactory,
    PledgeHoldFactory,
    SignatureFactory,
    SubmittedCommentFactory,
    SubmittedMessageFactory,
    SubscriberFactory,
    TransactionFactory,
)
from tests.threads import at_once

pytestmark = pytest.mark.django_db
PAGE = "/my-data/"
NORA = "nora@example.org"


@pytest.fixture(autouse=True)
def erasures(settings, tmp_path):
    settings.ERASURES = tmp_path / "erasures"
    return settings.ERASURES


@pytest.fixture
def posted():
    return {"email": NORA, "stamp": stamp(time.time() - 60)}


def text_of(response):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())


def door(**kwargs):
    """The address of the page behind a mailed link."""
    mail = MyDataMailFactory(email=NORA, **kwargs)
    return reverse("campaign:my_data_page", args=[mail.token])


def rows():
    return [repr(list(model.objects.order_by("pk").values())) for model in (Signature, Delivery, Subscriber, Pledge)]


class TestAsking:
    def test_the_form_sets_no_cookie_and_is_the_same_for_all(self, client):
        response = client.get(PAGE)
        assert not response.cookies
        assert "public" in response["Cache-Control"]
        assert client.get("/de/my-data/").status_code == 200

    def test_the_answer_and_the_queries_are_the_same_for_a_known_and_an_unknown_address(
        self, client, posted, django_assert_num_queries, django_assert_max_num_queries
    ):
        SignatureFactory(email=NORA, confirmed=True)
        with django_assert_max_num_queries(40) as known:
            mine = client.post(PAGE, posted)
        with django_assert_num_queries(len(known)):
            others = client.post(PAGE, {**posted, "email": "else@example.org"})
        assert mine.status_code == others.status_code == 200
        assert text_of(mine) == text_of(others).replace("else@example.org", NORA)

    def test_the_mail_brings_a_link_where_something_is_held_and_the_word_where_nothing_is(
        self, client, posted, send_all
    ):
        SignatureFactory(email="Nora@EXAMPLE.org", confirmed=True)
        client.post(f"/de{PAGE}", posted)
        token = MyDataMail.objects.get().token
        send_all(MyDataMail)
        client.post(PAGE, {**posted, "email": "else@example.org"})
        known, unknown = (mail.message.get_content() for mail in send_all(MyDataMail))
        assert f"/de/my-data/{token}/" in known
        assert "/my-data/" not in unknown
        assert "We hold nothing about it" in unknown
        stored = MyDataMail.objects.get(email_tag=address_tag(NORA))
        assert (stored.token, stored.email, stored.state) == ("", "", State.ACCEPTED)

    def test_a_mailbox_gets_three_mails_a_day_and_none_within_ten_minutes(self, client, posted):
        now = timezone.now()
        for hours in (0, 0.1, 1, 2, 3):
            with time_machine.travel(now + timedelta(hours=hours), tick=False):
                answer = client.post(PAGE, {"email": NORA, "stamp": stamp(time.time() - 60)})
                assert answer.status_code == 200
        assert MyDataMail.objects.count() == 3

    def test_bad_addresses_other_sites_and_blocked_senders_get_a_clear_answer_and_no_mail(
        self, client, posted, settings
    ):
        assert client.post(PAGE, {**posted, "email": "nora@localhost"}).status_code == 400
        assert client.post(PAGE, posted, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert client.post(PAGE, {**posted, "homepage": "x"}).status_code == 429
        settings.FORM_SECONDS = 30
        fast = client.post(PAGE, {**posted, "stamp": stamp()})
        assert (fast.status_code, f'value="{NORA}"' in fast.content.decode()) == (429, True)
        Block.objects.create(domain="example.org", reason="A flood")
        assert client.post(PAGE, posted).status_code == 429
        assert not MyDataMail.objects.exists()

    def test_proof_of_work_is_asked_for_near_the_limit(self, client, posted, settings):
        settings.LIMIT_NETWORK_NEAR = 1
        client.post(PAGE, posted)
        assert Post.objects.count() == 1
        answer = client.post(PAGE, {**posted, "email": "else@example.org"})
        assert "altcha" in answer.content.decode()
        assert MyDataMail.objects.count() == 1

    def test_its_row_goes(self):
        with time_machine.travel(timezone.now() - timedelta(days=3)):
            MyDataMailFactory(email=NORA)
        purge()
        kept = MyDataMail.objects.get()
        assert (kept.email_tag, kept.recipient_tag) == (None, None)
        with time_machine.travel(timezone.now() + timedelta(days=12)):
            purge()
        assert not MyDataMail.objects.exists()


class TestSeeing:
    def test_everything_stands_there_with_its_purpose_and_its_end(self, client):
        delivery = DeliveryFactory(
            signature__email=NORA, signature__name="Nora Berg", signature__own_words="Free her.", state=State.ACCEPTED,
            settled_at=timezone.now(), target__name="Embassy of Example",
        )  # fmt: skip
        SubscriberFactory(email=NORA)
        pledge = PledgeFactory(email=NORA, confirmed=True, name="Nora Gives")
        TransactionFactory(fund=pledge.fund, pledge=pledge, amount_minor=2500, counterparty="NORA BERG AB")
        SubmittedMessageFactory(contact="NORA@example.org", person="Nora Writes", text="We stand.")
        SubmittedCommentFactory(contact=NORA, person="Nora Says", text="Well said.")
        HoldFactory(email=NORA, name="Nora Held")
        PledgeHoldFactory(email=NORA, name="Nora Promises")
        SignatureFactory(email="other@example.org", name="Not Her", confirmed=True)
        SubmittedCommentFactory(contact="other@example.org", person="Nobody")

        response = client.get(door())
        page = text_of(response)
        for words in (
            *("Nora Berg", "Free her.", "Embassy of Example", "Nora Gives", "NORA BERG AB", "Nora Writes", "We stand."),
            *("Nora Says", "Well said.", "Nora Held", "Nora Promises", NORA, str(delivery.signature.letter)),
            "To sign the letter",
            "Deleted",
        ):
            assert words in page, words
        assert "Not Her" not in page
        assert "Nobody" not in page
        assert not response.cookies
        assert response["Cache-Control"] == "private, no-store"
        assert response["Referrer-Policy"] == "no-referrer"
        assert "noindex" in response["X-Robots-Tag"]

    def test_reading_changes_nothing_however_often(self, client):
        DeliveryFactory(signature__email=NORA)
        SubscriberFactory(email=NORA)
        PledgeFactory(email=NORA, confirmed=True)
        link, before = door(), rows()
        for path in (link, f"{link}erase/", f"{link}my-data.json"):
            for _again in range(2):
                assert client.get(path).status_code == client.head(path).status_code == 200
        assert rows() == before
        assert MyDataMail.objects.get().used_at is None

    def test_the_link_ends_after_24_hours_and_on_ones_word(self, client):
        link = door()
        with time_machine.travel(timezone.now() + timedelta(hours=25)):
            assert client.get(link).status_code == 404
        assert client.post(link, {"action": "end"}).status_code == 200
        for path in (link, f"{link}erase/", f"{link}my-data.json", "/my-data/made-up/"):
            assert client.get(path).status_code == 404
        assert "link" in text_of(client.get(link))

    def test_what_no_form_of_ours_sends_is_refused(self, client):
        link = door()
        assert client.post(link, {"action": "explode"}).status_code == 400
        for act in ({"action": "ask"}, {"action": "act", "item": "x", "act": "y"}, {"action": "correct", "item": "x"}):
            assert client.post(link, act).status_code == 409
        assert client.post(link, {"action": "end"}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403

    def test_it_can_be_taken_along_as_json(self, client):
        signature = SignatureFactory(email=NORA, confirmed=True, name="Nora Bérg")
        response = client.get(f"{door()}my-data.json")
        assert response["Content-Disposition"] == 'attachment; filename="my-data.json"'
        assert response["Cache-Control"] == "private, no-store"
        data = json.loads(response.content)
        assert data["format"] == "solidarity-my-data-1"
        held = {one["kind"]: one for one in data["held"]}
        assert set(held) == {"signature", "request"}
        name = held["signature"]["facts"]["name"]
        assert (held["signature"]["number"], name["value"]) == (signature.pk, "Nora Bérg")
        assert name["purpose"]
        assert name["deleted"]


class TestChanging:
    def act(self, client, link, item, act):
        asked = client.post(link, {"action": "ask", "item": item, "act": act})
        assert asked.status_code == 200
        assert f'value="{act}"' in asked.content.decode()
        return client.post(link, {"action": "act", "item": item, "act": act})

    def test_asking_for_an_act_does_nothing_yet(self, client):
        signature = SignatureFactory(email=NORA, confirmed=True)
        client.post(door(), {"action": "ask", "item": f"signature-{signature.pk}", "act": "withdraw"})
        assert Signature.objects.counted().exists()

    def test_a_signature_is_taken_back_and_what_was_not_sent_is_not_sent(self, client):
        sent = DeliveryFactory(signature__email=NORA, state=State.ACCEPTED, settled_at=timezone.now())
        waits = DeliveryFactory(signature=sent.signature)
        assert self.act(client, door(), f"signature-{sent.signature_id}", "withdraw").status_code == 303
        assert not Signature.objects.counted().exists()
        sent.refresh_from_db()
        waits.refresh_from_db()
        assert (sent.state, waits.state) == (State.ACCEPTED, State.CANCELLED)

    def test_the_mailed_link_ends_with_the_first_change_and_the_page_goes_on_for_an_hour(self, client):
        subscriber, pledge = SubscriberFactory(email=NORA), PledgeFactory(email=NORA, confirmed=True)
        link = door()
        answer = self.act(client, link, f"subscription-{subscriber.pk}", "leave")
        assert client.get(link).status_code == 404
        follows = answer["Location"]
        assert "What you asked for is done" in text_of(client.get(follows))
        assert self.act(client, follows, f"pledge-{pledge.pk}", "withdraw")["Location"] == follows
        assert Pledge.objects.get().withdrawn_at
        assert not Subscriber.objects.subscribed().exists()
        with time_machine.travel(timezone.now() + timedelta(minutes=61)):
            assert client.get(follows).status_code == 404

    @pytest.mark.parametrize(
        ("make", "key", "act"),
        [
            (lambda: HoldFactory(email=NORA), "held-signature", "delete"),
            (lambda: PledgeHoldFactory(email=NORA), "held-pledge", "delete"),
            (lambda: SignatureFactory(email=NORA), "signature", "discard"),
            (lambda: SubscriberFactory(email=NORA, unconfirmed=True), "subscription", "leave"),
            (lambda: SubmittedCommentFactory(contact=NORA), "comment", "delete"),
            (lambda: SubmittedMessageFactory(contact=NORA), "messageofsupport", "delete"),
        ],
    )
    def test_what_waits_can_be_deleted_by_itself(self, client, make, key, act):
        row = make()
        assert self.act(client, door(), f"{key}-{row.pk}", act).status_code == 303
        assert not type(row).objects.filter(pk=row.pk).exists()

    def test_nobody_touches_what_is_anothers(self, client):
        other = SignatureFactory(confirmed=True)
        link = door()
        for action in ("ask", "act", "correct"):
            sent = {"action": action, "item": f"signature-{other.pk}", "act": "withdraw"}
            assert client.post(link, sent).status_code == 409
        assert Signature.objects.counted().exists()
        assert client.get(link).status_code == 200  # nothing was done, so the link was not used

    def test_a_name_is_corrected_before_a_letter_has_left_and_not_after(self, client):
        waits = DeliveryFactory(signature__email=NORA, signature__name="Nora Brg")
        key = f"signature-{waits.signature_id}"
        link = door()
        typed = {
            "action": "correct",
            "item": key,
            f"{key}-name": "Nora Berg",
            f"{key}-organisation": "",
            f"{key}-display": "public",
        }
        bad = client.post(link, {**typed, f"{key}-name": ""})
        assert bad.status_code == 400
        assert "Nothing was changed yet" in text_of(bad)
        follows = client.post(link, typed)["Location"]
        signature = Signature.objects.get()
        assert (signature.name, signature.display) == ("Nora Berg", "public")
        Delivery.objects.update(state=State.ACCEPTED, settled_at=timezone.now())
        assert "the name stays as it was sent" in text_of(client.get(follows))
        client.post(follows, {**typed, f"{key}-name": "Somebody Else", f"{key}-display": "initials"})
        signature.refresh_from_db()
        assert (signature.name, signature.display) == ("Nora Berg", "initials")

    def test_a_givers_and_a_writers_name_are_corrected_too(self, client):
        pledge = PledgeFactory(email=NORA, confirmed=True)
        message = SubmittedMessageFactory(contact=NORA, person="Nora Brg")
        one, two = f"pledge-{pledge.pk}", f"messageofsupport-{message.pk}"
        correct = {"action": "correct", "item": one, f"{one}-name": "Nora Berg", f"{one}-display": "initials"}
        link = door()
        account = client.post(link, {**correct, f"{one}-name": "DE02100500000054540402"})
        assert account.status_code == 400
        follows = client.post(link, correct)["Location"]
        client.post(follows, {"action": "correct", "item": two, f"{two}-person": "Nora Berg"})
        pledge.refresh_from_db()
        assert (pledge.name, pledge.display) == ("Nora Berg", "initials")
        assert MessageOfSupport.objects.get().person == "Nora Berg"


class TestErasing:
    def test_it_takes_a_ticked_box_and_then_everything_goes_at_once(self, client, erasures):
        DeliveryFactory(signature__email=NORA)
        link = door()
        assert "What stays" in text_of(client.get(f"{link}erase/"))
        assert client.post(f"{link}erase/").status_code == 400
        assert Signature.objects.get().name
        response = client.post(f"{link}erase/", {"sure": "1"})
        assert "Everything that told of you is deleted" in text_of(response)
        signature = Signature.objects.counted().get()
        assert (signature.name, signature.email, signature.email_tag) == ("", "", None)
        assert client.get(link).status_code == client.post(f"{link}erase/", {"sure": "1"}).status_code == 404
        assert erasures.read_text().count("\n") == 1

    def test_a_file_that_cannot_be_written_fails_it_whole(self, client, settings, tmp_path):
        SignatureFactory(email=NORA, confirmed=True, name="Nora Berg")
        link = door()
        settings.ERASURES = tmp_path / "missing" / "erasures"
        response = client.post(f"{link}erase/", {"sure": "1"})
        assert (response.status_code, response["Retry-After"]) == (503, "60")
        assert "Nothing was changed" in text_of(response)
        assert Signature.objects.get().name == "Nora Berg"
        assert client.get(link).status_code == 200

    def test_the_receipt_says_so(self, client):
        token = ConfirmationMailFactory(signature=DeliveryFactory(signature__email=NORA).signature).token
        client.post(f"{door()}erase/", {"sure": "1"})
        page = text_of(client.get(reverse("protests:receipt", args=[token])))
        assert "have been deleted here" in page
        assert "it counts" in page


class TestAtTheDesk:
    PAGE = "/admin/on-request/"

    def test_an_owner_sees_how_much_is_held_and_erases_it(self, admin_client, erasures):
        SignatureFactory(email=NORA, confirmed=True, name="Nora Berg")
        HoldFactory(email=NORA)
        looked = admin_client.post(self.PAGE, {"email": "NORA@example.org"})
        assert "Your signature: 1" in text_of(looked)
        assert "Nora Berg" not in text_of(looked)
        assert Signature.objects.get().name
        seen = re.search(r'name="erase" value="([0-9a-f]+)"', looked.content.decode())[1]
        assert admin_client.post(self.PAGE, {"email": NORA, "erase": seen}).status_code == 302
        assert Signature.objects.counted().get().name == ""
        assert not Hold.objects.exists()
        assert erasing.recorded()[0].keys() == {address_tag(NORA)}

    def test_what_came_in_meanwhile_is_looked_at_first(self, admin_client):
        SignatureFactory(email=NORA, confirmed=True, name="Nora Berg")
        looked = admin_client.post(self.PAGE, {"email": NORA})
        seen = re.search(r'name="erase" value="([0-9a-f]+)"', looked.content.decode())[1]
        SubscriberFactory(email=NORA)
        again = admin_client.post(self.PAGE, {"email": NORA, "erase": seen})
        assert "Look again" in text_of(again)
        assert Signature.objects.get().name

    def test_nothing_held_and_nobodys_permission(self, admin_client, client):
        assert "Nothing. Perhaps" in text_of(admin_client.post(self.PAGE, {"email": NORA}))
        assert admin_client.post(self.PAGE, {"email": "no address"}).status_code == 200
        client.force_login(OrganiserFactory(is_superuser=False))
        assert client.get(self.PAGE).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_two_who_press_at_once_do_it_once(client):
    """The link is used by one of them; the other is told so, and nothing is half done."""
    signature = SignatureFactory(email=NORA, confirmed=True, text=LetterTextFactory(letter=LetterFactory()))
    SubscriberFactory(email=NORA)
    link = door()
    act = {"action": "act", "item": f"signature-{signature.pk}", "act": "withdraw"}

    def press(number):
        return type(client)().post(link, act).status_code

    assert sorted(at_once(4, press)) == [303, 404, 404, 404]
    assert not Signature.objects.counted().exists()
    assert Subscriber.objects.subscribed().count() == 1
