import html
import re
from datetime import timedelta

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaign import enqueuing, mailing, subscribing
from campaign.models import Mailing, MailingCopy, MailingText, MailingTrial, Subscriber
from outbox.dkim_signing import load
from outbox.models import State
from outbox.trying import NoAddress
from tests.factories import OrganiserFactory, StrikeFactory, SubscriberFactory, SubscriptionMailFactory, UpdateFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def vera():
    return OrganiserFactory(username="vera", email="vera@example.org")


@pytest.fixture
def nils():
    return OrganiserFactory(username="nils", email="nils@example.org")


@pytest.fixture
def update():
    update = UpdateFactory(body="They *stand*.\n\n[The letter](/letters/free-her/)")
    update.create_translation("de", title="Vom Platz", body="Sie stehen. **Alle.**")
    return update


@pytest.fixture
def made(update, vera):
    return Mailing.objects.create(update=update, created_by=vera)


@pytest.fixture
def approve(made, nils):
    def approve(by=nils, seen=None):
        mailing.approve(made, by, seen or mailing.fingerprint(mailing.texts(made)))
        made.refresh_from_db()
        return made

    return approve


def text_of(response):
    return html.unescape(response.content.decode())


class TestApproving:
    def test_another_organiser_approves_and_the_copies_are_written(self, made, approve, rung):
        SubscriberFactory.create_batch(3)
        approve()
        assert enqueuing.enqueue_due() is False

        made.refresh_from_db()
        assert made.enqueued_at
        assert made.copies.count() == 3
        assert {text.language for text in made.texts.all()} == {"en", "de"}

    def test_who_made_it_cannot_approve_it(self, made, approve, vera):
        SubscriberFactory()
        with pytest.raises(mailing.OwnWork):
            approve(by=vera)

        assert made.approved_at is None
        assert not made.texts.exists()
        with pytest.raises(IntegrityError), transaction.atomic():
            Mailing.objects.filter(pk=made.pk).update(approved_by=vera, approved_at=timezone.now())

    def test_what_was_not_shown_is_not_sent(self, made, approve):
        SubscriberFactory()
        seen = mailing.fingerprint(mailing.texts(made))
        made.update.title = "Something else"
        made.update.save()

        with pytest.raises(mailing.Changed):
            approve(seen=seen)
        assert made.approved_at is None

    def test_a_draft_is_not_sent_nor_is_a_mailing_to_nobody(self, made, approve):
        with pytest.raises(mailing.NoRecipient):
            approve()
        SubscriberFactory()
        made.update.published_at = timezone.now() + timedelta(days=1)
        made.update.save()
        with pytest.raises(mailing.NotPublished):
            approve()

    def test_approving_twice_does_no_harm(self, made, approve):
        SubscriberFactory()
        first = approve().approved_at

        assert approve().approved_at == first
        assert made.texts.count() == 2

    @pytest.mark.django_db(transaction=True)
    def test_two_who_approve_at_once_approve_it_once(self, made):
        SubscriberFactory()
        others = OrganiserFactory.create_batch(4)
        seen = mailing.fingerprint(mailing.texts(made))
        at_once(4, lambda number: mailing.approve(made, others[number], seen))

        assert made.texts.count() == 2

    def test_an_update_is_mailed_once(self, made, nils):
        with pytest.raises(IntegrityError), transaction.atomic():
            Mailing.objects.create(update=made.update, created_by=nils)

    @pytest.mark.parametrize("column", ["enqueued_at", "stopped_at"])
    def test_nothing_is_written_or_stopped_before_it_is_approved(self, made, column):
        with pytest.raises(IntegrityError), transaction.atomic():
            Mailing.objects.filter(pk=made.pk).update(**{column: timezone.now()})


class TestWritingCopies:
    def test_it_goes_on_where_it_was_broken_off(self, made, approve, monkeypatch):
        SubscriberFactory.create_batch(7)
        approve()
        monkeypatch.setattr(enqueuing, "BATCH", 3)
        monkeypatch.setattr(enqueuing, "RUN_SECONDS", -1)  # as if every run ended after one batch

        assert enqueuing.enqueue_due() is True
        assert made.copies.count() == 3
        assert enqueuing.enqueue_due() is True
        assert enqueuing.enqueue_due() is False
        assert enqueuing.enqueue_due() is False

        assert set(made.copies.values_list("subscriber", flat=True)) == set(
            Subscriber.objects.values_list("pk", flat=True)
        )
        assert made.copies.count() == 7

    def test_a_batch_that_breaks_leaves_nothing(self, made, approve, monkeypatch):
        SubscriberFactory.create_batch(3)
        approve()
        twice = [Subscriber.objects.first().pk] * 2
        with pytest.raises(IntegrityError), transaction.atomic():
            MailingCopy.objects.bulk_create([MailingCopy(mailing=made, subscriber_id=pk) for pk in twice])

        assert not made.copies.exists()
        enqueuing.enqueue_due()
        assert made.copies.count() == 3

    @pytest.mark.django_db(transaction=True)
    def test_workers_that_write_at_the_same_time_write_one_each(self, made, approve, monkeypatch):
        SubscriberFactory.create_batch(20)
        monkeypatch.setattr(enqueuing, "BATCH", 2)
        approve()
        at_once(4, lambda number: enqueuing.enqueue_due())

        assert made.copies.count() == 20
        assert Mailing.objects.get().enqueued_at

    def test_who_confirms_after_the_approval_or_has_left_gets_none(self, made, approve):
        stays, leaves = SubscriberFactory.create_batch(2)
        approve()
        SubscriberFactory()
        subscribing.unsubscribe(leaves)
        enqueuing.enqueue_due()

        assert [copy.subscriber for copy in made.copies.all()] == [stays]

    def test_interests_are_heeded(self, made, approve):
        wanted = SubscriberFactory(strikes=[made.update.strike, StrikeFactory()])
        SubscriberFactory(strikes=[StrikeFactory()])
        everything = SubscriberFactory()
        approve()
        enqueuing.enqueue_due()

        assert {copy.subscriber for copy in made.copies.all()} == {wanted, everything}

    def test_who_was_refused_three_times_on_end_gets_no_more(self, made):
        refused, taken = SubscriberFactory.create_batch(2)
        for state in (State.BOUNCED, State.BOUNCED, State.ACCEPTED, State.BOUNCED):
            other = Mailing.objects.create(update=UpdateFactory())
            MailingCopy.objects.create(mailing=other, subscriber=taken, state=state)
            MailingCopy.objects.create(mailing=other, subscriber=refused, state=State.BOUNCED)

        assert list(mailing.recipients(made)) == [taken]


class TestSending:
    def test_each_gets_one_copy_in_their_language(self, made, approve, send_all):
        for language in ("en", "de", "ru"):
            SubscriberFactory(email=f"{language}@example.org", language=language)
        approve()
        enqueuing.enqueue_due()
        send_all(MailingCopy)
        taken = send_all(MailingCopy)

        assert len(taken) == 3
        by_address = {mail.rcpt_tos[0]: mail.message for mail in taken}
        assert by_address["de@example.org"]["Subject"] == "Vom Platz"
        assert "Sie stehen. *Alle.*" in by_address["de@example.org"].get_content()
        assert by_address["ru@example.org"]["Subject"] == "News from the square"
        text = by_address["en@example.org"].get_content()
        assert "The letter (http://127.0.0.1:8000/letters/free-her/)" in text
        assert f"http://127.0.0.1:8000/updates/{made.update.slug}/" in text

    def test_the_mailed_link_leaves_by_one_click_and_by_the_button(self, made, approve, send_all, client):
        subscriber = SubscriberFactory(language="de")
        approve()
        enqueuing.enqueue_due()
        (mail,) = send_all(MailingCopy)

        link = re.fullmatch(r"<http://127\.0\.0\.1:8000(/de/unsubscribe/\S+/)>", mail.message["List-Unsubscribe"])[1]
        assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert mail.message["Auto-Submitted"] == "auto-generated"
        assert link in mail.message.get_content()
        assert client.get(link).status_code == 200
        assert Subscriber.objects.subscribed().exists()
        assert client.post(link, {"List-Unsubscribe": "One-Click"}).status_code == 200
        subscriber.refresh_from_db()
        assert subscriber.email == ""

    def test_both_headers_are_covered_by_dkim(self, made, approve, send_all, settings, tmp_path):
        SubscriberFactory()
        approve()
        enqueuing.enqueue_due()
        key = tmp_path / "key.pem"
        private = generate_private_key(65537, 2048)
        key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        settings.DKIM_KEYS = [("test", str(key))]
        (mail,) = send_all(MailingCopy)
        record = load("test", str(key), settings.DKIM_DOMAIN).record.encode()

        content = mail.content
        assert dkim.verify(content, dnsfunc=lambda name, timeout=5: record)
        for header in (b"List-Unsubscribe:", b"List-Unsubscribe-Post:"):
            assert not dkim.verify(content.replace(header, b"X-" + header), dnsfunc=lambda name, timeout=5: record)

    def test_who_leaves_in_between_gets_none(self, made, approve, send_all):
        waits, claimed = SubscriberFactory.create_batch(2)
        approve()
        enqueuing.enqueue_due()
        subscribing.unsubscribe(waits)
        assert made.copies.get(subscriber=waits).state == State.CANCELLED
        # A worker holds this one already, and composes it only now.
        Subscriber.objects.filter(pk=claimed.pk).update(unsubscribed_at=timezone.now(), email="", email_tag=None)

        assert send_all(MailingCopy) == []
        assert set(made.copies.values_list("state", flat=True)) == {State.CANCELLED}

    def test_a_later_change_of_the_update_is_not_mailed(self, made, approve, send_all):
        SubscriberFactory()
        approve()
        made.update.title = "Something that nobody approved"
        made.update.save()
        enqueuing.enqueue_due()

        assert send_all(MailingCopy)[0].message["Subject"] == "News from the square"

    def test_stopped_nothing_is_written_or_leaves_and_then_it_goes_on(self, made, approve, send_all, monkeypatch):
        SubscriberFactory.create_batch(4)
        approve()
        monkeypatch.setattr(enqueuing, "BATCH", 2)
        monkeypatch.setattr(enqueuing, "RUN_SECONDS", -1)
        enqueuing.enqueue_due()
        mailing.stop(made)

        assert enqueuing.enqueue_due() is False
        assert send_all(MailingCopy) == []
        assert mailing.progress(made) == {State.QUEUED: 2}

        mailing.go_on(made)
        while enqueuing.enqueue_due():
            pass
        assert len(send_all(MailingCopy)) == 4

    def test_composing_takes_as_many_queries_for_many(self, made, approve, send_all, django_assert_num_queries):
        SubscriberFactory.create_batch(3)
        approve()
        enqueuing.enqueue_due()
        for count in (1, 3):
            with django_assert_num_queries(3):  # copies with subscribers, mailings, texts
                for copy in MailingCopy.for_composing()[:count]:
                    assert mailing.best(copy.mailing.texts.all(), copy.subscriber.language)

    def test_a_trial_goes_to_the_organiser_alone_and_says_so(self, made, vera, send_all):
        SubscriberFactory()
        mailing.send_trial(made, vera, "de")

        (mail,) = send_all()
        assert mail.rcpt_tos == ["vera@example.org"]
        assert mail.message["List-Unsubscribe"] is None
        assert "Vom Platz" in mail.message["Subject"] != "Vom Platz"
        assert not MailingCopy.objects.exists()
        with pytest.raises(NoAddress):
            mailing.send_trial(made, OrganiserFactory(email=""), "de")


class TestConstraints:
    def test_a_subscriber_has_one_copy_of_a_mailing(self, made):
        subscriber = SubscriberFactory()
        MailingCopy.objects.create(mailing=made, subscriber=subscriber)
        with pytest.raises(IntegrityError), transaction.atomic():
            MailingCopy.objects.create(mailing=made, subscriber=subscriber)

    def test_a_mailing_has_one_text_in_a_language(self, made):
        MailingText.objects.create(mailing=made, language="en")
        with pytest.raises(IntegrityError), transaction.atomic():
            MailingText.objects.create(mailing=made, language="en")


class TestDesk:
    @pytest.fixture
    def desk(self, client, nils):
        client.force_login(nils)
        return client

    @pytest.fixture
    def there(self, made):
        return f"/admin/campaign/mailing/{made.pk}/change/"

    def seen(self, response):
        return re.search(r'name="seen" value="(\w+)"', text_of(response))[1]

    def test_an_organiser_makes_a_mailing_of_an_update(self, desk, nils, update):
        link = f"/admin/campaign/mailing/add/?update={update.pk}"
        assert link in text_of(desk.get(f"/admin/campaign/update/{update.pk}/change/"))
        assert f'<option value="{update.pk}" selected>' in text_of(desk.get(link))

        response = desk.post(link, {"update": update.pk}, follow=True)

        made = Mailing.objects.get()
        assert made.created_by == nils
        assert "another organiser has to approve it" in text_of(response)
        assert f"/{made.pk}/change/" in text_of(desk.get(f"/admin/campaign/update/{update.pk}/change/"))
        assert desk.post("/admin/campaign/mailing/add/", {"update": update.pk}).status_code == 200
        assert Mailing.objects.count() == 1

    def test_the_page_shows_texts_and_numbers_and_the_button_sends(self, desk, there, made):
        SubscriberFactory.create_batch(2, language="ru")
        SubscriberFactory(language="de")
        response = desk.get(there)
        shown = text_of(response)
        assert "Send it to 3 subscribers" in " ".join(shown.split())
        assert response.context["counts"] == [("Russian", 2, "English"), ("German", 1, "German")]
        assert "Sie stehen. *Alle.*" in shown

        done = desk.post(there, {"act": "approve", "seen": self.seen(response)}, follow=True)

        assert "Approved." in text_of(done)
        made.refresh_from_db()
        assert made.approved_at
        enqueuing.enqueue_due()
        assert "3 copies are written" in " ".join(text_of(desk.get(there)).split())
        assert desk.post(f"/admin/campaign/mailing/{made.pk}/delete/", {"post": "yes"}).status_code == 403

    @pytest.mark.parametrize("seen", ["", "x", "\0"])
    def test_a_text_that_was_not_shown_is_refused_with_words(self, desk, there, made, seen):
        SubscriberFactory()

        assert "The text changed" in text_of(desk.post(there, {"act": "approve", "seen": seen}, follow=True))

    def test_who_made_it_is_refused_with_words(self, client, there, vera):
        SubscriberFactory()
        client.force_login(vera)
        assert 'value="approve"' not in text_of(client.get(there))

        response = client.post(there, {"act": "approve"}, follow=True)

        assert "You made this mailing" in text_of(response)

    def test_once_all_are_sent_there_is_nothing_to_stop(self, desk, there, approve, send_all):
        SubscriberFactory()
        approve()
        enqueuing.enqueue_due()
        assert 'value="stop"' in text_of(desk.get(there))
        send_all(MailingCopy)

        assert "<strong>Sent.</strong>" in text_of(desk.get(there))
        assert 'value="stop"' not in text_of(desk.get(there))

    def test_stop_and_go_on(self, desk, there, made, approve):
        SubscriberFactory()
        approve()
        assert "Stopped" in text_of(desk.post(there, {"act": "stop"}, follow=True))
        assert Mailing.objects.stopped().exists()
        assert 'value="go_on"' in text_of(desk.get(there))
        desk.post(there, {"act": "go_on"})
        assert not Mailing.objects.stopped().exists()

    def test_a_trial_is_mailed_and_without_an_address_that_is_told(self, desk, there, nils):
        assert "nils@example.org" in text_of(desk.post(there, {"act": "trial", "language": "de"}, follow=True))
        desk.post(there, {"act": "trial", "language": "\0"})
        assert set(MailingTrial.objects.values_list("language", flat=True)) == {"de", "en"}

        nils.email = ""
        nils.save()
        assert "holds no e-mail address" in text_of(desk.post(there, {"act": "trial"}, follow=True))

    def test_rights_are_needed_for_each_button(self, client, there, made):
        clerk = OrganiserFactory(is_superuser=False)
        client.force_login(clerk)
        assert client.get(there).status_code == 403

        clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_mailing", "change_mailing"]))
        SubscriberFactory()
        assert "Ask an organiser who may" in text_of(client.get(there))
        for act in ("approve", "go_on"):
            assert client.post(there, {"act": act}).status_code == 403
        assert client.post(there, {"act": "stop"}).status_code == 302

    def test_the_lists_open_and_a_draft_can_be_deleted(self, desk, made, vera):
        mailing.send_trial(made, vera, "en")
        copy = MailingCopy.objects.create(mailing=made, subscriber=SubscriberFactory())
        for path in ("mailing/", "mailing/?state=draft", "mailing/?state=approved", "mailing/?state=stopped"):
            assert desk.get(f"/admin/campaign/{path}").status_code == 200
        for path in ("mailingcopy/", f"mailingcopy/{copy.pk}/change/", "mailingtrial/", "subscriptionmail/"):
            assert desk.get(f"/admin/campaign/{path}").status_code == 200
        assert desk.get("/admin/campaign/mailing/x/change/").status_code == 404
        copy.delete()

        desk.post(f"/admin/campaign/mailing/{made.pk}/delete/", {"post": "yes"})

        assert not Mailing.objects.exists()

    @pytest.mark.parametrize("name", ["mailing", "mailingcopy", "mailingtrial", "subscriber", "subscriptionmail"])
    def test_a_list_takes_as_many_queries_for_many_rows(self, desk, nils, name):
        def queries():
            with CaptureQueriesContext(connection) as captured:
                assert desk.get(f"/admin/campaign/{name}/").status_code == 200
            return len(captured)

        def add(count):
            for _ in range(count):
                one = Mailing.objects.create(update=UpdateFactory(), created_by=nils)
                mailing.send_trial(one, nils, "en")
                MailingCopy.objects.create(mailing=one, subscriber=SubscriberFactory())
                SubscriptionMailFactory()

        add(2)
        few = queries()
        add(8)
        assert queries() == few

    def test_the_links_from_the_numbers_lead_to_those_copies(self, desk, there, made, approve):
        SubscriberFactory.create_batch(2)
        approve()
        enqueuing.enqueue_due()
        MailingCopy.objects.create(
            mailing=Mailing.objects.create(update=UpdateFactory()), subscriber=SubscriberFactory()
        )
        (_label, count, link) = desk.get(there).context["progress"][0]

        assert desk.get(link).context["cl"].result_count == count == 2
