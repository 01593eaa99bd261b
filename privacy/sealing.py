"""
Files that only one person can open: lists of people for the organisers, backups for the operator.

The program holds a public key alone, so that it cannot read again what it has sealed, nor can whoever takes the server.
This file needs PyNaCl (`pip install pynacl`) and nothing of the program: an organiser keeps a copy on the own laptop.

    python3 sealing.py make-key organisers.key        makes a key, with a passphrase; prints its public part
    python3 sealing.py open list.xlsx.sealed --key organisers.key

A sealed file is a line MAGIC and a line of JSON that tells what it is; then, for the public key, a sealed box (X25519,
XSalsa20-Poly1305) with the stream's key; then the stream (secretstream, XChaCha20-Poly1305) in pieces of CHUNK bytes.
The two lines are authenticated with the first piece, each piece with its place, and the last one is marked as the last:
what is changed, exchanged, left out or cut off is found. Who sealed it is not shown: everybody has the public key.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from getpass import getpass
from pathlib import Path
from typing import Any, BinaryIO

from nacl import bindings, pwhash, secret
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

MAGIC = b"solidarity-sealed 1\n"
CHUNK = 64 * 1024
ENDING = ".sealed"
_LONGEST_LINE = 4096
_EXTRA = bindings.crypto_secretstream_xchacha20poly1305_ABYTES
_HEADER = bindings.crypto_secretstream_xchacha20poly1305_HEADERBYTES
_KEY = bindings.crypto_secretstream_xchacha20poly1305_KEYBYTES
_MESSAGE = bindings.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
_FINAL = bindings.crypto_secretstream_xchacha20poly1305_TAG_FINAL
_BOX = _KEY + bindings.crypto_box_SEALBYTES
_KEY_FILE = "solidarity-private-key 1"


class SealError(Exception):
    """A file cannot be opened, for the reason that is given."""


def _bytes_of(key: str) -> bytes:
    key = key.strip().replace("+", "-").replace("/", "_")
    found = urlsafe_b64decode(key + "=" * (-len(key) % 4))
    if len(found) != 32:
        raise ValueError(key)
    return found


def why_no_public_key(key: str) -> str:
    """Return why this is not a public key, or "" if it may be one."""
    try:
        public = PublicKey(_bytes_of(key))
        SealedBox(public).encrypt(b"")
    except (ValueError, CryptoError, RuntimeError):
        return "is not a public key: 32 bytes in base64, as `sealing.py make-key` prints them"
    return ""


def public_of(private: bytes) -> str:
    """Return the public part of a private key."""
    return urlsafe_b64encode(bytes(PrivateKey(private).public_key)).decode()


def _pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in pieces of CHUNK, and what is left, which may be nothing."""
    rest = bytearray()
    for part in parts:
        rest += part
        while len(rest) > CHUNK:  # never the last one: that is marked
            yield bytes(rest[:CHUNK])
            del rest[:CHUNK]
    yield bytes(rest)


def seal(parts: Iterable[bytes], public_key: str, about: dict[str, Any]) -> Iterator[bytes]:
    """Yield `parts` sealed to `public_key`; `about` can be read by everybody."""
    head = MAGIC + json.dumps(about, sort_keys=True).encode() + b"\n"
    if len(head) > _LONGEST_LINE:
        raise ValueError("too much is told about the file")
    key = os.urandom(_KEY)
    state = bindings.crypto_secretstream_xchacha20poly1305_state()
    started = bindings.crypto_secretstream_xchacha20poly1305_init_push(state, key)
    yield head + SealedBox(PublicKey(_bytes_of(public_key))).encrypt(key) + started
    authenticated, waiting = head, None
    for piece in _pieces(parts):
        if waiting is not None:
            yield _push(state, waiting, authenticated, _MESSAGE)
            authenticated = b""
        waiting = piece
    yield _push(state, waiting or b"", authenticated, _FINAL)


def _push(state: Any, piece: bytes, authenticated: bytes, tag: int) -> bytes:
    pushed: bytes = bindings.crypto_secretstream_xchacha20poly1305_push(state, piece, authenticated or None, tag)
    return pushed


def read_about(file: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Return what everybody can read of a sealed file, and the bytes that say it, which are not proven yet."""
    magic = file.read(len(MAGIC))
    if magic != MAGIC:
        raise SealError("This is not a sealed file, or one of a later version.")
    line = file.readline(_LONGEST_LINE)
    try:
        about = json.loads(line)
    except ValueError:
        about = None
    if not line.endswith(b"\n") or not isinstance(about, dict):
        raise SealError("The file is damaged at its beginning.")
    return about, magic + line


def unseal(file: BinaryIO, private_key: bytes) -> Iterator[bytes]:
    """Yield what is in a sealed file, piece by piece. Raise SealError where it is damaged or ends too soon."""
    _about, head = read_about(file)
    box, started = file.read(_BOX), file.read(_HEADER)
    if len(box) < _BOX or len(started) < _HEADER:
        raise SealError("The file is cut off.")
    try:
        key = SealedBox(PrivateKey(private_key)).decrypt(box)
    except CryptoError:
        raise SealError("This key does not open the file: it was sealed to another one, or is damaged.") from None
    state = bindings.crypto_secretstream_xchacha20poly1305_state()
    bindings.crypto_secretstream_xchacha20poly1305_init_pull(state, started, key)
    authenticated, tag = head, _MESSAGE
    while tag != _FINAL:
        piece = file.read(CHUNK + _EXTRA)
        if len(piece) < _EXTRA:
            raise SealError("The file is cut off.")
        try:
            found, tag = bindings.crypto_secretstream_xchacha20poly1305_pull(state, piece, authenticated or None)
        except (CryptoError, RuntimeError):
            raise SealError("The file is damaged or cut off.") from None
        authenticated = b""
        if tag == _FINAL and file.read(1):
            raise SealError("Something was added at the end of the file.")
        yield found


# --- Key files: the private key, encrypted under a passphrase -----------------------------------------------------


def make_key(path: Path, passphrase: str) -> str:
    """Write a new private key to `path`, for its owner alone; never over a file. Return the public key."""
    private = os.urandom(32)
    salt = os.urandom(pwhash.argon2id.SALTBYTES)
    locked = bytes(secret.SecretBox(_stretched(passphrase, salt)).encrypt(private)) if passphrase else private
    lines = [_KEY_FILE, f"public {public_of(private)}"]
    lines += [f"salt {urlsafe_b64encode(salt).decode()}"] if passphrase else []
    lines += [f"{'locked' if passphrase else 'private'} {urlsafe_b64encode(locked).decode()}"]
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return public_of(private)


def read_key(path: Path, ask: Any = getpass) -> bytes:
    """Return the private key in the file, asking for its passphrase if it has one."""
    try:
        first, *lines = path.read_text().splitlines()
        fields = {name: urlsafe_b64decode(value) for name, value in (line.split(" ") for line in lines)}
        if first != _KEY_FILE or not {"private", "locked"} & fields.keys():
            raise ValueError(first)
    except ValueError:
        raise SealError(f"{path} is not a key that was made by make-key.") from None
    if "private" in fields:
        return fields["private"]
    try:
        return bytes(secret.SecretBox(_stretched(ask("Passphrase: "), fields["salt"])).decrypt(fields["locked"]))
    except (CryptoError, KeyError):
        raise SealError("This is not its passphrase, or the key file is damaged.") from None


def _stretched(passphrase: str, salt: bytes) -> bytes:
    stretch = pwhash.argon2id
    return bytes(stretch.kdf(32, passphrase.encode(), salt, stretch.OPSLIMIT_MODERATE, stretch.MEMLIMIT_MODERATE))


# --- On a laptop --------------------------------------------------------------------------------------------------


def open_file(path: Path, key: bytes, to: Path) -> None:
    """Write what is in a sealed file to `to`, which appears only when all of it was found whole."""
    partial = to.with_name(f".{to.name}.partial")
    try:
        with path.open("rb") as file:
            # For its owner alone. Over a partial file that was left behind.
            out = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(out, "wb") as opened:
                for piece in unseal(file, key):
                    opened.write(piece)
                opened.flush()
                os.fsync(opened.fileno())
        partial.rename(to)
    finally:
        if partial.exists():
            partial.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes keys, and opens files that were sealed to them.")
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make-key", help="make a private key")
    making.add_argument("path", type=Path, help="where it is written; keep a copy of it")
    making.add_argument("--no-passphrase", action="store_true", help="for programs; keep the file all the safer")
    opening = commands.add_parser("open", help="open a sealed file")
    opening.add_argument("path", type=Path)
    opening.add_argument("--key", type=Path, required=True, help="the private key's file")
    opening.add_argument("--to", type=Path, help=f"what is written (default: the name without {ENDING})")
    given = parser.parse_args()
    try:
        if given.command == "make-key":
            passphrase = "" if given.no_passphrase else getpass("A passphrase for the key, of several words: ")
            if not given.no_passphrase and (len(passphrase) < 12 or passphrase != getpass("The same again: ")):
                raise SealError("The two differ, or are shorter than 12 characters. Nothing was made.")
            sys.stdout.write(f"{make_key(given.path, passphrase)}\n")
        else:
            to = given.to or given.path.with_name(given.path.name.removesuffix(ENDING))
            if to.exists():
                raise SealError(f"{to} is there already.")
            open_file(given.path, read_key(given.key), to)
            sys.stdout.write(f"{to}\n")
    except (SealError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
