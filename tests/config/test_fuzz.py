"""Some of what `python -m tests.fuzz` sends by the ten thousand."""

from importlib import import_module

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.urls import get_resolver

from campaign import subscribing
from config import page_cache
from limits.stamping import stamp
from protests.models import Signature
from tests import fuzz
from tests.factories import (
    ActivistFactory,
    BankAccountFactory,
    ConfirmationMailFactory,
    DocumentFactory,
    FundFactory,
    MyDataMailFactory,
    PicketFactory,
    PledgeMailFactory,
    SubscriberFactory,
    SubscriptionMailFactory,
    UpdateFactory,
)
from tests.protests.conftest import letter  # noqa: F401 - a fixture


@pytest.fixture
def site(letter, monkeypatch):  # noqa: F811
    monkeypatch.setitem(fuzz.LETTER, "stamp", stamp())
    account = BankAccountFactory()
    rows = [letter, letter.strike, ActivistFactory(), DocumentFactory(), UpdateFactory(), PicketFactory(), account.fund]
    confirmation = ConfirmationMailFactory(signature__letter=letter, signature__text__letter=letter)
    pledge = PledgeMailFactory(pledge__fund=FundFactory())
    leave = subscribing.unsubscribe_token(SubscriberFactory().pk)
    subscription = SubscriptionMailFactory(subscriber__unconfirmed=True)
    words = [*(row.slug for row in rows), confirmation.token, confirmation.token, pledge.token, pledge.token]
    words += [subscription.token, leave, MyDataMailFactory().token]
    return fuzz.Site(fuzz.public_patterns(get_resolver().url_patterns), words)


@pytest.fixture
def send(monkeypatch):
    # As Django's test client does: they would close the connection that holds the test's transaction.
    monkeypatch.setattr(page_cache, "close_old_connections", lambda: None)
    ends = (request_started, request_finished)
    for end in ends:
        end.disconnect(close_old_connections)
    # Not earlier: WhiteNoise looks for the static files' folder, which a fixture makes.
    yield fuzz.through_wsgi(import_module("config.wsgi").application)
    for end in ends:
        end.connect(close_old_connections)


@pytest.mark.django_db
def test_no_request_is_answered_by_a_failure_of_ours(site, send):
    fuzz.failing(send, site, examples=250)


@pytest.mark.django_db
def test_a_failure_would_be_found(site, send):
    def spoilt(request):
        return 500 if send(request) == 405 else 200

    with pytest.raises(AssertionError, match="500 to Request"):
        fuzz.failing(spoilt, site, examples=250)


@pytest.mark.django_db
def test_the_forms_that_are_sent_are_good_ones_but_for_what_is_spoilt(site, send, client):
    (slug,) = {word for word in site.words if word == "free-her"}
    assert client.post(f"/letters/{slug}/", fuzz.LETTER).status_code == 200
    assert Signature.objects.filter(country="DE").count() == 2
    assert client.post("/fund/pledge/", fuzz.PLEDGE).status_code == 200


def test_every_public_path_is_asked():
    patterns = fuzz.public_patterns(get_resolver().url_patterns)

    assert {"letters/<slug:slug>/", "confirm/<str:token>/", "fund/pledge/", "healthz", ""} <= set(patterns)
