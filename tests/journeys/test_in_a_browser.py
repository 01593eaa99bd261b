"""The site in a real browser: a supporter's way through, and what every page promises."""

from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.core.management import call_command
from django.urls import reverse

from campaign.models import Strike, Subscriber, SubscriptionMail
from donations.models import PledgeMail
from protests.models import ConfirmationMail, Delivery, Hold, Letter, Signature
from tests.factories import OrganiserFactory
from tests.organisers.coming_in import come_in_by_browser
from tests.sizes import on_one_database, thorough

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 800}


@pytest.fixture(autouse=True)
def demo(transactional_db):
    call_command("load_campaign", settings.BASE_DIR / "demo", verbosity=0)


def sign_form(page):
    return page.locator("form:has([name=own_words])")


def fill_in_letter(page):
    form = sign_form(page)
    form.locator("[name=name]").fill("Rosa Example")
    form.locator("[name=email]").fill("rosa@example.org")
    form.locator("[name=country]").select_option("DE")
    form.locator("[name=own_words]").fill("My grandfather was a miner.")
    form.locator("[name=consent_letter]").check()


def press(form, name=""):
    form.locator(f"button[name={name}]" if name else "button:not([name])").click()


def mailed_path(view, queue):
    return reverse(view, args=[queue.objects.get().token])


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_supporter_signs_a_letter_and_sees_where_it_stands(visitor, javascript):
    page = visitor(java_script_enabled=javascript, viewport=PHONE).page
    letter = Letter.objects.open().first()

    page.goto("/")
    page.locator(f"main a[href='{Strike.objects.first().get_absolute_url()}']").first.click()
    page.locator(f"main a[href='{letter.get_absolute_url()}']").first.click()
    fill_in_letter(page)
    press(sign_form(page), "preview")
    assert "My grandfather was a miner." in page.locator(".paper").first.inner_text()
    assert page.locator("[name=own_words]").input_value() == "My grandfather was a miner."

    press(sign_form(page))
    page.goto(mailed_path("protests:confirm", ConfirmationMail))
    assert Delivery.objects.count() == 0
    page.locator("main form button").first.click()
    assert Delivery.objects.count() > 0

    page.goto(mailed_path("protests:receipt", ConfirmationMail))
    receipt = page.locator("main").inner_text()
    for delivery in Delivery.objects.select_related("target"):
        assert delivery.target.name in receipt


def test_opening_and_prefetching_the_mailed_links_changes_nothing(visitor):
    looker = visitor(viewport=PHONE)
    page, letter = looker.page, Letter.objects.open().first()
    page.goto(letter.get_absolute_url())
    fill_in_letter(page)
    press(sign_form(page))
    paths = [mailed_path(view, ConfirmationMail) for view in ("protests:confirm", "protests:receipt")]
    before = [list(model.objects.values()) for model in (Signature, ConfirmationMail, Delivery)]

    for path in paths * 3:
        assert page.goto(path).status == 200
    # As a mail program or a search page does that fetches what might be clicked; such a page has no policy of ours.
    links = "".join(f'<link rel="prefetch" href="{looker.site}{path}">' for path in paths)
    looker.context.route(
        "**/inbox", lambda route: route.fulfill(body=f"<!doctype html>{links}", content_type="text/html")
    )
    with page.expect_request_finished(lambda request: request.url.endswith(paths[-1])):
        page.goto("/inbox")
    page.goto("/")

    assert [list(model.objects.values()) for model in (Signature, ConfirmationMail, Delivery)] == before


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_near_a_limit_a_browser_proves_its_work_or_an_organiser_looks(visitor, settings, javascript):
    settings.LIMIT_NETWORK_NEAR = 0
    page = visitor(java_script_enabled=javascript, viewport=PHONE).page
    page.goto(Letter.objects.open().first().get_absolute_url())
    fill_in_letter(page)
    press(sign_form(page))

    if javascript:
        page.get_by_role("heading", name="Look in your mailbox").wait_for()
        assert (ConfirmationMail.objects.count(), Hold.objects.count()) == (1, 0)
    else:
        page.get_by_role("button", name="Let an organiser look at it").click()
        assert "nothing has been sent yet" in page.locator("main").inner_text()
        assert (ConfirmationMail.objects.count(), Hold.objects.count()) == (0, 1)


@on_one_database
@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_supporter_whose_mail_is_blocked_takes_the_letter_along(visitor, javascript):
    page = visitor(java_script_enabled=javascript, viewport=PHONE).page
    letter = Letter.objects.open().first()

    page.goto(letter.get_absolute_url())
    fill_in_letter(page)
    press(sign_form(page), "preview")
    page.locator("#preview summary").click()
    text = page.locator("#preview textarea[readonly]").first
    copy = page.locator("#preview button", has_text="Copy the text").first
    assert "My grandfather was a miner." in text.input_value()
    assert copy.is_visible() == javascript
    if javascript:
        copy.click()
        page.locator("#preview [role=status]", has_text=".").first.wait_for()  # copying takes the browser a moment
        marked = text.evaluate("text => text.value.slice(text.selectionStart, text.selectionEnd)")
        assert marked == text.input_value()

    page.locator("#preview button", has_text="For printing").click()
    page.emulate_media(media="print")
    assert "Rosa Example" in page.locator(".sheet").first.inner_text()
    assert not page.locator(".site-header, .page-header, .site-footer").locator("visible=true").count()


def supporters_way(page):
    """Open each kind of page that a supporter meets; yield after each."""
    page.goto("/")
    yield
    page.goto(Strike.objects.first().get_absolute_url())
    yield
    page.goto(Letter.objects.open().first().get_absolute_url())
    yield
    page.goto(Letter.objects.open().first().get_absolute_url() + "?country=DE")
    page.locator("#who summary").first.click()
    yield
    page.locator("#who a", has_text="For printing").click()
    yield
    page.goto(Letter.objects.open().first().get_absolute_url())
    without_the_browsers_own_checks(page)
    press(sign_form(page))
    yield
    fill_in_letter(page)
    press(sign_form(page), "preview")
    page.locator("#preview summary").click()
    yield
    press(sign_form(page))
    yield
    page.goto(mailed_path("protests:confirm", ConfirmationMail))
    yield
    page.locator("main form button").first.click()
    yield
    page.goto(mailed_path("protests:receipt", ConfirmationMail))
    yield
    page.goto(reverse("donations:fund"))
    yield
    page.goto(reverse("donations:pledge"))
    yield
    without_the_browsers_own_checks(page)
    page.locator("main form button").last.click()
    yield
    page.locator("[name=name]").fill("Rosa Example")
    page.locator("[name=email]").fill("rosa@example.org")
    page.locator("[name=amount]").fill("25")
    page.locator("main form [type=checkbox][required]").check()
    page.locator("main form button").last.click()
    yield
    page.goto(mailed_path("donations:instructions", PledgeMail))
    yield
    page.locator("main a", has_text="Change this pledge").click()
    yield
    page.goto(reverse("donations:appeal"))
    yield
    yield from subscribers_way(page)


def subscribers_way(page):
    page.goto("/updates/")
    page.locator("main a", has_text="Get updates by e-mail").click()
    yield
    without_the_browsers_own_checks(page)
    page.get_by_role("button", name="Subscribe").click()
    yield
    page.locator("[name=email]").fill("reader@example.org")
    page.locator("[name=consent]").check()
    page.get_by_role("button", name="Subscribe").click()
    yield
    page.goto(mailed_path("campaign:subscription", SubscriptionMail))
    yield
    page.get_by_role("button", name="Yes, send me the updates").click()
    yield
    page.goto(page.locator("form[action*=unsubscribe]").get_attribute("action"))
    yield
    page.get_by_role("button", name="Unsubscribe").click()
    yield


@pytest.mark.parametrize("javascript", [True, False])
def test_a_reader_subscribes_and_leaves_and_opening_the_links_changes_nothing(visitor, javascript):
    page = visitor(viewport=PHONE, java_script_enabled=javascript).page
    subscribed = [Subscriber.objects.subscribed().exists() for _ in subscribers_way(page)]

    assert subscribed == [False, False, False, False, True, True, False]
    assert "You are unsubscribed" in page.inner_text("h1")
    assert Subscriber.objects.get().email == ""


def without_the_browsers_own_checks(page):
    page.evaluate("document.querySelectorAll('form').forEach(form => { form.noValidate = true })")


@on_one_database
@pytest.mark.parametrize("scheme", [pytest.param("light", marks=thorough), "dark"])
def test_axe_finds_nothing_on_the_supporters_way(visitor, scheme):
    page = visitor(viewport=PHONE, color_scheme=scheme).page

    found = []
    for _ in supporters_way(page):
        results = Axe().run(page)
        found += [
            f"{page.url}: {violation['id']}: {node['html']} {node['failureSummary']}"
            for violation in results.response["violations"]
            for node in violation["nodes"]
        ]

    assert found == []


# A feed, and papers that are downloaded.
NO_PAGES = ("/feed/", "/pdf/")


def links_to_pages(page, site):
    """Return the paths of this site's pages that the open page links to, in its own language."""
    prefixes = ("/admin/", "/dev/", *(f"/{code}/" for code, _name in settings.LANGUAGES))
    for link in page.locator("a[href]").evaluate_all("links => links.map(link => link.href)"):
        host, path = urlsplit(link).netloc, urlsplit(link).path
        if host != urlsplit(site).netloc or path.startswith(prefixes):
            continue
        if "." not in path and not path.endswith(NO_PAGES):
            yield path


@on_one_database
def test_no_page_is_wider_than_a_phone_or_sets_a_cookie(visitor):
    phone = visitor(viewport=PHONE)
    ahead, seen, too_wide = ["/", "/de/", "/ru/"], [], {}
    while ahead:
        path = ahead.pop()
        phone.page.goto(path)
        seen.append(path)
        if phone.overflow() > 0:
            too_wide[path] = phone.overflow()
        ahead += sorted(set(links_to_pages(phone.page, phone.site)) - {*seen, *ahead})

    assert {"/activists/", "/letters/", "/fund/", "/pickets/", "/privacy/", "/updates/"} <= set(seen)
    assert too_wide == {}
    assert phone.context.cookies() == []


@on_one_database
def test_the_organisers_desk_runs_clean_under_the_content_policy(visitor):
    organiser = OrganiserFactory(username="organiser")
    organiser.set_password("bread and roses")
    organiser.save()
    desk = visitor(viewport=DESKTOP)
    page = desk.page

    page.goto(reverse("admin:index"))
    come_in_by_browser(page, organiser, "bread and roses")
    assert page.locator("#content-main").is_visible()
    strike = Strike.objects.first()
    for path in (
        reverse("admin:campaign_strike_changelist"),
        reverse("admin:campaign_strike_change", args=[strike.pk]),
        reverse("admin:campaign_strike_delete", args=[strike.pk]),
        reverse("admin:campaign_update_add"),
        reverse("admin:protests_letter_changelist"),
        reverse("admin:protests_letter_change", args=[Letter.objects.first().pk]),
        reverse("admin:protests_letter_handover"),
        reverse("admin:protests_delivery_changelist"),
        reverse("admin:donations_transaction_add"),
    ):
        assert page.goto(path).status == 200
    page.goto(reverse("admin:campaign_update_add"))
    page.locator(".datetimeshortcuts a").first.click()
    assert page.locator(".vDateField").first.input_value()


def test_our_pages_tell_nobody_where_their_reader_was_and_their_forms_arrive_all_the_same(visitor):
    page = visitor(viewport=PHONE).page
    page.goto("/subscribe/")
    page.locator("[name=email]").fill("reader@example.org")
    page.locator("[name=consent]").check()
    with page.expect_request(lambda request: request.method == "POST") as sent, page.expect_navigation() as answered:
        page.get_by_role("button", name="Subscribe").click()

    headers = sent.value.all_headers()
    assert (headers["origin"], headers["sec-fetch-site"]) == ("null", "same-origin")
    assert "referer" not in headers
    assert answered.value.status == 200
    assert Subscriber.objects.count() == 1
