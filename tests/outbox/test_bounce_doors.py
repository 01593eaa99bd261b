"""The ways in for bounces that are processes of their own: a pipe, and a server for SMTP or LMTP."""

import signal
import smtplib
import subprocess
import sys

import pytest
from django.conf import settings
from django.utils import timezone

from outbox.bounces import address_for
from outbox.models import State
from protests.models import Delivery
from tests.factories import DeliveryFactory
from tests.outbox import returned
from tests.processes import ROOT, database_url, environment, started, wait_for_port
from tests.sinks import free_port

pytestmark = pytest.mark.django_db(transaction=True)
FORGED = "bounce+delivery-ae-nzsxx6y-aaaaaaaaaaaaaaaa@solidarity.example.org"


@pytest.fixture
def mail():
    mail = DeliveryFactory(target__email="embassy@example.org")
    Delivery.objects.update(state=State.ACCEPTED, handing_over_at=timezone.now())
    return mail


def ours(folder, **more):
    # Whose name a server repeats is taken out of what it said: that needs the key it is kept under.
    keys = {"PRIVACY_TAG_KEY": settings.PRIVACY_TAG_KEY, "PRIVACY_KEYS": ",".join(settings.PRIVACY_KEYS)}
    return environment(folder, DATABASE_URL=database_url(), **keys, **more)


def without_database(folder):
    """A database without tables: it answers every question with an error."""
    return environment(folder, PRIVACY_TAG_KEY=settings.PRIVACY_TAG_KEY)


def state(mail):
    mail.refresh_from_db()
    return mail.state


class TestPipe:
    def pipe(self, content, env, *arguments):
        command = [sys.executable, "manage.py", "take_bounces", "-", *arguments]
        return subprocess.run(command, cwd=ROOT, env=env, input=content, capture_output=True, timeout=60, check=False)

    def test_a_bounce_is_taken(self, mail, tmp_path):
        ended = self.pipe(returned.dsn("x@example.org") + b"x\n" * 300_000, ours(tmp_path), "--to", address_for(mail))

        assert (ended.returncode, ended.stderr) == (0, b"")
        assert state(mail) == State.BOUNCED

    def test_a_forged_one_ends_well_so_that_it_is_not_bounced_to_a_third(self, mail, tmp_path):
        assert self.pipe(returned.dsn(FORGED), ours(tmp_path)).returncode == 0
        assert state(mail) == State.ACCEPTED

    def test_without_the_database_the_mail_server_is_told_to_come_again(self, mail, tmp_path):
        ended = self.pipe(returned.dsn(address_for(mail)), without_database(tmp_path))

        assert ended.returncode == 75
        assert ended.stderr == b"CommandError: It cannot be recorded just now (OperationalError).\n"


class TestServer:
    @pytest.fixture(params=["smtp", "lmtp"])
    def client(self, request, tmp_path):
        port = free_port()
        lmtp = ["--lmtp"] if request.param == "lmtp" else []
        with started("manage.py", "bounce_server", *lmtp, env=ours(tmp_path, BOUNCE_PORT=port)) as process:
            wait_for_port(port, process)
            kind = smtplib.LMTP if lmtp else smtplib.SMTP
            with kind("127.0.0.1", port) as client:
                yield client
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=10)
            assert process.returncode == 0
            assert "@" not in output

    def test_it_takes_bounces_to_our_addresses_and_nothing_else(self, client, mail):
        to = address_for(mail)

        for wrong in ("somebody@example.org", FORGED, "letters@solidarity.example.org"):
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
                client.sendmail("", [wrong], returned.dsn(wrong))
            assert refused.value.recipients[wrong][0] == 550
        assert state(mail) == State.ACCEPTED
        # Without CR, so that it is one line: longer than a server may write, and taken for that.
        assert client.sendmail("", [to], returned.dsn("elsewhere@example.org")) == {}
        assert state(mail) == State.BOUNCED
        assert client.sendmail("", [to], returned.dsn(to).replace(b"\n", b"\r\n")) == {}

    def test_it_takes_one_recipient_at_a_time(self, client, mail):
        to = address_for(mail)
        client.ehlo_or_helo_if_needed()
        client.mail("")

        assert client.rcpt(to)[0] == 250
        assert client.rcpt(to)[0] == 452

    def test_it_refuses_what_is_far_too_big_for_a_bounce(self, client, mail):
        with pytest.raises(smtplib.SMTPResponseException) as refused:
            client.sendmail("", [address_for(mail)], b"x\r\n" * 1_500_000)

        assert refused.value.smtp_code == 552

    def test_one_that_comes_too_early_has_to_come_again(self, client, mail):
        Delivery.objects.update(state=State.SENDING, lease="x", leased_until=timezone.now())
        to = address_for(mail)

        with pytest.raises(smtplib.SMTPDataError) as later:
            client.sendmail("", [to], returned.dsn(to))
        assert later.value.smtp_code == 451
        Delivery.objects.update(state=State.ACCEPTED, lease="", leased_until=None)
        client.sendmail("", [to], returned.dsn(to))
        assert state(mail) == State.BOUNCED

    def test_without_the_database_nothing_is_lost(self, mail, tmp_path):
        port = free_port()
        with started("manage.py", "bounce_server", "--port", str(port), env=without_database(tmp_path)) as process:
            wait_for_port(port, process)
            with smtplib.SMTP("127.0.0.1", port) as client, pytest.raises(smtplib.SMTPDataError) as later:
                client.sendmail("", [address_for(mail)], returned.dsn(address_for(mail)))
            assert later.value.smtp_code == 451

    def test_a_taken_port_gets_one_clear_line(self, sink, tmp_path):
        command = [sys.executable, "manage.py", "bounce_server", "--port", str(sink.port)]

        ended = subprocess.run(
            command, cwd=ROOT, env=ours(tmp_path), capture_output=True, text=True, timeout=60, check=False
        )

        assert ended.returncode == 1
        assert f"127.0.0.1, port {sink.port}: Address already in use." in ended.stderr
