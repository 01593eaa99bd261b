"""What is grave asks for a factor again, and loses nothing that was typed or selected meanwhile."""

import re
import time

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken

from campaign.models import Update
from organisers import verifying
from organisers.models import Attempt
from organisers.sessions import BEGUN_AT
from organisers.verifying import AUTHENTICATED_AT
from tests.factories import UpdateFactory
from tests.organisers.coming_in import app_of, code_of, organiser

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    return organiser()


@pytest.fixture
def late(client, ada):
    """A browser whose person came in longer ago than counts as lately."""
    return made_late(client, ada)


def made_late(client, user, minutes=16):
    client.force_login(user)
    session = client.session
    session[AUTHENTICATED_AT] = int(time.time()) - minutes * 60
    session[BEGUN_AT] = int(time.time()) - minutes * 60
    session.save()
    return client


def held(page):
    """What the page that asks would post: name and value of each hidden field."""
    return re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)


def fields_of(page):
    fields = {}
    for name, value in held(page):
        fields.setdefault(name, []).append(value)
    return fields


def publish(update, **more):
    return {"action": "publish", "_selected_action": [str(update.pk)], **more}


LIST = "admin:campaign_update_changelist"


def test_an_act_waits_for_the_factor_then_goes_on_with_what_was_selected(late, ada):
    update = UpdateFactory(published_at=None)
    asked = late.post(reverse(LIST) + "?q=x", publish(update, index="0"))
    assert asked.status_code == 403
    assert "Is it still you?" in asked.text
    fields = fields_of(asked)
    assert fields["_selected_action"] == [str(update.pk)]
    assert fields["again-next"] == [reverse(LIST) + "?q=x"]

    begun = late.session[BEGUN_AT]
    came = late.post(reverse("organisers:again"), {**fields, "again-code": code_of(app_of(ada))})
    assert came.status_code == 307
    assert came["Location"] == reverse(LIST) + "?q=x"
    assert late.session[BEGUN_AT] == begun, "the session is no younger"
    # A browser posts the same body there.
    shown = late.post(came["Location"].partition("?")[0], {**fields, "again-code": "123456"})
    assert shown.status_code == 200
    late.post(reverse(LIST), publish(update, confirm=shown.context["fingerprint"]))
    assert Update.objects.get().published_at


def test_nothing_was_done_while_it_was_asked_for(late):
    update = UpdateFactory(published_at=None)
    fingerprint = "0" * 64
    late.post(reverse(LIST), publish(update, confirm=fingerprint))
    assert Update.objects.get().published_at is None


def test_a_wrong_code_counts_as_failed_and_keeps_what_was_held(late, ada):
    update = UpdateFactory(published_at=None)
    fields = fields_of(late.post(reverse(LIST), publish(update)))
    app_of(ada)
    wrong = late.post(reverse("organisers:again"), {**fields, "again-code": "000000"})
    assert wrong.status_code == 200
    assert "This code is wrong" in wrong.text
    assert fields_of(wrong)["_selected_action"] == [str(update.pk)]
    assert len([1 for name, _value in held(wrong) if name == "again-post"]) == 1
    assert Attempt.objects.count() == 1
    for _more in range(4):
        late.post(reverse("organisers:again"), {**fields, "again-code": "000000"})
    locked = late.post(reverse("organisers:again"), {**fields, "again-code": code_of(app_of(ada))})
    assert locked.status_code == 429
    assert fields_of(locked)["_selected_action"] == [str(update.pk)]


def test_a_recovery_code_is_good_here_too_once(late, ada):
    device = StaticDevice.objects.get(user=ada)
    StaticToken.objects.create(device=device, token=verifying._code_tag(ada, "abcdefgh"))
    url = reverse("organisers:again")
    assert late.post(url, {"again-next": reverse(LIST), "again-code": "abcdefgh"}).status_code == 302
    assert not StaticToken.objects.exists()


def test_an_export_is_asked_about_before_its_page_is_shown(late, ada):
    url = reverse("admin:campaign_subscriber_export")
    asked = late.get(url + "?q=1")
    assert asked.status_code == 403
    assert "again-post" not in fields_of(asked)
    came = late.post(reverse("organisers:again"), {**fields_of(asked), "again-code": code_of(app_of(ada))})
    assert (came.status_code, came["Location"]) == (302, url + "?q=1")
    assert late.get(url).status_code == 200


def test_who_opened_an_exports_page_in_time_has_time_to_fill_it_in(client, ada):
    url = reverse("admin:campaign_subscriber_export")
    assert made_late(client, ada, 20).post(url, {}).status_code == 400
    assert made_late(client, ada, 31).post(url, {}).status_code == 403


def test_a_file_is_not_kept_and_the_page_says_so(late):
    url = reverse("admin:protests_target_import")
    asked = made_late(late, organiser("eve"), 40).post(url, {"file": SimpleUploadedFile("x.csv", b"a"), "x": "1"})
    assert asked.status_code == 403
    assert "Nothing was done. A file or a password cannot be kept" in asked.text
    assert [*fields_of(asked)] == ["csrfmiddlewaretoken", "again-next"]


def test_a_password_stands_in_no_page(client, ada):
    made_late(client, ada, 40)
    asked = client.post(reverse("admin:password_change"), {"old_password": "sesame street", "new_password1": "x"})
    assert asked.status_code == 403
    assert "sesame" not in asked.text


def test_daily_work_is_not_asked_about(late):
    assert late.get(reverse("admin:campaign_update_add")).status_code == 200
    assert late.post(reverse("admin:campaign_update_add"), {}).status_code == 200
    assert late.get(reverse(LIST)).status_code == 200


def test_the_way_on_is_a_page_of_the_desk(client, ada):
    client.force_login(ada)
    for wanted in (
        "//evil.example.org/admin/",
        "https://evil.example.org",
        "/letters/",
        "/admin/\\evil",
        "",
        "x" * 3000,
    ):
        came = client.post(reverse("organisers:again"), {"again-next": wanted, "again-post": "1"})
        assert came["Location"].startswith("/admin/"), wanted


def test_a_forged_post_is_not_held(ada):
    browser = made_late(Client(enforce_csrf_checks=True), ada)
    update = UpdateFactory(published_at=None)
    forged = browser.post(reverse(LIST), publish(update))
    assert forged.status_code == 403
    assert "_selected_action" not in forged.text
    assert browser.post(reverse("organisers:again"), {"again-code": "1"}).status_code == 403


@pytest.mark.parametrize("name", ["recovery_codes", "remove"])
def test_second_factors_are_changed_only_by_who_gave_one_lately(late, name):
    before = StaticDevice.objects.values_list("pk", flat=True).get()
    assert "Is it still you?" in late.post(reverse(f"organisers:{name}"), {"device": "x"}).text
    assert StaticDevice.objects.values_list("pk", flat=True).get() == before


def test_nor_is_the_secret_of_a_new_app_shown(late, ada):
    app_of(ada)
    page = late.get(reverse("organisers:set_up"))
    assert page.status_code == 403
    assert "otpauth" not in page.text
    assert late.post(reverse("organisers:passkey_add_begin"), b"{}", content_type="application/json").status_code == 403


def test_who_is_not_inside_is_led_to_the_door(client):
    assert client.post(reverse("organisers:again"), {}).status_code == 302
    assert client.get(reverse("organisers:again")).status_code == 405


def test_a_clock_set_back_does_not_make_an_old_factor_young(client, ada):
    made_late(client, ada, -5)
    assert client.get(reverse("admin:campaign_subscriber_export")).status_code == 403
