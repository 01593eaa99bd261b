"""What makes two spellings of a mail address the same person's mailbox."""

import unicodedata
from contextlib import suppress

from privacy.tags import tag

# Providers that ignore dots in the local part, by their own documentation; and their other names.
_DOTS_IGNORED = {"gmail.com"}
_SAME_DOMAIN = {"googlemail.com": "gmail.com"}
# Providers with sub-addresses after a plus sign (RFC 5233).
_PLUS_IGNORED = {"gmail.com", "outlook.com", "hotmail.com", "fastmail.com", "proton.me", "protonmail.com", "icloud.com"}


def canonical(address: str) -> str:
    """
    Return the one spelling under which `address` counts as a person.

    Case is folded in both parts: RFC 5321 leaves the local part to the server, and no provider of note uses it.
    """
    local, _, domain = unicodedata.normalize("NFKC", address.strip()).rpartition("@")
    local, domain = local.casefold(), domain.casefold()
    with suppress(UnicodeError):  # not a name that the DNS could hold: compare it as it is
        domain = domain.encode("idna").decode()
    domain = _SAME_DOMAIN.get(domain, domain)
    if domain in _PLUS_IGNORED:
        local = local.partition("+")[0] or local
    if domain in _DOTS_IGNORED:
        local = local.replace(".", "")
    return f"{local}@{domain}"


def mailbox_tag(address: str) -> str:
    """
    Return the keyed tag under which mails to `address` are counted.

    At every domain it is the same with and without a sub-address after a plus sign: at many they lead to one mailbox.
    Elsewhere two people may share it; so it never says who is who.
    """
    local, _, domain = canonical(address).rpartition("@")
    return tag("mailbox", f"{local.partition('+')[0] or local}@{domain}")


def address_tag(address: str) -> str:
    """Return the keyed tag of the person's mailbox, the same for all spellings of one address."""
    return tag("address", canonical(address))
