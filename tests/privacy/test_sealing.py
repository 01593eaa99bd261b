import os
import stat
import subprocess
import sys
import tracemalloc
from io import BytesIO
from pathlib import Path

import pytest

from privacy import sealing
from privacy.sealing import CHUNK, MAGIC, SealError, make_key, public_of, read_about, read_key, seal, unseal

PRIVATE = os.urandom(32)
ABOUT = {"name": "list.csv"}


def sealed(content, about=ABOUT):
    return b"".join(seal([content], public_of(PRIVATE), about))


def opened(content, key=PRIVATE):
    return b"".join(unseal(BytesIO(content), key))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7])
def test_what_was_sealed_is_opened_by_the_private_key_alone(size):
    content = os.urandom(size)
    found = sealed(content)
    assert opened(found) == content
    assert read_about(BytesIO(found))[0] == ABOUT
    with pytest.raises(SealError, match="another one"):
        opened(found, os.urandom(32))


def test_the_parts_may_have_any_length():
    content = os.urandom(200_000)
    parts = [content[at : at + 7_001] for at in range(0, len(content), 7_001)]
    assert opened(b"".join(seal([b"", *parts], public_of(PRIVATE), ABOUT))) == content


def test_the_same_is_sealed_differently_each_time():
    assert sealed(b"the same") != sealed(b"the same")


def test_each_changed_byte_is_found():
    whole = sealed(b"Nora Berg" * 20)
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        with pytest.raises(SealError):
            opened(bytes(damaged))


def test_each_cut_is_found():
    whole = sealed(os.urandom(CHUNK + 100))
    edges = {len(MAGIC), len(whole) - CHUNK, len(whole) - 118, len(whole) - 117, len(whole) - 1}
    for length in {*range(300), *edges}:
        with pytest.raises(SealError):
            opened(whole[:length])


def test_what_is_added_exchanged_left_out_or_told_otherwise_is_found():
    whole = sealed(os.urandom(3 * CHUNK + 10))
    step = CHUNK + 17
    begin = len(whole) - 27 - 3 * step
    first, second, third = (whole[begin + at * step : begin + (at + 1) * step] for at in range(3))
    head, last = whole[:begin], whole[begin + 3 * step :]
    assert opened(head + first + second + third + last)
    for wrong in (
        whole + b"x",
        whole + last,
        head + second + first + third + last,
        head + first + third + last,
        head + first + second + third,
        head + first + first + second + third + last,
        whole.replace(b"list.csv", b"lost.csv", 1),
    ):
        with pytest.raises(SealError):
            opened(wrong)


@pytest.mark.parametrize("content", [b"", b"x", MAGIC, MAGIC + b"{}", MAGIC + b"[]\n", MAGIC + b"x" * 10_000])
def test_another_file_is_refused_with_a_reason(content):
    with pytest.raises(SealError, match=r"\w+"):
        opened(content)


def test_a_long_file_needs_little_memory():
    def parts():
        for _ in range(320):
            yield bytes(CHUNK)

    class Piped:
        """A file that is read while it is written."""

        def __init__(self, parts):
            self.parts, self.rest = parts, b""

        def read(self, size):
            while len(self.rest) < size and (part := next(self.parts, None)):
                self.rest += part
            found, self.rest = self.rest[:size], self.rest[size:]
            return found

        def readline(self, limit):
            self.rest = self.rest or next(self.parts)
            return self.read(self.rest.index(b"\n") + 1)

    tracemalloc.start()
    total = sum(map(len, unseal(Piped(seal(parts(), public_of(PRIVATE), ABOUT)), PRIVATE)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 320 * CHUNK
    assert peak < 20 * CHUNK


def test_a_key_file_is_for_its_owner_alone_opens_by_its_passphrase_and_is_never_overwritten(tmp_path):
    path = tmp_path / "organisers.key"
    public = make_key(path, "four words of chance")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_of(read_key(path, lambda asked: "four words of chance")) == public
    with pytest.raises(SealError, match="passphrase"):
        read_key(path, lambda asked: "four words of chanse")
    with pytest.raises(FileExistsError):
        make_key(path, "")


@pytest.mark.parametrize("content", ["", "x", "solidarity-private-key 1\n", "solidarity-private-key 1\nprivate\n"])
def test_what_is_no_key_file_is_refused(tmp_path, content):
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(SealError, match="is not a key"):
        read_key(path)


def on_a_laptop(*arguments):
    # Away from the project: a copy of the one file is enough.
    command = [sys.executable, "-I", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd="/", env={"PATH": os.environ["PATH"]}
    )


def test_an_organiser_opens_a_file_with_a_copy_of_the_one_program(tmp_path):
    program = tmp_path / "sealing.py"
    program.write_bytes(Path(sealing.__file__).read_bytes())
    key, list_file = tmp_path / "key", tmp_path / "list.csv.sealed"
    made = on_a_laptop(program, "make-key", key, "--no-passphrase")
    assert made.returncode == 0, made.stderr
    list_file.write_bytes(b"".join(seal([b"name\nNora Berg\n"], made.stdout.strip(), ABOUT)))

    assert on_a_laptop(program, "open", list_file, "--key", key).returncode == 0
    assert (tmp_path / "list.csv").read_text() == "name\nNora Berg\n"
    assert "is there already" in on_a_laptop(program, "open", list_file, "--key", key).stderr

    list_file.write_bytes(list_file.read_bytes()[:-1])
    cut = on_a_laptop(program, "open", list_file, "--key", key, "--to", tmp_path / "new.csv")
    assert cut.returncode == 1
    assert "cut off" in cut.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "list.csv", "list.csv.sealed", "sealing.py"]
