"""Each page and each act of the desk is known to the table of what needs a factor given lately."""

import pytest
from django.contrib import admin
from django.urls import URLPattern

from config import acts


def patterns(found, prefix=""):
    for one in found:
        if isinstance(one, URLPattern):
            yield prefix + str(one.pattern), one
        else:
            yield from patterns(one.url_patterns, prefix + str(one.pattern))


def names_of_the_desk():
    """Names of all addresses below the desk's own; the door's pages look after themselves."""
    return {one.name for _path, one in patterns(admin.site.get_urls()) if one.name}


def test_the_table_says_something_of_every_address_of_the_desk():
    assert len(names_of_the_desk()) > 150
    assert [name for name in sorted(names_of_the_desk()) if not acts.is_known(name)] == []


def test_every_line_of_the_table_is_about_some_address():
    every = names_of_the_desk()
    for pattern in acts.AT_ONCE + acts.POSTED + acts.FREE:
        assert any(acts._is(name, (pattern,)) for name in every), pattern


def test_what_the_table_does_not_know_is_asked_for():
    assert acts.needs("donations_vault_open")
    assert acts.needs("campaign_secret_add")
    assert not acts.is_known("campaign_secret_add")


@pytest.mark.parametrize(
    "name",
    [
        *("auth_user_change", "auth_user_delete", "auth_user_password_change", "password_change", "auth_group_change"),
        *("organisers_invitation_add", "donations_bankaccount_add", "donations_bankaccount_change"),
        *("campaign_subscriber_export", "protests_signature_export", "donations_pledge_export", "trial_letter"),
        *("campaign_mailing_change", "protests_letter_handover", "donations_storedfile_download", "readiness"),
    ],
)
def test_what_is_grave_needs_it(name):
    assert name in names_of_the_desk()
    assert acts.needs(name)


def test_every_act_on_rows_of_a_list_needs_it():
    named = [
        (f"{model._meta.app_label}_{model._meta.model_name}_changelist", getattr(action, "__name__", action))
        for model, registered in admin.site._registry.items()
        for action in registered.actions or ()
    ]
    assert len(named) > 50
    assert all(acts.needs(list_name, action) for list_name, action in named)


def test_daily_work_does_not():
    every = names_of_the_desk()
    for name in ("campaign_update_change", "protests_letter_add", "donations_desk", "campaign_update_preview", "index"):
        assert name in every
        assert not acts.needs(name)
