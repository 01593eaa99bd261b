"""
What a phone loads to see a page for the first time: every public page of the demo campaign, as it is served.

One page of every kind that links lead to, with all that its HTML names: stylesheet, scripts, pictures. Asked for three
times: plain, with gzip, and with brotli. Loaded at once are the page and its stylesheet, which alone it waits for.

`python -m bench` calls this; not to be called by itself.
"""

import argparse
import http.client
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import django

if __name__ == "__main__":
    django.setup()

from django.conf import settings
from django.core.management import call_command
from django.urls import Resolver404, resolve

from bench import machine
from bench.serving import served

ROOT = Path(__file__).resolve().parent.parent
# What fits into the first ten packets that a server sends before it waits for an answer (RFC 6928).
AIM = 14 * 1024
ENCODINGS = ("identity", "gzip", "br")


class Named(HTMLParser):
    """What a page names: links to other pages, and by kind what the browser loads with it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: dict[str, set[str]] = {"css": set(), "js": set(), "pictures": set(), "lazy": set()}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        match tag, values:
            case "a", {"href": href}:
                self.links.append(href)
            case "link", {"rel": "stylesheet", "media": "print", "href": href}:
                self.loaded["lazy"].add(href)
            case "link", {"rel": "stylesheet", "href": href}:
                self.loaded["css"].add(href)
            case "link", {"rel": "icon", "href": href}:
                self.loaded["pictures"].add(href)
            case "script", {"src": src}:
                self.loaded["js"].add(src)
            case "img", {"src": src}:
                self.loaded["lazy" if values.get("loading") == "lazy" else "pictures"].add(src)


class Site:
    """The served program, as a browser behind the proxy asks it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._known: dict[tuple[str, str], tuple[int, str, bytes]] = {}

    def get(self, path: str, encoding: str = "identity") -> tuple[int, str, bytes]:
        """Return status, type and body as they came over the line; each is asked for once."""
        if (path, encoding) not in self._known:
            base = urlsplit(settings.BASE_URL)
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            headers = {"Host": base.netloc, "X-Forwarded-Proto": base.scheme, "Accept-Encoding": encoding}
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            self._known[path, encoding] = (answer.status, answer.getheader("Content-Type", ""), answer.read())
            connection.close()
        return self._known[path, encoding]

    def size(self, path: str, encoding: str) -> int:
        return len(self.get(path, encoding)[2])


def pages(site: Site) -> Iterator[tuple[str, Named]]:
    """Yield one page of each kind, and what it names."""
    ahead, seen = ["/"], set()
    while ahead:
        path = ahead.pop(0)
        try:
            name = resolve(path).view_name
        except Resolver404:
            continue
        if name in seen or path.startswith(("/admin/", "/dev/")):
            continue
        seen.add(name)
        status, kind, body = site.get(path)
        if status == 200 and kind.startswith("text/html"):
            named = Named(body.decode())
            yield path, named
            ahead += [urlsplit(link).path for link in named.links if not re.match(r"\w+:|//", link)]


def weighed(site: Site, path: str, named: Named) -> dict[str, Any]:
    """Return the bytes of one page and of what is loaded with it, by encoding."""
    loaded = {kind: [urljoin(path, one) for one in sorted(some)] for kind, some in named.loaded.items()}
    at_once = [path, *loaded["css"]]
    row: dict[str, Any] = {"path": path, "requests": sum(map(len, loaded.values())) + 1 - len(loaded["lazy"])}
    for encoding in ENCODINGS:
        sizes = {kind: sum(site.size(one, encoding) for one in some) for kind, some in loaded.items()}
        first_view = sum(site.size(one, encoding) for one in at_once)
        row[encoding] = {
            "html": site.size(path, encoding),
            **sizes,
            "first_view": first_view,
            "all": first_view + sizes["js"] + sizes["pictures"],
        }
    return row


def run(folder: Path) -> dict[str, Any]:
    call_command("migrate", verbosity=0, interactive=False)
    call_command("collectstatic", verbosity=0, interactive=False)
    call_command("load_campaign", str(ROOT / "demo"), verbosity=0)
    with served("config.wsgi", folder / "weights.log") as port:
        site = Site(port)
        rows = [weighed(site, path, named) for path, named in pages(site)]
    rows.sort(key=lambda row: -row["br"]["first_view"])
    return {"machine": machine.facts(), "aim": AIM, "rows": rows}


def table(result: dict[str, Any]) -> str:
    """Return the result as text to read, in KB of 1024 bytes."""
    lines = [
        "",
        f"{'':<40}{'HTML, in KB':>24}{'CSS':>7}{'JS':>7}{'at once':>9}{'at once':>9}{'all':>8}{'':>10}",
        f"{'':<40}{'plain':>8}{'gzip':>8}{'br':>8}{'br':>7}{'br':>7}{'gzip':>9}{'br':>9}{'br':>8}{'requests':>10}",
    ]
    for row in result["rows"]:
        plain, gzip, br = (row[encoding] for encoding in ENCODINGS)
        numbers = (
            (plain["html"], 8), (gzip["html"], 8), (br["html"], 8), (br["css"], 7), (br["js"], 7),
            (gzip["first_view"], 9), (br["first_view"], 9), (br["all"], 8),
        )  # fmt: skip
        cells = "".join(f"{size / 1024:>{width}.1f}" for size, width in numbers)
        lines.append(f"{row['path'][:39]:<40}{cells}{row['requests']:>10}")
    lines += [
        "",
        "at once: the page and its stylesheet; all: with scripts and pictures, but no lazy ones, nor how it prints.",
        "",
    ]
    for encoding in ("br", "gzip"):
        over = [row["path"] for row in result["rows"] if row[encoding]["first_view"] > result["aim"]]
        lines.append(
            f"{'NOT MET' if over else 'met   '} at once at most {result['aim'] / 1024:.0f} KB with {encoding}"
            + (f": but {', '.join(over)}" if over else "")
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.weights")
    parser.add_argument("--json", type=Path, required=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = parser.parse_args()
    try:
        result = run(Path(os.environ["BENCH_FOLDER"]))
    except KeyboardInterrupt:
        return 130
    print(table(result))
    options.json.write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
