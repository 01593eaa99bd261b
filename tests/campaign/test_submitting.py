import time
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaign import consent
from campaign.models import MessageOfSupport
from limits.models import Block, Why
from limits.stamping import stamp
from privacy.purging import purge
from tests.factories import MessageOfSupportFactory, OrganiserFactory, StrikeFactory, SubmittedMessageFactory

pytestmark = pytest.mark.django_db
PAGE = "/messages/send/"
LIST = "admin:campaign_messageofsupport_changelist"


@pytest.fixture
def posted():
    StrikeFactory()
    return {
        "kind": "support",
        "text": "We stand with you.",
        "organisation": "Local 7",
        "person": "Nora Berg",
        "country": "DE",
        "email": "nora@example.org",
        "consent": "on",
        "stamp": stamp(time.time() - 60),
    }


class TestTaking:
    def test_what_is_sent_waits_and_is_shown_to_nobody(self, client, posted):
        response = client.post(PAGE, posted)

        assert (response.status_code, response.url) == (303, "/sent/")
        row = MessageOfSupport.objects.get()
        assert row.is_waiting
        assert list(MessageOfSupport.objects.waiting().trusted()) == [row]
        assert (row.organisation, row.person, row.country, row.contact) == (
            "Local 7",
            "Nora Berg",
            "DE",
            "nora@example.org",
        )
        assert row.consent_version == consent.SENDING_VERSION
        assert "Local 7" not in client.get("/messages/").content.decode()

    def test_neither_page_nor_thanks_sets_a_cookie(self, client, posted):
        assert not client.get(PAGE).cookies
        assert not client.post(PAGE, posted).cookies
        assert client.get("/sent/").status_code == 200

    def test_an_address_is_not_needed_and_no_addresses_share_no_limit(self, client, posted, settings):
        settings.LIMIT_DOMAIN_NEAR = settings.LIMIT_DOMAIN_OVER = 1
        for _ in range(3):
            assert client.post(PAGE, {**posted, "email": ""}).status_code == 303
        assert MessageOfSupport.objects.waiting().trusted().count() == 3

    def test_what_the_limits_doubt_is_kept_apart_and_answered_alike(self, client, posted):
        trusted = client.post(PAGE, posted)
        doubtful = client.post(PAGE, {**posted, "homepage": "spam"})

        assert (trusted.status_code, trusted.url) == (doubtful.status_code, doubtful.url)
        assert MessageOfSupport.objects.waiting().trusted().count() == 1
        assert MessageOfSupport.objects.waiting().doubtful().get().hold == Why.TRAP

    def test_a_blocked_domain_is_kept_too(self, client, posted, settings):
        settings.BLOCKS_SECONDS = 0
        Block.objects.create(domain="example.org", reason="flood")
        client.post(PAGE, posted)

        assert MessageOfSupport.objects.get().hold == Why.BLOCKED_DOMAIN

    def test_an_old_page_is_asked_for_proof_and_keeps_what_was_typed(self, client, posted):
        response = client.post(PAGE, {**posted, "stamp": ""})

        assert not MessageOfSupport.objects.exists()
        assert "We stand with you." in response.content.decode()
        client.post(PAGE, {**posted, "stamp": "", "wait": "1"})
        assert MessageOfSupport.objects.get().hold == Why.NO_PROOF

    @pytest.mark.parametrize(
        "bad",
        [
            {"consent": ""},
            {"text": ""},
            {"text": "\u202egro.live"},
            {"text": "x" * 5001},
            {"kind": "x"},
            {"strike": "99"},
            {"country": "XX"},
            {"email": "nora@localhost"},
            {"organisation": "", "person": ""},
        ],
    )
    def test_what_is_wrong_is_told_and_nothing_is_kept(self, client, posted, bad):
        response = client.post(PAGE, {**posted, **bad})

        assert response.status_code == 400
        assert "Nothing has been sent yet" in response.content.decode()
        assert not MessageOfSupport.objects.exists()

    def test_a_report_may_come_without_any_name(self, client, posted):
        client.post(PAGE, {**posted, "kind": "report", "organisation": "", "person": ""})

        assert MessageOfSupport.objects.get().kind == "report"

    def test_another_sites_form_is_refused(self, client, posted):
        assert client.post(PAGE, posted, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert not MessageOfSupport.objects.exists()

    def test_without_a_strike_nothing_can_be_sent(self, client, posted):
        MessageOfSupport.objects.all().delete()
        StrikeFactory._meta.model.objects.all().delete()

        assert client.get(PAGE).status_code == 200
        assert client.post(PAGE, posted).status_code == 400


class TestKeeping:
    def test_undecided_ones_go_after_90_days_and_refused_ones_after_30(self):
        now = timezone.now()
        SubmittedMessageFactory(submitted_at=now - timedelta(days=91))
        SubmittedMessageFactory(submitted_at=now - timedelta(days=40), refused_at=now - timedelta(days=31))
        kept = {
            SubmittedMessageFactory(submitted_at=now - timedelta(days=89)).pk,
            SubmittedMessageFactory(submitted_at=now - timedelta(days=89), refused_at=now - timedelta(days=29)).pk,
            SubmittedMessageFactory(submitted_at=now - timedelta(days=900), approved_at=now).pk,
            MessageOfSupportFactory(published_at=None).pk,
        }
        purge()

        assert set(MessageOfSupport.objects.values_list("pk", flat=True)) == kept

    def test_the_address_goes_after_90_days_and_the_name_after_two_years(self):
        now = timezone.now()
        published = {"approved_at": now, "published_at": now, "person": "Nora Berg"}
        older = SubmittedMessageFactory(submitted_at=now - timedelta(days=91), **published)
        oldest = SubmittedMessageFactory(submitted_at=now - timedelta(days=731), **published)
        purge()

        older.refresh_from_db()
        oldest.refresh_from_db()
        assert (older.contact, older.person, oldest.person) == ("", "Nora Berg", "")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"published_at": timezone.now()},
            {"refused_at": timezone.now(), "approved_at": timezone.now()},
            {"consent_version": ""},
            {"submitted_at": None},
            {"submitted_at": None, "consent_version": "", "contact": ""} | {"hold": "trap"},
        ],
        ids=["seen unapproved", "refused and approved", "no consent", "consent to nothing", "held by nobody"],
    )
    def test_the_database_refuses(self, wrong):
        with pytest.raises(IntegrityError), transaction.atomic():
            SubmittedMessageFactory(**wrong)

    def test_only_what_was_refused_was_refused_by_somebody(self):
        with pytest.raises(IntegrityError), transaction.atomic():
            SubmittedMessageFactory(refused_by=OrganiserFactory())


class TestDeciding:
    @pytest.fixture
    def desk(self):
        client = Client()
        client.force_login(OrganiserFactory(is_superuser=True))
        return client

    @staticmethod
    def act(desk, action, *rows):
        """Ask for an action, look at what it would do, and press its button."""
        data = {"action": action, "_selected_action": [row.pk for row in rows]}
        # A row that the list leaves out by itself is acted on where it is shown.
        shown = "?state=refused" if action == "take_up_again" else ""
        page = desk.post(reverse(LIST) + shown, data)
        assert page.status_code == 200
        return desk.post(reverse(LIST) + shown, {**data, "confirm": page.context_data["fingerprint"]})

    def test_published_refused_taken_up_again_and_back_to_draft(self, desk, client):
        row = SubmittedMessageFactory(organisation="Local 7")
        self.act(desk, "refuse", row)
        row.refresh_from_db()
        assert row.refused_at
        assert row.refused_by
        self.act(desk, "publish", row)
        assert not MessageOfSupport.objects.published().exists()

        self.act(desk, "take_up_again", row)
        self.act(desk, "publish", row)
        row.refresh_from_db()
        assert row.approved_by
        assert row.organisation in client.get("/messages/").content.decode()

        self.act(desk, "withdraw", row)
        row.refresh_from_db()
        assert row.organisation not in client.get("/messages/").content.decode()
        assert not row.is_waiting
        assert LogEntry.objects.count() == 4

    def test_the_list_leaves_the_doubtful_and_the_refused_to_their_filters(self, desk):
        waits = SubmittedMessageFactory(organisation="Waits")
        SubmittedMessageFactory(organisation="Doubted", hold=Why.TRAP)
        SubmittedMessageFactory(organisation="Refused", refused_at=timezone.now())
        MessageOfSupportFactory(organisation="Written")

        def listed(state=""):
            return sorted(map(str, desk.get(f"{reverse(LIST)}?{state}").context_data["cl"].result_list))

        assert listed() == ["Waits", "Written"]
        assert listed("state=waiting") == [str(waits)]
        assert listed("state=doubtful") == ["Doubted"]
        assert listed("state=refused") == ["Refused"]
        assert listed("state=published") == ["Written"]
        assert listed("state=draft") == []

    def test_a_date_typed_on_its_page_approves_it(self, desk):
        row = SubmittedMessageFactory()
        url = reverse("admin:campaign_messageofsupport_change", args=[row.pk])
        page = desk.get(url)
        assert "Sent in by a visitor" in page.content.decode()
        assert row.contact in page.content.decode()
        form = page.context_data["adminform"].form
        data = {name: form.initial.get(name) or "" for name in form.fields}
        response = desk.post(url, {**data, "published_at_0": "2011-09-01", "published_at_1": "12:00"})

        assert response.status_code == 302
        row.refresh_from_db()
        assert row.approved_at
        assert MessageOfSupport.objects.published().get() == row
