"""A target whose address refuses letters: they wait, the organisers learn of it, and a correction lets them go."""

import email
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import IntegrityError
from django.urls import reverse
from django.utils import timezone

from campaign.models import Campaign
from outbox import engine, tasks
from outbox.bounces import address_for, take
from outbox.messages import compose
from outbox.models import State
from protests.models import Delivery, SuspensionNotice, Target
from tests.factories import DeliveryFactory, LetterTextFactory, OrganiserFactory, TargetFactory
from tests.outbox import returned

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def text():
    return LetterTextFactory()


@pytest.fixture
def target(text):
    """A target with one letter that came back refused, and two that wait."""
    target = TargetFactory(name="Embassy in Berlin", email="embassy@example.org")
    gone, *_ = [DeliveryFactory(signature__text=text, target=target) for _ in range(3)]
    accept(gone)
    take(returned.dsn(address_for(gone)))
    target.refresh_from_db()
    return target


def accept(mail):
    Delivery.objects.filter(pk=mail.pk).update(state=State.ACCEPTED, handing_over_at=timezone.now())


def waiting():
    return Delivery.objects.waiting().count()


def test_its_letters_wait_and_those_to_others_go(target, sink, text):
    other = DeliveryFactory(signature__text=text)

    assert engine.send_due(Delivery) is None

    assert [taken.rcpt_tos for taken in sink.taken] == [[other.target.email]]
    assert waiting() == 2
    assert not Delivery.objects.due().exists()  # neither the sweep nor the figures take them for forgotten
    assert target.suspended_because == "550 5.1.1 <…>: unknown user"


def test_the_organisers_get_one_mail_at_the_campaigns_contact_address(target, sink, text):
    for _ in range(3):
        mail = DeliveryFactory(signature__text=text, target=target)
        accept(mail)
        take(returned.dsn(address_for(mail)))

    engine.send_due(SuspensionNotice)

    (taken,) = sink.taken
    assert taken.rcpt_tos == [settings.MAIL_REPLY_TO]
    assert "Embassy in Berlin" in taken.message["Subject"]
    assert taken.message["Auto-Submitted"] == "auto-generated"
    body = taken.message.get_content()
    assert "embassy@example.org" in body
    assert "550 5.1.1" in body
    assert reverse("admin:protests_target_change", args=[target.pk]) in body


def test_the_notice_goes_to_the_contact_address_where_there_is_one(target):
    Campaign.objects.create(name="Free them", contact_email="office@example.org")

    message = email.message_from_bytes(compose(SuspensionNotice.for_composing().get()).as_bytes())

    assert message["To"] == "office@example.org"


def test_a_new_address_lets_the_letters_go(target, sink):
    Delivery.objects.update(deferred_since=timezone.now() - timedelta(days=6))
    target.email = "new@example.org"
    target.save()

    engine.send_due(Delivery)

    assert len(sink.to("new@example.org")) == 2
    assert Target.objects.filter(suspended_at=None, suspended_because="").count() == 1


def test_the_wait_does_not_count_towards_giving_up(target, sink):
    Delivery.objects.update(deferred_since=timezone.now() - timedelta(days=6))
    sink.on_rcpt = lambda rcpt: "451 later"
    Target.objects.all().trust_again()

    engine.send_due(Delivery)

    assert set(Delivery.objects.exclude(state=State.BOUNCED).values_list("state", flat=True)) == {State.DEFERRED}


def test_saving_a_target_under_its_address_does_not_trust_it_again(target):
    target.name = "Embassy"
    target.save()

    target.refresh_from_db()
    assert target.suspended_at is not None


def test_a_late_bounce_from_the_old_address_does_not_suspend_the_new_one(target, text):
    late = DeliveryFactory(signature__text=text, target=target)
    accept(late)
    target.email = "new@example.org"
    target.save()

    take(returned.dsn(address_for(late)))

    late.refresh_from_db()
    target.refresh_from_db()
    assert late.state == State.BOUNCED
    assert target.suspended_at is None
    fresh = DeliveryFactory(signature__text=text, target=target)
    accept(fresh)
    take(returned.dsn(address_for(fresh)))
    target.refresh_from_db()
    assert target.suspended_at is not None
    assert SuspensionNotice.objects.count() == 2


def test_a_letter_that_came_back_goes_once_more_on_an_organisers_word(target, sink):
    Delivery.objects.all().send_again()
    engine.send_due(Delivery)
    assert sink.taken == []
    Target.objects.all().trust_again()

    engine.send_due(Delivery)

    assert len(sink.taken) == 3


def test_a_letter_that_came_back_and_is_withdrawn_after_all_is_not_in_doubt(target):
    Delivery.objects.all().send_again()

    Delivery.objects.all().cancel()

    assert set(Delivery.objects.values_list("state", flat=True)) == {State.CANCELLED}


def test_the_sweep_rings_for_no_letter_that_waits_for_an_organiser(target, rung):
    SuspensionNotice.objects.all().cancel()

    tasks.sweep()

    assert rung == []


def test_the_database_holds_a_reason_for_each_suspension_and_none_without():
    TargetFactory()

    with pytest.raises(IntegrityError):
        Target.objects.update(suspended_at=timezone.now())
    with pytest.raises(IntegrityError):
        Target.objects.update(suspended_because="550")


class TestDesk:
    @pytest.fixture
    def desk(self, client):
        client.force_login(OrganiserFactory())
        return client

    def test_the_trouble_is_shown_where_organisers_look(self, desk, target):
        TargetFactory(name="Ministry")
        targets = reverse("admin:protests_target_changelist")

        assert "550 5.1.1 &lt;…&gt;: unknown user" in desk.get(targets).content.decode()
        assert "Ministry" not in desk.get(targets, {"suspended": "yes"}).content.decode()
        page = desk.get(reverse("admin:protests_target_change", args=[target.pk])).content.decode()
        assert "550 5.1.1" in page
        deliveries = desk.get(reverse("admin:protests_delivery_changelist")).content.decode()
        assert deliveries.count("the target&#x27;s address is suspended") == 2
        assert desk.get(reverse("admin:protests_suspensionnotice_changelist")).status_code == 200

    def test_an_organiser_who_finds_the_address_right_lets_the_letters_go(self, desk, target, sink):
        fine = TargetFactory()
        form = {"action": "address_is_right", "_selected_action": [target.pk, fine.pk]}
        targets = reverse("admin:protests_target_changelist")

        asked = desk.post(targets, form)
        assert "This will change 1 row." in asked.content.decode()
        assert waiting() == 2
        desk.post(targets, {**form, "confirm": asked.context["fingerprint"]})
        engine.send_due(Delivery)

        assert len(sink.to("embassy@example.org")) == 2
