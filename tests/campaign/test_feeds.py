from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from django.utils import timezone

from campaign.models import Campaign, Update
from tests.factories import ActivistFactory, PictureFactory, StrikeFactory, UpdateFactory

pytestmark = pytest.mark.django_db
ATOM = "{http://www.w3.org/2005/Atom}"


def feed(client, path="/updates/feed/"):
    response = client.get(path)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/atom+xml; charset=utf-8"
    return ET.fromstring(response.content)  # noqa: S314 - our own feed


def text(element, tag):
    return element.findtext(f"{ATOM}{tag}")


def test_an_entry_has_all_that_atom_asks_for_and_the_full_text(client):
    at = datetime(2011, 9, 1, 12, tzinfo=UTC)
    UpdateFactory(
        slug="u", title="They & we <3", summary="Bread & roses", body="# Now\n\nSee [this](/fund/).", published_at=at
    )
    (entry,) = feed(client).findall(f"{ATOM}entry")
    assert text(entry, "title") == "They & we <3"
    assert text(entry, "summary") == "Bread &amp; roses"
    assert text(entry, "published") == "2011-09-01T12:00:00+00:00"
    assert datetime.fromisoformat(text(entry, "updated")) > at
    assert entry.find(f"{ATOM}link").get("href") == "http://testserver/updates/u/"
    content = entry.find(f"{ATOM}content")
    assert content.get("type") == "html"
    assert content.text == '<h2>Now</h2>\n<p>See <a href="/fund/" rel="nofollow noopener">this</a>.</p>\n'
    assert content.get("{http://www.w3.org/XML/1998/namespace}base") == "http://testserver/updates/u/"


def test_the_feed_names_itself_its_author_and_its_language(client):
    Campaign.objects.create(name="Solidarity with the oil workers")
    root = feed(client, "/de/updates/feed/")
    assert text(root, "title") == "Solidarity with the oil workers"
    assert text(root.find(f"{ATOM}author"), "name") == "Solidarity with the oil workers"
    assert root.get("{http://www.w3.org/XML/1998/namespace}lang") == "de"
    links = {link.get("rel"): link.get("href") for link in root.findall(f"{ATOM}link")}
    assert links == {"self": "http://testserver/de/updates/feed/", "alternate": "http://testserver/de/updates/"}


def test_an_empty_feed_is_a_feed(client):
    assert feed(client).findall(f"{ATOM}entry") == []


def test_an_entry_keeps_its_id_when_title_address_and_date_change(client):
    update = UpdateFactory()
    (before,) = [text(entry, "id") for entry in feed(client).findall(f"{ATOM}entry")]
    update.title, update.slug, update.published_at = "Other", "other", timezone.now()
    update.save()
    assert [text(entry, "id") for entry in feed(client).findall(f"{ATOM}entry")] == [before]


def test_drafts_and_planned_updates_are_not_in_the_feed(client):
    UpdateFactory(published_at=None)
    UpdateFactory(published_at=timezone.now() + timedelta(days=1))
    assert feed(client).findall(f"{ATOM}entry") == []


def test_a_planned_update_is_not_older_in_its_entry_than_its_publication(client):
    update = UpdateFactory(published_at=timezone.now() - timedelta(minutes=1))
    Update.objects.update(changed_at=timezone.now() - timedelta(days=9))
    (entry,) = feed(client).findall(f"{ATOM}entry")
    assert datetime.fromisoformat(text(entry, "updated")) == update.published_at


def test_characters_that_xml_cannot_hold_do_not_break_the_feed(client):
    UpdateFactory(title="Pasted\x0bfrom a word processor", summary="a\x0cb", body="c\x1bd\ufffee")
    (entry,) = feed(client).findall(f"{ATOM}entry")
    assert text(entry, "title") == "Pasted from a word processor"


def test_a_script_in_an_update_does_not_reach_feed_readers(client):
    UpdateFactory(summary="<script>alert(1)</script>", body="<script>alert(1)</script>")
    (entry,) = feed(client).findall(f"{ATOM}entry")
    assert "<script" not in text(entry, "summary")
    assert "<script" not in text(entry, "content")


def test_the_newest_come_first(client):
    for day in (1, 3, 2):
        UpdateFactory(title=f"Day {day}", published_at=datetime(2011, 9, day, tzinfo=UTC))
    assert [text(entry, "title") for entry in feed(client).findall(f"{ATOM}entry")] == ["Day 3", "Day 2", "Day 1"]


def test_a_picture_in_an_entry_has_its_whole_address(client, settings):
    row = PictureFactory()
    UpdateFactory(body=f"![](picture:{row.pk})")
    (entry,) = feed(client).findall(f"{ATOM}entry")
    assert f'<figure><img src="{settings.BASE_URL}{row.versions[0].url}"' in text(entry, "content")


def test_an_entry_names_its_strike_and_its_people_if_readers_may_know_them(client):
    update = UpdateFactory(strike=StrikeFactory(title="Oil"))
    update.activists.add(ActivistFactory(name="Rosa"), ActivistFactory(name="Draft", published_at=None))
    (entry,) = feed(client).findall(f"{ATOM}entry")
    assert [category.get("term") for category in entry.findall(f"{ATOM}category")] == ["Oil", "Rosa"]
