"""The page that tells people of copies, and the header that leads Tor Browser to the onion service."""

import subprocess
import sys
from hashlib import sha256

import pytest
from django.conf import settings as django_settings

from tests.factories import UpdateFactory
from tests.processes import ROOT, environment
from tools import verify_mirror

pytestmark = pytest.mark.django_db
ONION = f"http://{'b3' * 28}.onion"
KEY = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"


def test_it_tells_the_key_the_steps_and_the_copies(client, settings):
    settings.MIRROR_KEY = verify_mirror.read_key(KEY)
    settings.MIRRORS = ["https://copy.example.org/", "https://other.example.org/strike/"]
    settings.ONION_URL = ONION
    page = client.get("/mirrors/").text
    program = client.get("/mirrors/verify_mirror.py")
    assert program["Content-Disposition"] == 'attachment; filename="verify_mirror.py"'
    for words in (KEY, "8b9c 3850 6fa5 9539 ef0d 1d25 889c c19d", *settings.MIRRORS, ONION):
        assert words in page
    assert sha256(program.content).hexdigest() in page
    assert program.content == (django_settings.BASE_DIR / "tools" / "verify_mirror.py").read_bytes()
    assert verify_mirror.read_key(client.get("/mirrors/mirror.pub").text).text == KEY


def test_without_a_key_it_says_so(client, settings):
    settings.MIRROR_KEY, settings.MIRRORS, settings.ONION_URL = None, [], ""
    assert "nobody can check a copy" in client.get("/mirrors/").text
    assert client.get("/mirrors/mirror.pub").status_code == 404


def test_only_public_pages_name_the_onion_service(client, settings):
    settings.ONION_URL = ONION
    UpdateFactory(slug="news")
    assert client.get("/updates/news/?x=1")["Onion-Location"] == f"{ONION}/updates/news/?x=1"
    assert client.get("/de/updates/")["Onion-Location"] == f"{ONION}/de/updates/"
    for path in ("/updates/feed/", "/card.png", "/admin/login/", "/nowhere/", "/confirm/secret/", "/healthz"):
        assert "Onion-Location" not in client.get(path), path
    assert "Onion-Location" not in client.post("/subscribe/", {"email": "a@example.org"})
    settings.ONION_URL = ""
    assert "Onion-Location" not in client.get("/updates/news/")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ONION_URL", "https://" + "a" * 56 + ".onion"),
        ("ONION_URL", "http://short.onion"),
        ("MIRROR_PUBLIC_KEY", "nonsense"),
        ("MIRRORS", "https://ok.example.org,ftp://no.example.org"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(tmp_path, name, value):
    command = [sys.executable, "-c", "import config.settings"]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment(tmp_path, **{name: value}), check=False, capture_output=True, text=True
    )
    assert ended.returncode
    assert f"ImproperlyConfigured: {name}" in ended.stderr
