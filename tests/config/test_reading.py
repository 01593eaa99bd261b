"""Public pages as text: what a text browser showed badly stays mended."""

import re
from html import unescape

import pytest
from django.urls import reverse

from tests import factories as make
from tests.sizes import on_one_database

pytestmark = [pytest.mark.django_db, on_one_database]
PATHS = (
    "/",
    "/activists/",
    "/letters/",
    "/updates/",
    "/pickets/",
    "/fund/",
    "/messages/",
    "/endorsements/",
    "/documents/",
    "/privacy/",
    "/my-data/",
    "/mirrors/",
    "/subscribe/",
    "/send/message/",
    "/send/endorsement/",
    "/pickets/add/",
    "/letters/log/",
    "/fund/ledger/",
    "/fund/pledge/",
    "/fund/account/",
    "/fund/appeal/",
    "/sent/",
)


@pytest.fixture(scope="module")
def words_of():
    def words(html):
        alternatives = re.sub(r'<img[^>]* alt="([^"]*)"[^>]*>', r" \1 ", html)
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", alternatives)).split())

    return words


def test_every_page_reads_well_as_text(client, words_of):
    strike = make.StrikeFactory()
    activist = make.ActivistFactory(strike=strike)
    make.CustodyFactory(activist=activist)
    rows = [strike, activist, make.LetterFactory(strike=strike), make.PicketFactory(strike=strike)]
    rows += [make.UpdateFactory(strike=strike), make.DocumentFactory(strike=strike)]
    make.MessageOfSupportFactory(strike=strike)
    make.EndorsementFactory(strike=strike)
    make.BankAccountFactory(fund=make.FundFactory(strike=strike))
    receipt = make.ConfirmationMailFactory(signature=make.SignatureFactory(confirmed=True))
    pledged = make.PledgeMailFactory(pledge=make.PledgeFactory(confirmed=True))
    mailed = [
        reverse("protests:receipt", args=[receipt.token]),
        reverse("donations:instructions", args=[pledged.token]),
        reverse("donations:change", args=[pledged.token]),
    ]
    for path in (*PATHS, *mailed, *(row.get_absolute_url() for row in rows)):
        response = client.get(path)
        assert response.status_code == 200, path
        html = response.text
        # It begins with the other languages by name, and the way past the navigation.
        assert all('title="' in link for link in re.findall(r'<link rel="alternate"[^>]*>', html)), path
        assert re.search(r'<body>\s*<a class="skip" href="#main">', html), path
        headings = re.findall(r"<h([1-6])\b", html)
        assert headings[0] == "1", path
        assert headings.count("1") == 1, path
        links = re.findall(r"<a\b[^>]*>(.*?)</a>", html, re.DOTALL)
        assert all(words_of(link).lower() not in {"", "here", "click here", "link", "more"} for link in links), path
        # A bullet of its own before a heading, and words in drawings, are noise.
        assert not re.search(r"<li\b[^>]*>\s*(?:<(?:div|article)\b[^>]*>\s*)*<h[1-6]\b", html), path
        assert not re.search(r"<text[\s>]", html), path
        assert not re.search(r"</strong>\s+<span[^>]*>:", html), path
        # A field's name stands beside it; a table says what its columns are.
        for field in re.findall(r'<(?:input|select|textarea)\b(?![^>]*type="(?:hidden|submit)")[^>]*>', html):
            named = re.search(r' id="([^"]+)"', field)
            assert (named and f'for="{named[1]}"' in html) or "aria-label" in field, (path, field)
        for table in re.findall(r"<table\b.*?</table>", html, re.DOTALL):
            assert '<th scope="col"' in table, path


def test_a_table_of_what_is_kept_reads_as_lines(client, words_of):
    # Without columns, what is kept and what for would run into one another.
    html = client.get("/privacy/").text
    assert "Name (encrypted) : To sign the letter" in words_of(html)


def test_a_document_is_named_before_its_kind(client, words_of):
    document = make.DocumentFactory()
    named = f"{document.title} {document.get_kind_display().capitalize()} As a PDF"
    assert named in words_of(client.get("/documents/").text)
