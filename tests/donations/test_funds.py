from html import unescape

import pytest
from django.template import Context, Template
from django.utils import translation

from tests.factories import BankAccountFactory, FundFactory, PledgeFactory, StrikeFactory, TransactionFactory

pytestmark = pytest.mark.django_db


def box(strike):
    html = Template("{% load funds %}{% fund_box strike %}").render(Context({"strike": strike}))
    return " ".join(unescape(html).split())


def test_the_box_shows_what_is_pledged_and_what_arrived_and_leads_to_the_fund():
    fund = BankAccountFactory().fund
    PledgeFactory(fund=fund, confirmed=True)
    TransactionFactory(fund=fund)
    for html in (box(fund.strike), box(None)):
        for shown in (fund.title, "€25.00", "€1,500.00", f'href="{fund.get_absolute_url()}"', "Support the fund"):
            assert shown in html
        assert "send no money" not in html


def test_the_box_of_a_fund_that_takes_no_money_says_so():
    account = BankAccountFactory(payable=False)
    assert "Please send no money now" in box(account.fund.strike)
    assert account.grouped_iban not in box(account.fund.strike)


def test_there_is_no_box_without_a_published_fund():
    FundFactory(published_at=None)
    assert box(StrikeFactory()) == ""
    assert box(None) == ""
    FundFactory()
    assert box(StrikeFactory()) == ""


def test_the_box_takes_as_many_queries_for_five_funds_as_for_one(django_assert_num_queries):
    def made():
        TransactionFactory(fund=PledgeFactory(fund=BankAccountFactory().fund, confirmed=True).fund)

    made()
    with django_assert_num_queries(8):
        box(None)
    for _ in range(4):
        made()
    with django_assert_num_queries(8):
        assert box(None).count("card-title") == 5


def test_amounts_follow_the_language():
    template = Template("{% load funds %}{{ 150000|amount:'EUR' }}")
    with translation.override("de"):
        assert template.render(Context()) == "1.500,00\u00a0€"
