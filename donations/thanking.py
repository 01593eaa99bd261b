"""
Thanking a donor by mail for what arrived on their pledge: once for each gift, with a link to the receipt.

The mail is written with the allocation and sent by the outbox. If the allocation is undone before, nothing is sent.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import islice

from django.db.models import Sum
from django.utils import timezone

from donations.models import LINK_FOR, Allocation, Pledge, PledgeMail
from outbox.tasks import send
from privacy.tags import new_token, tag

# Of a statement from further back, no donor expects thanks any more.
THANK_WITHIN = timedelta(days=60)
_AT_ONCE = 1000


def thank(allocation: Allocation) -> bool:
    """Write the mail that thanks for an allocation to a pledge. Return whether there is one to write."""
    return bool(thank_all([allocation]))


def thank_all(allocations: Iterable[Allocation]) -> int:
    """Write a mail for each allocation to a pledge, of those whose givers confirmed their address. Return how many."""
    since, rows = timezone.localdate() - THANK_WITHIN, iter(allocations)
    count = 0
    while some := list(islice(rows, _AT_ONCE)):
        count += _thank(
            [
                one
                for one in some
                if one.kind == Allocation.Kind.PLEDGE
                and one.amount_minor > 0
                and one.reverses_id is None
                and one.transaction.booked_on >= since
            ]
        )
    return count


def _thank(allocations: Sequence[Allocation]) -> int:
    pledges = {one.pledge_id for one in allocations if one.pledge_id}
    reachable = set(Pledge.objects.counted().filter(pk__in=pledges).exclude(email="").values_list("pk", flat=True))
    thanked = set(
        PledgeMail.objects.filter(
            pledge__in=pledges, transaction__in={one.transaction_id for one in allocations}
        ).values_list("pledge", "transaction")
    )
    wanted = {
        (one.pledge_id, one.transaction_id) for one in allocations if one.pledge_id and one.pledge_id in reachable
    } - thanked
    PledgeMail.objects.bulk_create(_mail(*one) for one in sorted(wanted))
    if wanted:
        send.delay_on_commit(PledgeMail._meta.label_lower)
    return len(wanted)


def _mail(pledge: int, transaction: int) -> PledgeMail:
    token = new_token()
    return PledgeMail(
        pledge_id=pledge,
        transaction_id=transaction,
        kind=PledgeMail.Kind.THANKS,
        token=token,
        token_hash=tag("token", token),
        expires_at=timezone.now() + LINK_FOR,
    )


def arrived(pledge: Pledge, transaction: int) -> int:
    """Return what of a transaction is for this pledge by now, in the smallest unit; an undone allocation is nothing."""
    said = Allocation.objects.filter(pledge=pledge, transaction=transaction, kind=Allocation.Kind.PLEDGE)
    return int(said.aggregate(total=Sum("amount_minor", default=0))["total"])
