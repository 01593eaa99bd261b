from datetime import timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from outbox.models import State
from privacy.purging import purge
from protests.models import ConfirmationMail, Delivery, Signature
from tests.factories import ConfirmationMailFactory, DeliveryFactory, SignatureFactory

pytestmark = pytest.mark.django_db


def in_days(days):
    return time_machine.travel(timezone.now() + timedelta(days=days), tick=False)


def test_a_signature_that_nobody_confirmed_goes_after_seven_days_with_its_mail():
    ConfirmationMailFactory()
    SignatureFactory(confirmed=True)

    with in_days(6.9):
        purge()
        assert Signature.objects.count() == 2
    with in_days(7.1):
        purge()

    assert Signature.objects.count() == 1
    assert ConfirmationMail.objects.count() == 0


def test_names_addresses_and_words_go_and_the_count_stays():
    delivery = DeliveryFactory(signature__own_words="Free her", signature__organisation="Branch 7")
    signature = delivery.signature

    with in_days(179):
        purge()
        signature.refresh_from_db()
        assert signature.name
    with in_days(181):
        purge()

    signature.refresh_from_db()
    assert (signature.name, signature.email, signature.own_words, signature.organisation) == ("", "", "", "")
    assert signature.country == "DE"
    assert Signature.objects.counted().count() == 1
    assert Delivery.objects.count() == 1


def test_the_tag_goes_thirty_days_after_its_letter_closed():
    signature = SignatureFactory(confirmed=True)

    with in_days(1000):
        purge()
        signature.refresh_from_db()
        assert signature.email_tag
        signature.letter.closed_at = timezone.now()
        signature.letter.save()
    with in_days(1031):
        purge()

    signature.refresh_from_db()
    assert signature.email_tag is None


def test_a_mailed_secret_that_never_left_goes_too():
    mail = ConfirmationMailFactory(signature__confirmed=True, state=State.FAILED)

    with in_days(8):
        purge()

    mail.refresh_from_db()
    assert mail.token == ""


def test_the_command_says_what_it_did_and_a_second_run_does_nothing(capsys):
    SignatureFactory()

    with in_days(8):
        call_command("purge")
        assert "1 protests.Signature" in capsys.readouterr().out
        call_command("purge")

    assert capsys.readouterr().out == "Purged.\n"
