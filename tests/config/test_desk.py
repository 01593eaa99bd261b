"""The first page of the desk: what waits for whom, and how the days went."""

from datetime import datetime, timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaign.models import Mailing, Submitted
from config.help import HELP
from donations.models import BankAccount
from limits.models import Why
from outbox import deciding
from outbox.models import Heartbeat, State
from protests.models import MailDomain
from tests.factories import (
    BankAccountFactory,
    DeliveryFactory,
    EndorsementFactory,
    HoldFactory,
    LetterTextFactory,
    MessageOfSupportFactory,
    OrganiserFactory,
    PicketFactory,
    PledgeFactory,
    SignatureFactory,
    StrikeFactory,
    SubmittedCommentFactory,
    SubmittedReportFactory,
    TargetFactory,
    TransactionFactory,
    UpdateFactory,
)
from tests.rows import more

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_kept():
    cache.clear()


def with_permissions(*names):
    organiser = OrganiserFactory(is_superuser=False)
    organiser.user_permissions.set(Permission.objects.filter(codename__in=names))
    return organiser


def read(client, organiser):
    client.force_login(organiser)
    response = client.get(reverse("admin:index"))
    assert response.status_code == 200
    return response


def waiting(client, *permissions):
    """Return what waits for an organiser with these permissions, but for translations: what, how many."""
    found = read(client, with_permissions(*permissions)).context["waiting"]
    return [(str(one.what), one.count) for one in found if not str(one.what).startswith("Translations")]


def test_nobody_is_shown_work_without_the_right_to_do_it(client):
    HoldFactory()
    response = read(client, with_permissions())
    assert response.context["waiting"] == []
    assert response.context["charts"] == []
    assert "Nothing waits for a decision of yours." in response.text


def test_held_signatures_are_counted_with_the_oldest_and_lead_to_their_list(client):
    yesterday = timezone.now() - timedelta(days=1)
    HoldFactory(created_at=yesterday)
    HoldFactory()
    (one,) = read(client, with_permissions("change_hold", "view_hold")).context["waiting"]
    assert (one.count, one.more, one.oldest, one.url) == (2, False, yesterday, "/admin/protests/hold/")
    assert client.get(one.url).context["cl"].result_count == 2


def test_no_more_than_a_hundred_are_counted(client):
    more(HoldFactory(), 104)
    response = read(client, with_permissions("change_hold"))
    (one,) = response.context["waiting"]
    assert (one.count, one.more) == (100, True)
    assert "more than 100" in response.text


def test_what_is_in_doubt_waits_for_who_may_settle_that_queue(client):
    DeliveryFactory(state=State.IN_DOUBT, handing_over_at=timezone.now(), lease="x")
    assert waiting(client, "change_delivery") == [("In doubt: letters on their way", 1)]
    assert waiting(client, "change_confirmationmail", "view_delivery") == []


SENT_IN = {"submitted_at": timezone.now(), "consent_version": "test", "published_at": None}
VISITORS = {
    "messageofsupport": MessageOfSupportFactory,
    "endorsement": EndorsementFactory,
    "comment": SubmittedCommentFactory,
    "picket": PicketFactory,
    "picketreport": SubmittedReportFactory,
}


def test_all_that_visitors_can_send_in_is_known_here():
    assert {model._meta.model_name for model in apps.get_models() if issubclass(model, Submitted)} == VISITORS.keys()


@pytest.mark.parametrize("name", VISITORS)
def test_what_visitors_sent_in_waits_with_the_oldest_and_leads_to_its_list(client, name):
    yesterday = timezone.now() - timedelta(days=1)
    VISITORS[name](**SENT_IN | {"submitted_at": yesterday})
    VISITORS[name](**SENT_IN)
    VISITORS[name](**SENT_IN, hold=Why.NETWORK)
    VISITORS[name](**SENT_IN, refused_at=timezone.now())
    if name not in {"comment", "picketreport"}:
        VISITORS[name]()  # an organiser's own, or published already
    found = read(client, with_permissions(f"add_{name}", f"change_{name}", f"view_{name}")).context["waiting"]
    sure, doubtful = (one for one in found if str(one.what).startswith("Sent in"))
    assert (sure.count, sure.oldest, doubtful.count) == (2, yesterday, 1)
    assert client.get(sure.url).context["cl"].result_count == 2
    assert client.get(doubtful.url).context["cl"].result_count == 1


def test_targets_that_refuse_wait_and_a_pause_is_not_forgotten(client):
    TargetFactory(suspended_at=timezone.now(), suspended_because="550 no such user")
    MailDomain.pause_all()
    assert waiting(client, "change_target", "change_maildomain") == [
        ("Targets whose address refuses letters", 1),
        ("All letters are paused", 1),
    ]


def test_what_was_to_appear_and_waits_for_its_strike_is_told(client):
    draft = StrikeFactory(published_at=None)
    UpdateFactory(strike=draft)
    UpdateFactory(strike=draft, published_at=None)
    UpdateFactory(strike=draft, published_at=timezone.now() + timedelta(days=1))
    UpdateFactory()
    told = [one for one in waiting(client, "change_update") if "day" in one[0]]
    assert told == [("Not seen yet, though their day has come: updates", 1)]


def test_a_mailing_waits_for_another_than_who_made_it(client):
    maker, other = with_permissions("approve_mailing"), with_permissions("approve_mailing")
    Mailing.objects.create(update=UpdateFactory(), created_by=maker)
    assert read(client, maker).context["waiting"] == []
    (one,) = read(client, other).context["waiting"]
    assert (str(one.what), one.count) == ("Mailings that another organiser made", 1)


def test_money_waits_for_the_treasurers(client):
    fund = BankAccountFactory().fund
    TransactionFactory(fund=fund)
    TransactionFactory(fund=fund, pledge=PledgeFactory(fund=fund, confirmed=True))
    proposed = BankAccount(fund=fund, holder="Another", iban="DE89370400440532013000", bic="COBADEFF")
    proposed.proposed_by = OrganiserFactory()
    proposed.save()
    found = waiting(client, "add_allocation", "change_bankaccount")
    assert found == [("Bank lines that did not find their pledge", 1), ("Accounts that another organiser proposed", 1)]


def test_what_waits_for_a_decision_comes_before_what_waits_to_be_translated(client):
    fund = BankAccountFactory().fund
    TransactionFactory(fund=fund)
    found = read(client, with_permissions("add_allocation", "change_fund", "change_update")).context["waiting"]
    assert str(found[0].what) == "Bank lines that did not find their pledge"
    assert len(found) > 1
    assert all(str(one.what).startswith("Translations") for one in found[1:])


def test_the_operator_hears_that_nothing_runs(client):
    operator = OrganiserFactory()
    for name in (Heartbeat.BEAT, Heartbeat.WORKER):
        Heartbeat.stamp(name)
    assert not [one for one in read(client, operator).context["waiting"] if one.url == reverse("admin:readiness")]
    Heartbeat.objects.filter(name=Heartbeat.BEAT).delete()
    assert "Beat has not rung" in read(client, operator).text


def test_the_charts_show_each_day_and_the_same_as_a_table(client):
    text = LetterTextFactory()
    noon = timezone.make_aware(datetime.combine(timezone.localdate(), datetime.min.time())) + timedelta(seconds=1)
    for days in (0, 0, 2, 29, 30, 31):
        SignatureFactory(text=text, confirmed_at=noon - timedelta(days=days))
    SignatureFactory(text=text)
    response = read(client, with_permissions("view_letter"))
    signatures, letters = response.context["charts"]
    assert [bar.count for bar in signatures.bars] == [1, *[0] * 26, 1, 0, 2]
    assert (signatures.total, signatures.most, letters.total) == (4, 2, 0)
    assert response.text.count('<svg class="chart"') == 1
    assert "None in this time." in response.text
    for bar in signatures.bars:
        assert (f'<th scope="row">{bar.label}</th>' in response.text) == (bar.count > 0)


def test_the_first_page_asks_as_much_for_many_rows_as_for_few(client):
    organiser = OrganiserFactory()
    text, fund = LetterTextFactory(), BankAccountFactory().fund

    def queries():
        cache.clear()
        with CaptureQueriesContext(connection) as asked:
            read(client, organiser)
        return len(asked)

    def fill(times):
        more(HoldFactory(text=text), times)
        more(SignatureFactory(text=text, confirmed=True), times)
        more(PledgeFactory(fund=fund, confirmed=True), times)
        more(UpdateFactory(), times)

    queries()  # and what is read once for the whole process
    fill(10)
    queries()  # what is read once for the whole process
    few = queries()
    fill(200)
    assert queries() == few


@pytest.mark.parametrize(("live", "name"), [(True, "targets' servers accepted"), (False, "in the sandbox")])
def test_the_chart_of_letters_claims_no_servers_that_a_sandbox_has_not_asked(client, settings, live, name):
    settings.MAIL_LIVE = live
    DeliveryFactory(state=State.ACCEPTED, settled_at=timezone.now())
    _signatures, letters = read(client, with_permissions("view_letter")).context["charts"]
    assert name in str(letters.title)


def test_the_figures_of_the_charts_are_kept_for_some_minutes(client, monkeypatch):
    organiser = with_permissions("view_letter")
    SignatureFactory(confirmed=True)
    assert read(client, organiser).context["charts"][0].total == 1
    SignatureFactory(confirmed=True)
    assert read(client, organiser).context["charts"][0].total == 1
    monkeypatch.setattr(deciding.cache, "get", lambda key: None)
    assert read(client, organiser).context["charts"][0].total == 2


def test_every_list_and_form_says_what_it_is_and_what_to_do(client):
    assert {model._meta.label_lower for model in admin.site._registry} == HELP.keys()
    client.force_login(OrganiserFactory())
    shown = client.get(reverse("admin:protests_target_changelist")).text
    assert str(HELP["protests.target"].on_list).partition(".")[0] in shown
    shown = client.get(reverse("admin:protests_target_add")).text
    assert str(HELP["protests.target"].on_form).partition(".")[0] in shown


def steps(client, organiser):
    return [(str(step.what), step.done) for step in read(client, organiser).context["steps"]]


def test_an_empty_site_offers_each_organiser_only_the_first_steps_they_may_do(client):
    names = [what for what, _done in steps(client, OrganiserFactory())]
    assert len(names) == 8
    assert steps(client, with_permissions("add_update")) == [("Write the first update, and publish it", False)]
    # A fund is none of what every site needs: its treasurer is not pressed to add one.
    assert steps(client, with_permissions("add_fund", "add_bankaccount")) == []
    assert steps(client, with_permissions()) == []


def test_a_step_leads_to_the_draft_there_is_and_the_list_goes_when_all_is_published(client):
    editor = with_permissions("add_strike", "change_strike")
    strike = StrikeFactory(published_at=timezone.now() + timedelta(days=1))
    (step,) = read(client, editor).context["steps"]
    assert step.url == reverse("admin:campaign_strike_change", args=[strike.pk])
    assert client.get(step.url).status_code == 200

    strike.published_at = timezone.now()
    strike.save()
    assert steps(client, editor) == []


def test_what_was_saved_leads_on_to_the_next_step(client):
    client.force_login(OrganiserFactory())
    form = {"name": "Solidarity", "contact_email": "office@example.org"}
    page = client.post(reverse("admin:campaign_campaign_add"), form, follow=True).text
    assert "Tell of the strike, and publish it</a>" in page
    assert "Next:" not in client.get(reverse("admin:campaign_strike_changelist")).text
