from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from outbox import engine, readiness, tasks
from outbox.dkim_signing import signers
from outbox.models import Heartbeat, State
from outbox.readiness import Gate, Level
from outbox.resolving import Names
from outbox.smtp import Unavailable
from protests.models import Delivery
from tests.factories import DeliveryFactory
from tests.name_servers import TimeServer
from tests.sinks import free_port

DOMAIN = "letters.campaign-for-all.eu"
RANDOM = "q7Zr0aKx3mVb9LtYc5Wd1NsEh8Gf2JpUoI4"


@pytest.fixture
def own_domain(settings):
    settings.MAIL_FROM, settings.DKIM_DOMAIN, settings.DKIM_KEYS = f"us@{DOMAIN}", DOMAIN, []


@pytest.fixture
def key(settings, own_domain, tmp_path):
    call_command("make_dkim_key", "s1", "--rsa", "--file", tmp_path / "s1.pem", stdout=StringIO())
    settings.DKIM_KEYS = [("s1", str(tmp_path / "s1.pem"))]
    (signer,) = signers()
    return signer


@pytest.fixture
def ready(names, key, settings, tmp_path):
    """An instance of which nothing is to be said but good."""
    publish(names, f"s1._domainkey.{DOMAIN}", key.record)
    publish(names, DOMAIN, "v=spf1 include:relay.example.net -all")
    publish(names, f"_dmarc.{DOMAIN}", "v=DMARC1; p=none")
    names.publish(DOMAIN, "MX", "10 mx.example.net.")
    names.publish("1.2.0.192.in-addr.arpa", "PTR", "mail.example.net.")
    names.publish("mail.example.net", "A", "192.0.2.1")
    settings.SENDING_ADDRESS = "192.0.2.1"
    settings.BASE_URL = f"https://{DOMAIN}"
    settings.TRUSTED_PROXIES = 1
    settings.DEVELOPMENT = settings.DEBUG = False
    settings.SECRET_KEY = settings.PRIVACY_TAG_KEY = settings.METRICS_TOKEN = RANDOM
    with TimeServer() as server:
        settings.TIME_SERVER = server.address
        yield names


def publish(names, name, *texts):
    strings = ([f'"{text[at : at + 200]}"' for at in range(0, len(text), 200)] for text in texts)
    names.publish(name, "TXT", *(" ".join(string) for string in strings))


def level(check):
    return check(Names()).level


def test_each_check_can_say_that_all_is_well(ready):
    found = {result.name: result.finding for result in readiness.run(readiness.BEFORE_SENDING)}
    assert {name: finding.says for name, finding in found.items() if finding.level != Level.OK} == {}
    assert len(found) == len(readiness.BEFORE_SENDING)


@pytest.mark.parametrize("address", ["us@solidarity.example.org", "us@example", "us@host.test", "us@LOCALHOST"])
def test_a_sender_under_an_example_blocks(settings, address):
    settings.MAIL_FROM = address
    assert level(readiness.sender) == Level.BLOCKING


@pytest.mark.parametrize(
    ("texts", "expected", "words"),
    [
        ([], Level.BLOCKING, "no SPF"),
        (["google-site-verification=x"], Level.BLOCKING, "no SPF"),
        (["v=spf10 -all"], Level.BLOCKING, "no SPF"),
        (["v=spf1 mx -all", "v=spf1 a -all"], Level.BLOCKING, "2 SPF records"),
        (["v=spf1 -all"], Level.BLOCKING, "no server sends"),
        (["v=spf1 mx +all"], Level.WARNING, "everybody"),
        (["V=SPF1 mx ~all", "another"], Level.OK, "publishes SPF"),
    ],
)
def test_spf(names, own_domain, texts, expected, words):
    if texts:
        publish(names, DOMAIN, *texts)
    finding = readiness.spf(Names())
    assert (finding.level, words in finding.says) == (expected, True)


def test_without_a_key_the_relay_has_to_sign(names, own_domain):
    assert level(readiness.dkim) == Level.WARNING


def test_a_key_that_is_not_published_blocks_and_says_what_to_publish(names, key):
    finding = readiness.dkim(Names())
    assert finding.level == Level.BLOCKING
    assert f"s1._domainkey.{DOMAIN}: {key.record}" in finding.to_do


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda record: [record.replace("p=", "p=AAAA")], "another key"),
        (lambda record: [record.replace("k=rsa", "k=ed25519")], "another key"),
        (lambda record: ["v=DKIM1; k=rsa; p="], "revokes"),
        (lambda record: [record, record + ";"], "Several"),
    ],
)
def test_a_record_that_is_not_our_keys_blocks(names, key, change, words):
    publish(names, key.record_name, *change(key.record))
    finding = readiness.dkim(Names())
    assert (finding.level, words in finding.says) == (Level.BLOCKING, True)


def test_a_record_may_hold_blanks_and_leave_out_what_is_understood(names, key):
    half = len(key.public_key) // 2
    publish(names, key.record_name, f"p={key.public_key[:half]} {key.public_key[half:]} ; t=s;")
    assert level(readiness.dkim) == Level.OK


def test_a_key_that_cannot_be_read_blocks(names, own_domain, settings):
    settings.DKIM_KEYS = [("s1", "/nowhere/key.pem")]
    assert level(readiness.dkim) == Level.BLOCKING


def test_signing_for_another_domain_blocks_and_for_one_above_does_not(names, key, settings):
    settings.DKIM_DOMAIN = "elsewhere.eu"
    assert level(readiness.dkim) == Level.BLOCKING
    settings.DKIM_DOMAIN = "campaign-for-all.eu"
    publish(names, "s1._domainkey.campaign-for-all.eu", key.record)
    assert level(readiness.dkim) == Level.OK


def test_ed25519_alone_is_a_warning(names, own_domain, settings, tmp_path):
    call_command("make_dkim_key", "e", "--file", tmp_path / "e.pem", stdout=StringIO())
    settings.DKIM_KEYS = [("e", str(tmp_path / "e.pem"))]
    publish(names, f"e._domainkey.{DOMAIN}", signers()[0].record)
    assert level(readiness.dkim) == Level.WARNING


@pytest.mark.parametrize(
    ("name", "texts", "expected"),
    [
        (f"_dmarc.{DOMAIN}", ["v=DMARC1; p=reject"], Level.OK),
        ("_dmarc.campaign-for-all.eu", ["v=DMARC1;p=none;rua=mailto:a@example.org"], Level.OK),
        ("_dmarc.eu", ["v=DMARC1; p=none"], Level.WARNING),
        (f"_dmarc.{DOMAIN}", ["v=DMARC1; p=none", "v=DMARC1; p=reject"], Level.BLOCKING),
        (f"_dmarc.{DOMAIN}", ["v=DMARC1; p=whatever"], Level.BLOCKING),
        (f"_dmarc.{DOMAIN}", ["something else"], Level.WARNING),
    ],
)
def test_dmarc(names, own_domain, name, texts, expected):
    publish(names, name, *texts)
    assert level(readiness.dmarc) == expected


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("MX", "10 mx.example.net.", Level.OK),
        ("MX", "0 .", Level.BLOCKING),
        ("A", "192.0.2.1", Level.WARNING),
        ("TXT", '"x"', Level.BLOCKING),
    ],
)
def test_mx(names, own_domain, kind, value, expected):
    names.publish(DOMAIN, kind, value)
    assert level(readiness.mail_servers) == expected


def test_the_reverse_name_of_a_relay_elsewhere_is_not_ours(names, settings):
    settings.EMAIL_HOST = "192.0.2.99"
    assert level(readiness.reverse_name) == Level.OK


def test_a_relay_that_cannot_be_found_is_a_warning(names, settings):
    settings.EMAIL_HOST = "a..b"
    assert level(readiness.reverse_name) == Level.WARNING


def test_a_relay_on_this_machine_needs_an_address_that_leads_to_a_name_and_back(names, settings):
    settings.SENDING_ADDRESS = ""
    assert level(readiness.reverse_name) == Level.WARNING
    settings.SENDING_ADDRESS = "mail.example.net"
    assert "not an IP address" in readiness.reverse_name(Names()).says
    settings.SENDING_ADDRESS = "192.0.2.1"
    assert "leads to no name" in readiness.reverse_name(Names()).says
    names.publish("1.2.0.192.in-addr.arpa", "PTR", "mail.example.net.")
    names.publish("mail.example.net", "A", "192.0.2.77")
    finding = readiness.reverse_name(Names())
    assert (finding.level, "does not lead back" in finding.says) == (Level.BLOCKING, True)
    names.publish("mail.example.net", "A", "192.0.2.77", "192.0.2.1")
    assert level(readiness.reverse_name) == Level.OK


@pytest.mark.parametrize(
    ("late", "expected"),
    [(0, Level.OK), (60, Level.WARNING), (-60, Level.WARNING), (86400, Level.BLOCKING), (-86400, Level.BLOCKING)],
)
def test_the_clock_is_compared_with_a_time_servers(settings, late, expected):
    with TimeServer() as server:
        settings.TIME_SERVER, server.late = server.address, late
        assert level(readiness.clock) == expected


def test_the_clock_is_compared_beyond_the_year_in_which_time_servers_count_anew(settings):
    with TimeServer() as server, time_machine.travel("2036-03-01"):
        settings.TIME_SERVER = server.address
        assert level(readiness.clock) == Level.OK


def test_a_time_server_that_says_ask_elsewhere_or_nothing_is_a_warning(settings):
    with TimeServer() as server:
        settings.TIME_SERVER, server.stratum = server.address, 0
        assert level(readiness.clock) == Level.WARNING
    settings.TIME_SERVER = f"127.0.0.1:{free_port()}"
    assert level(readiness.clock) == Level.WARNING


@pytest.mark.django_db
def test_without_a_time_server_the_clock_is_compared_with_the_databases(settings):
    settings.TIME_SERVER = ""
    if connection.vendor != "postgresql":
        assert level(readiness.clock) == Level.WARNING
        return
    assert level(readiness.clock) == Level.OK
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        assert level(readiness.clock) == Level.BLOCKING


def test_a_key_file_that_others_can_open_blocks(key, settings, tmp_path, monkeypatch):
    settings.VAR_DIR = tmp_path
    assert level(readiness.key_files) == Level.OK
    Path(settings.DKIM_KEYS[0][1]).chmod(0o644)
    assert "chmod 600" in readiness.key_files(Names()).to_do
    Path(settings.DKIM_KEYS[0][1]).chmod(0o600)
    secret = tmp_path / "secrets" / "secret_key"
    secret.parent.mkdir()
    secret.write_text("x")
    secret.chmod(0o604)
    assert level(readiness.key_files) == Level.BLOCKING
    secret.chmod(0o600)
    (tmp_path / "url").write_text("x")
    (tmp_path / "url").chmod(0o644)
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    assert str(tmp_path / "url") in readiness.key_files(Names()).says


@pytest.mark.parametrize("name", ["SECRET_KEY", "PRIVACY_TAG_KEY", "METRICS_TOKEN"])
@pytest.mark.parametrize("secret", ["short", "a" * 60, f"django-insecure-{RANDOM}", "changeme" * 8])
def test_a_secret_that_can_be_guessed_blocks(ready, settings, name, secret):
    setattr(settings, name, secret)
    finding = readiness.secrets(Names())
    assert (finding.level, name in finding.says, secret in finding.says) == (Level.BLOCKING, True, False)


def test_an_old_key_of_the_database_that_can_be_guessed_blocks(ready, settings):
    settings.PRIVACY_KEYS = [*settings.PRIVACY_KEYS, "old"]
    assert level(readiness.secrets) == Level.BLOCKING


@pytest.mark.parametrize("name", ["DEBUG", "DEVELOPMENT"])
def test_a_program_in_development_blocks(ready, settings, name):
    setattr(settings, name, True)
    assert level(readiness.debugging) == Level.BLOCKING


@pytest.mark.parametrize("url", ["http://campaign.eu", "https://localhost", "https://127.0.0.1:8000"])
def test_links_that_are_not_public_block(settings, url):
    settings.BASE_URL = url
    assert level(readiness.base_url) == Level.BLOCKING


@pytest.mark.parametrize(
    ("url", "trusted", "found"),
    [
        ("https://solidarity.example.org", 0, Level.WARNING),
        ("https://solidarity.example.org", 1, Level.OK),
        ("http://127.0.0.1:8000", 0, Level.OK),
    ],
)
def test_where_visitors_come_through_a_proxy_it_has_to_be_trusted(settings, url, trusted, found):
    settings.BASE_URL, settings.TRUSTED_PROXIES = url, trusted
    assert level(readiness.proxies) == found


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "check"), [("beat", readiness.beat), ("worker", readiness.worker)])
def test_a_process_lives_while_its_stamp_is_fresh(name, check):
    assert level(check) == Level.BLOCKING
    Heartbeat.stamp(name)
    assert level(check) == Level.OK
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        assert level(check) == Level.BLOCKING
        Heartbeat.stamp(name)
        assert level(check) == Level.OK
    assert level(check) == Level.BLOCKING  # the clock went back: the stamp proves nothing


@pytest.mark.django_db(transaction=True)
def test_beat_stamps_when_it_rings_and_the_worker_when_it_hears():
    tasks.heartbeat.delay()
    assert list(Heartbeat.objects.values_list("name", flat=True)) == ["beat"]
    tasks.heartbeat()
    assert set(Heartbeat.objects.values_list("name", flat=True)) == {"beat", "worker"}


@pytest.mark.django_db(transaction=True)
def test_other_bells_prove_nothing_of_beat():
    tasks.sweep.delay()
    assert not Heartbeat.objects.exists()


@pytest.mark.django_db
def test_a_mail_that_waits_too_long_is_told():
    assert level(readiness.oldest_due) == Level.OK
    mail = DeliveryFactory()
    for minutes, expected in ((1, Level.OK), (11, Level.WARNING), (61, Level.BLOCKING)):
        Delivery.objects.update(next_attempt_at=timezone.now() - timedelta(minutes=minutes))
        assert level(readiness.oldest_due) == expected
    assert "61 minutes" in readiness.oldest_due(Names()).says
    Delivery.objects.filter(pk=mail.pk).update(state=State.ACCEPTED)
    assert level(readiness.oldest_due) == Level.OK


@pytest.mark.django_db
def test_mails_in_doubt_are_counted():
    assert level(readiness.in_doubt) == Level.OK
    DeliveryFactory(state=State.IN_DOUBT)
    finding = readiness.in_doubt(Names())
    assert (finding.level, finding.says) == (Level.WARNING, "1 mail is in doubt.")


def test_a_silent_dns_server_is_a_warning_for_what_needs_it_and_blocks_nothing(ready, settings):
    settings.DNS_TIMEOUT_SECONDS, ready.silent = 0.2, True
    results = readiness.run(readiness.BEFORE_SENDING)
    silent = {result.name for result in results if "No DNS server answered" in result.finding.says}
    assert silent == {"SPF", "DKIM", "DMARC", "MX", "Reverse name"}
    assert readiness.blocked(results) == []


# --- The gate ------------------------------------------------------------------------------------------------------


@pytest.fixture
def gate():
    engine.gate.forget()
    yield engine.gate
    engine.gate.forget()


def test_the_sandbox_passes_whatever_is_wrong_and_asks_nobody(names, settings):
    settings.MAIL_FROM, settings.DEBUG = "us@example.org", True
    Gate().pass_or_raise()
    assert names.asked == 0


@pytest.mark.django_db(transaction=True)
def test_a_live_instance_that_is_ready_sends(ready, sink, settings, gate):
    settings.MAIL_LIVE = True
    DeliveryFactory()
    engine.send_due(Delivery)
    assert len(sink.taken) == 1


@pytest.mark.django_db(transaction=True)
def test_a_live_instance_that_is_not_ready_sends_nothing_and_blames_no_mail(ready, sink, settings, gate, caplog):
    settings.MAIL_LIVE, settings.DEBUG = True, True
    mail = DeliveryFactory()
    due = mail.next_attempt_at

    assert engine.send_due(Delivery) is None

    mail.refresh_from_db()
    assert (sink.taken, sink.connections) == ([], 0)
    assert (mail.state, mail.attempts, mail.next_attempt_at) == (State.QUEUED, 0, due)
    assert "not ready to go live. Debugging: The program runs for development" in caplog.text


def test_the_verdict_is_kept_for_some_minutes_and_then_asked_anew(ready, settings):
    settings.MAIL_LIVE = True
    gate = Gate()
    gate.pass_or_raise()
    asked = ready.asked
    publish(ready, DOMAIN, "v=spf1 -all")
    gate.pass_or_raise()
    assert ready.asked == asked

    gate.forget()
    with pytest.raises(Unavailable, match="SPF: The SPF record"):
        gate.pass_or_raise()
    publish(ready, DOMAIN, "v=spf1 mx -all")
    with pytest.raises(Unavailable):
        gate.pass_or_raise()

    gate.GOOD_FOR = 0.0
    gate.forget()
    gate.pass_or_raise()
    publish(ready, DOMAIN, "v=spf1 -all")
    with pytest.raises(Unavailable):
        gate.pass_or_raise()


# --- The command ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_command_is_content_when_all_is_well(ready):
    Heartbeat.stamp("beat")
    Heartbeat.stamp("worker")
    out = StringIO()
    call_command("check_readiness", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0] == "Sandbox."
    assert sum(" ok " in line for line in lines) == len(readiness.BEFORE_SENDING) + len(readiness.RUNNING)
    assert "→" not in out.getvalue()


@pytest.mark.django_db
def test_the_command_fails_and_names_what_blocks_with_what_to_do(ready, settings):
    settings.BASE_URL, settings.MAIL_LIVE = "http://campaign.eu", True
    out = StringIO()
    with pytest.raises(CommandError, match=r"^Not ready: Public address, Beat, Worker\.$") as error:
        call_command("check_readiness", stdout=out)
    assert error.value.returncode == 1
    assert out.getvalue().startswith("Live: mail leaves this machine.")
    assert "→ Set BASE_URL to the public address" in out.getvalue()
