import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from donations import balances, posting, reconciling, references
from donations.admin import pledges
from donations.models import Allocation, Transaction
from tests.donations.test_reconciling import IBAN, line_at, pledge_of
from tests.factories import BankAccountFactory, FundFactory, OrganiserFactory, PledgeFactory

Kind = Allocation.Kind
DESK = "admin:donations_desk"


@pytest.fixture
def account(db):
    return BankAccountFactory()


@pytest.fixture
def fund(account):
    return account.fund


@pytest.fixture
def desk(client, db):
    client.force_login(OrganiserFactory())
    return client


def line_url(line):
    return reverse("admin:donations_desk_line", args=[line.pk])


def buttons(page):
    """What each button of the desk would send, by line."""
    return {entry["line"].pk: [guess["written"] for guess in entry["suggestions"]] for entry in page.context["entries"]}


def press(desk, line, parts, left=None):
    left = line.amount_minor if left is None else left
    return desk.post(line_url(line), {"parts": parts, "left": left}, follow=True)


def split(desk, line, *rows, left=None):
    data = {"left": line.amount_minor if left is None else left, "form-TOTAL_FORMS": "5", "form-INITIAL_FORMS": "0"}
    for number, row in enumerate(rows):
        data |= {f"form-{number}-{name}": value for name, value in row.items()}
    return desk.post(line_url(line), data, follow=True)


def live():
    return [
        (one.kind, one.amount_minor, one.pledge_id)
        for one in Allocation.objects.filter(reverses=None, reversal=None).order_by("pk")
    ]


def words(page):
    return [str(message) for message in page.context["messages"]]


def test_one_press_accepts_a_suggestion_and_it_can_be_undone(desk, fund, account):
    pledge = pledge_of(fund, name="Nora Berg")
    line = line_at(account, remittance=pledge.number[:-1] + "O" + " solidarity", counterparty="Nora Berg")
    page = desk.get(reverse(DESK))
    assert "Nora Berg" in page.content.decode()
    assert "the same name" in page.content.decode()
    page = press(desk, line, buttons(page)[line.pk][0])
    assert live() == [(Kind.PLEDGE, 2500, pledge.pk)]
    assert page.context["work"].count == 0
    assert "undo" in words(page)[0]
    made = Allocation.objects.get()
    assert made.made_by_id == int(desk.session["_auth_user_id"])
    page = desk.post(reverse("admin:donations_desk_undo", args=[made.pk]), follow=True)
    assert "Undone" in words(page)[0]
    assert live() == []
    assert page.context["entry"]["line"].left_minor == 2500
    page = desk.post(reverse("admin:donations_desk_undo", args=[made.pk]), follow=True)
    assert words(page) == ["This is undone already."]
    assert Allocation.objects.count() == 2


@pytest.mark.parametrize(("amount", "offered"), [(2500, 2), (-2500, 3)])
def test_each_line_can_be_said_to_be_something_without_a_suggestion(desk, account, amount, offered):
    line_at(account, amount_minor=9000)
    line = line_at(account, amount_minor=amount)
    entry = next(one for one in desk.get(reverse(DESK)).context["entries"] if one["line"] == line)
    assert len(entry["whole"]) == offered
    for button in entry["whole"]:
        press(desk, line, button["written"])
        (made,) = live()
        assert made[1] == amount
        desk.post(reverse("admin:donations_desk_undo", args=[Allocation.objects.latest("pk").pk]))


def test_a_line_is_split_by_hand_and_the_rest_stays_open(desk, fund, account):
    one, two = pledge_of(fund), pledge_of(fund)
    line = line_at(account, amount_minor=10000)
    page = split(
        desk,
        line,
        {"kind": "pledge", "pledge": references.ogm(one.number), "amount": "25"},
        {"kind": "pledge", "pledge": references.rf(two.number), "amount": "50,00"},
        {"kind": "gift", "pledge": "", "amount": "5.00"},
    )
    assert live() == [(Kind.PLEDGE, 2500, one.pk), (Kind.PLEDGE, 5000, two.pk), (Kind.GIFT, 500, None)]
    assert page.context["entries"][0]["line"].left_minor == 2000
    assert "still open" in page.content.decode()


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "at least one row"),
        ([{"kind": "pledge", "pledge": "", "amount": "5"}], "write the number of the pledge"),
        ([{"kind": "pledge", "pledge": "12", "amount": "5"}], "No pledge has this number"),
        ([{"kind": "gift", "pledge": "", "amount": "1.500"}], "two ways"),
        ([{"kind": "gift", "pledge": "", "amount": "0"}], "more than zero"),
        ([{"kind": "gift", "pledge": "", "amount": ""}], "How much"),
        ([{"kind": "pledge", "pledge": "12", "amount": ""}], "How much"),
        ([{"kind": "gift", "pledge": "known", "amount": "5"}], "Only what is for a pledge"),
        ([{"kind": "", "pledge": "", "amount": "5"}], "choose what this part is for"),
        ([{"kind": "refund", "pledge": "", "amount": "5"}], "valid choice"),
        ([{"kind": "gift", "pledge": "", "amount": "999999"}], "can still be allocated"),
        ([{"kind": "gift", "pledge": "", "amount": "1"}, {"kind": "nonsense"}], "valid choice"),
    ],
)
def test_a_mistyped_split_is_explained_and_nothing_is_noted(desk, account, rows, says):
    line, known = line_at(account), pledge_of(account.fund).number
    page = split(desk, line, *({**row, "pledge": row.get("pledge", "").replace("known", known)} for row in rows))
    assert says in page.content.decode()
    assert live() == []


@pytest.mark.parametrize(
    "data",
    [
        {"parts": "", "left": "2500"},
        {"parts": "gift", "left": "2500"},
        {"parts": "gift::x", "left": "2500"},
        {"parts": "theft::2500", "left": "2500"},
        {"parts": "pledge:999999:2500", "left": "2500"},
        {"parts": f"pledge:{10**30}:2500", "left": "2500"},
        {"parts": f"gift::{10**30}", "left": "2500"},
        {"parts": "gift::-2500", "left": "2500"},
        {"parts": "pledge::2500", "left": "2500"},
        {"parts": "gift::2500", "left": "many"},
        {"parts": "gift::2500", "left": "2499"},
        {"parts": "gift::2500", "left": "2500", "fund": "1&x=<b>"},
        {"left": "2500"},
        {"left": "x", "form-TOTAL_FORMS": "9999999", "form-INITIAL_FORMS": "-1"},
        {},
    ],
)
def test_whatever_is_posted_is_answered_and_at_most_the_whole_line_is_noted(desk, account, data):
    line = line_at(account)
    assert desk.post(line_url(line), data).status_code in {302, 400}
    assert live() == ([(Kind.GIFT, 2500, None)] if "fund" in data else [])


def test_a_second_press_from_an_old_page_does_nothing(desk, fund, account):
    pledge = pledge_of(fund)
    line = line_at(account, amount_minor=10000)
    for _ in range(2):
        page = press(desk, line, f"pledge:{pledge.pk}:2500")
    assert "meanwhile" in words(page)[0]
    assert live() == [(Kind.PLEDGE, 2500, pledge.pk)]


def test_a_withdrawn_right_to_post_leaves_a_page_to_look_at(client, fund, account):
    pledge = pledge_of(fund)
    line, done = line_at(account, remittance=pledge.number), line_at(account, reference=pledge.number)
    reconciling.settle([done])
    reader = OrganiserFactory(is_superuser=False)
    client.force_login(reader)
    undo = reverse("admin:donations_desk_undo", args=[Allocation.objects.get().pk])
    for url in (reverse(DESK), line_url(line), reverse("admin:donations_desk_done")):
        assert client.get(url).status_code == 403
    reader.user_permissions.add(Permission.objects.get(codename="view_transaction"))
    for url in (reverse(DESK), line_url(line), reverse("admin:donations_desk_done")):
        page = client.get(url)
        assert page.status_code == 200
        assert '<button class="button' not in page.content.decode()
    assert client.post(line_url(line), {"parts": "gift::2500", "left": "2500"}).status_code == 403
    assert client.post(undo).status_code == 403
    assert len(live()) == 1


def test_nothing_changes_by_looking(desk, fund, account):
    line = line_at(account, reference=pledge_of(fund).number)
    reconciling.settle([line])
    made = Allocation.objects.get()
    assert desk.get(reverse("admin:donations_desk_undo", args=[made.pk])).status_code == 302
    assert desk.get(line_url(line), {"parts": "gift::2500", "left": "2500"}).status_code == 200
    assert Allocation.objects.count() == 1
    assert desk.get(reverse("admin:donations_desk_line", args=[10**17])).status_code == 404


def test_what_was_decided_is_listed_by_who_did(desk, fund, account):
    pledge = pledge_of(fund, name="Nora Berg")
    reconciling.settle([line_at(account, reference=pledge.number)])
    press(desk, line_at(account), "gift::2500")
    done = reverse("admin:donations_desk_done")
    kinds = {
        who: [one.kind for one in desk.get(done, {"by": who}).context["said"]] for who in ("", "program", "people")
    }
    assert kinds == {"": [Kind.GIFT, Kind.PLEDGE], "program": [Kind.PLEDGE], "people": [Kind.GIFT]}
    for page in ("x", "-1", "0", str(10**30)):
        assert desk.get(done, {"page": page}).status_code == 200


def test_the_desk_pages_and_filters_by_fund(desk, account):
    other = BankAccountFactory(fund=FundFactory(), iban=IBAN)
    theirs = line_at(other)
    for _ in range(21):
        line_at(account)
    first = desk.get(reverse(DESK))
    assert (len(first.context["entries"]), first.context["work"].count) == (20, 22)
    assert len(desk.get(reverse(DESK), {"page": "2"}).context["entries"]) == 2
    chosen = desk.get(reverse(DESK), {"fund": other.fund.pk})
    assert [entry["line"] for entry in chosen.context["entries"]] == [theirs]
    for page in ("x", "-1", "99"):
        assert desk.get(reverse(DESK), {"page": page, "fund": "x"}).status_code == 200


def test_the_desk_takes_as_many_queries_for_twenty_lines_as_for_one(desk, fund, account):
    def queries():
        with CaptureQueriesContext(connection) as ran:
            assert desk.get(reverse(DESK)).status_code == 200
        return len(ran)

    def lines(count):
        for _ in range(count):
            pledge = pledge_of(fund)
            line_at(account, remittance=pledge.number, counterparty_iban=IBAN)

    lines(1)
    desk.get(reverse(DESK))
    few = queries()
    lines(15)
    assert queries() == few


def test_a_pledges_page_tells_what_arrived_and_whether_it_is_all(desk, fund, account):
    pledge, other = pledge_of(fund), pledge_of(fund)
    reconciling.settle([line_at(account, amount_minor=3000, reference=pledge.number)])
    page = desk.get(reverse("admin:donations_pledge_change", args=[pledge.pk])).content.decode()
    assert "more than pledged" in page
    assert "€30.00" in page
    listed = reverse("admin:donations_pledge_changelist")
    for paid, expected in (("over", [pledge]), ("nothing", [other]), ("full", []), ("part", []), ("running", [])):
        assert list(desk.get(listed, {"paid": paid}).context["cl"].result_list) == expected


def test_paid_compares_the_newest_pledges_of_what_else_is_filtered(desk, fund, account, monkeypatch):
    monkeypatch.setattr(pledges, "COMPARED", 2)
    old, middle, paid, new = (pledge_of(fund) for _ in range(4))
    other = PledgeFactory(fund=FundFactory(strike=fund.strike), confirmed=True)
    reconciling.settle([line_at(account, amount_minor=paid.amount_minor, reference=paid.number)])
    listed = reverse("admin:donations_pledge_changelist")

    def found(**query):
        return list(desk.get(listed, query).context["cl"].result_list)

    assert found(paid="nothing") == [other, new]
    assert found(paid="nothing", fund__id__exact=fund.pk) == [new]
    assert found(paid="full", fund__id__exact=fund.pk) == [paid]
    assert found() == [other, new, paid, middle, old]


def test_money_recorded_by_hand_needs_no_word_at_the_desk_until_it_is_undone(desk, fund):
    pledge = PledgeFactory(fund=fund, confirmed=True)
    data = {"fund": fund.pk, "pledge": pledge.pk, "amount": "25", "currency": "EUR", "booked_on": "2026-01-02"}
    desk.post(reverse("admin:donations_transaction_add"), data)
    assert balances.of_pledge(pledge.pk) == 2500
    assert reconciling.work().count == 0
    posting.undo(Allocation.objects.get(), by=None)
    assert reconciling.work().pks == [Transaction.objects.get().pk]
    assert balances.of_pledge(pledge.pk) == 0


def test_the_first_page_counts_what_waits_for_those_who_may_decide(desk, client, account):
    assert reverse(DESK) not in desk.get(reverse("admin:index")).content.decode()
    line_at(account)
    page = desk.get(reverse("admin:index")).content.decode()
    assert reverse(DESK) in page
    assert "Bank lines that did not find their pledge" in page
    client.force_login(OrganiserFactory(is_superuser=False))
    assert reverse(DESK) not in client.get(reverse("admin:index")).content.decode()


def test_the_count_ends_where_an_exact_number_helps_nobody(fund):
    work = reconciling.Waiting(list(range(reconciling.MOST_COUNTED + 1)), None)
    assert (work.count, work.more) == (reconciling.MOST_COUNTED, True)
