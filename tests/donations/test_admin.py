from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from donations import references
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


FUND = {
    "title": "A fund",
    "slug": "a-fund",
    "text": "For bread.",
    "currencies": "EUR SEK",
    "account-TOTAL_FORMS": "1",
    "account-INITIAL_FORMS": "0",
    "account-0-holder": "Example Solidarity Fund",
    "account-0-iban": "de02 1005 0000 0054 5404 02",
    "account-0-bic": "BELADEBE",
    "account-0-note": "",
}


def test_an_organiser_opens_a_fund_with_an_account(desk):
    response = desk.post(url("fund", "add"), FUND | {"strike": StrikeFactory().pk})
    assert response.status_code == 302
    account = Fund.objects.get().account
    assert (account.iban, account.payable) == ("DE02100500000054540402", False)


@pytest.mark.parametrize(
    ("field", "typed"),
    [("account-0-iban", "DE03 1005 0000 0054 5404 02"), ("account-0-bic", "BELA"), ("currencies", "EUR EUR")],
)
def test_a_mistyped_account_or_currency_opens_no_fund(desk, field, typed):
    response = desk.post(url("fund", "add"), FUND | {"strike": StrikeFactory().pk, field: typed})
    assert response.status_code == 200
    assert not Fund.objects.exists()


def test_a_long_iban_typed_in_groups_fits(desk):
    malta = "MT84 MALT 0110 0001 2345 MTLC AST0 01S"
    desk.post(url("fund", "add"), FUND | {"strike": StrikeFactory().pk, "account-0-iban": malta, "account-0-bic": ""})
    assert BankAccount.objects.get().grouped_iban == malta


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
        {"term": "123/4567/89002", "app_label": "donations", "model_name": "transaction", "field_name": "pledge"},
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
    assert (posted.amount_minor, posted.currency, posted.pledge) == (150000, "EUR", pledge)
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
