"""Rates: recorded with source and day, shown with them, and nothing is added up by them."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError
from django.db.transaction import atomic
from django.urls import reverse
from django.utils import timezone

from donations import giving, rates
from donations.models import PostedError, Rate
from tests.factories import FundFactory, OrganiserFactory, TransactionFactory

pytestmark = pytest.mark.django_db

ADD = "admin:donations_rate_add"


def rate(one, other, millionths, **columns):
    columns = {"source": "Example Bank", "dated_on": date(2026, 11, 1)} | columns
    return rates.record(Rate(from_currency=one, to_currency=other, millionths=millionths, **columns), by=None)


@pytest.fixture
def fund():
    """A fund whose first currency is EUR, and which got 1,000 SEK and 5 EUR."""
    fund = FundFactory(currencies="EUR SEK JPY")
    TransactionFactory(fund=fund, currency="SEK", amount_minor=100000)
    TransactionFactory(fund=fund, currency="EUR", amount_minor=500)
    return fund


def fund_page(client):
    return " ".join(client.get("/fund/").content.decode().split())


def record(client, **changes):
    typed = {
        "from_currency": "eur",
        "to_currency": "SEK",
        "value": "11,2345",
        "source": "Example Bank",
        "dated_on": "2026-11-01",
    }
    return client.post(reverse(ADD), typed | changes)


@pytest.mark.parametrize(
    ("told", "amount", "expected"),
    [
        (("EUR", "SEK", 11_234_500), (100000, "SEK"), 8901),
        (("SEK", "EUR", 89_012), (100000, "SEK"), 8901),
        (("EUR", "JPY", 165_250_000), (1000, "JPY"), 605),
        (("JPY", "EUR", 6_051), (1000, "JPY"), 605),
        (("EUR", "SEK", 11_234_500), (-100000, "SEK"), -8901),
    ],
)
def test_an_amount_is_converted_whichever_way_the_rate_is_told(told, amount, expected):
    assert rates.convert(*amount, rate(*told)) == expected


def test_without_a_rate_the_page_shows_nothing_of_the_kind(client, fund):
    rate("EUR", "USD", 1_100_000)
    assert "≈" not in fund_page(client)


def test_the_page_shows_about_what_it_is_with_rate_source_and_day(client, fund):
    rate("EUR", "SEK", 9_000_000, dated_on=date(2026, 10, 1))
    rate("EUR", "SEK", 10_000_000, source="A slip of the pen")
    rate("EUR", "SEK", 11_234_500)
    page = fund_page(client)
    assert "received ≈ €89.01" in page
    assert "By the rate 1 EUR = 11.2345 SEK of 1 November 2026 (Example Bank)." in page
    assert page.count("By the rate") == 1
    assert "SEK" in page


def test_a_rate_changes_no_total(fund):
    before = giving.totals(fund)
    rate("EUR", "SEK", 11_234_500)
    assert giving.totals(fund) == before
    (about,) = rates.about(fund, before)
    assert (about.currency, about.total.currency, about.total.received) == ("SEK", "EUR", 8901)


def test_an_organiser_records_a_rate_that_nobody_edits(client, fund):
    organiser = OrganiserFactory()
    client.force_login(organiser)
    assert record(client).status_code == 302
    made = Rate.objects.get()
    assert (made.from_currency, made.to_currency, made.millionths) == ("EUR", "SEK", 11_234_500)
    assert made.recorded_by == organiser
    assert "1 EUR = 11.2345 SEK" in client.get(reverse("admin:donations_rate_changelist")).content.decode()
    page = client.get(reverse("admin:donations_rate_change", args=[made.pk]))
    assert "1 EUR = 11.2345 SEK" in page.content.decode()
    assert 'name="_save"' not in page.content.decode()
    with pytest.raises(PostedError):
        made.save()
    with pytest.raises(PostedError):
        made.delete()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"value": "0"}, "above zero"),
        ({"value": "1.1234567"}, "above zero"),
        ({"value": "1.234,5"}, "above zero"),
        ({"value": "-1"}, "above zero"),
        ({"value": "much"}, "above zero"),
        ({"value": ""}, "required"),
        ({"to_currency": "EUR"}, "between two currencies"),
        ({"to_currency": "XYQ"}, "no currency"),
        ({"source": ""}, "required"),
        ({"source": "  "}, "required"),
        ({"dated_on": str(timezone.localdate() + timedelta(days=2))}, "still to come"),
    ],
)
def test_what_is_no_rate_is_refused_in_words(client, fund, changes, says):
    client.force_login(OrganiserFactory())
    answer = record(client, **changes)
    assert answer.status_code == 200
    assert says in answer.content.decode()
    assert "Constraint" not in answer.content.decode()
    assert not Rate.objects.exists()


@pytest.mark.parametrize("columns", [{"millionths": 0}, {"source": ""}, {"to_currency": "EUR"}, {"to_currency": "sek"}])
def test_the_database_refuses_what_is_no_rate(columns):
    good = {"from_currency": "EUR", "to_currency": "SEK", "millionths": 1, "source": "x", "dated_on": date(2026, 1, 1)}
    with pytest.raises(IntegrityError), atomic():
        super(type(Rate.objects.all()), Rate.objects.all()).bulk_create([Rate(**good | columns)])
