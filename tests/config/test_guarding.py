from importlib import import_module
from io import BytesIO
from wsgiref.util import setup_testing_defaults

import pytest

from config.guarding import refusal


@pytest.fixture
def status():
    """A function that sends a request to the program as gunicorn does, and returns the answer's status."""
    # Not earlier: WhiteNoise looks for the static files' folder, which a fixture makes.
    application = import_module("config.wsgi").application

    def status(**environ):
        setup_testing_defaults(environ)
        environ.update({"HTTP_HOST": "127.0.0.1", "wsgi.input": BytesIO()})
        answers = []
        response = application(environ, lambda line, headers: answers.append(line))
        assert b"".join(response)
        return int(answers[0].split()[0])

    return status


@pytest.mark.parametrize("path", ["/", "/updates/", "/admin/login/"])
@pytest.mark.parametrize(
    "content_type",
    ["text/html; charset=hex", "text/html; charset*=bogus''x", "text/html; charset=utf-7", "text/html; charset=\xff"],
)
def test_any_character_set_but_utf_8_is_refused(status, path, content_type):
    assert status(PATH_INFO=path, QUERY_STRING="q=%2BdAA-&q=+2AA-", CONTENT_TYPE=content_type) == 400


@pytest.mark.parametrize("content_type", ["", "text/html", "text/html; charset=UTF-8", 'text/html; charset="utf8"'])
def test_utf_8_is_taken(content_type):
    assert refusal({"CONTENT_TYPE": content_type}) is None


@pytest.mark.parametrize("path", ["/admin/login/", "/", "/fund/pledge/"])
@pytest.mark.parametrize("length", ["900000000", "9" * 5000])
def test_what_is_too_long_is_refused_before_it_is_read(status, path, length):
    assert status(PATH_INFO=path, REQUEST_METHOD="POST", CONTENT_LENGTH=length) == 413


def test_a_body_of_unknown_length_is_refused(status):
    assert status(PATH_INFO="/fund/pledge/", REQUEST_METHOD="POST", HTTP_TRANSFER_ENCODING="chunked") == 411
