"""
DKIM signatures (RFC 6376), made by OpenSSL: rsa-sha256 and ed25519-sha256 (RFC 8463), relaxed/relaxed.

One signature for each key of the settings, so that a server which knows no ed25519 still finds one that it can check.
"""

import re
import time
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from django.conf import settings

from outbox.smtp import Unavailable

# Each is signed once more than it is there, so that nobody can add one to a signed message (RFC 6376, 8.15).
OVERSIGNED = (
    *("from", "reply-to", "subject", "date", "to", "message-id"),
    *("content-type", "content-transfer-encoding", "mime-version"),
    *("list-unsubscribe", "list-unsubscribe-post"),
)
SMALLEST_RSA = 1024  # bits: RFC 8301, 3.2
_BLANKS = re.compile(rb"[ \t]{2,}|\t")  # all but the single space, which stays as it is
_FIELD_END = re.compile(rb"\r\n(?![ \t])")


class KeyUnusable(Unavailable):
    """A key of the settings cannot be read: no message is to blame, and none leaves unsigned."""


@dataclass(frozen=True)
class Signer:
    """A private key, and where receivers find its public half."""

    selector: str
    domain: str
    key: RSAPrivateKey | Ed25519PrivateKey

    @property
    def kind(self) -> str:
        """The key's type as DKIM names it."""
        return "rsa" if isinstance(self.key, RSAPrivateKey) else "ed25519"

    @property
    def record_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def public_key(self) -> str:
        """The tag `p` of the record: an RSA key as SubjectPublicKeyInfo, the 32 bytes of an ed25519 key as they are."""
        if isinstance(self.key, RSAPrivateKey):
            public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return b64encode(public).decode()

    @property
    def record(self) -> str:
        """The text to publish in DNS (RFC 6376, 3.6.1)."""
        return f"v=DKIM1; k={self.kind}; p={self.public_key}"

    def header(self, signed: bytes, names: Iterable[str], body_hash: bytes) -> bytes:
        """Return the whole header field for the canonical header lines `signed`, whose names are `names`."""
        unsigned = (
            f"DKIM-Signature: v=1; a={self.kind}-sha256; c=relaxed/relaxed;\r\n"
            f" d={self.domain};\r\n"
            f" s={self.selector}; t={int(time.time())};\r\n"
            f" h={_folded(names)};\r\n"
            f" bh={body_hash.decode()};\r\n"
            f" b="
        ).encode()
        signature = b64encode(self._sign(signed + relaxed_header(unsigned)))
        lines = [signature[at : at + 72] for at in range(0, len(signature), 72)]
        return unsigned + b"\r\n ".join(lines) + b"\r\n"

    def _sign(self, data: bytes) -> bytes:
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(data, PKCS1v15(), SHA256())
        return self.key.sign(sha256(data).digest())  # RFC 8463, 3: the hash is what is signed


def sign(content: bytes) -> bytes:
    """
    Return the message, whose lines must end in CRLF, under a signature for each key; without a key, as it is.

    Raises KeyUnusable.
    """
    keys = signers()
    if not keys:
        return content
    head, _, body = content.partition(b"\r\n\r\n")
    body_hash = b64encode(sha256(relaxed_body(body)).digest())
    signed, names = _to_sign(head.removesuffix(b"\r\n"))
    return b"".join(signer.header(signed, names, body_hash) for signer in keys) + content


def signers() -> tuple[Signer, ...]:
    """Return the keys of the settings; each file is read once in a process. Raises KeyUnusable."""
    return tuple(load(selector, path, settings.DKIM_DOMAIN) for selector, path in settings.DKIM_KEYS)


@lru_cache
def load(selector: str, path: str, domain: str) -> Signer:
    """Read the private key in the PEM file at `path`. Raises KeyUnusable with a plain sentence."""
    try:
        key = load_pem_private_key(Path(path).read_bytes(), password=None)
    except OSError as error:
        raise KeyUnusable(f"The DKIM key {path} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is encrypted
        raise KeyUnusable(f"The DKIM key {path} is not a private key in PEM without a password.") from error
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise KeyUnusable(f"The DKIM key {path} is neither an RSA nor an ed25519 key.")
    if isinstance(key, RSAPrivateKey) and key.key_size < SMALLEST_RSA:
        raise KeyUnusable(f"The DKIM key {path} has {key.key_size} bits; receivers want {SMALLEST_RSA} at least.")
    return Signer(selector, domain, key)


def is_open_to_others(path: str | Path) -> bool:
    """Whether other users of this machine may read or write the file. Raises OSError."""
    return bool(Path(path).stat().st_mode & 0o007)


def relaxed_body(body: bytes) -> bytes:
    """Return the body in the canonical form "relaxed" (RFC 6376, 3.4.4)."""
    if not body.endswith(b"\r\n"):
        body += b"\r\n"
    # In two steps, since one expression for "blanks before a line end" takes quadratic time on a long row of blanks.
    body = _BLANKS.sub(b" ", body).replace(b" \r\n", b"\r\n")
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n" if end else b""


def relaxed_header(field: bytes) -> bytes:
    """Return a header field, given and returned without its last CRLF, in the canonical form (RFC 6376, 3.4.2)."""
    name, _, value = field.partition(b":")
    value = _BLANKS.sub(b" ", value.replace(b"\r\n", b""))
    return name.rstrip(b" \t").lower() + b":" + value.strip(b" ")


def _to_sign(head: bytes) -> tuple[bytes, list[str]]:
    """Return the canonical lines of the signed fields, and the names for the tag `h`."""
    found: dict[bytes, list[bytes]] = {}
    for field in _FIELD_END.split(head):
        line = relaxed_header(field)
        found.setdefault(line.partition(b":")[0], []).append(line)
    lines: list[bytes] = []
    names: list[str] = []
    for name in OVERSIGNED:
        there = found.get(name.encode(), [])
        lines += reversed(there)  # of several, the lowest comes first (RFC 6376, 5.4.2)
        names += [name] * (len(there) + 1)
    return b"".join(line + b"\r\n" for line in lines), names


def _folded(names: Iterable[str]) -> str:
    """Return the names joined by colons, in lines of at most 72 characters."""
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > 70:
            lines.append("")
        lines[-1] += f"{name}:"
    return "\r\n  ".join(lines).removesuffix(":")
