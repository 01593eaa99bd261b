import time

import pytest
from django.utils import translation

from donations.forms import PledgeForm
from limits.stamping import stamp
from tests.factories import FundFactory

TYPED = {
    "kind": "person",
    "name": "Nora Berg",
    "organisation": "",
    "email": "nora@example.org",
    "amount": "25,50",
    "currency": "EUR",
    "frequency": "once",
    "display": "anonymous",
    "consent": "on",
    "stamp": stamp(time.time() - 60),
}


def form(**typed):
    return PledgeForm(FundFactory.build(), TYPED | typed)


def test_a_complete_form_gives_what_a_pledge_needs():
    filled = form()
    assert filled.is_valid()
    assert filled.pledge() == {
        "kind": "person",
        "name": "Nora Berg",
        "organisation": "",
        "email": "nora@example.org",
        "amount_minor": 2550,
        "currency": "EUR",
        "frequency": "once",
        "until": None,
        "display": "anonymous",
        "amount_shown": "no",
    }


def test_nothing_is_agreed_to_beforehand():
    html = PledgeForm(FundFactory.build()).as_p()
    assert 'name="consent"' in html
    assert not PledgeForm(FundFactory.build()).fields["consent"].initial
    assert "two years" in html


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("name", ""),
        ("name", "\u200b"),
        ("name", "Nora\u202egro"),
        ("name", "Nora\0"),
        ("name", "x" * 101),
        # Names stand on the fund's page: anybody could tell donors another account there.
        ("name", "Pay to BE29 7340 3242 2964"),
        ("organisation", "New account: BE29.7340.3242.2964"),
        ("organisation", "\x1b[31mRed"),
        ("organisation", "x" * 151),
        ("email", ""),
        ("email", "nora@localhost"),
        ("email", "nora@example.org, b@example.org"),
        ("amount", ""),
        ("amount", "1.500"),
        ("amount", "-5"),
        ("amount", "0"),
        ("amount", "9" * 41),
        ("currency", "USD"),
        ("currency", ""),
        ("kind", "martian"),
        ("frequency", "hourly"),
        ("display", "somehow"),
        ("consent", ""),
    ],
)
def test_a_wrong_field_is_named_and_no_other(field, typed):
    assert set(form(**{field: typed}).errors) == {field}


@pytest.mark.parametrize("kind", ["organisation", "branch"])
def test_an_organisation_or_branch_has_a_name(kind):
    assert set(form(kind=kind, organisation=" ").errors) == {"organisation"}
    assert form(kind=kind, organisation="Local 1").is_valid()


def test_a_name_like_a_mail_header_is_a_name():
    filled = form(name='"x" <v@v.org>,')
    assert filled.is_valid()
    assert filled.pledge()["name"] == '"x" <v@v.org>,'


def test_currencies_are_the_funds_and_named_in_the_readers_language():
    with translation.override("de"):
        choices = PledgeForm(FundFactory.build(currencies="SEK EUR")).fields["currency"].choices
    assert choices == [("SEK", "SEK, Schwedische Krone"), ("EUR", "EUR, Euro")]
