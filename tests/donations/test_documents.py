"""The papers as PDFs, read back as text, and the code on a page found and read by OpenCV as a camera's picture."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
import typst
from django.utils import timezone, translation

from campaign import typesetting
from campaign.models import Campaign
from campaign.typesetting import TypesettingError, typeset
from donations import documents, giving
from donations.instructions import of_appeal, of_pledge, payload
from tests.donations.reading import found
from tests.factories import BankAccountFactory, FundFactory, PledgeFactory
from tests.protests.test_handover import pages

pytestmark = pytest.mark.django_db
HOLDER = "Søn & Ко, Жаңаөзен #strong[x] $y$"


@pytest.fixture
def fund():
    return BankAccountFactory(holder=HOLDER).fund


@pytest.fixture
def branch(fund):
    return PledgeFactory(
        fund=fund,
        kind="branch",
        organisation="Oil Workers’ Branch *7* (Łódź)",
        frequency="monthly",
        confirmed=True,
        number="1234567890",
    )


def papers(made):
    return documents.papers(made, of_pledge(made))


def text_of(sheet):
    (page,) = pages(documents.pdf(sheet))
    return " ".join(page.split())


def test_a_branch_has_its_resolution_and_its_standing_order_filled_in(branch):
    sheets = papers(branch)
    assert list(sheets) == ["resolution", "standing-order"]
    for sheet in sheets.values():
        text = text_of(sheet)
        for filled in (
            "Oil Workers’ Branch *7* (Łódź)",
            "€25.00",
            HOLDER,
            "DE02 1005 0000 0054 5404 02",
            "BELADEBE",
            "+++123/4567/89002+++",
            "RF47 1234 5678 90",
        ):
            assert filled in text
    assert "every month to the fund “Fund for the strikers' families”, until it resolves otherwise" in text_of(
        sheets["resolution"]
    )
    assert "until we end it" in text_of(sheets["standing-order"])


def test_the_standing_order_names_the_first_and_the_last_payment(time_machine, request):
    time_machine.move_to("2026-11-22 12:00+00:00")
    branch = request.getfixturevalue("branch")  # the account has to be in force by then
    branch.made_on, branch.until = date(2026, 10, 22), date(2027, 3, 2)
    text = text_of(papers(branch)["standing-order"])
    assert "22 November 2026" in text
    assert "22 February 2027" in text
    assert "until 2 March 2027" in text_of(papers(branch)["resolution"])


def test_a_person_needs_no_resolution_and_a_gift_made_once_no_standing_order(branch):
    branch.frequency = "once"
    assert list(papers(branch)) == ["resolution"]
    assert "To give €25.00 to the fund" in text_of(papers(branch)["resolution"])
    person = PledgeFactory(fund=branch.fund, name="Nora Berg", frequency="monthly")
    assert list(papers(person)) == ["standing-order"]
    assert "Nora Berg" in text_of(papers(person)["standing-order"])
    person.frequency = "once"
    assert papers(person) == {}


@pytest.mark.parametrize(
    ("display", "words"),
    [("public", "may show our name"), ("initials", "may show our initials"), ("anonymous", "is not to show our name")],
)
def test_the_resolution_says_how_the_branch_is_shown(branch, display, words):
    branch.display = display
    assert words in str(papers(branch)["resolution"])


def test_there_are_no_papers_where_nothing_is_to_be_paid(branch):
    assert papers(PledgeFactory(fund=FundFactory(), kind="branch", frequency="monthly")) == {}
    demo = BankAccountFactory(payable=False).fund
    assert papers(PledgeFactory(fund=demo, kind="branch", frequency="monthly")) == {}
    branch.until = timezone.localdate() - timedelta(days=1)
    assert papers(branch) == {}
    branch.until = None
    giving.withdraw(branch)
    branch.refresh_from_db()
    assert papers(branch) == {}


def test_the_appeal_is_one_page_with_account_reference_and_code(fund, settings):
    Campaign.objects.create(name="Solidarity", contact_email="solidarity@example.org")
    sheet = documents.appeal(fund)
    text = text_of(sheet)
    told = of_appeal(fund)
    for shown in (
        "They have been on strike since May.",
        HOLDER,
        told.grouped_iban,
        told.ogm,
        told.rf,
        "solidarity@example.org",
        f"{settings.BASE_URL}/fund/pledge/",
    ):
        assert shown in text
    assert found(picture(sheet)) == payload(told)


def picture(sheet):
    """Return a sheet's page as a camera sees it: the PDF's own program, as a picture."""
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)
    document = json.dumps(documents._document(sheet))
    program = documents._PROGRAM.read_bytes()
    return typst.compile(program, font_paths=fonts, sys_inputs={"document": document}, format="png", ppi=150)


def test_the_appeal_is_in_the_language_of_the_page_and_the_holder_in_the_banks(fund):
    fund.create_translation("de", title="Hilfsfonds der Bäcker", text="Für Brot.")
    with translation.override("de"):
        text = text_of(documents.appeal(type(fund).objects.get()))
    assert "Hilfsfonds der Bäcker" in text
    assert "/de/fund/pledge/" in text
    assert HOLDER in text


@pytest.mark.parametrize("make", [FundFactory, lambda: BankAccountFactory(payable=False).fund])
def test_an_appeal_without_an_account_asks_for_no_money(make):
    sheet = documents.appeal(make())
    assert "Please send no money now" in text_of(sheet)
    for invitation in ("IBAN", "DE02", "Payee", "transfer", "<svg"):
        assert invitation not in str(sheet)


def test_however_much_it_holds_it_is_one_page(fund, branch):
    fund.strike.summary = "They strike, and they go on with it. " * 60
    fund.strike.save()
    assert fund.strike.summary.strip() in text_of(documents.appeal(fund))
    branch.organisation = "W" * 150
    assert "W" * 150 in text_of(papers(branch)["resolution"]).replace(" ", "")


def test_what_anybody_may_ask_for_is_set_once(fund, monkeypatch):
    times = []
    monkeypatch.setattr(typesetting, "typeset", lambda *given: times.append(given) or typeset(*given))
    sheet = documents.appeal(fund)
    assert documents.public_pdf(sheet) == documents.public_pdf(sheet)
    assert len(times) == 1
    documents.public_pdf(replace(sheet, title="Another"))
    assert len(times) == 2


def test_a_failing_typesetter_is_an_error(fund):
    sheet = replace(documents.appeal(fund), parts=(documents.Part(facts=(("a", "b"),), qr="<svg>no picture"),))
    with pytest.raises(TypesettingError):
        documents.pdf(sheet)
