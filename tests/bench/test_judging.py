"""The drill's own judgement, and that it can fail."""

import smtplib
import time
from contextlib import contextmanager

import pytest

from bench.drill import Outcome, table
from bench.judging import judge
from bench.recording import Manners, Record, RecordingSink
from outbox.models import State
from tests.sinks import free_port


def record(*taken, dropped=()):
    found = Record()
    for message_id in taken:
        found.add({"what": "taken", "id": message_id, "to": "embassy@example.org"})
    for message_id in dropped:
        found.add({"what": "dropped", "id": message_id, "taken": message_id in taken})
    return found


class TestJudging:
    def test_what_was_accepted_and_taken_once_is_neither_lost_nor_twice(self):
        verdict = judge({"a"}, {"a": State.ACCEPTED}, record("a"))

        assert not (verdict.lost | verdict.twice | verdict.unsettled | verdict.in_doubt)

    @pytest.mark.parametrize("state", [State.FAILED, State.BOUNCED, State.CANCELLED])
    def test_what_was_given_up_although_nobody_refused_it_is_lost(self, state):
        assert judge({"a"}, {"a": state}, record()).lost == {"a"}
        assert not judge({"a"}, {"a": state}, record(), refused={"a"}).lost

    def test_what_is_called_accepted_and_was_never_taken_is_lost(self):
        assert judge({"a", "b"}, {"a": State.ACCEPTED, "b": State.ACCEPTED}, record("b")).lost == {"a"}

    def test_a_letter_without_a_row_is_lost_even_if_it_was_taken(self):
        assert judge({"a"}, {}, record("a")).lost == {"a"}

    @pytest.mark.parametrize("state", State)
    def test_what_was_taken_twice_is_seen_whatever_the_row_says(self, state):
        assert judge({"a"}, {"a": state}, record("a", "b", "a")).twice == {"a"}

    @pytest.mark.parametrize("state", [State.QUEUED, State.SENDING, State.DEFERRED])
    def test_what_still_waits_is_unsettled_and_not_lost(self, state):
        verdict = judge({"a"}, {"a": state}, record())

        assert verdict.unsettled == {"a"}
        assert not verdict.lost

    def test_a_doubt_is_put_down_to_the_drop_or_else_to_a_kill(self):
        rows = {"a": State.IN_DOUBT, "b": State.IN_DOUBT, "c": State.IN_DOUBT}
        verdict = judge(set(rows), rows, record("a", "c", dropped=["a", "b"]))

        assert verdict.doubtful_by_drops == {"a", "b"}
        assert verdict.doubtful_by_kills == {"c"}
        assert verdict.in_doubt == set(rows)
        assert not verdict.lost


def test_the_table_says_which_drill_failed_and_why():
    said = table([Outcome("kills", 5000, in_doubt=31, settled_after=2.04), Outcome("down", failures=["2 were lost"])])

    assert "5,000" in said
    assert "2.0 s     yes" in said
    assert said.splitlines()[3].endswith("NO")
    assert said.endswith("down: FAILED: 2 were lost")


class TestRecordingSink:
    @pytest.fixture
    def sink(self, tmp_path):
        sink = RecordingSink(free_port(), tmp_path / "record", wait)
        yield sink
        sink.end()

    @contextmanager
    def client(self, sink):
        with smtplib.SMTP("127.0.0.1", sink.port, timeout=20) as client:
            client.ehlo()
            yield client

    def group(self, client, *lines):
        """Send several commands at once; return the codes of the answers."""
        client.send(b"".join(line + b"\r\n" for line in lines))
        return [client.getreply()[0] for line in lines if line[:4] in (b"MAIL", b"RCPT", b"DATA", b".", b"QUIT")]

    def test_a_group_may_end_one_message_and_begin_the_next(self, sink):
        sink.behave(Manners(keep=True))
        begin = (b"MAIL FROM:<a@example.org>", b"RCPT TO:<b@example.org>", b"DATA")
        with self.client(sink) as client:
            assert self.group(client, *begin) == [250, 250, 354]
            assert self.group(client, b"Message-ID: <1@example.org>", b"", b"..", b".", *begin) == [250, 250, 250, 354]
            assert self.group(client, b"Message-Id: <2@example.org>", b"", b".", b"QUIT") == [250, 221]
            client.close()

        assert sink.read().taken == {"<1@example.org>": 1, "<2@example.org>": 1}
        assert sink.read().contents[0] == b"Message-ID: <1@example.org>\r\n\r\n.\r\n"

    def test_what_breaks_off_before_the_final_dot_is_not_taken(self, sink):
        sink.behave(Manners())
        with self.client(sink) as client:
            self.group(client, b"MAIL FROM:<a@example.org>", b"RCPT TO:<b@example.org>", b"DATA")
            client.send(b"Message-ID: <1@example.org>\r\n\r\n.\r")
            client.close()
        self.send(sink, 2)

        assert sink.read().taken == {"<2@example.org>": 1}

    def test_half_of_the_dropped_messages_were_taken_and_each_is_written_down(self, sink):
        sink.behave(Manners(drop=1))
        for number in range(40):
            with pytest.raises(smtplib.SMTPServerDisconnected):
                self.send(sink, number)

        assert len(sink.read().dropped) == 40
        assert 5 < len(sink.read().taken) < 35

    def test_it_puts_off_refuses_is_busy_and_does_not_listen_as_told(self, sink):
        sink.behave(Manners(put_off=1, refuse="c@example.org"))
        with self.client(sink) as client:
            begin = (b"MAIL FROM:<a@example.org>", b"RCPT TO:<b@example.org>", b"RCPT TO:<c@example.org>", b"DATA")
            assert self.group(client, *begin) == [250, 451, 550, 503]
        sink.behave(Manners(busy=True))
        with pytest.raises(smtplib.SMTPConnectError) as busy:
            self.send(sink, 1)
        assert busy.value.smtp_code == 421
        sink.behave(Manners(listening=False))
        with pytest.raises(ConnectionRefusedError):
            self.send(sink, 1)
        sink.behave(Manners())
        self.send(sink, 1)

        assert sink.read().answers == {"a@example.org": [451, 550, 250]}
        assert sink.read().busy == 1

    def send(self, sink, number):
        with self.client(sink) as client:
            client.sendmail("a@example.org", ["b@example.org"], f"Message-ID: <{number}@example.org>\r\n\r\nFree her.")


def wait(true, otherwise):
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.01)
