"""
Pictures of the site: `python -m tests.screenshots` makes docs/pictures and docs/pictures.md, `--all DIR` all in DIR.

Runs the program as `make run` does, with the demo campaign, on free ports and in a folder of its own, and goes the
way of a supporter and of an organiser through it. Nothing is left running.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Locator, Page, sync_playwright

from tests.journeys.conftest import FLAGS, find_chromium
from tests.journeys.over_http import code_of
from tests.sinks import free_port

ROOT = Path(__file__).resolve().parent.parent
PHONE, TABLET, DESKTOP = 360, 768, 1280
# file name: the stop of the tour, the window's width and height, the colour scheme
PICTURES = {
    "home": ("home", DESKTOP, 800, "light"),
    "letter-phone": ("letter", PHONE, 740, "light"),
    "letter-phone-dark": ("letter", PHONE, 740, "dark"),
    "fund": ("fund", DESKTOP, 800, "light"),
    "admin": ("admin-index", DESKTOP, 800, "light"),
}
# Stop of the tour: what its picture shows, in three widths, light above and dark below.
GALLERY = {
    "home": "Home: what happens, who is in prison, what to do now",
    "home-ru": "Home in Russian",
    "strike": "A strike: demands, a month's labour, the story, what to do, the timeline",
    "strike-rtl": "A strike laid out from right to left",
    "activists-de": "Activists in German: what each is accused of, and where that stands",
    "activist": "An activist: charges with their history",
    "remembered": "A memorial page",
    "letter": "A letter to sign",
    "letter-errors": "A letter's form with what is still missing",
    "confirm": "Behind the mailed link: one button",
    "receipt": "A signer's receipt: what became of each letter",
    "update": "An update",
    "pickets": "Pickets: coming, on the map, by country",
    "endorsements": "Who endorses the strike",
    "messages": "Messages of support",
    "fund": "The fund: figures and how to give",
    "pledge": "A pledge's form",
    "instructions": "How to pay what was pledged",
    "document": "A document to hand on",
    "subscribe": "Updates by e-mail",
    "not-found": "A page that does not exist",
    "admin-index": "The desk: what waits for a decision",
    "admin-import-preview": "The desk: targets from a table, looked at before they are taken",
    "admin-mailing-page": "The desk: a mailing before it goes",
    "admin-translations": "The desk: translations that are missing or behind",
}
# In the gallery's pictures a screen of this height is shown, half as large as it is.
GALLERY_HEIGHT, GAP = 820, 12
# Less than that, of 255, is a date or a count that has moved on: the picture stays as it is.
SAME = 0.4
MOST_BYTES = 150_000
WAIT_SECONDS = 60
IMPORTED = """name,salutation,email,seat
Embassy of Kazakhstan in Lilliput,Dear Ambassador,lilliput@example.org,DE
Bundesarbeitsgerichtspräsidentinnenvorzimmer,Sehr geehrte Damen und Herren,no address,Nowhere
"""


@contextmanager
def running_site() -> Iterator[tuple[str, str]]:
    """Run the program; yield its address and the organiser's password."""
    port, sink_port = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="solidarity-pictures-") as folder:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.endswith("_URL")},
            "DEVELOPMENT": "1",
            "PORT": str(port),
            "SINK_PORT": str(sink_port),
            "VAR_DIR": folder,
        }
        command = [sys.executable, "-W", "ignore", "manage.py", "up"]
        site = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            for line in site.stdout:
                if line.startswith("Ready:"):
                    break
            else:
                raise SystemExit("The site did not start.")
            login = (Path(folder) / "organiser.txt").read_text()
            yield f"http://127.0.0.1:{port}", re.search(r"password: (\S+)", login)[1]
        finally:
            site.send_signal(signal.SIGTERM)
            site.wait()


def mailed_link(site: str, to: str, part: str) -> str:
    """Return the newest link with `part` in its path that was mailed to the address."""
    for _ in range(WAIT_SECONDS * 2):
        with urlopen(f"{site}/dev/mailbox.json?to={to}") as answer:
            texts = [mail["text"] for mail in json.load(answer)]
        if links := re.findall(rf"https?://\S*{part}\S*", "\n".join(texts)):
            return links[-1]
        time.sleep(0.5)
    raise SystemExit(f"No mail with a link to {part} came.")


def public_pages(page: Page, site: str) -> Iterator[str]:
    """Take the supporter's way; yield the name of each page once it is open."""
    for name, path in {
        "home": "/",
        "activists": "/activists/",
        "activists-in-prison": "/activists/?status=in_prison",
        "activists-found": "/activists/?q=nobody",
        "updates": "/updates/",
        "updates-found": "/updates/?q=miners",
        "updates-month": "/updates/2011/08/",
        "messages": "/messages/",
        "send-message": "/send/message/",
        "sent": "/sent/",
        "endorsements": "/endorsements/",
        "send-endorsement": "/send/endorsement/",
        "documents": "/documents/",
        "letters": "/letters/",
        "letters-log": "/letters/log/",
        "pickets": "/pickets/",
        "picket": "/pickets/hamburg/",
        "add-picket": "/pickets/add/",
        "report-picket": "/pickets/hamburg/report/",
        "privacy": "/privacy/",
        "mirrors": "/mirrors/",
        "fund": "/fund/",
        "not-found": "/nowhere/",
        "home-ru": "/ru/",
        "home-de": "/de/",
        **{f"{name}-de": f"/de/{name}/" for name in ("activists", "letters", "pickets", "fund", "messages")},
        **{f"{name}-ru": f"/ru/{name}/" for name in ("activists", "updates", "pickets", "fund/pledge")},
    }.items():
        page.goto(path)
        yield name
    # A browser does not send the other site's form by itself: show what such a form is answered.
    refused = page.request.post("/letters/x/", headers={"Sec-Fetch-Site": "cross-site"}).text()
    page.route("**/refused/", lambda route: route.fulfill(body=refused, content_type="text/html"))
    page.goto("/refused/")
    yield "other-site"
    for name, listed, link in (
        ("strike", "/", "/strikes/"),
        ("document", "", "/documents/"),
        ("activist", "/activists/", "tikhonov"),
        ("remembered", "/activists/", "karabakaeva"),
        ("update", "/updates/", "/updates/"),
    ):
        if listed:
            page.goto(listed)
        where = ":is(h2, h3)" if name == "update" else ":is(h1, h2, h3, li)"  # a list there leads to feed and months
        page.locator(f"main {where} a[href*='{link}']").first.click()
        yield name
        if name == "document":
            page.emulate_media(media="print")
            yield "document-printed"
            page.emulate_media(media="screen")
        if name in ("strike", "update"):
            page.evaluate("document.documentElement.dir = 'rtl'")
            yield f"{name}-rtl"
            page.reload()
    page.goto("/updates/")
    for update in page.locator("main h2 a, main h3 a").evaluate_all("links => links.map(link => link.pathname)"):
        page.goto(update)
        if page.locator("main a[href$='/comment/']").count():
            page.locator("main a[href$='/comment/']").click()
            yield "update-comment"
            press(page.locator("form:has([name=text])"))
            yield "update-comment-errors"
            break


def fill(form: Locator, fields: dict[str, str]) -> None:
    """Fill in text fields, choose from lists, and tick boxes, whose value here is "on"."""
    for name, value in fields.items():
        field = form.locator(f"[name={name}]")
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value)
        elif value == "on":
            field.check()
        else:
            field.fill(value)


def press(form: Locator, name: str = "") -> None:
    form.evaluate("form => { form.noValidate = true }")
    form.locator(f"button[name={name}]" if name else "button:not([name])").first.click()


def letter(page: Page, site: str) -> Iterator[str]:
    page.goto("/letters/")
    page.locator("main h2 a").first.click()
    yield "letter"
    form = page.locator("form:has([name=own_words])")
    press(form)
    yield "letter-errors"
    fill(form, {"name": "Rosa Example", "email": "rosa@example.org", "country": "DE", "consent_letter": "on"})
    fill(form, {"own_words": "My grandfather was a miner. I know what it is to wait at the pit's gate."})
    press(form, "preview")
    yield "letter-preview"
    press(form)
    yield "letter-sent"
    page.goto(mailed_link(site, "rosa@example.org", "/confirm/"))
    yield "confirm"
    press(page.locator("main form").first)
    yield "confirmed"
    while page.locator(".status-queued, .status-sending").count():
        page.wait_for_timeout(500)
        page.reload()
    yield "receipt"


def pledge(page: Page, site: str) -> Iterator[str]:
    page.goto("/fund/pledge/")
    yield "pledge"
    form = page.locator("form:has([name=amount])")
    press(form)
    yield "pledge-errors"
    fill(form, {"name": "Rosa Example", "email": "rosa@example.org", "amount": "25", "consent": "on"})
    press(form)
    yield "pledge-sent"
    page.goto(mailed_link(site, "rosa@example.org", "/fund/pledge/"))
    yield "instructions"
    press(page.locator("main form").first)
    yield "pledge-confirmed"
    page.locator("main a[href$='/change/']").click()
    yield "pledge-change"
    page.goto("/fund/appeal/")
    yield "appeal"


def my_data(page: Page, site: str) -> Iterator[str]:
    """Look at what is held of who signed and pledged, to the end."""
    page.goto("/my-data/")
    yield "my-data"
    form = page.locator("main form")
    press(form)
    yield "my-data-errors"
    time.sleep(3)  # nobody fills it in sooner
    fill(form, {"email": "rosa@example.org"})
    press(form)
    yield "my-data-mailed"
    link = mailed_link(site, "rosa@example.org", "/my-data/")
    for name, prefix in (("", ""), ("-de", "/de"), ("-ru", "/ru")):
        page.goto(link.replace("/my-data/", f"{prefix}/my-data/"))
        yield f"my-data-page{name}"
    page.goto(link)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    yield "my-data-page-open"
    page.evaluate("document.documentElement.dir = 'rtl'")
    yield "my-data-page-rtl"
    page.goto(link)
    page.locator("main button[name=act]").last.click()
    yield "my-data-sure"
    page.goto(link)
    correction = page.locator("form:has([value=correct]):has([type=text])").last
    correction.evaluate("form => { form.closest('details').open = true }")
    correction.locator("[type=text]").fill("")
    press(correction)
    yield "my-data-correction-errors"
    page.locator("main form [type=text]").fill("Rosa E. Example")
    press(page.locator("main form"))
    yield "my-data-corrected"
    ahead = page.url
    page.goto(link)
    yield "my-data-link-ended"
    page.goto(f"{ahead}erase/")
    yield "my-data-erase"
    press(page.locator("main form"))
    yield "my-data-erase-errors"
    page.check("[name=sure]")
    press(page.locator("main form"))
    yield "my-data-erased"


def subscription(page: Page, site: str) -> Iterator[str]:
    page.goto("/subscribe/")
    yield "subscribe"
    form = page.locator("main form[method=post]")
    press(form)
    yield "subscribe-errors"
    time.sleep(3)  # nobody fills it in sooner
    fill(form, {"email": "reader@example.org", "consent": "on"})
    press(form)
    yield "subscribe-mailed"
    page.goto(mailed_link(site, "reader@example.org", "/subscribe/"))
    yield "subscription-confirm"
    page.locator("[value=confirm] ~ * button").click()
    yield "subscription"
    page.goto(str(page.locator("form[action*=unsubscribe]").get_attribute("action")))
    yield "unsubscribe"
    page.locator("main form button").click()
    yield "unsubscribed"


def door_pages(page: Page, password: str) -> Iterator[str]:
    page.goto("/admin/")
    yield "admin-login"
    page.fill("[name=username]", "nobody")
    for _ in range(6):
        page.fill("[name=password]", "wrong")
        page.click("[type=submit]")
    yield "admin-locked-out"
    page.fill("[name=username]", "organiser")
    page.fill("[name=password]", password)
    page.click("[type=submit]")
    yield "admin-second-factor-set-up"
    secret = page.locator(".secret").inner_text().replace(" ", "")
    page.fill("[name=code]", code_of(secret))
    page.click("[value='Add the app']")
    yield "admin-recovery-codes"
    page.goto("/admin/second-factor/set-up/")
    yield "admin-second-factor"
    page.goto("/admin/sessions/")
    yield "admin-sessions"
    page.locator("#user-tools [action*=logout] button").click()
    page.goto("/admin/")
    page.fill("[name=username]", "organiser")
    page.fill("[name=password]", password)
    page.click("[type=submit]")
    yield "admin-second-step"
    page.fill("[name=code]", code_of(secret, 1))
    page.click("[value='Come in']")
    page.goto("/admin/organisers/invitation/add/")
    page.fill("[name=email]", "jan@example.org")
    page.locator("#id_roles_from").select_option(index=0)
    page.locator("#id_roles_add, #id_roles_add_link").first.click()
    page.click("[name=_save]")
    yield "admin-invited"
    link = re.search(r"/admin/invitation/\S+/", page.locator(".messagelist").inner_text())
    page.goto(link[0] if link else "")
    yield "admin-invitation-taken-up"
    page.goto("/admin/")


def admin_pages(page: Page, password: str) -> Iterator[str]:
    yield from door_pages(page, password)
    yield "admin-index"
    page.goto("/admin/campaign/update/")
    page.locator("input.action-select").first.check()  # not "all": its script may still be loading
    page.locator("select[name=action]").select_option(index=2)
    page.locator("button[name=index]").click()
    yield "admin-confirm-action"
    page.goto("/admin/campaign/mailing/add/")
    page.select_option("[name=update]", index=1)
    page.click("[name=_save]")
    yield "admin-mailing-page"
    page.goto("/admin/protests/target/import/")
    page.fill("[name=text]", IMPORTED)
    page.click("[value=look]")
    yield "admin-import-preview"
    page.goto("/admin/protests/target/export/")
    yield "admin-export"
    page.goto("/admin/on-request/")
    yield "admin-on-request"
    page.fill("[name=email]", "reader@example.org")
    page.locator("main form button").first.click()
    yield "admin-on-request-looked"
    page.goto("/admin/donations/bankstatement/import/")
    yield "admin-statement-upload"
    page.goto("/admin/nowhere/")
    yield "admin-not-found"
    page.goto("/admin/translations/")
    yield "admin-translations"
    page.goto("/admin/")
    paths = page.locator("#content-main th a").evaluate_all("links => links.map(link => link.pathname)")
    for path in paths:
        name = "admin-" + path.strip("/").split("/")[-1]
        page.goto(path)
        yield name
        change = page.locator("#result_list tbody th a").first
        if change.count():
            change.click()
            yield f"{name}-change"


def tour(page: Page, site: str, password: str) -> Iterator[str]:
    yield from public_pages(page, site)
    yield from letter(page, site)
    yield from pledge(page, site)
    yield from subscription(page, site)
    yield from my_data(page, site)
    page.goto("/dev/mailbox/")
    yield "mailbox"
    yield from admin_pages(page, password)


def sheet(page: Page) -> Image.Image:
    """Return the page in three widths, light above and dark below."""
    rows = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        row = []
        for width in (PHONE, TABLET, DESKTOP):
            page.set_viewport_size({"width": width, "height": GALLERY_HEIGHT})
            page.evaluate("document.querySelector(':target')?.scrollIntoView()")  # in another width it is elsewhere
            page.wait_for_timeout(300)  # until buttons have faded to their colour
            row.append(Image.open(BytesIO(page.screenshot())).convert("RGB").reduce(2))
        rows.append(row)
    width = sum(picture.width for picture in rows[0]) + 2 * GAP
    drawn = Image.new("RGB", (width, GALLERY_HEIGHT + GAP), "#8c8479")
    for at, row in enumerate(rows):
        left = 0
        for picture in row:
            drawn.paste(picture, (left, at * (GALLERY_HEIGHT // 2 + GAP)))
            left += picture.width + GAP
    return drawn


def write(drawn: Image.Image, path: Path) -> None:
    """Write a small PNG, unless there is one that looks the same."""
    for colours in (48, 24, 12):  # a photograph takes more room than a page of text
        small = drawn.quantize(colours, dither=Image.Dither.NONE)
        file = BytesIO()
        small.save(file, "png", optimize=True)
        if file.tell() < MOST_BYTES:
            break
    if path.exists():
        before = Image.open(path).convert("RGB")
        seen = small.convert("RGB")
        if before.size == seen.size and max(ImageStat.Stat(ImageChops.difference(before, seen)).mean) < SAME:
            return
    path.write_bytes(file.getvalue())
    print(path)


def write_list(folder: Path) -> None:
    """Write the page of the documentation that shows the gallery."""
    lines = ["# Pictures", "", "Each page on a phone, a tablet and a desktop, light above and dark below."]
    lines += ["`make screenshots` makes them anew."]
    for stop, words in GALLERY.items():
        described = f"{words}: on a phone, a tablet and a desktop, light and dark"
        lines += ["", f"## {words}", "", f"![{described}]({folder.name}/all-{stop}.png)"]
    (folder.parent / "pictures.md").write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the pictures in docs/pictures.")
    parser.add_argument("--only", default="", metavar="PATTERN", help="only pages whose names match the expression")
    parser.add_argument("--all", type=Path, metavar="DIR", help="write every page in every look to DIR instead")
    chosen = parser.parse_args()
    folder = chosen.all
    with running_site() as (site, password), sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = chromium.new_page(base_url=site, reduced_motion="reduce")
        for stop in tour(page, site, password):
            if not re.search(chosen.only, stop):
                continue
            if folder:
                pictures = {
                    f"{stop}-{width}-{scheme}": (width, 800, scheme)
                    for width in (PHONE, TABLET, DESKTOP)
                    for scheme in ("light", "dark")
                }
            else:
                pictures = {name: look for name, (shown, *look) in PICTURES.items() if shown == stop}
            if not folder and stop in GALLERY:
                write(sheet(page), ROOT / "docs" / "pictures" / f"all-{stop}.png")
            for name, (width, height, scheme) in pictures.items():
                page.set_viewport_size({"width": width, "height": height})
                page.emulate_media(color_scheme=scheme)
                if stop.startswith("admin"):
                    page.wait_for_timeout(300)  # until the admin's buttons have faded to their new colour
                path = (folder or ROOT / "docs" / "pictures") / f"{name.replace('/', '-')}.png"
                if folder:
                    page.screenshot(path=path, full_page=True)
                    print(path)
                else:
                    write(Image.open(BytesIO(page.screenshot())).convert("RGB"), path)
        chromium.close()
    if not folder:
        write_list(ROOT / "docs" / "pictures")


if __name__ == "__main__":
    main()
