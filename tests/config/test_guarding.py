from importlib import import_module
from io import BytesIO
from wsgiref.util import setup_testing_defaults

import pytest

from config.guarding import READ_AWAY, guarded, refusal


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


@pytest.mark.parametrize(("megabytes", "answer"), [(9, None), (11, 413)])
def test_a_bank_statement_may_be_longer_than_a_form(megabytes, answer):
    asked = {"PATH_INFO": "/admin/donations/bankstatement/import/", "CONTENT_LENGTH": str(megabytes * 1024 * 1024)}
    assert refusal(asked) == answer


class Chunks(BytesIO):
    """A body as gunicorn gives one that came in chunks; `broken` ends with a chunk that is none."""

    broken = False

    def read(self, size=-1):
        if self.broken:
            raise OSError("Invalid chunk size")
        return super().read(size)


def chunked(body, **more):
    environ = {"wsgi.input": Chunks(body), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", **more}
    return environ, refusal(environ)


def test_a_body_in_chunks_is_counted_and_handed_on():
    environ, refused = chunked(b"name=Nora")

    assert refused is None
    assert (environ["CONTENT_LENGTH"], environ["wsgi.input"].read()) == ("9", b"name=Nora")


def test_a_body_in_chunks_has_the_same_limit(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000

    assert chunked(b"x" * 1000)[1] is None
    assert chunked(b"x" * 1001)[1] == 413


@pytest.mark.parametrize(
    ("path", "megabytes", "refused"),
    [
        ("/admin/donations/collectionsheet/12/scan/", 8, None),
        ("/admin/donations/disbursement/3/evidence/", 8, None),
        ("/admin/donations/disbursement/3/evidence/", 9, 413),
        ("/admin/donations/disbursement/3/cash/", 2, 413),
        ("/fund/pledge/", 2, 413),
        ("/fund/pledge/?x=/admin/donations/disbursement/3/evidence/", 2, 413),
    ],
)
def test_files_may_be_larger_where_organisers_upload_them(path, megabytes, refused):
    path, _mark, query = path.partition("?")
    sent = {"PATH_INFO": path, "QUERY_STRING": query, "CONTENT_LENGTH": str(megabytes * 1024 * 1024)}
    assert refusal(sent) == refused


def test_chunks_that_are_none_are_refused(monkeypatch):
    monkeypatch.setattr(Chunks, "broken", True)

    assert chunked(b"")[1] == 400


def test_a_body_whose_end_nobody_tells_is_refused(status):
    assert chunked(b"x", **{"wsgi.input_terminated": False})[1] == 411
    assert status(PATH_INFO="/fund/pledge/", REQUEST_METHOD="POST", HTTP_TRANSFER_ENCODING="chunked") == 411


def test_who_sends_too_much_can_read_why():
    body, answers = BytesIO(b"x" * 10_000_000), []
    application = guarded(lambda environ, start_response: pytest.fail("the program was asked"))

    response = application(
        {"wsgi.input": body, "CONTENT_LENGTH": "10000000"}, lambda line, headers: answers.append((line, dict(headers)))
    )

    assert b"more than we take, 1 MB" in b"".join(response)
    assert answers[0][0].startswith("413 ")
    assert answers[0][1]["Connection"] == "close"
    assert body.read() == b""  # who is still sending when the connection closes reads no answer


def test_not_everything_is_read_that_somebody_likes_to_send():
    body = BytesIO(b"x" * (READ_AWAY + 1_000_000))

    list(guarded(lambda *_: [])({"wsgi.input": body, "CONTENT_LENGTH": str(10**9)}, lambda line, headers: None))

    assert len(body.read()) == 1_000_000
