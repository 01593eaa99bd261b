"""The crowd counts what a server answers, and what it does not."""

import socket
import threading
from contextlib import contextmanager

import pytest

from bench.crowd import Crowd, Plan, get, percentile, post, send

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@contextmanager
def server(*answers):
    """Answer the n-th request with the n-th of `answers`, the last one from then on; close where it is empty."""
    taken = []

    def talk(client):
        with client:
            while piece := client.recv(65536):
                taken.append(piece)
                answer = answers[min(len(taken), len(answers)) - 1]
                if not answer:
                    return
                client.sendall(answer)

    def listen():
        while True:
            try:
                client, _address = listening.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=[client], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=listen, daemon=True).start()
        yield listening.getsockname()[1], taken
        listening.shutdown(socket.SHUT_RDWR)


def test_it_sends_everything_over_kept_connections_from_a_process_of_its_own():
    with server(OK) as (port, taken):
        found = send(Plan(port, [get("/", Host="example.org")] * 120, connections=2))

    assert [answer.status for answer in found.answers] == [200] * 120
    assert taken[0] == b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"
    assert found.per_second > 0
    assert 0 < percentile(found.answers, 0.5) <= percentile(found.answers, 0.99)


@pytest.mark.parametrize(
    ("answer", "status", "marked", "retry_after"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwell\r\n0\r\n\r\n", 200, True, False),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", 304, False, False),
        (b"HTTP/1.1 503 Away\r\nRetry-After: 5\r\nContent-Length: 4\r\n\r\nwell", 503, True, True),
        (b"", 0, False, False),
    ],
)
def test_it_notes_status_and_words_and_when_to_come_again(answer, status, marked, retry_after):
    with server(answer) as (port, _taken):
        plan = Plan(port, [post("/", {"a": "b"}, mark=b"well")], connections=1)
        (noted,) = Crowd(plan).run().answers

    assert (noted.status, noted.marked, noted.retry_after) == (status, marked, retry_after)


def test_an_answer_without_a_body_ends_with_its_head():
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n") as (port, _taken):
        found = Crowd(Plan(port, [get("/", method="HEAD")] * 3, connections=1)).run()

    assert [answer.status for answer in found.answers] == [200] * 3


@pytest.mark.parametrize("by_the_clock", [False, True])
def test_a_connection_that_the_server_has_closed_costs_no_request(by_the_clock):
    requests = [get("/", due=number / 4) for number in range(3)]
    with server(OK, b"", OK) as (port, taken):
        found = Crowd(Plan(port, requests, connections=1, by_the_clock=by_the_clock)).run()

    assert [answer.status for answer in found.answers] == [200] * 3
    assert len(taken) == 4  # one was sent again


def test_by_the_clock_a_late_answer_counts_from_when_it_was_due():
    requests = [get("/", due=0.0), get("/", due=0.05)]
    with server(OK) as (port, _taken):
        found = Crowd(Plan(port, requests, by_the_clock=True)).run()

    assert found.seconds >= 0.05
    assert [round(answer.at, 2) for answer in found.answers] == [0.0, 0.05]


def test_nobody_there_is_noted_as_no_answer():
    with server(OK) as (port, _taken):
        pass

    found = Crowd(Plan(port, [get("/", due=0.0), get("/", due=0.01)], by_the_clock=True)).run()

    assert [answer.status for answer in found.answers] == [0, 0]
