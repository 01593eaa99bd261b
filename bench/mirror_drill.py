"""The drill `mirror`: the demo's mirror, lied about in every way, and read with the origin away."""

import random
import shutil
import subprocess
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

from bench.drills import Play, drill
from bench.mirrors import difference, flipped_unseen, today, unreadable, wrongs_unseen
from tests.journeys.conftest import find_chromium
from tools import sign_mirror

FLIPS = 1000
ANOTHER_IBAN = "DE89370400440532013000"


@drill(seconds=1800)
def mirror(now: Play) -> None:
    """Export the demo twice, flip 1,000 bits in it, lie in other ways, and read all of it without the origin."""
    call_command("load_campaign", settings.BASE_DIR / "demo", verbosity=0)
    one, two, key_file = (now.stage.folder / name for name in ("mirror", "mirror-again", "mirror-key"))
    for folder in (one, two):
        now.say(f"exporting {folder.name}")
        call_command("export_mirror", folder, "--version", "1", verbosity=0)
    now.must(not (differing := difference(one, two)), f"two exports differ in {differing[:5]}")
    key = sign_mirror.make_key(key_file)
    sign_mirror.sign(one, key_file)
    files = sum(path.is_file() for path in one.rglob("*"))
    now.remark(f"two exports of {files} files: {len(differing)} differ")
    flips = 50 if now.stage.quick else FLIPS
    now.say(f"flipping {flips} bits")
    unseen = flipped_unseen(one, key, today(), flips, random.Random(settings.SECRET_KEY))  # noqa: S311
    now.must(not unseen, f"flipped and not found: {unseen[:5]}")
    now.remark(f"{flips:,} bits flipped: {flips - len(unseen):,} found")
    unseen = wrongs_unseen(one, key_file, today(), ANOTHER_IBAN)
    now.must(not unseen, f"not found: {unseen}")
    now.remark("old, expired, extra, missing, swapped account: " + ("all found" if not unseen else "NOT all found"))
    _read(now, one)


def _read(now: Play, folder: Path) -> None:
    """Read every page from the disk, in Chromium without JavaScript and in lynx."""
    pages = sorted(folder.rglob("*.html"))
    if program := find_chromium():
        wrongs = unreadable(program, pages)
        now.must(not wrongs, f"in Chromium: {wrongs[:5]}")
        now.remark(f"Chromium without JavaScript, from the disk: {len(pages):,} pages, {len(wrongs)} requests failed")
    if lynx := shutil.which("lynx"):
        dumped = subprocess.run([lynx, "-dump", "-nolist", folder / "index.html"], capture_output=True, check=False)
        now.must(b"A copy of" in dumped.stdout, "lynx does not show the first page")
        now.remark(f"lynx shows {len(dumped.stdout.splitlines())} lines of the first page")
