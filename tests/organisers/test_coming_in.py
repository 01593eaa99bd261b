"""The two factors, the limits on failing at them, and the sessions that they open."""

import re
import time
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings as django_settings
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from organisers import verifying
from organisers.models import Attempt, CodeApp, Session
from tests.factories import StrikeFactory
from tests.organisers.coming_in import PASSWORD, app_of, code_of, come_in, give_code, give_password, organiser

pytestmark = pytest.mark.django_db
LOGIN, INDEX = reverse("admin:login"), reverse("admin:index")
SECOND, SET_UP = reverse("organisers:second_factor"), reverse("organisers:set_up")
PASSKEYS = ("passkey_add", "passkey_ask", "passkey_add_begin", "passkey_ask_begin")


class TestTwoFactors:
    def test_the_password_leads_to_the_set_up_of_a_second_factor_and_that_to_the_desk(self, client):
        user = organiser()
        wanted = "/admin/campaign/strike/?published=no"
        page = client.get(give_password(client, user, next=wanted)["Location"], follow=True)
        assert page.request["PATH_INFO"] == SET_UP
        device = CodeApp.objects.get(user=user)
        assert verifying.secret_of(device) in page.text
        assert "<svg" in page.text
        assert "style=" not in page.text
        assert client.post(SET_UP, {"code": "000000"}).status_code == 200
        assert not CodeApp.objects.get().confirmed
        key, before = client.session.session_key, time.time()
        shown = client.post(SET_UP, {"code": code_of(device), "next": wanted})
        codes = re.findall("<code>([a-z2-7]{8})</code>", shown.text)
        assert len({*codes}) == 10
        assert wanted in shown.text
        assert "no-store" in shown["Cache-Control"]
        assert client.session["authenticated_at"] >= int(before)
        assert client.session.session_key != key
        assert client.get(INDEX).status_code == 200
        again = client.get(SET_UP).text
        assert not any(code in again for code in codes)

    def test_who_has_a_second_factor_is_asked_for_it_and_cannot_add_another_one_instead(self, client):
        user = organiser()
        app_of(user)
        give_password(client, user)
        assert client.get(SET_UP)["Location"] == SECOND
        assert client.post(SET_UP, {"code": "123456"})["Location"] == SECOND
        begun = client.post(reverse("organisers:passkey_add_begin"), {}, content_type="application/json")
        assert (begun.status_code, begun.json()["code"]) == (403, "user_not_verified")
        assert client.get(INDEX).status_code == 302
        assert client.get(LOGIN)["Location"] == SECOND

    def test_a_code_is_good_once_and_so_is_a_recovery_code(self, client):
        user = organiser()
        code = code_of(app_of(user))
        recovery = verifying.new_recovery_codes(user)[0]
        for good in (code, f" {recovery[:4].upper()}-{recovery[4:]} "):
            give_password(client, user)
            assert give_code(client, good)["Location"] == INDEX
            client.post(reverse("organisers:leave"))
            give_password(client, user)
            assert give_code(client, good).status_code == 200
            assert client.get(INDEX).status_code == 302
            client.post(reverse("organisers:leave"))
        assert verifying.recovery_codes_left(user) == 9

    def test_nonsense_is_no_code(self, client):
        user = organiser()
        app_of(user)
        give_password(client, user)
        for code in ("", "abc", "0" * 40, "0" * 41, "\x00"):
            assert give_code(client, code).status_code == 200
            assert client.get(INDEX).status_code == 302

    @pytest.mark.parametrize(
        "elsewhere", ["https://evil.example.org/", "//evil.example.org/", "/\\evil.example.org", "javascript:alert(1)"]
    )
    def test_next_leads_nowhere_else(self, client, elsewhere):
        user = organiser()
        device = app_of(user)
        assert give_password(client, user, next=elsewhere)["Location"] == SECOND
        assert elsewhere not in client.get(SECOND, {"next": elsewhere}).text
        assert give_code(client, code_of(device), next=elsewhere)["Location"] == INDEX
        assert client.get(LOGIN, {"next": elsewhere})["Location"] == INDEX

    def test_the_password_alone_is_good_for_a_quarter_of_an_hour(self, client):
        user = organiser()
        app_of(user)
        with time_machine.travel(timezone.now(), tick=False) as clock:
            give_password(client, user)
            clock.shift(timedelta(minutes=16))
            assert client.get(SECOND)["Location"] == LOGIN

    def test_drafts_and_the_mailbox_want_both_factors_too(self, client, settings):
        settings.DEVELOPMENT = False
        draft = StrikeFactory(published_at=None)
        user = organiser()
        device = app_of(user)
        give_password(client, user)
        places = [f"{draft.get_absolute_url()}?preview=1", "/dev/mailbox/"]
        assert [client.get(place).status_code for place in places] == [404, 404]
        give_code(client, code_of(device))
        assert [client.get(place).status_code for place in places] == [200, 200]

    def test_the_last_second_factor_stays_until_there_is_another_one(self, client):
        user = organiser()
        come_in(client, user)
        mine = app_of(user)
        client.post(reverse("organisers:remove"), {"device": mine.persistent_id})
        assert verifying.factors(user) == [mine]
        other = verifying.app_to_confirm(user)
        client.post(SET_UP, {"code": code_of(other)})
        theirs = app_of(organiser("bo"))
        client.post(reverse("organisers:remove"), {"device": theirs.persistent_id})
        assert CodeApp.objects.filter(pk=theirs.pk).exists()
        client.post(reverse("organisers:remove"), {"device": mine.persistent_id})
        assert verifying.factors(user) == [other]
        # What let this session in is gone.
        assert client.get(INDEX).status_code == 302

    @pytest.mark.parametrize("name", PASSKEYS)
    def test_the_passkeys_endpoints_take_no_nonsense(self, client, name):
        give_password(client, organiser())
        for body in (b"", b"[]", b"{", b"\xff", b'"x"', b'{"id": [], "rawId": 1, "response": [], "type": {}}', b"{}"):
            for begin in PASSKEYS[2:]:
                client.post(reverse(f"organisers:{begin}"), b"{}", content_type="application/json")
            answer = client.post(reverse(f"organisers:{name}"), body, content_type="application/json")
            assert answer.status_code < 500
            assert answer.status_code != 200 or "begin" in name
            assert client.get(INDEX).status_code == 302

    def test_strangers_get_nothing_from_the_passkeys_endpoints(self, client):
        for name in PASSKEYS:
            answer = client.post(reverse(f"organisers:{name}"), b"{}", content_type="application/json")
            assert answer.status_code == 403


# --- Lock-out -------------------------------------------------------------------------------------------------------


def fail(client, name, times, network="192.0.2.1"):
    wrong = {"username": name, "password": "wrong"}
    return [client.post(LOGIN, wrong, REMOTE_ADDR=network).status_code for _time in range(times)]


class TestLockout:
    def test_one_network_fails_five_times_at_one_name_and_is_told_how_long(self, client):
        user = organiser()
        right = {"username": "ADA", "password": PASSWORD}
        with time_machine.travel(timezone.now(), tick=False) as clock:
            assert fail(client, user.username, 6) == [200] * 5 + [429]
            answer = client.post(LOGIN, right, REMOTE_ADDR="192.0.2.1")
            assert answer.status_code == 429
            assert "Try again in 15 minutes" in answer.text
            assert django_settings.SESSION_COOKIE_NAME not in client.cookies
            # What was not looked at does not count: it does not get longer.
            clock.shift(timedelta(minutes=15, seconds=1))
            right["username"] = "ada"
            assert client.post(LOGIN, right, REMOTE_ADDR="192.0.2.1").status_code == 302

    def test_others_behind_the_same_proxy_come_in(self, client, settings):
        settings.TRUSTED_PROXIES = 1
        right = {"username": organiser().username, "password": PASSWORD}
        for number in range(20):
            wrong = {"username": f"x{number}", "password": "no"}
            client.post(LOGIN, wrong, headers={"X-Forwarded-For": f"6.6.6.{number}, 198.51.100.9"})
        forged = {"X-Forwarded-For": "203.0.113.5, 198.51.100.9"}
        assert client.post(LOGIN, right, headers=forged).status_code == 429
        assert client.post(LOGIN, right, headers={"X-Forwarded-For": "203.0.113.5"}).status_code == 302

    def test_a_browser_that_has_come_in_before_is_not_locked_out_by_others(self, client):
        user = organiser()
        come_in(client, user)
        client.post(reverse("organisers:leave"))
        attacker = Client()
        for network in ("198.51.100.1", "198.51.100.2", "198.51.100.3", "127.0.0.1"):
            assert fail(attacker, user.username, 5, network) == [200] * 5
        right = {"username": user.username, "password": PASSWORD}
        assert attacker.post(LOGIN, right, REMOTE_ADDR="203.0.113.9").status_code == 429
        assert give_password(client, user).status_code == 302
        assert give_code(client, code_of(app_of(user), steps=1)).status_code == 302
        client.post(reverse("organisers:leave"))
        # Whoever has the browser does not guess for ever either.
        assert fail(client, user.username, 11, "127.0.0.1") == [200] * 10 + [429]

    def test_who_knows_the_password_guesses_ten_codes_a_day(self, client):
        user = organiser()
        device, guessed = app_of(user), []
        with time_machine.travel(timezone.now(), tick=False) as clock:
            for _quarter in range(4):
                give_password(client, user)
                guessed += [give_code(client, "nonsense").status_code for _time in range(4)]
                clock.shift(timedelta(minutes=16))
            assert guessed == [200] * 10 + [429] * 6
            give_password(client, user)
            assert "hours" in give_code(client, code_of(device)).text
            assert client.get(INDEX).status_code == 302

    def test_what_is_kept_names_nobody_and_goes(self, client):
        fail(client, "ada@example.org", 2, network="192.0.2.77")
        kept = str([*Attempt.objects.values()])
        assert "ada@" not in kept
        assert "192.0.2" not in kept
        Attempt.objects.update(created_at=timezone.now() - timedelta(days=1, hours=1))
        assert Attempt.expired().count() == 2


# --- Sessions -------------------------------------------------------------------------------------------------------


class TestSessions:
    AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    PAGE = reverse("admin:sessions")

    def test_are_listed_and_end_one_by_one_or_together(self, client):
        user = organiser()
        here, there, third = client, Client(headers={"User-Agent": self.AGENT}), Client()
        for browser, step in ((here, -1), (there, 0), (third, 1)):
            give_password(browser, user)
            assert give_code(browser, code_of(app_of(user), step)).status_code == 302
        page = here.get(self.PAGE)
        assert "Firefox · Linux" in page.text
        assert not any(key in page.text for key in Session.objects.values_list("session_key", flat=True))
        here.post(self.PAGE, {"session": Session.objects.get(browser="Firefox · Linux").handle})
        assert [browser.get(INDEX).status_code for browser in (here, there, third)] == [200, 302, 200]
        here.post(self.PAGE)
        assert [browser.get(INDEX).status_code for browser in (here, there, third)] == [200, 302, 302]

    def test_nobody_ends_anothers(self, client):
        other = Client()
        come_in(other, organiser("bo"))
        handle = Session.objects.get().handle
        come_in(client, organiser())
        client.post(self.PAGE, {"session": handle})
        client.post(self.PAGE)
        assert other.get(INDEX).status_code == 200

    @pytest.mark.parametrize(("every", "ends"), [(119, 12 * 60), (121, 121)])
    def test_end_by_age_and_by_idleness(self, client, every, ends):
        with time_machine.travel(timezone.now(), tick=False) as clock:
            come_in(client, organiser())
            minutes = 0
            while client.get("/admin/jsi18n/").status_code == 200:
                clock.shift(timedelta(minutes=every))
                minutes += every
            assert ends <= minutes < ends + every
            assert Session.expired().exists()


def test_the_operator_resets_a_second_factor(client, capsys):
    user = organiser()
    come_in(client, user)
    verifying.new_recovery_codes(user)
    call_command("reset_second_factor", "ada")
    assert "Removed 1 second factor" in capsys.readouterr().out
    assert client.get(INDEX).status_code == 302
    assert LogEntry.objects.get().user == user
    give_password(client, user)
    assert client.get(SECOND)["Location"] == SET_UP
    with pytest.raises(CommandError, match="no organiser of this name"):
        call_command("reset_second_factor", "nobody")
