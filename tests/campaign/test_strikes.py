import re
from datetime import date, datetime, timedelta
from html import unescape
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone, translation

from campaign import charting
from campaign.models import Company, Demand, Labour, Share, Source, Strike, TimelineEvent
from tests.factories import (
    ActivistFactory,
    ChargeFactory,
    DocumentFactory,
    LabourFactory,
    LetterFactory,
    MessageOfSupportFactory,
    OrganiserFactory,
    StrikeFactory,
)

pytestmark = pytest.mark.django_db


def html(client, path):
    response = client.get(path)
    assert response.status_code == 200
    return re.search(r"<main.*?</main>", response.text, re.DOTALL)[0]


def text(client, path):
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html(client, path))).split())


def sentenced(name, **kwargs):
    activist = ActivistFactory(name=name, **kwargs)
    ChargeFactory(activist=activist, steps=[(date(2011, 8, 1), "sentenced")])
    return activist


# --- Home --------------------------------------------------------------------------------------------------------


def test_home_says_what_happens_who_is_sentenced_and_what_to_do_in_this_order(client):
    strike = StrikeFactory(title="Dockers on strike", summary="Since Monday.")
    LetterFactory(strike=strike, title="Free Rosa", slug="rosa")
    sentenced("Rosa Example")
    said = text(client, "/")
    places = [said.index(part) for part in ("Dockers on strike", "Since Monday.", "Rosa Example", "Sign the letter")]
    assert places == sorted(places)
    assert said.index("Sign the letter") < said.index("What you can do now")
    assert re.search(r'class="btn btn-primary" href="/letters/rosa/#sign"', html(client, "/"))


def test_only_who_is_sentenced_by_the_newest_step_and_lives_is_named_and_no_more_than_three(client):
    StrikeFactory()
    freed = ActivistFactory(name="Freed Example")
    ChargeFactory(activist=freed, steps=[(date(2011, 8, 1), "sentenced"), (date(2011, 9, 1), "released")])
    sentenced("Clara Remembered", remembered=True)
    assert "sentenced to prison:" not in text(client, "/")
    for number in range(1, 4):
        sentenced(f"Example {number}", position=number)
    assert "and others" not in text(client, "/")
    sentenced("Example 4", position=4)
    shown = re.search(r'<p class="in-prison">.*?</p>', html(client, "/"), re.DOTALL)[0]
    assert re.findall(r"Example \d", shown) == ["Example 1", "Example 2", "Example 3"]
    assert 'href="/activists/"' in shown


def test_a_strike_that_runs_goes_before_newer_ones_that_are_over(client):
    now = timezone.now()
    StrikeFactory(title="Old and running", published_at=now - timedelta(days=9))
    StrikeFactory(title="New and won", published_at=now, status="won")
    page = html(client, "/")
    assert re.search(r"<h1>\s*<a [^>]*>Old and running", page)
    assert page.index("Old and running") < page.index("Other strikes") < page.index("New and won")


def test_home_says_what_a_union_can_do_and_which_did(client):
    StrikeFactory()
    DocumentFactory(title="A motion", kind="motion")
    DocumentFactory(title="A leaflet", kind="leaflet")
    DocumentFactory(title="A draft", kind="motion", published_at=None)
    MessageOfSupportFactory(organisation="Miners of Example")
    said = text(client, "/")
    assert "A motion (model motion)" in said
    assert "They stand with the strikers: Miners of Example" in said
    assert "A leaflet" not in said
    assert "A draft" not in said


# --- How a strike stands ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "word"), Strike.Status.choices)
def test_a_strike_says_how_it_stands_and_what_came_of_it_once_it_no_longer_runs(client, status, word):
    StrikeFactory(slug="s", status=status, outcome="All are **back**.")
    page = html(client, "/strikes/s/")
    assert f'status-{status}">{word.capitalize()}<' in page
    assert ("All are <strong>back</strong>." in page) == (status != "running")


def test_demands_say_what_was_won_and_what_in_part(client):
    strike = StrikeFactory(slug="s")
    Demand.objects.create(strike=strike, position=1, text="Bread", won_on=date(2011, 9, 1), won_text="A loaf each.")
    Demand.objects.create(strike=strike, position=2, text="Roses", won_text="Two roses.")
    Demand.objects.create(strike=strike, position=3, text="Time")
    said = text(client, "/strikes/s/")
    assert "Bread Won on 1 September 2011 A loaf each. Roses Won in part Two roses. Time" in said
    assert said.count("Won") == 2


def test_the_kind_of_a_day_is_told_by_a_sign_and_by_a_word(client):
    strike = StrikeFactory(slug="s")
    for day, kind in enumerate(TimelineEvent.Kind.values, start=1):
        TimelineEvent.objects.create(strike=strike, happened_on=date(2011, 5, day), title=f"Day {day}", kind=kind)
    page = html(client, "/strikes/s/story/")
    signs = re.findall(r'<svg class="icon".*?</svg>', page, re.DOTALL)
    assert len(signs) == len(set(signs)) == len(TimelineEvent.Kind)
    for kind in set(TimelineEvent.Kind) - {TimelineEvent.Kind.EVENT}:
        assert f"<strong>{kind.label}</strong>" in page


def test_days_known_roughly_stand_by_their_first_possible_day_and_keep_their_words(client):
    strike = StrikeFactory(slug="s")
    for day, words, title in ((15, "mid-August", "Second"), (3, "", "First"), (20, "after mid-August", "Third")):
        TimelineEvent.objects.create(strike=strike, happened_on=date(2011, 8, day), date_text=words, title=title)
    said = text(client, "/strikes/s/")
    assert "3 August 2011 First mid-August Second after mid-August Third" in said


def test_companies_and_sources_are_named_in_their_order_and_linked_where_an_address_is_known(client):
    strike = StrikeFactory(slug="s")
    Company.objects.create(strike=strike, position=2, name="Second Oil")
    Company.objects.create(
        strike=strike, position=1, name="First Oil", role="Employs them.", url="https://example.org/"
    )
    Source.objects.create(
        strike=strike,
        position=1,
        title="No bread",
        author="R. Example",
        publisher="News",
        published_on=date(2011, 9, 1),
    )
    page, said = html(client, "/strikes/s/"), text(client, "/strikes/s/")
    assert "First Oil Employs them. Second Oil" in said
    assert "R. Example: No bread , News, 1 September 2011" in said
    assert '<a href="https://example.org/" rel="noreferrer">First Oil</a>' in page


# --- A month's labour ---------------------------------------------------------------------------------------------


def test_the_bar_holds_each_share_and_what_they_leave_over():
    labour = LabourFactory(shares=[("wages", 1500), ("state", 5500), ("profit", 15000)])
    picture = charting.of(labour)
    assert [(part.kind, part.x, part.width) for part in picture.parts] == [
        ("wages", 0, 50),
        ("state", 50, 183),
        ("profit", 233, 500),
        ("rest", 733, 267),
    ]
    assert [part.percent for part in picture.parts] == ["5%", "18%", "50%", "27%"]
    rest = picture.parts[-1]
    assert (rest.label, rest.amount, rest.is_rounded) == ("For repairs", "€8,000", True)
    assert not picture.parts[0].is_rounded


def test_shares_that_make_the_whole_leave_nothing_over_and_nothing_is_called_rounded():
    picture = charting.of(LabourFactory(amount=7, shares=[("wages", 2), ("state", 5)]))
    assert [part.kind for part in picture.parts] == ["wages", "state"]
    assert (picture.has_rest, picture.is_rounded) == (False, False)
    assert picture.parts[-1].x + picture.parts[-1].width == picture.width


def test_shares_that_make_too_much_stay_within_the_bar():
    picture = charting.of(LabourFactory(amount=10, shares=[("wages", 15), ("state", 5)]))
    assert [(part.x, part.width) for part in picture.parts] == [(0, 750), (750, 250)]


def test_amounts_are_written_as_readers_of_the_language_do():
    with translation.override("de"):
        picture = charting.of(LabourFactory(shares=[("wages", 1500)]))
    assert picture.total == "30.000\u00a0€"
    assert [part.percent for part in picture.parts] == ["5\u00a0%", "95\u00a0%"]


def test_the_strike_shows_the_bar_with_the_same_figures_as_a_table(client):
    strike = StrikeFactory(slug="s")
    assert "labour" not in html(client, "/strikes/s/")
    LabourFactory(strike=strike, shares=[("wages", 1500), ("profit", 15000)], source="News, 2011")
    page, said = html(client, "/strikes/s/"), text(client, "/strikes/s/")
    assert page.count("<rect class=") == 6
    assert "wages €1,500 5% profit about €15,000 50% For repairs about €13,500 45% Together €30,000 100%" in said
    assert "what the others leave over of €30,000" in said
    assert "style=" not in page
    assert "Source: News, 2011" in said


# --- What the database refuses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        lambda strike: Strike.objects.filter(pk=strike.pk).update(status="unknown"),
        lambda strike: TimelineEvent.objects.create(strike=strike, happened_on=date(2011, 5, 1), kind="party"),
        lambda strike: LabourFactory(amount=0),
        lambda strike: LabourFactory(amount=2_000_000_000),
        lambda strike: LabourFactory(currency="eur"),
        lambda strike: LabourFactory(currency="EU"),
        lambda strike: [LabourFactory(strike=strike), LabourFactory(strike=strike)],
        lambda strike: LabourFactory(shares=[("wages", 0)]),
        lambda strike: LabourFactory(shares=[("luck", 1)]),
        lambda strike: [Share.objects.create(labour=LabourFactory(strike=strike), position=1, amount=1) for _ in "12"],
        lambda strike: [Company.objects.create(strike=strike, position=1, name=name) for name in "ab"],
        lambda strike: [Company.objects.create(strike=strike, position=at, name="a") for at in (1, 2)],
        lambda strike: [Source.objects.create(strike=strike, position=1, title=title) for title in "ab"],
        lambda strike: [Source.objects.create(strike=strike, position=at, title="a") for at in (1, 2)],
        lambda strike: LetterFactory(result="won"),
        lambda strike: LetterFactory(result="draw", closed_at=datetime(2011, 9, 1, tzinfo=ZoneInfo("UTC"))),
    ],
)
def test_the_database_refuses_what_cannot_be(wrong):
    strike = StrikeFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        wrong(strike)


# --- The desk ----------------------------------------------------------------------------------------------------


def post_labour(client, strike, *amounts, **changes):
    client.force_login(OrganiserFactory())
    data = {"strike": strike.pk, "title": "A month", "amount": 100, "currency": "EUR", "shares-INITIAL_FORMS": 0}
    data["shares-TOTAL_FORMS"] = len(amounts)
    for number, amount in enumerate(amounts):
        row = {"position": number + 1, "label": f"Share {number}", "kind": "other", "amount": amount}
        data |= {f"shares-{number}-{name}": value for name, value in row.items()}
    return client.post("/admin/campaign/labour/add/", data | changes)


def test_a_month_of_labour_is_written_at_the_desk_and_found_from_the_strike(client):
    strike = StrikeFactory()
    client.force_login(OrganiserFactory())
    change = f"/admin/campaign/strike/{strike.pk}/change/"
    assert f"/admin/campaign/labour/add/?strike={strike.pk}" in client.get(change).text
    assert post_labour(client, strike, 60, 40).status_code == 302
    labour = Labour.objects.get()
    assert [share.amount for share in labour.shares.all()] == [60, 40]
    assert f"/admin/campaign/labour/{labour.pk}/change/" in client.get(change).text


def test_shares_above_the_whole_are_refused_and_nothing_is_written(client):
    response = post_labour(client, StrikeFactory(), 60, 41)
    assert response.status_code == 200
    assert "The shares make 101, which is more than the whole, 100." in response.text
    assert not Labour.objects.exists()


@pytest.mark.parametrize("wrong", [{"amount": ""}, {"amount": "-5"}, {"currency": "euro"}, {"shares-0-amount": "x"}])
def test_what_was_typed_wrong_is_named_and_nothing_is_written(client, wrong):
    response = post_labour(client, StrikeFactory(), 60, **wrong)
    assert response.status_code == 200
    assert "errorlist" in response.text
    assert not Labour.objects.exists()
