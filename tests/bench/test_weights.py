"""The weighing of pages: what is found in them, what is added up, and what the table says."""

import gzip
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from bench import weights

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


def test_the_table_names_the_pages_over_the_aim(site):
    row = weights.weighed(site, "/", weights.Named(PAGE))
    said = weights.table({"aim": len(PAGE) + 199, "rows": [row]})
    assert "NOT MET at once at most 0 KB with br: but /" in said
    assert "met    at once" in weights.table({"aim": len(PAGE) + 200, "rows": [row]})
