"""
What makes two spellings of a mail address the same person's mailbox.

Only what holds for every mailbox there is, by a standard or by the provider's own words: of two people taken for one,
the second could not sign. So Yahoo's addresses of its own making (name-word@) stay as they are: "name" is not the
mailbox's. Two people who share one address are one here: nothing tells them apart. docs/developers.md says more.
"""

import re
import unicodedata
from contextlib import suppress

import idna

from privacy.tags import tag

# One mailbox, several domains: Google (support answer 10313), Yandex (its help, "Mailbox aliases"), Proton (its help,
# "Addresses and aliases"), Apple (support 118230).
_SAME_DOMAIN = {
    "googlemail.com": "gmail.com",
    **dict.fromkeys(["ya.ru", "yandex.by", "yandex.com", "yandex.kz", "yandex.ua"], "yandex.ru"),
    **dict.fromkeys(["protonmail.com", "protonmail.ch", "pm.me"], "proton.me"),
    **dict.fromkeys(["me.com", "mac.com"], "icloud.com"),
}
# What the mailbox's name is read without: Google (support answer 7436150), Proton (`canonicalizeInternalEmail` in its
# public clients).
_IGNORED = {"gmail.com": ".", "proton.me": "._-"}
# Sub-addresses after a plus sign (RFC 5233), wherever the provider says that they work without being switched on.
_PLUS = {
    *("gmail.com", "yandex.ru", "proton.me", "icloud.com", "fastmail.com", "fastmail.fm"),
    *("outlook.com", "hotmail.com", "live.com", "msn.com"),
}
# any@name.fastmail.com is name@fastmail.com (Fastmail's help, "Plus addressing and subdomain addressing").
_NAME_IN_DOMAIN = re.compile(r"([^.]+)\.(fastmail\.com|fastmail\.fm)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def canonical(address: str) -> str:
    """
    Return the one spelling under which `address` counts as a person.

    Case is folded in both parts: RFC 5321 leaves the local part to the server, and no provider of note uses it.
    NFKC, not NFC: full-width letters and ligatures are what keyboards make of the same address. Quotes that a local
    part does not need, and the root's dot, mean nothing (RFC 5321, 4.1.2; RFC 1034, 3.1).
    """
    local, _, domain = unicodedata.normalize("NFKC", address.strip()).rpartition("@")
    local, domain = _unquoted(local).casefold(), _ascii(domain.removesuffix("."))
    domain = _SAME_DOMAIN.get(domain, domain)
    if within := _NAME_IN_DOMAIN.fullmatch(domain):
        local, domain = within.groups()
    if domain in _PLUS:
        local = local.partition("+")[0] or local
    for sign in _IGNORED.get(domain, ""):
        local = local.replace(sign, "") or local
    return f"{local}@{domain}"


def _unquoted(local: str) -> str:
    quoted = _QUOTED.fullmatch(local)
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else local


def _ascii(domain: str) -> str:
    """Return the domain as the DNS has it (IDNA 2008, as forms take it: straße is not strasse)."""
    with suppress(UnicodeError):  # not a name that the DNS could hold: compare it as it is
        return domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode()
    return domain.casefold()


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
