import re
import time
from datetime import date, timedelta
from html import unescape

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from campaign.models import Endorsement, MessageOfSupport, Picture, Strike
from limits.stamping import stamp
from tests.factories import EndorsementFactory, MessageOfSupportFactory, PictureFactory, StrikeFactory

pytestmark = pytest.mark.django_db


def main(client, path):
    response = client.get(path)
    assert response.status_code == 200
    found = re.search(r"<main.*?</main>", response.text, re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", found[0])).split())


@pytest.fixture
def strike():
    return StrikeFactory()


class TestMessages:
    @pytest.fixture(autouse=True)
    def messages(self, strike):
        MessageOfSupportFactory(strike=strike, organisation="Горняки Швеции", country="SE", text="From Sweden.")
        MessageOfSupportFactory(strike=strike, organisation="Bergleute", country="DE", text="From Germany.")
        MessageOfSupportFactory(strike=strike, organisation="", kind="report", country="KZ", text="From the square.")
        MessageOfSupportFactory(strike=strike, country="FR", text="From a draft.", published_at=None)

    def test_a_list_of_all_that_is_published(self, client):
        text = main(client, "/messages/")
        assert all(words in text for words in ("From Sweden.", "From Germany.", "From the square.", "A supporter"))
        assert "From a draft." not in text
        assert "France" not in text  # among the countries to choose from

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("country=se", "From Sweden."),
            ("q=ШВЕЦИИ", "From Sweden."),
            ("q=berg", "From Germany."),
            ("kind=report", "From the square."),
            ("country=DE&q=berg&kind=support", "From Germany."),
        ],
    )
    def test_it_is_narrowed(self, client, query, found):
        text = main(client, f"/messages/?{query}")
        assert re.findall(r"From [\w ]+\.", text) == [found]
        assert "1 message matches" in text

    @pytest.mark.parametrize("query", ["country=XX", "kind=x", "page=x", "page=1", "country=%00", "q=%20"])
    def test_nonsense_narrows_nothing(self, client, query):
        assert "From Sweden." in main(client, f"/messages/?{query}")

    @pytest.mark.parametrize("query", ["q=nobody", "q=%00", "q=%CC%81", "q=%27%22%3Cb%3E", "country=KZ&kind=support"])
    def test_nothing_found_is_said(self, client, query):
        assert "0 messages match" in main(client, f"/messages/?{query}")

    def test_pages_keep_what_was_chosen(self, client, strike):
        for number in range(25):
            MessageOfSupportFactory(strike=strike, country="DE", organisation=f"Branch {number} & co")
        html = client.get("/messages/?country=DE&q=branch+%26").text
        assert 'href="?country=DE&amp;q=branch+%26&amp;page=2"' in html
        assert "Page 2 of 2" in main(client, "/messages/?country=DE&q=branch+%26&page=2")

    def test_each_has_a_page_and_a_draft_has_none(self, client):
        report = MessageOfSupport.objects.get(kind="report")
        assert "From the square." in main(client, report.get_absolute_url())
        draft = MessageOfSupport.objects.get(published_at=None)
        assert client.get(draft.get_absolute_url()).status_code == 404

    def test_the_newest_come_first_and_those_without_a_day_last(self, client, strike):
        for day in (1, 3, 2):
            MessageOfSupportFactory(strike=strike, text=f"From day {day}.", received_on=date(2011, 8, day))
        assert re.findall(r"From day \d", main(client, "/messages/")) == ["From day 3", "From day 2", "From day 1"]
        assert main(client, "/messages/").index("From day 1") < main(client, "/messages/").index("From Sweden")

    def test_the_person_stands_before_the_organisation(self, client, strike):
        MessageOfSupportFactory(strike=strike, slug="both", person="Nora Berg", organisation="Local 7")
        assert "Nora Berg, Local 7" in main(client, "/messages/both/")


class TestEndorsements:
    def test_they_stand_with_branch_country_members_day_and_words(self, client, strike):
        EndorsementFactory(
            strike=strike,
            organisation="Dockers",
            branch="Pier 4",
            country="IE",
            members=1200,
            endorsed_on=date(2011, 8, 1),
            url="https://example.org/dockers",
        )
        EndorsementFactory(strike=strike, organisation="Hidden", published_at=None)
        text = main(client, "/endorsements/")
        for words in (
            "Dockers",
            "Pier 4",
            "Ireland",
            "1,200 members",
            "1 August 2011",
            "Carried without a vote against.",
        ):
            assert words in text
        assert "Hidden" not in text
        assert 'href="https://example.org/dockers" rel="nofollow noopener"' in client.get("/endorsements/").text
        assert "Pier 4" in main(client, strike.get_absolute_url())

    def test_what_is_added_up_is_said(self, client, strike):
        EndorsementFactory(strike=strike, members=1000)
        EndorsementFactory(strike=strike, members=500)
        EndorsementFactory(strike=strike)
        text = main(client, "/endorsements/")
        assert "3 organisations and branches." in text
        assert "The 2 that told us a number have 1,500 members" in text

    def test_by_country(self, client, strike):
        EndorsementFactory(strike=strike, organisation="Dockers", country="IE")
        EndorsementFactory(strike=strike, organisation="Bakers", country="DE")
        text = main(client, "/endorsements/?country=IE")
        assert "Dockers" in text
        assert "Bakers" not in text
        assert "None from this country yet." in main(client, "/endorsements/?country=FR")

    @pytest.mark.parametrize("wrong", [{"members": 0}, {"organisation": ""}])
    def test_the_database_refuses(self, strike, wrong):
        with pytest.raises(IntegrityError), transaction.atomic():
            EndorsementFactory(strike=strike, **wrong)


class TestSendingAnEndorsement:
    PAGE = "/send/endorsement/"

    @pytest.fixture
    def posted(self, strike):
        return {
            "organisation": "Dockers",
            "branch": "Pier 4",
            "country": "IE",
            "members": "1200",
            "url": "https://example.org",
            "endorsed_on": "2011-08-01",
            "statement": "We are with them.",
            "email": "secretary@example.org",
            "consent": "on",
            "stamp": stamp(time.time() - 60),
        }

    def test_it_waits_for_an_organiser(self, client, posted):
        response = client.post(self.PAGE, posted)

        assert (response.status_code, response.url) == (303, "/sent/")
        row = Endorsement.objects.waiting().get()
        assert (str(row), row.members, row.statement) == ("Dockers, Pier 4", 1200, "We are with them.")
        assert (row.endorsed_on, row.contact) == (date(2011, 8, 1), "secretary@example.org")
        assert "Dockers" not in main(client, "/endorsements/")

    def test_the_least_that_is_needed(self, client, posted):
        empty = dict.fromkeys(("branch", "country", "members", "url", "endorsed_on", "statement"), "")
        assert client.post(self.PAGE, {**posted, **empty}).status_code == 303

    @pytest.mark.parametrize(
        "bad",
        [
            {"organisation": "…"},
            {"email": ""},
            {"members": "0"},
            {"members": "many"},
            {"members": "9999999999999"},
            {"url": "javascript:alert(1)"},
            {"url": "example"},
            {"endorsed_on": "2011-02-30"},
            {"endorsed_on": (timezone.localdate() + timedelta(days=2)).isoformat()},
            {"statement": "x" * 3001},
            {"consent": ""},
        ],
    )
    def test_what_is_wrong_is_told_and_nothing_is_kept(self, client, posted, bad):
        response = client.post(self.PAGE, {**posted, **bad})

        assert response.status_code == 400
        assert "Pier 4" in response.text
        assert not Endorsement.objects.exists()

    def test_with_several_strikes_one_is_chosen(self, client, posted, strike):
        other = StrikeFactory(title="Another strike")
        draft = StrikeFactory(published_at=None)
        assert "Another strike" in client.get(self.PAGE).text
        assert client.post(self.PAGE, {**posted, "strike": draft.pk}).status_code == 400
        client.post(self.PAGE, {**posted, "strike": other.pk})
        assert Endorsement.objects.get().strike == other
        assert Strike.objects.published().count() == 2


def test_an_endorsement_shows_its_sign_with_words_once_that_is_published(client):
    EndorsementFactory(logo=PictureFactory(alt="A loaf on a red ground", published_at=None))
    assert "A loaf" not in client.get("/endorsements/").text
    Picture.objects.update(published_at=timezone.now())
    assert 'alt="A loaf on a red ground"' in client.get("/endorsements/").text
