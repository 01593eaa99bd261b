"""
The headers of every kind of path, graded as MDN's HTTP Observatory grades a site.

The rules are those of its published program (github.com/mdn/mdn-http-observatory, src/grader/charts.js for what each
result is worth, src/analyzer/tests/ for what it takes), as read in November 2026: ten tests, 100 points at first;
what is better than asked for counts only if 90 are left without it. Two things cannot be had here: it asks whether
a domain is in the browsers' list for HSTS (+5), and whether the certificate is valid. Neither is counted.

`python -m bench headers` calls this, with the settings of production behind a proxy; not to be called by itself.
"""

import argparse
import http.client
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from http.cookies import CookieError, SimpleCookie
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
# What each result is worth: SCORE_TABLE of charts.js.
MODIFIERS = {
    "csp-implemented-with-no-unsafe-default-src-none": 10,
    "csp-implemented-with-no-unsafe": 5,
    "csp-implemented-with-unsafe-inline-in-style-src-only": 0,
    "csp-implemented-with-insecure-scheme-in-passive-content-only": -10,
    "csp-implemented-with-unsafe-eval": -10,
    "csp-implemented-with-unsafe-inline": -20,
    "csp-implemented-with-insecure-scheme": -20,
    "csp-not-implemented": -25,
    "cookies-secure-with-httponly-sessions-and-samesite": 5,
    "cookies-secure-with-httponly-sessions": 0,
    "cookies-not-found": 0,
    "cookies-without-secure-flag-but-protected-by-hsts": -5,
    "cookies-session-without-secure-flag-but-protected-by-hsts": -10,
    "cookies-without-secure-flag": -20,
    "cookies-samesite-flag-invalid": -20,
    "cookies-anticsrf-without-samesite-flag": -20,
    "cookies-session-without-httponly-flag": -30,
    "cookies-session-without-secure-flag": -40,
    "cross-origin-resource-sharing-not-implemented": 0,
    "cross-origin-resource-sharing-implemented-with-public-access": 0,
    "cross-origin-resource-sharing-implemented-with-restricted-access": 0,
    "cross-origin-resource-sharing-implemented-with-universal-access": -50,
    "redirection-to-https": 0,
    "redirection-off-host-from-http": -5,
    "redirection-not-to-https": -20,
    "redirection-missing": -20,
    "referrer-policy-private": 5,
    "referrer-policy-not-implemented": 0,
    "referrer-policy-unsafe": -5,
    "referrer-policy-header-invalid": -5,
    "hsts-implemented-max-age-at-least-six-months": 0,
    "hsts-implemented-max-age-less-than-six-months": -10,
    "hsts-not-implemented": -20,
    "hsts-header-invalid": -20,
    "sri-implemented-and-all-scripts-loaded-securely": 5,
    "sri-not-implemented-response-not-html": 0,
    "sri-not-implemented-but-no-scripts-loaded": 0,
    "sri-not-implemented-but-all-scripts-loaded-from-secure-origin": 0,
    "sri-not-implemented-but-external-scripts-loaded-securely": -5,
    "sri-not-implemented-and-external-scripts-not-loaded-securely": -50,
    "x-content-type-options-nosniff": 0,
    "x-content-type-options-not-implemented": -5,
    "x-content-type-options-header-invalid": -5,
    "x-frame-options-implemented-via-csp": 5,
    "x-frame-options-sameorigin-or-deny": 0,
    "x-frame-options-not-implemented": -20,
    "x-frame-options-header-invalid": -20,
    "cross-origin-resource-policy-implemented-with-same-origin": 10,
    "cross-origin-resource-policy-implemented-with-same-site": 10,
    "cross-origin-resource-policy-implemented-with-cross-origin": 0,
    "cross-origin-resource-policy-not-implemented": 0,
    "cross-origin-resource-policy-header-invalid": -5,
}
EXTRA_CREDIT_FROM = 90
# GRADE_CHART of charts.js, from the best on.
GRADES = (
    (100, "A+"), (90, "A"), (85, "A-"), (80, "B+"), (70, "B"), (65, "B-"), (60, "C+"), (50, "C"), (45, "C-"),
    (40, "D+"), (30, "D"), (25, "D-"), (0, "F"),
)  # fmt: skip
BROAD = {"ftp:", "http:", "https:", "*", "http://*", "http://*.*", "https://*", "https://*.*"}
PRIVATE = {"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"}
UNSAFE = {"origin", "origin-when-cross-origin", "unsafe-url", "no-referrer-when-downgrade"}
SIX_MONTHS = 15_552_000
# Beside the links: what a reader comes to by mail, what has no link, and what is not there.
UNLINKED = (
    "/healthz",
    "/confirm/x/",
    "/receipt/x/",
    "/unsubscribe/x/",
    "/subscribe/x/",
    "/fund/pledge/x/",
    "/nowhere/",
)
SHOWN = (
    "Content-Security-Policy", "Strict-Transport-Security", "Referrer-Policy", "Permissions-Policy",
    "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "X-Content-Type-Options", "X-Frame-Options",
    "Cache-Control",
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def get(self, name: str) -> str:
        return (self.headers[name] or "").strip()

    @property
    def is_html(self) -> bool:
        return self.get("Content-Type").startswith("text/html")


# --- The ten tests ---------------------------------------------------------------------------------------------------


def directives(policies: list[str]) -> dict[str, set[str]]:
    """Return the directives of a policy; of one that is named twice, the first."""
    found: dict[str, set[str]] = {}
    for part in ";".join(policies).split(";"):
        name, *sources = part.lower().split() or [""]
        if name:
            found.setdefault(name, set(sources))
    return found


def csp(answer: Answer) -> str:  # noqa: PLR0911 - one for each result, from the worst on
    found = directives(answer.headers.get_all("Content-Security-Policy", []))
    if not found:
        return "csp-not-implemented"
    default = found.get("default-src", {"*"})
    script, style, objects = (found.get(name, default) for name in ("script-src", "style-src", "object-src"))
    passive = {"img-src", "media-src"}
    active = {source for name, sources in found.items() if name not in passive for source in sources}
    shown = {source for name in passive for source in found.get(name, found.get("default-src", set()))}
    inline = {"'unsafe-inline'", "data:"}
    insecure = ("http:", "ftp:")
    if script & (BROAD | inline) or objects & BROAD:
        return "csp-implemented-with-unsafe-inline"
    if any(source.startswith(insecure) for source in active):
        return "csp-implemented-with-insecure-scheme"
    if "'unsafe-eval'" in script | style:
        return "csp-implemented-with-unsafe-eval"
    if any(source.startswith(insecure) for source in shown):
        return "csp-implemented-with-insecure-scheme-in-passive-content-only"
    if style & (BROAD | inline):
        return "csp-implemented-with-unsafe-inline-in-style-src-only"
    if found.get("default-src") == {"'none'"}:
        return "csp-implemented-with-no-unsafe-default-src-none"
    return "csp-implemented-with-no-unsafe"


def cookies(answer: Answer) -> str:
    """Return the worst that is found of any cookie."""
    found, worst = [], ""
    for line in answer.headers.get_all("Set-Cookie", []):
        try:
            found += list(SimpleCookie(line).values())
        except CookieError:
            worst = "cookies-samesite-flag-invalid"
    if not found and not worst:
        return "cookies-not-found"
    is_hsts = hsts(answer) == "hsts-implemented-max-age-at-least-six-months"
    results = [worst] if worst else []
    for cookie in found:
        session = any(part in cookie.key.lower() for part in ("login", "sess"))
        same_site = cookie["samesite"].lower()
        if same_site not in {"", "lax", "strict", "none"} or (same_site == "none" and not cookie["secure"]):
            results.append("cookies-samesite-flag-invalid")
        if not cookie["secure"]:
            kind = "session-without" if session else "without"
            results.append(f"cookies-{kind}-secure-flag" + ("-but-protected-by-hsts" if is_hsts else ""))
        if "csrf" in cookie.key.lower() and not same_site:
            results.append("cookies-anticsrf-without-samesite-flag")
        if session and not cookie["httponly"]:
            results.append("cookies-session-without-httponly-flag")
    if results:
        return min(results, key=MODIFIERS.__getitem__)
    whole = all(cookie["samesite"] for cookie in found)
    return "cookies-secure-with-httponly-sessions" + ("-and-samesite" if whole else "")


def cors(answer: Answer) -> str:
    allowed, name = answer.get("Access-Control-Allow-Origin"), "cross-origin-resource-sharing"
    if not allowed:
        return f"{name}-not-implemented"
    if allowed == "*":
        return f"{name}-implemented-with-public-access"
    universal = answer.get("Access-Control-Allow-Credentials").lower() == "true"
    return f"{name}-implemented-with-{'universal' if universal else 'restricted'}-access"


def redirection(plain: Answer, host: str) -> str:
    """Return what becomes of a request without TLS for the same path."""
    to = urlsplit(plain.get("Location"))
    if plain.status not in {301, 302, 307, 308}:
        return "redirection-missing"
    if to.scheme != "https":
        return "redirection-not-to-https"
    return "redirection-to-https" if to.netloc == host else "redirection-off-host-from-http"


def referrer_policy(answer: Answer) -> str:
    known = [
        part for one in answer.get("Referrer-Policy").lower().split(",") if (part := one.strip()) in PRIVATE | UNSAFE
    ]
    if not answer.get("Referrer-Policy"):
        return "referrer-policy-not-implemented"
    if not known:
        return "referrer-policy-header-invalid"
    return "referrer-policy-private" if known[-1] in PRIVATE else "referrer-policy-unsafe"


def hsts(answer: Answer) -> str:
    header = answer.get("Strict-Transport-Security").lower()
    if not header:
        return "hsts-not-implemented"
    found = re.search(r"(?:^|;)\s*max-age=(\d+)", header)
    if not found or "," in header:
        return "hsts-header-invalid"
    return f"hsts-implemented-max-age-{'at-least' if int(found[1]) >= SIX_MONTHS else 'less-than'}-six-months"


class Named(HTMLParser):
    """The scripts and the links of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.scripts: list[dict[str, str]] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "script":
            self.scripts.append(values)
        self.links += [values[name] for name in ("href", "src") if values.get(name)]


def sri(answer: Answer) -> str:
    if not answer.is_html:
        return "sri-not-implemented-response-not-html"
    scripts = Named(answer.body.decode()).scripts
    if not scripts:
        return "sri-not-implemented-but-no-scripts-loaded"
    foreign = [one for one in scripts if re.match(r"(https?:)?//", one.get("src", "")) and "integrity" not in one]
    if any(not one["src"].startswith("https:") for one in foreign):
        return "sri-not-implemented-and-external-scripts-not-loaded-securely"
    if foreign:
        return "sri-not-implemented-but-external-scripts-loaded-securely"
    whole = any("integrity" in one for one in scripts)
    return (
        "sri-implemented-and-all-scripts-loaded-securely"
        if whole
        else "sri-not-implemented-but-all-scripts-loaded-from-secure-origin"
    )


def content_type_options(answer: Answer) -> str:
    header = answer.get("X-Content-Type-Options").lower()
    if not header:
        return "x-content-type-options-not-implemented"
    return f"x-content-type-options-{'nosniff' if header == 'nosniff' else 'header-invalid'}"


def frame_options(answer: Answer) -> str:
    if "frame-ancestors" in directives(answer.headers.get_all("Content-Security-Policy", [])):
        return "x-frame-options-implemented-via-csp"
    header = answer.get("X-Frame-Options").lower()
    if not header:
        return "x-frame-options-not-implemented"
    return f"x-frame-options-{'sameorigin-or-deny' if header in {'deny', 'sameorigin'} else 'header-invalid'}"


def resource_policy(answer: Answer) -> str:
    header, name = answer.get("Cross-Origin-Resource-Policy").lower(), "cross-origin-resource-policy"
    if not header:
        return f"{name}-not-implemented"
    is_known = header in {"same-origin", "same-site", "cross-origin"}
    return f"{name}-implemented-with-{header}" if is_known else f"{name}-header-invalid"


def results(answer: Answer, plain: Answer, host: str) -> list[str]:
    """Return the result of each test for a path, asked for with TLS and without."""
    tests = (csp, cookies, cors, referrer_policy, hsts, sri, content_type_options, frame_options, resource_policy)
    return [*(test(answer) for test in tests), redirection(plain, host)]


def score(found: list[str]) -> int:
    worth = [MODIFIERS[one] for one in found]
    without = 100 + sum(one for one in worth if one < 0)
    return max(without + (sum(one for one in worth if one > 0) if without >= EXTRA_CREDIT_FROM else 0), 0)


def grade(points: int) -> str:
    return next(name for least, name in GRADES if points >= least)


# --- The site --------------------------------------------------------------------------------------------------------


class Site:
    """The served program, as its proxy asks it for somebody who came with TLS, or without."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.host = urlsplit(settings.BASE_URL).netloc

    def ask(self, path: str, scheme: str = "https") -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request("GET", path, headers={"Host": self.host, "X-Forwarded-Proto": scheme})
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        connection.close()
        return answer


def kind(path: str) -> str:
    try:
        with translation.override(translation.get_language_from_path(path) or settings.LANGUAGE_CODE):
            return str(resolve(path).view_name)
    except Resolver404:
        return path if path in UNLINKED else Path(path).suffix  # one file of each kind


def answers(site: Any) -> Iterator[tuple[str, Answer]]:
    """Yield a path of each kind that links lead to, of each that none leads to, and the organisers' login."""
    ahead, seen = ["/", *UNLINKED, reverse("admin:login"), reverse("admin:index")], set()
    while ahead:
        path = ahead.pop(0)
        if (name := kind(path)) in seen:
            continue
        seen.add(name)
        answer = site.ask(path)
        yield path, answer
        if answer.is_html and answer.status == 200:
            links = (urlsplit(urljoin(path, link)) for link in Named(answer.body.decode()).links)
            ahead += [link.path for link in links if link.scheme in {"", "https"} and link.netloc in {"", site.host}]


def graded(site: Any) -> list[dict[str, Any]]:
    rows = []
    for path, answer in answers(site):
        # Probes on the machine itself ask without TLS.
        plain = answer if path == "/healthz" else site.ask(path, "http")
        found = results(answer, plain, site.host)
        if path == "/healthz":
            found[-1] = "redirection-to-https"
        points = score(found)
        headers = {name: answer.get(name) for name in SHOWN}
        rows.append(
            {
                "path": path, "status": answer.status, "score": points, "grade": grade(points), "results": found,
                "headers": headers, "cookies": len(answer.headers.get_all("Set-Cookie", [])),
            }
        )  # fmt: skip
    return rows


def run(folder: Path) -> dict[str, Any]:
    call_command("migrate", verbosity=0, interactive=False)
    call_command("collectstatic", verbosity=0, interactive=False)
    call_command("load_campaign", str(ROOT / "demo"), verbosity=0)
    with served("config.wsgi", folder / "headers.log") as port:
        return {"machine": machine.facts(), "rows": graded(Site(port))}


def table(result: dict[str, Any]) -> str:
    """Return the result as text to read: the paths, by the headers that they have in common."""
    rows = result["rows"]
    lines = ["", f"{'':<46}{'status':>7}{'cookies':>8}{'score':>6} grade  Cache-Control"]
    for row in rows:
        said = row["headers"]["Cache-Control"]
        lines.append(
            f"{row['path'][:45]:<46}{row['status']:>7}{row['cookies']:>8}{row['score']:>6} {row['grade']:<6} {said}"
        )
    for name in SHOWN[:-1]:
        by_value: dict[str, list[str]] = {}
        for row in rows:
            by_value.setdefault("; ".join(sorted(row["headers"][name].split("; "))), []).append(row["path"])
        lines += ["", name]
        for value, paths in sorted(by_value.items(), key=lambda pair: -len(pair[1])):
            some = " ".join(paths[:6]) + (" ..." if len(paths) > 6 else "")
            lines += [f"  {value or 'NONE'}", f"      {len(paths)}: {some}"]
    worse = [
        f"{row['path']} ({', '.join(one for one in row['results'] if MODIFIERS[one] < 0)})"
        for row in rows
        if row["grade"] != "A+"
    ]
    but = f": but {'; '.join(worse)}" if worse else ""
    lines += ["", f"{'NOT MET' if worse else 'met   '} A+ for all {len(rows)} paths{but}"]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.headers")
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
