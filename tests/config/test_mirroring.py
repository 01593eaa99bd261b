"""The site as files: whole, the same for the same content, readable with the origin away, and never half of it."""

import os
import re
import shutil
import subprocess
import sys
from datetime import date
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import time_machine
from django.core.management import CommandError, call_command

from bench.mirrors import unreadable, wrongs_unseen
from config import mirroring
from config.mirroring import MirrorError, export, internal
from protests import tallying
from tests import factories as make
from tests.journeys.conftest import find_chromium
from tests.sizes import on_one_database
from tools import sign_mirror, verify_mirror

ONION = f"http://{'a2' * 28}.onion"
ORIGIN = "https://solidarity.example.org"


@pytest.fixture(autouse=True)
def site(settings, tmp_path):
    settings.VAR_DIR = tmp_path / "var"
    settings.BASE_URL, settings.ALLOWED_HOSTS = ORIGIN, ["solidarity.example.org"]
    settings.LANGUAGES = [("en", "English"), ("de", "German")]


@pytest.fixture
def campaign(db):
    """One of all that has a page, or a file of its own."""
    strike = make.StrikeFactory()
    make.UpdateFactory(strike=strike, slug="news", comments="moderated")
    make.DocumentFactory(strike=strike, slug="appeal")
    letter = make.LetterFactory(strike=strike, slug="free-her")
    make.AddresseeFactory(letter=letter, rule="own_country", countries=["DE"])
    make.AddresseeFactory(letter=letter, rule="fallback", target__email="minister@example.org")
    make.PicketFactory(strike=strike)
    return make.BankAccountFactory(fund__strike=strike, fund__slug="fund")


@pytest.fixture
def tiny(db, monkeypatch):
    """A few pages only, where what is tested has nothing to do with them."""
    monkeypatch.setattr(mirroring, "start_paths", lambda: ["/privacy/"])
    monkeypatch.setattr(mirroring, "links_of", lambda page, address: ["/mirrors/"] if address == "/privacy/" else [])
    monkeypatch.setattr(mirroring.Crawl, "file_of", lambda crawl, address: "mirrors/index.html")


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.tags, self.ids = [], set(), set()

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.add(tag)
        self.ids.add(values.get("id"))
        if tag != "link" or values.get("rel") not in {"canonical", "alternate"}:
            self.found += [values[name] for name in ("href", "src") if name in values]


def read(page):
    links = Links()
    links.feed(page)
    return links


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@on_one_database
def test_the_mirror_is_whole_signed_and_the_same_at_another_hour(campaign, settings, tmp_path):
    settings.ONION_URL = ONION
    day = date(2031, 5, 1)
    with time_machine.travel("2031-05-01 07:00:00+00:00", tick=True):
        tallying.tally()
        made = export(tmp_path / "one")
    with time_machine.travel("2031-05-01 19:30:00+00:00", tick=True):
        export(tmp_path / "two", version=1)  # the count is twelve hours old
    files = contents(tmp_path / "one")
    assert files == contents(tmp_path / "two")

    # What is there.
    assert {
        *("index.html", "de/index.html", "updates/news/index.html", "updates/feed.xml", "documents/appeal.pdf"),
        *("letters/free-her/index.html", "de/letters/free-her/index.country-DE.html", "pickets/calendar.ics"),
        *("fund/index.html", "fund/ledger.csv", "fund/ledger.json", "mirrors/verify_mirror.py", "mirrors/index.html"),
        *("subscribe/index.html", "fund/pledge/index.fund-fund.html", "static/css/site.css", "sent/index.html"),
    } <= set(files)
    assert any(re.match(r"letters/free-her/card\..*png", name) for name in files)
    assert files["documents/appeal.pdf"].startswith(b"%PDF")

    # What each page is.
    pages = {name: content.decode() for name, content in files.items() if name.endswith(".html")}
    for name, page in pages.items():
        links = read(page)
        assert not {"form", "script", "noscript", "base"} & links.tags, name
        assert f"{ORIGIN}</a>" in page, name
        assert ONION in page, name
        assert "2031" in page, name
        for url in links.found:
            parts = urlsplit(url)
            if parts.scheme or not parts.path:
                continue
            assert not url.startswith("/"), (name, url)
            assert os.path.normpath(Path(name).parent / unquote(parts.path)) in files, (name, url)
    letter = pages["letters/free-her/index.html"]
    assert f'href="{ORIGIN}/letters/free-her/#sign"' in letter
    assert f'href="{ONION}/letters/free-her/#sign"' in letter
    assert "mailto:minister@example.org?subject=" in letter
    assert "%5Byour%20name%5D" in letter
    assert 'href="index.country-DE.html#who"' in letter
    assert "Eine Kopie" in pages["de/index.html"] or "A copy of" in pages["de/index.html"]

    # Read from the disk, while nothing listens at the origin's name.
    if program := find_chromium():
        some = [tmp_path / "one" / name for name in sorted(pages) if name.count("/") < 2 and name[:3] != "de/"]
        assert unreadable(program, some) == []
    if lynx := shutil.which("lynx"):
        dumped = subprocess.run(
            [lynx, "-dump", tmp_path / "one" / "index.html"], check=False, capture_output=True, text=True
        )
        assert f"A copy of {ORIGIN}" in re.sub(r"\[\d+\]", "", dumped.stdout)

    # Signed elsewhere, and verified by anybody.
    sign_mirror.make_key(tmp_path / "key")
    sign_mirror.sign(tmp_path / "one", tmp_path / "key")
    key = sign_mirror.read_secret_key(tmp_path / "key")[0]
    manifest, findings = verify_mirror.check(str(tmp_path / "one"), key, day, numbers=[campaign.iban])
    assert findings == []
    assert manifest == made.manifest
    assert wrongs_unseen(tmp_path / "one", tmp_path / "key", day, "DE89370400440532013000") == []
    assert (manifest["version"], manifest["made_on"], manifest["expires_on"]) == (1, "2031-05-01", "2031-05-08")
    account = {"fund": "fund", "holder": campaign.holder, "iban": campaign.iban, "bic": campaign.bic}
    assert manifest["accounts"] == [account]


def test_a_broken_link_is_named_with_its_page_and_nothing_is_written(db, tmp_path, monkeypatch):
    make.UpdateFactory(slug="news", body="[there](/updates/nowhere/) and [admin](/admin/)")
    monkeypatch.setattr(mirroring, "start_paths", lambda: ["/updates/news/"])
    monkeypatch.setattr(mirroring.Crawl, "run", _without_languages(mirroring.Crawl.run))
    with pytest.raises(MirrorError, match=r"/updates/news/ → /updates/nowhere/ is answered by 404"):
        export(tmp_path / "mirror")
    assert list(tmp_path.glob("*mirror*")) == []


def _without_languages(run):
    """Follow links of the first page only."""

    def short(crawl, paths):
        first = True

        def links(page, address):
            nonlocal first
            found, first = (original(page, address) if first else []), False
            return [link for link in found if link.startswith("/updates/n")]

        original, mirroring.links_of = mirroring.links_of, links
        try:
            run(crawl, paths)
        finally:
            mirroring.links_of = original

    return short


def test_the_version_only_grows_and_one_version_has_one_content(tiny, tmp_path):
    folder = tmp_path / "mirror"
    assert export(folder).manifest["version"] == 1
    assert export(folder).manifest["version"] == 2
    assert export(tmp_path / "another").manifest["version"] == 3
    assert export(folder, version=10).manifest["version"] == 10
    before = contents(folder)
    with pytest.raises(MirrorError, match="older than 10"):
        export(folder, version=9)
    assert export(folder, version=10).manifest["version"] == 10
    with time_machine.travel("2035-01-01"), pytest.raises(MirrorError, match="made before, of other content"):
        export(folder, version=10)
    assert contents(folder) == before
    (tmp_path / "var" / "mirror.json").unlink()  # the folder itself remembers too
    assert export(folder).manifest["version"] == 11


@pytest.mark.parametrize(
    "spoil", ["a file", "a link", "other files", "no mirror", "a stranger's file", "broken memory"]
)
def test_a_folder_that_is_no_mirror_is_not_touched(tiny, tmp_path, spoil):
    folder = tmp_path / "mirror"
    if spoil == "a file":
        folder.write_text("mine")
    elif spoil == "a link":
        (tmp_path / "real").mkdir()
        folder.symlink_to(tmp_path / "real")
    elif spoil == "other files":
        folder.mkdir()
        (folder / "thesis.txt").write_text("mine")
    elif spoil == "no mirror":
        folder.mkdir()
        (folder / verify_mirror.MANIFEST).write_text("{}")
    else:
        export(folder)
        if spoil == "broken memory":
            (tmp_path / "var" / "mirror.json").write_text("{")
        else:
            (folder / ".git").mkdir()
            (folder / ".git" / "HEAD").write_text("mine")
    (tmp_path / "var").mkdir(exist_ok=True)
    (tmp_path / "var" / "mirror.lock").touch()
    before = contents(tmp_path)
    with pytest.raises(CommandError, match="No mirror was written"):
        call_command("export_mirror", folder, verbosity=0)
    assert contents(tmp_path) == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_one_export_runs_at_a_time_and_a_failing_swap_leaves_the_old_one(tiny, tmp_path, monkeypatch):
    folder = tmp_path / "mirror"
    export(folder)
    before = contents(folder)
    with mirroring._turn(), pytest.raises(MirrorError, match="Another export"):
        export(folder)
    rename = Path.rename

    def full(path, to):
        if ".new-" in path.name:
            raise OSError(28, "No space left on device")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space"):
        export(folder)
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_changes_while_it_is_read_is_read_again(tiny, tmp_path, monkeypatch):
    numbers = iter([1, 2, 2, 2])
    monkeypatch.setattr(mirroring.editions, "current", lambda: next(numbers))
    assert export(tmp_path / "mirror").manifest["version"] == 1
    changing = iter(range(100))
    monkeypatch.setattr(mirroring.editions, "current", lambda: next(changing))
    with pytest.raises(MirrorError, match="changed again and again"):
        export(tmp_path / "mirror")


def test_the_command_tells_what_was_written(tiny, tmp_path, capsys):
    call_command("export_mirror", str(tmp_path / "mirror"), "--version", "4")
    said = capsys.readouterr().out
    assert "version 4." in said
    assert "not signed yet" in said
    with pytest.raises(CommandError, match="from 1 on"):
        call_command("export_mirror", str(tmp_path / "mirror"), "--version", "0")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (f"{ORIGIN}/updates/?page=2&a=1#x", "/updates/?a=1&page=2"),
        (f"{ORIGIN}", "/"),
        ("https://elsewhere.example.org/updates/", None),
        ("http://solidarity.example.org/", None),
        ("mailto:a@example.org", None),
        (f"{ORIGIN}/admin/x/", None),
        ("http://[", None),
    ],
)
def test_which_links_are_ours(url, address):
    assert internal(url) == address


@pytest.mark.parametrize(
    ("address", "media_type", "name"),
    [
        ("/", "text/html", "index.html"),
        ("/de/updates/", "text/html", "de/updates/index.html"),
        ("/updates/?page=2", "text/html", "updates/index.page-2.html"),
        ("/updates/?q=%D0%B9", "text/html", f"updates/index.{sha256('q=й'.encode()).hexdigest()[:16]}.html"),
        ("/updates/feed/", "application/atom+xml", "updates/feed.xml"),
        ("/documents/a/pdf/", "application/pdf", "documents/a.pdf"),
        ("/fund/appeal.pdf?fund=x", "application/pdf", "fund/appeal.fund-x.pdf"),
        ("/fund/ledger.csv", "text/csv", "fund/ledger.csv"),
    ],
)
def test_what_files_are_called(address, media_type, name):
    assert mirroring.file_name(address, media_type) == name


def test_the_tools_run_without_the_program(tmp_path):
    """On a laptop there is neither a database nor a setting."""
    tools = Path(verify_mirror.__file__).parent
    for tool in ("verify_mirror.py", "sign_mirror.py"):
        ended = subprocess.run(
            [sys.executable, tools / tool, "--help"], cwd=tmp_path, env={}, check=False, capture_output=True
        )
        assert ended.returncode == 0, ended.stderr
