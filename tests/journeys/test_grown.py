"""
The grown set-up: production settings, PostgreSQL, a Redis-protocol server, and each process started by itself.

The commands are those of docker-compose.yml.
"""

import re
import secrets
import subprocess
import sys
from base64 import urlsafe_b64encode
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from tests.journeys.over_http import Browser
from tests.journeys.program import own_servers
from tests.processes import ROOT, environment, started, wait_for_port, wait_until
from tests.sinks import ScriptedSink, free_port

pytestmark = pytest.mark.skipif(
    settings.DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3",
    reason="the grown set-up has PostgreSQL; the embedded one is in test_over_http.py",
)
SUPPORTER = "nora@example.org"


class BehindTheProxy(Browser):
    def _ask(self, request, status):
        request.add_header("Host", "solidarity.example.org")
        request.add_header("X-Forwarded-Proto", "https")
        return super()._ask(request, status)


@pytest.fixture
def production(tmp_path, worker_id):
    """The environment of a production instance whose mail goes to `sink`; yields (environment, sink)."""
    for name in ("secret_key", "privacy_tag_key"):
        (tmp_path / name).write_text(secrets.token_urlsafe(48) + "\n")
    for name in ("privacy_keys", "letter_log_key"):
        (tmp_path / name).write_text(urlsafe_b64encode(secrets.token_bytes(32)).decode() + "\n")
    sink = ScriptedSink().start()
    with own_servers(worker_id) as servers:
        yield (
            environment(
                tmp_path,
                **servers,
                DEVELOPMENT=0,
                BASE_URL="https://solidarity.example.org",
                EMAIL_URL=f"smtp://127.0.0.1:{sink.port}",
                SECRET_KEY_FILE=tmp_path / "secret_key",
                PRIVACY_KEYS_FILE=tmp_path / "privacy_keys",
                PRIVACY_TAG_KEY_FILE=tmp_path / "privacy_tag_key",
                LETTER_LOG_KEY_FILE=tmp_path / "letter_log_key",
                PORT=free_port(),
                FORM_SECONDS=0,  # this visitor types faster than people do
            ),
            sink,
        )
    sink.stop()


def test_a_signature_travels_through_web_worker_and_beat_to_the_embassy(production):
    env, sink = production
    for command in (["migrate", "-v0"], ["collectstatic", "--noinput", "-v0"], ["load_campaign", "demo"]):
        subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=env, check=True, capture_output=True)
    celery = ["-m", "celery", "-A", "config"]
    with ExitStack() as stack:
        web = stack.enter_context(started("-m", "gunicorn", "-c", "python:config.gunicorn", "config.wsgi", env=env))
        stack.enter_context(started(*celery, "worker", "--concurrency=2", env=env))
        stack.enter_context(started(*celery, "beat", "--pidfile=", env=env))
        wait_for_port(int(env["PORT"]), web)

        site = BehindTheProxy(f"http://127.0.0.1:{env['PORT']}")
        assert site.get("/readyz").body == "ready\n"
        letter = site.get(site.get("/letters/").link(r"^/letters/[^/]+/$"))
        typed = {"name": "Nora Example", "email": SUPPORTER, "country": "DE", "consent_letter": "on"}
        site.send(letter.form("consent_letter"), typed)
        wait_until(lambda: sink.to(SUPPORTER), 60, "no mail asks the supporter to confirm")

        (mail,) = sink.to(SUPPORTER)
        found = re.search(r"https://solidarity\.example\.org/confirm/\S+", mail.message.get_content())
        receipt = site.send(site.get(urlsplit(found[0]).path).first_post_form(), {})
        wait_until(lambda: len(sink.taken) > 1, 60, "no letter reached the mail server")
        wait_until(
            lambda: "status-accepted" in site.get(urlsplit(receipt.url).path).classes, 30, "the receipt does not know"
        )
        assert "Nora Example" in sink.taken[1].message.get_content()
        assert sink.taken[1].rcpt_tos != [SUPPORTER]
