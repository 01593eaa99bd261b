"""The grading of headers: by the rules of MDN's HTTP Observatory, and of our own pages in production."""

from email.message import Message
from urllib.parse import urlsplit

import pytest
from django.test import Client

from bench import headers
from tests.factories import StrikeFactory
from tests.sizes import on_one_database

pytestmark = on_one_database

GOOD = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; frame-ancestors 'none'",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Type": "text/html",
}
MOVED = {"Location": "https://solidarity.example.org/"}


def answer(status=200, body=b"", cookie="", **changed):
    message = Message()
    for name, value in {**GOOD, **{name.replace("_", "-"): value for name, value in changed.items()}}.items():
        if value is not None:
            message[name] = value
    if cookie:
        message["Set-Cookie"] = cookie
    return headers.Answer(status, message, body)


def points(plain=None, **changed):
    plain = plain or answer(301, Location=MOVED["Location"])
    return headers.score(headers.results(answer(**changed), plain, "solidarity.example.org"))


def test_what_is_asked_for_gives_a_hundred_and_what_is_better_more():
    assert points() == 130
    assert headers.grade(130) == headers.grade(100) == "A+"
    assert [headers.grade(score) for score in (99, 90, 80, 24, 0)] == ["A", "A", "B+", "F", "F"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"Content_Security_Policy": None}, 55),  # with it frames, and every bonus
        ({"Content_Security_Policy": None, "X_Frame_Options": "DENY"}, 75),
        ({"Content_Security_Policy": "script-src 'self' 'unsafe-inline'; object-src 'none'"}, 60),
        ({"Content_Security_Policy": "default-src 'self'; frame-ancestors 'none'"}, 125),
        ({"Content_Security_Policy": "default-src 'none'; img-src http:; frame-ancestors 'none'"}, 110),
        ({"Content_Security_Policy": "default-src 'none'; script-src 'unsafe-eval'; frame-ancestors 'none'"}, 110),
        ({"Content_Security_Policy": "default-src 'none'; connect-src http://x.example.org"}, 60),
        ({"Strict_Transport_Security": None}, 80),
        ({"Strict_Transport_Security": "max-age=86400"}, 120),
        ({"Strict_Transport_Security": "for ever"}, 80),
        ({"Referrer_Policy": "unsafe-url"}, 120),
        ({"Referrer_Policy": None}, 125),
        ({"X_Content_Type_Options": None}, 125),
        ({"Cross_Origin_Resource_Policy": "cross-origin"}, 120),
        ({"Access_Control_Allow_Origin": "https://x.example.org", "Access_Control_Allow_Credentials": "true"}, 50),
        ({"cookie": "sessionid=1; Secure; HttpOnly; SameSite=Lax"}, 135),
        ({"cookie": "sessionid=1; Secure; SameSite=Lax"}, 70),
        ({"cookie": "seen=1"}, 125),
        ({"cookie": "csrftoken=1; Secure"}, 80),
        ({"body": b"<script src=//cdn.example.org/x.js></script>"}, 50),
        ({"body": b"<script src=https://cdn.example.org/x.js></script>"}, 125),
        ({"plain": answer()}, 80),
        ({"plain": answer(301, Location="https://elsewhere.example.org/")}, 125),
        ({"plain": answer(301, Location="http://solidarity.example.org/home/")}, 80),
    ],
)
def test_what_is_worse_costs_what_the_observatory_takes_for_it(changed, expected):
    assert points(**changed) == expected


class Production:
    """The program with the settings of production, as its proxy asks it."""

    host = "solidarity.example.org"

    def __init__(self):
        self._client = Client(headers={"Host": self.host})

    def ask(self, path, scheme="https"):
        found = self._client.get(path, headers={"X-Forwarded-Proto": scheme})
        message = Message()
        for name, value in found.headers.items():
            message[name] = value
        for cookie in found.cookies.values():
            message["Set-Cookie"] = cookie.OutputString()
        return headers.Answer(found.status_code, message, found.getvalue())


@pytest.mark.django_db
def test_every_kind_of_path_is_graded_a_plus_in_production(settings):
    settings.ALLOWED_HOSTS = [Production.host]
    settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_HSTS_SECONDS = 365 * 24 * 3600
    StrikeFactory()
    rows = headers.graded(Production())
    assert {row["path"]: row["results"] for row in rows if row["grade"] != "A+"} == {}
    assert {"/", "/admin/login/", "/letters/", "/updates/feed/", "/nowhere/"} <= {row["path"] for row in rows}
    said = headers.table({"rows": rows})
    assert f"met    A+ for all {len(rows)} paths" in said
    worse = [{**rows[0], "grade": "B", "results": ["hsts-not-implemented"]}]
    assert "NOT MET A+ for all 1 paths: but / (hsts-not-implemented)" in headers.table({"rows": worse})
    assert all(row["cookies"] == 0 for row in rows if not urlsplit(row["path"]).path.startswith("/admin/"))
