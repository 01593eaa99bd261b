import runpy
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from environ import FileAwareEnv
from environ.fileaware_mapping import FileAwareMapping

NEW, OLD = Fernet.generate_key().decode(), Fernet.generate_key().decode()
PRODUCTION = {
    "BASE_URL": "https://solidarity.example.org/",
    "SECRET_KEY": "s" * 60,
    "PRIVACY_KEYS": f"{NEW},{OLD}",
    "PRIVACY_TAG_KEY": "t" * 40,
    "LETTER_LOG_KEY": NEW,
}
LIVE = {"MAIL_LIVE": "1", "EMAIL_URL": "smtp+tls://user:pass@relay.example.org:587", "MAIL_FROM": "letters@example.org"}
DKIM = ["DKIM_KEY_FILE", "DKIM_SELECTOR", "DKIM_DOMAIN"]
OTHERS = [*DKIM, "DEVELOPMENT", "DEBUG", "PORT", "DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL", *PRODUCTION, *LIVE]
OTHERS += ["BOUNCE_DOMAIN", "DIGEST_HOUR"]


@pytest.fixture
def read(monkeypatch, tmp_path):
    """A function that reads the settings anew, with these environment variables alone."""

    def read(**environment):
        # It keeps what it has read from files for all who come after.
        monkeypatch.setattr(FileAwareEnv, "ENVIRON", FileAwareMapping())
        for name in OTHERS:
            monkeypatch.delenv(name, raising=False)
        for name, value in {"VAR_DIR": str(tmp_path), **environment}.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(Path(settings.BASE_DIR, "config", "settings.py")))

    return read


@pytest.mark.parametrize("missing", PRODUCTION)
def test_production_does_not_start_without_its_secrets_and_its_address(read, missing):
    with pytest.raises(ImproperlyConfigured, match=missing):
        read(**{name: value for name, value in PRODUCTION.items() if name != missing})


@pytest.mark.parametrize(
    ("name", "weak"),
    [
        ("SECRET_KEY", ""),
        ("PRIVACY_TAG_KEY", ""),
        ("PRIVACY_TAG_KEY", "short"),
        ("PRIVACY_KEYS", ""),
        ("PRIVACY_KEYS", "x"),
        ("LETTER_LOG_KEY", ""),
        ("LETTER_LOG_KEY", "c2hvcnQ="),
    ],
)
def test_production_does_not_start_with_an_empty_or_weak_secret(read, name, weak):
    with pytest.raises(ImproperlyConfigured, match=name):
        read(**{**PRODUCTION, name: weak})


def test_what_is_missing_is_named_at_once(read):
    with pytest.raises(
        ImproperlyConfigured, match="BASE_URL, SECRET_KEY, PRIVACY_KEYS, PRIVACY_TAG_KEY, LETTER_LOG_KEY, EMAIL_URL"
    ):
        read(MAIL_LIVE="1")


@pytest.mark.parametrize("missing", ["EMAIL_URL", "MAIL_FROM"])
def test_going_live_needs_a_relay_and_a_sender(read, missing):
    with pytest.raises(ImproperlyConfigured, match=missing):
        read(**PRODUCTION, **{name: value for name, value in LIVE.items() if name != missing})


def test_production_is_a_sandbox_by_default_and_protects_itself(read):
    found = read(**PRODUCTION)
    assert not found["DEBUG"]
    assert not found["MAIL_LIVE"]
    assert found["EMAIL_HOST"] == "127.0.0.1"
    assert found["ALLOWED_HOSTS"] == ["solidarity.example.org"]
    assert found["SECURE_SSL_REDIRECT"]
    assert found["SESSION_COOKIE_SECURE"]
    assert found["CSRF_COOKIE_SECURE"]
    assert found["PRIVACY_KEYS"] == [NEW, OLD]


def test_bounces_come_back_to_the_senders_domain_unless_told_otherwise(read):
    assert read(**PRODUCTION, **LIVE)["BOUNCE_DOMAIN"] == "example.org"
    assert read(**PRODUCTION, **LIVE, BOUNCE_DOMAIN="b.example.org")["BOUNCE_DOMAIN"] == "b.example.org"
    assert read(**PRODUCTION, **LIVE, BOUNCE_DOMAIN="")["BOUNCE_DOMAIN"] == ""


def test_going_live_uses_the_relay(read):
    found = read(**PRODUCTION, **LIVE)
    assert found["MAIL_LIVE"]
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"], found["EMAIL_USE_TLS"]) == ("relay.example.org", 587, True)
    assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == ("user", "pass")


@pytest.mark.parametrize("name", ["SECRET_KEY", "PRIVACY_TAG_KEY", "METRICS_TOKEN"])
def test_a_secret_can_come_from_a_file(read, tmp_path, name):
    (tmp_path / "secret").write_text("from the file, and long enough to be one\n")
    environment = {**PRODUCTION, f"{name}_FILE": str(tmp_path / "secret")}
    environment.pop(name, None)
    assert read(**environment)[name] == "from the file, and long enough to be one"


def test_the_database_can_come_from_a_file(read, tmp_path):
    (tmp_path / "secret").write_text("postgres://solidarity:pa%2Fss@db/solidarity\n")
    database = read(**PRODUCTION, DATABASE_URL_FILE=str(tmp_path / "secret"))["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["NAME"], database["PASSWORD"]) == ("db", "solidarity", "pa/ss")


def test_development_makes_its_secrets_once_and_keeps_them_from_others(read, tmp_path):
    first, second = read(DEVELOPMENT="1"), read(DEVELOPMENT="1")
    for name in ("SECRET_KEY", "PRIVACY_KEYS", "PRIVACY_TAG_KEY", "LETTER_LOG_KEY"):
        assert first[name] == second[name]
        assert (tmp_path / "secrets" / name.lower()).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_the_port_is_in_the_address_and_the_sink_beside_it(read):
    found = read(DEVELOPMENT="1", PORT="8100")
    assert found["BASE_URL"] == "http://127.0.0.1:8100"
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"]) == ("127.0.0.1", 9100)


def test_without_a_dkim_key_nothing_is_signed_and_the_domain_is_the_senders(read):
    found = read(**PRODUCTION, **LIVE)
    assert (found["DKIM_KEYS"], found["DKIM_DOMAIN"]) == ([], "example.org")


def test_dkim_keys_are_paths_each_with_a_selector_of_its_own_or_the_common_one(read):
    found = read(**PRODUCTION, DKIM_KEY_FILE="/keys/a.pem, second:/keys/b.pem,", DKIM_SELECTOR="first")
    assert found["DKIM_KEYS"] == [("first", "/keys/a.pem"), ("second", "/keys/b.pem")]


def test_a_domain_in_other_letters_is_used_in_ascii(read):
    found = read(**PRODUCTION, **{**LIVE, "MAIL_FROM": "letters@bücher.example.org"})
    assert (found["MAIL_FROM"], found["DKIM_DOMAIN"]) == (
        "letters@xn--bcher-kva.example.org",
        "xn--bcher-kva.example.org",
    )
    for name in ("DKIM_DOMAIN", "BOUNCE_DOMAIN"):
        assert read(**PRODUCTION, **{name: "bücher.example.org"})[name] == "xn--bcher-kva.example.org"


@pytest.mark.parametrize(("given", "hour"), [({}, 7), ({"DIGEST_HOUR": "0"}, 0), ({"DIGEST_HOUR": " "}, None)])
def test_the_hour_of_the_organisers_mail_may_be_none(read, given, hour):
    assert read(**PRODUCTION, **given)["DIGEST_HOUR"] == hour


@pytest.mark.parametrize("hour", ["24", "-1", "seven", "7:30"])
def test_another_hour_of_the_organisers_mail_is_refused(read, hour):
    with pytest.raises(ImproperlyConfigured, match="DIGEST_HOUR"):
        read(**PRODUCTION, DIGEST_HOUR=hour)


def test_every_app_of_ours_goes_into_the_image():
    let_in = (settings.BASE_DIR / ".dockerignore").read_text().split()

    ours = [app.name for app in apps.get_app_configs() if Path(app.path).parent == settings.BASE_DIR]
    assert ours
    assert [name for name in ours if f"!{name}" not in let_in] == []
