"""The organisers' door in a real browser: passkeys of a virtual authenticator, and being asked again."""

from base64 import b64encode
from contextlib import contextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.urls import reverse
from django_otp_webauthn.models import WebAuthnCredential

from campaign.models import Update
from organisers.models import CodeApp, Session
from organisers.verifying import AUTHENTICATED_AT
from tests.factories import SubscriberFactory, UpdateFactory
from tests.journeys.test_in_a_browser import DESKTOP, PHONE
from tests.organisers.coming_in import PASSWORD, app_of, code_of, come_in_by_browser, organiser
from tests.sizes import on_one_database, thorough

pytestmark = [on_one_database, pytest.mark.django_db(transaction=True)]
INDEX = reverse("admin:index")


class Authenticator:
    """A phone that recognises its owner, as Chromium plays it over its own protocol."""

    def __init__(self, page):
        self.cdp = page.context.new_cdp_session(page)
        self.cdp.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        self.key = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    def _ask(self, command, **more):
        return self.cdp.send(f"WebAuthn.{command}", {"authenticatorId": self.key, **more})

    def keys(self):
        return self._ask("getCredentials")["credentials"]

    def replace(self, key, **more):
        """Hold, instead of its keys, this one, or none."""
        self._ask("clearCredentials")
        if key:
            self._ask("addCredential", credential={**key, **more})

    @contextmanager
    def refusing(self):
        """Its owner is not recognised meanwhile: what a browser tells then is what it tells of a cancelled one."""
        self._ask("setUserVerified", isUserVerified=False)
        yield
        self._ask("setUserVerified", isUserVerified=True)


def another_private_key():
    key = generate_private_key(SECP256R1())
    return b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


def give_password(page, user):
    page.goto(INDEX)
    page.fill("[name=username]", user.username)
    page.fill("[name=password]", PASSWORD)
    page.click("[type=submit]")


def press_passkey(page):
    page.locator("#passkey button").click()


def refusal(page):
    """What the page says of the passkey."""
    says = page.locator("#passkey [role=alert]")
    says.wait_for()
    assert page.locator("#passkey button").is_enabled()
    return says.inner_text()


def log_out(page):
    page.click("#logout-form button")
    page.goto(INDEX)
    assert page.locator("[name=password]").is_visible()


def is_inside(page):
    return page.locator("#logout-form").count() == 1


def test_a_passkey_is_added_and_opens_the_desk_with_the_password(visitor):
    ada = organiser()
    page = visitor(viewport=PHONE).page
    phone = Authenticator(page)
    give_password(page, ada)
    assert not is_inside(page)

    with phone.refusing():
        press_passkey(page)
        assert "The passkey was not used" in refusal(page)
    assert not WebAuthnCredential.objects.exists()
    press_passkey(page)
    page.get_by_role("heading", name="Your recovery codes").wait_for()
    codes = page.locator(".codes code").all_inner_texts()
    page.click("#content-main a.button")
    assert is_inside(page)
    mine = WebAuthnCredential.objects.get()
    assert (mine.user_id, mine.name, len(phone.keys())) == (ada.pk, "Chrome · Linux", 1)
    page.goto(reverse("organisers:set_up"))
    press_passkey(page)
    assert "is there already" in refusal(page)
    page.goto(INDEX)

    log_out(page)
    give_password(page, ada)
    page.goto(reverse("admin:campaign_strike_changelist"))
    assert not is_inside(page)
    press_passkey(page)
    page.wait_for_url("**" + reverse("admin:campaign_strike_changelist"))
    assert is_inside(page)

    log_out(page)
    give_password(page, ada)
    (held,) = phone.keys()
    phone.replace(held, privateKey=another_private_key())
    press_passkey(page)
    assert "Try again, or use a code" in refusal(page)
    phone.replace(None)
    press_passkey(page)
    assert "The passkey was not used" in refusal(page)
    page.fill("[name=code]", codes[0])
    page.click(".submit-row [type=submit]")
    page.wait_for_url("**" + INDEX)
    assert is_inside(page)


def let_pass(minutes):
    """So much time passes for every session and app."""
    CodeApp.objects.update(last_t=-1, drift=0)
    for row in Session.objects.all():
        held = row.get_decoded()
        held[AUTHENTICATED_AT] -= minutes * 60
        row.session_data = Session.objects.encode(held)
        row.save()


def asks_again(page):
    return page.get_by_role("heading", name="Is it still you?").count() == 1


def select(page, *updates):
    page.goto(reverse("admin:campaign_update_changelist") + "?o=1")
    for update in updates:
        page.check(f"[name=_selected_action][value='{update.pk}']")
    page.select_option("select[name=action]", "publish")
    page.click("button[name=index]")


def give_code(page, code):
    page.fill("[name=again-code]", code)
    page.click("#again-form [type=submit]")


def test_a_passkey_given_again_goes_on_with_what_was_selected(visitor):
    ada = organiser()
    one, other, _third = UpdateFactory.create_batch(3, published_at=None)
    page = visitor(viewport=DESKTOP).page
    phone = Authenticator(page)
    give_password(page, ada)
    press_passkey(page)
    page.get_by_role("heading", name="Your recovery codes").wait_for()
    let_pass(16)

    select(page, one, other)
    assert asks_again(page)
    (held,) = phone.keys()
    phone.replace(None)
    press_passkey(page)
    assert "The passkey was not used" in refusal(page)
    phone.replace(held)
    press_passkey(page)
    page.get_by_role("button", name="Yes, do it").click()
    assert "Changed 2 of 2 rows" in page.locator(".messagelist").inner_text()
    assert {*Update.objects.published()} == {one, other}


@pytest.mark.parametrize("javascript", [pytest.param(True, marks=thorough), False])
def test_a_code_given_again_goes_on_with_what_was_selected_and_typed(visitor, javascript):
    ada = organiser()
    one, other, _third = UpdateFactory.create_batch(3, published_at=None)
    SubscriberFactory()
    page = visitor(viewport=PHONE, java_script_enabled=javascript).page
    page.goto(INDEX)
    come_in_by_browser(page, ada)
    let_pass(16)

    select(page, one, other)
    assert asks_again(page)
    assert page.locator("#passkey").count() == 0
    give_code(page, "000000")
    assert "This code is wrong" in page.locator(".errorlist").inner_text()
    give_code(page, code_of(app_of(ada)))
    page.get_by_role("button", name="Yes, do it").click()
    assert {*Update.objects.published()} == {one, other}

    let_pass(16)
    page.goto(reverse("admin:campaign_subscriber_export"))
    assert asks_again(page)
    give_code(page, "000000")
    give_code(page, code_of(app_of(ada)))
    let_pass(31)
    page.fill("[name=reason]", "For the printer's labels")
    page.check("[name=agreed]")
    page.check("[name=format][value=csv]")
    page.get_by_role("button", name="Download").click()
    assert asks_again(page)
    assert "this page stays" in page.locator("#content-main").inner_text()
    with page.expect_download() as taken:
        give_code(page, code_of(app_of(ada)))
    assert taken.value.suggested_filename.endswith(".csv")
