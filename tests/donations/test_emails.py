from email import message_from_bytes
from email.policy import default

import pytest

from donations.models import CONFIRM_WITHIN, PledgeMail
from outbox.messages import compose
from outbox.models import State
from tests.factories import BankAccountFactory, FundFactory, PledgeFactory, PledgeMailFactory

pytestmark = pytest.mark.django_db


def text_of(mail):
    message = message_from_bytes(compose(PledgeMail.for_composing().get(pk=mail.pk)).as_bytes(), policy=default)
    return message, message.get_content()


def payable(**pledge):
    return PledgeMailFactory(pledge=PledgeFactory(fund=BankAccountFactory().fund, number="1234567890", **pledge))


def test_one_that_came_back_is_sent_again_with_a_link_that_works(client, settings):
    mail = payable()
    old = mail.token
    PledgeMail.objects.update(state=State.BOUNCED, **mail.forget())

    assert PledgeMail.objects.all().send_again() == 1

    mail.refresh_from_db()
    assert mail.token not in ("", old)
    assert f"/fund/pledge/{mail.token}/" in text_of(mail)[1]
    assert client.get(f"/fund/pledge/{mail.token}/").status_code == 200


def test_the_mail_tells_how_to_pay_and_how_to_confirm(settings):
    mail = payable()
    message, text = text_of(mail)
    assert message["To"] == mail.pledge.email
    assert message["Message-ID"] == mail.message_id
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Subject"] == "Please confirm your pledge 1234567890"
    assert f"{settings.BASE_URL}/fund/pledge/{mail.token}/" in text.split()
    for needed in (
        "€25.00",
        "Example Solidarity Fund",
        "IBAN: DE02 1005 0000 0054 5404 02",
        "BIC: BELADEBE",
        "+++123/4567/89002+++",
        "RF47 1234 5678 90",
        f"{CONFIRM_WITHIN.days} days",
    ):
        assert needed in text
    assert "There is nothing to pay" not in text
    assert "standing order" not in text


def test_a_mail_about_a_confirmed_pledge_does_not_ask_to_confirm_it():
    message, text = text_of(payable(confirmed=True))
    assert message["Subject"] == "Your pledge 1234567890"
    assert "It is confirmed and counts." in text
    assert "press the button" not in text
    assert "does not count" not in text


def test_a_monthly_pledge_is_told_of_the_standing_order():
    assert "standing order" in text_of(payable(frequency="monthly"))[1]


def test_a_fund_whose_account_is_not_payable_asks_nobody_to_pay():
    closed = BankAccountFactory(payable=False, iban="BE29734032422964", holder="Workers Solidarity Fund").fund
    for fund in (closed, FundFactory()):
        _, text = text_of(PledgeMailFactory(pledge=PledgeFactory(fund=fund)))
        assert "There is nothing to pay." in text
        for invitation in ("IBAN", "7340", "Workers Solidarity Fund", "How to pay", "Holder", "your bank"):
            assert invitation not in text


def test_nothing_that_somebody_typed_as_text_is_in_the_mail():
    mail = payable(name="Buy at spam.example", organisation="Click spam.example", kind="branch")
    message, text = text_of(mail)
    assert "spam.example" not in text
    assert "spam.example" not in str(message.items())


def test_the_mail_is_in_the_donors_language():
    mail = payable(locale="de")
    mail.pledge.fund.create_translation("de", title="Hilfsfonds der Bäcker", text="Für Brot.")
    _, text = text_of(mail)
    assert "Hilfsfonds der Bäcker" in text
    assert f"/de/fund/pledge/{mail.token}/" in text
    assert "25,00\u00a0€" in text


def test_an_apostrophe_stays_one():
    mail = PledgeMailFactory(
        pledge=PledgeFactory(
            fund=BankAccountFactory(holder="Workers' Fund & Co", fund__title="The strikers' fund").fund
        )
    )
    _, text = text_of(mail)
    assert "Workers' Fund & Co" in text
    assert "The strikers' fund" in text


def test_ten_mails_take_hardly_more_queries_than_one(django_assert_max_num_queries):
    for _ in range(10):
        payable_mail = PledgeMailFactory(pledge=PledgeFactory(fund=BankAccountFactory().fund))
        assert payable_mail.pk
    with django_assert_max_num_queries(2):
        mails = list(PledgeMail.for_composing())
        assert all(mail.pledge.fund.slug for mail in mails)


@pytest.mark.django_db(transaction=True)
def test_the_mail_reaches_the_donor_and_its_secret_is_forgotten(send_all):
    mail = payable()
    (received,) = send_all(PledgeMail)
    assert received.rcpt_tos == [mail.pledge.email]
    mail.refresh_from_db()
    assert (mail.state, mail.token) == (State.ACCEPTED, "")


def test_a_mail_about_a_change_repeats_the_instructions_and_asks_nobody_to_confirm():
    mail = payable(frequency="monthly", until="2099-01-31", confirmed=True)
    PledgeMail.objects.update(kind="changed")
    message, text = text_of(mail)
    assert message["Subject"] == "Your pledge 1234567890 is changed"
    for needed in (
        "€25.00, every month until 31 January 2099",
        "DE02 1005 0000 0054 5404 02",
        "change it at your bank",
    ):
        assert needed in text
    assert f"/fund/pledge/{mail.token}/" in text
    assert "press the button" not in text
