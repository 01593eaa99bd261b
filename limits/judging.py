"""
Whether a posted form goes through, needs proof of work first, or is held until an organiser has looked at it.

Nothing here refuses anybody, and nothing looks at what is known of the address that was typed.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest
from django.utils import timezone

from limits import proving, stamping
from limits.models import Block, Post, Why
from limits.networks import Address, client_address, network_tag
from privacy.addresses import canonical
from privacy.tags import tag

logger = logging.getLogger(__name__)

NEAR_WITHIN = timedelta(minutes=10)
OVER_WITHIN = timedelta(hours=1)
# Half the world has an address there, or gave none: how many come from it says nothing.
OPEN_TO_ALL = frozenset(
    (  # noqa: SIM905
        "aol.com bk.ru fastmail.com free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net hotmail.co.uk "
        "hotmail.com hotmail.de hotmail.fr icloud.com inbox.ru laposte.net libero.it list.ru live.com mac.com mail.com "
        "mail.kz mail.ru mailbox.org me.com msn.com o2.pl orange.fr outlook.com outlook.de posteo.de proton.me "
        "protonmail.com qq.com rambler.ru riseup.net seznam.cz t-online.de telia.com tuta.com tutanota.com ukr.net "
        "web.de wp.pl ya.ru yahoo.co.uk yahoo.com yahoo.de yahoo.fr yandex.kz yandex.ru"
    ).split()
) | {""}


@dataclass(frozen=True)
class Sender:
    """Who posts, as far as the limits care: nothing of it is kept but the tags."""

    address: Address | None
    network_tag: str
    domain: str
    domain_tag: str
    trapped: bool
    stamp: str
    altcha: str
    waits: bool


@dataclass(frozen=True)
class Verdict:
    """`hold`: why it is to be held. `ask`: first proof of work. `counted`: whether the limits can be counted on."""

    hold: Why | None = None
    ask: bool = False
    proof: proving.Proof | None = None
    counted: bool = True


def sender(request: HttpRequest, email: str) -> Sender:
    """Return who posts the form in `request`; templates/limits/fields.html holds the fields."""
    address, domain = client_address(request), canonical(email).rpartition("@")[2]
    return Sender(
        address=address,
        network_tag=network_tag(address),
        domain=domain,
        domain_tag=tag("mail domain", domain),
        trapped=bool(request.POST.get("homepage")),
        stamp=request.POST.get("stamp", ""),
        altcha=request.POST.get("altcha", ""),
        waits=request.POST.get("wait") == "1",
    )


def judge(who: Sender) -> Verdict:
    """Return what is to be done with a post. Writes nothing. If the limits cannot be read, it is held."""
    try:
        return _judge(who)
    except DatabaseError as error:
        logger.error("The limits cannot be read (%s): what is posted is held.", type(error).__name__)
        return Verdict(hold=Why.UNKNOWN, counted=False)


def _judge(who: Sender) -> Verdict:
    if why := _blocked(who) or _signal(who):
        return Verdict(hold=why)
    asks = stamping.age(who.stamp) is None
    for column, whose, near, over, why in _limits(who):
        lately, within_the_hour = _count(column, whose, over)
        if within_the_hour >= over:
            return Verdict(hold=why)
        asks = asks or lately >= near
    if not asks:
        return Verdict()
    proof = proving.proof(who.altcha)
    if proof and not proving.is_spent(proof):
        return Verdict(proof=proof)
    return Verdict(hold=Why.NO_PROOF) if who.waits else Verdict(ask=True)


def _signal(who: Sender) -> Why | None:
    """Return what speaks for a program, whatever the limits say."""
    if who.trapped:
        return Why.TRAP
    age = stamping.age(who.stamp)
    fastest = timedelta(seconds=settings.FORM_SECONDS)
    return Why.TOO_FAST if age is not None and age < fastest else None


def _limits(who: Sender) -> Iterator[tuple[str, str, int, int, Why]]:
    """Yield whose posts are counted, from how many on proof is asked, and from how many on they are held."""
    yield "network_tag", who.network_tag, settings.LIMIT_NETWORK_NEAR, settings.LIMIT_NETWORK_OVER, Why.NETWORK
    if who.domain not in OPEN_TO_ALL:
        yield "domain_tag", who.domain_tag, settings.LIMIT_DOMAIN_NEAR, settings.LIMIT_DOMAIN_OVER, Why.DOMAIN


def note(who: Sender, verdict: Verdict) -> Verdict:
    """
    Count the post and use up its proof, in the transaction that keeps it; return the verdict that now holds.

    Rows are only added. Posts that run at this moment do not see each other, so a limit may be passed by as many.
    """
    if not verdict.counted:
        return verdict
    try:
        with transaction.atomic():
            if verdict.proof and not proving.spend(verdict.proof):
                return Verdict(ask=True)
            through = verdict.hold is None and who.domain not in OPEN_TO_ALL
            Post.objects.create(network_tag=who.network_tag, domain_tag=who.domain_tag if through else None)
    except DatabaseError as error:
        logger.error("The limits cannot be written (%s): what is posted is held.", type(error).__name__)
        return Verdict(hold=Why.UNKNOWN, counted=False)
    return verdict


# Every post asks: put together once, and as quick with a million posts of one network as with none.
_COUNT = """
    SELECT COUNT(*), COALESCE(SUM(CASE WHEN created_at > %s THEN 1 ELSE 0 END), 0)
    FROM (SELECT created_at FROM limits_post WHERE {} = %s AND created_at > %s ORDER BY created_at DESC LIMIT %s) lately
"""


def _count(column: str, tag_: str, most: int) -> tuple[int, int]:
    """Return how many posts there were lately, and within the hour, where no more than `most` are looked at."""
    now = timezone.now()
    near, over = (connection.ops.adapt_datetimefield_value(now - within) for within in (NEAR_WITHIN, OVER_WITHIN))
    with connection.cursor() as cursor:
        cursor.execute(_COUNT.format(column), [near, tag_, over, most])
        within_the_hour, lately = cursor.fetchone()
    return lately, within_the_hour


def _blocked(who: Sender) -> Why | None:
    parts = who.domain.split(".")
    domains = {".".join(parts[start:]) for start in range(len(parts))}
    now = timezone.now()
    for block in _blocks():
        if block.expires_at <= now:
            continue
        if block.domain and block.domain in domains:
            return Why.BLOCKED_DOMAIN
        if block.network_tag == who.network_tag or (
            block.network and who.address and who.address in ip_network(block.network)
        ):
            return Why.BLOCKED_NETWORK
    return None


_known_blocks: tuple[float, list[Block]] = (0.0, [])


def _blocks() -> list[Block]:
    """Return what organisers have blocked, as each process has read it a few seconds ago at most."""
    global _known_blocks  # noqa: PLW0603 - one for all threads; whichever reads it last is right
    read_at, blocks = _known_blocks
    if not read_at or time.monotonic() - read_at >= settings.BLOCKS_SECONDS:
        blocks = list(Block.objects.current())
        _known_blocks = (time.monotonic(), blocks)
    return blocks
