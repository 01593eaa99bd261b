"""Looking names up in DNS, with an end to the patience."""

from typing import Any

from django.conf import settings
from dns.exception import DNSException
from dns.nameserver import Do53Nameserver
from dns.resolver import NXDOMAIN, NoAnswer, Resolver
from dns.reversename import from_address


class Silent(Exception):
    """No DNS server answered: nothing can be said of the name."""


class Names:
    """
    Names as the machine's DNS servers know them, or those of the settings.

    Each question returns what is published, or nothing. Raises Silent where nobody answers; and at once when asked
    again, so that a page with many questions does not wait for each.
    """

    def __init__(self) -> None:
        self._silent = False

    def texts(self, name: str) -> list[str]:
        return [b"".join(found.strings).decode(errors="replace") for found in self._ask(name, "TXT")]

    def mail_servers(self, name: str) -> list[str]:
        """The servers of MX, without the final dot: one empty name means that no mail is taken (RFC 7505)."""
        return [found.exchange.to_text(omit_final_dot=True).rstrip(".") for found in self._ask(name, "MX")]

    def addresses(self, name: str) -> list[str]:
        return [found.address for kind in ("A", "AAAA") for found in self._ask(name, kind)]

    def names_of(self, address: str) -> list[str]:
        """The names that an IP address leads back to. Raises ValueError if it is none."""
        try:
            reverse = from_address(address)
        except DNSException as error:
            raise ValueError(f"{address} is not an IP address.") from error
        return [found.target.to_text(omit_final_dot=True) for found in self._ask(reverse.to_text(), "PTR")]

    def _ask(self, name: str, kind: str) -> list[Any]:
        if self._silent:
            raise Silent
        try:
            return list(_resolver().resolve(f"{name.rstrip('.')}.", kind))
        except (NXDOMAIN, NoAnswer):
            return []
        except (DNSException, OSError) as error:
            self._silent = True
            raise Silent from error


def _resolver() -> Resolver:
    resolver = Resolver(configure=not settings.DNS_RESOLVERS)
    if settings.DNS_RESOLVERS:
        resolver.nameservers = [_nameserver(entry) for entry in settings.DNS_RESOLVERS]
    resolver.lifetime = settings.DNS_TIMEOUT_SECONDS
    resolver.use_edns(0, 0, 1232)  # a record with an RSA key then comes in one packet
    return resolver


def _nameserver(entry: str) -> Do53Nameserver:
    if entry.count(":") != 1:  # an IPv6 address, or one without a port
        return Do53Nameserver(entry)
    address, _, port = entry.partition(":")
    return Do53Nameserver(address, int(port))
