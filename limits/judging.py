"""
Whether a posted form goes through, needs proof of work first, or is held until an organiser has looked at it.

Nothing here refuses anybody, and nothing looks at what is known of the address that was typed.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network

from django.conf import settings
from django.db import DatabaseError, models, transaction
from django.db.models import Q
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
# Half the world has an address there: how many come from it says nothing.
OPEN_TO_ALL = frozenset(
    (  # noqa: SIM905
        "aol.com bk.ru fastmail.com free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net hotmail.co.uk "
        "hotmail.com hotmail.de hotmail.fr icloud.com inbox.ru laposte.net libero.it list.ru live.com mac.com mail.com "
        "mail.kz mail.ru mailbox.org me.com msn.com o2.pl orange.fr outlook.com outlook.de posteo.de proton.me "
        "protonmail.com qq.com rambler.ru riseup.net seznam.cz t-online.de telia.com tuta.com tutanota.com ukr.net "
        "web.de wp.pl ya.ru yahoo.co.uk yahoo.com yahoo.de yahoo.fr yandex.kz yandex.ru"
    ).split()
)


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
    for whose, near, over, why in _limits(who):
        lately, within_the_hour = _count(whose, over)
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


def _limits(who: Sender) -> Iterator[tuple[Q, int, int, Why]]:
    """Yield whose posts are counted, from how many on proof is asked, and from how many on they are held."""
    yield Q(network_tag=who.network_tag), settings.LIMIT_NETWORK_NEAR, settings.LIMIT_NETWORK_OVER, Why.NETWORK
    if who.domain not in OPEN_TO_ALL:
        yield Q(domain_tag=who.domain_tag), settings.LIMIT_DOMAIN_NEAR, settings.LIMIT_DOMAIN_OVER, Why.DOMAIN


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


def _count(whose: Q, most: int) -> tuple[int, int]:
    """Return how many posts there were lately, and within the hour, where no more than `most` are looked at."""
    now = timezone.now()
    times = Post.objects.filter(whose, created_at__gt=now - OVER_WITHIN).order_by("-created_at")
    found = list(times.values_list("created_at", flat=True)[:most])
    return sum(created_at > now - NEAR_WITHIN for created_at in found), len(found)


def _blocked(who: Sender) -> Why | None:
    parts = who.domain.split(".")
    domains = [".".join(parts[start:]) for start in range(len(parts))]
    mine = Q(domain__in=domains) | Q(network_tag=who.network_tag) | ~Q(network="")
    blocks: models.QuerySet[Block] = Block.objects.current().filter(mine)
    for domain, network in blocks.values_list("domain", "network"):
        if domain:
            return Why.BLOCKED_DOMAIN
        if not network or (who.address and who.address in ip_network(network)):
            return Why.BLOCKED_NETWORK
    return None
