from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError
from django.urls import reverse
from django.utils import timezone

from campaign import translating
from campaign.models import Demand, TextChange, Update
from tests.factories import OrganiserFactory, StrikeFactory, UpdateFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def translator():
    person = OrganiserFactory(is_superuser=False)
    person.user_permissions.set(Permission.objects.filter(codename__in=["change_update", "view_update"]))
    return person


@pytest.fixture
def desk(client, translator):
    client.force_login(translator)
    return client


def translated(update, language="de", title="Neues vom Platz"):
    update.create_translation(language, title=title, body="Sie stehen.")


def an_hour_ago(update):
    TextChange.objects.filter(row=update.pk).update(changed_at=timezone.now() - timedelta(hours=1))


def waiting(person, language):
    return [(one.row.pk, one.source, one.since is not None) for one in translating.behind(person, language)]


def counts(person):
    return [one.found for one in translating.work(person)]


def test_what_a_language_lacks_is_missing_there_and_nowhere_else(translator):
    update = UpdateFactory()
    translated(update)
    assert waiting(translator, "ru") == [(update.pk, "English", False)]
    assert waiting(translator, "de") == []
    assert waiting(translator, "en") == []
    assert counts(translator) == [0, 0, 1]


def test_a_translation_is_behind_once_the_words_it_comes_from_are_changed(translator):
    update = UpdateFactory()
    translated(update)
    an_hour_ago(update)
    assert waiting(translator, "de") == []
    update.set_current_language("en")
    update.title = "News from the court"
    update.save()
    assert waiting(translator, "de") == [(update.pk, "English", True)]
    update.set_current_language("de")
    update.title = "Neues vom Gericht"
    update.save()
    assert waiting(translator, "de") == []
    assert waiting(translator, "en") == []


def test_what_is_saved_without_a_change_of_words_is_no_change(translator):
    update = UpdateFactory()
    translated(update)
    an_hour_ago(update)
    row = Update.objects.get()
    row.source = "A newspaper"
    row.save()
    assert waiting(translator, "de") == []


def test_drafts_wait_for_nobody(translator):
    UpdateFactory(published_at=None)
    assert counts(translator) == [0, 0, 0]


def test_a_translator_finds_that_a_translation_is_still_right(desk, translator):
    update = UpdateFactory()
    translated(update)
    an_hour_ago(update)
    update.set_current_language("en")
    update.title = "News from the court"
    update.save()
    page = desk.get(reverse("admin:translations"), {"language": "de"})
    assert f"/admin/campaign/update/{update.pk}/change/?language=de" in page.text
    assert "Behind: the words in English were changed" in page.text
    said = desk.post(
        reverse("admin:translations"), {"language": "de", "row": f"campaign.update:{update.pk}"}, follow=True
    )
    assert "is still right" in said.text
    assert waiting(translator, "de") == []


@pytest.mark.parametrize(
    "row", ["", "campaign.update", "campaign.update:x", "campaign.update:99", "auth.user:1", "donations.fund:1"]
)
def test_a_word_on_what_does_not_wait_changes_nothing(desk, row):
    UpdateFactory()
    before = list(TextChange.objects.values_list())
    assert desk.post(reverse("admin:translations"), {"language": "de", "row": row}).status_code == 302
    assert list(TextChange.objects.values_list()) == before


def test_an_unknown_language_is_the_sites_own(desk):
    assert desk.get(reverse("admin:translations"), {"language": "xx"}).context["language"] == "en"


def test_who_may_change_no_words_has_no_such_page(client):
    client.force_login(OrganiserFactory(is_superuser=False))
    assert client.get(reverse("admin:translations")).status_code == 403


def test_a_change_goes_with_its_translation():
    update = UpdateFactory()
    kept = TextChange.objects.filter(model="campaign.update")
    assert kept.count() == 1
    update.delete()
    assert not kept.exists()


def test_the_database_holds_one_change_of_a_text():
    change = {"model": "campaign.update", "row": 1, "language": "en"}
    TextChange.objects.create(**change)
    with pytest.raises(IntegrityError):
        TextChange.objects.create(**change)


def test_words_that_are_edited_on_anothers_page_wait_too_and_lead_there(translator, desk):
    translator.user_permissions.add(*Permission.objects.filter(codename__in=["change_demand", "change_strike"]))
    strike, draft = StrikeFactory(), StrikeFactory(published_at=None)
    for each in (strike, draft):
        each.create_translation("de", title="Streik")
        Demand.objects.create(strike=each, position=1, text="Bread.")
    demand = strike.demands.get()
    translator = User.objects.get(pk=translator.pk)
    (missing,) = translating.behind(translator, "de")
    assert (missing.row, missing.since) == (demand, None)
    assert missing.url == f"{reverse('admin:campaign_strike_change', args=[strike.pk])}?language=de"
    demand.create_translation("de", text="Brot.")
    TextChange.objects.filter(model="campaign.demand").update(changed_at=timezone.now() - timedelta(hours=1))
    assert translating.behind(translator, "de") == []
    demand.set_current_language("en")
    demand.text = "Bread and roses."
    demand.save()
    (behind,) = translating.behind(translator, "de")
    assert behind.since
    desk.post(reverse("admin:translations"), {"language": "de", "row": f"campaign.demand:{demand.pk}"})
    assert translating.behind(translator, "de") == []
