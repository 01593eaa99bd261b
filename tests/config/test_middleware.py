import pytest
from django.test import Client
from django.urls import reverse

from tests import factories as make
from tests.factories import OrganiserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("asked", "language"), [("de-AT,de;q=0.9", "de"), ("ru", "ru"), ("fr", "en"), ("", "en")])
def test_the_admin_speaks_the_language_of_the_browser(client, asked, language):
    client.force_login(OrganiserFactory())
    response = client.get("/admin/", headers={"Accept-Language": asked})
    assert response.headers["Content-Language"] == language
    assert "Accept-Language" in response.headers["Vary"]


def test_a_public_page_speaks_the_language_of_its_path(client):
    for path, language in (("/letters/", "en"), ("/ru/letters/", "ru")):
        assert client.get(path, headers={"Accept-Language": "de"}).headers["Content-Language"] == language


def test_a_page_that_is_not_there_offers_every_language(client):
    page = client.get("/ru/nowhere/").text
    for path, language in (("/", "en"), ("/de/", "de"), ("/ru/", "ru")):
        assert f'<a href="{path}" hreflang="{language}"' in page


# --- Headers ------------------------------------------------------------------------------------------------------


def policy(response):
    """Return the directives of the answer's only Content-Security-Policy."""
    header = response["Content-Security-Policy"]
    return {name: values for name, *values in (part.split() for part in header.split(";") if part.strip())}


def test_a_public_page_gives_no_right_but_to_its_own_files_and_tells_nobody_where_its_reader_was(client):
    response = client.get("/subscribe/")
    assert policy(response)["default-src"] == ["'none'"]
    assert policy(response)["require-trusted-types-for"] == ["'script'"]
    assert "unsafe" not in response["Content-Security-Policy"]
    assert "http" not in response["Content-Security-Policy"]
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cross-Origin-Opener-Policy"] == response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert "camera=()" in response["Permissions-Policy"]
    assert "publickey-credentials-get=()" in response["Permissions-Policy"]
    assert "public" in response["Cache-Control"]
    assert not response.cookies


def test_the_organisers_pages_take_passkeys_and_keep_what_the_csrf_check_needs(client):
    response = client.get(reverse("admin:login"))
    assert response["Referrer-Policy"] == "same-origin"
    assert "publickey-credentials-get=(self)" in response["Permissions-Policy"]
    assert "camera=()" in response["Permissions-Policy"]
    assert policy(response)["default-src"] == ["'none'"]
    assert "require-trusted-types-for" not in policy(response)  # Django's own scripts there write HTML
    assert "unsafe" not in response["Content-Security-Policy"]
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("path", ["/nowhere/", "/subscribe", "/confirm/x/", "/receipt/x/", "/unsubscribe/x/"])
def test_what_is_not_said_to_be_for_all_is_kept_by_nobody(client, path):
    assert client.get(path)["Cache-Control"] == "private, no-store"


def test_what_a_form_answers_is_kept_by_nobody(client):
    for posted in ({"email": "nobody"}, {"email": "rosa@example.org", "consent": "on", "language": "en"}):
        assert client.post("/subscribe/", posted)["Cache-Control"] == "private, no-store"


def test_a_redirect_to_https_carries_the_headers_too(settings, client):
    settings.SECURE_SSL_REDIRECT = True
    response = Client().get("/")
    assert response.status_code == 301
    assert response["Permissions-Policy"]
    assert policy(response)["default-src"] == ["'none'"]


def test_what_is_no_page_gets_no_rights_wherever_it_is_shown(client):
    make.BankAccountFactory()
    for path in ("/updates/feed/", "/pickets/calendar.ics", "/fund/ledger.csv", "/fund/ledger.json", "/healthz"):
        response = client.get(path)
        assert response.status_code == 200, path
        assert policy(response)["sandbox"] == [], path
        assert response["Cross-Origin-Resource-Policy"] == "same-origin", path
        assert response.getvalue(), path


def test_whoever_opens_an_address_that_takes_only_what_a_form_sends_is_told_so(client):
    client.force_login(make.OrganiserFactory(is_superuser=True))
    response = client.get("/admin/readiness/trial/")
    assert response.status_code == 405
    assert response["Allow"] == "POST"
    assert "This address only takes what a form sends" in response.text
    assert int(response["Content-Length"]) == len(response.content)
    assert "no-store" in response["Cache-Control"]
