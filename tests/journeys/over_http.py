"""
A supporter's, a donor's and an organiser's way through a running program, over HTTP and the sandbox's mailbox alone.

    python -m tests.journeys.over_http http://127.0.0.1:8000

against a running `make run` with the demo campaign. Needs nothing but the standard library. Prints a line for each
step; ends with 1 at the first thing that is wrong. It can be run again and again: each run brings its own people.
"""

import argparse
import base64
import hmac
import json
import re
import secrets
import struct
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import getaddresses
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, Request, build_opener
from xml.etree import ElementTree as ET

PATIENCE = 90
# Who signs sooner after opening the page is taken for a program (the setting FORM_SECONDS).
FASTEST = 2.1
# Countries of which the demo hopefully has no embassy; the first that the letter's page does not list is taken.
FAR_AWAY = ["NZ", "IS", "BO", "FJ", "UY", "MW"]
ATOM = "{http://www.w3.org/2005/Atom}"


class Wrong(Exception):
    """Something is not as it should be."""


def expect(true, otherwise):
    if not true:
        raise Wrong(otherwise)


def wait_for(find, what):
    """Return what `find()` returns as soon as it is something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := find():
            return found
        time.sleep(0.3)
    raise Wrong(f"waited {PATIENCE} s in vain for {what}")


# --- Reading pages -------------------------------------------------------------------------------------------------


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    choices: dict[str, dict[str, str]] = field(default_factory=dict)


class Page(HTMLParser):
    """A page's words, links and forms, the forms filled in as a browser has them before anybody types."""

    def __init__(self, url, status, headers, body):
        super().__init__()
        self.url, self.status, self.headers, self.body = url, status, headers, body
        self.links, self.forms, self.classes, self._words = [], [], [], []
        self._form = self._select = self._option = self._textarea = self._link = None
        self._quiet = 0
        self.feed(body)
        self.words = " ".join(" ".join(self._words).split())

    def link(self, pattern):
        """Return the first link whose path fits."""
        for href, _words in self.links:
            if re.search(pattern, urlsplit(href).path):
                return urljoin(self.url, href)
        raise Wrong(f"{self.url} has no link like {pattern}")

    def form(self, name, value=None):
        """Return the first form with that field, and with that value in it if one is given."""
        for form in self.forms:
            if name in form.fields | form.choices and value in (None, form.fields.get(name)):
                return form
        raise Wrong(f"{self.url} has no form with the field {name}")

    def first_post_form(self):
        for form in self.forms:
            if form.method == "post":
                return form
        raise Wrong(f"{self.url} has no button to press")

    def handle_starttag(self, tag, attributes):
        has = dict(attributes)
        self.classes += (has.get("class") or "").split()
        if tag in {"script", "style"}:
            self._quiet += 1
        elif tag == "a" and has.get("href"):
            self._link = [has["href"], ""]
            self.links.append(self._link)
        elif tag == "form":
            self._form = Form(urljoin(self.url, has.get("action") or self.url), (has.get("method") or "get").lower())
            self.forms.append(self._form)
        elif self._form is not None:
            self._field(tag, has)

    def _field(self, tag, has):
        fields, name = self._form.fields, has.get("name")
        if tag == "select" and name:
            self._select = name
            self._form.choices[name] = {}
        elif tag == "option" and self._select:
            self._option = has.get("value", "")
            self._form.choices[self._select][self._option] = ""
            if "selected" in has or self._select not in fields:
                fields[self._select] = self._option
        elif tag == "textarea" and name:
            self._textarea = name
            fields[name] = ""
        elif tag == "input" and name:
            kind = has.get("type", "text")
            if kind in {"checkbox", "radio"}:
                self._form.choices.setdefault(name, {})[has.get("value", "on")] = ""
                if "checked" in has:
                    fields[name] = has.get("value", "on")
            elif kind not in {"submit", "button", "file", "image", "reset"}:
                fields[name] = has.get("value") or ""

    def handle_endtag(self, tag):
        if tag in {"script", "style"}:
            self._quiet -= 1
        elif tag == "form":
            self._form = None
        elif tag == "select":
            self._select = self._option = None  # an option's own end may be left out (HTML, 13.1.2.4)
        elif tag == "option":
            self._option = None
        elif tag == "textarea":
            self._textarea = None
        elif tag == "a":
            self._link = None

    def handle_data(self, text):
        if self._textarea:
            # The line break right after the tag is not part of the value (HTML, 13.1.2.5).
            self._form.fields[self._textarea] += text.removeprefix("\n")
        elif self._option is not None:
            self._form.choices[self._select][self._option] += text.strip()
        elif not self._quiet:
            self._words.append(text)
            if self._link:
                self._link[1] += text


class Browser:
    """Opens pages and sends forms. Without `cookies`, a page that sets one is wrong."""

    def __init__(self, base, *, cookies=False):
        self.base = base
        self.cookies = cookies
        self._open = build_opener(*([HTTPCookieProcessor(CookieJar())] if cookies else [])).open

    def get(self, url, status=200):
        return self._ask(Request(urljoin(self.base, url)), status)

    def send(self, form, typed, status=200):
        fields = {**form.fields, **typed}
        return self._ask(Request(form.action, data=urlencode(fields).encode()), status)

    def _ask(self, request, status):
        expect(request.full_url.startswith(self.base + "/"), f"{request.full_url} leads away from {self.base}")
        if self.cookies:
            request.add_header("Referer", request.full_url)
        try:
            with self._open(request, timeout=30) as response:
                answer = response.url, response.status, response.headers, response.read().decode()
        except HTTPError as error:
            answer = error.url, error.code, error.headers, error.read().decode(errors="replace")
        except (URLError, OSError) as error:
            raise Wrong(f"{request.full_url} does not answer: {error}") from error
        page = Page(*answer)
        expect(page.status == status, f"{request.full_url} answered {page.status} instead of {status}")
        if not self.cookies:
            expect("Set-Cookie" not in page.headers, f"{request.full_url} set a cookie")
        return page


# --- The way -------------------------------------------------------------------------------------------------------


@dataclass
class Supporter:
    name: str
    email: str
    country: str
    own_words: str
    receipt: str = ""
    answer: str = ""


class Journey:
    def __init__(self, base, password, second_factor):
        self.site = Browser(base)
        self.admin = Browser(base, cookies=True)
        self.password = password
        self.second_factor = second_factor
        self.run = secrets.token_hex(4)
        self.counted = 0

    def go(self):
        letter = self.reads_the_strike()
        self.counted = self.signed(letter)
        embassies, elsewhere = self.looks_up_the_recipients(letter)
        for supporter, targets in (embassies, elsewhere):
            self.signs(letter, supporter)
            self.opens_the_link_and_confirms(letter, supporter)
            self.sees_the_letters(supporter, targets)
        self.signs_again(letter, embassies[0], len(embassies[1]))
        self.withdraws(letter, embassies[0])
        self.pledges()
        self.posts_an_update()

    def mails(self, to=""):
        return json.loads(self.site.get(f"/dev/mailbox.json?{urlencode({'to': to})}").body)

    def letters_of(self, supporter):
        """Return the mails that went to somebody else and carry the supporter's words."""
        mails = self.mails()
        return [m for m in mails if supporter.email not in m["rcpt_tos"] and supporter.own_words in _flat(m["text"])]

    def counts(self, letter, more, otherwise):
        """
        Wait until the page, which is kept for some seconds, shows the count, which is taken every few seconds.

        Each process of the site keeps its own page: what one shows already, another shows a little later.
        """
        self.counted += more
        try:
            wait_for(lambda: self.signed(letter) == self.counted, f"the count of {self.counted}")
        except Wrong as wrong:
            raise Wrong(f"{otherwise}: {wrong}") from wrong

    def shows(self, path, true, otherwise):
        """Wait until a page shows what has changed, and return it."""
        found = []
        wait_for(lambda: true(page := self.site.get(path)) and not found.append(page), f"{path}: {otherwise}")
        return found[0]

    def signed(self, letter):
        words = self.site.get(letter).words
        found = re.search(r"([\d,.]+) signatures?\b", words)
        expect(found, f"{letter} does not say how many signed")
        return int(re.sub(r"\D", "", found[1]))

    def reads_the_strike(self):
        home = self.site.get("/")
        say(f"opened / ({len(home.words.split())} words)")
        strike = self.site.get(home.link(r"^/strikes/[^/]+/$"))
        expect("Sokolova" in strike.words or "demand" in strike.words.lower(), "the strike's page tells nothing of it")
        say(f"read the strike at {urlsplit(strike.url).path}")
        for page in (strike, home, self.site.get("/letters/")):
            links = [href for href, _words in page.links if re.search(r"^/letters/[^/]+/$", urlsplit(href).path)]
            if links:
                say(f"found the letter at {links[0]}")
                return urljoin(page.url, urlsplit(links[0]).path)
        raise Wrong("no page leads to a letter")

    def looks_up_the_recipients(self, letter):
        page = self.site.get(letter)
        countries = page.form("consent_letter").choices["country"]
        far = next((code for code in FAR_AWAY if f"{countries[code]} " not in _table(page)), None)
        expect(far, "the letter lists an embassy for every country that was tried")
        found = []
        for code, name in (("DE", "Nora Example"), ("far", "Aroha Example")):
            country = far if code == "far" else code
            targets = self.site.get(f"{letter}recipients/?country={country}")
            names = _items(targets.body)
            expect(names, f"nobody gets the letter from {country}: {targets.words}")
            say(f"from {countries[country]} the letter goes to {', '.join(names)}")
            email = f"{name.split()[0].lower()}.{self.run}@example.org"
            found.append((Supporter(name, email, country, f"My own words, {code} {self.run}."), names))
        expect(found[0][1] != found[1][1], "both countries have the same recipients")
        return found

    def signs(self, letter, supporter):
        form = self.site.get(letter).form("consent_letter")
        rejected = self.site.send(form, {"name": supporter.name}, status=400)
        expect(
            supporter.name in rejected.form("consent_letter").fields.values(), "a refused form forgot what was typed"
        )
        typed = {
            "name": supporter.name,
            "email": supporter.email,
            "country": supporter.country,
            "own_words": supporter.own_words,
            "display": "initials",
        }
        preview = self.site.send(form, {**typed, "preview": "1"})
        expect(supporter.own_words in preview.words, "the preview does not show the supporter's own words")
        time.sleep(FASTEST)
        answer = self.site.send(form, {**typed, "consent_letter": "on"})
        expect(supporter.answer in ("", answer.words), "a repeated signer gets another answer than a new one")
        supporter.answer = answer.words
        say(f"signed as {supporter.name} from {supporter.country}")

    def opens_the_link_and_confirms(self, letter, supporter):
        (mail,) = wait_for(lambda: self.mails(supporter.email), f"the mail that asks {supporter.email} to confirm")
        found = re.search(r"(http\S+/confirm/[^/\s]+/)", mail["text"])
        expect(found, f"the mail to {supporter.email} has no link to confirm:\n{mail['text']}")
        page = self.site.get(found[1])
        expect(page.body == self.site.get(found[1]).body, "the page to confirm differs when it is read twice")
        time.sleep(1)
        expect(self.signed(letter) <= self.counted, "reading the mailed link counted the signature")
        expect(not self.letters_of(supporter), "reading the mailed link sent a letter")
        say("read the mailed link twice: nothing was counted or sent")
        receipt = self.site.send(page.first_post_form(), {})
        expect(urlsplit(receipt.url).path.startswith("/receipt/"), f"the button led to {receipt.url}")
        supporter.receipt = receipt.url
        self.counts(letter, 1, "the button did not count the signature")
        say("pressed the button: the signature is counted")

    def sees_the_letters(self, supporter, targets):
        def all_accepted():
            page = self.site.get(supporter.receipt)
            return page if page.classes.count("status-accepted") == len(targets) else None

        receipt = wait_for(all_accepted, f"the receipt to show {len(targets)} accepted letters")
        letters = self.letters_of(supporter)
        expect(len(letters) == len(targets), f"{len(letters)} letters were sent to {len(targets)} recipients")
        names = []
        for mail in letters:
            headers = mail["headers"]
            for name in ("From", "To", "Reply-To", "Message-ID", "Subject", "Date"):
                expect("\n" not in headers.get(name, "\n"), f"a letter has not exactly one {name}")
            (to,), (sender,), (answer,) = (getaddresses([headers[name]]) for name in ("To", "From", "Reply-To"))
            expect(mail["rcpt_tos"] == [to[1]], f"a letter to {to[1]} went to {mail['rcpt_tos']}")
            domain = mail["mail_from"].rpartition("@")[2]
            expect(sender[1].endswith(f"@{domain}"), f"From {sender[1]} is not of the domain {domain} that sends")
            expect(answer[1] and answer[1] != supporter.email, "Reply-To gives the supporter's address away")
            expect(re.fullmatch(rf"<[^<>@\s]+@{re.escape(domain)}>", headers["Message-ID"]), "a bad Message-ID")
            expect(supporter.email not in str(headers) + mail["text"], "a letter carries the supporter's address")
            expect(headers["Message-ID"] in receipt.words, f"the receipt does not show {headers['Message-ID']}")
            expect(supporter.name in mail["text"], "a letter is not signed")
            names.append(to[0])
        expect(sorted(names) == sorted(targets), f"the letters went to {sorted(names)}, not to {sorted(targets)}")
        expect(
            len({mail["headers"]["Message-ID"] for mail in letters}) == len(letters), "two letters share a Message-ID"
        )
        say(f"the sink has {len(letters)} letter(s), each with one From, Reply-To and Message-ID; the receipt says so")

    def signs_again(self, letter, supporter, expected):
        mails = len(self.mails(supporter.email))
        self.signs(letter, supporter)
        time.sleep(3)
        expect(self.signed(letter) <= self.counted, "signing again was counted")
        expect(len(self.letters_of(supporter)) == expected, "signing again sent a second letter")
        more = self.mails(supporter.email)[mails:]
        expect(len(more) <= 1, f"signing again sent {len(more)} mails")
        for mail in more:
            expect("/receipt/" in mail["text"] or "/confirm/" in mail["text"], "the mail shows no way to the receipt")
        say(f"signed again: no second letter, {len(more)} mail(s) to the signer")

    def withdraws(self, letter, supporter):
        asked = self.site.send(self.site.get(supporter.receipt).form("action", "withdraw"), {})
        self.site.get(supporter.receipt).form("action", "withdraw")  # the first press withdrew nothing
        self.site.send(asked.form("sure"), {})
        self.counts(letter, -1, "the withdrawn signature is still counted")
        self.site.get(supporter.receipt)
        say("withdrew on the receipt: no longer counted")

    def pledges(self):
        fund = self.site.get("/fund/")
        form = self.site.get(fund.link(r"^/fund/pledge/$")).form("amount")
        email = f"donor.{self.run}@example.org"
        typed = {"name": "Ingrid Example", "email": email, "amount": "25.00", "consent": "on"}
        time.sleep(FASTEST)
        page = self.site.send(form, typed)
        found = re.search(r"\+\+\+\d{3}/\d{4}/\d{5}\+\+\+", page.words)
        expect(found, "the page after pledging shows no structured communication")
        (mail,) = wait_for(lambda: self.mails(email), "the mail with the payment instructions")
        expect(found[0] in mail["text"], "the mail and the page show different references")
        expect(re.search(r"\bRF\d\d", mail["text"]), "the mail shows no RF reference")
        say(f"pledged; page and mail show {found[0]}")
        link = re.search(r"(http\S+/fund/pledge/[^/\s]+/)", mail["text"])
        expect(link, "the mail has no link to the pledge")
        instructions = self.site.get(link[1])
        self.site.get(link[1])
        expect(self.site.get("/fund/").words == fund.words, "reading the mailed link counted the pledge")
        self.site.send(instructions.form("action", "confirm"), {})
        self.shows("/fund/", lambda page: page.words != fund.words, "the confirmed pledge does not show")
        say("confirmed the pledge: the fund's page counts it")

    def gives_the_second_factor(self, page):
        """Set up an app that shows codes on the first run, and keep its secret beside the password for the next."""
        kept = self.second_factor
        if "/set-up/" in page.url:
            secret = re.search(r'<code class="secret">([A-Z2-7 ]+)</code>', page.body)[1].replace(" ", "")
            shown = self.admin.send(page.form("code"), {"code": code_of(secret)})
            expect("codes" in shown.classes, "the app's code is not accepted at the set-up")
            kept.touch(mode=0o600)
            kept.write_text(secret)
            return self.admin.get("/admin/")
        expect(kept.exists(), f"{kept} does not exist: the organiser's second factor was set up elsewhere")
        for steps in (0, 1):  # a code is good once, and another run may just have used it
            page = self.admin.send(page.form("code"), {"code": code_of(kept.read_text(), steps)})
            if "/second-factor/" not in page.url:
                return page
        raise Wrong("the app's code is not accepted")

    def posts_an_update(self):
        self.admin.get("/admin/")
        login = self.admin.get("/admin/login/?next=/admin/")
        desk = self.admin.send(login.form("password"), {"username": "organiser", "password": self.password})
        expect("/login/" not in desk.url, "the organiser's name and password are not accepted")
        desk = self.gives_the_second_factor(desk)
        say("logged in to the admin, by password and second factor")
        form = self.admin.get(desk.link(r"^/admin/campaign/update/add/$")).form("title")
        title, slug, now = f"News of run {self.run}", f"news-{self.run}", datetime.now(UTC) - timedelta(minutes=1)
        typed = {
            "title": title,
            "slug": slug,
            "summary": "What happened today.",
            "body": "They **stand**.",
            "published_at_0": f"{now:%Y-%m-%d}",
            "published_at_1": f"{now:%H:%M:%S}",
        }
        if "strike" in form.choices:
            typed["strike"] = next(value for value in form.choices["strike"] if value)
        saved = self.admin.send(form, {**typed, "_save": "Save"})
        expect("errornote" not in saved.classes, f"the admin did not save the update: {saved.words[:600]}")
        self.shows("/", lambda page: title in page.words, "the update is not there")
        page = self.site.get(f"/updates/{slug}/")
        expect("<strong>stand</strong>" in page.body, "the update's Markdown is not rendered")
        feed = ET.fromstring(self.shows("/updates/feed/", lambda page: title in page.body, "no update").body)  # noqa: S314 - our own feed
        titles = [entry.findtext(f"{ATOM}title") for entry in feed.iter(f"{ATOM}entry")]
        expect(title in titles, "the update is not in the feed")
        say("posted an update: it is on / and in the feed")


def code_of(secret, steps=0):
    """Return what an app shows for the secret (RFC 6238), now or some steps of 30 seconds later."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30 + steps), "sha1")
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def _flat(text):
    return " ".join(text.split())


def _table(page):
    """Return the words of the table of countries, each cell followed by a blank."""
    table = re.search(r"(?s)<table.*?</table>", page.body)
    return " ".join(re.sub(r"<[^>]+>", " ", table[0]).split()) + " " if table else ""


def _items(html):
    """Return the words of each list item."""
    items = Page("", 200, {}, "\n".join(re.findall(r"(?s)<li.*?</li>", html)))
    return [" ".join(words.split()) for words in items._words if words.strip()]


def say(line):
    print(f"ok  {line}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", nargs="?", default="http://127.0.0.1:8000")
    parser.add_argument("--var-dir", type=Path, default=Path("var"), help="where organiser.txt is (default: var)")
    parser.add_argument("--password", help="the organiser's, if it is not in organiser.txt any more")
    options = parser.parse_args()
    try:
        password = options.password
        if not password:
            note = options.var_dir / "organiser.txt"
            expect(note.exists(), f"{note} does not exist: give --var-dir or --password")
            password = re.search(r"password: (\S+)", note.read_text())[1]
        Journey(options.site.rstrip("/"), password, options.var_dir / "second-factor.txt").go()
    except Wrong as wrong:
        sys.exit(f"WRONG: {wrong}")
    print("All of it works.")


if __name__ == "__main__":
    main()
