import os
import re
import runpy
import subprocess
import tempfile
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from environ import FileAwareEnv
from environ.fileaware_mapping import FileAwareMapping
from kombu import Connection

from outbox.tasks import send
from privacy.keys import why_guessable
from tests.sinks import free_port

NEW, OLD = Fernet.generate_key().decode(), Fernet.generate_key().decode()
PRODUCTION = {
    "BASE_URL": "https://solidarity.example.org/",
    "SECRET_KEY": Fernet.generate_key().decode() + Fernet.generate_key().decode(),
    "PRIVACY_KEYS": f"{NEW},{OLD}",
    "PRIVACY_TAG_KEY": Fernet.generate_key().decode(),
    "LETTER_LOG_KEY": Fernet.generate_key().decode(),
}
LIVE = {"MAIL_LIVE": "1", "EMAIL_URL": "smtp+tls://user:pass@relay.example.org:587", "MAIL_FROM": "letters@example.org"}
DKIM = ["DKIM_KEY_FILE", "DKIM_SELECTOR", "DKIM_DOMAIN"]
OTHERS = [*DKIM, "DEVELOPMENT", "DEBUG", "PORT", "DATABASE_URL", "CELERY_BROKER_URL", *PRODUCTION, *LIVE]
OTHERS += ["BOUNCE_DOMAIN", "DIGEST_HOUR", "SECRET_KEY_FALLBACKS", "BACKUP_KEY", "SEALED_EXPORT_KEY", "METRICS_TOKEN"]
SECRETS = [*sorted({"SECRET_KEY", "PRIVACY_KEYS", "PRIVACY_TAG_KEY", "LETTER_LOG_KEY"}), "METRICS_TOKEN", "EMAIL_URL"]


@pytest.fixture
def read(monkeypatch, tmp_path):
    """A function that reads the settings anew, with these environment variables alone."""

    def read(**environment):
        # It keeps what it has read from files for all who come after.
        monkeypatch.setattr(FileAwareEnv, "ENVIRON", FileAwareMapping())
        for name in (*OTHERS, *(f"{name}_FILE" for name in OTHERS)):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"VAR_DIR": str(tmp_path), **environment}.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(Path(settings.BASE_DIR, "config", "settings.py")))

    return read


@pytest.mark.parametrize("scheme", ["redis", "redis+socket"])
def test_a_visitor_does_not_wait_for_a_broker_that_is_away(read, monkeypatch, scheme):
    url = f"redis://127.0.0.1:{free_port()}/0" if scheme == "redis" else "redis+socket:///nowhere"
    options = read(DEVELOPMENT="1", CELERY_BROKER_URL=url)["CELERY_BROKER_TRANSPORT_OPTIONS"]
    waits = []
    monkeypatch.setattr("kombu.utils.functional.sleep", waits.append)
    with Connection(url, transport_options=options) as dead:
        assert send.apply_async(("protests.delivery",), connection=dead, at_once=True) is None
    assert waits == []


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
    assert found["SECRET_KEY_FALLBACKS"] == []
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
    key = Fernet.generate_key().decode()
    (tmp_path / "secret").write_text(f"{key}\n")
    environment = {**PRODUCTION, f"{name}_FILE": str(tmp_path / "secret")}
    environment.pop(name, None)
    assert read(**environment)[name] == key


@pytest.fixture
def open_folder():
    """A folder that others can enter, unlike tmp_path."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    ("modes", "refused"),
    [
        ((0o600, 0o755), ""),
        ((0o400, 0o755), ""),
        ((0o644, 0o755), "every user"),
        ((0o640, 0o755), "its group"),
        ((0o644, 0o700), ""),
        ((0o640, 0o700), ""),
    ],
)
def test_production_does_not_start_with_a_key_file_that_others_can_read(read, open_folder, name, modes, refused):
    path = open_folder / "key"
    path.write_text(PRODUCTION.get(name, "smtp://127.0.0.1:9000" if name == "EMAIL_URL" else ""))
    path.chmod(modes[0])
    open_folder.chmod(modes[1])
    environment = {**PRODUCTION, f"{name}_FILE": str(path)}
    environment.pop(name, None)
    if refused:
        with pytest.raises(ImproperlyConfigured, match=f"{refused}.*chmod 600 {path}"):
            read(**environment)
    else:
        assert read(**environment)["DEBUG"] is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_service_reads_a_file_of_root_by_its_group(read, open_folder):
    path = open_folder / "key"
    path.write_text(PRODUCTION["SECRET_KEY"])
    path.chmod(0o440)
    os.chown(path, 65534, 0)
    environment = {**PRODUCTION, "SECRET_KEY_FILE": str(path)}
    del environment["SECRET_KEY"]
    assert read(**environment)["SECRET_KEY"] == PRODUCTION["SECRET_KEY"]


@pytest.mark.parametrize("name", ["SECRET_KEY", "SECRET_KEY_FALLBACKS", "PRIVACY_TAG_KEY", "PRIVACY_KEYS"])
@pytest.mark.parametrize(
    "example",
    [
        "A" * 43 + "=",
        "ab" * 21 + "a=",
        "django-insecure-0aJ8d93kfLw2Xq7Zp5Rm1TvByU6HsNcE",
        "change-me-0aJ8d93kfLw2Xq7Zp5Rm1TvByU6HsNcE",
        "from the file, and long enough to be one",
    ],
)
def test_production_does_not_start_with_an_example_for_a_key(read, name, example):
    with pytest.raises(ImproperlyConfigured, match=name):
        read(**{**PRODUCTION, name: example})


def test_no_file_that_people_copy_from_holds_a_key():
    files = [*settings.BASE_DIR.glob("docs/*.md"), *settings.BASE_DIR.glob("deploy/*"), settings.BASE_DIR / "README.md"]
    files += [settings.BASE_DIR / "docker-compose.yml"]
    found = [word for file in files if file.is_file() for word in re.findall(r"[\w+-]{32,}=*", file.read_text())]
    assert [word for word in found if not why_guessable(word) and re.search(r"\d", word) and word.lower() != word] == []


def test_production_does_not_start_with_one_key_for_two_uses(read):
    with pytest.raises(ImproperlyConfigured, match="the same"):
        read(**{**PRODUCTION, "LETTER_LOG_KEY": NEW})


def test_a_former_secret_key_stays_valid_while_it_is_named(read):
    found = read(**PRODUCTION, SECRET_KEY_FALLBACKS=OLD[::-1])
    assert found["SECRET_KEY_FALLBACKS"] == [OLD[::-1]]


@pytest.mark.parametrize("name", ["BACKUP_KEY", "SEALED_EXPORT_KEY"])
@pytest.mark.parametrize("key", ["x", "A" * 43 + "=", "A" * 60])
def test_what_is_no_public_key_is_refused(read, name, key):
    with pytest.raises(ImproperlyConfigured, match=name):
        read(**PRODUCTION, **{name: key})


def test_the_script_makes_keys_that_production_takes_and_changes_them(read, tmp_path):
    folder = tmp_path / "keys"

    def made(*arguments):
        subprocess.run([settings.BASE_DIR / "deploy" / "make-secrets", *arguments, folder], check=True, cwd=tmp_path)
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
        files = {f"{path.name.upper()}_FILE": str(path) for path in folder.iterdir()}
        return read(BASE_URL=PRODUCTION["BASE_URL"], **files)

    first, again = made(), made()
    assert first["PRIVACY_KEYS"] == again["PRIVACY_KEYS"]
    for wanted in (2, 3):
        assert len(made("--new-privacy-key")["PRIVACY_KEYS"]) == wanted
        assert len(made("--new-secret-key")["SECRET_KEY_FALLBACKS"]) == wanted - 1
    last = made()
    assert last["PRIVACY_KEYS"][-1] == first["PRIVACY_KEYS"][0]
    assert last["SECRET_KEY_FALLBACKS"][-1] == first["SECRET_KEY"]
    assert folder.stat().st_mode & 0o777 == 0o700


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
