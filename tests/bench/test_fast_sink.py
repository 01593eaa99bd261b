import smtplib

import pytest

from bench.sinking import CannotRun, sink


@pytest.fixture
def own_sink(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.sinking.smtp_sink", lambda: None)
    with sink(tmp_path) as running:
        yield running


def test_it_takes_messages_over_one_connection_and_counts_them(own_sink):
    with smtplib.SMTP("127.0.0.1", own_sink.port) as client:
        client.ehlo()
        assert client.has_extn("pipelining")
        for body in (b"Subject: one\r\n\r\n.a dot\r\n", b"", b"Subject: three\r\n\r\nQUIT\r\n"):
            assert client.sendmail("a@example.org", ["b@example.org"], body) == {}

    own_sink.check(3)


def test_it_answers_each_command_of_a_pipeline(own_sink):
    with smtplib.SMTP("127.0.0.1", own_sink.port) as client:
        client.ehlo()
        client.send(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
        assert [client.getreply()[0] for _ in range(3)] == [250, 250, 354]
        client.send(b"one\r\n.\r\nMAIL FROM:<a@example.org>\r\n")
        assert [client.getreply()[0] for _ in range(2)] == [250, 250]


def test_another_number_than_was_recorded_stops_the_bench(own_sink):
    with pytest.raises(CannotRun, match="took 0 messages, and 1 were recorded"):
        own_sink.check(1)


def test_a_sink_that_cannot_be_run_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SMTP_SINK", "/nowhere/smtp-sink")
    with pytest.raises(CannotRun, match="SMTP_SINK cannot be run"), sink(tmp_path):
        pass
