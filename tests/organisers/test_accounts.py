"""How organisers come and go: invitations, letting go, and a second factor reset by an owner."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from organisers import inviting, leaving, verifying
from organisers.models import Invitation
from tests.organisers.coming_in import PASSWORD, app_of, code_of, come_in, give_password, organiser

pytestmark = pytest.mark.django_db
User = get_user_model()
INDEX, USERS = reverse("admin:index"), reverse("admin:auth_user_changelist")
ACCOUNT = {"username": "jan", "password1": PASSWORD, "password2": PASSWORD}


def invite(client, email="jan@example.org", *roles):
    groups = Group.objects.filter(name__in=roles or ("Editor",))
    data = {"email": email, "roles": [group.pk for group in groups], "language": "en"}
    return client.post(reverse("admin:organisers_invitation_add"), data, follow=True)


def act(client, action, *users):
    """Choose an action in the list of accounts, and press the button of the page that asks."""
    data = {"action": action, "_selected_action": [user.pk for user in users]}
    asked = client.post(USERS, data)
    if asked.status_code != 200:
        return asked
    return client.post(USERS, data | {"confirm": asked.context["fingerprint"], "select_across": "0"})


@pytest.fixture
def owner(client):
    user = organiser("ada", email="ada@example.org")
    come_in(client, user)
    return user


class TestInvitation:
    def test_makes_an_account_with_its_roles_once(self, client, owner, send_all):
        page = invite(client, "jan@example.org", "Editor", "Treasurer")
        shown = re.search(r"/admin/invitation/[^/\s<]+/", page.text)[0]
        assert len(send_all(Invitation)) == 1
        assert Invitation.objects.get().token == ""
        new = Client()
        assert [new.get(shown).status_code for _time in range(2)] == [200, 200]
        assert not User.objects.filter(username="jan").exists()
        assert new.post(shown, ACCOUNT | {"password2": "another one"}).status_code == 400
        assert new.post(shown, ACCOUNT)["Location"] == reverse("organisers:set_up")
        jan = User.objects.get(username="jan")
        assert {group.name for group in jan.groups.all()} == {"Editor", "Treasurer"}
        assert (jan.email, jan.is_staff, jan.is_superuser) == ("jan@example.org", True, False)
        assert new.get(INDEX).status_code == 302
        new.post(reverse("organisers:set_up"), {"code": code_of(verifying.app_to_confirm(jan))})
        assert new.get(INDEX).status_code == 200
        assert Client().get(shown).status_code == 410
        assert Client().post(shown, ACCOUNT | {"username": "jan2"}).status_code == 410
        assert User.objects.count() == 2

    def test_is_over_after_three_days_or_when_withdrawn(self, client, owner, send_all):
        first, second = (invite(client, f"{name}@example.org") for name in ("jan", "bo"))
        links = [re.search(r"/admin/invitation/[^/\s<]+/", page.text)[0] for page in (first, second)]
        assert inviting.withdraw(Invitation.objects.filter(pk=Invitation.objects.latest("pk").pk)) == 1
        assert [Client().get(link).status_code for link in links] == [200, 410]
        assert len(send_all(Invitation)) == 1
        with time_machine.travel(timezone.now() + timedelta(hours=72, seconds=1)):
            assert Client().post(links[0], ACCOUNT).status_code == 410
        assert User.objects.count() == 1

    def test_to_the_same_address_ends_the_one_before(self, client, owner):
        links = [re.search(r"/admin/invitation/[^/\s<]+/", invite(client).text)[0] for _time in range(2)]
        assert [Client().get(link).status_code for link in links] == [410, 200]
        assert "has an account already" in invite(client, "ADA@example.org").text

    def test_is_an_owners(self, client):
        editor = organiser("ed", is_superuser=False)
        editor.groups.add(Group.objects.get(name="Editor"))
        come_in(client, editor)
        assert invite(client).status_code == 403
        assert act(client, "let_go", organiser("bo")).status_code == 403
        editor.groups.set([Group.objects.get(name="Owner")])
        assert invite(client).status_code == 200
        assert Invitation.objects.count() == 1

    def test_cannot_be_used_and_withdrawn_or_last_for_ever(self, client, owner):
        invite(client)
        rows = Invitation.objects.all()
        for wrong in ({"user": owner, "withdrawn_at": timezone.now()}, {"expires_at": timezone.now() + timedelta(9)}):
            with pytest.raises(IntegrityError), transaction.atomic():
                rows.update(**wrong)


class TestLettingGo:
    def test_leaves_no_way_in(self, client, owner):
        leaver, there = organiser("bo", email="bo@example.org"), Client()
        come_in(there, leaver)
        verifying.new_recovery_codes(leaver)
        link = re.search(r"/admin/invitation/[^/\s<]+/", invite(there).text)[0]
        act(client, "let_go", leaver)
        assert there.get(INDEX).status_code == 302
        leaver.refresh_from_db()
        assert (leaver.is_active, leaver.has_usable_password(), leaver.sessions.count()) == (False, False, 0)
        assert verifying.factors(leaver) == []
        assert Client().get(link).status_code == 410
        assert give_password(there, leaver).status_code == 200
        act(client, "take_back", leaver)
        leaver.refresh_from_db()
        assert leaver.is_active
        assert there.get(INDEX).status_code == 302

    def test_is_refused_for_oneself_and_for_the_last_owner(self, client, owner):
        act(client, "let_go", owner)
        owner.refresh_from_db()
        assert owner.is_active
        with pytest.raises(leaving.LastOwner):
            leaving.let_go(owner)
        assert client.get(INDEX).status_code == 200


def test_an_owner_resets_anothers_second_factor_and_not_the_own(client, owner):
    other, there = organiser("bo"), Client()
    come_in(there, other)
    act(client, "reset_second_factor", other)
    assert there.get(INDEX).status_code == 302
    assert verifying.factors(other) == []
    act(client, "reset_second_factor", owner)
    assert verifying.factors(owner) == [app_of(owner)]
    assert client.get(INDEX).status_code == 200
