import re
from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from donations import accounts, documents, giving, posting
from donations.instructions import of_appeal, of_pledge, payload
from donations.models import Fund, Pledge, PledgeMail
from privacy.tags import tag
from tests.donations.reading import read
from tests.donations.test_forms import TYPED
from tests.factories import (
    BankAccountFactory,
    FundFactory,
    OrganiserFactory,
    PledgeFactory,
    PledgeMailFactory,
    StrikeFactory,
    TransactionFactory,
)

pytestmark = pytest.mark.django_db

# How the site invites to pay, in any of its pages.
INVITATIONS = ("How to pay", "Transfer this amount", "standing order: this amount", "Copy the holder")


@pytest.fixture
def demo_fund():
    """A fund whose account is a fact of the past."""
    account = BankAccountFactory(
        payable=False, iban="BE29734032422964", bic="", holder="Workers Solidarity Fund", note="As printed in 2011."
    )
    return account.fund


@pytest.fixture
def fund():
    return BankAccountFactory().fund


def page(response):
    return " ".join(unescape(response.content.decode()).split())


@pytest.mark.parametrize("path", ["/fund/?fund=%00", "/fund/pledge/?fund=a%00b"])
def test_a_slug_that_no_database_takes_is_not_found(client, fund, path):
    assert client.get(path).status_code == 404
    assert client.post("/fund/pledge/", {"fund": "a\0b"}).status_code == 404


# --- /fund/


def test_without_a_fund_the_page_says_so(client):
    FundFactory(published_at=None)
    FundFactory(strike=StrikeFactory(published_at=None))
    response = client.get("/fund/")
    assert response.status_code == 200
    assert "There is no fund yet" in page(response)


def test_the_fund_says_what_it_is_for_what_was_pledged_and_what_arrived(client, fund):
    PledgeFactory(fund=fund, confirmed=True, amount_minor=2500)
    PledgeFactory(fund=fund, confirmed=True, amount_minor=1000, frequency="monthly")
    TransactionFactory(fund=fund)
    TransactionFactory(fund=fund, currency="SEK", amount_minor=50000, description="Dockers")
    text = page(client.get("/fund/"))
    for shown in (
        "<p>For bread and rent.</p>",
        "€25.00",
        "and €10.00 every month",
        "€1,500.00",
        "SEK 500.00",
        "Mineworkers in Sweden",
        "Example Solidarity Fund",
        "DE02 1005 0000 0054 5404 02",
        "BELADEBE",
        "Make a pledge",
    ):
        assert shown in text
    assert "Do not pay" not in text


def test_an_empty_fund_without_an_account_asks_for_no_money(client):
    FundFactory()
    text = page(client.get("/fund/"))
    assert "Nothing is pledged yet" in text
    assert "No gift is recorded yet" in text
    assert "Please send no money now" in text


def test_an_account_that_is_not_payable_is_shown_as_a_fact(client, demo_fund):
    text = page(client.get("/fund/"))
    assert "Do not pay to this account." in text
    assert "BE29 7340 3242 2964" in text
    assert "Workers Solidarity Fund" in text
    assert "As printed in 2011." in text
    assert not any(invitation in text for invitation in INVITATIONS)


def test_supporters_are_shown_as_they_chose(client, fund):
    PledgeFactory(fund=fund, confirmed=True, name="<b>Nora</b> Berg", display="public")
    PledgeFactory(fund=fund, confirmed=True, name="Jan Novak", display="anonymous")
    response = client.get("/fund/")
    assert "&lt;b&gt;Nora&lt;/b&gt; Berg" in response.content.decode()
    assert "Jan Novak" not in page(response)


def test_a_reversed_gift_and_its_reversal_are_both_shown(client, fund):
    posting.reverse(TransactionFactory(fund=fund), by=None)
    text = page(client.get("/fund/"))
    assert "entered by mistake, taken back" in text
    assert "takes back a wrong entry" in text
    assert "-€1,500.00" in text


def test_the_newest_fund_is_shown_and_the_others_are_listed(client):
    old = FundFactory(title="The old fund")
    new = FundFactory(title="The new fund", published_at=timezone.now())
    FundFactory(title="A draft", published_at=None)
    assert list(Fund.objects.published()) == [new, old]
    text = page(client.get("/fund/"))
    assert "<h1>The new fund</h1>" in text
    assert f'<a href="{old.get_absolute_url()}">The old fund</a>' in text
    assert "A draft" not in text
    assert "<h1>The old fund</h1>" in page(client.get(old.get_absolute_url()))
    assert client.get("/fund/?fund=nowhere").status_code == 404


def test_the_page_takes_as_many_queries_for_much_as_for_little(client, fund, django_assert_max_num_queries):
    def fill(times):
        for _ in range(times):
            made = PledgeFactory(fund=fund, confirmed=True, display="public")
            posting.reverse(TransactionFactory(fund=fund, pledge=made), by=None)
            FundFactory()

    fill(1)
    with django_assert_max_num_queries(100) as little:
        client.get("/fund/?fund=" + fund.slug)
    fill(10)
    with django_assert_max_num_queries(len(little)):
        client.get("/fund/?fund=" + fund.slug)


def test_a_long_list_of_gifts_is_cut_and_says_so(client, fund):
    for _ in range(51):
        TransactionFactory(fund=fund)
    text = page(client.get("/fund/"))
    assert "Shown are the newest 50 of 51 entries." in text
    assert "€76,500.00" in text


# --- /fund/pledge/


def test_the_form_is_for_the_newest_fund_or_the_named_one(client, fund):
    other = FundFactory(title="Another fund", published_at=timezone.now())
    assert "Another fund" in page(client.get("/fund/pledge/"))
    assert fund.title in page(client.get(f"/fund/pledge/?fund={fund.slug}"))
    client.post(f"/fund/pledge/?fund={fund.slug}", TYPED)
    client.post("/fund/pledge/", TYPED | {"fund": fund.slug, "amount": "1"})
    client.post("/fund/pledge/", TYPED)
    assert [pledge.fund for pledge in Pledge.objects.order_by("pk")] == [fund, fund, other]


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("name", "n" * 10_000, "at most 100 characters (it has 10000)"),
        ("name", "Nora\u202egro", "U+202E"),
        ("name", "Zo" + "\u0301" * 40, "Too many marks"),
        ("organisation", "\x07", "U+0007"),
        ("email", "a@" + "b" * 10_000, "at most 254 characters"),
        ("amount", "9" * 10_000, "at most 40 characters"),
        ("amount", "\0", "Null characters are not allowed"),
    ],
)
def test_what_cannot_be_taken_is_named_and_kept(client, fund, field, typed, words):
    response = client.post("/fund/pledge/", TYPED | {field: typed})
    assert response.status_code == 400
    assert words in page(response)
    assert typed in unescape(response.content.decode())
    assert not Pledge.objects.exists()


def test_what_is_no_form_is_refused(client, fund):
    assert client.post("/fund/pledge/", b"{}", content_type="application/json").status_code == 415
    assert client.post("/fund/pledge/", TYPED | {f"x{number}": "" for number in range(2000)}).status_code == 400


def test_a_pledge_is_one_in_all_spellings_of_its_givers_address(client, fund):
    for address in ("nora.berg@gmail.com", "NoraBerg+fund@googlemail.com", "n.o.r.a.berg@gmail.com"):
        assert client.post("/fund/pledge/", TYPED | {"email": address}).status_code == 200
    assert Pledge.objects.count() == 1
    assert PledgeMail.objects.count() == 1


def test_without_a_fund_nobody_can_pledge(client):
    for response in (client.get("/fund/pledge/"), client.post("/fund/pledge/", TYPED)):
        assert response.status_code == 404
        assert "There is no fund yet" in page(response)
    assert client.get("/fund/pledge/?fund=nowhere").status_code == 404


def test_a_pledge_is_answered_with_number_references_and_how_to_pay(client, fund):
    response = client.post("/fund/pledge/", TYPED)
    assert response.status_code == 200
    text = page(response)
    number = Pledge.objects.get().number
    for shown in (
        number,
        "+++",
        "RF",
        "€25.50",
        "DE02 1005 0000 0054 5404 02",
        "Only then the pledge counts",
        "How to pay",
    ):
        assert shown in text
    assert "no-store" in response["Cache-Control"]
    assert "nothing to pay" not in text
    assert Pledge.objects.counted().count() == 0


def test_the_answer_to_a_repeated_a_limited_and_a_confirmed_pledge_is_the_same(client, fund):
    first = client.post("/fund/pledge/", TYPED)
    giving.confirm(Pledge.objects.get())
    assert page(client.post("/fund/pledge/", TYPED)) == page(first)
    assert Pledge.objects.count() == 1
    assert PledgeMail.objects.count() == 1


@pytest.mark.parametrize("with_account", [True, False])
def test_the_demos_fund_invites_nobody_to_pay(client, with_account, demo_fund):
    if not with_account:
        accounts.withdraw(demo_fund.accounts.get(), by=OrganiserFactory())
    answers = [client.get("/fund/pledge/"), client.post("/fund/pledge/", TYPED | {"frequency": "monthly"})]
    mail = PledgeMail.objects.get()
    answers += [client.get(f"/fund/pledge/{mail.token}/")]
    answers += [client.post(f"/fund/pledge/{mail.token}/", {"action": "confirm"})]
    for response in answers:
        text = page(response)
        assert response.status_code == 200
        assert "nothing to pay" in text
        assert not any(invitation in text for invitation in INVITATIONS)
        assert "BE29" not in text
        assert "7340" not in text.replace(mail.pledge.number, "")


def test_a_rejected_form_keeps_what_was_typed_and_names_what_is_wrong(client, fund):
    typed = TYPED | {
        "kind": "branch",
        "name": "Nora <Berg>",
        "organisation": "Local 1",
        "email": "nora@localhost",
        "amount": "1.500",
        "currency": "SEK",
        "frequency": "monthly",
        "display": "public",
    }
    response = client.post("/fund/pledge/", typed)
    assert response.status_code == 400
    text = page(response)
    assert "Your pledge was not sent" in text
    assert 'href="#div_id_email"' in text
    assert 'href="#div_id_amount"' in text
    assert 'id="div_id_amount"' in text
    for kept in ('value="Nora <Berg>"', 'value="Local 1"', 'value="nora@localhost"', 'value="1.500"'):
        assert kept in text
    assert text.count("checked") == 4  # kind, frequency, display, consent
    assert '<option value="SEK" selected>' in text
    assert not Pledge.objects.exists()


def test_consent_is_not_ticked_beforehand(client, fund):
    text = page(client.get("/fund/pledge/"))
    (tick,) = [tag for tag in text.split("<") if 'name="consent"' in tag]
    assert "checked" not in tick


def test_a_pledge_is_in_the_language_of_the_page(client, fund):
    assert client.post("/ru/fund/pledge/", TYPED).status_code == 200
    assert Pledge.objects.get().locale == "ru"


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example.org"}])
def test_another_site_cannot_pledge(client, fund, headers):
    assert client.post("/fund/pledge/", TYPED, headers=headers).status_code == 403
    mail = PledgeMailFactory()
    assert client.post(f"/fund/pledge/{mail.token}/", {"action": "confirm"}, headers=headers).status_code == 403
    assert not Pledge.objects.counted().exists()


@pytest.mark.parametrize("path", ["/fund/", "/fund/pledge/"])
def test_public_pages_set_no_cookie_and_hold_nothing_inline(client, fund, path):
    PledgeFactory(fund=fund, confirmed=True, display="public")
    TransactionFactory(fund=fund)
    response = client.get(path)
    text = page(response)
    assert not response.cookies
    assert "Cookie" not in response.get("Vary", "")
    for inline in ("<script>", "<style", " style=", " onclick", "csrfmiddlewaretoken"):
        assert inline not in text


# --- /fund/pledge/<token>/


@pytest.fixture
def mail(fund):
    return PledgeMailFactory(pledge=PledgeFactory(fund=fund, name="Nora Berg", kind="branch", organisation="Local 1"))


def instructions(mail):
    return reverse("donations:instructions", args=[mail.token])


def test_looking_changes_nothing(client, mail):
    for ask in (client.get, client.head) * 100:
        response = ask(instructions(mail), {"action": "confirm"}, headers={"Sec-Purpose": "prefetch"})
        assert response.status_code == 200
    assert not Pledge.objects.counted().exists()
    text = page(client.get(instructions(mail)))
    for shown in ("Is this your pledge?", "Nora Berg", "Local 1", "not at all", mail.pledge.number, "How to pay"):
        assert shown in text


def test_the_page_is_for_its_owner_alone(client, mail):
    for response in (client.get(instructions(mail)), client.post(instructions(mail), {"action": "confirm"})):
        assert set(response["Cache-Control"].split(", ")) == {"private", "no-store"}
        assert response["X-Robots-Tag"] == "noindex"
        assert '<meta name="robots" content="noindex">' in page(response)
        assert 'rel="canonical"' not in page(response)
        assert not response.cookies


def test_the_button_makes_the_pledge_count(client, mail):
    for _ in range(2):
        response = client.post(instructions(mail), {"action": "confirm"})
        assert response.status_code == 200
        assert "Your pledge counts. Thank you!" in page(response)
    assert Pledge.objects.counted().get() == mail.pledge
    assert "Your pledge counts" in page(client.get(instructions(mail)))


def test_withdrawing_asks_first(client, mail):
    giving.confirm(mail.pledge)
    response = client.post(instructions(mail), {"action": "withdraw"})
    assert "Withdraw the pledge?" in page(response)
    assert Pledge.objects.counted().exists()
    response = client.post(instructions(mail), {"action": "withdraw", "sure": "1"})
    text = page(response)
    assert "The pledge is withdrawn" in text
    assert "Nora" not in text
    assert "How to pay" not in text
    assert not Pledge.objects.counted().exists()
    response = client.post(instructions(mail), {"action": "confirm"})
    assert "The pledge is withdrawn" in page(response)


@pytest.mark.parametrize("typed", [{}, {"action": "delete"}, {"sure": "1"}])
def test_an_unknown_action_does_nothing(client, mail, typed):
    assert client.post(instructions(mail), typed).status_code == 400
    mail.pledge.refresh_from_db()
    assert (mail.pledge.confirmed_at, mail.pledge.withdrawn_at) == (None, None)


def test_an_unknown_or_old_link_gets_a_clear_page_and_does_nothing(client, mail):
    PledgeMail.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    for path in (instructions(mail), "/fund/pledge/nonsense/"):
        for response in (client.get(path), client.post(path, {"action": "confirm"})):
            assert response.status_code == 404
            assert "This link no longer works" in page(response)
            assert "no-store" in response["Cache-Control"]
    assert not Pledge.objects.counted().exists()


def test_the_link_works_after_its_mail_has_left(client, mail):
    token = mail.token
    PledgeMail.objects.update(token="")
    assert PledgeMail.objects.get().token_hash == tag("token", token)
    assert client.get(reverse("donations:instructions", args=[token])).status_code == 200


def test_the_code_on_the_page_says_what_stands_beside_it(client, mail):
    response = client.get(instructions(mail))
    (code,) = re.findall(r"<svg.*?</svg>", response.content.decode(), re.DOTALL)
    told = of_pledge(mail.pledge)
    assert read(code) == payload(told)
    text = page(response)
    for line in (told.holder, told.grouped_iban, told.bic, told.ogm, told.rf, "€25.00"):
        assert line in text
    assert " style=" not in text


def test_where_the_code_has_no_room_the_text_stands_alone(client, fund):
    mail = PledgeMailFactory(pledge=PledgeFactory(fund=fund, currency="SEK"))
    text = page(client.get(instructions(mail)))
    assert "<svg" not in text
    assert "SEK 25.00" in text
    assert "DE02 1005 0000 0054 5404 02" in text


@pytest.fixture
def monthly(fund):
    pledge = PledgeFactory(fund=fund, frequency="monthly", kind="branch", organisation="Local 1", confirmed=True)
    return PledgeMailFactory(pledge=pledge)


TERMS = {"amount": "10", "frequency": "monthly", "until": "", "display": "public"}


def changing(mail):
    return reverse("donations:change", args=[mail.token])


def test_the_form_to_change_shows_what_stands_and_reading_it_changes_nothing(client, monthly):
    before = Pledge.objects.values().get()
    for ask in (client.get, client.head) * 10:
        assert ask(changing(monthly), TERMS).status_code == 200
    text = page(client.get(changing(monthly)))
    assert 'value="25.00"' in text
    assert text.count("checked") == 3
    assert Pledge.objects.values().get() == before


def test_a_change_is_made_shown_and_mailed(client, monthly):
    until = timezone.localdate() + timedelta(days=90)
    response = client.post(changing(monthly), TERMS | {"until": until.isoformat()})
    text = page(response)
    assert "Your pledge is changed" in text
    assert "€10.00, every month until" in text
    assert 'action="' + instructions(monthly) in text
    pledge = Pledge.objects.get()
    assert (pledge.amount_minor, pledge.until, pledge.display) == (1000, until, "public")
    assert (pledge.number, pledge.changed_on) == (monthly.pledge.number, timezone.localdate())
    assert PledgeMail.objects.get(kind="changed").pledge == pledge
    for lines in re.findall(r"<svg.*?</svg>", response.content.decode(), re.DOTALL):
        assert "EUR10.00" in read(lines)


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"amount": "1.500"}, "amount", "two ways"),
        ({"amount": ""}, "amount", "required"),
        ({"amount": "0"}, "amount", "more than zero"),
        ({"until": "yesterday"}, "until", "valid date"),
        ({"until": "2001-01-01"}, "until", "This day is past."),
        ({"until": "2999-01-01"}, "until", "two years"),
        ({"until": "9999-12-31"}, "until", "two years"),
        ({"until": "2999-01-01", "frequency": "once"}, "until", "has no end"),
        ({"frequency": "hourly"}, "frequency", "valid choice"),
        ({"display": "\0"}, "display", "valid choice"),
    ],
)
def test_a_wrong_change_is_named_keeps_what_was_typed_and_changes_nothing(client, monthly, typed, field, words):
    before = Pledge.objects.values().get()
    response = client.post(changing(monthly), TERMS | typed)
    assert response.status_code == 400
    text = page(response)
    assert "Nothing was changed." in text
    assert f'href="#div_id_{field}"' in text
    assert words in text
    assert Pledge.objects.values().get() == before
    assert PledgeMail.objects.count() == 1


def test_a_change_to_a_pledge_that_the_person_has_already_is_refused_with_words(client, monthly):
    pledge = monthly.pledge
    PledgeFactory(fund=pledge.fund, email=pledge.email, amount_minor=1000, frequency="monthly")
    response = client.post(changing(monthly), TERMS)
    assert response.status_code == 400
    assert "You made just such a pledge" in page(response)
    pledge.refresh_from_db()
    assert pledge.amount_minor == 2500


def test_a_withdrawn_pledge_is_not_changed(client, monthly):
    giving.withdraw(monthly.pledge)
    for response in (client.get(changing(monthly)), client.post(changing(monthly), TERMS)):
        assert response.status_code == 303
        assert response.url == instructions(monthly)
    assert Pledge.objects.get().amount_minor == 2500


def test_reminders_are_stopped_and_sent_again_by_a_button(client, monthly):
    assert "Send no reminders" in page(client.get(instructions(monthly), {"action": "stop"}))
    assert Pledge.objects.get().reminders_stopped_at is None
    assert "Send reminders again" in page(client.post(instructions(monthly), {"action": "stop"}))
    first = Pledge.objects.get().reminders_stopped_at
    client.post(instructions(monthly), {"action": "stop"})
    assert Pledge.objects.get().reminders_stopped_at == first
    assert "Send no reminders" in page(client.post(instructions(monthly), {"action": "resume"}))
    assert Pledge.objects.get().reminders_stopped_at is None


def test_a_pledge_that_has_ended_says_so(client, monthly):
    Pledge.objects.update(made_on="2026-01-01", until="2026-02-01")
    text = page(client.get(instructions(monthly)))
    assert "This pledge has ended." in text
    assert "Next due" not in text
    assert "standing-order" not in text
    assert "and €25.00 every month" not in page(client.get("/fund/"))


def test_a_branch_prints_its_papers(client, monthly):
    text = page(client.get(instructions(monthly)))
    for name, title in (("resolution", "Resolution"), ("standing-order", "Standing order")):
        path = reverse("donations:paper", args=[monthly.token, name])
        assert f'href="{path}"' in text
        sheet = page(client.get(path))
        assert f"<h2>{title}</h2>" in sheet
        assert "Local 1" in sheet
        assert "Example Solidarity Fund" in sheet
        pdf = client.get(reverse("donations:paper_pdf", args=[monthly.token, name]))
        assert pdf["Content-Type"] == "application/pdf"
        assert pdf["Content-Disposition"] == f'inline; filename="{name}.pdf"'
        assert pdf["Cache-Control"] == "private, no-store"
        assert pdf["X-Robots-Tag"] == "noindex"
        assert pdf.content.startswith(b"%PDF-")


def test_papers_that_there_are_not_are_not_found(client, monthly, demo_fund):
    demo = PledgeMailFactory(pledge=PledgeFactory(fund=demo_fund, frequency="monthly", kind="branch"))
    for token, name in ((monthly.token, "diploma"), (demo.token, "standing-order"), ("nonsense", "resolution")):
        for view in ("donations:paper", "donations:paper_pdf"):
            assert client.get(reverse(view, args=[token, name])).status_code == 404
    assert client.post(reverse("donations:paper", args=[monthly.token, "resolution"])).status_code == 405


def test_an_old_link_opens_none_of_a_pledges_pages(client, monthly):
    PledgeMail.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    paths = [changing(monthly), instructions(monthly)]
    paths += [reverse(view, args=[monthly.token, "resolution"]) for view in ("donations:paper", "donations:paper_pdf")]
    for path in paths:
        response = client.get(path)
        assert response.status_code == 404
        assert "This link no longer works" in page(response)
        assert response["Referrer-Policy"] == "no-referrer"
    assert client.post(changing(monthly), TERMS).status_code == 404
    assert Pledge.objects.get().amount_minor == 2500


def test_the_appeal_is_there_for_everybody_to_print(client, fund):
    assert f'href="/fund/appeal/?fund={fund.slug}"' in page(client.get("/fund/"))
    response = client.get(f"/fund/appeal/?fund={fund.slug}")
    (code,) = re.findall(r"<svg.*?</svg>", response.content.decode(), re.DOTALL)
    assert read(code) == payload(of_appeal(fund))
    assert not response.cookies
    pdf = client.get(f"/fund/appeal.pdf?fund={fund.slug}")
    assert pdf.content.startswith(b"%PDF-")
    assert client.get("/fund/appeal/?fund=nowhere").status_code == 404
    assert client.get("/fund/appeal.pdf?fund=nowhere").status_code == 404


def test_the_demos_appeal_tells_nobody_to_pay(client, demo_fund):
    text = page(client.get("/fund/appeal/"))
    assert "Please send no money now" in text
    assert "7340" not in text
    assert "<svg" not in text
    Fund.objects.update(published_at=None)
    assert client.get("/fund/appeal/").status_code == 404
    assert client.get("/fund/appeal.pdf").status_code == 404


def test_a_pdf_that_cannot_be_made_says_so_and_the_page_stays(client, monthly, monkeypatch, tmp_path):
    monkeypatch.setattr(documents, "_PROGRAM", tmp_path / "gone.typ")
    response = client.get(reverse("donations:paper_pdf", args=[monthly.token, "resolution"]))
    assert response.status_code == 503
    assert "print the page itself" in page(response)
    assert client.get(reverse("donations:paper", args=[monthly.token, "resolution"])).status_code == 200


def test_a_pledge_has_an_end_if_its_giver_chose_one(client, fund):
    until = (timezone.localdate() + timedelta(days=90)).isoformat()
    assert client.post("/fund/pledge/", TYPED | {"frequency": "monthly", "until": until}).status_code == 200
    assert Pledge.objects.get().until.isoformat() == until
    response = client.post("/fund/pledge/", TYPED | {"until": until})
    assert response.status_code == 400
    assert "has no end" in page(response)
    assert f'value="{until}"' in page(response)


def test_how_the_amount_is_shown_is_chosen_and_changed(client, fund, monthly):
    client.post("/fund/pledge/", TYPED | {"fund": fund.slug, "display": "public", "amount_shown": "rounded"})
    assert Pledge.objects.exclude(pk=monthly.pledge.pk).get().amount_shown == "rounded"
    assert client.post("/fund/pledge/", TYPED | {"amount_shown": "always"}).status_code == 400
    client.post(changing(monthly), TERMS | {"amount_shown": "exact"})
    assert Pledge.objects.get(pk=monthly.pledge.pk).amount_shown == "exact"
