import io
import json
import unicodedata

import pytest
from django.urls import reverse
from pypdf import PdfReader

from campaign import markdown, printing, typesetting
from tests.factories import BankAccountFactory, DocumentFactory, FundFactory, OrganiserFactory, StrikeFactory

pytestmark = pytest.mark.django_db


def read(response):
    """The text of a PDF, its lines joined, and where its links lead."""
    assert response.status_code == 200
    assert response["Content-Type"] == "application/pdf"
    pages = PdfReader(io.BytesIO(response.content)).pages
    text = " ".join(unicodedata.normalize("NFKC", page.extract_text().replace("\u200b", "")) for page in pages)
    links = [note.get_object()["/A"]["/URI"] for page in pages for note in page.get("/Annots", [])]
    return " ".join(text.split()), links


def pdf(client, document, language=""):
    return read(client.get(f"{language}/documents/{document.slug}/pdf/"))


def test_all_of_markdown_is_laid_out_and_nothing_of_it_is_markup(client, settings):
    body = (
        "# Head\n\nWords **strong** *slanted* `code` #let $x$ \\* <b>no</b>  \nnext\n\n> quoted\n\n3. three\n4. four\n"
        "   - within\n\n```\n#panic()\n```\n\n---\n\n| a | b |\n|---|---|\n| 1 | **2** |\n\n"
        "[link](https://example.org/a), [page](/fund/), [mail](mailto:a@example.org), <https://example.org/b>, "
        "![picture](https://example.org/c.png), [bad](javascript:alert)"
    )
    text, links = pdf(client, DocumentFactory(body=body))

    for words in (
        "A motion for your branch",
        "Model motion",
        "Head",
        "Words strong slanted code #let $x$ * <b>no</b> next",
        "quoted",
        "3. three",
        "4. four",
        "within",
        "#panic()",
        "a b 1 2",
        "link (https://example.org/a)",
        f"page ({settings.BASE_URL}/fund/)",
        "mail (a@example.org)",
        "picture (https://example.org/c.png)",
    ):
        assert words in text
    assert text.replace(" ", "").count("https://example.org/b") == 1
    assert set(links) == {
        "https://example.org/a",
        f"{settings.BASE_URL}/fund/",
        "mailto:a@example.org",
        "https://example.org/b",
        "https://example.org/c.png",
    }


ODD = ["-", ">", "1.", "\\", "| |\n|-|", "[]()", "![]()", "****", "x" * 500, "> " * 90 + "deep"]


@pytest.mark.parametrize("body", ["#", "\n\nthen\n\n".join(ODD)])
def test_odd_markdown_is_laid_out_too(client, body):
    assert "A motion for your branch" in pdf(client, DocumentFactory(body=body))[0]


def test_a_long_text_takes_several_pages_and_each_has_its_number(client):
    text, _links = pdf(client, DocumentFactory(body="They strike. " * 900))
    assert "1 / 3" in text
    assert "3 / 3" in text


def test_it_is_in_the_language_of_the_reader_where_it_is_there(client):
    document = DocumentFactory()
    document.create_translation("ru", title="Резолюция", body="Қазақстан")
    text, _links = pdf(client, document, "/ru")
    assert "Резолюция" in text
    assert "Қазақстан" in text
    assert "/ru/documents/" in text
    text, _links = pdf(client, document, "/de")
    assert "Model motion" in text
    assert "A motion for your branch" in text


class TestAccount:
    def test_it_stands_below_where_the_document_asks_for_it(self, client):
        account = BankAccountFactory()
        document = DocumentFactory(strike=account.fund.strike, shows_account=True)
        page = client.get(document.get_absolute_url()).text
        text, _links = pdf(client, document)

        for shown in (page, text):
            assert account.holder in shown
            assert account.grouped_iban in shown
        assert "<svg" in page

    def test_it_does_not_stand_below_another(self, client):
        account = BankAccountFactory()
        document = DocumentFactory(strike=account.fund.strike)
        assert account.grouped_iban not in client.get(document.get_absolute_url()).text
        assert account.grouped_iban not in pdf(client, document)[0]

    @pytest.mark.parametrize("make", [FundFactory, lambda: BankAccountFactory(payable=False).fund])
    def test_what_is_not_to_be_paid_to_is_not_shown(self, client, make):
        document = DocumentFactory(strike=make().strike, shows_account=True)
        page = client.get(document.get_absolute_url()).text
        text, _links = pdf(client, document)

        for shown in (page, text):
            assert "Please send no money now" in shown
            assert "IBAN" not in shown

    def test_without_any_fund_nothing_stands_below(self, client):
        document = DocumentFactory(shows_account=True)
        assert "money" not in pdf(client, document)[0]
        assert "money" not in client.get(document.get_absolute_url()).text

    def test_another_strikes_fund_is_better_than_none_but_its_own_comes_first(self, client):
        other = BankAccountFactory(fund__title="Fund of another")
        document = DocumentFactory(strike=StrikeFactory(), shows_account=True)
        assert other.grouped_iban in pdf(client, document)[0]
        FundFactory(strike=document.strike)
        assert other.grouped_iban not in pdf(client, document)[0]


class TestDrafts:
    def test_only_organisers_get_the_pdf_of_a_draft(self, client):
        url = reverse("donations:document_pdf", args=[DocumentFactory(published_at=None).slug])
        assert client.get(url).status_code == 404
        assert client.get(url + "?preview=1").status_code == 404
        client.force_login(OrganiserFactory())
        assert client.get(url).status_code == 404
        response = client.get(url + "?preview=1")
        read(response)
        assert "no-store" in response["Cache-Control"]


def test_a_typesetter_that_is_not_done_in_time_is_told_in_words(client, monkeypatch):
    monkeypatch.setattr(typesetting, "_TIMEOUT_SECONDS", 0.001)
    response = client.get(f"/documents/{DocumentFactory(title='Never set before').slug}/pdf/")
    assert response.status_code == 503
    assert "The PDF cannot be made now" in response.text


def test_what_the_typesetter_gets_is_plain_data():
    made = list(printing.blocks(markdown.tree("a **b**\n\n- c").children))
    assert json.loads(json.dumps(made)) == made
    assert [block["kind"] for block in made] == ["paragraph", "list"]
