import signal
import smtplib
import subprocess
import sys

import pytest

from outbox import mailbox
from tests.processes import ROOT, environment, started, wait_for_port
from tests.sinks import free_port


@pytest.fixture
def sandbox(settings, tmp_path):
    """`manage.py sink` on a free port; yields (process, port)."""
    settings.VAR_DIR = tmp_path
    port = free_port()
    with started("manage.py", "sink", env=environment(tmp_path, SINK_PORT=port)) as process:
        wait_for_port(port, process)
        yield process, port


def test_the_sink_keeps_a_mail_and_rehearses_refusals_and_stops_when_told(sandbox):
    process, port = sandbox
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        assert client.ehlo()[0] == 250
        assert client.has_extn("8bitmime")
        assert not client.has_extn("smtputf8")
        client.mail("letters@example.org")
        assert client.rcpt("Busy-embassy@example.org") == (451, b"4.7.1 Too many messages just now, try again later")
        assert client.rcpt("gone.embassy@example.org") == (550, b"5.1.1 No such mailbox here")
        assert client.rcpt("embassy@example.org")[0] == 250
        assert client.data(b"Subject: One\r\n\r\n..and only\r\n")[0] == 250
    (kept,) = mailbox.caught()
    assert (kept.mail_from, kept.rcpt_tos) == ("letters@example.org", ["embassy@example.org"])
    assert kept.text == "..and only\r\n"

    client = smtplib.SMTP("127.0.0.1", port, timeout=10)  # an open connection does not hold it up
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=10)
    client.close()
    assert process.returncode == 0
    assert output == ""


def test_a_taken_port_gets_one_clear_line(sandbox, tmp_path):
    _process, port = sandbox
    second = subprocess.run(
        [sys.executable, "manage.py", "sink", "--port", str(port)],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert second.stderr == f"CommandError: The mail sink cannot listen on port {port}: Address already in use.\n"
