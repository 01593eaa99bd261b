"""A visitor with a real browser, who notices what no page of ours may do."""

import os
import shutil
from functools import wraps
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, sync_playwright

# Chromium as root in a container, without its own calls to other hosts.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium():
    """Return the path of an installed Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def loaded(click):
    """Playwright's own click returns as the next page begins to arrive: who looks then sees a part of it, or none."""

    @wraps(click)
    def click_and_wait(self, *args, **kwargs):
        click(self, *args, **kwargs)
        (self if isinstance(self, Page) else self.page).wait_for_load_state()

    return click_and_wait


@pytest.fixture(scope="module")
def chromium():
    """
    Start a browser for one module of tests.

    Not pytest-playwright's own fixture, which lives as long as the session: its event loop would be running in the
    main thread under all tests that come after, and there Django refuses to touch the database.
    """
    path = find_chromium()
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("No Chromium is installed: in CI that is an error.")
        pytest.skip("NO BROWSER TESTS WERE RUN: no Chromium is installed (or name one in CHROMIUM).")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        for clicked in (Locator, Page):
            patch.setattr(clicked, "click", loaded(clicked.click))
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Visitor:
    """One browser window without a past, and what went wrong in it."""

    def __init__(self, browser, site, **context):
        self.site = site
        self.context = browser.new_context(base_url=site, reduced_motion="reduce", **context)
        self.page = self.context.new_page()
        self.wrongs = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrongs.append(f"{self.page.url}: {error}"))
        self.page.on("request", self._request)

    def _console(self, message):
        # A page that answers 400, 403 or 404 is logged as an error too, and is none.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.wrongs.append(f"{self.page.url}: {message.text}")

    def _request(self, request):
        if urlsplit(request.url).netloc != urlsplit(self.site).netloc:
            self.wrongs.append(f"{self.page.url} asked another host: {request.url}")

    def overflow(self):
        """Return how many pixels the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.fixture
def visitor(chromium, live_server):
    """Make visitors of the site: `visitor(viewport=..., color_scheme=...)`; in the end nothing went wrong for any."""
    visitors = []

    def arrive(**context):
        visitors.append(Visitor(chromium, live_server.url, **context))
        return visitors[-1]

    yield arrive
    for each in visitors:
        each.context.close()
    assert [wrong for each in visitors for wrong in each.wrongs] == []
