import email
from datetime import timedelta
from email import policy

import pytest
from django.utils import timezone

from outbox.messages import compose
from protests import signing
from protests.emails import paper, render
from protests.models import ConfirmationMail, Delivery, Letter, LetterText, Signature
from tests.factories import ConfirmationMailFactory, DeliveryFactory, LetterTextFactory, SignatureFactory, TargetFactory

pytestmark = pytest.mark.django_db


def sent(mail):
    """The message as it is handed over, read by another half of the email package than the one that wrote it."""
    composed = type(mail).for_composing().get(pk=mail.pk)
    return email.message_from_bytes(compose(composed).as_bytes(), policy=policy.default)


def body(message):
    return message.get_content().replace("\r\n", "\n")


@pytest.fixture
def signature(letter):
    return SignatureFactory(
        text=LetterTextFactory(letter=letter),
        confirmed=True,
        name="Nora Berg",
        email="nora@example.org",
        own_words="I am an oil worker, too.",
        organisation="Branch 7",
    )


@pytest.fixture
def delivery(signature):
    target = TargetFactory(name="Embassy, Section II", salutation="Dear Ambassador", email="embassy@example.org")
    return DeliveryFactory(signature=signature, target=target)


def test_a_letter_says_who_writes_and_holds_nothing_of_the_supporters_address(delivery, settings):
    settings.MAIL_FROM = "letters@campaign.example.org"

    message = sent(delivery)

    assert message["From"].addresses[0].display_name == "Nora Berg"
    assert message["From"].addresses[0].addr_spec == "letters@campaign.example.org"
    assert [a.addr_spec for a in message["To"].addresses] == ["embassy@example.org"]
    assert message["To"].addresses[0].display_name == "Embassy, Section II"
    assert message["Reply-To"] == settings.MAIL_REPLY_TO
    assert message["Message-ID"] == delivery.message_id
    assert message["Subject"] == "Free the union's lawyer"
    assert "Auto-Submitted" not in message  # a person wrote it
    assert "List-Unsubscribe" not in message
    assert body(message) == (
        "Dear Ambassador,\n\nI am an oil worker, too.\n\nI ask you to release her.\n\nNora Berg\nBranch 7\nGermany\n"
    )
    assert "nora@example.org" not in message.as_string().lower()


def test_answers_go_where_the_letter_says(delivery):
    Letter.objects.update(reply_to="answers@example.org")

    assert sent(delivery)["Reply-To"] == "answers@example.org"


def test_what_is_shown_is_what_goes(delivery):
    sheet = paper(delivery.signature, delivery.target)
    message = sent(delivery)

    assert sheet.body == body(message)
    assert sheet.subject == message["Subject"]
    assert sheet.from_name == message["From"].addresses[0].display_name
    assert sheet.from_address == message["From"].addresses[0].addr_spec
    assert sheet.reply_to == message["Reply-To"]


def test_the_country_is_named_in_the_letters_language(delivery):
    LetterText.objects.update(language="de")

    assert "Deutschland" in body(sent(delivery))


def test_the_subject_knows_the_country_only():
    text = LetterText(language="en", subject="{country}: {name} {own_words}", body="{name}")
    values = {"name": "Nora", "country": "DE", "organisation": "", "own_words": "words"}

    assert render(text, TargetFactory.build(), values)[0] == "Germany: {name} {own_words}"


@pytest.mark.parametrize(
    "name",
    [
        '"x" <v@v.org>,',
        '"x" <v@v.org>, ' + "a" * 80,
        "x <v@v.org>, " + "a " * 40,
        "x <v@v.org>, " + "é " * 40,
        "a\r\nBcc: v@v.org",
        "a\x0bb",
        "Ünal =?utf-8?q?=0ABcc:_v@v.org?=",
    ],
)
def test_no_name_adds_a_recipient(delivery, name):
    Signature.objects.filter(pk=delivery.signature_id).update(name=name)

    message = sent(delivery)

    for header in ("To", "From", "Reply-To"):
        assert len(message.get_all(header)) == 1
        assert len(message[header].addresses) == 1
    assert message["To"].addresses[0].addr_spec == "embassy@example.org"
    assert not {"bcc", "cc"} & {key.lower() for key in message.keys()}  # noqa: SIM118


@pytest.mark.parametrize("bad", ["\x0b", "\x0c", "\x1c", "\r\n", "\u2028"])
def test_a_control_character_in_a_subject_still_makes_one_letter(delivery, bad):
    LetterText.objects.update(subject=f"Free{bad}Bcc: v@v.org")

    message = sent(delivery)

    assert message["Subject"] == "Free Bcc: v@v.org"
    assert message["Bcc"] is None
    assert len(message["To"].addresses) == 1


@pytest.mark.django_db(transaction=True)
def test_a_letter_with_a_bad_name_and_subject_leaves_and_the_queue_goes_on(delivery, signature, send_all):
    Signature.objects.filter(pk=signature.pk).update(name='"x" <v@v.org>,')
    LetterText.objects.update(subject="Free\x0bher")
    other = DeliveryFactory(signature=signature)

    taken = send_all(Delivery)

    assert len(taken) == 2
    assert set(Delivery.objects.values_list("state", flat=True)) == {"accepted"}
    assert other.target.email != delivery.target.email


@pytest.fixture
def mail(letter):
    text = letter.texts.first() or LetterTextFactory(letter=letter)
    return ConfirmationMailFactory(
        signature=SignatureFactory(
            text=text,
            name="Buy at spam.example.org",
            own_words="spam, spam",
            organisation="Spam Inc.",
            email="ola@example.org",
        )
    )


def test_the_mail_that_asks_holds_a_link_and_nothing_that_somebody_typed(mail, settings):
    message = sent(mail)

    assert [a.addr_spec for a in message["To"].addresses] == ["ola@example.org"]
    assert message["Subject"] == "Please confirm: Free the union's lawyer"
    assert f"{settings.BASE_URL}/confirm/{mail.token}/" in body(message)
    assert "Bank" in body(message)
    assert "Embassy in Berlin" in body(message)
    assert "7 days" in body(message)
    assert message["Auto-Submitted"] == "auto-generated"
    assert "spam" not in message.as_string().lower()
    assert "&" not in body(message)


def test_who_has_signed_gets_the_way_to_the_receipt(mail, settings):
    signing.confirm(mail.signature)

    message = sent(mail)

    assert message["Subject"] == "You have signed: Free the union's lawyer"
    assert f"{settings.BASE_URL}/receipt/{mail.token}/" in body(message)
    assert "no second letter" in body(message)
    assert "spam" not in message.as_string().lower()


def test_who_withdrew_is_asked_and_not_told_of_a_deletion(mail, settings):
    signing.confirm(mail.signature)
    Delivery.objects.update(state="accepted")
    signing.withdraw(mail.signature)

    text = body(sent(mail))

    assert f"{settings.BASE_URL}/confirm/{mail.token}/" in text
    assert "took your signature back" in text
    assert "deleted" not in text


def test_a_mail_is_in_its_readers_language(mail, settings):
    mail.signature.letter.create_translation("de", title="Freiheit", subject="Freiheit", body="{target}")
    Signature.objects.update(locale="de")

    message = sent(mail)

    assert f"{settings.BASE_URL}/de/confirm/{mail.token}/" in body(message)
    assert "Freiheit" in message["Subject"]


def test_a_secret_is_forgotten_once_its_mail_was_accepted(mail, send_all):
    send_all(ConfirmationMail)

    mail.refresh_from_db()
    assert (mail.state, mail.token) == ("accepted", "")


@pytest.mark.parametrize("address", ["o'brien@example.org", "a/b=c+d!#$%&*?^_`{|}~@example.org", "1@xn--4ca.example"])
def test_whatever_address_the_form_takes_can_be_mailed(mail, address):
    Signature.objects.filter(pk=mail.signature_id).update(email=address)

    assert sent(mail)["To"].addresses[0].addr_spec == address


@pytest.mark.parametrize("queue", [Delivery, ConfirmationMail])
def test_more_mails_are_read_in_as_many_queries(
    queue, delivery, mail, django_assert_max_num_queries, django_assert_num_queries
):
    def letters():
        return [row.signature.letter.pk for row in queue.for_composing()]

    with django_assert_max_num_queries(5) as few:
        letters()
    DeliveryFactory.create_batch(3)
    ConfirmationMailFactory.create_batch(3)

    with django_assert_num_queries(len(few)):
        assert len(letters()) == 4


def test_what_expired_is_deleted_with_its_mails(mail):
    Signature.objects.update(created_at=timezone.now() - timedelta(days=8))

    Signature.expired().delete()

    assert not ConfirmationMail.objects.exists()
