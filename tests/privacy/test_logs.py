"""What stands in the log when something breaks: nothing of whom it happened to."""

import logging
import subprocess
import sys

import pytest
from celery import shared_task

from bench.canaries import listening
from outbox.models import State
from outbox.tasks import send
from privacy.logs import Plain, scrubbed
from privacy.tags import new_token
from protests import signing
from protests.models import ConfirmationMail
from tests.factories import DeliveryFactory, SignatureFactory
from tests.processes import ROOT, environment

SECRET = new_token()


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("550 <nora@example.org>: unknown", "550 <…@…>: unknown"),
        ("Error handling request /de/receipt/" + "a1_-" * 8 + "/", "Error handling request /de/receipt/…/"),
        ("/unsubscribe/12-" + "0" * 32 + "?x=1", "/unsubscribe/…?x=1"),
        ("Invalid request from ip=192.0.2.7: no", "Invalid request from ip=… no"),
        (
            'File "/srv/some-folder-of-ours/x.py"',
            'File "/srv/some-folder-of-ours/x.py"',
        ),
        ("Listening at: http://127.0.0.1:8000 (7)", "Listening at: http://127.0.0.1:8000 (7)"),
    ],
)
def test_addresses_secrets_and_networks_are_taken_out_and_all_else_stays(line, written):
    assert scrubbed(line) == written


def test_a_traceback_tells_where_and_not_whom():
    try:
        raise ValueError("nora@example.org is no address")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "it broke", None, sys.exc_info())

    text = Plain("%(message)s").format(record)

    assert "nora@" not in text
    assert "test_logs.py" in text
    assert "ValueError: …@… is no address" in text


@pytest.mark.django_db
def test_a_page_that_breaks_is_logged_by_its_name_without_the_secret_in_its_path(client, monkeypatch):
    def breaks(*args, **kwargs):
        raise RuntimeError(f"could not show nora@example.org /confirm/{SECRET}/")

    mail = ConfirmationMail(signature=SignatureFactory(), token=SECRET, token_hash=signing.tag("token", SECRET))
    mail.expires_at = mail.created_at + signing.RECEIPT_FOR
    mail.save()
    monkeypatch.setattr(signing, "unsent", breaks)
    client.raise_request_exception = False
    with listening() as log:
        answer = client.get(f"/confirm/{SECRET}/")

    assert answer.status_code == 500
    assert "Internal Server Error: protests:confirm" in log.getvalue()
    assert "RuntimeError" in log.getvalue()
    assert SECRET not in log.getvalue()
    assert "nora@" not in log.getvalue()


@pytest.mark.django_db
def test_a_server_that_repeats_the_signer_leaves_nothing_in_the_log_nor_with_the_target(sink, send_all):
    delivery = DeliveryFactory(signature__name="Girlitz Example", signature__email="girlitz@example.org")
    sink.on_data = lambda rcpt, content: "554 5.7.1 Girlitz Example <girlitz@example.org> is not welcome"
    with listening() as log:
        send_all()
        send()

    delivery.refresh_from_db()
    assert delivery.state == State.BOUNCED
    assert "girlitz@" not in delivery.reply
    assert "girlitz" not in log.getvalue().lower()
    assert "girlitz" not in delivery.target.breaker.words.lower()
    assert "is not welcome" in delivery.target.breaker.words


def test_what_a_worker_logs_when_a_task_breaks_holds_no_address(settings):
    """Locals are in no traceback of ours; an error's own words are scrubbed by the handler that the settings name."""

    @shared_task
    def breaks():
        email = "nora@example.org"
        raise ValueError(email)

    with listening() as log:
        breaks.apply()
        logging.getLogger("celery.worker").error("Task handler raised error: %r", ValueError("nora@example.org"))

    assert settings.LOGGING["formatters"]["plain"]["class"] == f"{Plain.__module__}.{Plain.__name__}"
    assert log.getvalue().count("…@…") >= 2
    assert "nora@" not in log.getvalue()


def test_gunicorn_writes_by_the_same_rule(tmp_path):
    code = (
        "from config import gunicorn as ours; from gunicorn.config import Config\n"
        "from gunicorn.glogging import Logger\n"
        "c = Config(); [c.set(k, v) for k, v in vars(ours).items() if k in c.settings]\n"
        f"log = Logger(c); log.error('Error handling request %s', '/confirm/{SECRET}/'); log.info('hush')\n"
        "log.warning('Invalid request from ip=%s: %s', '192.0.2.7', 'x@example.org')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip

    lines = (ended.stdout + ended.stderr).splitlines()
    assert [line.partition("gunicorn.error: ")[2] for line in lines] == [
        "Error handling request /confirm/…/",
        "Invalid request from ip=… …@…",
    ]
