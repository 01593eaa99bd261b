"""From an empty site to a first campaign that readers see, by two organisers who are no programmers."""

import re
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model

from campaign.models import Strike, Update
from donations.models import BankAccount, Fund
from organisers.models import CodeApp
from protests.models import Letter, Target
from tests.factories import OrganiserFactory
from tests.organisers.coming_in import code_of, come_in_by_browser
from tests.sizes import on_one_database, thorough

ORGANISERS_GUIDE = Path(__file__).resolve().parents[2] / "docs" / "organisers.md"
DESKTOP = {"width": 1280, "height": 800}
PASSWORD = "bread and roses"
TARGETS = [
    ("Ministry of Labour", "Dear Minister", "labour@example.org"),
    ("Ministry of Justice", "Dear Minister", "justice@example.org"),
    ("Embassy in Berlin", "Dear Ambassador", "berlin@example.org"),
    ("Embassy in London", "Dear Ambassador", "london@example.org"),
    ("Oil company, head office", "Dear Sir or Madam", "company@example.org"),
]
TABLE = "\n".join(["name,salutation,email", *(f'"{name}",{begins},{email}' for name, begins, email in TARGETS)])


class Hands:
    """One organiser's hands at the desk: what they press and fill in is counted."""

    def __init__(self, page):
        self.page, self.clicks, self.fields = page, 0, 0

    def click(self, words, role="link"):
        self.page.get_by_role(role, name=words).first.click()
        self.clicks += 1

    def fill(self, **fields):
        for name, words in fields.items():
            field = self.page.locator(f"#id_{name}")
            if field.evaluate("field => field.tagName") == "SELECT":
                field.select_option(label=words)
            else:
                field.fill(words)
            self.fields += 1

    def publish(self):
        self.click("Save and publish now", "button")
        assert not self.page.locator(".errornote, .errorlist").count(), self.page.locator("#content").inner_text()

    def log_in(self, name):
        self.page.goto("/admin/")
        user = get_user_model().objects.get(username=name)
        come_in_by_browser(self.page, user, PASSWORD)
        self.fields, self.clicks = self.fields + 3, self.clicks + 2


def organiser(username):
    user = OrganiserFactory(username=username, email=f"{username}@example.org")
    user.set_password(PASSWORD)
    user.save()


@pytest.fixture(autouse=True)
def first_organiser(transactional_db):
    organiser("ayse")


def invited(hands, link):
    """Take an invitation up: an account, and a second factor."""
    hands.page.goto(link)
    hands.fill(username="jan", password1=PASSWORD, password2=PASSWORD)
    hands.click("Make my account", "button")
    hands.fill(code=code_of(CodeApp.objects.get(confirmed=False)))
    hands.click("Add the app", "button")
    hands.click("I have them on paper")
    return hands


def type_targets(hands):
    hands.click("Enter who gets the letters")
    for place, (name, begins, email) in enumerate(TARGETS, start=1):
        hands.fill(name=name, salutation=begins, email=email)
        hands.click("Save" if place == len(TARGETS) else "Save and add another", "button")


def import_targets(hands):
    hands.click("Import them from a table")
    hands.page.locator("[name=file]").set_input_files(
        {"name": "targets.csv", "mimeType": "text/csv", "buffer": TABLE.encode()}
    )
    hands.fields += 1
    hands.click("Look at it", "button")
    hands.click("Import all of it", "button")


@on_one_database
@pytest.mark.parametrize("enter_targets", [type_targets, pytest.param(import_targets, marks=thorough)])
def test_two_organisers_make_a_first_campaign_by_following_the_steps(visitor, enter_targets):
    hands = Hands(visitor(viewport=DESKTOP).page)
    hands.log_in("ayse")
    hands.click("Give the campaign its name")
    hands.fill(name="Solidarity with Zhanaozen", contact_email="office@example.org")
    hands.click("Save", "button")

    hands.click("Tell of the strike, and publish it")
    hands.fill(title="Oil workers on strike", summary="The oil workers of Zhanaozen are on strike for their wages.")
    hands.publish()

    enter_targets(hands)
    hands.click("Write the letter, and publish it")
    hands.fill(title="Free the oil workers", subject="The oil workers", body="{target}\n\nFree them.\n\n{name}")
    hands.publish()

    hands.click("Invite a second organiser")
    hands.fill(email="jan@example.org")
    hands.page.locator("#id_roles_from").select_option(label="Owner")
    hands.page.locator("#id_roles_add, #id_roles_add_link").first.click()
    hands.clicks += 2
    hands.click("Save", "button")
    link = re.search(r"/admin/invitation/\S+/", hands.page.locator(".messagelist").inner_text())[0]

    second = invited(Hands(visitor(viewport=DESKTOP).page), link)
    hands.page.goto("/admin/")

    hands.click("If you collect money: add the fund, and publish it")
    hands.fill(title="Strike fund", text="For the families of those who are on strike or in prison.")
    hands.publish()
    hands.click("Propose the fund's bank account")
    hands.fill(holder="Solidarity Example", iban="DE02120300000000202051")
    hands.click("Save", "button")

    second.page.goto("/admin/")
    second.click("Accounts that another organiser proposed")
    second.page.locator("input.action-select").check()  # not "all": its script may still be loading
    second.page.locator("select[name=action]").select_option(label="Approve, as the second organiser")
    second.clicks += 2
    second.click("Go", "button")
    second.click(re.compile("^(Yes|Approve)"), "button")

    hands.page.goto("/admin/")
    hands.click("Write the first update, and publish it")
    hands.fill(title="The strike goes on", body="Day four: nobody has gone back to work.")
    hands.publish()
    assert not hands.page.locator(".next-step").count()

    reader = visitor().page
    reader.goto("/")
    assert reader.locator("h1").inner_text() == Strike.objects.get().title
    assert "The strike goes on" in reader.locator("main").inner_text()
    letter = Letter.objects.open().get()
    assert Target.objects.filter(addressees__letter=letter, addressees__rule="everybody").count() == len(TARGETS)
    assert (Fund.objects.published().count(), BankAccount.objects.exclude(approved_at=None).count()) == (1, 1)
    assert Update.objects.published().get().strike == Strike.objects.get()
    counted = f"{hands.clicks + second.clicks} clicks and {hands.fields + second.fields} fields"
    assert counted in " ".join(ORGANISERS_GUIDE.read_text().split())
