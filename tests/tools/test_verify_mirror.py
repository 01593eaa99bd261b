"""Whoever checks a copy finds what is wrong with it, and is told so in plain words."""

import ast
import hashlib
import json
import os
import random
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.mirrors import flipped_unseen
from tests.sizes import on_one_database
from tests.tools.mirrors import IBAN, OTHER_IBAN, PAGES, sign_bytes, write
from tools import sign_mirror
from tools import verify_mirror as verify

pytestmark = on_one_database

TODAY = date(2026, 11, 3)
PROGRAM = Path(verify.__file__)


@pytest.fixture
def key_file(tmp_path):
    file = tmp_path / "secret"
    sign_mirror.make_key(file)
    return file


@pytest.fixture
def key(key_file):
    return sign_mirror.read_secret_key(key_file)[0]


@pytest.fixture
def mirror(tmp_path, key_file):
    folder = tmp_path / "mirror"
    folder.mkdir()
    write(folder)
    sign_mirror.sign(folder, key_file)
    return folder


def kinds(mirror, key, today=TODAY, **more):
    return sorted(finding.kind for finding in verify.check(str(mirror), key, today, **more)[1])


def refusal(mirror, key):
    with pytest.raises(verify.Refused) as refused:
        verify.check(str(mirror), key, TODAY)
    return str(refused.value)


def run(*arguments, python=sys.executable):
    return subprocess.run(
        [python, "-I", PROGRAM, *map(str, arguments)], check=False, capture_output=True, text=True, timeout=60
    )


# --- Ed25519 --------------------------------------------------------------------------------------------------------

# RFC 8032, 7.1: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_the_vectors_of_the_rfc_verify_and_nothing_beside_them(key, message, signature):
    key, message, signature = map(bytes.fromhex, (key, message, signature))
    assert verify.is_signed(key, message, signature)
    assert not verify.is_signed(key, message + b".", signature)
    for at in range(0, 64, 7):
        other = bytearray(signature)
        other[at] ^= 1
        assert not verify.is_signed(key, message, bytes(other))


def test_it_agrees_with_the_library_on_many_messages():
    for number in range(10):
        secret = Ed25519PrivateKey.generate()
        message = os.urandom(number * 50)
        assert verify.is_signed(secret.public_key().public_bytes_raw(), message, secret.sign(message))


def test_a_signature_has_one_form_only():
    key, message, signature = (bytes.fromhex(part) for part in VECTORS[1])
    more = (int.from_bytes(signature[32:], "little") + verify.ORDER).to_bytes(32, "little")
    assert not verify.is_signed(key, message, signature[:32] + more)
    assert not verify.is_signed(key, message, signature + b"\0")


# The points of small order, and encodings that stand for one of them a second time.
SMALL = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


@pytest.mark.parametrize("point", SMALL)
def test_a_point_for_which_anybody_can_sign_is_no_key_and_no_part_of_a_signature(point):
    point = bytes.fromhex(point)
    # With such a key, this "signature" of any message would be right for one message in eight, or for all.
    neutral = (1).to_bytes(32, "little") + bytes(32)
    assert not any(verify.is_signed(point, bytes([n]), neutral) for n in range(16))
    assert not verify.is_signed(bytes.fromhex(VECTORS[0][0]), b"", point + bytes(32))
    with pytest.raises(verify.Refused, match="that anybody should trust"):
        verify.read_key(verify.Key(bytes(8), point).text)


# --- minisign -------------------------------------------------------------------------------------------------------

# From the tests of minisign's own library: of "test".
MINISIGN_KEY = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
MINISIGN_SIGNATURE = (
    b"untrusted comment: signature from minisign secret key\n"
    b"RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n"
    b"trusted comment: timestamp:1556193335\tfile:test\n"
    b"y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==\n"
)


def test_a_signature_of_minisigns_own_program_is_read():
    key = verify.read_key(f"untrusted comment: minisign public key\n{MINISIGN_KEY}\n")
    assert verify.check_signature(b"test", MINISIGN_SIGNATURE, key) == "timestamp:1556193335\tfile:test"
    with pytest.raises(verify.Refused, match="does not fit"):
        verify.check_signature(b"Test", MINISIGN_SIGNATURE, key)
    with pytest.raises(verify.Refused, match="comment is not the one"):
        verify.check_signature(b"test", MINISIGN_SIGNATURE.replace(b"1556193335", b"1556193336"), key)


@pytest.mark.parametrize(
    "text", ["", "RWQf", MINISIGN_KEY[:-1], MINISIGN_KEY + "=", "a\nb\n" + MINISIGN_KEY, "RUQ" + MINISIGN_KEY[3:], "й"]
)
def test_what_is_no_key_is_refused(text):
    with pytest.raises(verify.Refused, match="no public key"):
        verify.read_key(text)


# --- What may be wrong with a copy ----------------------------------------------------------------------------------


def test_a_whole_copy_has_nothing_wrong(mirror, key):
    manifest, findings = verify.check(str(mirror), key, TODAY, numbers=[IBAN])
    assert findings == []
    assert manifest["version"] == 7


def test_every_flipped_bit_is_found(mirror, key):
    assert flipped_unseen(mirror, key, TODAY, 60, random.Random(1)) == []  # noqa: S311


def test_every_bit_of_the_signature_counts(mirror, key):
    file = mirror / verify.SIGNATURE
    content = file.read_bytes()
    for at in range(0, len(content), 5):
        other = bytearray(content)
        other[at] ^= 1 << at % 8
        with pytest.raises(verify.Refused):
            verify.check_signature((mirror / verify.MANIFEST).read_bytes(), bytes(other), key)


def test_changed_missing_and_added_files_are_told_apart(mirror, key):
    (mirror / "index.html").write_text("changed")
    (mirror / "empty.txt").unlink()
    (mirror / "new.html").write_text("")
    assert kinds(mirror, key) == ["added", "changed", "missing"]


def test_a_file_of_the_same_size_is_looked_into(mirror, key):
    (mirror / "static/css/site.css").write_text("body { color: white }\n")
    assert kinds(mirror, key) == ["changed"]


def test_a_swapped_account_is_named(mirror, key):
    page = mirror / "fund/index.html"
    page.write_text(page.read_text().replace(IBAN, "BE71&nbsp;0961 2345 <b>6769</b>"))
    found = verify.check(str(mirror), key, TODAY)[1]
    assert [finding.kind for finding in found] == ["changed", "account"]
    assert f"SWAPPED ACCOUNT: {OTHER_IBAN}" in found[1].words


def test_an_account_that_the_campaign_did_not_sign_is_found(mirror, key):
    assert kinds(mirror, key, numbers=[OTHER_IBAN]) == ["account"]


def test_an_expired_copy_is_found_and_one_of_tomorrow(mirror, key):
    assert kinds(mirror, key, today=date(2026, 11, 8)) == []
    assert kinds(mirror, key, today=date(2026, 11, 9)) == ["expired"]
    assert kinds(mirror, key, today=date(2026, 10, 30)) == ["expired"]


def test_an_older_copy_than_one_seen_is_found_though_it_is_signed(mirror, key, key_file):
    memory = {}
    assert kinds(mirror, key, memory=memory) == []
    assert kinds(mirror, key, memory=memory) == []
    write(mirror, version=6)
    sign_bytes(mirror, key_file)
    assert kinds(mirror, key, memory=memory) == ["old"]
    write(mirror, version=7, origin="https://another.example.org")
    sign_bytes(mirror, key_file)
    assert kinds(mirror, key, memory=memory) == ["old"]
    assert memory[key.text]["version"] == 7


def test_a_copy_signed_by_another_key_or_by_none_is_refused(mirror, key, tmp_path):
    sign_mirror.make_key(tmp_path / "other")
    sign_bytes(mirror, tmp_path / "other")
    assert "another key" in refusal(mirror, key)
    (mirror / verify.SIGNATURE).unlink()
    assert "not signed" in refusal(mirror, key)
    (mirror / verify.MANIFEST).unlink()
    assert "MANIFEST.json is missing" in refusal(mirror, key)


def test_links_are_not_followed(mirror, key, tmp_path):
    (tmp_path / "same.html").write_text(PAGES["index.html"])
    (mirror / "index.html").unlink()
    (mirror / "index.html").symlink_to(tmp_path / "same.html")
    (mirror / "loop").symlink_to(mirror)
    os.mkfifo(mirror / "pipe")  # which would keep a reader waiting
    assert kinds(mirror, key) == ["link", "link", "link"]
    (mirror / verify.MANIFEST).rename(tmp_path / "elsewhere.json")
    (mirror / verify.MANIFEST).symlink_to(tmp_path / "elsewhere.json")
    assert "is a link" in refusal(mirror, key)


@pytest.mark.parametrize(
    "name",
    [
        *("../up", "a/../../up", "/etc/passwd", "a//b", "./a", "a\\b", "C:/x", "a\nb", "", ".hidden", "con.html"),
        *("a/NUL", "dot./x", "dot.", "é", "x" * 300, "a" + "/a" * 20, verify.MANIFEST, verify.SIGNATURE),
    ],
)
def test_names_that_lead_out_of_the_folder_or_mean_two_things_are_refused(mirror, key, key_file, name):
    write(mirror, files={name: {"sha256": "0" * 64, "size": 0}})
    sign_bytes(mirror, key_file)
    assert "a name that no mirror has" in refusal(mirror, key)


def test_names_that_are_one_file_on_some_computers_are_refused(mirror, key, key_file):
    facts = {"sha256": "0" * 64, "size": 0}
    write(mirror, files={"a/Index.html": facts, "a/index.html": facts})
    sign_bytes(mirror, key_file)
    assert "the same file" in refusal(mirror, key)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]\n",
        b"null\n",
        b"[" * 100_000,
        b'{"version":' + b"9" * 5000 + b"}\n",
        b'{"format":"solidarity-mirror-1"}\n',
        b'{"format":"solidarity-mirror-1","format":"solidarity-mirror-1"}\n',
        b'{"a":NaN,"format":"solidarity-mirror-1"}\n',
        b'{"a":"\\ud800","format":"solidarity-mirror-1"}\n',
    ],
)
def test_broken_json_is_refused_in_words_even_if_it_is_signed(mirror, key, key_file, content):
    (mirror / verify.MANIFEST).write_bytes(content)
    sign_bytes(mirror, key_file)
    assert verify.MANIFEST in refusal(mirror, key)


@pytest.mark.parametrize(
    "other",
    [
        {"version": 0},
        {"version": True},
        {"version": "7"},
        {"version": 2**60},
        {"made_on": "2026-11-31"},
        {"made_on": "yesterday"},
        {"expires_on": "2026-10-01"},
        {"origin": 1},
        {"accounts": None},
        {"accounts": [None]},
        {"accounts": [{"iban": IBAN}]},
        {"other_numbers": [1]},
        {"files": []},
        {"files": {"a": None}},
        {"files": {"a": {"sha256": "0" * 64, "size": -1}}},
        {"files": {"a": {"sha256": "0" * 64, "size": 2**40}}},
        {"files": {"a": {"sha256": "0" * 64, "size": 1.0}}},
        {"files": {"a": {"sha256": "F" * 64, "size": 1}}},
        {"more": 1},
    ],
)
def test_a_manifest_that_says_something_else_is_refused(mirror, key, key_file, other):
    write(mirror, **other)
    sign_bytes(mirror, key_file)
    assert refusal(mirror, key)


def test_huge_files_are_not_read(mirror, key):
    for name in ("index.html", verify.SIGNATURE):
        with (mirror / name).open("r+b") as file:
            file.truncate(2**33)  # takes no room on the disk
    assert "larger than that of any mirror" in refusal(mirror, key)
    (mirror / verify.SIGNATURE).unlink()
    manifest = verify.read_manifest((mirror / verify.MANIFEST).read_bytes())
    assert [finding.kind for finding in verify.check_files(str(mirror), manifest)] == ["changed", "account"][:1]


def test_account_numbers_are_found_as_people_write_them():
    text = "IBAN: DE89 3704 0044 0532 0130 00 BIC X, <td>BE71</td><td>0961 2345 6769</td>"
    text += " RF18539007547034 DE00370400440532013000"
    assert verify.numbers_in(text) == {IBAN, OTHER_IBAN}
    assert verify.numbers_in(hashlib.sha512(b"").hexdigest().upper()) == set()


# --- As people run it -----------------------------------------------------------------------------------------------


def test_people_are_told_in_plain_words(mirror, key, tmp_path):
    today, state = ("--today", "2026-11-03"), ("--state", tmp_path / "state.json")
    fine = run(mirror, "--key", key.text, *today, *state, "--iban", "de89 3704 0044 0532 0130 00")
    assert fine.returncode == 0, fine.stderr
    assert "whole and unchanged: 4 files" in fine.stdout
    assert "the first one" in fine.stdout
    assert f"Gifts go to: Streikfonds, {IBAN}" in fine.stdout
    assert json.loads((tmp_path / "state.json").read_text())[key.text]["version"] == 7

    (mirror / "index.html").write_text("x")
    bad = run(mirror, "--key", key.text, *today, *state)
    assert bad.returncode == 1
    assert bad.stdout.splitlines() == ["Changed: index.html", "", "DO NOT TRUST THIS COPY."]


def test_the_key_may_be_known_by_its_printed_fingerprint(mirror, key, key_file, tmp_path):
    state = ("--today", "2026-11-03", "--state", tmp_path / "state.json")
    write(mirror, {"mirrors/mirror.pub": key.file})
    sign_bytes(mirror, key_file)
    assert run(mirror, "--fingerprint", key.fingerprint.upper(), *state).returncode == 0
    other = run(mirror, "--fingerprint", "0" * 32, *state)
    assert (other.returncode, other.stdout) == (2, "")
    assert "its fingerprint is another one" in other.stderr
    assert "32 signs" in run(mirror, "--fingerprint", "12ab", *state).stderr


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": {"version": "1", "manifest": ""}}'])
def test_a_damaged_memory_is_not_forgotten_silently(mirror, key, tmp_path, content):
    state = tmp_path / "state.json"
    state.write_text(content)
    assert verify.main([str(mirror), "--key", key.text, "--state", str(state)]) == 2
    assert state.read_text() == content


@pytest.mark.parametrize(
    "arguments",
    [
        ["--key", "nonsense"],
        ["--key-file", "nowhere"],
        ["--fingerprint", "12"],
        ["--key", MINISIGN_KEY, "--iban", "DE12"],
    ],
)
def test_what_cannot_be_checked_ends_with_2(mirror, tmp_path, capsys, arguments):
    assert verify.main([str(mirror), "--state", str(tmp_path / "state"), *arguments]) == 2
    assert "NOT CHECKED" in capsys.readouterr().err


def test_it_is_one_file_that_needs_nothing_but_python_3_8():
    tree = ast.parse(PROGRAM.read_text(), feature_version=(3, 8))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= set(sys.stdlib_module_names)
    assert not imported & {"socket", "urllib", "http", "ssl", "subprocess"}
