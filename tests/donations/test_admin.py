from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from donations import accounts, references
from donations.models import BankAccount, Fund, Pledge, Transaction
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


@pytest.fixture
def organiser():
    return OrganiserFactory()


@pytest.fixture
def desk(client, organiser):
    client.force_login(organiser)
    return client


def url(model, page, *args):
    return reverse(f"admin:donations_{model}_{page}", args=args)


def rows(desk, model, **query):
    return list(desk.get(url(model, "changelist"), query).context["cl"].result_list)


FUND = {"title": "A fund", "slug": "a-fund", "text": "For bread.", "currencies": "EUR SEK"}
ACCOUNT = {
    "holder": "Example Solidarity Fund",
    "iban": "de02 1005 0000 0054 5404 02",
    "bic": "BELADEBE",
    "currency": "",
    "note": "",
}


def act(desk, model, action, *rows):
    """Choose an action for these rows, and press the button of the page that asks."""
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    asked = desk.post(url(model, "changelist"), chosen)
    return desk.post(url(model, "changelist"), chosen | {"confirm": asked.context["fingerprint"]}, follow=True)


def test_an_organiser_opens_a_fund_and_proposes_an_account(desk, organiser):
    assert desk.post(url("fund", "add"), FUND | {"strike": StrikeFactory().pk}).status_code == 302
    fund = Fund.objects.get()
    response = desk.post(url("bankaccount", "add"), ACCOUNT | {"fund": fund.pk, "payable": "on"})
    assert response.status_code == 302
    account = BankAccount.objects.get()
    assert (account.iban, account.payable, account.proposed_by) == ("DE02100500000054540402", False, organiser)
    assert accounts.shown(fund) == accounts.Shown()


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("iban", "DE03 1005 0000 0054 5404 02"),
        ("bic", "BELA"),
        ("currency", "EURO"),
        ("note", "Please use BE29 7340 3242 2964 now"),
    ],
)
def test_a_mistyped_account_is_not_proposed(desk, field, typed):
    response = desk.post(url("bankaccount", "add"), ACCOUNT | {"fund": FundFactory().pk, field: typed})
    assert set(response.context["adminform"].form.errors) == {field}
    assert not BankAccount.objects.exists()


def test_a_text_about_the_fund_holds_no_account_number(desk):
    strike = StrikeFactory().pk
    response = desk.post(url("fund", "add"), FUND | {"strike": strike, "text": "Pay to be29734032422964."})
    assert set(response.context["adminform"].form.errors) == {"text"}
    assert not Fund.objects.exists()


def test_a_long_iban_typed_in_groups_fits(desk):
    malta = "MT84 MALT 0110 0001 2345 MTLC AST0 01S"
    desk.post(url("bankaccount", "add"), ACCOUNT | {"fund": FundFactory().pk, "iban": malta, "bic": ""})
    assert BankAccount.objects.get().grouped_iban == malta


def test_a_second_organiser_approves_and_the_first_cannot(desk, organiser, client):
    account = accounts.propose(BankAccountFactory.build(fund=FundFactory(), payable=False), by=organiser)
    page = act(desk, "bankaccount", "approve", account).content.decode()
    assert "You proposed it" in unescape(page)
    account.refresh_from_db()
    assert account.approved_at is None

    client.force_login(second := OrganiserFactory())
    act(client, "bankaccount", "approve", account)
    account.refresh_from_db()
    assert (account.approved_by, account.payable) == (second, True)
    assert accounts.payable(account.fund) == account


def test_no_form_and_no_bulk_action_swaps_the_account_unannounced(desk, client):
    account = BankAccountFactory()
    other = "BE29734032422964"
    form = ACCOUNT | {"fund": account.fund.pk, "iban": other, "payable": "on", "proposed_by": "", "holder": "Thief"}
    desk.post(url("bankaccount", "change", account.pk), form)
    account.refresh_from_db()
    assert (account.iban, account.holder) == ("DE02100500000054540402", "Example Solidarity Fund")

    desk.post(url("bankaccount", "add"), form)
    swapped = BankAccount.objects.get(iban=other)
    act(desk, "bankaccount", "approve", swapped)
    act(desk, "bankaccount", "withdraw", account)
    page = client.get("/fund/").content.decode()
    assert other not in page.replace(" ", "")
    assert "Thief" not in page
    assert desk.post(url("bankaccount", "delete", account.pk), {"post": "yes"}).status_code == 403


def test_the_switch_takes_an_account_off_at_once_and_none_is_switched_on_unapproved(desk):
    account, fact = BankAccountFactory(), BankAccountFactory(payable=False)
    desk.post(url("bankaccount", "change", account.pk), {"note": "Closed for now"})
    assert accounts.payable(account.fund) is None
    assert accounts.in_force(account.fund).note == "Closed for now"
    desk.post(url("bankaccount", "change", fact.pk), {"payable": "on", "note": ""})
    assert accounts.payable(fact.fund) is None
    act(desk, "bankaccount", "approve", fact)
    fact.refresh_from_db()
    assert fact.approved_at is None


def test_accounts_are_filtered_by_state(desk, organiser):
    approved, fact = BankAccountFactory(), BankAccountFactory(payable=False)
    proposed = accounts.propose(BankAccountFactory.build(fund=FundFactory(), payable=False), by=organiser)
    accounts.withdraw(withdrawn := BankAccountFactory(), by=organiser)
    assert rows(desk, "bankaccount", state="proposed") == [proposed]
    assert rows(desk, "bankaccount", state="approved") == [approved]
    assert rows(desk, "bankaccount", state="withdrawn") == [withdrawn]
    assert len(rows(desk, "bankaccount")) == 4
    assert "a fact of the campaign" in desk.get(url("bankaccount", "change", fact.pk)).content.decode()


def test_only_a_published_fund_has_a_page_to_view(desk):
    draft, published = FundFactory(published_at=None), FundFactory()
    assert desk.get(url("fund", "change", draft.pk)).context["absolute_url"] is None
    assert desk.get(url("fund", "change", published.pk)).context["absolute_url"]


def test_a_pledge_is_found_by_number_references_and_address(desk):
    wanted = PledgeFactory(number="1234567890", email="nora@example.org")
    PledgeFactory.create_batch(3)
    for typed in (
        "1234567890",
        "12345",
        references.ogm("1234567890"),
        "123 4567 89002",
        references.rf("1234567890"),
        "rf471234567890",
        "Nora@Example.org",
        " nora@example.org ",
    ):
        assert rows(desk, "pledge", q=typed) == [wanted], typed
    for typed in ("+++123/4567/89003+++", "nobody@example.org", "Nora"):
        assert rows(desk, "pledge", q=typed) == []
    found = desk.get(
        reverse("admin:autocomplete"),
        {"term": "123/4567/89002", "app_label": "donations", "model_name": "allocation", "field_name": "pledge"},
    ).json()
    assert [result["text"] for result in found["results"]] == ["1234567890"]


def test_pledges_are_filtered_by_state(desk):
    unconfirmed, counted = PledgeFactory(), PledgeFactory(confirmed=True)
    withdrawn = PledgeFactory(confirmed=True, withdrawn_at=timezone.now())
    assert rows(desk, "pledge", state="unconfirmed") == [unconfirmed]
    assert rows(desk, "pledge", state="counted") == [counted]
    assert rows(desk, "pledge", state="withdrawn") == [withdrawn]
    assert len(rows(desk, "pledge")) == 3


def test_a_pledge_is_to_look_at(desk):
    pledge = PledgeFactory(number="1234567890", name="Nora Berg")
    TransactionFactory(fund=pledge.fund, pledge=pledge, amount_minor=1000)
    page = desk.get(url("pledge", "change", pledge.pk)).content.decode()
    for shown in ("Nora Berg", "+++123/4567/89002+++", "RF47 1234 5678 90", "€25.00, once", "€10.00", pledge.email):
        assert shown in page
    for path in (url("pledge", "add"), url("pledge", "delete", pledge.pk)):
        assert desk.get(path).status_code == 403
    assert desk.post(url("pledge", "change", pledge.pk), {"name": "x"}).status_code == 403
    assert Pledge.objects.get().name == "Nora Berg"


@pytest.mark.parametrize("model", ["pledge", "transaction", "pledgemail"])
def test_lists_take_as_many_queries_for_many_rows_as_for_few(desk, model, django_assert_max_num_queries):
    fund = BankAccountFactory().fund

    def fill(times):
        for _ in range(times):
            pledge = PledgeMailFactory(pledge=PledgeFactory(fund=fund)).pledge
            TransactionFactory(fund=fund, pledge=pledge)

    fill(2)
    with django_assert_max_num_queries(60) as few:
        assert desk.get(url(model, "changelist")).status_code == 200
    fill(8)
    with django_assert_max_num_queries(len(few)):
        assert len(rows(desk, model)) == 10


def typed(fund, **others):
    today = timezone.localdate().isoformat()
    return {
        "fund": fund.pk,
        "pledge": "",
        "amount": "1 500,00",
        "currency": "eur",
        "booked_on": today,
        "description": "Miners",
    } | others


def test_an_organiser_records_what_arrived(desk, organiser):
    pledge = PledgeFactory()
    form = desk.get(url("transaction", "add"))
    assert form.context["adminform"].form.initial["currency"] == "EUR"
    response = desk.post(url("transaction", "add"), typed(pledge.fund, pledge=pledge.pk))
    assert response.status_code == 302
    posted = Transaction.objects.get()
    assert (posted.amount_minor, posted.currency, posted.allocations.get().pledge) == (150000, "EUR", pledge)
    assert (posted.recorded_by, posted.description) == (organiser, "Miners")
    assert "€1,500.00" in desk.get(url("transaction", "changelist")).content.decode()
    assert "€1,500.00" in desk.get(url("transaction", "change", posted.pk)).content.decode()


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("amount", "1.500"),
        ("amount", "-5"),
        ("amount", ""),
        ("currency", "SEK"),  # the pledge is in EUR
        ("currency", "XQQ"),
        ("booked_on", (timezone.localdate() + timedelta(days=2)).isoformat()),
        ("description", "x" * 201),
    ],
)
def test_a_wrong_record_is_refused_at_its_field(desk, field, wrong):
    pledge = PledgeFactory()
    response = desk.post(url("transaction", "add"), typed(pledge.fund, pledge=pledge.pk) | {field: wrong})
    assert response.status_code == 200
    assert set(response.context["adminform"].form.errors) == {field}
    assert not Transaction.objects.exists()


def test_a_record_on_a_pledge_of_another_fund_is_refused(desk):
    response = desk.post(url("transaction", "add"), typed(FundFactory(), pledge=PledgeFactory().pk))
    assert set(response.context["adminform"].form.errors) == {"pledge"}


def test_a_posted_transaction_can_be_neither_changed_nor_deleted(desk):
    posted = TransactionFactory()
    assert desk.post(url("transaction", "change", posted.pk), typed(posted.fund)).status_code == 403
    assert desk.post(url("transaction", "delete", posted.pk), {"post": "yes"}).status_code == 403
    assert "delete_selected" not in desk.get(url("transaction", "changelist")).content.decode()
    desk.post(
        url("transaction", "changelist"), {"action": "delete_selected", "_selected_action": posted.pk, "post": "y"}
    )
    assert Transaction.objects.get().amount_minor == 150000


def test_reversing_says_how_many_and_does_it_once(desk, organiser):
    first, second = TransactionFactory(), TransactionFactory()
    chosen = {"action": "reverse", "_selected_action": [first.pk, second.pk]}
    asked = desk.post(url("transaction", "changelist"), chosen)
    assert "This will change 2 rows." in " ".join(asked.content.decode().split())
    assert Transaction.objects.count() == 2
    sure = chosen | {"confirm": asked.context["fingerprint"]}
    assert desk.post(url("transaction", "changelist"), sure).status_code == 302
    assert Transaction.objects.count() == 4
    assert set(Transaction.objects.exclude(reverses=None).values_list("reverses", "recorded_by")) == {
        (first.pk, organiser.pk),
        (second.pk, organiser.pk),
    }
    again = desk.post(url("transaction", "changelist"), sure)
    assert "This will change 0 rows." in " ".join(again.content.decode().split())
    assert Transaction.objects.count() == 4


def test_one_who_may_only_look_cannot_record_or_reverse(client):
    viewer = OrganiserFactory(is_superuser=False)
    viewer.user_permissions.add(*_permissions("view_transaction", "view_pledge"))
    client.force_login(viewer)
    posted = TransactionFactory()
    assert client.get(url("transaction", "changelist")).status_code == 200
    assert client.get(url("transaction", "add")).status_code == 403
    client.post(url("transaction", "changelist"), {"action": "reverse", "_selected_action": posted.pk})
    assert Transaction.objects.count() == 1


def _permissions(*names):
    return Permission.objects.filter(codename__in=names)


def test_the_mails_show_no_secret(desk):
    mail = PledgeMailFactory()
    page = desk.get(url("pledgemail", "change", mail.pk)).content.decode()
    assert mail.message_id.strip("<>") in page
    assert mail.token not in page
    assert mail.token_hash not in page


def test_a_question_names_the_rows_in_words(desk):
    posted, mail = TransactionFactory(), PledgeMailFactory()

    question = desk.post(url("transaction", "changelist"), {"action": "reverse", "_selected_action": posted.pk})
    assert f"#{posted.pk}: " in question.text
    assert "1,500.00" in question.text

    question = desk.post(url("pledgemail", "changelist"), {"action": "withdraw", "_selected_action": mail.pk})
    assert f"{mail.pledge.number}, " in question.text
    assert mail.message_id not in question.text
    assert mail.pledge.name not in question.text


def test_the_years_end_breaks_no_list(desk):
    assert desk.get(url("transaction", "changelist"), {"booked_on__year": "9999"}).status_code in {200, 302}
