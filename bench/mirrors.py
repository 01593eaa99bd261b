"""What the drill `mirror` does to a copy: bits flipped, files swapped, old copies shown; and how people read it."""

import random
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.journeys.conftest import FLAGS
from tools import sign_mirror
from tools import verify_mirror as verify


def flipped_unseen(folder: Path, key: verify.Key, today: date, count: int, chance: random.Random) -> list[str]:
    """Flip one bit somewhere in the mirror, `count` times, and return where that was not found. All is put right."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    special = [folder / verify.MANIFEST, folder / verify.SIGNATURE]
    unseen = []
    for _ in range(count):
        file = chance.choice(special) if chance.random() < 0.4 else chance.choice(files)
        content = file.read_bytes()
        bit = chance.randrange(len(content) * 8)
        spoilt = bytearray(content)
        spoilt[bit // 8] ^= 1 << bit % 8
        file.write_bytes(spoilt)
        try:
            if not verify.check(str(folder), key, today)[1]:
                unseen.append(f"{file.relative_to(folder)}, bit {bit}")
        except verify.Refused:
            pass
        finally:
            file.write_bytes(content)
    return unseen


def wrongs_unseen(folder: Path, key_file: Path, today: date, another_iban: str) -> list[str]:
    """Do to copies of a signed mirror what liars do, and return what was not found."""
    key = sign_mirror.read_secret_key(key_file)[0]
    manifest = verify.read_manifest((folder / verify.MANIFEST).read_bytes())
    page = next(name for name in manifest["files"] if name.endswith("fund/index.html"))
    unseen = []

    def kinds(day: date = today, **more: object) -> set[str]:
        return {finding.kind for finding in verify.check(str(folder), key, day, **more)[1]}  # type: ignore[arg-type]

    def must(kind: str, found: set[str]) -> None:
        if kind not in found:
            unseen.append(f"{kind}: found was {sorted(found)}")

    must("expired", kinds(today + timedelta(days=8)))
    must("old", kinds(memory={key.text: {"version": manifest["version"] + 1, "manifest": "0" * 64}}))
    must("old", kinds(memory={key.text: {"version": manifest["version"], "manifest": "0" * 64}}))
    must("account", kinds(numbers=[another_iban]))
    content = (folder / page).read_text()
    (folder / page).unlink()
    must("missing", kinds())
    (folder / page).write_text(re.sub(r"(?i)<main[^>]*>", rf"\g<0><p>{another_iban}</p>", content))
    must("account", kinds())
    (folder / page).write_text(content)
    (folder / "more.html").write_text("")
    must("added", kinds())
    (folder / "more.html").unlink()
    if left := kinds():
        unseen.append(f"all was put right, and found was {sorted(left)}")
    return unseen


def difference(one: Path, other: Path) -> list[str]:
    """Return the names of the files in which two folders differ."""
    names = {str(path.relative_to(folder)) for folder in (one, other) for path in folder.rglob("*") if path.is_file()}
    files = ((name, one / name, other / name) for name in sorted(names))
    return [name for name, a, b in files if not (a.exists() and b.exists() and a.read_bytes() == b.read_bytes())]


def today() -> date:
    return datetime.now(UTC).date()


def unreadable(program: str, pages: list[Path]) -> list[str]:
    """Return the requests of the pages that failed, or that left the disk."""
    wrongs: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        page = browser.new_context(java_script_enabled=False).new_page()
        # An icon is still being fetched when the next page is asked for: that is broken off, and has not failed.
        page.on(
            "requestfailed",
            lambda request: None if request.failure == "net::ERR_ABORTED" else wrongs.append(request.url),
        )
        page.on("request", lambda request: None if request.url.startswith("file:") else wrongs.append(request.url))
        for path in pages:
            page.goto(path.as_uri())
        browser.close()
    return wrongs
