"""What goes out of the treasurer's desk as a table."""

from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from campaign.exporting import Export
from donations import money, reconciling, references
from donations.models import Pledge


def _units(minor: int, pledge: Pledge) -> Decimal:
    return Decimal(minor).scaleb(-money.exponent(pledge.currency))


def _received(pledge: Any) -> int:
    return int(pledge.received_minor)  # annotated by the list


PLEDGES = Export(
    "pledges",
    _("Pledges that stand, with names and addresses"),
    {
        "number": lambda pledge: pledge.number,
        "reference": lambda pledge: references.rf(pledge.number),
        "fund": lambda pledge: pledge.fund.slug,
        "pledged_on": lambda pledge: timezone.localdate(pledge.created_at),
        "kind": lambda pledge: pledge.kind,
        "name": lambda pledge: pledge.name,
        "organisation": lambda pledge: pledge.organisation,
        "email": lambda pledge: pledge.email,
        "language": lambda pledge: pledge.locale,
        "shown": lambda pledge: pledge.display,
        "amount": lambda pledge: _units(pledge.amount_minor, pledge),
        "currency": lambda pledge: pledge.currency,
        "frequency": lambda pledge: pledge.frequency,
        "until": lambda pledge: pledge.ends_on,
        "received": lambda pledge: _units(_received(pledge), pledge),
        "paid": lambda pledge: reconciling.paid(pledge, _received(pledge)).value,
    },
    personal=_("Names, e-mail addresses and amounts of those who give."),
    chosen=lambda rows: rows.counted().select_related("fund").prefetch_related(None),
)
