from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from campaign.models import Subscriber
from donations import giving
from donations.models import PledgeMail
from outbox.models import State
from privacy.typed import clean_address
from protests import consent, signing
from protests.models import Addressee, ConfirmationMail, Delivery, LetterText, Signature
from tests.factories import (
    AddresseeFactory,
    FundFactory,
    LetterFactory,
    SignatureFactory,
    SubscriberFactory,
    TargetFactory,
)
from tests.threads import at_once

NORA = {
    "name": "Nora Berg",
    "email": "nora@example.org",
    "country": "DE",
    "own_words": "I am an oil worker, too.",
    "organisation": "",
    "display": "initials",
    "updates": True,
    "locale": "en",
}


def sign(letter, **changes):
    signing.sign(letter, **{**NORA, **changes})
    return Signature.objects.filter(letter=letter).latest("pk")


def confirmed(letter, **changes):
    signature = sign(letter, **changes)
    signing.confirm(signature)
    signature.refresh_from_db()
    return signature


def spellings():
    """Return fifty spellings of one address, all of which the form takes."""
    names = ("noraberg", "nora.berg", "Nora.Berg", "n.o.r.a.b.e.r.g", "NORABERG")
    tags = ("", "+strike", "+Free.Her", "+1", "+a+b")
    return [f" {name}{tag}@{domain}\n" for name in names for tag in tags for domain in ("gmail.com", "GoogleMail.com")]


def states(signature):
    return sorted(signature.deliveries.values_list("target__name", "state"))


def later(**kwargs):
    return time_machine.travel(timezone.now() + timedelta(**kwargs), tick=False)


@pytest.mark.django_db
class TestSigning:
    def test_a_signature_waits_for_its_mail(self, letter):
        signature = sign(letter)

        assert signature.confirmed_at is None
        assert (signature.name, signature.email, signature.own_words) == (
            NORA["name"],
            NORA["email"],
            NORA["own_words"],
        )
        assert signature.consent_version == consent.CURRENT
        assert signature.text.body == LetterText.now(letter, "en").body
        assert signature.mails.count() == 1
        assert not Delivery.objects.exists()

    def test_all_who_sign_the_same_words_share_them(self, letter):
        signing.sign(letter, **NORA)
        signing.sign(letter, **{**NORA, "email": "ola@example.org"})

        assert LetterText.objects.count() == 1

    def test_the_words_signed_stay_when_the_letter_is_edited(self, letter):
        signature = sign(letter)
        letter.body = "{target}, other words."
        letter.save()
        signing.sign(letter, **{**NORA, "email": "ola@example.org"})

        assert LetterText.objects.count() == 2
        assert "other words" not in Signature.objects.get(pk=signature.pk).text.body

    def test_before_it_is_confirmed_the_latest_post_counts(self, letter):
        sign(letter)
        signature = sign(letter, name="Nora B.", own_words="Free her.", email="NORA@example.org", country="AT")

        assert (signature.name, signature.own_words, signature.country) == ("Nora B.", "Free her.", "AT")

    def test_a_second_mail_goes_only_after_ten_minutes(self, letter):
        sign(letter)
        sign(letter)
        with later(minutes=9):
            assert sign(letter).mails.count() == 1
        with later(minutes=11):
            signature = sign(letter)

        assert signature.mails.count() == 2
        assert len(set(signature.mails.values_list("token_hash", flat=True))) == 2

    def test_sub_addresses_do_not_get_round_the_cap(self, letter):
        for number in range(5):
            signing.sign(letter, **{**NORA, "email": f"nora+{number}@example.org"})
        signing.sign(letter, **{**NORA, "email": "Nora@EXAMPLE.org"})

        assert Signature.objects.count() == 6
        assert ConfirmationMail.objects.count() == 3

    def test_signatures_and_pledges_share_one_cap(self, letter):
        typed = {"kind": "person", "name": "Nora", "organisation": "", "currency": "EUR", "frequency": "once"}
        for number in range(3):
            address = {"email": f"nora+{number}@example.org"}
            giving.pledge(FundFactory(), **typed, **address, amount_minor=100, display="anonymous", locale="en")
        signing.sign(letter, **NORA)

        assert PledgeMail.objects.count() == 3
        assert not ConfirmationMail.objects.exists()

    def test_one_whose_address_is_deleted_is_mailed_and_the_address_forgotten_again(self, letter, send_all):
        confirmed(letter)
        Signature.objects.update(email="", name="")
        ConfirmationMail.objects.update(created_at=timezone.now() - timedelta(days=181))
        signature = sign(letter)
        taken = send_all(ConfirmationMail)

        assert signature.email == ""
        assert [mail.rcpt_tos for mail in taken][-1] == [NORA["email"]]
        assert set(ConfirmationMail.objects.values_list("email", flat=True)) == {""}

    def test_a_day_has_three_mails_for_one_address_over_all_letters(self, letter):
        for minutes in (0, 11, 22, 33, 44):
            with later(minutes=minutes):
                sign(letter)
        signing.sign(LetterFactory(), **NORA)

        assert ConfirmationMail.objects.count() == 3
        assert Signature.objects.count() == 2
        with later(hours=25):
            sign(letter)
        assert ConfirmationMail.objects.count() == 4

    def test_another_address_is_not_held_up(self, letter):
        for minutes in (0, 11, 22, 33):
            with later(minutes=minutes):
                sign(letter)

        signing.sign(letter, **{**NORA, "email": "ola@example.org"})

        assert Signature.objects.latest("pk").mails.count() == 1

    def test_another_letter_is_mailed_at_once(self, letter):
        sign(letter)
        signing.sign(LetterFactory(), **NORA)

        assert ConfirmationMail.objects.count() == 2

    def test_a_post_changes_nothing_of_a_confirmed_signature(self, letter):
        before = confirmed(letter)
        with later(minutes=11):
            after = sign(letter, name="Mallory", own_words="Buy this", display="public", country="AT", updates=False)

        for column in (field.attname for field in Signature._meta.concrete_fields):
            assert getattr(after, column) == getattr(before, column), column
        assert after.mails.count() == 2
        assert len(states(after)) == 2

    def test_an_address_in_another_spelling_is_the_same_person(self, letter):
        sign(letter, email="nora.berg+petitions@gmail.com")

        assert sign(letter, email="NoraBerg@googlemail.com").mails.count() == 1


@pytest.mark.django_db
class TestConfirming:
    def test_it_counts_and_writes_one_letter_for_each_recipient(self, letter):
        signature = confirmed(letter)

        assert states(signature) == [("Bank", "queued"), ("Embassy in Berlin", "queued")]
        assert list(Signature.objects.counted()) == [signature]

    def test_twice_does_no_harm(self, letter):
        signature = confirmed(letter)
        with later(hours=1):
            signing.confirm(signature)

        again = Signature.objects.get()
        assert again.confirmed_at == signature.confirmed_at
        assert len(states(again)) == 2

    def test_it_is_refused_after_seven_days(self, letter):
        signature = sign(letter)
        with later(days=7, minutes=1), pytest.raises(signing.TooLate):
            signing.confirm(signature)

        assert not Signature.objects.counted().exists()
        assert not Delivery.objects.exists()

    def test_posting_again_gives_time_again(self, letter):
        sign(letter)
        with later(days=6):
            signature = sign(letter)
        with later(days=8):
            signing.confirm(signature)

        assert Signature.objects.counted().exists()

    def test_it_is_refused_once_the_letter_is_closed(self, letter):
        signature = sign(letter)
        letter.closed_at = timezone.now()
        letter.save()

        with pytest.raises(signing.Closed):
            signing.confirm(signature)
        assert not Delivery.objects.exists()

    def test_nobodys_letter_goes_nowhere(self, letter):
        signature = sign(letter)
        letter.addressees.all().delete()

        with pytest.raises(signing.Closed):
            signing.confirm(signature)
        assert not Signature.objects.counted().exists()

    def test_what_was_not_shown_is_not_confirmed(self, letter):
        signature = sign(letter)
        seen = signing.fingerprint(signature, signing.unsent(signature))
        signature = sign(letter, own_words="Somebody else's words")

        with pytest.raises(signing.Changed):
            signing.confirm(signature, seen=seen)
        with pytest.raises(signing.Changed):
            signing.confirm(signature, seen="")
        assert not Delivery.objects.exists()
        signing.confirm(signature, seen=signing.fingerprint(signature, signing.unsent(signature)))
        assert Delivery.objects.count() == 2

    @pytest.mark.parametrize("changes", [{"display": "public"}, {"updates": False}, {"name": "N."}, {"country": "AT"}])
    def test_the_fingerprint_covers_all_that_the_page_shows(self, letter, changes):
        AddresseeFactory(letter=letter, rule=Addressee.Rule.OWN_COUNTRY, countries=["AT"])
        signature = sign(letter)
        seen = signing.fingerprint(signature, signing.unsent(signature))
        signature = sign(letter, **changes)

        assert signing.fingerprint(signature, signing.unsent(signature)) != seen

    def test_a_changed_addressee_is_shown_before_it_gets_a_letter(self, letter):
        signature = sign(letter)
        seen = signing.fingerprint(signature, signing.unsent(signature))
        AddresseeFactory(letter=letter, rule=Addressee.Rule.EVERYBODY)

        with pytest.raises(signing.Changed):
            signing.confirm(signature, seen=seen)

    def test_a_deleted_signature_cannot_be_confirmed(self, letter):
        signature = sign(letter)
        signing.discard(Signature.objects.get(pk=signature.pk))

        with pytest.raises(Signature.DoesNotExist):
            signing.confirm(signature)

    def test_who_agreed_to_updates_is_subscribed_once_confirmed_and_nobody_else_is(self, letter):
        signature = sign(letter)
        confirmed(letter, email="vera@example.org", updates=False)
        assert not Subscriber.objects.exists()

        signing.confirm(signature)
        signing.confirm(signature)

        subscriber = Subscriber.objects.subscribed().get()
        assert (subscriber.email, subscriber.consented_at) == (NORA["email"], signature.consented_at)
        assert subscriber.consent_version == consent.CURRENT
        assert list(subscriber.strikes.all()) == [letter.strike]


@pytest.mark.django_db
class TestWithdrawing:
    def test_the_updates_that_came_with_the_signature_end_and_others_go_on(self, letter):
        signing.withdraw(confirmed(letter))
        assert Subscriber.objects.get().email == ""

        SubscriberFactory(email=NORA["email"], consent_version="updates-1")
        signing.withdraw(confirmed(letter))
        assert Subscriber.objects.subscribed().get().email == NORA["email"]

    def test_the_updates_that_another_signature_asked_for_go_on(self, letter):
        other = AddresseeFactory(rule=Addressee.Rule.EVERYBODY).letter
        first = confirmed(letter)
        confirmed(other)
        signing.withdraw(first)

        assert list(Subscriber.objects.subscribed().get().strikes.all()) == [other.strike]

    def test_what_has_not_left_is_not_sent(self, letter):
        signature = confirmed(letter)

        assert signing.withdraw(signature) == 2
        signature.refresh_from_db()
        assert signature.withdrawn_at is not None
        assert signature.updates is False
        assert {state for _name, state in states(signature)} == {"cancelled"}
        assert not Signature.objects.counted().exists()

    def test_what_was_typed_is_deleted_if_nothing_has_left(self, letter):
        signature = confirmed(letter)
        signing.withdraw(signature)

        signature.refresh_from_db()
        kept = {column for column in Signature.personal if getattr(signature, column)}
        assert kept == set()
        assert set(signature.mails.values_list("state", flat=True)) == {State.CANCELLED}
        with pytest.raises(signing.Forgotten):
            signing.confirm(signature)
        assert not Signature.objects.counted().exists()

    @pytest.mark.parametrize("state", [State.ACCEPTED, State.SENDING, State.IN_DOUBT])
    def test_what_was_typed_stays_if_a_letter_may_have_left(self, letter, state):
        signature = confirmed(letter)
        bank = signature.deliveries.filter(target__name="Bank")
        bank.update(state=state, lease="w", leased_until=timezone.now())
        signing.withdraw(signature)

        signature.refresh_from_db()
        assert signature.name == NORA["name"]
        assert signature.email_tag

    def test_a_letter_that_a_worker_holds_or_that_has_left_is_not_touched(self, letter):
        signature = confirmed(letter)
        held = signature.deliveries.filter(target__name="Bank")
        held.update(state=State.SENDING, lease="worker", leased_until=timezone.now() + timedelta(minutes=5))
        signature.deliveries.filter(target__name="Embassy in Berlin").update(state=State.ACCEPTED)

        assert signing.withdraw(signature) == 0
        assert states(signature) == [("Bank", "sending"), ("Embassy in Berlin", "accepted")]

    def test_one_that_came_back_to_wait_can_be_withdrawn_afterwards(self, letter):
        signature = confirmed(letter)
        signature.deliveries.update(state=State.SENDING, lease="w", leased_until=timezone.now())
        signing.withdraw(signature)
        signature.deliveries.update(state=State.DEFERRED, lease="", leased_until=None)

        assert signing.withdraw(signature) == 2

    def test_one_who_signs_again_before_anything_left_starts_anew(self, letter):
        signing.withdraw(confirmed(letter))
        with later(minutes=11):
            signature = sign(letter, own_words="New words", country="VU")

        assert (signature.confirmed_at, signature.withdrawn_at) == (None, None)
        assert signature.own_words == "New words"
        assert Signature.objects.count() == 2
        signing.confirm(signature)
        assert states(signature) == [("Bank", "queued"), ("Ministry", "queued")]

    def test_one_who_signs_again_sends_no_second_letter_to_whom_has_one(self, letter):
        signature = confirmed(letter)
        signature.deliveries.filter(target__name="Bank").update(state=State.ACCEPTED)
        signing.withdraw(signature)
        with later(minutes=11):
            signature = sign(letter, own_words="New words")

        assert signature.withdrawn_at is not None  # a post alone changes nothing
        assert signature.own_words == NORA["own_words"]
        assert [sheet.target.name for sheet in signing.unsent(signature)] == ["Embassy in Berlin"]
        signing.confirm(signature)
        signature.refresh_from_db()
        assert signature.withdrawn_at is None
        assert states(signature) == [("Bank", "accepted"), ("Embassy in Berlin", "queued")]

    @pytest.mark.parametrize("state", [State.BOUNCED, State.FAILED, State.IN_DOUBT, State.ACCEPTED])
    def test_a_letter_that_may_have_arrived_is_never_written_again(self, letter, state):
        signature = confirmed(letter)
        ids = set(signature.deliveries.values_list("message_id", flat=True))
        signature.deliveries.update(state=state)
        signing.withdraw(signature)
        with later(minutes=11):
            sign(letter)
        signing.confirm(signature)

        assert set(signature.deliveries.values_list("message_id", flat=True)) == ids
        assert {state for _name, state in states(signature)} == {state}

    def test_the_owner_of_the_address_deletes_what_nobody_confirmed(self, letter):
        signature = sign(letter)

        assert signing.discard(signature)
        assert not Signature.objects.exists()
        assert not ConfirmationMail.objects.exists()

    def test_a_confirmed_signature_is_not_deleted_that_way(self, letter):
        signature = confirmed(letter)

        assert not signing.discard(signature)
        assert Signature.objects.counted().exists()


@pytest.mark.django_db
class TestOnePerAddress:
    """Two people who share a mailbox are one signer: the database holds it, and nothing tells them apart."""

    def test_the_database_takes_no_second_row(self, letter):
        mine = SignatureFactory(text__letter=letter)
        with pytest.raises(IntegrityError), transaction.atomic():
            SignatureFactory(text=mine.text, name="Somebody else at home", email=mine.email)
        SignatureFactory(text__letter=LetterFactory(), email=mine.email)

    def test_not_even_by_a_change(self, letter):
        mine = SignatureFactory(text__letter=letter)
        theirs = SignatureFactory(text=mine.text)
        with pytest.raises(IntegrityError), transaction.atomic():
            Signature.objects.filter(pk=theirs.pk).update(email_tag=mine.email_tag)

    def test_the_second_of_a_household_changes_nothing_once_the_first_has_confirmed(self, letter):
        first = confirmed(letter)
        sign(letter, name="Ida Berg")

        assert Signature.objects.get().name == first.name


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_fifty_posts_of_the_same_person_give_one_signature_and_one_mail(self, letter, posted):
        answers = at_once(50, lambda _number: Client().post(letter.get_absolute_url(), posted))

        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert Signature.objects.count() == 1
        assert ConfirmationMail.objects.count() == 1

    def test_fifty_spellings_of_one_address_give_one_signature_one_mail_and_one_answer(self, letter, posted):
        typed = spellings()
        assert len(set(typed)) == 50

        answers = at_once(
            50, lambda number: Client().post(letter.get_absolute_url(), {**posted, "email": typed[number]})
        )

        assert {answer.status_code for answer in answers} == {200}
        pages = {
            answer.content.replace(clean_address(address).encode(), b"")
            for answer, address in zip(answers, typed, strict=True)
        }
        assert len(pages) == 1
        assert Signature.objects.count() == 1
        assert ConfirmationMail.objects.count() == 1

    def test_many_posts_naming_one_victim_under_twenty_letters_send_three_mails(self, letter, posted):
        letters = [letter]
        for _ in range(19):
            letters.append(LetterFactory())
            AddresseeFactory(letter=letters[-1])
        typed = spellings()

        def post(number):
            client = Client(REMOTE_ADDR=f"198.51.100.{number}")
            return [
                client.post(
                    letters[(number + n) % 20].get_absolute_url(), {**posted, "email": typed[(number + n) % 50]}
                )
                for n in range(20)
            ]

        answers = [answer for some in at_once(10, post) for answer in some]

        assert len(answers) == 200
        assert {answer.status_code for answer in answers} == {200}
        assert Signature.objects.count() == 20
        assert ConfirmationMail.objects.count() == 3

    def test_the_cap_on_mails_holds_over_many_letters(self, letter):
        letters = [LetterFactory() for _ in range(10)]

        at_once(10, lambda number: signing.sign(letters[number], **NORA))

        assert Signature.objects.count() == 10
        assert ConfirmationMail.objects.count() == 3

    def test_ten_confirmations_write_one_set_of_letters(self, letter):
        signature = sign(letter)

        at_once(10, lambda _number: signing.confirm(signature))

        assert states(signature) == [("Bank", "queued"), ("Embassy in Berlin", "queued")]

    def test_confirming_and_deleting_at_once_leaves_all_or_nothing(self, letter):
        signature = sign(letter)

        def act(number):
            try:
                return (signing.discard if number % 2 else signing.confirm)(signature)
            except Signature.DoesNotExist:
                return None

        at_once(8, act)

        assert Delivery.objects.count() == 2 * Signature.objects.counted().count()


@pytest.mark.django_db
def test_confirming_takes_as_many_queries_for_many_recipients(letter, django_assert_max_num_queries):
    for _ in range(10):
        AddresseeFactory(letter=letter, target=TargetFactory(), rule="everybody")
    signature = SignatureFactory(letter=letter, text__letter=letter)

    with django_assert_max_num_queries(14):
        signing.confirm(signature, seen=signing.fingerprint(signature, signing.unsent(signature)))

    assert signature.deliveries.count() == 12
