"""
A copy of the public site as files: for hosts that serve nothing else, for IPFS, for a stick that is handed on.

Every page is asked for as a reader would ask, in this process, and its links are made relative, so that the copy works
in any folder and from the disk. No script comes along; in place of each form stands a way to the campaign's own page.
Nothing is signed here: that is done elsewhere, by tools/sign_mirror.py, with a key that the server never has.

The same content gives the same bytes. What depends on the time is the day in the strip, and what the site itself shows
by it: an event that is over, an account that is in force.
"""

import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urljoin, urlsplit

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.template.loader import render_to_string
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone, translation

from campaign import editions
from campaign.context_processors import MIRROR
from config import page_cache
from donations import accounts
from donations.models import Fund
from tools import verify_mirror
from tools.verify_mirror import FORMAT, MANIFEST, Refused, canonical

GOOD_FOR = timedelta(days=7)
PUBLIC_APPS = ("campaign", "protests", "donations")
# Pages are made by one another's links: more than these, and something makes them without end.
MOST_PAGES = 50_000
TRIES = 3
_SUFFIXES = {
    "application/atom+xml": ".xml",
    "application/json": ".json",
    "application/pdf": ".pdf",
    "text/calendar": ".ics",
    "text/csv": ".csv",
}
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
Progress = Callable[[int, int], None]


class MirrorError(Exception):
    """No mirror was written. The message says why, for whoever asked for it."""


@dataclass(frozen=True)
class Made:
    """What was written."""

    files: int
    size: int
    manifest: dict[str, Any]


# --- HTML ------------------------------------------------------------------------------------------------------------


class _Rewriter(HTMLParser):
    """
    Writes a page down again with other links, without scripts, and with what `form` returns in place of each form.

    `link(url, follow)` returns what a link becomes; `follow` tells whether a reader of the copy may go there.
    """

    def __init__(self, link: Callable[[str], str], form: Callable[[dict[str, str], str], str], strip: str) -> None:
        super().__init__(convert_charrefs=False)
        self._link, self._form, self._strip = link, form, strip
        self._parts: list[str] = []
        self._in_script = self._in_form = self._in_button = False
        self._of_form: dict[str, str] = {}
        self._label = ""

    def rewrite(self, page: str) -> str:
        self.feed(page)
        self.close()
        return "".join(self._parts)

    def _write(self, text: str) -> None:
        if self._in_button:
            self._label += text
        if not self._in_form and not self._in_script:
            self._parts.append(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "script":
            self._in_script = True
        elif tag == "form":
            self._in_form = True
            self._of_form, self._label = values, ""
        elif self._in_form:
            self._in_button = tag == "button" and not self._label
        elif tag == "use":
            self._write(_drawn(values.get("href", "")))
        elif tag != "noscript":
            self._write(self._with_links(tag, attrs, values))
            if tag == "head":
                self._write('<meta name="referrer" content="no-referrer">')
            elif tag == "body":
                self._write(self._strip)

    handle_startendtag = handle_starttag

    def _with_links(self, tag: str, attrs: list[tuple[str, str | None]], values: dict[str, str]) -> str:
        if tag == "meta" and values.get("property") == "og:image":
            self._link(values.get("content", ""))  # the file comes along; what services show is asked of the origin
        is_of_origin = tag == "link" and (values.get("rel") == "canonical" or "hreflang" in values)
        changed: list[tuple[str, str | None]] = []
        for name, value in attrs:
            if name in {"href", "src"} and value and not is_of_origin:
                changed.append((name, self._link(value)))
            elif name == "srcset" and value:
                choices = (choice.split() for choice in value.split(","))
                changed.append((name, ", ".join(" ".join([self._link(url), *size]) for url, *size in choices)))
            elif not name.startswith("data-"):  # which only scripts read
                changed.append((name, value))
        if changed == attrs:
            return self.get_starttag_text() or ""
        written = "".join(f" {name}" if value is None else f' {name}="{escape(value)}"' for name, value in changed)
        return f"<{tag}{written}>"

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_script = False
        elif tag == "form":
            self._in_form = self._in_button = False
            self._write(self._form(self._of_form, " ".join(re.sub(r"<[^>]*>", "", self._label).split())))
        elif self._in_form:
            if tag == "button":
                self._in_button = False
        elif tag != "noscript" and tag not in _VOID:
            self._write(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._write(data)

    def handle_entityref(self, name: str) -> None:
        self._write(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._write(f"&#{name};")

    def handle_decl(self, decl: str) -> None:
        self._write(f"<!{decl}>")

    def handle_comment(self, data: str) -> None:
        self._write(f"<!--{data}-->")


def _static_file(path: str) -> Path | None:
    name = unquote(path.removeprefix(settings.STATIC_URL))
    file = Path(staticfiles_storage.path(name))
    found = file if file.is_file() else finders.find(name)
    return Path(found) if found else None


def _drawn(url: str) -> str:
    """Return the shape of ours that an SVG names: browsers read no shapes of other files from a disk."""
    path, _, name = url.partition("#")
    file = _static_file(path)
    shape = re.search(rf'<path id="{re.escape(name)}"([^>]*)>', file.read_text()) if file else None
    if shape is None:
        raise MirrorError(f"{url} is no shape of a picture of ours: run manage.py collectstatic")
    return f"<path{shape[1]}>"


# --- What there is ---------------------------------------------------------------------------------------------------


def _patterns(resolver: URLResolver) -> Iterator[tuple[str, str]]:
    """Yield namespace and name of all paths of the public apps that need nothing to be known."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            if entry.app_name in {None, *PUBLIC_APPS}:
                yield from ((entry.namespace or namespace, name) for namespace, name in _patterns(entry))
        elif isinstance(entry, URLPattern) and entry.name and not entry.pattern.regex.groups:
            yield "", entry.name


def start_paths() -> list[str]:
    """Return the path of each page that needs no object, and of each published object's, in every language."""
    names = [f"{namespace}:{name}" for namespace, name in _patterns(get_resolver()) if namespace in PUBLIC_APPS]
    models = [
        model
        for app in PUBLIC_APPS
        for model in apps.get_app_config(app).get_models()
        if hasattr(model, "get_absolute_url") and hasattr(model._default_manager, "published")
    ]
    rows = [row for model in models for row in model._default_manager.published()]  # type: ignore[attr-defined]
    paths: list[str] = []
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            paths += map(reverse, names)
            paths += (row.get_absolute_url() for row in rows)
    # Files are reached from pages.
    return list(dict.fromkeys(path for path in (path.partition("#")[0] for path in paths) if path.endswith("/")))


@contextmanager
def _one_connection() -> Iterator[None]:
    """Keep the connection to the database, which else every request would open and close."""
    signals = (request_started, request_finished)
    heard = [signal for signal in signals if signal.disconnect(close_old_connections)]
    try:
        yield
    finally:
        for signal in heard:
            signal.connect(close_old_connections)


@dataclass
class _Kept:
    """One answer: its file's name in the mirror, and where it lies until all are known."""

    name: str
    content: Path
    is_page: bool


@dataclass
class Crawl:
    """All that is reached from the first paths, by address: path and query."""

    folder: Path
    progress: Progress | None
    kept: dict[str, _Kept] = field(default_factory=dict)
    # The address in whose place another one is shown.
    shown_by: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    _found_on: dict[str, str] = field(default_factory=dict)
    _program: WSGIHandler = field(default_factory=WSGIHandler)

    def run(self, paths: Iterable[str]) -> None:
        ahead = list(paths)
        first, known = set(ahead), set(ahead)
        while ahead:
            address = ahead.pop(0)
            for found in self._fetch(address, is_first=address in first):
                if found not in known:
                    known.add(found)
                    self._found_on[found] = address
                    ahead.append(found)
            if len(known) > MOST_PAGES:
                raise MirrorError(f"There are more than {MOST_PAGES:,} pages. Some page makes links without end.")
            if self.progress:
                self.progress(len(self.kept), len(ahead))

    def _fetch(self, address: str, *, is_first: bool) -> list[str]:
        """Keep what is at the address, and return the addresses that it links to."""
        if (path := address.partition("?")[0]).startswith(settings.STATIC_URL):
            return self._fetch_static(path)
        asked = page_cache.from_address(unquote(path), address.partition("?")[2])
        asked[MIRROR] = True
        answer = page_cache.ask(self._program, asked)
        headers = {name.lower(): value for name, value in answer.headers}
        status = int(answer.status[:3])
        if status in {301, 302, 303, 307, 308}:
            if there := internal(urljoin(settings.BASE_URL + address, headers["location"])):
                self.shown_by[address] = there
                return [there]
            self.broken[address] = "leads away from the site"
            return []
        if status != 200:
            # A page of which nothing is published yet, and no page links to.
            if not (is_first and status == 404):
                self.broken[address] = f"is answered by {answer.status}"
            return []
        media_type = headers.get("content-type", "").partition(";")[0]
        is_page = media_type == "text/html"
        self._keep(address, file_name(address, media_type), answer.body, is_page=is_page)
        return links_of(answer.body.decode(), address) if is_page else []

    def _fetch_static(self, path: str) -> list[str]:
        found = _static_file(path)
        if found is None:
            self.broken[path] = "is no static file: run manage.py collectstatic"
            return []
        content = found.read_bytes()
        self._keep(path, path.lstrip("/"), content, is_page=False)
        if not path.endswith(".css"):
            return []
        urls = re.findall(r"""url\(["']?([^"')]+)""", content.decode())
        return [there for url in urls if (there := internal(urljoin(settings.BASE_URL + path, url)))]

    def _keep(self, address: str, name: str, content: bytes, *, is_page: bool) -> None:
        file = self.folder / str(len(self.kept))
        file.write_bytes(content)
        self.kept[address] = _Kept(name, file, is_page)

    def file_of(self, address: str) -> str | None:
        """Return the name of the file that shows this address."""
        for _hop in range(5):
            address = self.shown_by.get(address, address)
        kept = self.kept.get(address)
        return kept.name if kept else None

    def complain(self) -> None:
        """Raise MirrorError if a page links to what is not there, or if two addresses would be one file."""
        wrong = [f"{self._found_on.get(one, 'the list of pages')} → {one} {why}" for one, why in self.broken.items()]
        names: dict[str, str] = {}
        for address, kept in self.kept.items():
            if not verify_mirror.is_safe_name(kept.name):
                wrong.append(f"{address} cannot be the name of a file")
            if other := names.setdefault(kept.name.casefold(), address):
                wrong += [f"{address} and {other} would be the same file"] if other != address else []
        if wrong:
            raise MirrorError("Broken links:\n" + "\n".join(sorted(wrong)))


def internal(url: str) -> str | None:
    """Return path and query of an absolute link to a page of the public site, or None."""
    try:
        parts, site = urlsplit(url), urlsplit(settings.BASE_URL)
    except ValueError:  # such as http://[
        return None
    if (parts.scheme, parts.netloc) != (site.scheme, site.netloc):
        return None
    path = quote(unquote(parts.path or "/"), safe="/-._~")
    if path.startswith((reverse("admin:index"), "/dev/")):
        return None
    # In one order, so that one page is not taken for two.
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in sorted(parse_qsl(parts.query)))
    return f"{path}?{query}" if query else path


def links_of(page: bytes | str, address: str) -> list[str]:
    """Return the addresses of our site that a page links to."""
    found: list[str] = []

    def collect(url: str) -> str:
        if there := internal(urljoin(settings.BASE_URL + address, url)):
            found.append(there)
        return url

    text = page if isinstance(page, str) else page.decode()
    _Rewriter(collect, lambda *_: "", "").rewrite(text)
    return found


def file_name(address: str, media_type: str) -> str:
    """Return the name of the file for what is at an address: a folder's index, or a file that says what it is."""
    path, _, query = unquote(address).partition("?")
    name = path.lstrip("/")
    suffix = _SUFFIXES.get(media_type, "")
    if media_type == "text/html":
        name = f"{name}index.html" if name.endswith("/") or not name else f"{name}.html"
    elif name.endswith("/"):
        name = name.rstrip("/").removesuffix(f"/{suffix.lstrip('.')}") + suffix
    if not query:
        return name
    stem, dot, ending = name.rpartition(".")
    # What is no plain word is told by its hash: file names are for computers, too, that know few signs.
    plain = query.replace("=", "-").replace("&", "-")
    asked = plain if re.fullmatch(r"[A-Za-z0-9-]{1,60}", plain) else sha256(query.encode()).hexdigest()[:16]
    return f"{stem}.{asked}{dot}{ending}"


# --- Writing ---------------------------------------------------------------------------------------------------------


def export(folder: Path, version: int | None = None, progress: Progress | None = None) -> Made:
    """
    Write the mirror to `folder`, whole or not at all. Raises MirrorError, and then all is as it was.

    Without a version it is one more than the last. One that was given before is taken for the same content only.
    """
    folder = folder.absolute()
    before = _manifest_of(folder)
    with _turn() as memory:
        known = _remembered(memory)
        last = max(known["version"], before["version"] if before else 0)
        if version is not None and version < last:
            raise MirrorError(f"Version {version} is older than {last}: readers would take the copy for an old one.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.new-", dir=folder.parent))
        try:
            manifest = _write(made, last + 1 if version is None else version, progress)
            content = canonical(manifest)
            digest = sha256(content).hexdigest()
            if manifest["version"] == known["version"] and digest != known["manifest"]:
                raise MirrorError(f"Version {version} was made before, of other content. Give it a higher number.")
            verify_mirror.read_manifest(content)  # no mirror leaves that the verifier would refuse
            (made / MANIFEST).write_bytes(content)
            _open_to_all(made)
            remembered = json.dumps({"version": manifest["version"], "manifest": digest})
            _replace(memory, remembered)
            _swap(made, folder)
        except Refused as error:
            raise MirrorError(str(error)) from error
        finally:
            shutil.rmtree(made, ignore_errors=True)
    size = sum(facts["size"] for facts in manifest["files"].values())
    return Made(len(manifest["files"]), size, manifest)


def _manifest_of(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of the mirror that is there already. Raises MirrorError for what is no mirror of ours."""
    if not os.path.lexists(folder):
        return None
    if folder.is_symlink() or not folder.is_dir():
        raise MirrorError(f"{folder} is a link or a file, not a folder.")
    if not any(folder.iterdir()):
        return None
    try:
        content = verify_mirror.read_small(str(folder / MANIFEST), verify_mirror.LARGEST_MANIFEST)
        manifest = verify_mirror.read_manifest(content)
        findings = verify_mirror.check_files(str(folder), manifest)
    except Refused as error:
        raise MirrorError(f"{folder} is there, and is no mirror: {error} Nothing in it was touched.") from error
    if others := [one.words for one in findings if one.kind in {"added", "link"}]:
        raise MirrorError(f"In {folder} lies what is not the mirror's, and would be lost: {others[0]}")
    return manifest


@contextmanager
def _turn() -> Iterator[Path]:
    """Let one export run at a time; yield the file that remembers the last version."""
    memory = Path(settings.VAR_DIR, "mirror.json")
    memory.parent.mkdir(parents=True, exist_ok=True)
    with memory.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MirrorError("Another export is running.") from error
        yield memory


def _remembered(memory: Path) -> dict[str, Any]:
    if not memory.exists():
        return {"version": 0, "manifest": ""}
    try:
        found = json.loads(memory.read_text())
        return {"version": int(found["version"]), "manifest": str(found["manifest"])}
    except (ValueError, KeyError, TypeError) as error:
        raise MirrorError(
            f"{memory}, which remembers the last version, is damaged. Look at it, or remove it."
        ) from error


def _replace(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def _write(folder: Path, version: int, progress: Progress | None) -> dict[str, Any]:
    """Write all files but the manifest, and return that."""
    made_on = timezone.localdate()
    for _try in range(TRIES):
        edition = editions.current()
        with tempfile.TemporaryDirectory(prefix="mirror-") as scratch:
            crawl = Crawl(Path(scratch), progress)
            with translation.override(settings.LANGUAGE_CODE), _one_connection():
                crawl.run(start_paths())
            told = accounts_for_gifts()
            if editions.current() != edition:  # some pages are of before a change, and some of after
                continue
            crawl.complain()
            numbers: set[str] = set()
            for address, kept in crawl.kept.items():
                _write_one(folder, crawl, address, kept, made_on)
                if kept.is_page:
                    numbers |= verify_mirror.numbers_in((folder / kept.name).read_text())
            return {
                "format": FORMAT,
                "version": version,
                "made_on": made_on.isoformat(),
                "expires_on": (made_on + GOOD_FOR).isoformat(),
                "origin": settings.BASE_URL,
                "onion": settings.ONION_URL,
                "accounts": told,
                "other_numbers": sorted(numbers - {account["iban"] for account in told}),
                "files": {kept.name: _facts(folder / kept.name) for kept in crawl.kept.values()},
            }
    raise MirrorError("The site was changed again and again while its pages were read. Try again when nobody edits it.")


def accounts_for_gifts() -> list[dict[str, str]]:
    """Return the accounts that donors are asked to pay to."""
    funds = list(Fund.objects.published().order_by("slug"))
    shown = accounts.shown_of(funds)
    return [
        {"fund": fund.slug, "holder": account.holder, "iban": account.iban, "bic": account.bic}
        for fund in funds
        if (account := shown[fund.pk].payable)
    ]


def _write_one(folder: Path, crawl: Crawl, address: str, kept: _Kept, made_on: date) -> None:
    content = kept.content.read_bytes()
    if kept.is_page:
        content = _copied(content.decode(), crawl, address, kept.name, made_on).encode()
    file = folder / kept.name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _copied(page: str, crawl: Crawl, address: str, name: str, made_on: date) -> str:
    """Return the page as it stands in the mirror."""
    here = settings.BASE_URL + address
    path = address.partition("?")[0]
    language = translation.get_language_from_path(path) or settings.LANGUAGE_CODE

    def link(url: str) -> str:
        there = urljoin(here, url)
        if url.startswith("#") or not (internally := internal(there)):
            # A path of ours that is no public page; all else leads where it led.
            return there if url.startswith("/") else url
        file = crawl.file_of(internally)
        if file is None:
            raise MirrorError(f"Broken links:\n{address} → {internally}")
        fragment = urlsplit(there).fragment
        return quote(os.path.relpath(file, Path(name).parent)) + (f"#{fragment}" if fragment else "")

    def form(attributes: dict[str, str], label: str) -> str:
        url = urljoin(here, attributes.get("action", ""))
        there = internal(url) or path
        fragment = urlsplit(url).fragment
        rest = there + (f"#{fragment}" if fragment else "")
        is_sent = attributes.get("method") == "post"
        context = {
            "anchor": attributes.get("id", ""),
            "label": label,
            "is_sent": is_sent,
            "url": settings.BASE_URL + rest,
            "onion": onion(rest),
        }
        return render_to_string("mirror/form.html", context)

    with translation.override(language):
        how = link(reverse("campaign:mirrors"))
        origin = settings.BASE_URL + address
        context = {"origin": settings.BASE_URL, "url": origin, "made_on": made_on, "how": how, "onion": onion(address)}
        return _Rewriter(link, form, render_to_string("mirror/strip.html", context)).rewrite(page)


def onion(path: str) -> str:
    return f"{settings.ONION_URL}{path}" if settings.ONION_URL else ""


def _facts(file: Path) -> dict[str, Any]:
    content = file.read_bytes()
    return {"sha256": sha256(content).hexdigest(), "size": len(content)}


def _open_to_all(folder: Path) -> None:
    """Let web servers read what is written, which is public; whatever umask this process has."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _swap(made: Path, folder: Path) -> None:
    """Put the new mirror in the place of the old one, which is there again if that fails."""
    if not folder.exists():
        made.rename(folder)
        return
    old = made.with_name(made.name.replace(".new-", ".old-"))
    folder.rename(old)
    try:
        made.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
