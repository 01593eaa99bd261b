"""The weighing of pages: what is found in them, what is added up, and what the table says."""

import gzip
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation

from bench import weights
from config.loading import load
from config.page_cache import PACKERS
from config.stylesheets import minified
from config.tidying import tidied
from tests.sizes import on_one_database

PAGE = """<link rel="stylesheet" href="/site.css">
<link rel="stylesheet" href="/print.css" media="print">
<script src="/site.js"></script>
<img src="/now.jpg" alt=""><img src="/later.jpg" loading="lazy" alt=""><a href="/more/">more</a>"""
FILES = {"index.html": PAGE, "site.css": "c" * 200, "site.js": "j" * 30, "now.jpg": "n" * 4, "later.jpg": "l" * 999}
FILES["print.css"] = "p" * 99


class Packing(BaseHTTPRequestHandler):
    """Sends what is asked for with gzip packed, as the program does."""

    def do_GET(self):
        body = FILES[self.path.strip("/") or "index.html"].encode()
        if self.headers["Accept-Encoding"] == "gzip":
            body = gzip.compress(body)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def site():
    with ThreadingHTTPServer(("127.0.0.1", 0), Packing) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield weights.Site(server.server_address[1])
        server.shutdown()
        thread.join()


def test_a_page_weighs_what_it_waits_for_and_what_comes_later_but_no_lazy_picture_and_not_how_it_prints(site):
    row = weights.weighed(site, "/", weights.Named(PAGE))
    plain = row["identity"]
    assert (plain["html"], plain["css"], plain["js"], plain["pictures"], plain["lazy"]) == (len(PAGE), 200, 30, 4, 1098)
    assert plain["first_view"] == len(PAGE) + 200
    assert plain["all"] == plain["first_view"] + 34
    assert row["gzip"]["css"] < 200
    assert row["requests"] == 4


def test_the_table_names_the_pages_over_the_aim_with_each_encoding(site):
    row = {"language": "en", "kind": "home", **weights.weighed(site, "/", weights.Named(PAGE))}
    said = weights.table({"aim": len(PAGE) + 199, "rows": [row, {**row, "language": "de", "path": "/de/"}]})
    assert "NOT MET at once at most 0 KB with br: but /, /de/" in said
    assert "met    at once at most 0 KB with gzip" in said
    assert "2 pages" in said
    assert "NOT MET" not in weights.table({"aim": len(PAGE) + 200, "rows": [row]})


class Packed:
    """The pages as the program packs them, without a server before it."""

    def __init__(self):
        self.client, self.known = Client(), {}

    def get(self, path, encoding="identity"):
        if path not in self.known:
            response = self.client.get(path)
            if response.streaming:
                response.getvalue()  # a download that nobody reads to its end would keep the next ones waiting
            kind = response.headers["Content-Type"]
            html = tidied(response.text).encode() if kind.startswith("text/html") else b""
            self.known[path] = (response.status_code, kind, html)
        return self.known[path]

    def first_view(self, named, path):
        (css,) = named.loaded["css"]
        sheet = minified((settings.BASE_DIR / css.removeprefix("/")).read_text()).encode()
        return len(PACKERS["gzip"](self.get(path)[2])) + len(gzip.compress(sheet))


@on_one_database
@pytest.mark.django_db
@pytest.mark.parametrize("language", [code for code, _name in settings.LANGUAGES])
def test_no_page_of_the_demo_is_heavier_with_gzip_than_what_the_first_packets_carry(language):
    with translation.override(language):
        if language != settings.LANGUAGE_CODE and translation.gettext("Skip to the content") == "Skip to the content":
            pytest.skip("The catalogues are not compiled: make test does it")
    load(settings.BASE_DIR / "demo")
    site = Packed()
    heavy = {path: site.first_view(named, path) for path, _kind, named in weights.pages(site, language)}
    assert len(heavy) > 50
    # What a server of production adds: names of files with their digests, a longer host, the first signatures.
    assert {path: size for path, size in heavy.items() if size > weights.AIM - 100} == {}
