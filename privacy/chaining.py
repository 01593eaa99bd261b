"""
Hash chains: how the hash of an entry is made, so that anybody can make it again.

SHA-256 over the hash before it (64 zeros before the first) and the entry as JSON: UTF-8, keys in order, no blanks.
What is written here cannot change: every hash in every chain was made by it.
"""

import json
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

BEGINNING = "0" * 64


def canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def digest_of_text(previous: str, text: str) -> str:
    return sha256((previous + text).encode()).hexdigest()


def moment(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="microseconds") if at else None


def day(on: date | None) -> str | None:
    return on.isoformat() if on else None
