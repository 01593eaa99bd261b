"""What the organisers are told once a day, and a signer once, of letters that did not get through."""

import email
from datetime import UTC, date, datetime, timedelta
from email import policy

import pytest
import time_machine
from django.conf import settings as django_settings
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaign.models import Campaign
from outbox import engine
from outbox.capping import MAILS_A_DAY
from outbox.messages import Withdrawn, compose
from outbox.models import State
from privacy.addresses import mailbox_tag
from protests import signing, tasks, telling
from protests.models import ConfirmationMail, Delivery, Digest, Letter, Signature
from tests.factories import (
    ConfirmationMailFactory,
    DeliveryFactory,
    LetterTextFactory,
    SignatureFactory,
    TargetFactory,
)
from tests.sinks import free_port
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
MORNING = datetime(2011, 9, 12, 7, 5, tzinfo=UTC)
DAY = timedelta(days=1)


def text_of(mail):
    """Subject and body of a mail as it is handed over."""
    composed = type(mail).for_composing().get(pk=mail.pk)
    message = email.message_from_bytes(compose(composed).as_bytes(), policy=policy.default)
    return message["Subject"], message.get_content().replace("\r\n", "\n")


def settle(mail, state, ago=timedelta(hours=1), **columns):
    type(mail).objects.filter(pk=mail.pk).update(state=state, settled_at=timezone.now() - ago, **columns)


@pytest.fixture
def text():
    body = "{target},\n\n{own_words}\n\n[[Free her.|Let her go.]]\n\n{name}, {organisation}, {country}"
    return LetterTextFactory(letter__title="Free the lawyer", body=body, subject="A word from {country}")


@pytest.fixture
def nora(text):
    """A signer with all that must not leak."""
    return SignatureFactory(
        text=text,
        confirmed=True,
        name="Nora Berg",
        email="nora@example.org",
        organisation="Branch 7",
        own_words="I am an oil worker, too.",
        country="SE",
    )


@pytest.fixture
def morning():
    with time_machine.travel(MORNING, tick=False) as now:
        yield now


class TestWhen:
    def test_there_is_one_a_day_from_its_hour_on(self, morning, settings, rung):
        assert telling.write_digest() is True
        assert rung == ["outbox.tasks.send"]
        assert telling.write_digest() is False
        morning.shift(timedelta(hours=16))
        tasks.write_digest()
        morning.shift(timedelta(hours=2))  # the next day, before the hour
        assert telling.write_digest() is False
        morning.shift(timedelta(hours=6))
        tasks.write_digest()

        assert list(Digest.objects.order_by("day").values_list("day", flat=True)) == [
            date(2011, 9, 12),
            date(2011, 9, 13),
        ]
        first, second = Digest.objects.order_by("day")
        assert (first.since, first.until) == (MORNING - DAY, MORNING)
        assert second.since == first.until

    def test_the_hour_is_that_of_the_campaigns_own_clock(self, morning, settings):
        settings.TIME_ZONE = "America/New_York"
        timezone.get_default_timezone.cache_clear()
        try:
            assert telling.write_digest() is False
            morning.shift(timedelta(hours=4))
            assert telling.write_digest() is True
        finally:
            settings.TIME_ZONE = "UTC"
            timezone.get_default_timezone.cache_clear()

    def test_where_no_hour_is_set_there_is_none(self, morning, settings):
        settings.DIGEST_HOUR = None

        assert telling.write_digest() is False

    def test_days_that_were_missed_are_told_in_one(self, morning):
        telling.write_digest()
        morning.shift(5 * DAY)

        telling.write_digest()

        assert Digest.objects.latest("day").until - Digest.objects.latest("day").since == 5 * DAY
        assert Digest.objects.count() == 2

    def test_what_a_lost_one_held_is_told_again(self, morning):
        telling.write_digest()
        for state in (State.FAILED, State.CANCELLED, State.BOUNCED):
            Digest.objects.update(state=state)
            morning.shift(DAY)
            telling.write_digest()

        assert Digest.objects.latest("day").since == MORNING - DAY

    def test_a_clock_set_back_writes_none_twice(self, morning):
        morning.shift(DAY)
        telling.write_digest()
        morning.shift(-DAY)

        assert telling.write_digest() is False
        assert Digest.objects.count() == 1

    def test_workers_at_the_same_time_write_one(self, morning):
        at_once(4, lambda number: telling.write_digest())

        assert Digest.objects.count() == 1

    @pytest.mark.parametrize("columns", [{"until": MORNING - 2 * DAY}, {"since": MORNING}])
    def test_the_database_refuses_one_of_no_time(self, morning, columns):
        telling.write_digest()

        with pytest.raises(IntegrityError):
            Digest.objects.update(**columns)

    def test_the_database_refuses_a_second_one_of_the_day(self, morning):
        telling.write_digest()

        with pytest.raises(IntegrityError):
            Digest.objects.create(day=MORNING.date(), since=MORNING - DAY, until=MORNING)


class TestDigest:
    @pytest.fixture
    def digest(self):
        now = timezone.now() + timedelta(minutes=1)
        return lambda: Digest.objects.create(day=timezone.localdate(), since=now - DAY, until=now)

    def test_nothing_is_sent_where_there_is_nothing_to_tell(self, digest, sink, text, nora):
        Signature.objects.update(confirmed_at=timezone.now() - 2 * DAY)
        settle(DeliveryFactory(signature=nora), State.ACCEPTED, 2 * DAY)
        settle(DeliveryFactory(signature=nora), State.BOUNCED, 2 * DAY)
        mail = digest()

        engine.send_due(Digest)

        mail.refresh_from_db()
        assert (mail.state, mail.reply) == (State.CANCELLED, "There was nothing to tell.")
        assert sink.taken == []

    def test_it_goes_to_the_campaigns_contact_address(self, digest, sink, nora):
        Campaign.objects.create(name="Free them", contact_email="office@example.org")
        digest()

        engine.send_due(Digest)

        (taken,) = sink.to("office@example.org")
        assert taken.message["Auto-Submitted"] == "auto-generated"

    def test_it_counts_by_target_and_letter_what_was_accepted_since(self, digest, text, nora):
        berlin, bank = TargetFactory(name="Embassy in Berlin"), TargetFactory(name="Bank")
        other = LetterTextFactory(letter__title="No arrests")
        again = LetterTextFactory(letter=text.letter, body="Otherwise. {name}")
        for signed, target in [(text, berlin), (again, berlin), (text, bank), (other, berlin)]:
            settle(DeliveryFactory(signature__text=signed, target=target), State.ACCEPTED)
        settle(DeliveryFactory(signature__text=text, target=berlin), State.ACCEPTED, 2 * DAY)
        for _ in range(2):
            mail = DeliveryFactory(signature__text=text, target=bank)
        Delivery.objects.filter(pk=mail.pk).update(queued_at=timezone.now() - 3 * DAY)

        subject, body = text_of(digest())

        assert "4 accepted, 2 waiting" in subject
        assert "- Bank, Free the lawyer: 1\n- Embassy in Berlin, Free the lawyer: 2\n" in body
        assert "- Embassy in Berlin, No arrests: 1\n" in body
        assert "- Free the lawyer: 7\n- No arrests: 1\n" in body  # new signatures
        assert "The oldest has waited for 3\xa0days." in body

    def test_trouble_is_told_once_for_each_target_with_the_way_to_its_list(self, client, admin_user, digest, nora):
        target = TargetFactory(name="Embassy in Berlin")
        told = [(State.DEFERRED, 451, "later"), (State.BOUNCED, 550, "unknown"), (State.FAILED, None, "not built")]
        for state, code, words in told:
            for number in range(2):
                mail = DeliveryFactory(signature__text=nora.text, target=target)
                settle(mail, state, reply_code=code, reply=f"{words} {number}")
        doubtful = DeliveryFactory(signature=nora)
        Delivery.objects.filter(pk=doubtful.pk).update(state=State.IN_DOUBT)
        TargetFactory(name="Bank", suspended_at=timezone.now(), suspended_because="550 no such mailbox")

        _subject, body = text_of(digest())

        assert body.count("- Embassy in Berlin: 2\n") == 3
        for words in ("451 later 1", "550 unknown 1", "Answer: not built 1", "handed over: 1", "- Bank: 550 no such"):
            assert words in body
        assert "later 0" not in body
        links = [word for word in body.split() if "/admin/" in word]
        assert len(links) == 5
        client.force_login(admin_user)
        for link, rows in zip(links, (2, 2, 2, 1, 1), strict=True):
            page = client.get(link.removeprefix(django_settings.BASE_URL))
            assert page.context["cl"].result_count == rows, link

    def test_a_pause_that_everybody_has_forgotten_is_told(self, digest, nora):
        DeliveryFactory(signature=nora, target__name="Embassy", target__paused_at=timezone.now() - 3 * DAY)

        _subject, body = text_of(digest())

        assert "- 1 letter waits, and does not leave while Embassy is paused." in body
        assert "/admin/protests/delivery/?state__exact=queued" in body

    def test_the_sample_is_worded_as_the_letter_went_and_holds_nothing_of_its_signer(self, digest, sink, nora):
        target = TargetFactory(salutation="Dear Ambassador", name="Embassy")
        DeliveryFactory(signature=nora, target=target)
        engine.send_due(Delivery)
        went = sink.taken[0].message.get_content()

        _subject, body = text_of(digest())

        assert ("Free her." in body) is ("Free her." in went)
        assert ("Let her go." in body) is ("Let her go." in went)
        assert "Subject: A word from [your country]\n" in body
        assert "Dear Ambassador,\n\n[your own words]\n" in body

    def test_it_holds_nothing_of_any_supporter_even_if_a_server_repeats_it(self, digest, nora):
        said = "Nora Berg <nora@example.org> of Branch 7 is unknown; BERG, Bergen"
        for state in (State.DEFERRED, State.BOUNCED, State.FAILED, State.ACCEPTED):
            settle(DeliveryFactory(signature=nora), state, reply=said)

        subject, body = text_of(digest())

        for secret in ("nora", "berg,", "branch 7", "sweden", "oil worker"):
            assert secret not in (subject + body).lower(), secret
        assert "is unknown; …, Bergen" in body

    @pytest.mark.parametrize("name", ["", "gAAAAA, under a key that is lost"])
    def test_words_about_somebody_who_cannot_be_told_any_more_are_left_out(self, digest, nora, name):
        settle(DeliveryFactory(signature=nora), State.BOUNCED, reply="Nora Berg is unknown")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE protests_signature SET name = %s", [name])

        assert "Answer:" not in text_of(digest())[1]

    def test_more_letters_ask_no_more_of_the_database(self, digest, nora):
        def fill(count):
            for state in (State.DEFERRED, State.BOUNCED, State.FAILED, State.ACCEPTED):
                for _ in range(count):
                    settle(DeliveryFactory(signature__text=LetterTextFactory()), state)

        fill(1)
        mail = digest()
        with CaptureQueriesContext(connection) as few:
            text_of(mail)
        fill(5)
        with CaptureQueriesContext(connection) as many:
            text_of(mail)

        assert len(many) == len(few)

    def test_one_without_a_server_waits_and_tells_the_same_later(self, digest, nora, settings):
        settle(DeliveryFactory(signature=nora), State.ACCEPTED)
        mail = digest()
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
        engine.send_due(Digest)

        with time_machine.travel(timezone.now() + 3 * DAY):
            assert "1 accepted" in text_of(mail)[0]


class TestSigners:
    @pytest.fixture
    def unsent(self, nora):
        mail = DeliveryFactory(signature=nora, target__name="Embassy in Berlin")
        settle(mail, State.BOUNCED, DAY, reply_code=550, reply="5.1.1 unknown")
        return mail

    def mails(self):
        return ConfirmationMail.objects.filter(bad_news=True)

    @pytest.mark.parametrize("state", [State.BOUNCED, State.FAILED])
    def test_one_is_told_a_day_later_and_the_mail_leads_to_the_receipt(self, client, unsent, state, sink):
        settle(unsent, state, DAY)

        tasks.tell_signers()
        engine.send_due(ConfirmationMail)

        (taken,) = sink.to("nora@example.org")
        assert taken.message["Subject"] == "A letter did not get through: Free the lawyer"
        assert taken.message["Auto-Submitted"] == "auto-generated"
        body = taken.message.get_content()
        assert "- Embassy in Berlin" in body
        for secret in ("nora", "berg", "branch 7", "oil worker"):
            assert secret not in body.lower()
        (link,) = [word for word in body.split() if "/receipt/" in word]
        page = client.get(link.removeprefix(django_settings.BASE_URL)).content.decode()
        assert "1 letter of yours did not get through" in page
        assert "mailto:" in page

    def test_it_is_written_in_the_signers_language(self, unsent):
        Signature.objects.update(locale="de")
        Letter.objects.get().translations.create(language_code="de", title="Freiheit", subject="x", body="x")
        telling.tell_signers()

        subject, body = text_of(self.mails().get())

        assert "Freiheit" in subject
        assert "/de/receipt/" in body

    def test_not_before_a_day_has_passed(self, unsent):
        settle(unsent, State.BOUNCED, DAY - timedelta(minutes=1))

        assert telling.tell_signers() == 0

    def test_not_what_is_old_news(self, unsent):
        settle(unsent, State.BOUNCED, telling.TELL_WITHIN)

        assert telling.tell_signers() == 0

    @pytest.mark.parametrize("state", [State.QUEUED, State.ACCEPTED, State.DEFERRED, State.IN_DOUBT, State.CANCELLED])
    def test_not_of_a_letter_in_another_state(self, unsent, state):
        settle(unsent, state, DAY)

        assert telling.tell_signers() == 0

    def test_a_letter_that_an_organiser_sent_again_saves_the_mail(self, unsent, sink):
        Delivery.objects.all().send_again()

        assert telling.tell_signers() == 0

    def test_nobody_is_told_a_second_time(self, unsent):
        telling.tell_signers()
        settle(DeliveryFactory(signature=unsent.signature), State.FAILED, DAY)

        assert telling.tell_signers() == 0
        assert self.mails().count() == 1
        with pytest.raises(IntegrityError), transaction.atomic():
            ConfirmationMailFactory(signature=unsent.signature, bad_news=True)
        ConfirmationMailFactory(signature=unsent.signature)

    def test_two_letters_of_one_signer_are_told_in_one_mail(self, unsent):
        settle(DeliveryFactory(signature=unsent.signature, target__name="Bank"), State.FAILED, DAY)

        assert telling.tell_signers() == 1

        assert "- Bank\n- Embassy in Berlin\n" in text_of(self.mails().get())[1]

    def test_workers_at_the_same_time_tell_each_signer_once(self, unsent, nora):
        settle(DeliveryFactory(signature__text=nora.text), State.BOUNCED, DAY)

        at_once(4, lambda number: telling.tell_signers())

        assert self.mails().count() == 2

    def test_who_withdrew_or_is_forgotten_is_not_written_to(self, unsent, nora):
        withdrawn = SignatureFactory(text=nora.text, confirmed=True, withdrawn_at=timezone.now())
        settle(DeliveryFactory(signature=withdrawn), State.BOUNCED, DAY)
        Signature.objects.filter(pk=nora.pk).update(email="")

        assert telling.tell_signers() == 0

    @pytest.mark.parametrize("change", ["withdrawn", "forgotten", "sent again"])
    def test_a_mail_whose_reason_is_gone_when_its_turn_comes_does_not_leave(self, unsent, nora, sink, change):
        telling.tell_signers()
        if change == "withdrawn":
            signing.withdraw(nora)
        elif change == "forgotten":
            Signature.objects.update(email="", name="")
        else:
            Delivery.objects.all().send_again()

        engine.send_due(ConfirmationMail)

        assert sink.taken == []
        assert self.mails().get().state == State.CANCELLED
        with pytest.raises(Withdrawn):
            text_of(self.mails().get())
        assert telling.tell_signers() == 0

    def test_bad_news_that_came_true_again_is_told_though_the_first_mail_was_withdrawn(self, unsent, sink):
        telling.tell_signers()
        Delivery.objects.all().send_again()
        engine.send_due(ConfirmationMail)
        assert self.mails().get().state == State.CANCELLED
        settle(unsent, State.BOUNCED, DAY)

        assert telling.tell_signers() == 1
        engine.send_due(ConfirmationMail)

        assert self.mails().get().state == State.ACCEPTED
        assert telling.tell_signers() == 0

    def test_a_mailbox_that_has_had_its_mails_hears_of_it_another_day(self, unsent):
        for _ in range(MAILS_A_DAY):
            ConfirmationMailFactory(recipient_tag=mailbox_tag("nora+x@example.org"))

        assert telling.tell_signers() == 0
        with time_machine.travel(timezone.now() + DAY + timedelta(minutes=1)):
            assert telling.tell_signers() == 1

        assert self.mails().get().recipient_tag == mailbox_tag("nora@example.org")

    def test_a_full_mailbox_keeps_no_news_from_others_and_thousands_are_told_bit_by_bit(
        self, unsent, monkeypatch, text
    ):
        monkeypatch.setattr(telling, "AT_ONCE", 2)
        for _ in range(MAILS_A_DAY):
            ConfirmationMailFactory(recipient_tag=mailbox_tag("nora@example.org"))
        for _ in range(3):
            settle(DeliveryFactory(signature__text=text), State.BOUNCED, DAY)

        assert [telling.tell_signers() for _ in range(3)] == [2, 1, 0]

    @pytest.mark.django_db(transaction=False)
    def test_who_is_looked_for_is_found_by_an_index(self, unsent):
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL enable_seqscan = off")  # the table is too small for the planner to bother
            plan = telling.untold().explain()

        assert "protests_delivery_unsent" in plan


class TestReceipt:
    @pytest.fixture
    def page(self, client, nora, link):
        path = reverse("protests:receipt", args=[link(nora)])

        def read():
            return client.get(path).content.decode()

        return read

    @pytest.fixture(autouse=True)
    def letters(self, nora):
        settle(DeliveryFactory(signature=nora, target__email="gone@example.org"), State.BOUNCED, reply="5.1.1 no")
        settle(DeliveryFactory(signature=nora, target__email="fine@example.org"), State.ACCEPTED)

    def test_it_says_what_did_not_get_through_and_gives_that_letter_to_send_oneself(self, page):
        shown = page()

        assert "1 letter of yours did not get through" in shown
        assert "mailto:gone@example.org?subject=" in shown
        assert "Nora%20Berg" in shown
        assert "mailto:fine@" not in shown
        assert "For printing, with a line for your name" in shown
        assert "by-hand.js" in shown

    def test_a_closed_letter_can_still_be_sent_by_hand(self, page):
        Letter.objects.update(closed_at=timezone.now())

        assert "mailto:gone@example.org" in page()
        assert "For printing" not in page()

    def test_without_the_name_the_letters_page_is_the_way(self, page, nora):
        Signature.objects.update(name="")

        shown = page()
        assert "mailto:" not in shown
        assert f'href="{nora.letter.get_absolute_url()}?country=SE#who"' in shown

    def test_who_withdrew_is_not_asked_to_send_it(self, page):
        Signature.objects.update(withdrawn_at=timezone.now())

        assert "did not get through" not in page()


class TestSendingALinkAgain:
    def test_a_mail_that_came_back_gets_a_new_link_that_works(self, client, sink, nora):
        mail = ConfirmationMailFactory(signature=nora)
        old = mail.token
        engine.send_due(ConfirmationMail)
        settle(mail, State.BOUNCED)

        assert ConfirmationMail.objects.all().send_again() == 1
        engine.send_due(ConfirmationMail)

        first, second = [taken.message.get_content() for taken in sink.taken]
        assert old in first
        (link,) = [word for word in second.split() if "/receipt/" in word]
        assert old not in link
        assert client.get(link.removeprefix(django_settings.BASE_URL)).status_code == 200
        mail.refresh_from_db()
        assert (mail.state, mail.token) == (State.ACCEPTED, "")
        assert client.get(reverse("protests:receipt", args=[old])).status_code == 404

    def test_one_in_doubt_keeps_its_link_which_may_have_arrived(self, nora):
        mail = ConfirmationMailFactory(signature=nora)
        settle(mail, State.IN_DOUBT)

        ConfirmationMail.objects.all().send_again()

        assert ConfirmationMail.objects.get().token == mail.token

    def test_only_what_is_sent_again_gets_a_new_one(self, nora):
        mail = ConfirmationMailFactory(signature=nora)
        settle(mail, State.ACCEPTED, token="")

        assert ConfirmationMail.objects.all().send_again() == 0

        assert ConfirmationMail.objects.get().token_hash == mail.token_hash

    def test_one_to_an_address_that_is_deleted_says_so(self, sink, nora):
        settle(ConfirmationMailFactory(signature=nora), State.BOUNCED, token="")
        Signature.objects.update(email="")

        ConfirmationMail.objects.all().send_again()
        engine.send_due(ConfirmationMail)

        mail = ConfirmationMail.objects.get()
        assert (mail.state, mail.reply) == (State.CANCELLED, "The signer's data has been deleted.")
        assert sink.taken == []


class TestDesk:
    @pytest.fixture
    def desk(self, client, admin_user):
        client.force_login(admin_user)
        return client

    def test_what_was_set_aside_stands_in_its_list_with_the_reason(self, desk, sink, nora):
        poisoned = DeliveryFactory(signature=nora, target__name="Bank")
        poisoned.target.email = "not an address"
        poisoned.target.save()
        engine.send_due(Delivery)

        for page, query in (("changelist", {"state__exact": "failed"}), ("change", {})):
            args = [poisoned.pk] if page == "change" else []
            shown = desk.get(reverse(f"admin:protests_delivery_{page}", args=args), query).content.decode()
            assert "The message could not be built (ValueError)." in shown
            assert "Bank" in shown

    def test_bad_news_can_be_told_apart_from_other_mails(self, desk, nora):
        ConfirmationMailFactory(signature=nora)
        ConfirmationMailFactory(signature=nora, bad_news=True)

        mails = desk.get(reverse("admin:protests_confirmationmail_changelist"), {"bad_news__exact": 1})

        assert mails.context["cl"].result_count == 1

    def test_the_mails_of_a_day_are_only_looked_at(self, desk):
        assert desk.get(reverse("admin:protests_digest_add")).status_code == 403
