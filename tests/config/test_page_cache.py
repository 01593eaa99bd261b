import gzip
import http.client
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from io import BytesIO

import brotli
import pytest
from django.core.cache import caches
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import OperationalError, close_old_connections, connection
from django.test.utils import CaptureQueriesContext

from campaign import editions
from campaign.models import Campaign, Update
from config import page_cache
from config.page_cache import PageCache
from privacy.tags import new_token, tag
from tests.factories import (
    ActivistFactory,
    ConfirmationMailFactory,
    FundFactory,
    LetterFactory,
    OrganiserFactory,
    PicketFactory,
    PledgeMailFactory,
    UpdateFactory,
)
from tests.processes import ROOT, database_url, environment, started, wait_for_port, wait_until
from tests.sinks import free_port
from tests.sizes import on_one_database

pytestmark = pytest.mark.django_db


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = int(status.split()[0]), dict(headers), body
        self.text = body.decode(errors="replace")


class Site:
    """The program behind its memory, as gunicorn calls it; counts what is asked of the program."""

    def __init__(self):
        program = get_wsgi_application()

        def counted(environ, start_response):
            self.asked.append(environ)
            return program(environ, start_response)

        self.asked = []
        self.cache = PageCache(counted)

    def get(self, path, method="GET", **headers):
        path, _, query = path.partition("?")
        began = []
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "HTTP_HOST": "127.0.0.1:8000",
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(),
            **headers,
        }
        body = b"".join(self.cache(environ, lambda *began_with: began.append(began_with)))
        return Reply(*began[0], body)

    def is_kept(self, path, **headers):
        """Whether a second reader's page is not made again."""
        self.get(path, **headers)
        before = len(self.asked)
        self.get(path, **headers)
        return len(self.asked) == before


@pytest.fixture
def site(settings, monkeypatch):
    settings.PAGE_SECONDS = 3600
    monkeypatch.setattr(page_cache, "EDITION_SECONDS", 0)
    # As Django's own test client: it would end the test's transaction.
    monkeypatch.setattr(page_cache, "close_old_connections", lambda: None)
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    caches["pages"].clear()
    yield Site()
    caches["pages"].clear()
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def letter():
    return LetterFactory(slug="free-her")


PUBLIC = [
    *("/", "/de/", "/activists/", "/updates/", "/updates/feed/", "/ru/updates/feed/", "/messages/", "/privacy/"),
    *("/letters/", "/letters/free-her/", "/ru/letters/free-her/", "/letters/free-her/?country=DE"),
    *("/letters/free-her/recipients/?country=DE", "/letters/free-her/print/?country=DE", "/pickets/"),
    *(
        "/messages/?country=DE&kind=report&page=1",
        "/endorsements/?country=DE",
        "/send/message/",
        "/sent/",
        "/documents/",
    ),
    *("/pickets/?country=DE", "/pickets/?page=1", "/pickets/london/", "/pickets/calendar.ics"),
    *("/fund/", "/fund/?fund=bread", "/fund/pledge/?fund=bread", "/updates/?page=1", "/activists/rosa/"),
]


class TestPacking:
    def test_a_page_comes_in_the_best_encoding_that_the_reader_takes(self, site):
        plain = site.get("/")
        for accepted, encoding, unpack in (
            ("gzip, deflate, br, zstd", "br", brotli.decompress),
            ("gzip", "gzip", gzip.decompress),
            ("br;q=0, GZIP;q=0.5", "gzip", gzip.decompress),
        ):
            reply = site.get("/", HTTP_ACCEPT_ENCODING=accepted)
            assert reply.headers["Content-Encoding"] == encoding
            assert unpack(reply.body) == plain.body
            assert reply.headers["Content-Length"] == str(len(reply.body))
            assert reply.headers["ETag"] == plain.headers["ETag"]
            assert site.get("/", HTTP_ACCEPT_ENCODING=accepted).body == reply.body
            head = site.get("/", "HEAD", HTTP_ACCEPT_ENCODING=accepted)
            assert (head.headers, head.body) == (reply.headers, b"")
        assert len(site.asked) == 1

    @pytest.mark.parametrize("accepted", ["", "zstd", "identity", "br;q=0", "brr", "*"])
    def test_a_reader_who_takes_no_encoding_of_ours_gets_the_page_as_it_is(self, site, accepted):
        reply = site.get("/", HTTP_ACCEPT_ENCODING=accepted)
        assert "Content-Encoding" not in reply.headers
        assert reply.headers["Vary"] == "Accept-Encoding"
        assert b"<!doctype html>" in reply.body

    def test_a_page_is_kept_without_the_indents_of_its_templates(self, site, client, letter):
        reply = site.get(letter.get_absolute_url())
        assert reply.headers["Content-Length"] == str(len(reply.body))
        assert b"\n  " not in reply.body.partition(b"<textarea")[0]
        assert len(reply.body) < 0.95 * len(client.get(letter.get_absolute_url()).content)

    def test_a_page_that_has_changed_is_packed_anew(self, site):
        UpdateFactory(title="News of the first day")
        site.get("/updates/", HTTP_ACCEPT_ENCODING="br")
        UpdateFactory(title="News of the second day")
        editions.new_edition()
        assert b"News of the second day" in brotli.decompress(site.get("/updates/", HTTP_ACCEPT_ENCODING="br").body)

    def test_nobody_waits_for_the_one_who_packs(self, site):
        with page_cache._packing:
            reply = site.get("/", HTTP_ACCEPT_ENCODING="br")
        assert "Content-Encoding" not in reply.headers
        assert site.get("/", HTTP_ACCEPT_ENCODING="br").headers["Content-Encoding"] == "br"

    def test_a_picture_is_not_packed(self, site):
        reply = site.get("/card.png", HTTP_ACCEPT_ENCODING="br, gzip")
        assert reply.status == 200
        assert "Content-Encoding" not in reply.headers


class TestWhatIsKept:
    @pytest.mark.parametrize("path", PUBLIC)
    def test_public_pages_of_every_language_are_made_once_for_all(self, site, letter, path):
        FundFactory(slug="bread")
        ActivistFactory(slug="rosa")
        PicketFactory(slug="london")

        first = site.get(path)

        assert first.status == 200
        assert len(site.asked) == 1
        with CaptureQueriesContext(connection) as queries:
            second = site.get(path)
        assert len(queries) <= 1  # the edition, once a second
        assert len(site.asked) == 1
        assert (second.status, second.headers, second.body) == (first.status, first.headers, first.body)
        assert first.headers["Cache-Control"] == "public, max-age=5, stale-while-revalidate=10"
        assert first.headers["ETag"].startswith('W/"')
        assert "default-src 'none'" in first.headers["Content-Security-Policy"]
        assert first.headers.get("Vary", "Accept-Encoding") == "Accept-Encoding"
        assert "Set-Cookie" not in first.headers

    @pytest.mark.parametrize(
        "path",
        [
            *("/admin/", "/admin/login/", "/healthz", "/readyz", "/metrics", "/dev/mailbox/", "/dev/mailbox.json"),
            *(
                "/confirm/abc/",
                "/receipt/abc/",
                "/fund/pledge/abc/",
                "/nowhere/",
                "/letters/unknown/",
                "/fund/?fund=no",
            ),
        ],
    )
    def test_nothing_else_is_kept(self, site, path):
        assert not site.is_kept(path)
        assert "public" not in site.get(path).headers.get("Cache-Control", "")

    def test_whether_the_process_lives_is_answered_without_asking_for_the_edition(
        self, site, django_assert_num_queries
    ):
        with django_assert_num_queries(0):
            assert site.get("/healthz").status == 200

    def test_a_page_with_a_mailed_secret_is_never_kept(self, site):
        token = new_token()
        ConfirmationMailFactory(token=token, token_hash=tag("token", token))
        PledgeMailFactory(token=token, token_hash=tag("token", token))
        for path in (f"/confirm/{token}/", f"/de/confirm/{token}/", f"/receipt/{token}/", f"/fund/pledge/{token}/"):
            reply = site.get(path)
            assert reply.status == 200
            assert {"private", "no-store"} <= set(reply.headers["Cache-Control"].split(", "))
            assert not site.is_kept(path)

    def test_an_answer_to_a_form_is_never_kept(self, site, letter):
        site.get("/letters/free-her/", "POST", CONTENT_LENGTH="0", HTTP_ORIGIN="http://127.0.0.1:8000")
        site.get("/letters/free-her/")
        assert len(site.asked) == 2
        assert site.get("/letters/free-her/", "POST", CONTENT_LENGTH="0").status == 400

    def test_head_is_get_without_the_body(self, site):
        head, get = site.get("/", "HEAD"), site.get("/")
        assert len(site.asked) == 1
        assert head.headers == get.headers
        assert head.headers["Content-Length"] == str(len(get.body))
        assert head.body == b""

    def test_a_closed_letter_leads_from_its_print_page_to_the_letter(self, site, letter):
        letter.closed_at = letter.published_at
        letter.save()
        reply = site.get("/letters/free-her/print/")
        assert (reply.status, reply.headers["Location"]) == (303, "/letters/free-her/")


class TestWhoKnowsThePageAlready:
    def test_is_told_that_it_is_the_same(self, site):
        etag = site.get("/").headers["ETag"]
        for known in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
            reply = site.get("/", HTTP_IF_NONE_MATCH=known)
            assert (reply.status, reply.body) == (304, b"")
            assert reply.headers["ETag"] == etag
            assert "public" in reply.headers["Cache-Control"]
            assert "Content-Length" not in reply.headers

    def test_gets_the_new_one(self, site):
        etag = site.get("/").headers["ETag"]
        Campaign.objects.create(name="Bread and roses")
        editions.new_edition()
        reply = site.get("/", HTTP_IF_NONE_MATCH=etag)
        assert reply.status == 200
        assert reply.headers["ETag"] != etag

    @pytest.mark.parametrize("known", ['"', "W/", "\xff", "," * 5000, '"x"'])
    def test_or_the_whole_page_if_what_it_knows_is_none_of_ours(self, site, known):
        assert site.get("/", HTTP_IF_NONE_MATCH=known).status == 200


class TestNoReaderDecidesWhatOthersSee:
    @pytest.mark.parametrize(
        "headers",
        [
            {"HTTP_HOST": "localhost:6666"},
            {"HTTP_X_FORWARDED_HOST": "evil.example.org"},
            {"HTTP_X_FORWARDED_PROTO": "https"},
            {"HTTP_X_FORWARDED_FOR": "192.0.2.66"},
            {"HTTP_ACCEPT_LANGUAGE": "ru"},
            {"HTTP_COOKIE": "django_language=ru; sessionid=evil; csrftoken=evil"},
            {"HTTP_USER_AGENT": "evil"},
            {"wsgi.url_scheme": "https"},
            {"SERVER_NAME": "evil.example.org"},
        ],
    )
    def test_by_the_headers_that_it_sends(self, site, headers):
        UpdateFactory()  # a feed of none says the time
        poisoned = site.get("/updates/feed/", **headers)
        assert len(site.asked) == 1
        for text in map(repr, site.asked[0].values()):
            assert "evil" not in text
            assert "localhost:6666" not in text
        assert site.get("/updates/feed/").body == poisoned.body
        assert len(site.asked) == 1
        caches["pages"].clear()
        assert site.get("/updates/feed/").body == poisoned.body

    def test_a_host_that_is_not_ours_is_refused(self, site):
        site.get("/")
        assert site.get("/", HTTP_HOST="evil.example.org").status == 400
        assert site.get("/", HTTP_HOST="").status == 400

    def test_without_tls_production_leads_to_https(self, site, settings):
        settings.BASE_URL = "https://127.0.0.1"
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        settings.SECURE_SSL_REDIRECT = True
        program = Site()  # Django reads it when it starts
        secure = program.get("/", HTTP_X_FORWARDED_PROTO="https")
        assert secure.status == 200
        assert 'rel="canonical" href="https://127.0.0.1/"' in secure.text
        for more in ({}, {"HTTP_X_FORWARDED_PROTO": "http"}, {"wsgi.url_scheme": "http"}):
            assert program.get("/", **more).status == 301

    @pytest.mark.parametrize("query", ["utm_source=x", "country=XX", "country=", "%00", "&&=&", "fbclid=" + "y" * 3000])
    def test_parameters_that_mean_nothing_make_no_pages(self, site, letter, query):
        plain = site.get("/letters/free-her/")
        assert site.get(f"/letters/free-her/?{query}").body == plain.body
        assert len(site.asked) == 1

    def test_a_thousand_random_parameters_make_one_page(self, site, letter):
        for number in range(1000):
            site.get(f"/letters/free-her/?r{number}={number}&country=de")
        assert len(site.asked) == 1
        assert site.asked[0]["QUERY_STRING"] == "country=DE"

    def test_too_many_parameters_are_as_good_as_none(self, site, letter):
        site.get("/letters/free-her/")
        site.get("/letters/free-her/?country=DE&" + "&".join(f"a{number}=1" for number in range(100)))
        assert len(site.asked) == 1

    def test_one_country_is_one_page_however_it_is_written(self, site, letter):
        for query in ("country=de", "country=DE", "x=1&country=DE", "country=AT&country=DE"):
            assert "Germany" in site.get(f"/letters/free-her/recipients/?{query}").text
        assert len(site.asked) == 1

    def test_pages_of_the_list_have_sane_numbers(self, site):
        for number in ("0", "1", "-1", "x", "٢"):
            site.get(f"/updates/?page={number}")
        assert len(site.asked) == 1

    def test_each_page_that_there_is_is_kept(self, site):
        UpdateFactory.create_batch(21)
        assert site.get("/updates/?page=2").status == 200
        assert site.is_kept("/updates/?page=2")

    def test_pages_after_the_last_one_are_not_kept(self, site):
        for path in ("/updates/?page=", "/messages/?country=DE&page=", "/pickets/?page=", "/endorsements/?page="):
            for number in ("2", "99", "1000"):
                assert site.get(f"{path}{number}").status == 404
                assert not site.is_kept(f"{path}{number}")

    def test_a_search_is_not_kept_and_takes_two_threads_at_most(self, site):
        ActivistFactory(name="Rosa Example")
        assert not site.is_kept("/activists/?q=Rosa")
        assert "public" not in site.get("/activists/?q=Rosa").headers.get("Cache-Control", "")
        assert site.is_kept("/activists/?q=")
        ActivistFactory(name="Роза")
        for typed in ("%D0%A0%D0%BE%D0%B7%D0%B0", "Роза".encode().decode("latin-1")):
            assert "Rosa" not in (found := site.get(f"/activists/?q={typed}")).text
            assert "Роза" in found.text
        for _ in range(page_cache.NOT_KEPT_AT_ONCE):
            site.cache._not_kept.acquire()
        reply = site.get("/activists/?q=Rosa")
        assert (reply.status, reply.headers["Retry-After"]) == (503, "3")
        assert site.get("/activists/").status == 200

    def test_a_preview_is_for_organisers_and_never_kept(self, site, client, letter):
        letter.published_at = None
        letter.save()
        client.force_login(OrganiserFactory())
        cookie = f"sessionid={client.cookies['sessionid'].value}"
        for _ in range(2):
            reply = site.get("/letters/free-her/?preview=1", HTTP_COOKIE=cookie)
            assert reply.status == 200
            assert {"private", "no-store"} <= set(reply.headers["Cache-Control"].split(", "))
            assert site.get("/letters/free-her/?preview=1").status == 404
            assert site.get("/letters/free-her/?preview=1", HTTP_COOKIE="sessionid=x").status == 404
            assert site.get("/letters/free-her/", HTTP_COOKIE=cookie).status == 404

    def test_an_organiser_sees_what_everybody_sees(self, site, client):
        client.force_login(OrganiserFactory())
        own = site.get("/", HTTP_COOKIE=f"sessionid={client.cookies['sessionid'].value}")
        assert own.body == site.get("/").body
        assert len(site.asked) == 1

    def test_nothing_is_kept_that_sets_a_cookie_or_is_not_public(self):
        answer = page_cache.Answer("200 OK", [("Cache-Control", "max-age=5, public")], b"")
        assert answer.may_be_kept
        assert not answer._replace(status="404 Not Found").may_be_kept
        assert not answer._replace(headers=[*answer.headers, ("Set-Cookie", "a=b")]).may_be_kept
        assert not answer._replace(headers=[("Cache-Control", "private, max-age=5")]).may_be_kept
        assert not answer._replace(headers=[]).may_be_kept


class TestChanges:
    def test_a_page_is_made_anew_when_it_is_too_old(self, site, settings):
        assert "News" not in site.get("/").text
        UpdateFactory(title="News from the square")
        assert "News" not in site.get("/").text
        settings.PAGE_SECONDS = 0
        assert "News" in site.get("/").text

    def test_whatever_an_organiser_posts_makes_a_new_edition(self, client):
        update = UpdateFactory()
        client.force_login(OrganiserFactory())
        client.get("/admin/campaign/update/")
        assert editions.current() == 0
        act = {"action": "withdraw", "_selected_action": [update.pk], "confirmed": "1"}
        client.post("/admin/campaign/update/", act)
        first = editions.current()
        assert first != 0
        client.post(f"/admin/campaign/update/{update.pk}/delete/", {"post": "yes"})
        assert not Update.objects.exists()
        assert editions.current() not in {0, first}

    def test_others_who_post_to_the_admin_do_not(self, client):
        client.post("/admin/campaign/update/add/", {"title": "x"})
        client.post("/admin/login/", {"username": "x", "password": "x"})
        assert editions.current() == 0

    def test_what_an_organiser_takes_back_is_gone_for_good(self, site, letter):
        assert site.get("/letters/free-her/").status == 200
        letter.published_at = None
        letter.save()
        editions.new_edition()
        assert site.get("/letters/free-her/").status == 404
        assert caches["pages"].get("/letters/free-her/") is None

    def test_what_is_taken_back_is_not_shown_when_nothing_can_be_made_in_its_place(self, site, letter, monkeypatch):
        site.get("/letters/free-her/")
        editions.new_edition()
        monkeypatch.setattr(page_cache, "ask", lambda *_: page_cache.Answer("503 Service Unavailable", [], b""))
        assert site.get("/letters/free-her/").status == 503

    def test_a_change_while_a_page_is_made_is_not_lost(self, site, letter, monkeypatch):
        ask = page_cache.ask

        def overtaken(program, environ):
            answer = ask(program, environ)
            Campaign.objects.create(name="Bread and roses")
            editions.new_edition()
            return answer

        monkeypatch.setattr(page_cache, "ask", overtaken)
        site.get("/privacy/")
        monkeypatch.setattr(page_cache, "ask", ask)
        assert "Bread and roses" in site.get("/privacy/").text

    def test_the_edition_is_asked_for_once_a_second(self, site, monkeypatch, django_assert_num_queries):
        monkeypatch.setattr(page_cache, "EDITION_SECONDS", 60)
        site.get("/")
        with django_assert_num_queries(0):
            for _ in range(50):
                site.get("/")


class TestManyAtOnce:
    """The program is one that lets the test decide when it answers."""

    @pytest.fixture
    def slow(self, settings):
        settings.PAGE_SECONDS = 3600
        caches["pages"].clear()
        yield SlowProgram()
        caches["pages"].clear()

    def test_one_thread_makes_a_page_that_is_not_there_and_all_get_it(self, slow):
        with slow.readers(8) as replies:
            slow.asked.acquire(timeout=5)
            slow.answers.set()
        assert replies == [b"page 1"] * 8
        assert slow.made == 1

    def test_while_one_makes_it_anew_the_others_get_the_one_before(self, slow, settings):
        slow.answers.set()
        assert slow.get() == b"page 1"
        settings.PAGE_SECONDS = 0
        slow.answers.clear()
        with slow.readers(1) as late:
            assert slow.asked.acquire(timeout=5)
            assert slow.asked.acquire(timeout=5)
            assert [slow.get() for _ in range(20)] == [b"page 1"] * 20
            slow.answers.set()
        assert late == [b"page 2"]
        assert slow.made == 2

    def test_while_one_makes_a_new_edition_the_others_wait_and_see_nothing_that_was_taken_back(self, slow):
        slow.answers.set()
        assert slow.get() == b"page 1"
        assert slow.asked.acquire(timeout=5)
        slow.answers.clear()
        slow.cache._edition._known += 1
        with slow.readers(6) as replies:
            assert slow.asked.acquire(timeout=5)
            slow.answers.set()
        assert replies == [b"page 2"] * 6

    def test_a_page_that_cannot_be_made_is_shown_as_it_was(self, slow, settings):
        slow.answers.set()
        slow.get()
        settings.PAGE_SECONDS = 0
        slow.status = "503 Service Unavailable"
        assert slow.get() == b"page 1"
        slow.status = "404 Not Found"
        assert slow.get() == b"page 3"
        slow.status = "500 Internal Server Error"
        assert slow.get() == b"page 4"  # what was taken back does not come again


class SlowProgram:
    def __init__(self):
        self.answers, self.asked, self.made = threading.Event(), threading.Semaphore(0), 0
        self.status = "200 OK"
        self.cache = PageCache(self)
        self.cache._edition._until = float("inf")

    def __call__(self, environ, start_response):
        self.made += 1
        body = f"page {self.made}".encode()
        self.asked.release()
        assert self.answers.wait(10)
        start_response(self.status, [("Cache-Control", "public")])
        return [body]

    def get(self):
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_HOST": "127.0.0.1", "wsgi.url_scheme": "http"}
        return b"".join(self.cache(environ, lambda *_: None))

    @contextmanager
    def readers(self, number):
        replies = []
        threads = [threading.Thread(target=lambda: replies.append(self.get())) for _ in range(number)]
        for thread in threads:
            thread.start()
        yield replies
        for thread in threads:
            thread.join(10)


def test_while_the_database_is_away_readers_get_what_was_there(site, settings, monkeypatch):
    site.get("/")
    settings.PAGE_SECONDS = 0

    def away():
        raise OperationalError

    monkeypatch.setattr(editions, "current", away)
    monkeypatch.setattr(page_cache, "ask", lambda *_: page_cache.Answer("500 Internal Server Error", [], b""))
    assert site.get("/").status == 200


# --- The program as gunicorn serves it, in two processes ------------------------------------------------------------


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """A folder with the static files as they are served."""
    var = tmp_path_factory.mktemp("collected")
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "-v0"]
    subprocess.run(command, cwd=ROOT, env=environment(var), check=True, capture_output=True)
    return var / "static"


@pytest.fixture
def served(tmp_path, collected):
    """Two web processes on the test's database that keep their pages for an hour; yields a function that asks."""
    port = free_port()
    env = environment(
        tmp_path,
        DATABASE_URL=database_url(),
        PORT=port,
        STATIC_ROOT=collected,
        PAGE_SECONDS=3600,
        WEB_WORKERS=2,
        WEB_THREADS=2,
    )

    def get(path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response, body

    with started("-m", "gunicorn", "-c", "python:config.gunicorn", "config.wsgi", env=env) as web:
        wait_for_port(port, web)
        yield get


@pytest.mark.django_db(transaction=True)
def test_each_of_two_processes_shows_a_change_within_seconds(served):
    Campaign.objects.create(name="Before")
    for _ in range(40):
        assert b"Before" in served("/privacy/")[1]
    Campaign.objects.get().translations.update(name="After")
    assert b"Before" in served("/privacy/")[1]

    editions.new_edition()

    in_a_row = []

    def both_show_it():
        in_a_row.append(b"After" in served("/privacy/")[1])
        return len(in_a_row) >= 40 and all(in_a_row[-40:])

    wait_until(both_show_it, 10, "a process still shows the old page")
    etags = {served("/privacy/")[0].headers["ETag"] for _ in range(20)}
    assert len(etags) == 1  # both make the same page


@on_one_database
@pytest.mark.django_db(transaction=True)
def test_static_files_are_hashed_precompressed_and_kept_for_ever(served):
    page = served("/")[1].decode()
    (css,) = re.findall(r'href="(/static/css/site\.[0-9a-f]{12}\.css)"', page)
    for path in (css, *re.findall(r'(?:src|href)="(/static/[^"]+)"', page)):
        assert re.search(r"\.[0-9a-f]{12}\.\w+$", path)
        response, plain = served(path)
        assert response.status == 200
        assert {"public", "immutable"} <= set(response.headers["Cache-Control"].split(", "))
        assert int(re.search(r"max-age=(\d+)", response.headers["Cache-Control"])[1]) >= 365 * 24 * 3600
        assert "Cookie" not in response.headers.get("Vary", "")
    response, body = served(css, **{"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(body) == served(css)[1]
    assert served(css, **{"Accept-Encoding": "br, gzip"})[0].headers["Content-Encoding"] == "br"
