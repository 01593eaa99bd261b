"""The demo campaign carries the facts of the two articles of 2011, and invites nobody to pay or to write for real."""

import json
import re

import pytest
from django.conf import settings
from django.core.serializers import serialize

from campaign import models as campaign
from config.loading import load
from donations.models import BankAccount, Fund, Transaction
from protests.addressing import recipients
from protests.models import Letter, Picket, Target
from protests.wording import fill

DEMO = settings.BASE_DIR / "demo"

pytestmark = pytest.mark.django_db

# The facts of the articles as the demo words them: regular expressions over all that the strike's page shows.
OF_THE_STRIKE = [
    "Zhanaozen",
    "Aktau",
    "Mangistau oblast",
    "Caspian Sea",
    "May 2011",
    "KazMunaiGaz",
    "KarazhanBasMunai",
    "16,000",
    "Hundreds",
    "5,000.*two hours",
    "50 °C",
    "-25 °C",
    "30,000",
    "5,500",
    "1,500",
    "about 15,000",
    "Natalia Sokolova is released",
    "jobs back, and no conditions",
    "representatives whom the strikers have elected",
    "natural resources become public property",
    "Riot police",
    "Fighter jets",
    "declared illegal",
    "lawyers of the union are imprisoned",
    "news blockade",
    "Paul Murphy",
    "Tanja Niemeier",
    "GUE/NGL",
    "Thirty strikers",
    "fund for the strikers' families",
    "first six negotiators.*two.*third",
    "mid-August 2011",
    "president of its branch",
    "Zhansaula Karabakaeva",
    "Kudaibergen Karabalaeva",
    "looking for her murderers in earnest",
    "Geneva",
    "64 pages",
    "International Labour Organisation",
    "KazTAG",
    "official delegation",
    "Bartolozzi",
    "Tunisia",
    "Muktar",
    "Adai",
    "BTA Bank",
]
OF_A_PERSON = {
    "natalia-sokolova": ["Наталья Соколова", "lawyer", "Six years in prison", "sentenced"],
    "akzhanat-aminov": ["Акжанат Аминов", "elected negotiator", "One year", "suspended"],
    "ainur-kurmanov": [
        "Айнур Курманов",
        "Socialist Movement Kazakhstan",
        "Organization of mass suicides",
        "Disobedience",
        "84",
    ],
    "esenbek-ukteshbayev": [
        "Esen",
        "Yesenbeck",
        "Есенбек Уктешбаев",
        "Seizure of private property",
        "BTA Ipoteka",
        "evict",
    ],
    "vadim-kuramshin": ["Вадим Курамшин", "Organization of a criminal group", "threatened", "rights of prisoners"],
    "dmitry-tikhonov": ["Dmitri", "Дмитрий Тихонов", "Cyber terrorism", "seven days", "CWI", "7 and 15 days"],
    "zhanna-baiteleva": ["Жанна Байтелова", "7 to 15 days", "CWI", "detained"],
    "arman-ozhaubayev": ["7 to 15 days", "CWI", "detained"],
    "zhansaula-karabakaeva": ["Karabalaeva", "Kudaibergen", "18 years", "found murdered", "spells the surnames"],
}
ADDRESSEES = [
    ("free-natalia-sokolova", "DE", {"embassy-de"}),
    ("free-natalia-sokolova", "IE", {"embassy-gb"}),
    ("free-natalia-sokolova", "LU", {"embassy-be"}),
    ("free-natalia-sokolova", "NZ", {"foreign-ministry"}),
    ("no-arrests", "DE", {"embassy-de", "bta-bank-pr"}),
    ("no-arrests", "NZ", {"bta-bank-pr"}),
]


@pytest.fixture
def demo():
    return load(DEMO)


def english(*querysets):
    """All English texts and columns of these rows."""
    rows = []
    for queryset in querysets:
        rows += json.loads(serialize("json", queryset))
        if hasattr(queryset.model, "_parler_meta"):
            texts = queryset.model._parler_meta.root_model.objects.filter(master__in=queryset, language_code="en")
            rows += json.loads(serialize("json", texts))
    return "\n".join(str(value) for row in rows for value in row["fields"].values())


def about_the_strike():
    return english(
        campaign.Strike.objects.all(),
        campaign.Demand.objects.all(),
        campaign.TimelineEvent.objects.all(),
        campaign.Claim.objects.all(),
    )


def about(slug):
    person = campaign.Activist.objects.filter(slug=slug)
    return english(
        person,
        campaign.Alias.objects.filter(activist__slug=slug),
        campaign.Charge.objects.filter(activist__slug=slug),
        campaign.ChargeUpdate.objects.filter(charge__activist__slug=slug),
    )


def test_the_demo_loads_and_a_second_time_changes_nothing(demo):
    assert demo.total("created") > 200
    again = load(DEMO)
    assert again.changed_nothing
    assert again.total("unchanged") == demo.total("created")


def test_the_strike_tells_every_fact(demo):
    text = about_the_strike().replace("**", "")
    assert [fact for fact in OF_THE_STRIKE if not re.search(fact, text, re.DOTALL)] == []


def test_each_person_s_page_tells_what_they_face(demo):
    texts = {slug: about(slug) for slug in OF_A_PERSON}
    assert [(slug, fact) for slug, facts in OF_A_PERSON.items() for fact in facts if fact not in texts[slug]] == []


def test_the_dead_are_remembered_and_are_no_case(demo):
    remembered = campaign.Activist.objects.get(remembered=True)
    assert (remembered.slug, remembered.charges.count()) == ("zhansaula-karabakaeva", 0)


def test_nobody_but_the_people_of_the_articles_is_a_case(demo):
    assert campaign.Activist.objects.count() == 9


def test_each_protest_of_2011_is_told(demo):
    places = ["London", "Dublin", "Brussels", "Poland", "Moscow", "Sweden", "Hamburg", "Austria"]
    told = english(Picket.objects.all())
    assert [place for place in places if place not in told] == []


def test_updates_are_of_2011_and_give_their_source(demo):
    updates = campaign.Update.objects.published()
    assert len(updates) >= 4
    assert all(update.published_at.year == 2011 and update.source for update in updates)


def test_there_is_an_appeal_a_motion_an_analysis_and_a_leaflet(demo):
    assert {document.kind for document in campaign.Document.objects.published()} == {
        "appeal",
        "motion",
        "analysis",
        "leaflet",
    }


def test_every_page_says_that_it_retells_2011_in_each_language(demo):
    texts = campaign.Campaign._parler_meta.root_model.objects.all()
    assert {text.language_code for text in texts} == {"en", "de", "ru"}
    assert all("2011" in text.notice for text in texts)


def test_the_account_is_a_fact_and_not_payable(demo):
    account = BankAccount.objects.get()
    assert (account.iban, account.holder, account.payable) == ("BE29734032422964", "Workers Solidarity Fund", False)
    assert "Do not pay to it" in account.note
    text = english(Fund.objects.all())
    assert "rehearsal" in text
    assert "several thousand euro" in text


def test_the_recorded_gifts_are_those_of_the_article(demo):
    gifts = {(gift.amount_minor, gift.currency) for gift in Transaction.objects.all()}
    assert gifts == {(150000, "EUR"), (20000, "EUR")}
    assert "over 200 euro" in Transaction.objects.get(amount_minor=20000).description


def test_no_letter_can_leave_for_a_real_address(demo):
    assert all(target.email.endswith("@example.org") for target in Target.objects.all())


def test_a_letter_goes_where_the_demo_says(demo):
    for letter, country, slugs in ADDRESSEES:
        assert {target.slug for target in recipients(Letter.objects.get(slug=letter), country)} == slugs


def test_each_letter_leaves_no_variable_unfilled_in_any_language(demo):
    values = {
        "target": "Dear Ambassador",
        "own_words": "My own words.",
        "name": "Nora Berg",
        "organisation": "The bakers",
        "country": "Norway",
    }
    texts = Letter._parler_meta.root_model.objects.all()
    assert len(texts) == 6
    for text in texts:
        filled = fill(text.body, values)
        assert not re.search(r"[{}]", filled)
        assert all(value in filled for value in values.values())
