"""Model fields for personal data: encrypted text, and keyed tags that can be compared but not read."""

import logging
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

logger = logging.getLogger(__name__)

# Nobody can type it: privacy.typed refuses its first character.
UNREADABLE = "\ufffd unreadable \ufffd"


class Unreadable(str):
    """
    What stands for a text whose key is lost: pages and queues go on, and no mail is sent with it.

    Saved again, it is stored as it was, so that nothing is lost should the key turn up.
    """

    stored: str

    def __new__(cls, stored: str) -> "Unreadable":
        text = super().__new__(cls, UNREADABLE)
        text.stored = stored
        return text


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def cipher() -> MultiFernet:
    """Return the cipher of the configured keys: the newest encrypts, each decrypts."""
    return _fernet(tuple(settings.PRIVACY_KEYS))


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]
    """
    Text that is stored as a Fernet token (AES-128-CBC with HMAC-SHA-256) under keys outside the database.

    It cannot be searched, ordered or compared by the database. An empty text is stored as an empty text, so that
    an erased column is seen to be empty.
    """

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Unreadable):
            return value.stored
        value = super().get_prep_value(value)
        return cipher().encrypt(value.encode()).decode() if value else value

    def from_db_value(self, value: str | None, expression: object, connection: object) -> str | None:
        try:
            return cipher().decrypt(value.encode()).decode() if value else value
        except InvalidToken:
            logger.error("%s cannot be decrypted: its key is not among PRIVACY_KEYS.", self)
            return Unreadable(value or "")

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name == "exact":
            return EmptyOnly
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        return None  # makes Django answer "Unsupported lookup" instead of comparing ciphertext


class EmptyOnly(models.lookups.Exact):
    """The one comparison that makes sense on ciphertext: with the empty text."""

    lookup_name = "exact"

    def get_prep_lookup(self) -> Any:
        if self.rhs != "":
            raise ValueError("An encrypted column can only be compared with the empty text; look up by its keyed tag.")
        return ""


class TagField(models.CharField):  # type: ignore[type-arg]
    """A keyed tag (privacy.tags), in hexadecimal; NULL once it has been erased."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 64, "editable": False, **kwargs})
