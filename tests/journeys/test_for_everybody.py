"""What every page promises to everybody: to those who use no eyes, no mouse, no JavaScript."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings
from django.urls import resolve, reverse
from django.utils import translation

from campaign.models import MessageOfSupport, Update
from donations.models import Pledge
from protests.models import ConfirmationMail, Delivery, Letter
from tests.factories import (
    HoldFactory,
    MyDataMailFactory,
    OrganiserFactory,
    PledgeFactory,
    SubmittedMessageFactory,
)
from tests.organisers.coming_in import app_of, code_of, come_in_by_browser
from tests.sizes import on_one_database, thorough

pytestmark = on_one_database
PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 800}
PASSWORD = "bread and roses"
ARABIC = override_settings(LANGUAGES=[*settings.LANGUAGES, ("ar", "Arabic")])


@pytest.fixture(autouse=True)
def demo(transactional_db):
    call_command("load_campaign", settings.BASE_DIR / "demo", verbosity=0)


@pytest.fixture
def organiser(demo):
    organiser = OrganiserFactory(username="organiser")
    organiser.set_password(PASSWORD)
    organiser.save()
    app_of(organiser)
    return organiser


# --- axe ----------------------------------------------------------------------------------------------------------


def violations(page, *without):
    """Return what axe finds on the open page."""
    rules = {rule: {"enabled": False} for rule in without}
    results = Axe().run(page, options={"resultTypes": ["violations"], "rules": rules})
    return [
        f"{page.url}: {violation['id']}: {node['html']} {node['failureSummary']}"
        for violation in results.response["violations"]
        for node in violation["nodes"]
    ]


# Feeds, and files for a calendar, a spreadsheet or a printer, are no pages.
NO_FILES = """links => links
    .map(link => link.pathname)
    .filter(path => !/\\.\\w+$|[/](feed|pdf)[/]$|^[/]admin/.test(path))"""


def public_pages(page, prefix):
    """Open one page of every kind that links lead to from the first one; yield the name of its address."""
    ahead, seen = [f"{prefix}/"], set()
    while ahead:
        path = ahead.pop(0)
        with translation.override(prefix.strip("/") or "en"):
            name = resolve(path).view_name
        if name in seen:
            continue
        seen.add(name)
        assert page.goto(path).status == 200
        yield name
        ahead += page.locator("a:not([hreflang])[href^='/']").evaluate_all(NO_FILES)


@pytest.mark.parametrize(
    ("prefix", "scheme", "without"),
    [
        ("", "light", ()),
        ("/de", "dark", ()),
        # Colours are the same in each language, and by far the slowest to look at.
        pytest.param("/ru", "light", ["color-contrast"], marks=thorough),
        ("/ar", "light", ["color-contrast"]),
    ],
    ids=["English", "German, dark", "Russian", "from right to left"],
)
def test_axe_finds_nothing_on_any_public_page(visitor, prefix, scheme, without):
    page = visitor(viewport=PHONE, color_scheme=scheme).page
    found, seen = [], set()
    with ARABIC:
        for name in public_pages(page, prefix):
            seen.add(name)
            assert page.locator("html").get_attribute("dir") == ("rtl" if prefix == "/ar" else "ltr")
            found += violations(page, *without)
        page.goto(f"{prefix}/nowhere/")
        found += violations(page, *without)
    assert found == []
    assert {"campaign:strike", "protests:letter", "protests:log", "donations:ledger", "protests:report_picket"} <= seen
    assert len(seen) >= 28


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_person_looks_through_their_data_and_has_them_deleted_by_keys_alone(visitor, javascript):
    person = "olga@example.org"
    PledgeFactory(email=person, name="Olga Example")
    message = SubmittedMessageFactory(contact=person, person="Olga Example")
    mail = MyDataMailFactory(email=person)
    by_keys = visitor(viewport=PHONE, java_script_enabled=javascript)
    page, found = by_keys.page, []

    def looked_at():
        assert by_keys.overflow() == 0
        assert page.locator(".table-scroll").evaluate_all("all => all.every(one => one.scrollWidth <= one.clientWidth)")
        if javascript:  # axe is written in it
            found.extend(violations(page))

    page.goto(reverse("campaign:my_data_page", args=[mail.token]))
    looked_at()
    follow(page, "button[name=act][value=delete]")
    assert page.locator("h1").inner_text() == "Message of support: Delete it?"
    looked_at()
    follow(page, "main button[name=act]")
    assert not MessageOfSupport.objects.filter(pk=message.pk).exists()
    looked_at()
    follow(page, "a[href$='/erase/']")
    looked_at()
    tab_to(page, "[name=sure]")
    page.keyboard.press("Space")
    follow(page, "main button")
    assert not Pledge.objects.exclude(email="").exists()
    looked_at()
    page.goto(reverse("campaign:my_data_page", args=[mail.token]))
    assert page.get_by_role("heading", name="This link does not work").is_visible()
    looked_at()
    assert found == []


def log_in(page, organiser):
    page.goto(reverse("admin:index"))
    come_in_by_browser(page, organiser, PASSWORD)


def test_axe_finds_nothing_on_the_organisers_desk(visitor, organiser):
    # Not the forms of rows: in Django's own, pairs of a date and a time and rows of tables have no label for axe.
    at_the_desk = visitor(viewport=DESKTOP)
    page = at_the_desk.page
    HoldFactory()
    page.goto(reverse("admin:index"))
    found = violations(page)
    log_in(page, organiser)
    with override_settings(REAUTHENTICATION_MINUTES=0):
        assert page.goto(reverse("admin:protests_target_export")).status == 403
        found += violations(page)
    for path in (
        reverse("admin:index"),
        reverse("admin:readiness"),
        reverse("admin:campaign_update_changelist"),
        reverse("admin:protests_hold_changelist"),
        reverse("admin:protests_target_import"),
        reverse("admin:protests_target_export"),
        reverse("admin:protests_letter_preview", args=[Letter.objects.first().pk]),
        reverse("admin:translations"),
        reverse("admin:on_request"),
        reverse("admin:donations_desk"),
        reverse("admin:donations_statement_upload"),
        reverse("admin:sessions"),
        reverse("organisers:set_up"),
        reverse("admin:organisers_invitation_changelist"),
        reverse("admin:organisers_auditentry_changelist"),
        reverse("admin:auth_user_changelist") + "?q=organiser",
    ):
        assert page.goto(path).status == 200
        found += violations(page)
    assert found == []
    # axe tries inline styles, which the policy refuses. test_in_a_browser.py looks at the desk without it.
    at_the_desk.wrongs.clear()


# --- By keys alone ------------------------------------------------------------------------------------------------

# What the focus is on: whether it is what was looked for, and whether somebody who sees can tell.
FOCUS = """wanted => {
    const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
    const marked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1 || style.boxShadow !== "none";
    return {
        there: at.matches(wanted),
        seen: marked && box.width > 1 && box.height > 1 && box.bottom > 0 && box.top < innerHeight,
        html: at.outerHTML.slice(0, 200),
    };
}"""


def tab_to(page, wanted, key="Tab", most=150):
    """Press Tab until the focus is there; wherever it is on the way, it is seen."""
    passed = []
    for _ in range(most):
        page.keyboard.press(key)
        focus = page.evaluate(FOCUS, wanted)
        assert focus["seen"], f"{page.url}: the focus is not seen on {focus['html']}"
        if focus["there"]:
            return
        passed.append(focus["html"])
    pytest.fail(f"{page.url}: no way to {wanted} by keys, but to {passed}")


def type_into(page, wanted, text):
    tab_to(page, wanted)
    page.keyboard.type(text)


def follow(page, wanted, key="Enter"):
    """Go to a link or a button by Tab, press it, and wait for the page that it leads to."""
    tab_to(page, wanted)
    with page.expect_navigation():
        page.keyboard.press(key)


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_by_keys_alone_from_home_to_a_signed_letter(visitor, javascript):
    page = visitor(viewport=DESKTOP, java_script_enabled=javascript).page
    page.goto("/")
    tab_to(page, "a.skip", most=1)
    page.keyboard.press("Enter")
    follow(page, "main a[href*='/letters/'][href$='#sign']", "Enter")
    assert page.evaluate("document.querySelector('#sign').getBoundingClientRect().top < innerHeight")

    type_into(page, "[name=name]", "Rosa Example")
    type_into(page, "[name=email]", "rosa@example.org")
    type_into(page, "#sign-form [name=country]", "Germany")
    type_into(page, "[name=own_words]", "My grandfather was a miner.")
    tab_to(page, "[name=consent_letter]")
    page.keyboard.press("Space")
    follow(page, "#sign-form button[name=preview]", "Space")
    assert "My grandfather was a miner." in page.locator(".paper").first.inner_text()
    follow(page, "#preview button.btn-primary")
    assert page.get_by_role("heading", name="Look in your mailbox").is_visible()

    page.goto(reverse("protests:confirm", args=[ConfirmationMail.objects.get().token]))
    assert Delivery.objects.count() == 0
    follow(page, "main form button")
    assert Delivery.objects.count() > 0


def test_by_keys_alone_from_login_to_a_published_update(visitor, organiser):
    page = visitor(viewport=DESKTOP).page
    page.goto(reverse("admin:index"))
    page.keyboard.type("organiser")  # the focus is there already
    type_into(page, "[name=password]", PASSWORD)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.keyboard.type(code_of(app_of(organiser)))  # and so it is here
    with page.expect_navigation():
        page.keyboard.press("Enter")
    tab_to(page, "a.skip-to-content-link", most=1)
    page.keyboard.press("Enter")
    follow(page, f"a[href='{reverse('admin:campaign_update_add')}']")

    page.keyboard.type("The square is full")  # into the first field, which has the focus
    type_into(page, "[name=body]", "They are **still** there.")
    tab_to(page, "[formaction*=preview]", most=60)
    with page.context.expect_page() as opened:
        page.keyboard.press("Enter")
    opened.value.locator("main strong", has_text="still").wait_for()
    opened.value.close()
    assert not Update.objects.filter(slug="the-square-is-full").exists()
    follow(page, "[name=_save]")

    update = Update.objects.get(slug="the-square-is-full")
    assert update.published_at is None
    tab_to(page, f"input.action-select[value='{update.pk}']")
    page.keyboard.press("Space")
    tab_to(page, "select[name=action]", "Shift+Tab")
    page.keyboard.type("Publish now")
    follow(page, "button[name=index]")
    follow(page, "input[value='Yes, do it']")

    page.goto(update.get_absolute_url())
    assert page.locator("h1").inner_text() == "The square is full"
