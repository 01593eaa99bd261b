"""
What people type is never run: a corpus in every field of every row, and no page that shows it runs any of it.

Looked for in Chromium: that xss() was called, a dialogue, what the content policy had to stop, another host that was
asked, and what an element would run if it were touched. The suite opens a page of each kind once. XSS=full opens every
page, once for each text of the corpus, which takes an hour or two; with -n, several texts at a time.
"""

import os
from collections import defaultdict
from urllib.parse import urlsplit

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.sql import emit_post_migrate_signal
from django.db import DatabaseError, connection, models, transaction
from django.test import Client
from django.urls import NoReverseMatch, resolve, reverse
from django.utils import timezone
from playwright.sync_api import Error

from campaign.models import Update
from privacy.registry import OURS
from protests.models import Target
from tests import factories as make
from tests import xss
from tests.rows import more, one_of_each
from tests.sizes import on_one_database

pytestmark = on_one_database

FULL = os.environ.get("XSS") == "full"
# What the program writes by itself, and goes by: no form has a field for it.
NOT_TYPED = {
    *("slug", "sha256", "digest", "token_hash", "email_tag", "message_id", "path", "password", "hash", "previous_hash"),
    *("locale", "language", "language_code", "country", "currency", "consent_version", "nonce", "network_tag"),
    *("media_type", "format", "iban", "bic", "number", "domain", "network", "time_zone", "key", "salt", "token"),
    *("from_currency", "to_currency", "currencies", "counterparty_iban", "fingerprint", "seal"),
}
# What is posted cannot be changed any more: these rows are born with it.
BORN = (
    *(
        f"donations.{name}"
        for name in ("transaction", "bankstatement", "disbursement", "rate", "storedfile", "bankaccount")
    ),
    "organisers.auditentry",
)
# Names that log in hold no such signs, and references, says the database, nothing but digits.
REFUSING = {"auth.User.username", "donations.Transaction.reference"}
# One of each of what Django's admin and our own desk show a row in.
DESK = (
    *("index", "translations", "donations_desk", "campaign_strike_change", "campaign_update_change"),
    *("campaign_comment_changelist", "protests_hold_change", "protests_letter_preview", "protests_target_changelist"),
    *("donations_pledge_change", "campaign_activist_delete"),
)


@pytest.fixture(autouse=True)
def roles(transactional_db):
    """Afterwards roles and permissions, which stay after other tests, are as they were."""
    yield
    Group.objects.all().delete()
    Permission.objects.all().delete()
    emit_post_migrate_signal(0, False, "default")


WATCH = """
    window.xss = () => report(location.href + ": xss() was called");
    for (const name of ["alert", "confirm", "prompt"]) window[name] = () => report(location.href + ": " + name);
    document.addEventListener("securitypolicyviolation", (event) => report(
        `${location.href}: ${event.effectiveDirective} stopped ${event.blockedURI} ${event.sample}`));
"""
# What would run, or load, from an element that what was typed has made.
LOOK = """() => {
    const wrongs = [], scripts = [location.origin + "/static/", location.origin + "/admin/jsi18n/"];
    for (const element of document.querySelectorAll("*")) {
        const html = element.outerHTML.slice(0, 200);
        for (const { name, value } of element.attributes) {
            if (name.startsWith("on") || name === "data-xss" || name === "srcdoc") wrongs.push(`${name}: ${html}`);
            if (["href", "xlink:href", "src", "action", "formaction", "data"].includes(name)
                && /^(javascript|vbscript|data):/i.test(value.replace(/[\\u0000-\\u0020]/g, ""))) wrongs.push(html);
        }
        if (["IFRAME", "OBJECT", "EMBED", "BASE", "STYLE"].includes(element.tagName)) wrongs.push(html);
        const isOurs = element.type === "application/json" || scripts.some((begin) => element.src?.startsWith?.(begin));
        if (element.localName === "script" && !isOurs) wrongs.push(html);
        if (element.tagName === "META" && element.httpEquiv) wrongs.push(html);
    }
    return wrongs;
}"""


def fitting(field, row, start):
    """Return what of the corpus the field takes: all of it, or as much as its length and its validators allow."""
    ordered = [text.replace("\0", "") for text in xss.ALL[start:] + xss.ALL[:start]]
    whole = "\n\n".join(ordered[:1] if FULL else ordered)
    for text in [whole, *ordered]:
        try:
            if field.max_length is None or len(text) <= field.max_length:
                return field.clean(text, row)
        except ValidationError:
            continue
    return None


def typed_fields(model):
    for field in model._meta.concrete_fields:
        is_text = isinstance(field, models.CharField | models.TextField) and not field.choices
        if is_text and not field.primary_key and field.name not in NOT_TYPED and not field.name.endswith("_tag"):
            yield field


def poison(rows, start):
    """Write the corpus into every row that can be written to; return into which fields, and those that took none."""
    taken, refused = set(), {}
    # An address is there once, and few texts are addresses: none still has the one that another shall get.
    for target in Target.objects.all():
        Target.objects.filter(pk=target.pk).update(email=f"{target.pk}@example.org")
    for name in BORN:
        row = rows[name]
        texts = {field: fitting(field, row, (start + len(taken)) % len(xss.ALL)) for field in typed_fields(type(row))}
        for field, text in texts.items():
            before = getattr(row, field.attname)
            try:
                with transaction.atomic():
                    setattr(row, field.attname, text or before)
                    more(row, 1)
                taken |= {f"{row._meta.label}.{field.name}"} if text else set()
            except DatabaseError as error:
                setattr(row, field.attname, before)
                refused[f"{row._meta.label}.{field.name}"] = str(error)
    for model in apps.get_models():
        if model._meta.app_label not in {*OURS, "auth"}:
            continue
        for place, row in enumerate(models.QuerySet(model).order_by("-pk")[: None if FULL else 25]):
            for number, field in enumerate(typed_fields(model)):
                name = f"{model._meta.label}.{field.name}"
                text = fitting(field, row, (start + place + number) % len(xss.ALL))
                try:
                    with transaction.atomic():
                        assert text is not None
                        models.QuerySet(model).filter(pk=row.pk).update(**{field.attname: text})
                    taken.add(name)
                except (AssertionError, DatabaseError) as error:
                    refused.setdefault(name, str(error))
    return taken, {name: why for name, why in refused.items() if name not in taken}


class Looker:
    """A browser window that tells of all that ran, or would."""

    def __init__(self, browser, site):
        self.site, self.wrongs, self.opened = site, [], []
        self.context = browser.new_context(base_url=site, reduced_motion="reduce")
        self.context.expose_function("report", self.tell)
        self.context.add_init_script(WATCH)
        self.page = self.context.new_page()
        self.page.on("dialog", lambda dialog: self.wrongs.append(f"{self.page.url}: a dialogue"))
        self.context.on("request", self._request)

    def tell(self, wrong):
        self.wrongs.append(wrong)

    def _request(self, request):
        if urlsplit(request.url).netloc != urlsplit(self.site).netloc:
            self.wrongs.append(f"{self.page.url} asked for {request.url}")

    def open(self, path):
        try:
            response = self.page.goto(path, wait_until="load")
        except Error as error:
            if "Download is starting" in error.message:  # no page: there is nothing to look at
                return 200
            raise
        assert response.status < 500, path
        self.look()
        self.opened.append(path)
        return response.status

    def look(self):
        self.wrongs += [f"{self.page.url}: {wrong}" for wrong in self.page.evaluate(LOOK)]

    def log_in(self, user):
        client = Client()
        client.force_login(user)
        value = client.cookies[settings.SESSION_COOKIE_NAME].value
        self.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": self.site}])


@pytest.fixture
def looker(chromium, live_server):
    looker = Looker(chromium, live_server.url)
    yield looker
    looker.context.close()
    assert looker.wrongs == []


@pytest.fixture
def rows(transactional_db, settings):
    settings.LIMIT_NETWORK_NEAR = settings.LIMIT_NETWORK_OVER = 10_000
    call_command("load_campaign", settings.BASE_DIR / "demo", verbosity=0)
    sent = {"submitted_at": timezone.now(), "consent_version": "test", "approved_at": make.LONG_AGO}
    for factory in (
        make.MessageOfSupportFactory,
        make.EndorsementFactory,
        make.PicketFactory,
        make.PicketReportFactory,
    ):
        factory(**sent)
    make.TargetFactory(suspended_at=timezone.now(), suspended_because="550")
    return one_of_each()


def test_what_is_looked_for_is_found_where_nothing_is_escaped(chromium):
    looker = Looker(chromium, "http://raw.example.org")
    policy = "default-src 'none'; script-src 'self'; form-action 'self'; base-uri 'none'"
    # Not the one that leads away: it may be gone before anything looks.
    raw = [
        *(text for text in xss.ELEMENTS if "refresh" not in text),
        *xss.MUTATING,
        *(f'<input value="{text}">' for text in xss.ATTRIBUTES[:1]),
    ]
    missed = []
    for text in raw:
        looker.context.route(
            "**/*",
            lambda route, _request, body=f"<!doctype html><title>x</title>{text}": route.fulfill(
                body=body, content_type="text/html", headers={"Content-Security-Policy": policy}
            ),
        )
        looker.wrongs.clear()
        looker.page.goto("/")
        looker.look()
        missed += [] if looker.wrongs else [text]
        looker.context.unroute("**/*")
    looker.context.close()
    assert missed == []


LINKS = "links => links.map(link => link.pathname).filter(path => !/[.]\\w+$|[/](feed|pdf)[/]$|^[/]admin/.test(path))"


def public_pages(looker, query=""):
    """Open every page that links lead to, or one of each kind."""
    ahead, seen = ["/"], set()
    while ahead:
        path = ahead.pop(0)
        key = path if FULL else resolve(path).view_name
        if key in seen:
            continue
        seen.add(key)
        assert looker.open(path + query) in {200, 404}
        ahead += looker.page.locator("a[href^='/']:not([hreflang])").evaluate_all(LINKS)
    return seen


def desk_pages(rows):
    """Return the path of every page of the desk that can be opened by its name alone, or with a row's key."""
    paths = {}
    for pattern in admin.site.get_urls():
        for each in getattr(pattern, "url_patterns", [pattern]):
            name = each.name
            label = next((label for label in rows if name and name.startswith(label.replace(".", "_") + "_")), None)
            for args in ([], [rows[label].pk] if label else [0]):
                try:
                    paths[name] = reverse(f"admin:{name}", args=args)
                    break
                except (NoReverseMatch, TypeError):
                    continue
    return {name: path for name, path in paths.items() if name not in {None, "logout", "jsi18n"}}


def rounds(each):
    """Return with which texts of the corpus to begin: all of them, some by each worker, or as many as `each` leaves."""
    return [range(first, len(xss.ALL), 8) for first in range(8)] if FULL else [range(0, len(xss.ALL), each)]


@pytest.mark.parametrize("starts", rounds(len(xss.ALL)))
@pytest.mark.skipif(connection.vendor != "sqlite" and not FULL, reason="The HTML is the same on every database")
def test_nothing_that_stands_in_any_field_is_run_on_any_page(looker, rows, starts):
    organiser = make.OrganiserFactory(is_superuser=True)
    for start in starts:
        taken, refused = poison(rows, start)
        # A field that took nothing proves nothing.
        assert len(taken) > 100
        assert refused.keys() <= REFUSING, refused
        seen = public_pages(looker)
        if not FULL:
            assert {"campaign:strike", "campaign:update", "protests:letter", "donations:ledger"} <= seen
        for path in ("/updates/?q=%3Cscript%3Exss()%3C/script%3E", "/activists/?q=%22onfocus=xss()%20autofocus=%22"):
            looker.open(path)
        looker.log_in(organiser)
        paths = desk_pages(rows)
        for name in paths if FULL else DESK:
            looker.open(paths[name])
            assert "/login/" not in looker.page.url, name
        if FULL:
            public_pages(looker, "?preview=1")
        looker.context.clear_cookies()


FORMS = ("/subscribe/", "/send/message/", "/pickets/add/", "/fund/pledge/")
FILL = "(field, text) => { field.type = 'text'; field.removeAttribute('maxlength'); field.value = text }"
WITHOUT_CHECKS = "document.querySelectorAll('form').forEach(form => { form.noValidate = true })"


@pytest.mark.parametrize("starts", rounds(50))
@pytest.mark.skipif(connection.vendor != "sqlite" and not FULL, reason="The HTML is the same on every database")
def test_nothing_that_is_typed_into_a_form_is_run_when_it_is_shown_again(looker, rows, starts):
    letter = rows["protests.letter"]
    update = Update.objects.filter(comments="moderated").published().first()
    paths = [*FORMS, letter.get_absolute_url(), *([f"{update.get_absolute_url()}comment/"] if update else [])]
    shown = defaultdict(int)
    for start in starts:
        for path in paths:
            looker.open(path)
            looker.page.evaluate(WITHOUT_CHECKS)
            form = looker.page.locator("main form[method=post]").last
            fields = form.locator("input:not([type=hidden], [type=checkbox], [type=radio], [type=file]), textarea")
            texts = [text.replace("\0", "") for text in xss.ALL[start:] + xss.ALL[:start]]
            for field, text in zip(fields.all(), texts, strict=False):
                field.evaluate(FILL, text)
            with looker.page.expect_navigation():
                form.locator("button:not([name])").last.click()
            looker.look()
            shown[path] += 1
    assert min(shown.values()) >= 2
