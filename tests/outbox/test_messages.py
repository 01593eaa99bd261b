import email
from email import policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.messages import one_line, plain_text
from privacy.fields import UNREADABLE

PARTS = {
    "to": "embassy@example.org",
    "subject": "Free her",
    "body": "Dear Ambassador,\n\nfree her.\n",
    "message_id": "<1@example.org>",
    "from_name": "Nora Berg",
}


def parsed(**parts):
    return email.message_from_bytes(plain_text(**{**PARTS, **parts}).as_bytes(), policy=policy.default)


def test_a_letter_comes_from_the_campaign_and_answers_go_to_it(settings):
    settings.MAIL_FROM, settings.MAIL_REPLY_TO = "letters@campaign.example.org", "office@campaign.example.org"

    message = parsed()

    assert message["From"] == "Nora Berg <letters@campaign.example.org>"
    assert message["Reply-To"] == "office@campaign.example.org"
    assert message["Message-ID"] == "<1@example.org>"
    assert message["Date"].datetime is not None
    assert text_of(message) == PARTS["body"]


def text_of(message):
    return message.get_content().replace("\r\n", "\n")


@pytest.mark.parametrize(
    "name",
    [
        '"x" <v@v.org>,',
        "a\r\nBcc: v@v.org",
        "a\nTo: v@v.org",
        "a\x0bb",
        "a\x0cb",
        "a\x1cb",
        "a\u2028Bcc: v@v.org",
        "a, b@v.org",
        "Ünal =?utf-8?q?=0ABcc:_v@v.org?=",
        "x" * 10_000,
        'Ünal, "x" <v@v.org>, ' * 20,
        '"x" <v@v.org>, ' * 20,
        "\\",
        '"',
        "\x00",
        "\ud800",
        "",
    ],
)
def test_no_name_adds_a_recipient_or_a_header(name):
    message = parsed(from_name=name, to_name=name, subject=name)

    assert len(message["To"].addresses) == 1
    assert message["To"].addresses[0].addr_spec == "embassy@example.org"
    assert len(message["From"].addresses) == 1
    assert len(message.get_all("Reply-To")) == 1
    assert len(message["Reply-To"].addresses) == 1
    assert {name.lower() for name, _value in message.items()} == {
        "from",
        "to",
        "reply-to",
        "subject",
        "date",
        "message-id",
        "content-type",
        "content-transfer-encoding",
        "mime-version",
    }


def test_other_scripts_and_long_lines_arrive_whole():
    body = "Сәлеметсіз бе! " * 200 + "\n.\n..dots\nO'Brien\n"

    message = plain_text(**{**PARTS, "body": body, "from_name": "Жанна", "subject": "Босатыңыздар!"})

    assert max(len(line) for line in message.as_bytes().split(b"\r\n")) <= 998
    assert message.as_bytes().isascii()
    again = email.message_from_bytes(message.as_bytes(), policy=policy.default)
    assert text_of(again) == body
    assert again["Subject"] == "Босатыңыздар!"
    assert again["From"].addresses[0].display_name == "Жанна"


def test_a_domain_in_other_letters_is_sent_in_ascii():
    assert parsed(to="embassy@bücher.example.org")["To"] == "embassy@xn--bcher-kva.example.org"


@pytest.mark.parametrize("address", ["", "nobody", "a@b@c", "a@example.org, v@v.org", "a@example.org\r\nBcc: v@v.org"])
def test_what_is_not_one_address_is_refused(address):
    with pytest.raises(ValueError):  # noqa: PT011 - the email package's own kinds of it
        plain_text(**{**PARTS, "to": address})


def test_one_line_keeps_the_words():
    assert one_line(" a\x0bb\r\n c\t") == "a b c"


TYPED = st.text(max_size=200).filter(lambda text: "\ufffd" not in text)  # which privacy.typed lets nobody type


@given(name=TYPED | st.text(alphabet='"<>@,:;()[]\\= ?_qQbBaä\r\n\x0b', max_size=200))
def test_whatever_is_typed_stays_in_its_place(name):
    message = parsed(from_name=name, to_name=name, subject=name)

    assert [address.addr_spec for address in message["To"].addresses] == ["embassy@example.org"]
    assert len(message["From"].addresses) == 1
    assert len(message.items()) == 9
    assert " ".join(message["Subject"].split()) == one_line(name)


def test_a_folded_header_begins_on_its_own_line():
    head = plain_text(**{**PARTS, "subject": "Босатыңыздар! " * 10, "from_name": "x" * 200}).as_bytes()

    assert not any(line.rstrip().endswith(b":") for line in head.split(b"\r\n\r\n")[0].split(b"\r\n"))


def test_a_header_is_one_header():
    message = plain_text(**PARTS)

    with pytest.raises(ValueError, match="X-Test"):
        message["X-Test"] = "a\r\nBcc: v@v.org"
    with pytest.raises(ValueError, match="X-Test"):
        message["X-Test"] = "ä"


@pytest.mark.parametrize("part", ["body", "subject", "from_name"])
def test_nothing_is_sent_that_could_not_be_decrypted(part):
    with pytest.raises(ValueError, match="decrypted"):
        plain_text(**{**PARTS, part: f"x {UNREADABLE}"}).as_bytes()
