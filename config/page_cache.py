"""
Public pages, kept whole in each web process, so that readers ask neither Django nor the database.

A page is made from its address alone: its path, and the parameters that its view names (campaign.cacheable). Host,
cookies, languages, forwarding headers and other parameters are not handed on. So no reader decides what others see,
and there are no more pages to keep than the site has.

It is packed (brotli, gzip) here and not only in the proxy, because what is kept can be packed well: once for each text.
That tells nothing of a secret (BREACH): in such a page stand neither secrets nor what a reader sent.

While a page is made anew, one thread does it, and the others show the one before. Not one of an earlier edition: there
may stand in it what an organiser has taken back.
"""

import re
import sys
import threading
import time
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import brotli
from django.conf import settings
from django.core.cache import caches
from django.db import Error as DatabaseError
from django.db import close_old_connections
from django.http.request import split_domain_port, validate_host
from django.urls import Resolver404, resolve
from django.utils import translation
from django.utils.http import parse_etags

from campaign import editions
from config.tidying import tidied

# What the paths of public pages are made of.
PATH = re.compile(r"/[A-Za-z0-9_/.-]{0,200}")
# So long a page may be shown while another thread makes it anew, and so long while it cannot be made at all.
STALE_SECONDS, STALE_IF_ERROR_SECONDS = 60, 600
# How often each process asks for the number of the edition.
EDITION_SECONDS = 1
# A page that is not kept takes a thread for as long as it is made: some are left for those who read the others.
NOT_KEPT_AT_ONCE = 2
MOST_PARAMETERS = 20


def gzipped(body: bytes) -> bytes:
    """Pack as small as zlib can: where lists and prose take turns, shorter blocks are better, elsewhere longer ones."""
    packers = [zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS, level) for level in (5, 8)]
    return min((packer.compress(body) + packer.flush() for packer in packers), key=len)


# The best first.
PACKERS: dict[str, Callable[[bytes], bytes]] = {"br": brotli.compress, "gzip": gzipped}
PACKABLE = ("text/", "application/atom+xml", "application/json")
_packing = threading.Lock()
BUSY = b"Too many people search at this moment. Please try again in a few seconds.\n"


class Answer(NamedTuple):
    status: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def may_be_kept(self) -> bool:
        names = {name.lower(): value for name, value in self.headers}
        is_public = "public" in names.get("cache-control", "").split(", ")
        return self.status.startswith("200 ") and is_public and "set-cookie" not in names

    @property
    def is_our_fault(self) -> bool:
        return self.status.startswith("5")


class Page(NamedTuple):
    """A kept page, with its weak validator (RFC 9110, 8.8.3): a proxy may compress it."""

    answer: Answer
    etag: str
    made_at: float
    edition: int

    @property
    def age(self) -> float:
        return time.monotonic() - self.made_at


class PageCache:
    """The program behind a memory of its public pages."""

    def __init__(self, program: WSGIApplication) -> None:
        self._program = program
        # Which page a lock is for is found by its hash: two may share one, and no reader can make more of them.
        self._making = [threading.Lock() for _ in range(64)]
        self._not_kept = threading.BoundedSemaphore(NOT_KEPT_AT_ONCE)
        self._edition = Edition()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        environ[editions.KEY] = self._edition.number
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"} or not PATH.fullmatch(path) or not _is_in_order(environ):
            return self._program(environ, start_response)
        view = _view_of(path)
        if view is None:  # before the database is asked: /healthz needs none
            return self._program(environ, start_response)
        asked = environ.get("QUERY_STRING", "")
        edition = self._edition.number()
        if not asked and (page := self._fresh(path, edition)):
            return _send(page, environ, start_response)
        found = self._look_up(view, path, _parameters(asked), edition, environ)
        if isinstance(found, Page):
            return _send(found, environ, start_response)
        return _pass_on(found, environ, start_response)

    def _look_up(
        self, view: Any, path: str, typed: dict[str, str], edition: int, environ: WSGIEnvironment
    ) -> Page | Answer:
        """Return the page of a public view; or what stands in its place if there is none to keep."""
        if "preview" in typed and f"{settings.SESSION_COOKIE_NAME}=" in environ.get("HTTP_COOKIE", ""):
            return self._aside(environ)
        known = {name: put_right(typed.get(name, "")) for name, put_right in view.parameters.items()}
        unkept = {name: typed.get(name, "").strip() for name in view.unkept}
        query = urlencode({name: value for name, value in (known | unkept).items() if value})
        if any(unkept.values()):
            return self._aside(from_address(path, query))
        return self._page(path, query, edition)

    def _fresh(self, key: str, edition: int) -> Page | None:
        page: Page | None = caches["pages"].get(key)
        is_fresh = page and page.edition == edition and page.age < settings.PAGE_SECONDS
        return page if is_fresh else None

    def _page(self, path: str, query: str, edition: int) -> Page | Answer:
        """Return the page as it is kept, or made anew."""
        key = sha256(f"{path}?{query}".encode()).hexdigest() if query else path
        if page := self._fresh(key, edition):
            return page
        kept: Page | None = caches["pages"].get(key)
        if kept and kept.edition != edition:
            kept = None
        may_be_shown = kept is not None and kept.age < STALE_SECONDS
        making = self._making[hash(key) % len(self._making)]
        has_turn = making.acquire(timeout=0 if may_be_shown else 30)
        try:
            if kept and may_be_shown and not has_turn:
                return kept
            # Another thread may have made it while this one waited.
            return self._fresh(key, edition) or self._make(key, from_address(path, query), edition, kept)
        finally:
            if has_turn:
                making.release()

    def _make(self, key: str, environ: WSGIEnvironment, edition: int, kept: Page | None) -> Page | Answer:
        answer = ask(self._program, environ)
        if answer.may_be_kept:
            answer = _tidy(answer)
            etag = f'W/"{urlsafe_b64encode(sha256(answer.body).digest()[:15]).decode()}"'
            # It depends on nothing that a reader sends, whatever Django says of the language.
            headers = [(name, value) for name, value in answer.headers if name.lower() != "vary"]
            headers += [("ETag", etag), *([("Vary", "Accept-Encoding")] if _may_be_packed(answer) else [])]
            answer = answer._replace(headers=headers)
            page = Page(answer, etag, time.monotonic(), edition)
            caches["pages"].set(key, page)
            return page
        if answer.is_our_fault and kept and kept.age < STALE_IF_ERROR_SECONDS:
            return kept
        caches["pages"].delete(key)
        return answer

    def _aside(self, environ: WSGIEnvironment) -> Answer:
        """Return a page that is not kept, if not too many of them are being made in this process."""
        if not self._not_kept.acquire(blocking=False):
            return Answer("503 Service Unavailable", [("Content-Type", "text/plain"), ("Retry-After", "3")], BUSY)
        try:
            return ask(self._program, environ)
        finally:
            self._not_kept.release()


class Edition:
    """The number of the edition, for which the database is asked once a second at most, by one thread."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._known, self._until = 0, 0.0

    def number(self) -> int:
        if time.monotonic() < self._until or not self._asking.acquire(blocking=False):
            return self._known
        try:
            self._known = editions.current()
        except DatabaseError:
            pass  # while there is no database, nobody changes anything
        finally:
            close_old_connections()
            self._until = time.monotonic() + EDITION_SECONDS
            self._asking.release()
        return self._known


@lru_cache(maxsize=256)
def _is_our_host(host: str) -> bool:
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def _is_in_order(environ: WSGIEnvironment) -> bool:
    """Whether Django would answer with a page: not with a 400 for the host, nor with a redirect to HTTPS."""
    if environ.get("SCRIPT_NAME") or not _is_our_host(environ.get("HTTP_HOST", "")):
        return False
    if not settings.SECURE_SSL_REDIRECT:
        return True
    name, secure = settings.SECURE_PROXY_SSL_HEADER or ("", "")
    scheme = environ.get(name, "").partition(",")[0].strip()
    return bool(scheme == secure) if scheme else environ["wsgi.url_scheme"] == "https"


@lru_cache(maxsize=1024)
def _view_of(path: str) -> Any:
    """Return the view of a public page, or None. Looked up once: many links that people share bear parameters."""
    with translation.override(translation.get_language_from_path(path) or settings.LANGUAGE_CODE):
        try:
            view = resolve(path).func
        except Resolver404:
            return None
    return view if hasattr(view, "parameters") else None


def _parameters(query: str) -> dict[str, str]:
    """Return what stands in a query string, of the same name the last; nothing if it is none that a page writes."""
    try:
        return dict(parse_qsl(query.encode("latin-1").decode(errors="replace"), max_num_fields=MOST_PARAMETERS))
    except ValueError:
        return {}


def from_address(path: str, query: str) -> WSGIEnvironment:
    """Return a request for the page that holds nothing but its address."""
    site = urlsplit(settings.BASE_URL)
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": site.hostname or "",
        "SERVER_PORT": str(site.port or (443 if site.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": site.netloc,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": site.scheme,
        "wsgi.input": BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if settings.SECURE_PROXY_SSL_HEADER and site.scheme == "https":
        name, secure = settings.SECURE_PROXY_SSL_HEADER
        environ[name] = secure
    return environ


def ask(program: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    """Return the program's whole answer."""
    began: list[tuple[str, list[tuple[str, str]]]] = []
    body: Any = program(environ, lambda status, headers, *_: began.append((status, list(headers))))  # type: ignore[arg-type]
    try:
        content = b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()
    (status, headers) = began[-1]
    return Answer(status, headers, content)


def _tidy(answer: Answer) -> Answer:
    """Return a page of HTML as small as it can be said."""
    if not any(name.lower() == "content-type" and value.startswith("text/html") for name, value in answer.headers):
        return answer
    body = tidied(answer.body.decode()).encode()
    headers = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
    return answer._replace(headers=[*headers, ("Content-Length", str(len(body)))], body=body)


def _pass_on(answer: Answer, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response(answer.status, list(answer.headers))
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]


def _send(page: Page, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    known = environ.get("HTTP_IF_NONE_MATCH")
    if known and (known.strip() == "*" or page.etag in {f"W/{tag.removeprefix('W/')}" for tag in parse_etags(known)}):
        names = {"cache-control", "content-language", "etag", "vary"}
        start_response(
            "304 Not Modified", [(name, value) for name, value in page.answer.headers if name.lower() in names]
        )
        return []
    return _pass_on(_packed(page, environ.get("HTTP_ACCEPT_ENCODING", "")), environ, start_response)


def _packed(page: Page, accepted: str) -> Answer:
    """Return the page in the best encoding that the reader takes; plain while another thread packs."""
    if not _may_be_packed(page.answer):
        return page.answer
    taken = {
        name.strip().lower()
        for name, _, weight in (one.partition(";") for one in accepted.split(","))
        if not re.fullmatch(r"\s*q=0(\.0*)?\s*", weight)
    }
    encoding = next((name for name in PACKERS if name in taken), None)
    if encoding is None:
        return page.answer
    key = f"{encoding}-{page.etag[3:-1]}"  # a page that is made anew is mostly the same
    body: bytes | None = caches["pages"].get(key)
    if body is None:
        if not _packing.acquire(blocking=False):
            return page.answer
        try:
            body = PACKERS[encoding](page.answer.body)
            caches["pages"].set(key, body)
        finally:
            _packing.release()
    headers = [(name, value) for name, value in page.answer.headers if name.lower() != "content-length"]
    headers += [("Content-Encoding", encoding), ("Content-Length", str(len(body)))]
    return page.answer._replace(headers=headers, body=body)


def _may_be_packed(answer: Answer) -> bool:
    return any(name.lower() == "content-type" and value.startswith(PACKABLE) for name, value in answer.headers)
