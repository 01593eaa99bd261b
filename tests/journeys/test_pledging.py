"""A union branch's way through the fund, in a real browser: from the form to what it prints, changes and ends."""

from urllib.parse import urljoin

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.core.management import call_command
from django.urls import reverse

from donations import accounts
from donations.instructions import of_pledge, payload
from donations.models import BankAccount, Fund, Pledge, PledgeHold, PledgeMail
from tests.donations.reading import found
from tests.factories import OrganiserFactory
from tests.journeys.test_in_a_browser import PHONE
from tests.protests.test_handover import pages
from tests.sizes import on_one_database


@pytest.fixture(autouse=True)
def open_fund(transactional_db):
    """The demo's fund with an account of its own, which two organisers answer for."""
    call_command("load_campaign", settings.BASE_DIR / "demo", verbosity=0)
    account = BankAccount(fund=Fund.objects.get(), holder="Søn & Ко", iban="DE02100500000054540402", bic="BELADEBE")
    accounts.approve(accounts.propose(account, by=OrganiserFactory()), by=OrganiserFactory())


def fill_in(page):
    page.goto(reverse("donations:pledge"))
    form = page.locator("main form")
    form.locator("[name=kind][value=branch]").check()
    form.locator("[name=name]").fill("Rosa Example")
    form.locator("[name=organisation]").fill("Oil Workers’ Branch 7")
    form.locator("[name=email]").fill("rosa@example.org")
    form.locator("[name=amount]").fill("25")
    form.locator("[name=frequency][value=monthly]").check()
    form.locator("[name=consent]").check()
    form.locator("button").last.click()


def violations(page):
    results = Axe().run(page)
    return [
        f"{page.url}: {one['id']}: {node['html']}" for one in results.response["violations"] for node in one["nodes"]
    ]


@on_one_database
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_branch_pledges_every_month_prints_its_papers_changes_and_withdraws(visitor, scheme):
    branch = visitor(viewport=PHONE, color_scheme=scheme, java_script_enabled=scheme == "light")
    page = branch.page
    fill_in(page)
    page.get_by_role("heading", name="One more step").wait_for()
    link = reverse("donations:instructions", args=[PledgeMail.objects.get().token])
    page.goto(link)
    page.get_by_role("button", name="Yes, my pledge counts").click()
    page.get_by_role("heading", name="Your pledge counts").wait_for()
    made = Pledge.objects.counted().get()

    told = of_pledge(made)
    assert found(page.locator("svg.qr").screenshot()) == payload(told)
    words = page.locator("main").inner_text()
    assert all(part in words for part in (told.holder, told.grouped_iban, told.rf, told.ogm, "€25.00, every month"))
    wrongs, wide = violations(page) if scheme == "light" else [], branch.overflow()

    for title in ("Resolution", "Standing order"):
        page.goto(link)
        page.get_by_role("link", name=title).click()
        page.get_by_role("heading", name=title).wait_for()
        wrongs += violations(page) if scheme == "light" else []
        wide = max(wide, branch.overflow())
        pdf = page.request.get(
            urljoin(page.url, page.get_by_role("link", name="As a PDF").get_attribute("href"))
        ).body()
        page.emulate_media(media="print")
        printed = page.locator("article.sheet").inner_text()
        assert not page.locator(".site-header, .page-header, .site-footer").locator("visible=true").count()
        page.emulate_media(media="screen")
        (paper,) = pages(pdf)
        for part in ("Oil Workers’ Branch 7", "€25.00", told.holder, told.grouped_iban, told.rf):
            assert part in printed
            assert part in paper

    page.goto(link)
    page.get_by_role("link", name="Change this pledge").click()
    page.locator("[name=amount]").fill("30")
    page.get_by_role("button", name="Change it").click()
    page.get_by_role("heading", name="Your pledge is changed").wait_for()
    assert "EUR30.00" in found(page.locator("svg.qr").screenshot())
    page.get_by_role("button", name="Send no reminders").click()
    page.get_by_role("button", name="Send reminders again").wait_for()
    assert Pledge.objects.get().reminders_stopped_at
    page.get_by_role("button", name="Withdraw this pledge").click()
    page.get_by_role("button", name="Yes, withdraw it").click()
    page.get_by_role("heading", name="The pledge is withdrawn").wait_for()
    assert not Pledge.objects.counted().exists()
    assert (wrongs, wide) == ([], 0)


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_near_a_limit_a_browser_proves_its_work_or_an_organiser_looks(visitor, settings, javascript):
    settings.LIMIT_NETWORK_NEAR = 0
    page = visitor(java_script_enabled=javascript, viewport=PHONE).page
    fill_in(page)
    if javascript:
        page.get_by_role("heading", name="One more step").wait_for()
    else:
        page.get_by_role("button", name="Let an organiser look at it").click()
        page.get_by_role("heading", name="An organiser looks at your pledge first").wait_for()
        assert "nothing has been sent yet" in page.locator("main").inner_text()
    assert (Pledge.objects.count(), PledgeHold.objects.count()) == ((1, 0) if javascript else (0, 1))


@on_one_database
def test_the_appeal_is_printed_from_the_funds_page(visitor):
    page = visitor(viewport=PHONE).page
    page.goto(reverse("donations:fund"))
    page.get_by_role("link", name="An appeal to your union, to print").click()
    assert "RF" in found(page.locator("svg.qr").screenshot())
    assert violations(page) == []
