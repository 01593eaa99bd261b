import io
import re
import unicodedata
from pathlib import Path
from zipfile import ZipFile

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone
from pypdf import PdfReader

from campaign.typesetting import TypesettingError, typeset
from outbox.models import State
from protests import consent, handover
from protests.models import Letter, Signature
from tests.factories import DeliveryFactory, LetterTextFactory, OrganiserFactory, SignatureFactory, TargetFactory

pytestmark = pytest.mark.django_db
URL = "/admin/protests/letter/handover/"
LONG = "Ж" * 100


@pytest.fixture
def target(letter):
    return letter.targets.get(name="Embassy in Berlin")


@pytest.fixture
def sign(letter, target):
    """Write a confirmed signature and its letter to the target."""
    text = LetterTextFactory(letter=letter)

    def sign(state=State.QUEUED, to=target, **fields):
        fields = {"text": text, "confirmed": True, "consent_version": consent.CURRENT, **fields}
        return DeliveryFactory(signature=SignatureFactory(**fields), target=to, state=state)

    return sign


@pytest.fixture
def desk(client):
    organiser = OrganiserFactory(is_superuser=False)
    organiser.user_permissions.set(Permission.objects.filter(codename="hand_over"))
    client.force_login(organiser)
    return client


def pages(pdf):
    """Return the text of each page, its lines joined and its ligatures taken apart."""
    texts = [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]
    return [unicodedata.normalize("NFKC", text.replace("\u200b", "")).replace("\n", " ") for text in texts]


def download(client, letter, target, which="all"):
    response = client.post(URL, {"letter": letter.pk, "target": target.pk, "which": which})
    assert response.status_code == 200, response.content.decode()
    return response, b"".join(response.streaming_content)


def test_each_letter_is_on_a_page_with_what_its_signer_typed(desk, letter, target, sign):
    sign(name="Наталья Бергман", country="KZ", own_words="Свободу профсоюзам!", organisation="Профсоюз шахтёров")
    sign(name="Әйгерім Ұлықбекқызы", country="KZ", own_words="Ғасыр, Өмір, Үміт, Һ, І, Ң, Қ")
    sign(name="محمد", country="EG", own_words="الحرية")
    sign(name=LONG, own_words="W" * 300)
    sign(name='#import "x"', own_words='#import "x"\n*bold* _x_ $y$ <label> @ref // c /* d #eval("1")\n\\ = h')

    response, pdf = download(desk, letter, target)

    assert response["Content-Type"] == "application/pdf"
    assert {"private", "no-store"} <= set(response["Cache-Control"].split(", "))
    assert response["Content-Disposition"] == f'attachment; filename="free-her-{target.slug}.pdf"'
    cover, russian, kazakh, arabic, long, markup = pages(pdf)
    assert "5 letters" in cover
    assert "Embassy in Berlin" in cover
    assert "In all, 5 people have signed" in cover
    assert "Kazakhstan 2" in cover
    assert "Page 1 of 6" in cover
    assert russian.count("Наталья Бергман") == 2  # in the letter, and below it
    assert "Свободу профсоюзам!" in russian
    assert "Профсоюз шахтёров" in russian
    assert "Kazakhstan" in russian
    assert "Dear Ambassador," in russian
    assert "Letter 1 of 5" in russian
    assert "Page 2 of 6" in russian
    assert "Әйгерім Ұлықбекқызы" in kazakh
    assert "Ғасыр, Өмір, Үміт, Һ, І, Ң, Қ" in kazakh
    assert "محمد" in arabic
    assert "الحرية" in arabic
    assert LONG in long.replace(" ", "")
    assert "W" * 300 in long.replace(" ", "")
    assert markup.count('#import "x"') == 3
    assert '*bold* _x_ $y$ <label> @ref // c /* d #eval("1") \\ = h' in markup


def test_no_glyph_is_missing_from_the_scripts_that_the_typesetter_brings(desk, letter, target, sign):
    sign(name="Ағ Ққ Ңң Өө Ұұ Үү Һһ Іі Әә محمد ش ϕ שלום ў ї ł ő", own_words="")

    _, pdf = download(desk, letter, target)

    fonts = {
        font.get_object()["/BaseFont"].rpartition("+")[2]
        for page in PdfReader(io.BytesIO(pdf)).pages
        for font in page["/Resources"]["/Font"].values()
    }
    assert any("Libertinus" in font for font in fonts), fonts
    assert "�" not in "".join(pages(pdf))


def test_only_letters_that_count_are_in_it(desk, letter, target, sign):
    sign(name="Stands")
    sign(name="Unconfirmed", confirmed_at=None)
    sign(name="Withdrawn", withdrawn_at=timezone.now())
    sign(name="")
    sign(name="Elsewhere", to=TargetFactory())
    sign(name="Other letter", text=LetterTextFactory())
    sign(name="Agreed to mail only", consent_version="2026-11")

    _, pdf = download(desk, letter, target)

    cover, only = pages(pdf)
    assert "1 letter" in cover
    assert "Stands" in only


def test_those_that_the_server_accepted_can_be_left_out(desk, letter, target, sign):
    for state in set(State) - {State.SENDING}:  # a row that a worker holds needs more columns
        sign(state=state, name=f"Was {state}")

    _, everything = download(desk, letter, target)
    _, rest = download(desk, letter, target, which="not_accepted")

    assert len(pages(everything)) == len(State)
    text = " ".join(pages(rest))
    assert {state for state in State if f"Was {state}" in text} == set(State) - {State.SENDING, State.ACCEPTED}


def test_the_words_are_those_that_were_signed(desk, letter, target, sign):
    sign()
    Letter.objects.get().translations.update(body="Changed since.")

    _, pdf = download(desk, letter, target)

    assert "I ask you to release her." in pages(pdf)[1]


def test_a_long_letter_runs_on(desk, letter, target, sign):
    sign(name="First", own_words="\n".join(["word " * 12] * 60))
    sign(name="Second")

    _, pdf = download(desk, letter, target)

    texts = pages(pdf)
    assert len(texts) == 4
    assert "Letter 1 of 2" in texts[1]
    assert "Letter 1 of 2" in texts[2]
    assert "Letter 2 of 2" in texts[3]
    assert "Page 4 of 4" in texts[3]


def test_many_letters_come_in_parts(desk, letter, target, sign, monkeypatch):
    monkeypatch.setattr(handover, "PART", 2)
    for number in range(5):
        sign(name=f"Person {number}")

    response, archive = download(desk, letter, target)

    assert response["Content-Type"] == "application/zip"
    with ZipFile(io.BytesIO(archive)) as parts:
        assert parts.testzip() is None
        assert parts.namelist() == [f"free-her-{target.slug}-00{number}.pdf" for number in (1, 2, 3)]
        texts = [pages(parts.read(name)) for name in parts.namelist()]
    assert [len(part) for part in texts] == [3, 2, 1]
    assert "5 letters" in texts[0][0]
    for number, text in enumerate([*texts[0][1:], *texts[1], *texts[2]]):
        assert f"Letter {number + 1} of 5" in text
        assert f"Person {number}" in text


def test_a_download_is_noted_in_the_letters_history(desk, letter, target, sign):
    sign(name="Nora Berg")

    download(desk, letter, target, which="not_accepted")

    entry = LogEntry.objects.get()
    assert entry.object_id == str(letter.pk)
    assert "Downloaded 1 letter to Embassy in Berlin" in entry.change_message
    assert "has not accepted" in entry.change_message
    assert "Nora" not in entry.change_message


@pytest.mark.parametrize("permissions", [[], ["view_letter", "change_letter", "view_signature", "view_delivery"]])
def test_without_the_permission_there_is_no_bundle(client, letter, target, sign, permissions):
    sign()
    organiser = OrganiserFactory(is_superuser=False)
    organiser.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(organiser)

    assert client.get(URL).status_code == 403
    assert client.post(URL, {"letter": letter.pk, "target": target.pk, "which": "all"}).status_code == 403
    assert not LogEntry.objects.exists()
    if permissions:
        page = client.get(reverse("admin:protests_letter_change", args=[letter.pk])).content.decode()
        assert URL not in page


def test_the_page_is_for_organisers(client, letter):
    assert client.get(URL).status_code == 302
    assert client.post(URL).status_code == 302


def test_the_letters_page_leads_to_it_with_the_letter_chosen(client, letter):
    client.force_login(OrganiserFactory())

    page = client.get(reverse("admin:protests_letter_change", args=[letter.pk])).content.decode()

    assert f"{URL}?letter={letter.pk}" in page
    chosen = client.get(URL, {"letter": letter.pk}).content.decode()
    assert re.search(rf'value="{letter.pk}" selected', chosen)
    assert "attachment" not in str(client.get(URL, {"letter": letter.pk, "target": 1, "which": "all"}).headers)


def test_nothing_to_hand_over_is_said(desk, letter, target):
    response = desk.post(URL, {"letter": letter.pk, "target": target.pk, "which": "all"})

    assert response.status_code == 400
    assert "There is no such letter to hand over." in response.content.decode()
    assert desk.post(URL, {"letter": "x", "target": "", "which": "some"}).status_code == 400
    assert not LogEntry.objects.exists()


def test_a_failing_typesetter_is_an_error_and_shows_no_letter():
    with pytest.raises(TypesettingError) as error:
        typeset(Path(handover.__file__).with_name("handover.typ"), {"title": "x", "letters": [{"body": "Nora Berg"}]})

    assert "Nora" not in str(error.value)


def test_whoever_signs_now_agrees_to_paper():
    assert consent.CURRENT in consent.ON_PAPER
    assert "on paper" in str(consent.current().letter)
    assert "on paper" not in str(consent.CONSENTS["2026-11"].letter)


def test_it_asks_as_much_of_the_database_for_more_letters(
    letter, target, sign, django_assert_num_queries, django_assert_max_num_queries
):
    sign()
    with django_assert_max_num_queries(8) as few:
        list(handover.bundle(letter, target, "all").chunks)
    for _ in range(5):
        sign()
    with django_assert_num_queries(len(few)):
        list(handover.bundle(letter, target, "all").chunks)
    assert Signature.objects.count() == 6
    assert target.slug in handover.bundle(letter, target, "all").filename
