import random
import stat
from email import message_from_bytes, policy
from io import StringIO
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from outbox import dkim_signing, engine
from outbox.checks import every_dkim_key_is_usable
from outbox.dkim_signing import KeyUnusable, relaxed_body, relaxed_header, sign, signers
from outbox.messages import plain_text
from outbox.models import State
from protests.models import Delivery
from tests.factories import DeliveryFactory

DOMAIN = "solidarity.example.org"
# What people, and mail programs, put into a body to break a signature.
PIECES = [
    "",
    " ",
    "\t",
    " \t ",
    ".",
    "..",
    "a  b\tc ",
    "Сәлем!",
    "From here",
    "-- ",
    "=20",
    "x" * 1200,
    "–",
    "\u2028",
    "\r",
]
LINES = st.lists(st.sampled_from(PIECES) | st.text(max_size=40), max_size=12)


@pytest.fixture(scope="session")
def key_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dkim")
    for selector, kind in (("rsa", ["--rsa"]), ("ed", [])):
        call_command("make_dkim_key", selector, *kind, "--file", folder / f"{selector}.pem", stdout=StringIO())
    return {selector: str(folder / f"{selector}.pem") for selector in ("rsa", "ed")}


@pytest.fixture
def keys(key_files, settings):
    settings.DKIM_KEYS, settings.DKIM_DOMAIN = list(key_files.items()), DOMAIN
    return key_files


def record(name, timeout=5):
    """Answers as DNS would, with what the operator was told to publish."""
    return next(
        (signer.record.encode() for signer in signers() if f"{signer.record_name}." == name.decode()),
        None,
    )


def verified(content):
    """How many signatures of the message hold, by a program that is not ours; the message as a server took it."""
    message = dkim.DKIM(content if content.endswith(b"\r\n") else content + b"\r\n")
    signatures = [name for name, _value in message.headers if name.lower() == b"dkim-signature"]
    return sum(holds(message, number) for number in range(len(signatures)))


def holds(message, number):
    try:
        return message.verify(idx=number, dnsfunc=record)
    except dkim.ValidationError:  # of the body; of the header it says False
        return False


def letter(**parts):
    given = {"to": "embassy@example.org", "subject": "Free her", "body": "Free her.\n", "from_name": "Nora Berg"}
    return plain_text(message_id="<1@solidarity.example.org>", **{**given, **parts})


def a_thousand_letters():
    chance = random.Random(6376)  # noqa: S311
    names = ["Nora Berg", "Жанна Байтелева", 'Ünal, "Ü" <v@v.org>', "O'Brien", "x" * 300, "李 明", "=?utf-8?q?a?=", ""]
    for number in range(1000):
        lines = [chance.choice([*PIECES, f"Dear Ambassador {number},"]) for _ in range(chance.randrange(9))]
        message = letter(
            from_name=chance.choice(names),
            to_name=chance.choice(names),
            subject=chance.choice(["Free her", "Free  her\t now ", "Босатыңыздар! " * 20, "a " * 200, ""]),
            body="\n".join(lines) + "\n" * chance.randrange(4),
        )
        if number % 3 == 0:
            message["Auto-Submitted"] = "auto-generated"
        if number % 5 == 0:
            message["List-Unsubscribe"] = f"<https://{DOMAIN}/unsubscribe/{number}/>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        yield message.as_bytes()


def test_a_thousand_of_a_thousand_letters_verify_under_both_keys(keys):
    assert [verified(sign(content)) for content in a_thousand_letters()] == [2] * 1000


@given(lines=LINES, end=st.sampled_from(["", "\n", "\n\n\n", " \n\t\n", "\n "]), name=st.text(max_size=80))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_typed_verifies(keys, lines, end, name):
    message = letter(body="\n".join(lines) + end, from_name=name, to_name=name, subject=name)
    assert verified(sign(message.as_bytes())) == 2


@given(body=st.text(alphabet=" \t.aä\n", max_size=60), value=st.text(alphabet=" \tab:;", max_size=30))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_blanks_anywhere_in_body_and_header_verify(keys, body, value):
    raw = body.replace("\n", "\r\n").encode()
    head = f"From: a@{DOMAIN}\r\nSUBJECT:{value}\r\n\t x  y \r\nTo:b@example.org\r\n\r\n".encode()
    assert verified(sign(head + raw)) == 2


@pytest.mark.parametrize(
    ("body", "canonical"),
    [
        (b"", b""),
        (b"\r\n\r\n", b""),
        (b" \r\n\t\r\n", b""),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n"),  # RFC 6376, 3.4.5
        (b"a", b"a\r\n"),
        (b"a \t", b"a\r\n"),
        (b"\r\n\r\na\r\n", b"\r\n\r\na\r\n"),
    ],
)
def test_a_relaxed_body(body, canonical):
    assert relaxed_body(body) == canonical


@pytest.mark.parametrize(
    ("field", "canonical"), [(b"A: X", b"a:X"), (b"B : Y\t\r\n\tZ  ", b"b:Y Z"), (b"C:", b"c:"), (b"D: \r\n ", b"d:")]
)
def test_a_relaxed_header(field, canonical):
    assert relaxed_header(field) == canonical


def test_a_long_row_of_blanks_takes_no_time(keys):
    body = b"a" + b" " * 500_000 + b"b\r\n" + b"\r\n" * 50_000
    assert relaxed_body(body) == b"a b\r\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.replace(b"Free her.", b"Jail her."),
        lambda content: content.replace(b"Subject: Free", b"Subject: Jail"),
        lambda content: content.replace(b"Nora", b"Vera"),
        lambda content: b"Subject: Another\r\n" + content,
        lambda content: b"From: minister@example.org\r\n" + content,
        lambda content: b"List-Unsubscribe: <https://example.org/>\r\n" + content,
        lambda content: b"Cc: x@example.org\r\nReply-To: x@example.org\r\n" + content,
        lambda content: content + b"More.\r\n",
    ],
)
def test_a_changed_letter_does_not_verify(keys, change):
    signed = sign(letter().as_bytes())
    changed = change(signed)
    assert changed != signed
    assert verified(changed) == 0


def test_signatures_stand_first_in_short_lines_and_name_the_campaigns_domain(keys):
    signed = sign(letter().as_bytes())
    head = signed.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")
    assert head[0].startswith("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;")
    assert max(map(len, head)) <= 78
    fields = message_from_bytes(signed, policy=policy.default).get_all("DKIM-Signature")
    assert [("d=solidarity.example.org; s=rsa;" in fields[0]), ("s=ed;" in fields[1])] == [True, True]


def test_without_a_key_a_message_stays_as_it_is(settings):
    settings.DKIM_KEYS = []
    assert sign(b"From: a\r\n\r\nb") == b"From: a\r\n\r\nb"


@pytest.mark.django_db(transaction=True)
def test_what_leaves_is_signed(keys, sink):
    DeliveryFactory(signature__own_words="..dots\n.\n and  blanks \n\n\n", signature__name="Жанна")
    engine.send_due(Delivery)
    assert [verified(taken.content) for taken in sink.taken] == [2]


@pytest.mark.django_db(transaction=True)
def test_a_key_that_is_missing_lets_nothing_leave_and_blames_no_letter(sink, settings, tmp_path, caplog):
    settings.DKIM_KEYS = [("gone", str(tmp_path / "gone.pem"))]
    mail = DeliveryFactory()
    assert engine.send_due(Delivery) is None
    mail.refresh_from_db()
    assert (mail.state, mail.attempts, sink.taken) == (State.QUEUED, 0, [])
    assert "gone.pem cannot be read: No such file" in caplog.text


def written(path, key, encryption=None):
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    path.chmod(0o600)
    return str(path)


def test_what_is_no_usable_key_is_refused_in_plain_words(tmp_path):
    good = rsa.generate_private_key(65537, 1024)  # noqa: S505 - quick to make
    (tmp_path / "text").write_text("no key")
    for path, words in (
        (tmp_path / "text", "not a private key in PEM"),
        (tmp_path, "cannot be read"),
        (written(tmp_path / "curve", ec.generate_private_key(ec.SECP256R1())), "neither an RSA nor an ed25519"),
        (written(tmp_path / "locked", good, BestAvailableEncryption(b"secret")), "without a password"),
    ):
        with pytest.raises(KeyUnusable, match=words):
            dkim_signing.load("s", str(path), DOMAIN)
    assert dkim_signing.load("s", written(tmp_path / "small", good), DOMAIN).kind == "rsa"


def test_the_command_makes_a_key_that_is_its_owners_alone_and_prints_its_record(tmp_path, settings):
    settings.VAR_DIR, settings.DKIM_DOMAIN = tmp_path, DOMAIN
    out = StringIO()
    call_command("make_dkim_key", "s2026", "--rsa", stdout=out)
    path = tmp_path / "dkim" / "s2026.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    signer = dkim_signing.load("s2026", str(path), DOMAIN)
    line = next(line for line in out.getvalue().splitlines() if " IN TXT " in line)
    assert line.startswith('s2026._domainkey.solidarity.example.org. IN TXT "v=DKIM1; k=rsa; p=')
    strings = line.split('"')[1::2]
    assert "".join(strings) == signer.record
    assert max(map(len, strings)) <= 255
    assert f"DKIM_KEY_FILE=s2026:{path}" in out.getvalue()


def test_the_command_never_overwrites_a_key(tmp_path):
    path = tmp_path / "key.pem"
    path.write_text("mine")
    with pytest.raises(CommandError, match="never overwritten"):
        call_command("make_dkim_key", "s", "--file", path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("selector", ["", "a-", "a b", "a/../b", "ü", "a..b"])
def test_the_command_takes_no_selector_that_dns_would_not(selector, tmp_path):
    with pytest.raises(CommandError, match="cannot be a selector"):
        call_command("make_dkim_key", selector, "--file", tmp_path / "key.pem")


def test_the_command_says_when_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="Cannot write"):
        call_command("make_dkim_key", "s", "--file", tmp_path / "file" / "key.pem")


def test_the_system_check_takes_good_keys_and_none(keys, settings):
    assert every_dkim_key_is_usable() == []
    settings.DKIM_KEYS = []
    assert every_dkim_key_is_usable() == []


def test_the_system_check_finds_keys_that_are_missing_or_open_to_others(settings, tmp_path, key_files):
    path = tmp_path / "open.pem"
    path.write_bytes(Path(key_files["ed"]).read_bytes())
    path.chmod(0o644)
    settings.DKIM_KEYS = [("open", str(path)), ("gone", str(tmp_path / "gone.pem"))]
    found = every_dkim_key_is_usable()
    assert [error.id for error in found] == ["outbox.E003", "outbox.E002"]
    assert "open to every user" in found[0].msg
    assert "cannot be read" in found[1].msg
