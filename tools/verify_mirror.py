#!/usr/bin/env python3
"""
Check a copy of a campaign's site that lies in a folder: is it whole, unchanged, of now, and signed by the campaign?

    python3 verify_mirror.py FOLDER --key RWR...            the campaign's public key
    python3 verify_mirror.py FOLDER --fingerprint "3f1c ..."  or its fingerprint, as it is printed on leaflets
    python3 verify_mirror.py FOLDER --key RWR... --iban "DE.. .." also: is this the account that the copy names?

Get this program and the key from the campaign itself or from people you trust, not from the copy that you check.
It needs Python 3.8 or newer and nothing else, talks to no network, and opens files only to read them; it writes one
small file, in which it remembers the newest version that it has seen of each campaign, so that it knows an old copy.

It ends with 0 if all is well, with 1 if something is wrong with the copy, with 2 if it could not check.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import datetime as dt
import hashlib
import json
import os
import re
import stat
import sys
import tempfile
from typing import Any, Dict, Iterable, List, NamedTuple, Tuple

FORMAT = "solidarity-mirror-1"
MANIFEST, SIGNATURE, KEY_FILE = "MANIFEST.json", "MANIFEST.json.minisig", "mirrors/mirror.pub"
LARGEST_MANIFEST, LARGEST_SIGNATURE, LARGEST_PAGE = 32 * 1024 * 1024, 4096, 8 * 1024 * 1024
LARGEST_FILE, MOST_FILES = 1024 * 1024 * 1024, 200_000
# What stands above a signature is not signed: only these words may, so that nothing can be changed there.
COMMENTS = ("signature of a mirror's manifest", "signature from minisign secret key")

Manifest = Dict[str, Any]


class Refused(Exception):
    """It cannot be checked, or is no mirror. The message says why."""


class Finding(NamedTuple):
    """What is wrong: a word for programs, and a sentence for people."""

    kind: str
    words: str


# --- Ed25519 (RFC 8032), to verify only ------------------------------------------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
Point = Tuple[int, int, int, int]
NEUTRAL: Point = (0, 1, 1, 0)


def _add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(number: int, point: Point) -> Point:
    total = NEUTRAL
    while number:
        if number & 1:
            total = _add(total, point)
        point = _add(point, point)
        number >>= 1
    return total


def _is_neutral(point: Point) -> bool:
    return point[0] % P == 0 and (point[1] - point[2]) % P == 0


def _encoded(point: Point) -> bytes:
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decoded(encoded: bytes) -> Point:
    """Return a point of the curve; ValueError unless it is written in the one right way, and has the full order."""
    number = int.from_bytes(encoded, "little")
    y, sign = number & (1 << 255) - 1, number >> 255
    if len(encoded) != 32 or y >= P:
        raise ValueError("not a canonical encoding")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        raise ValueError("not a point of the curve")
    if x & 1 != sign:
        x = P - x
    point = (x, y, 1, x * y % P)
    if _is_neutral(_times(8, point)):
        raise ValueError("a point of small order, for which anybody can make signatures")
    return point


BASE: Point = _decoded((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is one of `message`; no second form of a signature is taken for it."""
    if len(signature) != 64 or len(public_key) != 32:
        return False
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if s >= ORDER:
        return False
    try:
        key = _decoded(public_key)
        _decoded(r)
    except ValueError:
        return False
    k = int.from_bytes(hashlib.sha512(r + public_key + message).digest(), "little") % ORDER
    minus_key = (P - key[0], key[1], key[2], P - key[3])
    return _encoded(_add(_times(s, BASE), _times(k, minus_key))) == r


# --- minisign's files ------------------------------------------------------------------------------------------------


class Key(NamedTuple):
    """A public key with the number by which minisign tells keys apart."""

    number: bytes
    point: bytes

    @property
    def text(self) -> str:
        return base64.b64encode(b"Ed" + self.number + self.point).decode()

    @property
    def file(self) -> str:
        """What stands in a file of minisign's."""
        shown = binascii.hexlify(self.number[::-1]).decode().upper()
        return f"untrusted comment: minisign public key {shown}\n{self.text}\n"

    @property
    def fingerprint(self) -> str:
        """Half of a SHA-256, to be read out and printed."""
        digits = hashlib.sha256(b"Ed" + self.number + self.point).hexdigest()[:32]
        return " ".join(digits[at : at + 4] for at in range(0, 32, 4))


def _from_base64(text: str, length: int) -> bytes:
    try:
        found = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise Refused("not in base64") from None
    if len(found) != length or base64.b64encode(found).decode() != text:
        raise Refused("not in base64, or too long or short")
    return found


def read_key(text: str) -> Key:
    """Read a public key as minisign writes it, with or without its line of comment."""
    lines = text.strip().splitlines()
    try:
        decoded = _from_base64(lines[-1].strip() if lines else "", 42)
    except Refused as error:
        raise Refused(f"This is no public key of minisign's: {error}.") from None
    if decoded[:2] != b"Ed" or len(lines) > 2:
        raise Refused("This is no public key of minisign's.")
    try:
        _decoded(decoded[10:])
    except ValueError as error:
        raise Refused(f"This is no public key that anybody should trust: {error}.") from None
    return Key(decoded[2:10], decoded[10:])


def signature_file(
    key_number: bytes, signature: bytes, trusted: str, overall: bytes, comment: str = COMMENTS[0]
) -> bytes:
    """Return what stands in a signature's file: for each signature there is one way to write it."""
    one = base64.b64encode(b"ED" + key_number + signature).decode()
    two = base64.b64encode(overall).decode()
    return f"untrusted comment: {comment}\n{one}\ntrusted comment: {trusted}\n{two}\n".encode()


def check_signature(content: bytes, file: bytes, key: Key) -> str:
    """Return the comment that was signed with `content`. Raises Refused."""
    try:
        lines = file.decode().split("\n")
        comment = lines[0][len("untrusted comment: ") :]
        trusted = lines[2][len("trusted comment: ") :]
        one, overall = _from_base64(lines[1], 74), _from_base64(lines[3], 64)
    except (UnicodeDecodeError, IndexError, Refused):
        raise Refused("The signature's file is damaged: it is not as minisign writes it.") from None
    algorithm, number, signature = one[:2], one[2:10], one[10:]
    if algorithm == b"Ed":
        raise Refused("The signature is of minisign's old kind (Ed). Only the new one (ED) is taken.")
    if number != key.number:
        raise Refused("The signature was made with another key than the campaign's, or is damaged.")
    if comment not in COMMENTS or file != signature_file(number, signature, trusted, overall, comment):
        raise Refused("The signature's file is damaged: somebody has changed it.")
    if not is_signed(key.point, hashlib.blake2b(content).digest(), signature):
        raise Refused("The signature does not fit: the list of files is not the one that the campaign signed.")
    if not is_signed(key.point, signature + trusted.encode(), overall):
        raise Refused("The signature's comment is not the one that the campaign signed.")
    return trusted


# --- The manifest ----------------------------------------------------------------------------------------------------

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}"
_NAME = re.compile(rf"{_PART}(?:/{_PART}){{0,15}}")
# Windows takes these for devices, whatever follows the dot.
_DEVICES = re.compile(r"(?:^|/)(?:con|prn|aux|nul|com\d|lpt\d)(?:\.[^/]*)?(?:/|$)", re.IGNORECASE)
_HASH = re.compile(r"[0-9a-f]{64}")
_TEXTS = ("made_on", "expires_on", "origin", "onion")
_FIELDS = {"format", "version", "accounts", "other_numbers", "files", *_TEXTS}


def is_safe_name(name: str) -> bool:
    """Whether a name means the same file on every computer, inside the folder."""
    return bool(_NAME.fullmatch(name)) and not _DEVICES.search(name) and not re.search(r"\.(?:/|$)", name)


def canonical(content: Any) -> bytes:
    """Return the one way in which a manifest is written."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def _day(text: str) -> dt.date:
    try:
        day = dt.date(*map(int, text.split("-"))) if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else None
    except ValueError:
        day = None
    if day is None:
        raise Refused(f"In the manifest, {ascii(text)[:40]} is no day.")
    return day


def read_manifest(content: bytes) -> Manifest:
    """Return the manifest; what it says is well formed, but may be untrue of the files. Raises Refused."""
    try:
        found = json.loads(content.decode())
        is_as_written = canonical(found) == content
    except (ValueError, RecursionError):  # no UTF-8 and no JSON are ValueErrors, as are lone surrogates and NaN
        raise Refused(f"{MANIFEST} is no JSON: it is damaged.") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise Refused(f"{MANIFEST} is not a manifest of a mirror that this program knows ({FORMAT}).")
    if not is_as_written:
        raise Refused(f"{MANIFEST} is not written in the one way that manifests are written: it is damaged.")
    if set(found) != _FIELDS or not all(isinstance(found[name], str) for name in _TEXTS):
        raise Refused(f"{MANIFEST} lacks something, or has too much.")
    version = found["version"]
    if type(version) is not int or not 0 < version < 2**53:
        raise Refused(f"The version in {MANIFEST} is no number.")
    if _day(found["expires_on"]) < _day(found["made_on"]):
        raise Refused(f"{MANIFEST} expires before it was made.")
    _check_accounts(found)
    _check_names(found["files"])
    return found


def _check_accounts(manifest: Manifest) -> None:
    accounts, others = manifest["accounts"], manifest["other_numbers"]
    is_right = isinstance(accounts, list) and isinstance(others, list) and all(isinstance(one, str) for one in others)
    for account in accounts if is_right else ():
        is_right = isinstance(account, dict) and set(account) == {"fund", "holder", "iban", "bic"}
        if not is_right or not all(isinstance(value, str) for value in account.values()):
            is_right = False
            break
    if not is_right:
        raise Refused(f"The accounts in {MANIFEST} are not written as they should be.")


def _check_names(files: Any) -> None:
    if not isinstance(files, dict) or len(files) > MOST_FILES:
        raise Refused(f"The files in {MANIFEST} are not written as they should be, or too many.")
    seen: Dict[str, str] = {}
    for name, facts in files.items():
        if not is_safe_name(name) or name in (MANIFEST, SIGNATURE):
            raise Refused(f"{MANIFEST} lists a file under a name that no mirror has: {ascii(name)[:120]}.")
        if name.casefold() in seen:
            raise Refused(f"On some computers {name} and {seen[name.casefold()]} are the same file.")
        seen[name.casefold()] = name
        if not isinstance(facts, dict) or set(facts) != {"sha256", "size"}:
            raise Refused(f"{MANIFEST} does not say of {name} what it should.")
        size, digest = facts["size"], facts["sha256"]
        if type(size) is not int or not isinstance(digest, str) or not _HASH.fullmatch(digest):
            raise Refused(f"{MANIFEST} does not say of {name} what it should.")
        if not 0 <= size <= LARGEST_FILE:
            raise Refused(f"{MANIFEST} lists {name} as larger than any file of a mirror.")


def read_small(path: str, most: int) -> bytes:
    """Return a plain file's content. Raises Refused for what is none, or too large."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise Refused(f"{os.path.basename(path)} is a link, a folder or a device, not a file.")
        with open(path, "rb") as file:
            content = file.read(most + 1)
    except FileNotFoundError:
        raise Refused(f"{os.path.basename(path)} is missing.") from None
    except OSError as error:
        raise Refused(f"{os.path.basename(path)} cannot be read: {error.strerror}.") from None
    if len(content) > most:
        raise Refused(f"{os.path.basename(path)} is larger than that of any mirror.")
    return content


# --- The files -------------------------------------------------------------------------------------------------------


def _walk(folder: str) -> Iterable[Tuple[str, "os.DirEntry[str]"]]:
    """Yield all that lies in the folder and is no folder, by its name in the manifest. Links are not followed."""
    ahead, count = [("", folder)], 0
    while ahead:
        prefix, path = ahead.pop()
        try:
            with os.scandir(path) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise Refused(f"The folder {prefix or folder!a} cannot be read: {error.strerror}.") from None
        for entry in found:
            count += 1
            if count > 2 * MOST_FILES:
                raise Refused("More lies in this folder than in any mirror.")
            if entry.is_dir(follow_symlinks=False):
                ahead.append((f"{prefix}{entry.name}/", entry.path))
            else:
                yield prefix + entry.name, entry


def check_files(folder: str, manifest: Manifest) -> List[Finding]:
    """Compare all that lies in the folder with the manifest."""
    files, findings, seen, suspects = manifest["files"], [], set(), []
    for name, entry in _walk(folder):
        if not entry.is_file(follow_symlinks=False):
            findings.append(Finding("link", f"A link or a device, where only files may be: {name!a}"))
        elif name in files:
            if not _is_same(entry, files[name]):
                findings.append(Finding("changed", f"Changed: {name}"))
                suspects.append(entry)
        elif name not in (MANIFEST, SIGNATURE):
            findings.append(Finding("added", f"Added, by somebody else: {name!a}"))
            suspects.append(entry)
        seen.add(name)
    findings += [Finding("missing", f"Missing: {name}") for name in sorted(set(files) - seen)]
    known = {account["iban"] for account in manifest["accounts"]} | set(manifest["other_numbers"])
    for entry in suspects:
        for number in sorted(_numbers_in(entry) - known):
            words = f"SWAPPED ACCOUNT: {number} stands in {entry.name!a}, and is none of the campaign's. Do not pay."
            findings.append(Finding("account", words))
    return findings


def _is_same(entry: "os.DirEntry[str]", facts: Dict[str, Any]) -> bool:
    digest, size = hashlib.sha256(), 0
    try:
        if entry.stat(follow_symlinks=False).st_size != facts["size"]:
            return False
        with open(entry.path, "rb") as file:
            while size <= facts["size"]:
                piece = file.read(1024 * 1024)
                if not piece:
                    break
                digest.update(piece)
                size += len(piece)
    except OSError as error:
        raise Refused(f"{entry.name!a} cannot be read: {error.strerror}.") from None
    return size == facts["size"] and digest.hexdigest() == facts["sha256"]


def _numbers_in(entry: "os.DirEntry[str]") -> "set[str]":
    with open(entry.path, "rb") as file:
        return numbers_in(file.read(LARGEST_PAGE).decode(errors="replace"))


# How long the account numbers (IBAN) of each country are.
_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DKFIFKFOGLNLSD",
        19: "MKSI",
        20: "ATBAEEKZLTLUMNXK",
        21: "CHHRLILV",
        22: "BGBHCRDEGBGEIEMERSVA",
        23: "AEGIILIQOMSOTL",
        24: "ADCZESMDPKROSASESKTNVG",
        25: "LYPTST",
        26: "ISTR",
        27: "BIDJFRGRITMCMRSM",
        28: "ALAZBYCYDOGTHNHULBNIPLSV",
        29: "BREGPSQAUA",
        30: "JOKWMUYE",
        31: "MTSC",
        32: "LC",
        33: "RU",
    }.items()
    for country in re.findall("..", countries)
}
# Looked for at each place, as one may begin in what could be the end of another.
_NUMBER = re.compile(r"(?<![A-Za-z0-9])(?=([A-Z]{2} ?[0-9]{2}(?: ?[A-Za-z0-9]){11,30}))")


def numbers_in(page: str) -> "set[str]":
    """Return the account numbers (IBAN) that stand in a text or a page."""
    text = re.sub(r"&nbsp;|&#160;|&#xa0;", " ", re.sub(r"<[^>]*>", " ", page), flags=re.IGNORECASE)
    text = re.sub(r"[ \t\r\n\u00a0\u202f]+", " ", text)
    found = set()
    for match in _NUMBER.finditer(text):
        typed = match[1].replace(" ", "").upper()
        number = typed[: _LENGTHS.get(typed[:2], 0)]
        if is_number(number):
            found.add(number)
    return found


def is_number(text: str) -> bool:
    """Whether it is an IBAN with the right length and check digits."""
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]+", text, re.ASCII) or len(text) != _LENGTHS.get(text[:2]):
        return False
    return int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97 == 1


# --- What was seen before --------------------------------------------------------------------------------------------


def read_memory(path: str) -> Dict[str, Any]:
    """Return the newest version seen of each key's mirror. Raises Refused rather than to forget it."""
    if not os.path.lexists(path):
        return {}
    try:
        found = json.loads(read_small(path, 1024 * 1024).decode())
        for seen in found.values():
            if type(seen["version"]) is not int or not _HASH.fullmatch(seen["manifest"]):
                raise ValueError
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        message = f"{path}, in which this program remembers what it has seen, is damaged. Look at it, or remove it."
        raise Refused(message) from None
    return dict(found)


def write_memory(path: str, memory: Dict[str, Any]) -> None:
    handle, name = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(path)), prefix=".seen-")
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(memory, file, indent=1, sort_keys=True)
        os.replace(name, path)
    except OSError:
        os.unlink(name)
        raise


# --- All of it -------------------------------------------------------------------------------------------------------


def check(
    folder: str,
    key: Key,
    today: dt.date,
    memory: Dict[str, Any] | None = None,
    numbers: Iterable[str] = (),
) -> Tuple[Manifest, List[Finding]]:
    """
    Return what the campaign signed, and all that is wrong. `memory` learns of a version that was not seen yet.

    Raises Refused if it is no mirror of this campaign's: then nothing that stands in it is worth anything.
    """
    if not os.path.isdir(folder):
        raise Refused(f"There is no folder {folder!a}.")
    content = read_small(os.path.join(folder, MANIFEST), LARGEST_MANIFEST)
    if not os.path.lexists(os.path.join(folder, SIGNATURE)):
        raise Refused("This copy is not signed: nobody can tell who made it.")
    check_signature(content, read_small(os.path.join(folder, SIGNATURE), LARGEST_SIGNATURE), key)
    manifest = read_manifest(content)
    findings = check_files(folder, manifest)
    findings += _check_time(manifest, hashlib.sha256(content).hexdigest(), key, today, {} if memory is None else memory)
    signed = {account["iban"] for account in manifest["accounts"]}
    for number in numbers:
        if number not in signed:
            words = f"{number} is not an account that the campaign signed for gifts. Do not pay before you have asked."
            findings.append(Finding("account", words))
    return manifest, findings


def _check_time(manifest: Manifest, digest: str, key: Key, today: dt.date, memory: Dict[str, Any]) -> Iterable[Finding]:
    version, seen = manifest["version"], memory.get(key.text)
    if seen and version < seen["version"]:
        yield Finding("old", f"Old: this is version {version}, and you have seen version {seen['version']} before.")
    elif seen and version == seen["version"] and digest != seen["manifest"]:
        yield Finding(
            "old", f"There are two different copies that are both signed as version {version}. Tell the campaign."
        )
    else:
        memory[key.text] = {"version": version, "manifest": digest}
    if _day(manifest["expires_on"]) < today:
        yield Finding(
            "expired", f"Expired: it was made on {manifest['made_on']}, and was good until {manifest['expires_on']}."
        )
    if _day(manifest["made_on"]) > today + dt.timedelta(days=1):
        words = f"It was made on {manifest['made_on']}, which has not come yet: is this computer's clock right?"
        yield Finding("expired", words)


def _key(chosen: argparse.Namespace) -> Key:
    if chosen.key:
        return read_key(chosen.key)
    if chosen.key_file:
        return read_key(read_small(chosen.key_file, 4096).decode(errors="replace"))
    key = read_key(read_small(os.path.join(chosen.folder, *KEY_FILE.split("/")), 4096).decode(errors="replace"))
    wanted = re.sub(r"[^0-9a-f]", "", chosen.fingerprint.lower())
    if len(wanted) != 32:
        raise Refused("The fingerprint has 32 signs, of 0 to 9 and a to f: please type all of them.")
    if wanted != key.fingerprint.replace(" ", ""):
        raise Refused(
            "The key in this copy is not the campaign's: its fingerprint is another one. Do not trust this copy."
        )
    return key


def _numbers(typed: Iterable[str]) -> List[str]:
    numbers = [re.sub(r"\s", "", number).upper() for number in typed]
    for number in numbers:
        if not is_number(number):
            raise Refused(f"{number!a} is no account number (IBAN): please compare each sign.")
    return numbers


def main(arguments: List[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Check a copy of a campaign's site that lies in a folder.")
    parser.add_argument("folder", metavar="FOLDER", help="the folder that holds MANIFEST.json")
    keys = parser.add_mutually_exclusive_group(required=True)
    keys.add_argument("--key", metavar="RWR...", help="the campaign's public key")
    keys.add_argument("--key-file", metavar="FILE", help="a file that holds it")
    keys.add_argument("--fingerprint", metavar="HEX", help="the key's fingerprint; the key is then taken from the copy")
    parser.add_argument(
        "--iban", action="append", default=[], help="an account number that you were told; can be repeated"
    )
    home = os.path.join(os.path.expanduser("~"), ".solidarity-mirrors.json")
    parser.add_argument("--state", metavar="FILE", default=home, help=f"where it remembers versions ({home})")
    parser.add_argument("--today", metavar="YYYY-MM-DD", help="if this computer's clock is wrong")
    chosen = parser.parse_args(arguments)
    try:
        key, numbers = _key(chosen), _numbers(chosen.iban)
        today = _day(chosen.today) if chosen.today else dt.datetime.now(dt.timezone.utc).date()
        memory = read_memory(chosen.state)
        is_first = key.text not in memory
    except (Refused, OSError) as error:
        print(f"NOT CHECKED. {error}", file=sys.stderr)
        return 2
    try:
        manifest, findings = check(chosen.folder, key, today, memory, numbers)
    except (Refused, OSError) as error:
        print(f"DO NOT TRUST THIS COPY. {error}")
        return 1
    try:
        write_memory(chosen.state, memory)
    except OSError as error:
        print(f"The version could not be remembered in {chosen.state}: {error.strerror}.", file=sys.stderr)
    for finding in findings[:200]:
        print(finding.words)
    if len(findings) > 200:
        print(f"... and {len(findings) - 200} more.")
    if findings:
        print("\nDO NOT TRUST THIS COPY.")
        return 1
    print(f"This copy of {manifest['origin']} is whole and unchanged: {len(manifest['files'])} files, as signed.")
    print(f"Version {manifest['version']}, made on {manifest['made_on']}, good until {manifest['expires_on']}.")
    if is_first:
        print("It is the first one of this campaign's that is checked here: whether there is a newer one is not known.")
    for account in manifest["accounts"]:
        print(f"Gifts go to: {ascii_unless_printable(account['holder'])}, {account['iban']} {account['bic']}")
    if not manifest["accounts"]:
        print("It names no account to which gifts should be paid.")
    return 0


def ascii_unless_printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(main())
