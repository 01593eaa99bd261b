#!/usr/bin/env python3
"""
Sign a copy of the campaign's site, on a computer that is not the server: the server never has the key.

    python3 sign_mirror.py key FILE              make a key: the secret one in FILE, the public one in FILE.pub
    python3 sign_mirror.py sign FOLDER --key FILE

Both files are as minisign writes them, the secret one without a password: keep it on an encrypted stick. minisign's own
program can sign instead, with a key that has one: minisign -S -s KEY -m FOLDER/MANIFEST.json

Needs Python 3.8 or newer, the package "cryptography", and verify_mirror.py beside it. It signs only a copy that is
whole, and looks at what it signed last with this key (FILE.signed): no lower version, and no other account for gifts
unless you say that it changed.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

if __package__:
    from tools import verify_mirror
else:
    import verify_mirror  # type: ignore[no-redef]

Refused = verify_mirror.Refused
# "Ed", no key derivation, a BLAKE2b checksum; then 48 bytes that only a password would need.
_HEAD = b"Ed\0\0B2" + bytes(48)


def make_key(path: Path) -> verify_mirror.Key:
    """Write a new secret key to `path`, which must not be there, and the public one beside it."""
    number, seed = secrets.token_bytes(8), secrets.token_bytes(32)
    point = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    key = verify_mirror.Key(number, point)
    checksum = hashlib.blake2b(b"Ed" + number + seed + point, digest_size=32).digest()
    secret = base64.b64encode(_HEAD + number + seed + point + checksum).decode()
    shown = number[::-1].hex().upper()
    _write_new(path, f"untrusted comment: minisign secret key {shown}\n{secret}\n", 0o600)
    _write_new(path.with_name(path.name + ".pub"), key.file, 0o644)
    return key


def _write_new(path: Path, text: str, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)


def read_secret_key(path: Path) -> tuple[verify_mirror.Key, Ed25519PrivateKey]:
    """Return the public and the secret key of a file that nobody else can read. Raises Refused."""
    text = verify_mirror.read_small(str(path), 4096).decode(errors="replace")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise Refused(f"Others on this computer can read {path}. Make it yours alone: chmod 600 {path}")
    try:
        decoded = base64.b64decode(text.strip().splitlines()[-1], validate=True)
    except (ValueError, IndexError):
        decoded = b""
    if len(decoded) != 158 or decoded[:2] != b"Ed":
        raise Refused(f"{path} is no secret key of minisign's.")
    if decoded[2:4] != b"\0\0":
        raise Refused(
            f"{path} has a password. Sign with minisign's own program, which asks for it: minisign -S -s {path}"
        )
    number, seed, point, checksum = decoded[54:62], decoded[62:94], decoded[94:126], decoded[126:]
    secret = Ed25519PrivateKey.from_private_bytes(seed)
    is_whole = hashlib.blake2b(b"Ed" + number + seed + point, digest_size=32).digest() == checksum
    if not is_whole or secret.public_key().public_bytes_raw() != point:
        raise Refused(f"{path} is damaged.")
    return verify_mirror.Key(number, point), secret


def sign(folder: Path, key_file: Path, *, new_accounts: bool = False) -> Dict[str, Any]:
    """Sign what lies in the folder, and return its manifest. Raises Refused."""
    key, secret = read_secret_key(key_file)
    content = verify_mirror.read_small(str(folder / verify_mirror.MANIFEST), verify_mirror.LARGEST_MANIFEST)
    manifest = verify_mirror.read_manifest(content)
    if findings := verify_mirror.check_files(str(folder), manifest):
        raise Refused("It is not whole:\n" + "\n".join(finding.words for finding in findings[:20]))
    memory = key_file.with_name(key_file.name + ".signed")
    _compare(manifest, hashlib.sha256(content).hexdigest(), memory, new_accounts=new_accounts)
    signature = secret.sign(hashlib.blake2b(content).digest())
    trusted = f"version:{manifest['version']} made:{manifest['made_on']} file:{verify_mirror.MANIFEST} hashed"
    overall = secret.sign(signature + trusted.encode())
    file = verify_mirror.signature_file(key.number, signature, trusted, overall)
    verify_mirror.check_signature(content, file, key)
    # Remembered first: better a version that was never used than two copies of one.
    seen = {"version": manifest["version"], "manifest": hashlib.sha256(content).hexdigest()}
    _write(memory, json.dumps({**seen, "accounts": manifest["accounts"]}, indent=1).encode())
    _write(folder / verify_mirror.SIGNATURE, file)
    return manifest


def _compare(manifest: Dict[str, Any], digest: str, memory: Path, *, new_accounts: bool) -> None:
    """Compare with what was signed last. A server in wrong hands would ask for another account, or an older version."""
    if not memory.exists():
        return
    try:
        last = json.loads(verify_mirror.read_small(str(memory), 1024 * 1024).decode())
        version, known, accounts = last["version"], last["manifest"], last["accounts"]
    except (ValueError, KeyError, TypeError):
        raise Refused(f"{memory}, which says what was signed last, is damaged. Look at it, or remove it.") from None
    if manifest["version"] < version or (manifest["version"] == version and digest != known):
        raise Refused(
            f"Version {manifest['version']} is not newer than {version}, which you signed last. "
            f"Make it anew: manage.py export_mirror DIR --version {version + 1}"
        )
    if manifest["accounts"] != accounts and not new_accounts:
        raise Refused(
            "THE ACCOUNT FOR GIFTS IS NOT THE ONE THAT YOU SIGNED LAST.\n"
            f"Last: {json.dumps(accounts, ensure_ascii=False)}\n"
            f"Now:  {json.dumps(manifest['accounts'], ensure_ascii=False)}\n"
            "Ask the other organisers by telephone. If it is right, sign with --new-accounts."
        )


def _write(path: Path, content: bytes) -> None:
    """Put a file in its place whole."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink()
        raise


def main(arguments: List[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Sign a copy of the campaign's site.")
    acts = parser.add_subparsers(dest="act", required=True)
    making = acts.add_parser("key", help="make a key")
    making.add_argument("file", type=Path, metavar="FILE", help="where the secret key goes; the public one to FILE.pub")
    signing = acts.add_parser("sign", help="sign a copy")
    signing.add_argument("folder", type=Path, metavar="FOLDER", help="what manage.py export_mirror wrote")
    signing.add_argument("--key", type=Path, required=True, metavar="FILE", help="the secret key")
    signing.add_argument("--new-accounts", action="store_true", help="the account for gifts has changed, and is right")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.act == "key":
            key = make_key(chosen.file)
            print(f"The secret key is in {chosen.file}: nobody else may ever have it.")
            print(f"The public key:  {key.text}\nIts fingerprint: {key.fingerprint}")
            return 0
        manifest = sign(chosen.folder, chosen.key, new_accounts=chosen.new_accounts)
    except FileExistsError as error:
        print(f"Nothing was written: {error.filename} is there already.", file=sys.stderr)
        return 1
    except (Refused, OSError) as error:
        print(f"Not signed. {error}" if chosen.act == "sign" else f"No key was made. {error}", file=sys.stderr)
        return 1
    print(f"Signed: version {manifest['version']} of {manifest['origin']}, good until {manifest['expires_on']}.")
    for account in manifest["accounts"]:
        print(
            f"Gifts go to: {account['holder']}, {account['iban']} {account['bic']}. Compare it with the bank's paper."
        )
    if not manifest["accounts"]:
        print("It names no account for gifts.")
    if others := ", ".join(manifest["other_numbers"]):
        print(f"Account numbers that stand in its pages, and are not for gifts: {others}. Do you know them?")
    return 0


if __name__ == "__main__":
    sys.exit(main())
