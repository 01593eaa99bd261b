"""The pages for when something is broken. Without the mark `django_db` a query here would fail."""

import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError, connection
from django.test import RequestFactory
from django.utils import translation
from django.views import csrf, defaults

from config import failing


@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_the_page_for_our_own_failure_needs_no_database(language):
    with translation.override(language):
        response = defaults.server_error(RequestFactory().get("/"))

    assert response.status_code == 500
    assert "<h1>" in response.text
    assert f'lang="{language}"' in response.text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [(OperationalError, 503, "5"), (InterfaceError, 503, "5"), (ProgrammingError, 500, None)],
)
def test_while_the_database_is_away_visitors_are_told_when_to_come_again(client, error, status, retry):
    def fail(*args):
        raise error("gone")

    client.raise_request_exception = False
    with connection.execute_wrapper(fail):
        response = client.get("/letters/")

    assert (response.status_code, response.get("Retry-After")) == (status, retry)
    assert "<h1>" in response.text


def test_the_page_for_a_bad_request_needs_no_database():
    response = defaults.bad_request(RequestFactory().get("/"), Exception())

    assert response.status_code == 400
    assert "<h1>" in response.text


def test_the_page_for_a_form_without_its_token_needs_no_database():
    response = csrf.csrf_failure(RequestFactory().post("/"))

    assert response.status_code == 403
    assert "<h1>" in response.text


def answered(error):
    """What the site answers where `error` was raised."""
    try:
        raise error
    except type(error):
        return failing.server_error(RequestFactory().get("/"))


@pytest.mark.parametrize("error", [OperationalError(), InterfaceError()])
def test_while_the_database_is_away_people_are_asked_to_come_again_soon(error):
    response = answered(error)

    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert response["Cache-Control"] == "no-store"
    assert "<h1>" in response.text


def test_what_else_breaks_is_our_own_failure():
    assert answered(ValueError()).status_code == 500


@pytest.mark.django_db(transaction=True)
def test_a_page_that_finds_no_database_says_so(client, settings):
    client.raise_request_exception = False
    kept, connection.settings_dict["NAME"] = connection.settings_dict["NAME"], "/nowhere/at/all"
    connection.close()
    try:
        response = client.get("/updates/")
    finally:
        connection.close()
        connection.settings_dict["NAME"] = kept

    assert response.status_code == 503
