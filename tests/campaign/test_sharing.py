"""A page is passed on: by links that ask nobody before they are followed, and with a picture that we draw."""

import re
from html import unescape
from io import BytesIO
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from PIL import Image, ImageChops

from campaign import sharing
from campaign.models import Campaign
from tests.factories import ActivistFactory, LetterFactory, StrikeFactory, UpdateFactory

pytestmark = pytest.mark.django_db
PAGES = ["/strikes/x/", "/activists/x/", "/updates/x/", "/letters/x/"]
TITLE = "Free the union's lawyer & all others"


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


@pytest.fixture
def one_of_each():
    Campaign.objects.create(name="Solidarity with the oil workers")
    strike = StrikeFactory(slug="x", title=TITLE)
    ActivistFactory(slug="x", strike=strike, name=TITLE)
    UpdateFactory(slug="x", strike=strike, title=TITLE)
    LetterFactory(slug="x", strike=strike, title=TITLE)
    return strike


def properties(html):
    return {name: unescape(value) for name, value in re.findall(r'<meta property="og:([^"]*)" content="([^"]*)"', html)}


def picture(client, path):
    response = client.get(path)
    assert response.status_code == 200
    assert response["Content-Type"] == "image/png"
    return Image.open(BytesIO(response.content)).convert("RGB")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["", "/ru"])
def test_each_link_bears_the_title_and_the_address_of_the_page(client, one_of_each, path, language):
    html = client.get(language + path).text
    section = re.search(r'<section class="stack share".*?</section>', html, re.DOTALL)[0]
    urls = [urlsplit(unescape(url)) for url in re.findall(r'href="([^"]*)"', section)]
    hosts = [url.hostname or url.scheme for url in urls]
    assert hosts == [
        "wa.me",
        "t.me",
        "share.joinmastodon.org",
        "bsky.app",
        "www.facebook.com",
        "x.com",
        "mailto",
    ]
    page = f"http://testserver{language}{path}"
    for url in urls:
        said = " ".join(value for values in parse_qs(url.query).values() for value in values) + unquote(url.fragment)
        assert page in said
        assert TITLE in said or url.hostname == "www.facebook.com"
    assert f'value="{page}"' in section


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_the_script_that_copies_once(client, one_of_each, path):
    assert client.get(path).text.count("js/by-hand") == 1


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_what_stands_beside_a_link_to_it(client, one_of_each, path):
    said = properties(client.get(path).text)
    assert said["title"] == said["image:alt"] == TITLE
    assert said["site_name"] == "Solidarity with the oil workers"
    assert said["url"] == f"http://testserver{path}"
    assert said["image"].startswith(f"http://testserver{path}card.png?v=")
    shown = picture(client, said["image"])
    assert shown.size == (int(said["image:width"]), int(said["image:height"])) == (1200, 630)


def test_the_campaigns_own_picture_stands_beside_a_link_to_the_first_page(client, one_of_each):
    said = properties(client.get("/").text)
    assert said["title"] == "Solidarity with the oil workers"
    assert picture(client, said["image"]).size == (1200, 630)


@pytest.mark.parametrize("path", [*PAGES, "/updates/nothing/"])
def test_what_is_not_published_has_no_picture(client, path):
    strike = StrikeFactory(slug="x", published_at=None)
    ActivistFactory(slug="x", strike=strike, published_at=None)
    UpdateFactory(slug="x", strike=strike, published_at=None)
    LetterFactory(slug="x", strike=strike, published_at=None)
    assert client.get(f"{path}card.png").status_code == 404


def test_a_picture_is_drawn_once_and_anew_when_the_title_changes(client, one_of_each, folder):
    first = properties(client.get("/strikes/x/").text)["image"]
    before = picture(client, first)
    (kept,) = (folder / "cards").iterdir()
    kept_at = kept.stat().st_mtime_ns
    picture(client, first)
    assert kept.stat().st_mtime_ns == kept_at
    one_of_each.title = "They have won"
    one_of_each.save()
    second = properties(client.get("/strikes/x/").text)["image"]
    assert second != first
    assert ImageChops.difference(before, picture(client, second)).getbbox()


@pytest.mark.parametrize(
    "title",
    ["Освободить Наталью Соколову", "Жаңаөзен қаласы", "أطلقوا سراح المحامية", "Zażółć gęślą jaźń", "ⵉⵎⴰⵣⵉⵖⵏ"],
    ids=["Russian", "Kazakh", "Arabic", "Polish", "a script that no font has"],
)
def test_a_title_in_any_script_is_drawn(title):
    drawn = Image.open(BytesIO(sharing.drawn(sharing.Card(title, "Site", "en")))).convert("L")
    without = Image.open(BytesIO(sharing.drawn(sharing.Card("", "Site", "en")))).convert("L")
    assert drawn.size == (1200, 630)
    assert ImageChops.difference(drawn, without).getbbox()


def test_letters_of_our_languages_are_drawn_and_no_boxes_in_their_place():
    """A font without them would show the same box for each."""
    pictures = {sharing.drawn(sharing.Card(letter, "", "en")) for letter in "жңөқұłżأبت"}
    assert len(pictures) == 10


def test_what_a_title_holds_is_no_programme_of_the_typesetter():
    said = sharing.drawn(sharing.Card("#panic() $x$ *b* @a <b> \\ [", '#read("/etc/hostname")', "en"))
    assert said.startswith(b"\x89PNG")


def test_the_longest_title_ends_within_the_picture():
    drawn = Image.open(BytesIO(sharing.drawn(sharing.Card("Unbreakable" * 40, "Site", "en")))).convert("L")
    background = drawn.getpixel((5, 300))
    edges = [drawn.getpixel((x, y)) for y in range(20, 630) for x in (*range(60), *range(1145, 1200))]
    assert set(edges) == {background}


def test_while_another_is_drawn_for_long_a_service_is_asked_to_come_again(client, one_of_each, monkeypatch):
    monkeypatch.setattr(sharing, "_WAIT_SECONDS", 0.01)
    with sharing._drawing:
        response = client.get("/strikes/x/card.png")
    assert (response.status_code, response["Retry-After"]) == (503, "30")
    assert client.get("/strikes/x/card.png").status_code == 200


def test_only_one_request_waits_while_a_picture_is_drawn():
    """Else whoever asks for many new ones at once leaves no thread for those who read."""
    with sharing._drawing, sharing._places, sharing._places, pytest.raises(sharing.Busy):
        sharing.drawn(sharing.card("Never drawn before", "Solidarity"))
