import select

import pytest

from outbox.smtp import Broken, Connection, InDoubt, Refused, Unavailable
from tests.sinks import DROP, free_port

CONTENT = b"Message-ID: <1@example.org>\r\nSubject: x\r\n\r\nline\r\n.\r\n..two dots\r\nend"


def begin(connection, to="embassy@example.org"):
    connection.announce("us@example.org", to)
    connection.go_ahead()
    connection.body(CONTENT)


def send(connection, to="embassy@example.org"):
    begin(connection, to)
    connection.dot()
    return connection.answer()


def until_hung_up(connection):
    poll = select.poll()
    poll.register(connection._socket(), select.POLLIN)
    assert poll.poll(5000)


@pytest.fixture(params=["one by one", "pipelining"])
def sink(request, sink):
    sink.pipelining = request.param == "pipelining"
    return sink


@pytest.fixture
def connection():
    with Connection() as connection:
        yield connection


def test_a_message_arrives_byte_for_byte(sink, connection):
    reply = send(connection)

    assert (reply.code, reply.text) == (250, "2.0.0 Taken")
    assert sink.taken[0].content == CONTENT + b"\r\n"
    assert sink.taken[0].mail_from == "us@example.org"


def test_the_server_takes_nothing_before_the_dot(sink, connection):
    begin(connection)
    connection.drop()
    send(connection)

    assert len(sink.taken) == 1


def test_the_dot_goes_out_with_the_next_announcement(sink, connection):
    begin(connection)
    connection.dot()
    connection.announce("us@example.org", "second@example.org")

    assert connection.answer().code == 250
    connection.go_ahead()
    connection.body(CONTENT)
    connection.dot()
    assert connection.answer().code == 250
    assert [taken.rcpt_tos for taken in sink.taken] == [["embassy@example.org"], ["second@example.org"]]
    assert sink.connections == 1


def test_a_message_refused_at_its_dot_does_not_disturb_the_announced_one(sink, connection):
    sink.on_data = lambda rcpt, content: "554 spam" if rcpt == "embassy@example.org" else None
    begin(connection)
    connection.dot()
    connection.announce("us@example.org", "second@example.org")

    with pytest.raises(Refused):
        connection.answer()
    connection.go_ahead()
    connection.body(CONTENT)
    connection.dot()
    assert connection.answer().code == 250


def test_a_message_without_an_answer_does_not_take_the_announced_one_with_it(sink, connection):
    sink.drop_after_taking = lambda rcpt: rcpt == "embassy@example.org"
    begin(connection)
    connection.dot()
    connection.announce("us@example.org", "second@example.org")

    with pytest.raises(InDoubt):
        connection.answer()
    connection.go_ahead()
    connection.body(CONTENT)
    connection.dot()
    assert connection.answer().code == 250
    assert [taken.rcpt_tos[0] for taken in sink.taken] == ["embassy@example.org", "second@example.org"]


def test_many_messages_share_one_connection(sink, connection):
    for _ in range(5):
        send(connection)

    assert len(sink.taken) == 5
    assert sink.connections == 1


@pytest.mark.parametrize("code", ["451", "550"])
def test_a_refused_recipient_does_not_disturb_the_next(sink, connection, code):
    sink.on_rcpt = lambda rcpt: f"{code} no" if rcpt.startswith("bad") else None

    with pytest.raises(Refused) as refused:
        send(connection, to="bad@example.org")
    send(connection)

    assert refused.value.reply.code == int(code)
    assert len(sink.taken) == 1
    assert sink.connections == 1


def test_a_message_refused_after_its_dot_is_certainly_refused(sink, connection):
    sink.on_data = lambda rcpt, content: "554 spam"

    with pytest.raises(Refused) as refused:
        send(connection)

    assert refused.value.reply.code == 554


@pytest.mark.parametrize(
    "wrong", [{"EMAIL_HOST": "mail..example.org"}, {"EMAIL_HOST_USER": "us", "EMAIL_HOST_PASSWORD": "schlüssel"}]
)
def test_settings_that_smtp_cannot_use_make_no_server(sink, connection, settings, wrong):
    sink.auth = True
    for name, value in wrong.items():
        setattr(settings, name, value)

    with pytest.raises(Unavailable, match="EMAIL_URL"):
        send(connection)


@pytest.mark.parametrize("code", ["451", "550"])
def test_a_refusal_stands_if_the_server_hangs_up_after_it(sink, connection, code):
    def refuse(rcpt):
        sink.hang_up()
        return f"{code} no, and goodbye"

    sink.on_rcpt = refuse

    with pytest.raises(Refused) as refused:
        begin(connection)

    assert refused.value.reply.code == int(code)
    sink.on_rcpt = lambda rcpt: None
    assert send(connection).code == 250


@pytest.mark.parametrize("nonsense", ["25 OK", "45 no", "2", "699 no"])
def test_a_number_that_is_no_code_says_nothing(sink, connection, nonsense):
    sink.on_data = lambda rcpt, content: nonsense
    with pytest.raises(InDoubt):
        send(connection)

    sink.on_rcpt = lambda rcpt: nonsense
    with pytest.raises(Broken):
        begin(connection)


def test_a_break_before_the_dot_is_certain(sink, connection):
    sink.on_rcpt = lambda rcpt: DROP

    with pytest.raises((Broken, Refused)):
        begin(connection)

    sink.on_rcpt = lambda rcpt: None
    assert send(connection).code == 250


def test_a_server_that_hangs_up_before_the_dot_has_not_taken_the_message(sink, connection):
    begin(connection)
    sink.hang_up()
    until_hung_up(connection)

    with pytest.raises(Broken):
        connection.dot()


def test_no_answer_after_the_dot_is_in_doubt(sink, connection):
    sink.drop_after_taking = lambda rcpt: True

    with pytest.raises(InDoubt):
        send(connection)

    sink.drop_after_taking = lambda rcpt: False
    assert send(connection).code == 250


def test_a_slow_answer_is_in_doubt(sink, connection, settings):
    settings.OUTBOX_SMTP_TIMEOUT_SECONDS = 0.2
    sink.delay = 1

    with pytest.raises(InDoubt):
        send(connection)


def test_a_kept_connection_that_was_dropped_is_opened_again(sink, connection):
    send(connection)
    sink.on_mail = lambda address: DROP if sink.connections == 1 else None

    assert send(connection).code == 250
    assert sink.connections == 2


def test_a_server_that_refuses_our_sender_is_to_blame_not_the_message(sink, connection):
    sink.on_mail = lambda address: "550 you are not welcome"

    with pytest.raises(Unavailable, match="you are not welcome"):
        send(connection)


def test_no_server_is_unavailable(connection, settings):
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()

    with pytest.raises(Unavailable):
        send(connection)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"])
def test_the_sandbox_sends_to_no_other_machine(connection, settings, host):
    settings.EMAIL_HOST = host

    with pytest.raises(Unavailable, match="sandbox"):
        send(connection)


def test_a_server_without_tls_gets_nothing_where_tls_is_asked_for(sink, connection, settings):
    settings.EMAIL_USE_TLS = True

    with pytest.raises(Unavailable, match="STARTTLS"):
        send(connection)

    assert sink.taken == []


def test_an_address_with_a_line_end_is_no_command(sink, connection):
    with pytest.raises(ValueError, match="one line"):
        begin(connection, "a@example.org>\r\nRCPT TO:<b@example.org")

    assert sink.taken == []
