"""
The ledger's chain: what is hashed of an event. How, is told in privacy.chaining.

What is written here cannot change: every hash in every ledger was made by it.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from privacy.chaining import canonical, digest_of_text
from privacy.tags import tag


def digest(previous: str, event: Mapping[str, Any]) -> str:
    """Return the hash of an event: its `sequence`, `at`, `fund`, `kind`, `about` and `payload`."""
    return digest_of_text(previous, canonical(event))


def seal(digested: str) -> str:
    """Return what only this program can make of a hash: its key lies outside the database (privacy.tags)."""
    return tag("ledger", digested)


def text_hash(*texts: str) -> str:
    """Return the hash that stands for texts in the ledger."""
    return sha256(canonical(texts).encode()).hexdigest()
