import html
import re
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from protests.by_hand import LONGEST_LINK, blanks, mailto, own_mail
from protests.models import ConfirmationMail, Letter, Signature
from tests.factories import AddresseeFactory, LetterFactory

pytestmark = pytest.mark.django_db
PAGE = "/letters/free-her/"
PAPER = PAGE + "print/"
WORDS = "I am an oil worker & a reader.\n\n50 % of #1? = yes + \"no\" <b>'ü'</b>"


def text_of(response):
    return html.unescape(response.content.decode().replace("<br>", "\n"))


def parsed(link):
    """Take a mailto link apart as a mail program does (RFC 6068): a plus sign stays one."""
    parts = urlsplit(link)
    fields = dict(pair.split("=") for pair in parts.query.split("&"))
    assert parts.scheme == "mailto"
    assert not parts.fragment
    return unquote(parts.path), {name: unquote(value) for name, value in fields.items()}


def links(response):
    return [html.unescape(link) for link in re.findall(r'href="(mailto:[^"]+\?[^"]*)"', response.content.decode())]


@pytest.mark.parametrize(
    ("address", "subject", "body"),
    [
        ("berlin@example.org", "Free her", "Dear Ambassador,\n\nplease.\n"),
        ("a+b=c&d?e#f%@example.org", "100 % & more? #1 = ü", WORDS),
        ("berlin@example.org", "Бостандық! حرية", "Қазақстан\r\nжұмысшылары\n👩‍🏭"),
        ("o'brien@example.org", "?subject=x&bcc=evil@example.org", "&bcc=evil@example.org\r\nBcc: evil@example.org"),
    ],
)
def test_a_mailto_link_says_what_was_put_in_and_nothing_else(address, subject, body):
    link = mailto(address, subject, body)

    assert link.isascii()
    assert not re.search(r"[\s\"<>]", link)
    assert len(parse_qs(urlsplit(link).query)) == 2
    to, fields = parsed(link)
    assert to == address
    assert fields == {"subject": subject, "body": body.replace("\r\n", "\n").replace("\n", "\r\n")}


def test_one_without_a_text_has_no_body():
    assert parsed(mailto("berlin@example.org", "Free her")) == ("berlin@example.org", {"subject": "Free her"})


def test_a_text_too_long_for_a_link_has_a_short_one(letter):
    (short, *_) = [own_mail(sheet) for sheet in blanks(letter, "DE", "en")]
    Letter.objects.get().translations.update(body="Свобода! " * 50 + "{name}")
    (long, *_) = [own_mail(sheet) for sheet in blanks(Letter.objects.get(), "DE", "en")]

    assert 0 < len(short.link) <= LONGEST_LINK
    assert parsed(short.link)[1]["body"].replace("\r\n", "\n") == short.sheet.body
    assert long.link == ""
    assert set(parsed(long.short_link)[1]) == {"subject"}


class TestLetterPage:
    def test_without_a_country_there_is_nothing_to_send(self, client, letter):
        assert "Send it yourself" not in text_of(client.get(PAGE))

    @pytest.mark.parametrize("path", [PAGE, PAGE + "recipients/"])
    def test_a_country_gives_a_link_and_a_text_for_each_recipient(self, client, letter, path):
        response = client.get(path, {"country": "AT"})

        text = text_of(response)
        assert "We do not count a letter that you send yourself" in text
        assert "It shows your own address to the addressee." in text
        assert [parsed(link)[0] for link in links(response)] == ["bank@example.org", "berlin@example.org"]
        body = parsed(links(response)[1])[1]["body"]
        assert body.startswith("Dear Ambassador,\r\n\r\nI ask you")
        assert "[your name]" in body
        assert "Austria" in body
        assert "{" not in body
        areas = re.findall(r"<textarea[^>]*readonly[^>]*>([^<]*)</textarea>", response.content.decode())
        assert [html.unescape(area) for area in areas][1] == body.replace("\r\n", "\n")
        assert f'href="{PAPER}?country=AT"' in text

    def test_a_long_letter_says_so(self, client, letter):
        letter.translations.update(body="Free her! " * 300)

        response = client.get(PAGE, {"country": "DE"})

        assert "too long for a link that every mail program takes" in text_of(response)
        assert all("body" not in parsed(link)[1] for link in links(response))
        assert text_of(response).count("Free her! " * 10) > 2

    def test_the_place_for_the_name_is_in_the_language_of_the_letter(self, client, letter):
        response = client.get("/de" + PAGE, {"country": "DE"})

        assert "[your name]" in parsed(links(response)[0])[1]["body"]

    def test_a_preview_gives_the_letters_with_what_was_typed(self, client, letter, posted):
        response = client.post(PAGE, {**posted, "own_words": WORDS, "preview": "1"})

        text = text_of(response)
        assert text.count("Send it yourself, by mail or on paper") == 1
        assert [parsed(link)[0] for link in links(response)] == ["bank@example.org", "berlin@example.org"]
        body = parsed(links(response)[0])[1]["body"]
        assert WORDS.replace("\n", "\r\n") in body
        assert "Nora Berg" in body
        assert "nora@example.org" not in body
        assert "[your name]" not in text

    def test_a_closed_letter_is_not_sent_by_hand(self, client, letter):
        letter.closed_at = letter.published_at
        letter.save()

        assert "Send it yourself" not in text_of(client.get(PAGE, {"country": "DE"}))
        assert client.get(PAPER, {"country": "DE"}).status_code == 303
        assert client.post(PAPER, {"name": "Nora"}).headers["Location"] == PAGE


class TestPrinting:
    def test_a_country_gives_the_letters_with_a_line_for_the_name(self, client, letter):
        response = client.get(PAPER, {"country": "DE"})

        text = text_of(response)
        assert text.count('class="sheet"') == 2
        assert "Embassy in Berlin" in text
        assert "________" in text
        assert "Germany" in text
        assert not response.cookies

    @pytest.mark.parametrize("country", ["", "XX"])
    def test_without_a_country_it_asks_for_one(self, client, letter, country):
        text = text_of(client.get(PAPER, {"country": country}))

        assert "Choose your country" in text
        assert 'class="sheet"' not in text

    def test_a_country_without_addressee_is_said(self, client):
        letter = LetterFactory()
        AddresseeFactory(letter=letter, rule="own_country", countries=["AT"])

        text = text_of(client.get(f"{letter.get_absolute_url()}print/", {"country": "DE"}))

        assert "no addressee for Germany yet" in text

    def test_what_was_typed_is_printed_and_kept_nowhere(self, client, letter, posted):
        assert f'form="sign-form" formaction="{PAPER}"' in text_of(client.post(PAGE, {**posted, "preview": "1"}))

        response = client.post(PAPER, posted)

        text = text_of(response)
        assert "Nora Berg" in text
        assert "I am an oil worker, too." in text
        assert "Oil Workers' Branch 7" in text
        assert "nora@example.org" not in text
        assert response["Cache-Control"] == "private, no-store"
        assert not response.cookies
        assert not Signature.objects.exists()
        assert not ConfirmationMail.objects.exists()

    def test_markup_is_printed_as_text(self, client, letter, posted):
        response = client.post(PAPER, {**posted, "own_words": "</textarea><script>alert(1)</script>"})

        assert b"<script>alert" not in response.content

    def test_what_cannot_be_printed_is_shown_in_the_form_again(self, client, letter, posted):
        response = client.post(PAPER, {**posted, "name": ""})

        assert response.status_code == 400
        assert "I am an oil worker, too." in text_of(response)

    def test_another_site_cannot_post_it(self, client, letter, posted):
        assert client.post(PAPER, posted, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403

    def test_a_draft_is_not_printed(self, client, letter):
        Letter.objects.update(published_at=None)

        assert client.get(PAPER, {"country": "DE"}).status_code == 404
        assert client.post(PAPER, {}).status_code == 404
