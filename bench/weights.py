"""
What a phone loads to see a page for the first time: every public page of the demo campaign, as it is served.

Every page that links lead to, in each language, with all that its HTML names: stylesheet, scripts, pictures. Asked for
three times: plain, with gzip, with brotli. Loaded at once are the page and its stylesheet, which alone it waits for.
Old phones and the hosts of mirrors take gzip. The table has the heaviest page of each kind.

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
from django.urls import Resolver404, resolve, reverse
from django.utils import translation

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


def pages(site: Site, language: str) -> Iterator[tuple[str, str, Named]]:
    """Yield what links of one language lead to: the path, the kind of page, and what it names."""
    with translation.override(language):
        ahead, seen = [reverse("campaign:home")], set()
        while ahead:
            path = ahead.pop(0)
            if path in seen or path.startswith(("/admin/", "/dev/")):
                continue
            seen.add(path)
            try:
                kind_of_page = resolve(path).view_name
            except Resolver404:  # such as a page in another language
                continue
            status, kind, body = site.get(path)
            if status == 200 and kind.startswith("text/html"):
                named = Named(body.decode())
                yield path, kind_of_page, named
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
    rows = []
    with served("config.wsgi", folder / "weights.log") as port:
        site = Site(port)
        for language, _name in settings.LANGUAGES:
            for path, kind, named in pages(site, language):
                rows.append({"language": language, "kind": kind, **weighed(site, path, named)})
    rows.sort(key=lambda row: -row["gzip"]["first_view"])
    return {"machine": machine.facts(), "aim": AIM, "rows": rows}


def over(result: dict[str, Any], encoding: str) -> list[str]:
    """Return the pages that are too heavy."""
    return [row["path"] for row in result["rows"] if row[encoding]["first_view"] > result["aim"]]


def table(result: dict[str, Any]) -> str:
    """Return the result as text to read, in KB of 1024 bytes."""
    rows = result["rows"]
    languages = list(dict.fromkeys(row["language"] for row in rows))
    heaviest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        heaviest.setdefault((row["kind"], row["language"]), row)
    kinds = list(dict.fromkeys(kind for kind, _language in heaviest))
    lines = [
        "",
        f"{'at once, in KB':<28}" + "".join(f"{language:>7}{'':>7}" for language in sorted(languages)),
        f"{'':<28}"
        + f"{'gzip':>7}{'br':>7}" * len(languages)
        + f"{'plain':>8}{'CSS':>6}{'JS':>6}{'all':>7}{'requests':>10}",
    ]
    for kind in kinds:
        line = f"{kind[:27]:<28}"
        for language in sorted(languages):
            found = heaviest.get((kind, language))
            line += "".join(
                f"{found[way]['first_view'] / 1024:>7.1f}" if found else f"{'':>7}" for way in ("gzip", "br")
            )
        of_all = next(row for row in rows if row["kind"] == kind)
        packed = of_all["gzip"]
        numbers = ((of_all["identity"]["html"], 8), (packed["css"], 6), (packed["js"], 6), (packed["all"], 7))
        line += "".join(f"{size / 1024:>{width}.1f}" for size, width in numbers)
        lines.append(f"{line}{of_all['requests']:>10}")
    lines += [
        "",
        f"{len(rows)} pages; of each kind the heaviest in a language. At once: the page and its stylesheet. Then of",
        "the heaviest of all: its HTML plain; its CSS and JS, and all with pictures, but no lazy ones, with gzip.",
        "",
    ]
    for encoding in ("gzip", "br"):
        heavy = over(result, encoding)
        lines.append(
            f"{'NOT MET' if heavy else 'met   '} at once at most {result['aim'] / 1024:.0f} KB with {encoding}"
            + (f": but {', '.join(heavy)}" if heavy else "")
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
