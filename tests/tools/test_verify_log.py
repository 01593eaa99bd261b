"""The program that anybody runs: what it finds in a log that somebody tampered with."""

import importlib.util
import json
import random
import subprocess
import sys
from datetime import date, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from privacy.chaining import BEGINNING, canonical, digest_of_text
from protests import proving
from tests.sizes import on_one_database

pytestmark = on_one_database

PROGRAM = settings.BASE_DIR / "tools" / "verify_log.py"
KEY, OTHER_KEY = Ed25519PrivateKey.from_private_bytes(b"1" * 32), Ed25519PrivateKey.from_private_bytes(b"2" * 32)
FIRST_DAY = date(2026, 11, 20)
LENGTH = 9
# The heads of three days, by how many entries there were.
HEADS = (3, 6, 9)


def load():
    spec = importlib.util.spec_from_file_location("verify_log", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


verify_log = load()


def salts(number):
    return f"<{number}@example.org>", proving.salt_of("5" * 64, f"<{number}@example.org>")


def entry(number, **changes):
    content = {
        "sequence": number,
        "day": (FIRST_DAY + timedelta(days=(number - 1) // 3)).isoformat(),
        "letter": "free-her",
        "target": "embassy",
        "target_name": "Посольство ‘Ünder’",
        "live": True,
        "commitment": proving.commitment_of(*salts(number)),
    }
    return content | changes


def chained(contents):
    made, previous = [], BEGINNING
    for content in contents:
        text = canonical({k: v for k, v in content.items() if k not in ("previous_hash", "hash")})
        made.append({**json.loads(text), "previous_hash": previous, "hash": digest_of_text(previous, text)})
        previous = made[-1]["hash"]
    return made


def signed(log, key=KEY, lengths=HEADS):
    heads = []
    for place, length in enumerate(lengths, start=1):
        told = {
            "day": (FIRST_DAY + timedelta(days=place)).isoformat(),
            "entries": length,
            "hash": log[length - 1]["hash"],
        }
        signature = key.sign(canonical(told | {"format": proving.HEAD_FORMAT}).encode()).hex()
        heads.append({**told, "public_key": key.public_key().public_bytes_raw().hex(), "signature": signature})
    return heads


def receipt(log, number=5, **changes):
    message_id, salt = salts(number)
    letter = {"entry": log[number - 1], "message_id": message_id, "salt": salt, **changes}
    return {"format": proving.RECEIPT_FORMAT, "letters": [letter], "head": None}


LOG = chained(entry(number) for number in range(1, LENGTH + 1))
PUBLISHED = signed(LOG)


@pytest.fixture
def check(tmp_path, capsys):
    """A function that runs the program over a log, and returns how it ended and what it said."""

    def check(log=LOG, heads=PUBLISHED, *, receipt=None, kept=None, more=()):
        lines = log if isinstance(log, str) else "".join(f"{canonical(one)}\n" for one in log)
        (tmp_path / "log").write_text(lines)
        (tmp_path / "heads").write_text(json.dumps({"heads": heads}))
        arguments = [str(tmp_path / "log"), str(tmp_path / "heads"), *more]
        for name, value in (("receipt", receipt), ("kept", kept)):
            if value is not None:
                (tmp_path / name).write_text(json.dumps(value))
                arguments += [f"--{name}", str(tmp_path / name)]
        return verify_log.run(arguments), capsys.readouterr().out

    return check


def test_what_nobody_touched_is_whole_and_holds_the_letter(check):
    code, said = check(receipt=receipt(LOG), kept=PUBLISHED[0])

    assert code == 0
    assert f"The log is whole: {LENGTH} entries" in said
    assert "Your letter to Посольство ‘Ünder’ (<5@example.org>) is in it as entry 5, of 2026-11-21." in said
    assert "NOT WELL" not in said


@pytest.mark.parametrize("place", [0, 4, LENGTH - 1])
@pytest.mark.parametrize("rehashed", ["as it is", "this entry", "all after it"])
def test_an_edited_entry_is_found(check, place, rehashed):
    for column, value in entry(place + 1).items():
        changed = not value if column == "live" else value + 1 if column == "sequence" else f"{value}x"
        log = [dict(one) for one in LOG]
        log[place][column] = changed
        if rehashed == "this entry":
            log[place]["hash"] = chained(log[: place + 1])[-1]["hash"]
        elif rehashed == "all after it":
            log = chained(log)
        code, said = check(log)
        assert (code, "NOT WELL" in said) == (1, True), column


@pytest.mark.parametrize("place", [0, 3, LENGTH - 2, LENGTH - 1])
@pytest.mark.parametrize("rechained", [False, True])
def test_a_removed_entry_is_found(check, place, rechained):
    log = LOG[:place] + LOG[place + 1 :]
    if rechained:
        log = chained({**one, "sequence": number} for number, one in enumerate(log, start=1))

    code, said = check(log)

    assert code == 1
    if not rechained and place < LENGTH - 1:
        assert f"Entry {place + 1} is missing" in said
    else:
        assert "cut off" in said


@pytest.mark.parametrize(("one", "other"), [(0, 1), (0, LENGTH - 1), (2, 3), (3, 7), (LENGTH - 2, LENGTH - 1)])
def test_entries_put_elsewhere_are_found(check, one, other):
    log = list(LOG)
    log[one], log[other] = log[other], log[one]
    assert "put elsewhere" in check(log)[1]

    code, said = check(chained({**row, "sequence": number} for number, row in enumerate(log, start=1)))
    assert code == 1
    # The swap is seen at the first head that stands behind it.
    assert "The log is not the one that was signed" in said


@pytest.mark.parametrize("left", [0, 1, 3, 5, LENGTH - 1])
def test_a_log_that_was_cut_off_is_found(check, left):
    code, said = check(LOG[:left])
    assert code == 1
    assert f"it had {LENGTH} entries, and now it ends with {left}" in said

    # With its heads gone, too, only who kept one can tell.
    remaining = [head for head in PUBLISHED if head["entries"] <= left]
    code, said = check(LOG[:left], remaining, kept=PUBLISHED[-1])
    assert code == 1
    assert f"this one was cut off after entry {left}" in said
    assert "it is gone" in said


@pytest.mark.parametrize("place", [0, 2, 3, LENGTH - 1])
def test_a_log_that_was_made_anew_and_signed_anew_is_a_fork_of_the_kept_one(check, place):
    log = chained({**one, "letter": "other"} if at == place else one for at, one in enumerate(LOG))
    heads = signed(log)
    assert check(log, heads)[0] == 0  # by itself it is as good as any

    code, said = check(log, heads, kept={"heads": PUBLISHED})
    assert code == 1
    for head in PUBLISHED:
        name = f"The head that was kept (of {head['day']}, {head['entries']} entries) is of another log"
        assert (name in said) == (head["entries"] > place)

    code, said = check(log, heads, more=["--kept", f"{LENGTH}:{LOG[-1]['hash']}"])
    assert code == 1
    assert f"is a fork, and differs before or at entry {LENGTH}" in said


def test_a_receipt_alone_finds_a_fork(check):
    mine = {**receipt(LOG), "head": PUBLISHED[1]}
    assert check(receipt=mine)[0] == 0
    log = chained([entry(1, letter="other"), *LOG[1:]])
    code, said = check(log, signed(log), receipt=mine)
    assert code == 1
    assert "is a fork" in said
    assert "is not in this log: entry 5 is another" in said


@pytest.mark.parametrize("changes", [{"salt": "0" * 64}, {"message_id": "<6@example.org>"}, {"entry": LOG[5]}])
def test_a_changed_receipt_proves_nothing(check, changes):
    code, said = check(receipt=receipt(LOG, **changes))
    assert code == 1
    assert "the receipt was changed" in said


def test_a_receipt_with_a_salt_that_could_be_guessed_proves_nothing(check):
    told = {"message_id": "<1@example.org>", "salt": "1"}
    log = chained([entry(1, commitment=proving.commitment_of(**told))])
    assert check(log, signed(log, lengths=[1]), receipt=receipt(log, 1, **told))[0] == 1


@pytest.mark.parametrize("place", range(len(HEADS)))
@pytest.mark.parametrize("column", ["day", "entries", "hash", "public_key", "signature"])
def test_a_changed_head_is_found(check, place, column):
    heads = [dict(head) for head in PUBLISHED]
    value = heads[place][column]
    heads[place][column] = value - 1 if column == "entries" else value[:-1] + ("0" if value[-1] != "0" else "1")
    code, said = check(heads=heads)
    assert code == 1
    assert "it was changed" in said


def test_heads_that_are_gone_put_elsewhere_or_of_another_key_are_found(check):
    assert "it is gone" in check(heads=PUBLISHED[1:], kept=PUBLISHED[0])[1]
    assert "not in their order" in check(heads=PUBLISHED[::-1])[1]
    other = [*PUBLISHED[:2], signed(LOG, OTHER_KEY)[2]]
    code, said = check(heads=other)
    assert code == 0
    assert "From 2026-11-23 on another key signs" in said
    code, said = check(heads=other, more=["--key", PUBLISHED[0]["public_key"].upper()])
    assert code == 1
    assert "signed with another key than the one that you gave" in said
    assert "another one stands there" in check(heads=other, kept=PUBLISHED[2])[1]
    assert check(kept={**PUBLISHED[0], "hash": "0" * 64})[0] == 1


def test_every_changed_character_of_the_log_is_found(check):
    text = "".join(f"{canonical(one)}\n" for one in LOG)
    rng = random.Random(7)  # noqa: S311 - no secret
    for place in rng.sample(range(len(text)), 40):
        other = chr(ord(text[place]) ^ 1 << rng.randrange(7))
        if other in "\r\n" or text[place] == "\n":
            continue
        code, said = check(text[:place] + other + text[place + 1 :])
        assert code == 1, (place, other)
        assert "NOT WELL" in said


def test_trials_and_what_is_not_signed_yet_are_named(check):
    log = chained([*LOG, entry(10, live=False)])
    code, said = check(log, receipt=receipt(log, 10))
    assert code == 0
    assert "1 entries are trials" in said
    assert "It was a trial" in said
    assert "Entries 10 to 10 are not signed yet." in said
    assert check([], [])[0] == 0


def test_a_log_in_parts_is_read_in_their_order(tmp_path, capsys):
    paths = []
    for first in (0, 4, 8):
        paths.append(tmp_path / f"{first}.jsonl")
        paths[-1].write_text("".join(f"{canonical(one)}\n" for one in LOG[first : first + 4]))
    (tmp_path / "heads.json").write_text(json.dumps({"heads": PUBLISHED}))
    assert verify_log.run([*map(str, paths), str(tmp_path / "heads.json")]) == 0
    assert verify_log.run([*map(str, paths[::-1]), str(tmp_path / "heads.json")]) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("heads", "{"),
        ("heads", "[1]"),
        ("heads", "7"),
        ("heads", '{"heads": [{"day": "x"}]}'),
        ("heads", "[" * 100_000),
        ("receipt", "[]"),
        ("receipt", '{"format": "solidarity-letter-receipt-1", "letters": [{}]}'),
        ("kept", "nothing"),
        ("log", b"\xff\xfe"),
    ],
)
def test_a_file_that_is_something_else_is_named_without_a_traceback(tmp_path, name, text):
    files = {"log": "", "heads": '{"heads": []}', "receipt": json.dumps(receipt(LOG)), "kept": "[]", name: text}
    for file, content in files.items():
        (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    arguments = [tmp_path / "log", tmp_path / "heads", "--receipt", tmp_path / "receipt", "--kept", tmp_path / "kept"]
    with pytest.raises(verify_log.Unusable, match=name):
        verify_log.run([str(one) for one in arguments])


def test_it_runs_without_any_package_and_says_what_it_takes(tmp_path):
    (tmp_path / "log").write_text("".join(f"{canonical(one)}\n" for one in LOG))
    (tmp_path / "heads").write_text(json.dumps({"heads": PUBLISHED}))
    alone = [sys.executable, "-I", "-S", "-W", "error", str(PROGRAM)]
    ran = subprocess.run([*alone, "log", "heads"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "The log is whole" in ran.stdout
    ran = subprocess.run([*alone, "nowhere", "heads"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (2, "Could not check: nowhere cannot be read: No such file or directory.\n")


# RFC 8032, 7.1: key, message, signature.
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
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_ed25519_is_that_of_rfc_8032(key, message, signature):
    key, message, signature = map(bytes.fromhex, (key, message, signature))
    assert verify_log.ed25519_is_valid(key, message, signature)
    assert not verify_log.ed25519_is_valid(key, message + b"x", signature)
    assert not verify_log.ed25519_is_valid(key, message, signature[:63])
    for place in (0, 31, 32, 63):
        broken = bytearray(signature)
        broken[place] ^= 1
        assert not verify_log.ed25519_is_valid(key, message, bytes(broken))
    # The same signature with s + L (malleability), and keys that are no points.
    s = int.from_bytes(signature[32:], "little") + verify_log.L
    assert not verify_log.ed25519_is_valid(key, message, signature[:32] + s.to_bytes(32, "little"))
    assert not verify_log.ed25519_is_valid(b"\x02" + bytes(31), message, signature)
    assert not verify_log.ed25519_is_valid(b"\xff" * 32, message, signature)
