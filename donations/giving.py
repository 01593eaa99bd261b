"""Pledging and giving: a promise made, confirmed or withdrawn; money recorded by hand."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

from django.contrib.auth.models import User
from django.db.models import Sum
from django.db.transaction import atomic
from django.utils import timezone

from donations import balances, posting
from donations.consent import VERSION
from donations.models import LINK_FOR, BankAccount, Fund, Pledge, PledgeMail, Transaction
from donations.references import new_number
from outbox import capping
from outbox.tasks import send
from privacy.addresses import address_tag, mailbox_tag
from privacy.showing import shown
from privacy.tags import new_token, tag

MAIL_AGAIN_AFTER = timedelta(minutes=10)


def pledge(
    fund: Fund,
    *,
    kind: str,
    name: str,
    organisation: str,
    email: str,
    amount_minor: int,
    currency: str,
    frequency: str,
    display: str,
    locale: str,
) -> Pledge:
    """
    Write a pledge, unconfirmed, and its mail; return it.

    The same pledge of the same person on the same day is one pledge: it is returned as it was first made, because
    whoever sends it again need not be its giver. Its mail is written again as far as the caps allow.
    """
    email_tag, mailbox = address_tag(email), mailbox_tag(email)
    now = timezone.now()
    with atomic():
        capping.take_turns(mailbox)
        made, _created = Pledge.objects.get_or_create(
            fund=fund,
            email_tag=email_tag,
            amount_minor=amount_minor,
            currency=currency,
            frequency=frequency,
            made_on=timezone.localdate(now),
            defaults={
                "number": _unused_number(),
                "kind": kind,
                "name": name,
                "organisation": "" if kind == Pledge.Kind.PERSON else organisation,
                "email": email,
                "display": display,
                "locale": locale,
                "consent_version": VERSION,
                "consented_at": now,
                "created_at": now,
            },
        )
        if not capping.has_had_enough(mailbox) and not _mailed_just_now(made):
            token = new_token()
            PledgeMail.objects.create(
                pledge=made,
                token=token,
                token_hash=tag("token", token),
                expires_at=now + LINK_FOR,
                recipient_tag=mailbox,
            )
            send.delay_on_commit(PledgeMail._meta.label_lower)
    return made


def _unused_number() -> str:
    while Pledge.objects.filter(number=(number := new_number())).exists():
        pass
    return number


def _mailed_just_now(made: Pledge) -> bool:
    return made.mails.filter(created_at__gt=timezone.now() - MAIL_AGAIN_AFTER).exists()


def confirm(made: Pledge) -> bool:
    """Count a pledge, on the word of the address's owner. Return whether it was this call that did."""
    return bool(
        Pledge.objects.filter(pk=made.pk, confirmed_at=None, withdrawn_at=None).update(confirmed_at=timezone.now())
    )


@atomic
def withdraw(made: Pledge) -> bool:
    """
    Take a pledge back, delete its giver's name and address, and stop its waiting mails.

    What has arrived on it stays in the books, under the number. Return whether it was this call that did.
    """
    made.mails.all().cancel()
    Transaction.objects.filter(allocations__pledge=made).erase()
    return bool(
        Pledge.objects.filter(pk=made.pk, withdrawn_at=None).update(
            withdrawn_at=timezone.now(), name="", organisation="", email="", email_tag=None
        )
    )


def record(
    fund: Fund,
    *,
    amount_minor: int,
    currency: str,
    booked_on: date,
    recorded_by: User | None,
    pledge: Pledge | None = None,
    account: BankAccount | None = None,
    description: str = "",
) -> Transaction:
    """Post money that arrived, in cash or on an account. Raises ValidationError, for example for another currency."""
    arrived = Transaction(
        fund=fund,
        account=account,
        amount_minor=amount_minor,
        currency=currency,
        booked_on=booked_on,
        description=description,
        recorded_by=recorded_by,
    )
    return posting.receive(arrived, pledge=pledge, by=recorded_by)


@dataclass
class Total:
    """What a fund was promised and has received in one currency, in its smallest unit."""

    currency: str
    pledged: int = 0
    pledged_monthly: int = 0
    received: int = 0


def totals(fund: Fund) -> list[Total]:
    """Return the fund's totals, one for each currency that somebody pledged or gave in."""
    return totals_of([fund])[fund.pk]


def totals_of(funds: Collection[Fund]) -> dict[int, list[Total]]:
    """Return the totals of several funds, by primary key, in three queries. No two currencies are ever added."""
    found: dict[int, dict[str, Total]] = {fund.pk: {} for fund in funds}
    promised = Pledge.objects.counted().filter(fund__in=found).order_by("currency")
    for fund, currency, how_often, amount in promised.values_list("fund", "currency", "frequency").annotate(
        Sum("amount_minor")
    ):
        total = found[fund].setdefault(currency, Total(currency))
        if how_often == Pledge.Frequency.MONTHLY:
            total.pledged_monthly = amount
        else:
            total.pledged = amount
    for fund, in_each in balances.of_all(funds).items():
        for balance in in_each:
            found[fund].setdefault(balance.currency, Total(balance.currency)).received = balance.received
    return {fund: list(by_currency.values()) for fund, by_currency in found.items()}


@dataclass(frozen=True)
class Supporter:
    """A giver as the public may see them."""

    name: str
    kind: str


def supporters(fund: Fund, limit: int = 20) -> list[Supporter]:
    """Return the newest givers who chose to be shown, as they chose: an organisation, not who filled in the form."""
    newest = (
        Pledge.objects.counted()
        .filter(fund=fund)
        .exclude(display=Pledge.Display.ANONYMOUS)
        .exclude(name="")
        .order_by("-confirmed_at", "-pk")[:limit]
    )
    named = [
        Supporter(
            shown(one.name if one.kind == Pledge.Kind.PERSON else one.organisation, one.display), one.get_kind_display()
        )
        for one in newest
    ]
    return [one for one in named if one.name]
