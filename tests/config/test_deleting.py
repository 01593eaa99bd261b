"""What other rows stand in the way of is not deleted, and the page says so without reading all of them."""

import pytest
from django.urls import reverse
from django.utils.html import escape

from config import paginating
from donations.models import Fund
from protests.models import Letter
from tests.factories import FundFactory, LetterTextFactory, OrganiserFactory, PledgeFactory, SignatureFactory
from tests.rows import more

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(client):
    client.force_login(OrganiserFactory())
    return client


def deleting(row):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_delete", args=[row.pk])


def test_what_stands_in_the_way_is_named_with_a_link_and_nothing_goes(desk):
    pledge = PledgeFactory()
    page = desk.get(deleting(pledge.fund))
    assert page.context["protected"] == [
        f'Pledge: <a href="{reverse("admin:donations_pledge_change", args=[pledge.pk])}">{escape(pledge)}</a>'
    ]
    assert "Cannot delete" in page.text
    desk.post(deleting(pledge.fund), {"post": "yes"})
    assert Fund.objects.get() == pledge.fund


def test_many_are_counted_and_no_further_than_a_list_counts(desk, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(paginating, "MOST_NAMED", 2)
    pledge = PledgeFactory()
    more(pledge, 5)
    assert desk.get(deleting(pledge.fund)).context["protected"] == ["Pledges: 6"]
    monkeypatch.setattr(paginating, "MOST_COUNTED", 4)
    more(pledge, 100)
    with django_assert_max_num_queries(30):
        assert desk.get(deleting(pledge.fund)).context["protected"] == ["Pledges: more than 4"]


def test_many_selected_at_once_are_refused_together(desk):
    pledge, free = PledgeFactory(), FundFactory()
    chosen = {"action": "delete_selected", "_selected_action": [pledge.fund.pk, free.pk]}
    page = desk.post(reverse("admin:donations_fund_changelist"), chosen)
    assert len(page.context["protected"]) == 1
    desk.post(reverse("admin:donations_fund_changelist"), chosen | {"post": "yes"})
    assert {*Fund.objects.all()} == {pledge.fund, free}


def test_what_protects_a_row_that_would_go_along_is_told_once(desk):
    text = LetterTextFactory()
    SignatureFactory(text=text)  # protects its text, which goes with the letter, and the letter itself
    assert len(desk.get(deleting(text.letter)).context["protected"]) == 1
    desk.post(deleting(text.letter), {"post": "yes"})
    assert Letter.objects.get() == text.letter


def test_what_nothing_stands_in_the_way_of_goes(desk):
    fund = FundFactory()
    page = desk.get(deleting(fund))
    assert page.context["protected"] == []
    assert escape(fund) in page.text
    desk.post(deleting(fund), {"post": "yes"})
    assert not Fund.objects.exists()
