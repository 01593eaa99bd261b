"""
Requests that nobody should send, to every public path and by every method: none may be answered by a failure of ours.

    python -m tests.fuzz --minutes 10                  against the whole program, as `make run` starts it
    python -m tests.fuzz --minutes 10 --on postgres

The suite sends some hundred (tests/config/test_fuzz.py). The first request that is answered by 5xx, or not at all, is
made as small as possible and printed, and the run ends with 1.
"""

import argparse
import os
import re
import socket
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from io import BytesIO
from threading import Thread
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlencode
from urllib.request import Request as Ask
from urllib.request import urlopen

import django
from django.urls import get_resolver
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.processes import environment, started
from tests.servers import postgres
from tests.sinks import free_port

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]
LANGUAGES = ["", "de/", "ru/", "xx/"]
# What public forms and pages ask for, and some that they do not.
FIELDS = [
    *(
        "name",
        "email",
        "country",
        "own_words",
        "organisation",
        "display",
        "consent_letter",
        "updates",
        "preview",
        "seen",
    ),
    *(
        "kind",
        "amount",
        "currency",
        "frequency",
        "consent",
        "fund",
        "action",
        "sure",
        "item",
        "act",
        "language",
        "strikes",
        "List-Unsubscribe",
        "q",
        "page",
        "to",
        "username",
        "x",
    ),
]
LETTER = {
    "name": "Nora Berg",
    "email": "nora@example.org",
    "country": "DE",
    "own_words": "Free her.",
    "organisation": "Branch 7",
    "display": "initials",
    "consent_letter": "on",
}
PLEDGE = {
    "kind": "person",
    "name": "Nora Berg",
    "email": "nora@example.org",
    "amount": "25",
    "currency": "EUR",
    "frequency": "once",
    "until": "",
    "display": "public",
    "consent": "on",
}
SUBSCRIPTION = {"email": "nora@example.org", "language": "en", "consent": "on"}
VALUES = [
    *(
        "",
        "1",
        "on",
        "confirm",
        "withdraw",
        "delete",
        "change",
        "unsubscribe",
        "One-Click",
        "ask",
        "act",
        "correct",
        "end",
        "request-1",
        "subscription-1",
        "DE",
        "XX",
        "public",
        "monthly",
        "branch",
        "EUR",
        "-1",
        "9" * 5000,
    ),
    *("\0", "\x0b\x1c", "\r\nBcc: v@example.org", "\u202e", "\u200b\u200d", "\ufffd", "\uffff", "\U000e0001", "\u2800"),
    *(
        "ａ@ｅxample.org",
        '"a b"@example.org',
        "a@[::1]",
        "a@" + "b." * 120 + "org",
        "@",
        "a@b@c",
        "é@bücher.example.org",
    ),
    *(
        "../../etc/passwd",
        "..%2f",
        "%",
        "%zz",
        "%u0041",
        "{{ 7*7 }}",
        "%s%n",
        "' OR 1=1 --",
        "<script>",
        "=1+1",
        "[[a|b]]",
    ),
    *(
        "n" * 10_000,
        "a\u0301\u0316" * 900,
        "1e400",
        "١٢",
        "1,50",
        "1.500",
        "½",
        "NaN",
        "∞",
        "{name}",
        "{target.__class__}",
    ),
]


@dataclass(frozen=True)
class Request:
    method: str
    path: str  # and query, percent-encoded, or not where that is the point
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    chunked: bool = False


@dataclass(frozen=True)
class Site:
    """Where to send: paths with <slug> and such in them, and what exists to stand there."""

    patterns: list[str]
    words: list[str]


def public_patterns(url_patterns, prefix=""):
    """Return every path that the program knows but those below /admin/, as they stand in urls.py."""
    found = []
    for entry in url_patterns:
        path = prefix + str(entry.pattern)
        if path.startswith("admin/"):
            found += ["admin/", "admin/login/", "admin/<path:path>"]
        elif hasattr(entry, "url_patterns"):
            found += public_patterns(entry.url_patterns, path)
        else:
            found.append(path)
    return sorted(set(found))


# --- What is sent ---------------------------------------------------------------------------------------------------

text = st.one_of(st.sampled_from(VALUES), st.text(max_size=30), st.text(st.characters(), max_size=30))
encoded = text.map(lambda value: value.encode("utf-8", "surrogatepass"))
raw = st.one_of(encoded, st.binary(max_size=30))
percented = st.one_of(
    raw.map(quote_from_bytes), st.sampled_from(["%", "%zz", "%c3%28", "%ff", "%00", "..", "%2e%2e%2f"])
)


@st.composite
def paths(draw, site):
    if draw(st.integers(0, 9)) == 0:
        path = draw(percented)
    else:
        known = st.sampled_from(site.words).map(lambda word: quote_from_bytes(word.encode()))
        pattern = draw(st.sampled_from(site.patterns))
        path = re.sub(r"<[^>]+>", lambda _: draw(st.one_of(known, known, known, percented)), pattern)
    query = draw(st.lists(st.tuples(st.sampled_from(FIELDS), percented), max_size=3))
    asked = "&".join(f"{name}={value}" for name, value in query)
    return f"/{draw(st.sampled_from(LANGUAGES))}{path}" + (f"?{asked}" if asked else "")


@st.composite
def fields(draw):
    """Return a form's fields, in order: a good form, with some of it spoilt, doubled or missing."""
    given = dict(draw(st.sampled_from([LETTER, LETTER, PLEDGE, PLEDGE, SUBSCRIPTION, {}])))
    for name in draw(st.lists(st.sampled_from(FIELDS), max_size=4)):
        given[name] = draw(st.one_of(text, st.sampled_from(VALUES)))
    pairs = [(name, value.encode("utf-8", "surrogatepass")) for name, value in given.items()]
    pairs += draw(st.lists(st.tuples(st.sampled_from(FIELDS), raw), max_size=3))
    if draw(st.integers(0, 30)) == 0:
        pairs += [("x", b"")] * 1500
    return pairs


@st.composite
def bodies(draw):
    """Return a content type and a body that need not fit it."""
    pairs = draw(fields())
    urlencoded = "application/x-www-form-urlencoded"
    match draw(st.sampled_from(["form", "form", "form", "multipart", "multipart", "spoilt", "other"])):
        case "form":
            return urlencoded, urlencode(pairs).encode()
        case "spoilt":
            return urlencoded, b"&".join(name.encode() + b"=" + value for name, value in pairs)
        case "multipart":
            ending = draw(st.sampled_from([b"--b--\r\n", b"--b", b"", b"--b--\r\n--b\r\n"]))
            parts = [_part(draw, name.encode(), value) for name, value in pairs]
            boundary = draw(st.sampled_from(["b", "b", "b", '"b"', "", "c", "b" * 300, "\xff"]))
            return f"multipart/form-data; boundary={boundary}", b"".join(parts) + ending
    kinds = [
        "text/plain",
        "application/json",
        "",
        "multipart/form-data",
        "a/b; charset=utf-7",
        urlencoded + "; charset=hex",
    ]
    return draw(st.sampled_from(kinds)), draw(st.binary(max_size=200))


def _part(draw, name, value):
    headers = [
        b'Content-Disposition: form-data; name="%s"' % name,
        b'Content-Disposition: form-data; name="%s"; filename="../../%s"' % (name, name),
        b"Content-Disposition: form-data; name*=utf-8''%s" % name,
        b"Content-Disposition: form-data; name*=bogus''%s" % name,
        b"Content-Disposition: form-data",
        b'Content-Disposition: form-data; name="%s"\r\nContent-Transfer-Encoding: base64' % name,
        b'Content-Disposition: form-data; name="%s"\r\nContent-Type: text/plain; charset=utf-7' % name,
        b'Content-Disposition: form-data; name="%s"; filename="a"\r\nContent-Length: x' % name,
        value.replace(b"\r", b"").replace(b"\n", b""),
    ]
    chosen = headers[draw(st.sampled_from([0, 0, 0, 0, 0, *range(len(headers))]))]
    return b"--b\r\n" + chosen + b"\r\n\r\n" + value + b"\r\n"


_line = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40)
HEADERS = {
    "Origin": ["null", "http://[", "https://evil.example.org", "http://127.0.0.1"],
    "Sec-Fetch-Site": ["same-origin", "cross-site", "none"],
    "Sec-Purpose": ["prefetch", "prefetch;prerender"],
    "Accept-Language": ["de", "x" * 600, "de;q=1e999", "*", "zh-hant-x-" + "a-" * 200],
    "Accept-Encoding": ["gzip", "br;q=x"],
    "Cookie": ["sessionid=1; csrftoken=\xff", "a", "sessionid=" + "x" * 3000, 'a="\\400"'],
    "If-None-Match": ['"a"', "*", "W/"],
    "If-Modified-Since": ["Sat, 31 Feb 2026 25:00:00 GMT", "Thu, 01 Jan 0001 00:00:00 GMT", "x"],
    "Range": ["bytes=0-0", "bytes=9-1", "bytes=-99999999999999999999"],
    "Referer": ["http://[", "https://evil.example.org/"],
    "Authorization": ["Bearer \xff", "Basic %", "Bearer"],
    "X-Forwarded-For": ["1.2.3.4", "' OR 1=1", "::1, x, " * 20],
    "X-Forwarded-Proto": ["https", "gopher"],
    "Host": ["evil.example.org", "127.0.0.1:99999", "a b", "["],
    "X-Requested-With": ["XMLHttpRequest"],
}


@st.composite
def requests(draw, site):
    method = draw(st.sampled_from([*METHODS, "GET", "POST", "POST", "POST", "POST"]))
    names = draw(st.lists(st.sampled_from(list(HEADERS)), max_size=3, unique=True))
    headers = [(name, draw(st.one_of(st.sampled_from(HEADERS[name]), _line)).strip()) for name in names]
    body = b""
    if method in {"POST", "PUT", "PATCH"}:
        kind, body = draw(bodies())
        headers += [("Content-Type", kind)] if kind else []
    return Request(method, draw(paths(site)), tuple(headers), body, chunked=draw(st.integers(0, 9)) == 0)


# --- How it is sent -------------------------------------------------------------------------------------------------


def through_wsgi(application):
    """Return a function that sends a request to the program as gunicorn does, and returns the answer's status."""

    def send(request):
        path, _, query = request.path.partition("?")
        environ = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(request.body),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        environ |= (
            {"HTTP_TRANSFER_ENCODING": "chunked"} if request.chunked else {"CONTENT_LENGTH": str(len(request.body))}
        )
        for name, value in request.headers:
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        answers = []
        response = application(environ, lambda line, headers, *error: answers.append(line))
        try:
            for _piece in response:
                pass
        finally:
            getattr(response, "close", lambda: None)()
        return int(answers[0].split()[0])

    return send


def over_http(port):
    """Return a function that sends a request over its own connection, and returns the answer's status; 599: none."""

    def send(request):
        own_host = any(name == "Host" for name, _value in request.headers)
        head = [f"{request.method} {request.path} HTTP/1.1", "Connection: close"]
        head += [] if own_host else [f"Host: 127.0.0.1:{port}"]
        head += [f"{name}: {value}" for name, value in request.headers]
        body = request.body
        if request.chunked:
            head.append("Transfer-Encoding: chunked")
            body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        else:
            head.append(f"Content-Length: {len(body)}")
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body)
            answer = b""
            while b"\r\n" not in answer and (piece := connection.recv(65536)):
                answer += piece
            while connection.recv(65536):
                pass
        found = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
        return int(found[1]) if found else 599

    return send


def failing(send, site, *, examples, number=None):
    """Send that many requests; raise AssertionError with the smallest one that is answered by a failure of ours."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(site))
    def check(request):
        status = send(request)
        assert status < 500, f"{status} to {request}"

    (check if number is None else seed(number)(check))()


# --- By hand --------------------------------------------------------------------------------------------------------

BATCH = 400


def fetched(url, data=None):
    with urlopen(Ask(url, urlencode(data).encode() if data else None), timeout=30) as response:
        return response.read().decode()


def found_at(port):
    """Return what is there to be asked for, mailed secrets too, of the demo campaign that runs on this port."""
    base = f"http://127.0.0.1:{port}"
    pages = [fetched(f"{base}/{path}") for path in ("", "letters/", "activists/", "updates/", "fund/")]
    slugs = sorted(set(re.findall(r'href="/[a-z]+/([\w-]+)/"', "".join(pages))))
    letter = re.search(r'href="(/letters/[\w-]+/)"', pages[1])[1]
    LETTER["stamp"] = re.search(r'name="stamp" value="([^"]+)"', fetched(base + letter))[1]
    time.sleep(3)  # who signs sooner after opening the page is held
    fetched(base + letter, LETTER)
    PLEDGE["stamp"] = LETTER["stamp"]
    fetched(f"{base}/fund/pledge/", PLEDGE)
    # From another address: one mailbox is sent three mails a day. Who left nothing here is mailed no link to it.
    other = {"email": "olga@example.org", "stamp": LETTER["stamp"]}
    fetched(f"{base}/subscribe/", SUBSCRIPTION | other)
    fetched(f"{base}/my-data/", other)
    secret = re.compile(r"/(?:confirm|receipt|pledge|subscribe|my-data)/([\w-]{20,})/")
    deadline = time.monotonic() + 60
    while len(secrets := sorted({*secret.findall(fetched(f"{base}/dev/mailbox.json"))})) < 4:
        if time.monotonic() > deadline:
            raise SystemExit("The links were not mailed within a minute.")
        time.sleep(0.5)
    return [*slugs, *secrets]


def _database(url):
    return {"DATABASE_URL": url} if url else {}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--on", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--seed", type=int, default=None, help="as printed by a run before, to send the same again")
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    ports = {"PORT": free_port(), "SINK_PORT": free_port(), "BOUNCE_PORT": free_port(), "OUTBOX_SWEEP_SECONDS": 2}
    with (
        tempfile.TemporaryDirectory(prefix="fuzz-") as folder,
        postgres() if options.on == "postgres" else nullcontext() as url,
        started(
            "manage.py", "up", env=environment(folder, **ports, **({"DATABASE_URL": url} if url else {}))
        ) as program,
    ):
        if not any(line.startswith("Ready:") for line in program.stdout):
            raise SystemExit("The program did not start.")
        heard = []  # what it says on; else it would wait to be heard
        Thread(target=lambda: heard.extend(program.stdout), daemon=True).start()
        site = Site(public_patterns(get_resolver().url_patterns), found_at(ports["PORT"]))
        number, sent = options.seed or int(time.time()), 0
        print(f"seed {number}, {len(site.patterns)} paths, {len(site.words)} words to stand in them")
        until = time.monotonic() + 60 * options.minutes
        try:
            while time.monotonic() < until:
                failing(over_http(ports["PORT"]), site, examples=BATCH, number=number + sent // BATCH)
                sent += BATCH
                print(f"{sent:,} requests, none answered by 5xx", flush=True)
        except AssertionError as failure:
            raise SystemExit(f"{''.join(heard[-60:])}\n{failure}") from None


if __name__ == "__main__":
    main()
