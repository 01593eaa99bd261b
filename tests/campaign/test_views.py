import re
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape

from campaign.models import Alias, Campaign, Claim, Company, Demand, Source, Strike, TimelineEvent
from privacy.registry import rules
from tests.factories import (
    ActivistFactory,
    ChargeFactory,
    CustodyFactory,
    DocumentFactory,
    EndorsementFactory,
    FundFactory,
    LetterFactory,
    MessageOfSupportFactory,
    OrganiserFactory,
    PictureFactory,
    StrikeFactory,
    UpdateFactory,
)

pytestmark = pytest.mark.django_db


def page(client, path, status=200):
    response = client.get(path)
    assert response.status_code == status
    return response.text


def main(client, path):
    """The text of a page between its navigation and its footer, without the mark-up."""
    found = re.search(r"<main.*?</main>", page(client, path), re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", found[0]).split())


@pytest.fixture
def strike():
    strike = StrikeFactory(slug="oil", story="## Since *May*")
    for position, text in enumerate(["Release the lawyer.", "Negotiate."], start=1):
        Demand.objects.create(strike=strike, position=position, text=text)
    return strike


def with_everything(strike, number):
    """Add `number` of whatever a strike can have."""
    for i in range(number):
        Demand.objects.create(strike=strike, position=100 + strike.demands.count(), text=f"Demand {i}")
        Claim.objects.create(strike=strike, position=100 + strike.claims.count(), claim="Few.", answer="Many.")
        Company.objects.create(
            strike=strike, position=100 + strike.companies.count(), name=f"Company {strike.companies.count()}"
        )
        Source.objects.create(
            strike=strike, position=100 + strike.sources.count(), title=f"Article {strike.sources.count()}"
        )
        TimelineEvent.objects.create(strike=strike, happened_on=date(2011, 5, 1 + i), title="A day")
        activist = ActivistFactory(strike=strike, portrait=PictureFactory())
        Alias.objects.create(activist=activist, name=f"Роза {i}")
        CustodyFactory(activist=activist)
        for stage in ("threatened", "charged"):
            ChargeFactory(activist=activist, steps=[(date(2011, 6, 1), stage), (date(2011, 7, 1), "on_trial")])
        UpdateFactory(strike=strike).activists.add(activist)
        MessageOfSupportFactory(strike=strike)
        EndorsementFactory(strike=strike)
        DocumentFactory(strike=strike)


# --- Home --------------------------------------------------------------------------------------------------------


def test_home_tells_an_organiser_what_to_do_while_nothing_is_published(client):
    StrikeFactory(published_at=None)
    text = main(client, "/")
    assert "Nothing is published yet" in text
    assert 'href="/admin/"' in page(client, "/")


def test_home_names_the_campaign_its_strikes_and_the_newest_five_updates(client, strike):
    Campaign.objects.create(name="Solidarity with the oil workers", tagline="They strike, we stand with them.")
    for number in range(6):
        UpdateFactory(strike=strike, title=f"Update {number}", published_at=datetime(2011, 9, 1 + number, tzinfo=UTC))
    text = main(client, "/")
    assert "Solidarity with the oil workers" in page(client, "/")
    assert "They strike, we stand with them." in text
    assert strike.summary in text
    assert "Nothing is published yet" not in text
    assert re.findall(r"Update \d", text) == ["Update 5", "Update 4", "Update 3", "Update 2", "Update 1"]


def test_home_shows_who_is_in_danger_with_the_newest_stage_of_each_charge_and_not_the_dead(client):
    ChargeFactory(
        activist=ActivistFactory(name="Rosa Example"),
        steps=[(date(2011, 8, 1), "sentenced"), (date(2011, 5, 1), "threatened")],
    )
    ActivistFactory(name="Clara Remembered", remembered=True)
    text = main(client, "/")
    assert "Rosa Example" in text
    assert "sentenced to prison" in text
    assert "threatened" not in text
    assert "Clara Remembered" not in text


# --- A strike ----------------------------------------------------------------------------------------------------


def test_a_strike_page_tells_the_whole_story(client, strike):
    TimelineEvent.objects.create(strike=strike, happened_on=date(2011, 8, 15), date_text="mid-August", title="Loss")
    TimelineEvent.objects.create(strike=strike, happened_on=date(2011, 7, 4), title="A visit", text="*Guests* came.")
    Claim.objects.create(strike=strike, position=1, claim="Few take part.", answer="Thousands do.")
    ActivistFactory(strike=strike, name="Rosa Example")
    ActivistFactory(strike=strike, name="Clara Remembered", remembered=True)
    MessageOfSupportFactory(strike=strike, country="SE")
    DocumentFactory(strike=strike)
    UpdateFactory(strike=strike)
    text = main(client, "/strikes/oil/")
    for expected in (
        "Release the lawyer.",
        "Few take part.",
        "Thousands do.",
        "Rosa Example",
        "In memory Clara Remembered",
        "Mineworkers&#x27; Union of Example, Sweden",
        "A motion for your branch",
        "News from the square",
    ):
        assert expected in text
    assert text.index("A visit") < text.index("Loss")
    assert "<h2>Since <em>May</em></h2>" in page(client, "/strikes/oil/")


def test_a_long_story_begins_on_the_strikes_page_and_has_one_of_its_own(client, strike):
    begins, goes_on = "They stopped work. " * 20, "They did not go back. " * 200
    strike.story = f"{begins}\n\n# What then\n\n{goes_on}\n\nThe [end].\n\n[end]: https://www.example.org/"
    strike.save()
    assert main(client, "/strikes/oil/").count("They stopped work.") == 20
    assert "What then" not in main(client, "/strikes/oil/")
    assert 'href="/strikes/oil/story/"' in page(client, "/strikes/oil/")
    whole = page(client, "/strikes/oil/story/")
    assert whole.count("They did not go back.") == 200
    assert '<a href="https://www.example.org/"' in whole


def test_what_a_strikes_page_has_no_room_for_stands_with_its_story(client, strike):
    for number in range(1, 8):
        TimelineEvent.objects.create(strike=strike, happened_on=date(2011, 5, number), title=f"Day {number}.")
        Claim.objects.create(strike=strike, position=number, claim=f"Claim {number}.", answer="No.")
    shown = main(client, "/strikes/oil/")
    assert re.findall(r"Day \d", shown) == ["Day 3", "Day 4", "Day 5", "Day 6", "Day 7"]
    assert re.findall(r"Claim \d", shown) == ["Claim 1", "Claim 2", "Claim 3"]
    html = page(client, "/strikes/oil/")
    whole, told = page(client, "/strikes/oil/story/"), main(client, "/strikes/oil/story/")
    for part, words in (("timeline", "Day"), ("claims", "Claim")):
        assert f'href="/strikes/oil/story/#{part}"' in html
        assert f'id="{part}"' in whole
        assert len(re.findall(rf"{words} \d", told)) == 7


def test_a_strikes_page_that_has_room_for_all_sends_nobody_elsewhere(client, strike):
    TimelineEvent.objects.create(strike=strike, happened_on=date(2011, 5, 1), title="A day")
    Claim.objects.create(strike=strike, position=1, claim="Few.", answer="Many.")
    assert "/story/" not in page(client, "/strikes/oil/")


def test_a_draft_has_no_page_for_its_story(client, strike):
    strike.published_at = None
    strike.save()
    page(client, "/strikes/oil/story/", 404)


def test_a_day_that_is_only_roughly_known_is_never_shown_as_a_date(client, strike):
    TimelineEvent.objects.create(strike=strike, happened_on=date(2011, 8, 15), date_text="mid-August", title="Loss")
    html = page(client, "/strikes/oil/")
    assert "mid-August" in html
    assert "2011-08-15" not in html
    assert "15, 2011" not in html


def test_a_draft_preview_of_a_strike_shows_what_will_stand_there(client):
    strike = StrikeFactory(published_at=None, slug="new")
    ActivistFactory(strike=strike, name="Rosa Example")
    ActivistFactory(strike=strike, name="Not Yet", published_at=None)
    client.force_login(OrganiserFactory())
    text = main(client, "/strikes/new/?preview=1")
    assert "Draft, only organisers see this." in text
    assert "Rosa Example" in text
    assert "Not Yet" not in text


# --- What is not published ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("published_at", [None, timezone.now() + timedelta(days=1)])
@pytest.mark.parametrize(
    ("factory", "path"),
    [
        (StrikeFactory, "/strikes/x/"),
        (ActivistFactory, "/activists/x/"),
        (UpdateFactory, "/updates/x/"),
        (DocumentFactory, "/documents/x/"),
    ],
)
def test_drafts_and_planned_rows_are_not_found(client, factory, path, published_at):
    factory(slug="x", published_at=published_at)
    page(client, path, status=404)
    page(client, f"{path}?preview=1", status=404)


@pytest.mark.parametrize("path", ["/strikes/x/", "/activists/x/", "/updates/x/", "/documents/x/"])
def test_an_unknown_address_is_not_found(client, path):
    page(client, path, status=404)


def test_what_belongs_to_an_unpublished_strike_waits_for_it(client):
    strike = StrikeFactory(published_at=None, title="Secret strike")
    ActivistFactory(strike=strike, slug="a", name="Rosa Example")
    UpdateFactory(strike=strike, slug="u", title="Secret news")
    MessageOfSupportFactory(strike=strike, text="Secret message")
    DocumentFactory(strike=strike, slug="d")
    for path in ("/", "/activists/", "/updates/", "/updates/feed/", "/messages/"):
        html = page(client, path)
        assert "Secret" not in html
        assert "Rosa Example" not in html
    for path in ("/activists/a/", "/updates/u/", "/documents/d/"):
        page(client, path, status=404)


def test_what_belongs_to_no_strike_waits_for_nothing(client):
    UpdateFactory(strike=None, slug="u")
    page(client, "/updates/u/")


def test_a_planned_update_appears_by_itself(client):
    at = datetime(2030, 5, 1, 12, tzinfo=UTC)
    UpdateFactory(slug="planned", published_at=at)
    with time_machine.travel(at - timedelta(seconds=1), tick=False):
        page(client, "/updates/planned/", status=404)
    with time_machine.travel(at + timedelta(seconds=1), tick=False):
        assert "News from the square" in main(client, "/updates/planned/")
        assert "News from the square" in main(client, "/")


# --- Previews ----------------------------------------------------------------------------------------------------


def staff_with(*codenames):
    user = OrganiserFactory(is_superuser=False)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


@pytest.mark.parametrize("codename", ["view_update", "change_update"])
def test_an_organiser_previews_a_draft_which_no_cache_may_keep(client, codename):
    UpdateFactory(slug="draft", published_at=None)
    client.force_login(staff_with(codename))
    response = client.get("/updates/draft/?preview=1")
    assert "Draft, only organisers see this." in response.text
    assert "They <em>stand</em>." in response.text
    assert response["Cache-Control"] == "private, no-store"


def test_an_organiser_without_the_permission_sees_no_draft(client):
    UpdateFactory(slug="draft", published_at=None)
    client.force_login(staff_with("view_strike"))
    page(client, "/updates/draft/?preview=1", status=404)


def test_a_user_who_is_no_organiser_sees_no_draft(client):
    UpdateFactory(slug="draft", published_at=None)
    client.force_login(OrganiserFactory(is_staff=False))
    page(client, "/updates/draft/?preview=1", status=404)


def test_without_asking_for_a_preview_an_organiser_sees_what_readers_see(client):
    UpdateFactory(slug="draft", published_at=None)
    client.force_login(OrganiserFactory())
    page(client, "/updates/draft/", status=404)
    page(client, "/updates/draft/?preview=0", status=404)


def test_the_preview_of_a_published_update_is_not_called_a_draft(client):
    UpdateFactory(slug="public")
    client.force_login(OrganiserFactory())
    assert "Draft" not in main(client, "/updates/public/?preview=1")


# --- Activists ---------------------------------------------------------------------------------------------------


@pytest.fixture
def people():
    rosa = ActivistFactory(name="Yesenbek Zhanayev", slug="yesenbek")
    Alias.objects.create(activist=rosa, name="Есенбек Жанаев")
    Alias.objects.create(activist=rosa, name="Esen Zhanayev")
    ActivistFactory(name="Éva Ťažká", slug="eva")
    ActivistFactory(name="Şükrü IŞIK", slug="sukru")
    ActivistFactory(name="Clara Remembered", slug="clara", remembered=True)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("yesenbek", "Yesenbek Zhanayev"),
        ("ESEN", "Yesenbek Zhanayev"),
        ("esen zhan", "Yesenbek Zhanayev"),
        ("zhanayev esen", "Yesenbek Zhanayev"),
        ("есенбек", "Yesenbek Zhanayev"),
        ("ЖАНАЕВ", "Yesenbek Zhanayev"),
        ("eva tazka", "Éva Ťažká"),
        ("ÉVA", "Éva Ťažká"),
        ("şükrü", "Şükrü IŞIK"),
        ("  clara ", "Clara Remembered"),
        # In scripts and transliterations that nobody has written down.
        ("Есенбекъ", "Yesenbek Zhanayev"),
        ("ієсенбек", "Yesenbek Zhanayev"),
        ("yessenbeck", "Yesenbek Zhanayev"),
        ("zhanaev", "Yesenbek Zhanayev"),
        ("Эва", "Éva Ťažká"),
        ("клара", "Clara Remembered"),
        ("есенбек zhanayev", "Yesenbek Zhanayev"),
    ],
)
def test_search_finds_any_spelling_in_any_script_and_case(client, people, query, found):
    response = client.get("/activists/", {"q": query})
    names = [activist.name for activist in (*response.context["activists"], *response.context["remembered"])]
    assert names == [found]


def test_words_of_two_people_do_not_add_up_to_a_name(client, people):
    assert client.get("/activists/", {"q": "esen eva"}).context["activists"] == []


@pytest.mark.parametrize("query", ["ь", "'", "̈"])
def test_a_sign_without_a_sound_finds_nobody(client, people, query):
    response = client.get("/activists/", {"q": query})
    assert (response.context["activists"], response.context["remembered"]) == ([], [])


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("Esenbek Ukteshbayev", "Yesenbeck"),
        ("Esenbek Ukteshbayev", "Есенбек Уктешбаев"),
        ("Esenbek Ukteshbayev", "ЕСЕН"),
        ("Наталья Соколова", "Natalia Sokolova"),
        ("Наталья Соколова", "nataliya"),
        ("Natalya Sokolova", "Наталія"),
        ("Дмитрий Тихонов", "Dmitri Tikhonov"),
        ("Dmitry Tikhonov", "Dmitriy Tihonov"),
        ("Жанна Байтелова", "Zhanna Baitelova"),
        ("Айнұр Құрманов", "Ainur Kurmanov"),
        ("Пётр", "Petr"),
        ("Пётр", "Петр"),
        ("Łukasz Żółty", "lukasz zolty"),
        ("محمد علي", "محمد"),
        ("王小明", "小明"),
    ],
)
def test_search_finds_a_name_that_was_transliterated_in_another_way(client, name, query):
    ActivistFactory(name=name)
    ActivistFactory(name="Clara Example")
    assert [activist.name for activist in client.get("/activists/", {"q": query}).context["activists"]] == [name]


def test_search_that_finds_nobody_says_so_and_keeps_what_was_typed(client, people):
    response = client.get("/activists/", {"q": '"><script>'})
    assert "We have nobody of the name" in response.text
    assert 'value="&quot;&gt;&lt;script&gt;"' in response.text


def test_search_does_not_find_drafts(client):
    ActivistFactory(name="Rosa Example", published_at=None)
    assert client.get("/activists/", {"q": "rosa"}).context["activists"] == []


def test_the_dead_are_remembered_apart(client, people):
    text = main(client, "/activists/")
    assert (
        text.index("The persecuted") < text.index("Yesenbek") < text.index("In memory") < text.index("Clara Remembered")
    )


def test_an_activist_page_shows_each_charge_with_its_state_and_history(client):
    activist = ActivistFactory(slug="rosa", story="A *lawyer*.")
    Alias.objects.create(activist=activist, name="Роза")
    ChargeFactory(
        activist=activist,
        maximum_months=84,
        text="For a **campaign**.",
        steps=[(date(2011, 6, 1), "accused"), (date(2011, 8, 24), "sentenced"), (date(2011, 7, 1), "charged")],
    )
    ChargeFactory(activist=activist, title="Disobedience", maximum_months=18)
    UpdateFactory(title="Rosa sentenced").activists.add(activist)
    text = main(client, "/activists/rosa/")
    assert "Also spelt: Роза" in text
    assert "Where it stands: sentenced to prison 24 August 2011 Maximum sentence: 7 years" in text
    assert "Maximum sentence: 18 months" in text
    assert "Rosa sentenced" in text
    history = text[text.index("History, newest first") :]
    assert history.index("Sentenced to prison") < history.index("Charged") < history.index("Accused")


def test_a_person_who_is_remembered_is_no_case(client):
    activist = ActivistFactory(slug="clara", remembered=True, story="She was 18.")
    ChargeFactory(activist=activist)
    text = main(client, "/activists/clara/")
    assert "In memory" in text
    assert not re.search(r"case|charge|accus|danger|Seizure", text, re.IGNORECASE)


def test_activists_are_listed_by_what_happens_to_them_now(client):
    CustodyFactory(activist__name="Held Example")
    ChargeFactory(activist__name="Charged Example", steps=[(date(2011, 6, 1), "on_trial")])
    ActivistFactory(name="Clara Remembered", remembered=True)
    text = main(client, "/activists/")
    assert "everybody under arrest (1) charged (1)" in text
    assert "threatened" not in text
    text = main(client, "/activists/?status=charged")
    assert "Charged Example" in text
    assert "Held" not in text
    assert "Clara" not in text
    assert "We know of nobody" in main(client, "/activists/?status=in_prison")
    assert "Held Example" in main(client, "/activists/?status=nonsense")


def test_a_status_and_a_name_are_looked_for_together(client):
    CustodyFactory(activist__name="Held Example")
    CustodyFactory(activist__name="Held Too")
    ChargeFactory(activist__name="Free Example", steps=[(date(2011, 6, 1), "dropped")])
    response = client.get("/activists/", {"status": "under_arrest", "q": "example"})
    assert [activist.name for activist in response.context["activists"]] == ["Held Example"]
    assert 'href="?status=free&amp;q=example"' in response.text


def test_an_activist_page_counts_the_days_in_custody_and_says_what_is_demanded(client):
    activist = ActivistFactory(slug="rosa", name="Rosa Example", demand="**Release** her.")
    first = CustodyFactory(activist=activist, began_on=date(2011, 6, 1), ended_on=date(2011, 6, 7), place="Aktau")
    ChargeFactory(activist=activist, steps=[(date(2011, 8, 24), "sentenced")])
    with time_machine.travel("2011-09-01T12:00Z", tick=False):
        assert "7 days, the first and the last one counted 1 June 2011 – 7 June 2011 · Aktau" in main(
            client, "/activists/rosa/"
        )
        CustodyFactory(activist=activist, began_on=date(2011, 8, 3), exact=False, known_until=date(2011, 8, 24))
        text = main(client, "/activists/rosa/")
    assert "What we demand Release her." in text
    assert "in prison : at least 29 days in custody by 24 August 2011, the last that we know" in text
    assert "29 days at least, as far as we know" in text
    assert "Last heard of on 24 August 2011. Days after that are not counted." in text
    first.create_translation("de", date_text="Anfang Juni 2011")
    assert "Anfang Juni 2011 · Aktau" not in main(client, "/activists/rosa/")


def test_a_memorial_shows_a_life_and_no_custody(client):
    activist = ActivistFactory(
        slug="clara", remembered=True, born_on=date(1993, 2, 1), died_on=date(2011, 8, 20), demand="The truth."
    )
    CustodyFactory(activist=activist)
    text = main(client, "/activists/clara/")
    assert "1 February 1993 – 20 August 2011" in text
    assert "What we demand in their memory The truth." in text
    assert "custody" not in text.lower()
    activist.died_text = "in the summer of 2011"
    activist.save()
    text = main(client, "/activists/clara/")
    assert "in the summer of 2011" in text
    assert "1993" not in text


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Rosa Example", "RE"), ("роза де ла пример", "РП"), ("Rosa", "R"), ("‘Rosa’ O'Neil", "RO"), ("42", "")],
)
def test_where_there_is_no_portrait_there_are_the_initials(client, name, letters):
    ActivistFactory(slug="x", name=name)
    assert re.findall(r'data-initials="([^"]*)"', page(client, "/activists/x/")) == [letters]


def test_a_portrait_is_shown_once_it_is_published_and_else_the_initials(client):
    portrait = PictureFactory(alt="She speaks on the square.", credit="Union press")
    activist = ActivistFactory(slug="rosa", portrait=portrait)
    for path in ("/activists/", "/activists/rosa/"):
        html = page(client, path)
        assert 'alt="She speaks on the square."' in html
        assert "data-initials" not in html
    assert "Picture: Union press" in main(client, "/activists/rosa/")
    portrait.published_at = None
    portrait.save()
    html = page(client, "/activists/rosa/")
    assert "She speaks" not in html
    assert "Union press" not in html
    assert "data-initials" in html
    portrait.delete()
    activist.refresh_from_db()
    assert activist.portrait is None


def test_a_person_without_a_letter_has_those_of_the_strike_for_everybody(client):
    strike = StrikeFactory()
    rosa, clara = ActivistFactory(slug="rosa", strike=strike), ActivistFactory(slug="clara", strike=strike)
    LetterFactory(strike=strike, title="For all of them")
    LetterFactory(strike=strike, title="For Clara", activist=clara)
    LetterFactory(strike=strike, title="Closed", activist=rosa, closed_at=timezone.now())
    LetterFactory(strike=strike, title="Draft", activist=rosa, published_at=None)
    LetterFactory(title="Of another strike")
    text = main(client, "/activists/rosa/")
    assert "What you can do now For all of them" in text
    assert not re.search("Clara|Closed|Draft|another", text)
    text = main(client, "/activists/clara/")
    assert "Write for Rosa Example For Clara" in text
    assert "For all of them" not in text
    clara.remembered = True
    clara.save()
    assert "Write in their memory For Clara" in main(client, "/activists/clara/")
    rosa.remembered = True
    rosa.save()
    assert "For all of them" not in main(client, "/activists/rosa/")


def test_a_printed_page_tells_where_it_is_from(client, one_of_each):
    for path in ("/activists/x/", "/updates/x/", "/documents/x/"):
        assert f'<p class="printed-from">http://testserver{path}</p>' in page(client, path)


def test_an_update_that_is_not_published_is_not_listed_with_a_person(client):
    activist = ActivistFactory(slug="rosa")
    UpdateFactory(title="Not yet", published_at=None).activists.add(activist)
    assert "Not yet" not in main(client, "/activists/rosa/")


# --- Updates, messages, documents ---------------------------------------------------------------------------------


def test_updates_come_in_pages_of_twenty(client, strike):
    for number in range(21):
        UpdateFactory(strike=strike, slug=f"n-{number}", published_at=datetime(2011, 9, 1 + number, tzinfo=UTC))
    first, second = page(client, "/updates/"), page(client, "/updates/?page=2")
    assert first.count('href="/updates/n-') == 20
    assert re.findall(r'href="/updates/(n-\d+)/"', second) == ["n-0"]
    assert 'rel="next" href="?page=2"' in first
    assert 'rel="prev" href="?page=1"' in second


@pytest.mark.parametrize("number", ["x", "-1", "0", "1", ""])
def test_what_is_no_page_number_shows_the_first_page(client, number):
    UpdateFactory()
    assert "News from the square" in main(client, f"/updates/?page={number}")


@pytest.mark.parametrize("path", ["/updates/", "/messages/", "/endorsements/", "/pickets/", "/updates/?q=news"])
@pytest.mark.parametrize("number", ["2", "99", "1000", "9" * 400])
def test_after_the_last_page_comes_none(client, path, number):
    UpdateFactory()
    assert client.get(f"{path}{'&' if '?' in path else '?'}page={number}").status_code == 404


def test_an_update_shows_its_source_its_people_and_its_strike(client, strike):
    update = UpdateFactory(slug="u", strike=strike, source="The paper of the miners")
    update.activists.add(ActivistFactory(name="Rosa Example"), ActivistFactory(name="Not Yet", published_at=None))
    text = main(client, "/updates/u/")
    assert "Source: The paper of the miners" in text
    assert "Rosa Example" in text
    assert "Not Yet" not in text
    assert 'href="/strikes/oil/"' in page(client, "/updates/u/")


def test_messages_of_support_name_the_country_in_the_language_of_the_reader(client):
    MessageOfSupportFactory(country="SE", received_on=date(2011, 8, 2))
    MessageOfSupportFactory(text="Secret", published_at=None)
    assert "We stand with you." in main(client, "/messages/")
    assert "Schweden" in main(client, "/de/messages/")
    assert "Secret" not in main(client, "/messages/")


def test_a_document_page_shows_its_text(client):
    DocumentFactory(slug="motion")
    assert "This branch <em>resolves</em>." in page(client, "/documents/motion/")


# --- Privacy -----------------------------------------------------------------------------------------------------


def test_the_privacy_page_gives_each_personal_column_its_purpose_and_its_end(client):
    html = page(client, "/privacy/")
    declared = list(rules())
    assert declared
    for _model, _column, rule in declared:
        assert escape(str(rule.purpose)) in html
        assert f"{rule.days} day{'s' if rule.days > 1 else ''}" in main(client, "/privacy/")
    assert "at most 180 days after you confirmed it" in main(client, "/privacy/")


def test_no_column_name_or_lookup_path_is_shown_to_a_reader(client):
    text = main(client, "/privacy/")
    assert not re.search(r"\w_\w", text)
    assert "token" not in text.lower()


# --- What holds for every public page ----------------------------------------------------------------------------

PATHS = [
    "/",
    "/strikes/x/",
    "/activists/",
    "/activists/?q=rosa",
    "/activists/?status=under_arrest",
    "/activists/x/",
    "/updates/",
    "/updates/?q=square",
    "/updates/2011/09/",
    "/updates/x/",
    "/updates/feed/",
    "/messages/",
    "/messages/x/",
    "/endorsements/",
    "/documents/",
    "/documents/x/",
    "/privacy/",
    "/updates/nothing/",
]


@pytest.fixture
def one_of_each():
    strike = StrikeFactory(slug="x")
    with_everything(strike, 1)
    activist = ActivistFactory(slug="x", strike=strike)
    UpdateFactory(slug="x", strike=strike).activists.add(activist)
    DocumentFactory(slug="x", strike=strike, shows_account=True)
    MessageOfSupportFactory(slug="x", strike=strike)
    FundFactory(strike=strike)
    return strike


@pytest.mark.parametrize("logged_in", [False, True])
@pytest.mark.parametrize("path", PATHS)
def test_a_public_page_depends_on_no_cookie_and_sets_none(client, one_of_each, path, logged_in):
    if logged_in:
        client.force_login(OrganiserFactory())
    response = client.get(path)
    assert not response.cookies
    assert "cookie" not in response.get("Vary", "").lower()


@pytest.mark.parametrize("path", PATHS)
def test_a_public_page_has_nothing_inline_and_nothing_from_elsewhere(client, one_of_each, path):
    html = client.get(path).text
    assert not re.search(r"<style|\sstyle=|\son\w+=", html)
    assert not re.search(r"<script(?![^>]*\ssrc=)", html)
    assert not re.search(r'<(?:script|img|iframe|video|audio|source)[^>]*\ssrc="(?:https?:)?//', html)
    assert not re.search(r'<link[^>]*rel="(?:stylesheet|icon)"[^>]*href="(?:https?:)?//', html)


@pytest.mark.parametrize("path", [path for path in PATHS if "feed" not in path])
def test_a_page_has_one_h1_and_no_id_twice(client, one_of_each, path):
    html = client.get(path).text
    assert html.count("<h1") == 1
    ids = re.findall(r'\sid="([^"]*)"', html)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("path", PATHS)
def test_pages_are_only_read(client, one_of_each, path):
    assert client.post(path).status_code in {404, 405}


@pytest.mark.parametrize("language", ["de", "ru"])
@pytest.mark.parametrize("path", [path for path in PATHS if "feed" not in path and "nothing" not in path])
def test_pages_exist_in_each_language(client, one_of_each, path, language):
    html = page(client, f"/{language}{path}")
    assert f'<html lang="{language}"' in html


def test_a_translated_text_is_shown_in_its_language_and_else_in_the_one_there_is(client):
    strike = StrikeFactory(slug="x", title="Strike in English")
    strike.create_translation("de", title="Streik auf Deutsch", summary="Kurz.")
    assert "Streik auf Deutsch" in main(client, "/de/strikes/x/")
    assert "Strike in English" in main(client, "/strikes/x/")
    assert "Strike in English" in main(client, "/ru/strikes/x/")


def test_a_text_that_exists_in_russian_alone_is_shown_to_everybody(client):
    strike = Strike(slug="x", published_at=timezone.now())
    strike.set_current_language("ru")
    strike.title, strike.summary = "Забастовка", "Коротко."
    strike.save()
    assert "Забастовка" in main(client, "/strikes/x/")
    assert "Забастовка" in main(client, "/de/")


@pytest.mark.parametrize("path", [path for path in PATHS if "nothing" not in path])
@pytest.mark.parametrize("language", ["", "/ru"])
def test_the_number_of_queries_does_not_grow_with_the_rows(
    client, one_of_each, path, language, django_assert_num_queries
):
    activist, update = one_of_each.activists.get(slug="x"), one_of_each.news.get(slug="x")
    ChargeFactory(activist=activist, steps=[(date(2011, 6, 1), "charged")])
    Alias.objects.create(activist=activist, name="Роза")
    CustodyFactory(activist=activist)
    LetterFactory(activist=activist, strike=one_of_each)
    with CaptureQueriesContext(connection) as few:
        page(client, language + path)
    with_everything(one_of_each, 3)
    for number in range(3):
        ChargeFactory(activist=activist, steps=[(date(2011, 6, 1), "charged"), (date(2011, 7, 1), "on_trial")])
        Alias.objects.create(activist=activist, name=f"Роза {number}")
        CustodyFactory(activist=activist, began_on=date(2011, 6, 1 + number), ended_on=date(2011, 6, 7))
        LetterFactory(activist=activist, strike=one_of_each)
        other = ActivistFactory(strike=one_of_each)
        ChargeFactory(activist=other, steps=[(date(2011, 6, 1), "charged")])
        update.activists.add(other)
        UpdateFactory(strike=one_of_each).activists.add(activist)
    StrikeFactory()
    with django_assert_num_queries(len(few)):
        page(client, language + path)
