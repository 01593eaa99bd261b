import re
from datetime import date, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaign.models import Activist, Campaign, Charge, Demand, Document, MessageOfSupport, Strike, Update
from tests.factories import (
    ActivistFactory,
    ChargeFactory,
    DocumentFactory,
    EndorsementFactory,
    LabourFactory,
    MessageOfSupportFactory,
    OrganiserFactory,
    StrikeFactory,
    UpdateFactory,
)

pytestmark = pytest.mark.django_db
MODELS = ["strike", "labour", "activist", "charge", "update", "messageofsupport", "endorsement", "document"]


@pytest.fixture
def desk(client):
    """The test client, logged in as an organiser who may do everything."""
    client.force_login(OrganiserFactory())
    return client


@pytest.fixture
def one_of_each():
    activist = ActivistFactory()
    return {
        "strike": activist.strike,
        "labour": LabourFactory(strike=activist.strike),
        "activist": activist,
        "charge": ChargeFactory(activist=activist, steps=[(date(2011, 6, 1), "charged")]),
        "update": UpdateFactory(strike=activist.strike),
        "messageofsupport": MessageOfSupportFactory(strike=activist.strike),
        "endorsement": EndorsementFactory(strike=activist.strike),
        "document": DocumentFactory(strike=activist.strike),
    }


def formset(prefix, *rows):
    """What the browser posts for the new rows of an inline."""
    data = {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": 0}
    for number, row in enumerate(rows):
        data |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
    return data


def saved(response):
    """Follow a form's redirect; show what was wrong with the form if there was none."""
    if response.status_code == 200:
        pytest.fail(str(response.context["errors"]))
    return response


def choose(desk, model, action, rows, **extra):
    data = {"action": action, "_selected_action": [row.pk for row in rows], "index": 0, **extra}
    return desk.post(f"/admin/campaign/{model}/", data)


def press_yes(desk, response):
    """Post the form of the confirmation page as it stands."""
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', response.text)
    data = {}
    for name, value in fields:
        if name != "csrfmiddlewaretoken":
            data.setdefault(name, []).append(value)
    address = re.search(r'<form method="post" action="([^"]*)"', response.text)[1].replace("&amp;", "&")
    return desk.post(address, data, follow=True)


# --- Every model is usable ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_list_search_add_and_change_open(desk, one_of_each, model):
    base = f"/admin/campaign/{model}/"
    for path in (base, f"{base}?q=rosa", f"{base}add/", f"{base}{one_of_each[model].pk}/change/"):
        assert desk.get(path).status_code == 200, path
    assert desk.get(f"{base}{one_of_each[model].pk}/change/?language=de").status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_pages_of_the_desk_have_nothing_inline(desk, one_of_each, model):
    base = f"/admin/campaign/{model}/"
    for path in (base, f"{base}add/", f"{base}{one_of_each[model].pk}/change/"):
        response = desk.get(path)
        assert "unsafe" not in response["Content-Security-Policy"]
        assert not re.search(r"<style|\sstyle=|\son\w+=", response.text)
        assert not re.search(r"<script(?![^>]*\ssrc=)", response.text)


@pytest.mark.parametrize("state", ["draft", "planned", "published"])
def test_the_list_can_be_narrowed_to_a_state(desk, state):
    UpdateFactory(title="A draft one", published_at=None)
    UpdateFactory(title="A planned one", published_at=timezone.now() + timedelta(days=1))
    UpdateFactory(title="A published one")
    found = desk.get(f"/admin/campaign/update/?state={state}").context["cl"].queryset
    assert [str(update) for update in found] == [f"A {state} one"]


def test_the_list_says_that_an_update_waits_for_its_strike(desk):
    UpdateFactory(strike=StrikeFactory(published_at=None))
    assert "waits for its strike to be published" in desk.get("/admin/campaign/update/").text


def test_search_looks_into_the_titles_of_every_language_and_shows_a_row_once(desk):
    update = UpdateFactory(title="Strike goes on")
    update.create_translation("de", title="Streik dauert an", body="Text.")
    UpdateFactory(title="Other")
    for query in ("goes on", "dauert", "str"):
        assert list(desk.get(f"/admin/campaign/update/?q={query}").context["cl"].queryset) == [update]


@pytest.mark.parametrize("model", MODELS)
def test_the_number_of_queries_of_a_list_does_not_grow_with_its_rows(
    desk, one_of_each, model, django_assert_num_queries
):
    with CaptureQueriesContext(connection) as few:
        desk.get(f"/admin/campaign/{model}/")
    for _ in range(3):
        activist = ActivistFactory()
        ChargeFactory(activist=activist, steps=[(date(2011, 6, 1), "charged")])
        UpdateFactory(strike=activist.strike)
        MessageOfSupportFactory(strike=activist.strike)
        DocumentFactory(strike=activist.strike)
    with django_assert_num_queries(len(few)):
        desk.get(f"/admin/campaign/{model}/")


# --- Writing -----------------------------------------------------------------------------------------------------


def test_an_update_that_is_posted_stands_on_home_and_in_the_feed(desk):
    strike, activist = StrikeFactory(), ActivistFactory()
    data = {
        "title": "They won",
        "slug": "they-won",
        "summary": "All of it.",
        "body": "## At last",
        "comments": "off",
        "strike": strike.pk,
        "activists": [activist.pk],
        "published_at_0": "2011-12-01",
        "published_at_1": "12:00",
    }
    assert saved(desk.post("/admin/campaign/update/add/", data)).url == "/admin/campaign/update/"
    assert "They won" in desk.get("/").text
    assert "They won" in desk.get("/updates/feed/").text
    assert "<h2>At last</h2>" in desk.get("/updates/they-won/").text


def test_the_address_of_the_feed_is_no_address_for_an_update(desk):
    response = desk.post("/admin/campaign/update/add/", {"title": "Feed", "slug": "feed", "body": "x"})
    assert "This is the address of the feed." in response.text
    assert not Update.objects.exists()


def test_the_address_of_a_page_follows_from_its_title(desk):
    html = desk.get("/admin/campaign/update/add/").text
    assert "#id_slug" in html
    assert "#id_title" in html


def test_a_translation_is_added_beside_the_original(desk):
    update = UpdateFactory(slug="u", title="In English")
    data = {"title": "Auf Deutsch", "slug": "u", "body": "Text.", "comments": "off", "published_at_0": "2011-12-01"}
    data["published_at_1"] = "12:00"
    saved(desk.post(f"/admin/campaign/update/{update.pk}/change/?language=de", data))
    assert "Auf Deutsch" in desk.get("/de/updates/u/").text
    assert "In English" in desk.get("/updates/u/").text


def test_a_strike_is_written_with_its_demands_days_and_claims(desk):
    data = {
        "title": "Dockers on strike",
        "slug": "dockers",
        "summary": "Since Monday.",
        **formset("demands", {"position": 1, "text": "Bread"}, {"position": 2, "text": "Roses"}),
        "status": "running",
        **formset(
            "events", {"happened_on": "2011-05-01", "date_text": "in May", "title": "It begins", "kind": "event"}
        ),
        **formset("claims", {"position": 1, "claim": "Few.", "answer": "Many."}),
        **formset("companies", {"position": 1, "name": "Docks", "url": "docks.example.org"}),
        **formset("sources", {"position": 1, "title": "On the quay", "url": "https://example.org/quay"}),
    }
    saved(desk.post("/admin/campaign/strike/add/", data))
    strike = Strike.objects.get()
    assert strike.companies.get().url == "https://docks.example.org"
    assert strike.sources.get().title == "On the quay"
    assert [demand.text for demand in strike.demands.all()] == ["Bread", "Roses"]
    assert strike.events.get().in_words == "in May"
    assert strike.claims.get().answer == "Many."
    assert "draft" in desk.get("/admin/campaign/strike/").text


def test_an_activist_is_written_with_spellings_and_charges_that_lead_to_their_history(desk):
    data = {
        "name": "Rosa Example",
        "slug": "rosa",
        "position": 0,
        **formset("aliases", {"name": "Роза"}),
        **formset("charges", {"position": 0, "title": "Disobedience"}),
        **formset("custodies", {"began_on": "2011-08-03", "exact": "on", "place": "Aktau"}),
    }
    saved(desk.post("/admin/campaign/activist/add/", data))
    activist = Activist.objects.get()
    charge = activist.charges.get()
    address = f"/admin/campaign/charge/{charge.pk}/change/"
    assert f'href="{address}' in desk.get(f"/admin/campaign/activist/{activist.pk}/change/").text
    data = {
        "activist": activist.pk,
        "title": "Disobedience",
        "position": 0,
        **formset("updates", {"happened_on": "2011-08-24", "stage": "sentenced", "text": "Six years."}),
    }
    saved(desk.post(address, data))
    assert Charge.objects.get().newest.stage == "sentenced"
    assert "sentenced to prison" in desk.get("/admin/campaign/charge/").text
    assert re.search(r"in prison, \d+ days", desk.get("/admin/campaign/activist/?in_custody=yes").text)


def test_the_desk_finds_an_activist_in_any_spelling_and_by_words_of_the_story(desk):
    ActivistFactory(name="Esenbek Example", story="Called in for questioning.")
    ActivistFactory(name="Clara Example")
    for words in ("есенбек", "Yesenbeck", "questioning"):
        text = desk.get("/admin/campaign/activist/", {"q": words}).text
        assert "Esenbek" in text
        assert "Clara" not in text


def test_a_memory_gets_no_charge_from_the_desk_and_keeps_those_there_were(desk):
    charge = ChargeFactory(title="Disobedience")
    activist = charge.activist
    Activist.objects.filter(pk=activist.pk).update(remembered=True)
    page = desk.get(f"/admin/campaign/activist/{activist.pk}/change/").text
    assert "Disobedience" in page
    assert "a memorial: charges and custody are not shown" in page
    data = {
        "name": activist.name,
        "slug": activist.slug,
        "strike": activist.strike.pk,
        "remembered": "on",
        "position": 0,
        "published_at_0": "2011-09-01",
        "published_at_1": "12:00",
        **formset("aliases"),
        **formset("charges", {"position": 0, "title": "Another"}),
        **formset("custodies", {"began_on": "2011-08-03"}),
    }
    assert (
        desk.post(
            "/admin/campaign/charge/add/",
            {"activist": activist.pk, "title": "Another", "position": 0, **formset("updates")},
        ).status_code
        == 200
    )
    desk.post(f"/admin/campaign/activist/{activist.pk}/change/", data)
    assert [str(charge) for charge in activist.charges.all()] == ["Disobedience"]
    assert not activist.custodies.exists()


@pytest.mark.parametrize(
    ("model", "data", "row"),
    [
        ("document", {"title": "Motion", "slug": "m", "kind": "motion", "body": "x"}, Document),
        ("messageofsupport", {"kind": "support", "organisation": "Union", "slug": "u", "text": "x"}, MessageOfSupport),
    ],
)
def test_documents_and_messages_are_written(desk, model, data, row):
    saved(desk.post(f"/admin/campaign/{model}/add/", {**data, "strike": StrikeFactory().pk}))
    assert row.objects.get().slug == data["slug"]


def test_the_campaign_is_one_row_which_the_list_leads_to(desk):
    assert desk.get("/admin/campaign/campaign/").status_code == 200
    saved(desk.post("/admin/campaign/campaign/add/", {"name": "Solidarity"}))
    response = desk.get("/admin/campaign/campaign/")
    assert response.url == "/admin/campaign/campaign/1/change/"
    assert "Solidarity" in desk.get("/").text
    assert desk.get("/admin/campaign/campaign/add/").status_code == 403
    assert desk.get("/admin/campaign/campaign/1/delete/").status_code == 403
    saved(desk.post("/admin/campaign/campaign/1/change/", {"name": "Solidarity now"}))
    assert Campaign.objects.get().name == "Solidarity now"


# --- Looking before it is public -----------------------------------------------------------------------------------


@pytest.mark.parametrize("factory", [StrikeFactory, ActivistFactory, UpdateFactory, DocumentFactory])
def test_view_on_site_leads_to_a_preview_of_a_draft_and_to_the_page_itself_later(desk, factory):
    row = factory(published_at=None)
    model = row._meta.model_name
    change = f"/admin/campaign/{model}/{row.pk}/change/"
    preview = f'{row.get_absolute_url()}?preview=1"'
    assert preview in desk.get(change).text
    assert "Draft, only organisers see this." in desk.get(f"{row.get_absolute_url()}?preview=1").text
    type(row).objects.update(published_at=timezone.now())
    assert preview not in desk.get(change).text
    assert f'href="{row.get_absolute_url()}"' in desk.get(change).text


def test_view_on_site_leads_to_the_language_that_is_being_written(desk):
    row = UpdateFactory(slug="u")
    row.create_translation("de", title="Auf Deutsch", body="Text.")
    assert 'href="/de/updates/u/"' in desk.get(f"/admin/campaign/update/{row.pk}/change/?language=de").text


def test_view_on_site_of_a_charge_leads_to_its_place_on_the_page_of_the_person(desk):
    charge = ChargeFactory(activist=ActivistFactory(slug="rosa", published_at=None))
    assert f'href="/activists/rosa/?preview=1#charge-{charge.pk}"' in (
        desk.get(f"/admin/campaign/charge/{charge.pk}/change/").text
    )


# --- Publishing many ---------------------------------------------------------------------------------------------


def test_publishing_asks_first_and_says_exactly_what_it_will_touch(desk):
    draft = UpdateFactory(title="The draft", published_at=None)
    planned = UpdateFactory(title="The planned", published_at=timezone.now() + timedelta(days=1))
    public = UpdateFactory(title="The public")
    before = public.published_at
    response = choose(desk, "update", "publish", [draft, planned, public])
    assert "This will change 2 rows." in response.text
    assert "You selected 3 rows." in response.text
    assert "1 of them stays as it is." in response.text
    assert re.findall(r"The (draft|planned|public)</a>", response.text) == ["draft", "planned"]
    assert Update.objects.published().count() == 1
    done = press_yes(desk, response)
    assert "Changed 2 of 3 rows." in done.text
    assert Update.objects.published().count() == 3
    public.refresh_from_db()
    assert public.published_at == before
    assert sorted(LogEntry.objects.values_list("object_repr", flat=True)) == ["The draft", "The planned"]


def test_back_to_draft_takes_a_page_from_readers(desk):
    update = UpdateFactory(slug="u")
    UpdateFactory()
    done = press_yes(desk, choose(desk, "update", "withdraw", [update]))
    assert "Changed 1 of 1 row." in done.text
    assert desk.get("/updates/u/").status_code == 404
    assert Update.objects.published().count() == 1


def test_all_rows_of_a_filtered_list_means_those_and_no_others(desk):
    strike = StrikeFactory()
    for _ in range(25):
        UpdateFactory(strike=strike, published_at=None)
    UpdateFactory(published_at=None)
    response = desk.post(
        f"/admin/campaign/update/?strike={strike.pk}",
        {"action": "publish", "select_across": 1, "index": 0, "_selected_action": strike.news.first().pk},
    )
    assert "This will change 25 rows." in response.text
    assert "and 5 more" in response.text
    assert "Changed 25 of 25 rows." in press_yes(desk, response).text
    assert Update.objects.published().count() == 25


def test_rows_that_changed_meanwhile_are_asked_about_again(desk):
    first, second = UpdateFactory(published_at=None), UpdateFactory(published_at=None)
    response = choose(desk, "update", "publish", [first, second])
    Update.objects.filter(pk=first.pk).update(published_at=timezone.now())
    again = press_yes(desk, response)
    assert "Nothing was done: the rows changed while you were reading." in again.text
    assert "This will change 1 row." in again.text
    assert Update.objects.published().count() == 1
    press_yes(desk, again)
    assert Update.objects.published().count() == 2


def test_an_action_that_would_change_nothing_has_no_button(desk):
    response = choose(desk, "update", "publish", [UpdateFactory()])
    assert "This will change 0 rows." in response.text
    assert 'type="submit" value="Yes' not in response.text


def test_a_made_up_confirmation_does_nothing(desk):
    draft = UpdateFactory(published_at=None)
    response = choose(desk, "update", "publish", [draft], confirm="yes")
    assert response.status_code == 200
    assert not Update.objects.published().exists()


def test_who_may_only_look_cannot_publish(client):
    user = OrganiserFactory(is_superuser=False)
    user.user_permissions.set(Permission.objects.filter(codename="view_update"))
    client.force_login(user)
    draft = UpdateFactory(published_at=None)
    assert "Publish now" not in client.get("/admin/campaign/update/").text
    choose(client, "update", "publish", [draft])
    assert not Update.objects.published().exists()


def test_the_confirmation_page_has_nothing_inline(desk):
    html = choose(desk, "update", "publish", [UpdateFactory(published_at=None)]).text
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", html)


def test_demands_can_be_put_in_another_order(desk):
    strike = StrikeFactory(slug="s", title="T", summary="S")
    first = Demand.objects.create(strike=strike, position=1, text="Bread")
    second = Demand.objects.create(strike=strike, position=2, text="Roses")
    rows = formset(
        "demands", {"id": first.pk, "position": 2, "text": "Bread"}, {"id": second.pk, "position": 1, "text": "Roses"}
    )
    rows["demands-INITIAL_FORMS"] = 2
    others = formset("events") | formset("claims") | formset("companies") | formset("sources")
    data = {"title": "T", "slug": "s", "summary": "S", "status": "running", **rows, **others}
    saved(desk.post(f"/admin/campaign/strike/{strike.pk}/change/", data))
    assert [demand.text for demand in strike.demands.all()] == ["Roses", "Bread"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "query",
    ["strike=" + "9" * 23, "published_at__year=99999", "published_at__year=9999", "activists__id__exact=" + "9" * 23],
)
def test_an_address_typed_by_hand_breaks_no_list(desk, one_of_each, model, query):
    assert desk.get(f"/admin/campaign/{model}/?{query}").status_code in {200, 302, 400}


@pytest.mark.parametrize("model", MODELS)
def test_an_address_typed_by_hand_breaks_no_form(desk, one_of_each, model):
    change = f"/admin/campaign/{model}/{one_of_each[model].pk}/change/"

    assert desk.get(change, {"language": "zz"}).status_code == 200
    for value in ("x", "2011-09-01", "9" * 23):
        page = desk.get(f"/admin/campaign/{model}/add/", {"published_at": value, "strike": value, "began_on": value})
        assert page.status_code == 200
