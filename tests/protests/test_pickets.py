import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from protests.models import Picket
from tests.factories import (
    LONG_AGO,
    AddresseeFactory,
    LetterFactory,
    OrganiserFactory,
    PicketFactory,
    StrikeFactory,
    TargetFactory,
)

pytestmark = pytest.mark.django_db
SOON = datetime(2036, 7, 3, 15, tzinfo=UTC)


def text_of(response, status=200):
    assert response.status_code == status
    return html.unescape(response.content.decode())


def section(text, heading):
    """Return the part of the page under this heading."""
    (found,) = re.findall(rf"<section>\s*<h2[^>]*>{heading}</h2>.*?</section>", text, re.DOTALL)
    return found


class TestList:
    def test_the_page_shows_what_is_published(self, client):
        PicketFactory(place="Portland Place", country="GB", date_text="every Friday", address="No. 5")
        PicketFactory(place="Secret place", published_at=None)

        text = text_of(client.get("/pickets/"))

        assert "Portland Place, United Kingdom" in text
        assert "every Friday" in text
        assert "No. 5" in text
        assert "Secret" not in text

    def test_it_says_so_when_there_is_none(self, client):
        text = text_of(client.get("/pickets/"))

        assert "No protest in the street" in text
        assert "<svg" not in text
        assert "<table" not in text

    def test_what_comes_stands_first_the_next_one_before_later_ones(self, client):
        PicketFactory(place="Regular")
        PicketFactory(place="Later", starts_at=SOON + timedelta(days=1))
        PicketFactory(place="Next", starts_at=SOON)
        PicketFactory(place="Long ago", starts_at=LONG_AGO)
        PicketFactory(place="Not so long ago", starts_at=LONG_AGO + timedelta(days=1))

        text = text_of(client.get("/pickets/"))

        places = re.findall(r"<a href=\"/pickets/picket-\d+/\">(\w[\w ]*),", text)
        assert places == ["Next", "Later", "Regular", "Not so long ago", "Long ago"]
        assert "Regular" in section(text, "Coming")
        assert "Long ago" in section(text, "Past")

    def test_the_table_counts_by_country(self, client):
        PicketFactory(country="DE", starts_at=SOON)
        PicketFactory.create_batch(2, country="DE", starts_at=LONG_AGO)
        PicketFactory(country="AT", starts_at=LONG_AGO)

        table = section(text_of(client.get("/pickets/")), "Where")

        cells = re.findall(r"<t[hd](?: scope=\"row\")?>(?:<a[^>]*>)?([^<]+)", table)
        assert cells == ["Austria", "0", "1", "Germany", "1", "2"]

    def test_the_map_has_a_dot_for_each_place(self, client):
        PicketFactory(country="DE", starts_at=SOON)
        PicketFactory(country="DE", starts_at=LONG_AGO)
        PicketFactory(country="DE", starts_at=LONG_AGO, latitude="53.55", longitude="9.99")

        for prefix in ("", "/de"):  # in German a number has a comma, which SVG does not take
            picture = section(text_of(client.get(f"{prefix}/pickets/")), "(?:Where|Wo)")
            dots = re.findall(r'<circle( class="coming")? cx="[\d.]+" cy="[\d.]+" r="[\d.]+"/>', picture)
            assert dots == [' class="coming"', ""]
            assert re.search(r'viewBox="[\d.]+ [\d.]+ [\d.]+ [\d.]+"', picture)

    def test_one_country(self, client):
        PicketFactory(country="DE", place="Berlin")
        PicketFactory(country="AT", place="Wien")

        text = text_of(client.get("/pickets/?country=de"))

        assert "Pickets: Germany" in text
        assert "Berlin" in text
        assert "Wien" not in text

    def test_the_past_has_pages_that_keep_the_country(self, client):
        PicketFactory.create_batch(21, country="DE", place="Berlin", starts_at=LONG_AGO)
        PicketFactory(country="DE", place="Hamburg", starts_at=SOON)

        first, second = (text_of(client.get(f"/pickets/?country=DE{page}")) for page in ("", "&page=2"))

        assert first.count("Berlin") == 20
        assert "?country=DE&page=2" in first
        assert second.count("Berlin") == 1
        assert "Hamburg" not in second

    @pytest.mark.parametrize("query", ["country=XX", "country=%00", "page=0", "page=x", "country=DE&page=1"])
    def test_what_makes_no_sense_is_left_out(self, client, query):
        PicketFactory()
        assert client.get(f"/pickets/?{query}").status_code == 200

    def test_more_pickets_ask_no_more_of_the_database(
        self, client, django_assert_num_queries, django_assert_max_num_queries
    ):
        PicketFactory(starts_at=SOON)
        PicketFactory(starts_at=LONG_AGO)
        with django_assert_max_num_queries(10) as few:
            client.get("/pickets/")
        for country in ("DE", "AT", "SE"):
            PicketFactory(starts_at=SOON, country=country)
            PicketFactory(starts_at=LONG_AGO, country=country)
        with django_assert_num_queries(len(few)):
            client.get("/pickets/")


class TestPage:
    def test_it_tells_where_and_when_by_the_clock_of_the_place(self, client):
        PicketFactory(
            slug="berlin",
            place="Berlin",
            country="DE",
            address="Nordendstr. 14",
            starts_at=SOON,
            ends_at=SOON + timedelta(hours=2),
            time_zone="Europe/Berlin",
            text="Bring **banners**.",
        )

        text = text_of(client.get("/pickets/berlin/"))

        assert "Berlin, Germany" in text
        assert "Thursday, 3 July 2036, 17:00</time>–<time" in text
        assert '<time datetime="2036-07-03T19:00:00+02:00">19:00</time>' in text
        assert "Nordendstr. 14" in text
        assert "<strong>banners</strong>" in text
        assert "/pickets/berlin/calendar.ics" in text

    def test_a_day_in_words_hides_the_one_for_the_order(self, client):
        PicketFactory(slug="london", starts_at=LONG_AGO, date_text="summer 2011")

        text = text_of(client.get("/pickets/london/"))

        assert "summer 2011" in text
        assert "1 September" not in text
        assert "calendar.ics" not in text

    def test_it_tells_how_to_hand_over_letters(self, client):
        target = TargetFactory(name="Embassy in London")
        AddresseeFactory(target=target, letter=LetterFactory(slug="free-her", title="Free her"))
        AddresseeFactory(target=target, letter=LetterFactory(title="Closed letter", closed_at=LONG_AGO))
        AddresseeFactory(target=target, letter=LetterFactory(title="Draft letter", published_at=None))
        PicketFactory(slug="london", target=target)
        PicketFactory(slug="over", target=target, starts_at=LONG_AGO)

        text = text_of(client.get("/pickets/london/"))

        assert "Embassy in London" in text
        assert "/letters/free-her/print/?country=GB" in text
        assert "Closed letter" not in text
        assert "Draft letter" not in text
        assert "Letters to hand over" not in text_of(client.get("/pickets/over/"))

    def test_a_draft_is_for_organisers_who_ask_for_it(self, client):
        PicketFactory(slug="draft", published_at=None)
        PicketFactory(slug="waiting", strike=StrikeFactory(published_at=None))
        for slug in ("draft", "waiting"):
            assert client.get(f"/pickets/{slug}/").status_code == 404
            assert client.get(f"/pickets/{slug}/?preview=1").status_code == 404

        client.force_login(OrganiserFactory())

        response = client.get("/pickets/draft/?preview=1")
        assert "Draft, only organisers see this." in text_of(response)
        assert response["Cache-Control"] == "private, no-store"


class TestWhatTheDatabaseHolds:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"starts_at": SOON, "ends_at": SOON},
            {"starts_at": SOON, "ends_at": LONG_AGO},
            {"ends_at": SOON},
            {"latitude": 50},
            {"longitude": 50},
            {"latitude": 91, "longitude": 0},
            {"latitude": 0, "longitude": -181},
        ],
    )
    def test_it_refuses(self, wrong):
        with pytest.raises(IntegrityError), transaction.atomic():
            PicketFactory(**wrong)

    def test_it_takes_what_is_whole(self):
        PicketFactory(starts_at=SOON, ends_at=SOON + timedelta(minutes=1), latitude=-90, longitude=180)
        assert Picket.objects.count() == 1

    def test_the_form_has_its_address(self):
        with pytest.raises(ValidationError, match="address of the form"):
            PicketFactory.build(slug="add", strike=StrikeFactory()).full_clean(exclude=["strike"])

    def test_what_is_over_is_the_same_for_a_row_and_for_a_list(self):
        now = timezone.now()
        PicketFactory(place="regular")
        PicketFactory(place="soon", starts_at=now + timedelta(hours=1))
        PicketFactory(place="begun", starts_at=now - timedelta(hours=1))
        PicketFactory(place="long", starts_at=LONG_AGO, ends_at=now + timedelta(hours=1))
        PicketFactory(place="begun long ago", starts_at=now - timedelta(hours=3))
        PicketFactory(place="ended", starts_at=now - timedelta(hours=1), ends_at=now - timedelta(minutes=1))

        over = {str(picket) for picket in Picket.objects.past()}

        assert over == {"begun long ago", "ended"} == {str(row) for row in Picket.objects.all() if row.is_past}
        assert Picket.objects.coming().count() == 4


class TestDesk:
    @pytest.fixture
    def desk(self, client):
        client.force_login(OrganiserFactory())
        return client

    @pytest.fixture
    def typed(self):
        return {
            "strike": StrikeFactory().pk,
            "kind": "picket",
            "country": "DE",
            "place": "Berlin",
            "slug": "berlin",
            "address": "",
            "date_text": "",
            "starts_at_0": "2036-07-03",
            "starts_at_1": "17:00",
            "ends_at_0": "2036-07-03",
            "ends_at_1": "19:00",
            "time_zone": "",
            "text": "",
            "target": "",
            "latitude": "",
            "longitude": "",
            "published_at_0": "",
            "published_at_1": "",
        }

    def test_an_hour_is_by_the_clock_of_the_place(self, desk, typed):
        desk.post(reverse("admin:protests_picket_add"), typed)

        picket = Picket.objects.get()
        assert (picket.starts_at, picket.time_zone) == (SOON, "Europe/Berlin")
        page = text_of(desk.get(reverse("admin:protests_picket_change", args=[picket.pk])))
        assert 'name="starts_at_1" value="17:00:00"' in page
        assert "3 Jul 2036, 17:00" in text_of(desk.get(reverse("admin:protests_picket_changelist")))

    def test_saving_what_was_not_changed_changes_nothing(self, desk, typed):
        desk.post(reverse("admin:protests_picket_add"), typed)
        before = Picket.objects.values().get()

        desk.post(reverse("admin:protests_picket_change", args=[before["id"]]), typed | {"time_zone": "Europe/Berlin"})

        after = Picket.objects.values().get()
        assert after["changed_at"] > before["changed_at"]
        assert after | {"changed_at": 0} == before | {"changed_at": 0}

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"country": "US"}, "Choose the time zone: America/New_York"),
            ({"time_zone": "Europe/Nowhere"}, "is no time zone"),
            ({"ends_at_1": "16:00"}, "It ends before it begins"),
            ({"starts_at_0": "", "starts_at_1": ""}, "an end without a beginning"),
            ({"starts_at_0": "soon"}, "Enter a valid date"),
            ({"latitude": "99", "longitude": "0"}, "A place on the map"),
            ({"slug": "add"}, "the address of the form"),
        ],
    )
    def test_what_cannot_be_is_said_and_nothing_is_written(self, desk, typed, change, complaint):
        text = text_of(desk.post(reverse("admin:protests_picket_add"), typed | change))

        assert complaint in text
        assert 'value="Berlin"' in text
        assert Picket.objects.count() == 0

    def test_it_leads_to_the_letters_to_hand_over(self, desk):
        picket = PicketFactory(target=TargetFactory())

        text = text_of(desk.get(reverse("admin:protests_picket_change", args=[picket.pk])))

        assert f"{reverse('admin:protests_letter_handover')}?target={picket.target_id}" in text
