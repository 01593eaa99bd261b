import html
import json
import re
import time
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError
from django.db.transaction import atomic
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from donations import holding
from donations.models import HELD_FOR, UNDO_WITHIN, Pledge, PledgeHold, PledgeMail
from limits import proving
from limits.models import Post, Why
from limits.stamping import stamp
from privacy.purging import purge
from tests.donations.test_forms import TYPED
from tests.factories import BankAccountFactory, OrganiserFactory, PledgeHoldFactory, PledgeMailFactory
from tests.limits.solving import solve
from tests.threads import at_once

pytestmark = pytest.mark.django_db
PAGE = "/fund/pledge/"


@pytest.fixture
def fund():
    return BankAccountFactory().fund


@pytest.fixture(autouse=True)
def easy(monkeypatch):
    monkeypatch.setattr(proving, "HARDEST", 100)


@pytest.fixture
def post(client, fund):
    def post(number=0, remote="192.0.2.1", **changes):
        typed = {**TYPED, "email": f"nora{number}@riseup.net", **changes}
        return client.post(PAGE, typed, REMOTE_ADDR=remote)

    return post


def words(response):
    return html.unescape(response.content.decode())


def is_pledged(response):
    return "One more step" in words(response)


def is_held(response):
    return "An organiser looks at your pledge first" in words(response)


def is_asked(response):
    return "data-challenge" in words(response)


def nothing_was_written():
    return not (Pledge.objects.exists() or PledgeMail.objects.exists())


def test_thirty_people_in_one_hall_pledge_as_everybody_does(post):
    assert all(is_pledged(post(number)) for number in range(30))
    assert (Pledge.objects.count(), Post.objects.count(), PledgeHold.objects.count()) == (30, 30, 0)


def test_near_the_limit_of_a_network_proof_is_asked_for_with_the_form_kept(post, settings):
    settings.LIMIT_NETWORK_NEAR = 0
    asked = post(name="Nora <Berg>")
    assert is_asked(asked)
    assert "no-store" in asked["Cache-Control"]
    for kept in ('name="name" value="Nora <Berg>"', 'name="amount" value="25,50"', f'action="{PAGE}"'):
        assert kept in words(asked)
    assert nothing_was_written()

    challenge = json.loads(html.unescape(re.search(r'data-challenge="([^"]+)"', asked.content.decode())[1]))
    solved = solve(challenge)
    assert is_pledged(post(altcha=solved))
    assert is_asked(post(1, altcha=solved))
    assert Pledge.objects.count() == 1


def test_without_proof_one_can_be_held_instead(post, settings):
    settings.LIMIT_NETWORK_NEAR = 0
    assert is_held(post(wait="1"))
    assert PledgeHold.objects.get().why == Why.NO_PROOF
    assert nothing_was_written()


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"homepage": "x"}, Why.TRAP), ({"stamp": "fresh"}, Why.TOO_FAST)],
)
def test_what_a_program_does_is_held_and_says_why(post, settings, changes, why):
    settings.FORM_SECONDS = 30
    if changes.get("stamp"):
        changes = {"stamp": stamp(time.time())}
    response = post(**changes)
    assert is_held(response)
    assert "no-store" in response["Cache-Control"]
    held = PledgeHold.objects.get()
    assert (held.why, held.name, held.email, held.amount_minor) == (why, "Nora Berg", "nora0@riseup.net", 2550)
    assert nothing_was_written()


def test_over_the_limit_one_is_held_even_with_proof(post, settings):
    settings.LIMIT_NETWORK_OVER = 1
    post()
    assert is_held(post(1, altcha=solve(proving.challenge())))
    assert PledgeHold.objects.get().why == Why.NETWORK


def test_the_answer_does_not_tell_whether_an_address_has_pledged(post):
    post()
    known, new = post(homepage="x"), post(1, homepage="x")
    assert known.content == new.content


def test_a_person_waits_once_with_what_was_typed_last(post):
    post(homepage="x")
    post(homepage="x", amount="7")
    held = PledgeHold.objects.get()
    assert (held.amount_minor, held.why) == (700, Why.TRAP)


def test_a_released_one_is_a_pledge_like_any_other(post, fund):
    until = timezone.localdate() + timedelta(days=60)
    post(homepage="x", frequency="monthly", until=until.isoformat(), kind="branch", organisation="Local 1")
    held = PledgeHold.objects.get()
    assert holding.release(PledgeHold.objects.all()) == 1
    made = Pledge.objects.get()
    assert (made.organisation, made.until, made.confirmed_at) == ("Local 1", until, None)
    assert (made.consented_at, made.consent_version) == (held.consented_at, held.consent_version)
    assert made.mails.count() == 1
    assert not PledgeHold.objects.exists()


def test_those_whose_mailbox_had_enough_or_whose_end_is_past_go_on_waiting(fund, time_machine):
    time_machine.move_to("2026-11-22 10:00+00:00", tick=False)
    full = PledgeHoldFactory(fund=fund, email="full@example.org")
    past = PledgeHoldFactory(fund=fund, frequency="monthly", until=timezone.localdate() - timedelta(days=1))
    for _ in range(3):
        PledgeMailFactory(recipient_tag=holding.mailbox_tag(full.email))
    before = Pledge.objects.count()
    assert holding.release(PledgeHold.objects.all()) == 0
    assert list(PledgeHold.objects.waiting().order_by("pk")) == [full, past]
    assert Pledge.objects.count() == before


def test_a_refused_one_sends_nothing_goes_after_a_week_and_can_be_released_until_then(fund, time_machine):
    time_machine.move_to("2026-11-22 10:00+00:00", tick=False)
    organiser = OrganiserFactory()
    first, second = PledgeHoldFactory.create_batch(2, fund=fund)
    assert holding.refuse(PledgeHold.objects.all(), organiser) == 2
    assert holding.refuse(PledgeHold.objects.all(), organiser) == 0
    assert nothing_was_written()
    assert holding.release(PledgeHold.objects.filter(pk=first.pk)) == 1
    time_machine.move_to(timezone.now() + UNDO_WITHIN - timedelta(minutes=1), tick=False)
    purge()
    assert PledgeHold.objects.get() == second
    time_machine.move_to(timezone.now() + timedelta(minutes=2), tick=False)
    purge()
    assert not PledgeHold.objects.exists()


def test_one_on_which_nobody_decides_goes(fund):
    PledgeHoldFactory(fund=fund, created_at=timezone.now() - HELD_FOR - timedelta(minutes=1))
    kept = PledgeHoldFactory(fund=fund)
    purge()
    assert PledgeHold.objects.get() == kept


def test_the_database_refuses_a_wrong_hold(fund):
    held = PledgeHoldFactory(fund=fund)
    for wrong in ({"email": held.email}, {"amount_minor": 0}, {"why": "whim"}, {"refused_by": OrganiserFactory()}):
        with pytest.raises(IntegrityError), atomic():
            PledgeHoldFactory(fund=fund, **wrong)


@pytest.mark.django_db(transaction=True)
def test_what_is_posted_at_once_is_kept_once(fund):
    def post(number):
        typed = {**TYPED, "email": "nora@riseup.net", "homepage": "x", "amount": str(number + 1)}
        return Client().post(PAGE, typed, REMOTE_ADDR="192.0.2.1")

    assert all(is_held(answer) for answer in at_once(6, post))
    assert PledgeHold.objects.count() == 1


class TestDesk:
    LIST = "admin:donations_pledgehold_changelist"

    @pytest.fixture
    def desk(self, client):
        client.force_login(OrganiserFactory())
        return client

    def act(self, desk, action, pks):
        form = {"action": action, "_selected_action": pks}
        asked = desk.post(reverse(self.LIST), form)
        found = re.search(r'name="confirm" value="(\w+)"', asked.content.decode())
        return words(asked), words(desk.post(reverse(self.LIST), {**form, "confirm": found[1]}, follow=True))

    def test_an_organiser_releases_and_refuses(self, desk, fund):
        pks = [PledgeHoldFactory(fund=fund, name=f"Nora {number}").pk for number in range(3)]
        asked, done = self.act(desk, "refuse", pks[:1])
        assert "This will change 1 row" in asked
        assert "Nora 0, €25.00" in asked
        asked, done = self.act(desk, "release", pks[1:])
        assert "Changed 2 of 2 rows." in done
        assert set(Pledge.objects.values_list("name", flat=True)) == {"Nora 1", "Nora 2"}
        assert PledgeHold.objects.get().refused_by is not None
        assert "Nora 0" not in words(desk.get(reverse(self.LIST)))
        assert "Nora 0" in words(desk.get(reverse(self.LIST), {"decision": "refused"}))

    def test_a_hold_is_to_look_at_and_shows_no_tag(self, desk, fund):
        held = PledgeHoldFactory(fund=fund, network_tag="cd" * 32)
        path = reverse("admin:donations_pledgehold_change", args=[held.pk])
        page = words(desk.get(path))
        assert held.name in page
        assert held.network_tag not in page
        assert held.email_tag not in page
        assert desk.post(path, {"name": "x"}).status_code == 403

    def test_who_may_only_look_decides_nothing(self, client, fund):
        volunteer = OrganiserFactory(is_superuser=False)
        volunteer.user_permissions.add(Permission.objects.get(codename="view_pledgehold"))
        client.force_login(volunteer)
        held = PledgeHoldFactory(fund=fund)
        assert client.get(reverse(self.LIST)).status_code == 200
        client.post(reverse(self.LIST), {"action": "release", "_selected_action": held.pk})
        assert nothing_was_written()

    def test_the_list_takes_as_many_queries_for_many_as_for_few(self, desk, fund, django_assert_max_num_queries):
        PledgeHoldFactory(fund=fund)
        with django_assert_max_num_queries(40) as few:
            desk.get(reverse(self.LIST))
        PledgeHoldFactory.create_batch(5, fund=fund)
        with django_assert_max_num_queries(len(few)):
            desk.get(reverse(self.LIST))
