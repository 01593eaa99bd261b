from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from donations import accounts, giving, posting
from donations.models import Fund, Pledge, PledgeMail
from privacy.tags import tag
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
