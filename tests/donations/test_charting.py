import re
from datetime import date
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from donations import balances, charting, posting
from donations.charting import HEIGHT, MONTHS
from tests.donations.test_posting import disbursement_of
from tests.factories import BankAccountFactory, FundFactory, PledgeFactory, TransactionFactory

pytestmark = pytest.mark.django_db
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def today(time_machine):
    time_machine.move_to("2026-11-15 09:00+00:00", tick=False)


@pytest.fixture
def account():
    return BankAccountFactory()


@pytest.fixture
def fund(account):
    return account.fund


def sums(fund, currency="EUR"):
    """Return the four series of one currency, by title."""
    (chart,) = [one for one in charting.of(fund) if one.currency == currency]
    found = {str(picture.title): [bar.amount_minor for bar in picture.bars] for picture in chart.pictures}
    assert [amounts for _label, amounts in chart.rows] == [list(row) for row in zip(*found.values(), strict=True)]
    return found


def test_each_bar_is_what_it_was_in_all_at_the_end_of_a_month(fund, account):
    for day in (date(2024, 2, 29), date(2026, 9, 1), date(2026, 9, 30), date(2026, 11, 15)):
        TransactionFactory(fund=fund, account=account, amount_minor=1000, booked_on=day)
    out = TransactionFactory(fund=fund, account=account, amount_minor=-600, booked_on=date(2026, 10, 31))
    posting.allocate(out, "disbursement", -500, disbursement=disbursement_of(fund, 500), by=None)
    posting.allocate(out, "fee", -100, by=None)
    found = sums(fund)
    assert found["Received"] == [1000] * 9 + [3000, 3000, 4000]
    assert found["Disbursed"] == [0] * 10 + [500, 500]
    assert found["In hand"] == [1000] * 9 + [3000, 2400, 3400]
    labels = [label for label, _amounts in charting.of(fund)[0].rows]
    assert (labels[0], labels[-1]) == ("December 2025", "November 2026")


def test_what_was_pledged_counts_when_it_was_due(fund):
    def made(day, **columns):
        PledgeFactory(**{"fund": fund, "confirmed": True, "made_on": day, "amount_minor": 100, **columns})

    made(date(2026, 9, 15), frequency="monthly")  # due on the 15th: three times by now
    made(date(2026, 9, 16), frequency="monthly", until=date(2026, 10, 15))  # once
    made(date(2026, 10, 1), amount_minor=5000)
    made(date(2026, 10, 1), amount_minor=7, confirmed=False)
    made(date(2025, 1, 1), frequency="monthly", changed_on=date(2026, 10, 20), amount_minor=10)  # once, as it is now
    assert sums(fund)["Pledged and due"] == [0] * 9 + [200, 5300, 5410]


def test_currencies_have_pictures_of_their_own_and_a_fund_without_money_has_none(fund):
    assert charting.of(FundFactory()) == []
    TransactionFactory(fund=fund, amount_minor=300)
    TransactionFactory(fund=fund, amount_minor=500, currency="SEK")
    assert [one.currency for one in charting.of(fund)] == ["EUR", "SEK"]
    assert (sums(fund)["Received"][-1], sums(fund, "SEK")["Received"][-1]) == (300, 500)


moves = st.lists(
    st.tuples(st.dates(date(2025, 1, 1), date(2026, 11, 15)), st.integers(1, 10**9), st.booleans()),
    min_size=1,
    max_size=8,
)


@given(moves)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_last_bar_is_the_balance_and_no_bar_leaves_the_drawing(moved):
    fund = FundFactory()
    for day, amount, is_reversed in moved:
        posted = TransactionFactory(fund=fund, amount_minor=amount, booked_on=day)
        if is_reversed:
            posting.reverse(posted, by=None)
    (balance,) = balances.of(fund)
    found = sums(fund)
    assert (found["Received"][-1], found["In hand"][-1]) == (balance.received, balance.in_hand)
    for picture in charting.of(fund)[0].pictures:
        for bar in picture.bars:
            assert bar.y + bar.height == HEIGHT
            assert 0 <= bar.y <= HEIGHT
            assert (bar.height > 0) == (bar.amount_minor > 0)


def test_the_page_draws_them_without_style_or_script_and_with_a_table(client, fund, account):
    TransactionFactory(fund=fund, account=account, amount_minor=123456)
    PledgeFactory(fund=fund, confirmed=True, amount_minor=200000)
    page = client.get("/fund/").content.decode()
    drawings = re.findall(r'<svg class="chart".*?</svg>', page, re.DOTALL)
    assert len(drawings) == 4
    for drawing in drawings:
        root = ET.fromstring(drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" '))  # noqa: S314 - ours
        assert len(root.findall(f"{SVG}rect")) == MONTHS
        assert f'id="{root.attrib["aria-labelledby"]}"' in page
        assert not re.search(r"style=|<script|on\w+=", drawing)
    assert page.count("€1,234.56", page.index("The same as a table"), page.index("Each bar is")) == 2
