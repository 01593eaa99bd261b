"""Second factors as the database holds them: a copy of it shows none."""

import time
from importlib import import_module

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.db import IntegrityError, connection
from django.urls import reverse
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken

from organisers import verifying
from organisers.models import CodeApp
from privacy.rotating import rotate
from tests.organisers.coming_in import app_of, code_of, give_code, give_password, organiser

pytestmark = pytest.mark.django_db
INDEX = reverse("admin:index")
MIGRATION = import_module("organisers.migrations.0003_second_factors_are_no_longer_in_the_clear")


def stored(model, column):
    """Return what the database itself holds."""
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT "{column}" FROM "{model._meta.db_table}"')
        return [value for (value,) in cursor.fetchall()]


def test_the_database_shows_neither_an_apps_secret_nor_a_recovery_code():
    ada = organiser()
    app, codes = app_of(ada), verifying.new_recovery_codes(ada)
    (key,) = stored(CodeApp, "key")
    assert len(app.key) == 40
    assert key.startswith("gAAAA")
    assert app.key not in key
    held = stored(StaticToken, "token")
    assert len({*held}) == len(codes) == 10
    assert not {*codes} & {*held}
    # Whoever reads a copy of it types what stands there.
    assert verifying.device_for(ada, held[0]) is None
    assert verifying.device_for(organiser("eve"), codes[0]) is None
    assert verifying.device_for(ada, codes[0]) is not None
    assert verifying.device_for(ada, codes[0]) is None


def test_no_app_has_an_empty_secret():
    with pytest.raises(IntegrityError, match="organisers_codeapp_has_a_secret"):
        CodeApp.objects.create(user=organiser(), name="App", key="")


def test_an_apps_secret_comes_under_a_new_key(settings):
    ada = organiser()
    app_of(ada)
    old, new = settings.PRIVACY_KEYS, Fernet.generate_key().decode()
    settings.PRIVACY_KEYS = [new, *old]
    assert rotate().rotated >= 1
    settings.PRIVACY_KEYS = [new]
    assert verifying.device_for(ada, code_of(app_of(ada))) == app_of(ada)


def test_with_its_key_lost_an_app_opens_nothing_and_a_recovery_code_does(client, settings):
    ada = organiser()
    codes, code = verifying.new_recovery_codes(ada), code_of(app_of(ada))
    waiting = verifying.app_to_confirm(ada)
    settings.PRIVACY_KEYS = [Fernet.generate_key().decode()]
    give_password(client, ada)
    assert "This code is wrong" in give_code(client, code).text
    assert give_code(client, codes[0]).status_code == 302
    page = client.get(reverse("organisers:set_up"))
    assert page.status_code == 200
    assert not CodeApp.objects.filter(pk=waiting.pk).exists()
    assert verifying.secret_of(verifying.app_to_confirm(ada)) in page.text


def test_what_was_in_the_clear_is_carried_over_and_its_table_is_gone():
    ada, now = organiser(), time.time()
    listed = StaticDevice.objects.create(user=ada, name="recovery codes")
    StaticToken.objects.create(device=listed, token="abcdefgh")
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {MIGRATION.OLD_TABLE} (id integer PRIMARY KEY, user_id integer, name varchar(64), "
            "confirmed boolean, key varchar(80), drift smallint, last_t bigint, created_at timestamptz, "
            "last_used_at timestamptz)"
        )
        row = [
            3,
            ada.pk,
            "My phone",
            True,
            "3132333435363738393031323334353637383930",
            -1,
            5,
            "2026-01-01 12:00:00",
            None,
        ]
        cursor.execute(f"INSERT INTO {MIGRATION.OLD_TABLE} VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)", row)
    editor = connection.SchemaEditorClass(connection)
    for _twice in range(2):
        MIGRATION.carry_apps_over(apps, editor)
        MIGRATION.hide_recovery_codes(apps, editor)

    assert MIGRATION.OLD_TABLE not in connection.introspection.table_names()
    app = CodeApp.objects.get()
    assert (app.user, app.name, app.confirmed, app.drift, app.last_t) == (ada, "My phone", True, -1, 5)
    assert (app.created_at.year, app.last_used_at) == (2026, None)
    # RFC 6238, appendix B: of this secret at this moment, in its last six digits.
    assert app.code_at(1111111111) == "050471"
    assert verifying.device_for(ada, app.code_at(now)) == app
    assert verifying.device_for(ada, "abcd-efgh") == listed
    assert not StaticToken.objects.exists()
