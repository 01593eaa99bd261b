import json
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from django.urls import reverse

from outbox import mailbox
from tests.factories import OrganiserFactory

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def empty_mailbox(settings, tmp_path):
    settings.VAR_DIR = tmp_path


def keep(to="nora@example.org", subject="Please confirm", text="Open https://solidarity.example.org/confirm/x/\n"):
    message = EmailMessage()
    message["To"], message["Subject"] = to, subject
    message.set_content(text)
    return mailbox.keep("letters@example.org", [to], message.as_bytes(), NOW)


def test_messages_are_numbered_upwards_and_listed_newest_first():
    assert [keep(), keep(), keep()] == [1, 2, 3]
    assert [mail.id for mail in mailbox.caught()] == [3, 2, 1]


def test_only_the_newest_are_kept_and_numbers_are_not_used_again(monkeypatch):
    monkeypatch.setattr(mailbox, "KEPT", 2)
    assert [keep(), keep(), keep(), keep()] == [1, 2, 3, 4]
    assert [mail.id for mail in mailbox.caught()] == [4, 3]


def test_headers_and_text_are_decoded_and_a_doubled_header_is_seen_as_such():
    raw = (
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nReply-To: a@example.org\r\nreply-to: b@example.org\r\n"
        b"Message-ID: <1@example.org>\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\nQu=C3=A9?\r\n"
    )
    mailbox.keep("letters@example.org", ["nora@example.org"], raw, NOW)
    (mail,) = mailbox.caught()
    assert mail.headers["Subject"] == "Grüße"
    assert mail.headers["Reply-To"] == "a@example.org\nb@example.org"
    assert mail.headers["Message-ID"] == "<1@example.org>"
    assert mail.text == "Qué?\r\n"


def test_headers_that_were_folded_are_joined_as_they_were():
    raw = (
        b"From: =?utf-8?b?0L3QtdGE0YLRj9C90Lg=?=\r\n =?utf-8?b?0LrQsNC80Lg=?=\r\n <letters@example.org>\r\n"
        b"Subject: \r\n =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-Odd: =?klingon?q?x?=\r\nX-Raw: \xff\r\n\r\n"
    )
    mailbox.keep("letters@example.org", ["nora@example.org"], raw, NOW)
    (mail,) = mailbox.caught()
    assert mail.headers == {
        "From": "нефтяниками <letters@example.org>",
        "Subject": "Grüße",
        "X-Odd": "=?klingon?q?x?=",
        "X-Raw": "\ufffd",
    }


@pytest.mark.parametrize("content_type", [b"text/plain; charset=klingon", b"application/pdf", b"multipart/mixed"])
def test_a_body_that_cannot_be_decoded_is_shown_as_it_came(content_type):
    mailbox.keep("", ["nora@example.org"], b"Content-Type: " + content_type + b"\r\n\r\n\xff\xfe", NOW)
    (mail,) = mailbox.caught()
    assert mail.text


def test_scripts_get_the_messages_oldest_first(client):
    keep(to="a@example.org", subject="First")
    keep(to="b@example.org", subject="Second")
    mails = client.get("/dev/mailbox.json").json()
    assert [(mail["id"], mail["headers"]["Subject"], mail["rcpt_tos"]) for mail in mails] == [
        (1, "First", ["a@example.org"]),
        (2, "Second", ["b@example.org"]),
    ]
    assert set(mails[0]) == {"id", "mail_from", "rcpt_tos", "received_at", "headers", "text"}
    assert [mail["id"] for mail in client.get("/dev/mailbox.json?to=B@example.org").json()] == [2]


@pytest.mark.django_db
def test_the_page_shows_messages_with_links_that_work_and_escapes_the_rest(client):
    keep(subject="<b>News</b>")
    page = client.get(reverse("outbox:mailbox")).content.decode()
    assert 'href="https://solidarity.example.org/confirm/x/"' in page
    assert "&lt;b&gt;News&lt;/b&gt;" in page
    assert "busy…@example.org" in page


@pytest.mark.django_db
def test_a_live_instance_has_no_mailbox(client, settings):
    settings.MAIL_LIVE = True
    assert client.get(reverse("outbox:mailbox")).status_code == 404
    assert client.get("/dev/mailbox.json").status_code == 404


@pytest.mark.django_db
def test_a_sandbox_on_a_public_server_shows_the_mailbox_to_organisers_alone(client, settings):
    settings.DEVELOPMENT = False
    assert client.get("/dev/mailbox.json").status_code == 404
    client.force_login(OrganiserFactory(is_staff=False, is_superuser=False))
    assert client.get("/dev/mailbox.json").status_code == 404
    client.force_login(OrganiserFactory())
    assert client.get("/dev/mailbox.json").status_code == 200


def test_a_file_that_a_newer_mail_has_pushed_out_is_passed_over(monkeypatch):
    keep(), keep()
    monkeypatch.setattr(mailbox, "_numbers", lambda: [1, 2, 3])
    assert [mail.id for mail in mailbox.caught()] == [2, 1]


def test_a_message_is_one_file_that_a_person_can_read(settings):
    keep(subject="Readable")
    (file,) = (settings.VAR_DIR / "mailbox").iterdir()
    assert "Subject: Readable" in json.loads(file.read_text())["raw"]
