"""
The ledger's chain: how the hash of an event is made, so that anybody can make it again.

SHA-256 over the hash before it (64 zeros before the first) and the event as JSON: UTF-8, keys in order, no blanks.
What is written here cannot change: every hash in every ledger was made by it.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

from privacy.tags import tag

BEGINNING = "0" * 64


def canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def digest(previous: str, event: Mapping[str, Any]) -> str:
    """Return the hash of an event: its `sequence`, `at`, `fund`, `kind`, `about` and `payload`."""
    return digest_of_text(previous, canonical(event))


def digest_of_text(previous: str, text: str) -> str:
    return sha256((previous + text).encode()).hexdigest()


def seal(digested: str) -> str:
    """Return what only this program can make of a hash: its key lies outside the database (privacy.tags)."""
    return tag("ledger", digested)


def text_hash(*texts: str) -> str:
    """Return the hash that stands for texts in the ledger."""
    return sha256(canonical(texts).encode()).hexdigest()


def moment(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="microseconds") if at else None


def day(on: date | None) -> str | None:
    return on.isoformat() if on else None
