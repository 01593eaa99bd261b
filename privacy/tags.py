"""
Keyed tags: equal for equal values, meaningless without the key.

A plain hash of an address is the address: there are few enough to try them all (see lessons). So the tag is
HMAC-SHA-256 (RFC 2104) under a key outside the database, with the purpose in the message, so that tags
of different purposes cannot be joined.
"""

import hmac
import secrets

from django.conf import settings


def tag(purpose: str, value: str) -> str:
    """Return the keyed tag of `value` for `purpose`, 64 hexadecimal digits."""
    return hmac.digest(settings.PRIVACY_TAG_KEY.encode(), f"{purpose}\0{value}".encode(), "sha256").hex()


def new_token() -> str:
    """Return a secret for a mailed link: 192 random bits, safe in an URL. Store only `tag("token", secret)`."""
    return secrets.token_urlsafe(24)
