"""From which network a request comes."""

import logging
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

from privacy.tags import tag

logger = logging.getLogger(__name__)
Address = IPv4Address | IPv6Address


def client_address(request: HttpRequest) -> Address | None:
    """
    Return the address of whoever sent the request.

    Anybody can write anything into X-Forwarded-For; each proxy appends the address that it was asked from. So it is
    read from the right, past TRUSTED_PROXIES addresses; with none of these it is not read at all.
    """
    near = _parsed(request.META.get("REMOTE_ADDR", ""))
    forwarded = request.headers.get("X-Forwarded-For", "")
    if not settings.TRUSTED_PROXIES:
        if forwarded and near and near.is_private:
            _warn_of_proxy()
        return near
    chain = [text for text in forwarded.split(",") if text.strip()][-settings.TRUSTED_PROXIES :]
    return _parsed(chain[0]) if chain else near


def network_of(address: Address | None) -> str:
    """Return the network that is one household or one office: an IPv4 address, or 64 bits of an IPv6 address."""
    if address is None:
        return ""
    return str(ip_network((address, 32 if address.version == 4 else 64), strict=False))


def network_tag(address: Address | None) -> str:
    """Return the keyed tag of the network. All of whom no address is known are one network."""
    return tag("network", network_of(address))


def _parsed(text: str) -> Address | None:
    text = text.strip().partition("%")[0]
    if text.startswith("["):  # [2001:db8::1]:1234
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # 192.0.2.1:1234
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@cache
def _warn_of_proxy() -> None:
    logger.warning("Requests come through a proxy, but TRUSTED_PROXIES is 0: all visitors count as one network.")
