"""Pledging and giving: a promise made, confirmed or withdrawn; money recorded by hand."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.models import Q, Sum
from django.db.transaction import atomic
from django.utils import timezone

from donations import balances, ledger, money, posting, reconciling
from donations.consent import VERSION
from donations.models import LINK_FOR, Allocation, BankAccount, Fund, LedgerEvent, Pledge, PledgeMail, Transaction
from donations.references import new_number
from outbox import capping
from outbox.tasks import send
from privacy.addresses import address_tag, mailbox_tag
from privacy.showing import shown
from privacy.tags import new_token, tag

MAIL_AGAIN_AFTER = timedelta(minutes=10)
# Who chose a rounded amount is shown so much later: what is shown then cannot be matched with what was seen.
SHOWN_AFTER = timedelta(days=7)


class CannotChangeError(Exception):
    """The pledge cannot be changed; nothing was."""


class GoneError(CannotChangeError):
    """It is withdrawn, or its giver's data are past their date and deleted."""


class AlreadyPledgedError(CannotChangeError):
    """The same person made just such a pledge on the same day: the two could not be told apart."""


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
    amount_shown: str = Pledge.AmountShown.NO,
    until: date | None = None,
    consented: tuple[str, datetime] | None = None,
) -> Pledge:
    """
    Write a pledge, unconfirmed, and its mail; return it.

    The same pledge of the same person on the same day is one pledge: it is returned as it was first made, because
    whoever sends it again need not be its giver. Its mail is written again as far as the caps allow. `consented` is the
    version and the time of a consent that was given earlier.
    """
    email_tag, mailbox = address_tag(email), mailbox_tag(email)
    now = timezone.now()
    version, consented_at = consented or (VERSION, now)
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
                "until": until,
                "display": display,
                "amount_shown": amount_shown,
                "locale": locale,
                "consent_version": version,
                "consented_at": consented_at,
                "created_at": now,
            },
        )
        if not capping.has_had_enough(mailbox) and not _mailed_just_now(made):
            write_mail(made, mailbox, PledgeMail.Kind.INSTRUCTIONS)
    return made


def write_mail(made: Pledge, mailbox: str, kind: PledgeMail.Kind, due_on: date | None = None) -> None:
    """Write a mail with a secret link of its own. What it says, its composer decides when it is sent."""
    token = new_token()
    PledgeMail.objects.create(
        pledge=made,
        kind=kind,
        due_on=due_on,
        token=token,
        token_hash=tag("token", token),
        expires_at=timezone.now() + LINK_FOR,
        recipient_tag=mailbox,
    )
    send.delay_on_commit(PledgeMail._meta.label_lower)


def _unused_number() -> str:
    while Pledge.objects.filter(number=(number := new_number())).exists():
        pass
    return number


def _mailed_just_now(made: Pledge) -> bool:
    return made.mails.filter(created_at__gt=timezone.now() - MAIL_AGAIN_AFTER).exists()


@atomic
def confirm(made: Pledge) -> bool:
    """
    Count a pledge, on the word of the address's owner. Return whether it was this call that did.

    What arrived on its number before is posted to it, as what arrives later will be. Raises ledger.BusyError.
    """
    ledger.take_turns_soon()
    waits = Pledge.objects.filter(pk=made.pk, confirmed_at=None, withdrawn_at=None)
    if not waits.update(confirmed_at=timezone.now()):
        return False
    _tell(LedgerEvent.Kind.PLEDGE_CONFIRMED, made)
    reconciling.settle(Transaction.objects.filter(fund=made.fund_id, reference=made.number))
    return True


def _tell(kind: str, made: Pledge) -> None:
    """Write into the ledger what became of a confirmed pledge."""
    if row := Pledge.objects.defer(*Pledge.personal).filter(pk=made.pk, confirmed_at__isnull=False).first():
        ledger.record(kind, row)


@atomic
def change(
    made: Pledge,
    *,
    amount_minor: int,
    frequency: str,
    until: date | None,
    display: str,
    amount_shown: str = Pledge.AmountShown.NO,
) -> bool:
    """
    Change a pledge on the word of its giver; return whether anything to be paid changed.

    Then a mail repeats the instructions, unless the mailbox has had its mails for today. The number stays. Raises
    GoneError, AlreadyPledgedError and ledger.BusyError.
    """
    until = until if frequency == Pledge.Frequency.MONTHLY else None
    mailbox = mailbox_tag(made.email)
    capping.take_turns(mailbox)
    ledger.take_turns_soon()
    locked = Pledge.objects.select_for_update().filter(pk=made.pk, withdrawn_at=None).exclude(email="").first()
    if locked is None:
        raise GoneError
    terms = {"amount_minor": amount_minor, "frequency": frequency, "until": until}
    is_new = any(getattr(locked, column) != value for column, value in terms.items())
    if is_new:
        terms["changed_on"] = timezone.localdate()
    try:
        with atomic():
            Pledge.objects.filter(pk=made.pk).update(**terms, display=display, amount_shown=amount_shown)
    except IntegrityError as error:
        raise AlreadyPledgedError from error
    if is_new:
        _tell(LedgerEvent.Kind.PLEDGE_CHANGED, locked)
        locked.mails.filter(kind=PledgeMail.Kind.REMINDER).cancel()
        if not capping.has_had_enough(mailbox):
            write_mail(locked, mailbox, PledgeMail.Kind.CHANGED)
    return is_new


@atomic
def correct(made: Pledge, *, name: str, organisation: str, display: str) -> None:
    """Change who gives and how they are shown, on the word of the giver. Raises GoneError."""
    locked = Pledge.objects.select_for_update().filter(pk=made.pk, withdrawn_at=None).exclude(name="").first()
    if locked is None:
        raise GoneError
    Pledge.objects.filter(pk=made.pk).update(name=name, organisation=organisation, display=display)


@atomic
def stop_reminders(made: Pledge) -> None:
    """Send no more reminders of this pledge, nor those that wait. Doing it twice does no harm."""
    Pledge.objects.filter(pk=made.pk, reminders_stopped_at=None).update(reminders_stopped_at=timezone.now())
    made.mails.filter(kind=PledgeMail.Kind.REMINDER).cancel()


def resume_reminders(made: Pledge) -> None:
    """Send reminders of this pledge again."""
    Pledge.objects.filter(pk=made.pk).update(reminders_stopped_at=None)


@atomic
def withdraw(made: Pledge) -> bool:
    """
    Take a pledge back, delete its giver's name and address, and stop its waiting mails.

    What has arrived on it stays in the books, under the number. Return whether it was this call that did. Raises
    ledger.BusyError.
    """
    ledger.take_turns_soon()
    done = Pledge.objects.filter(pk=made.pk, withdrawn_at=None).update(
        withdrawn_at=timezone.now(), name="", organisation="", email="", email_tag=None
    )
    if done:
        _tell(LedgerEvent.Kind.PLEDGE_WITHDRAWN, made)
    # After the row, so that a change that runs at this moment has written its mail before, or writes none.
    made.mails.all().cancel()
    # Not of a line that was only taken for this pledge's by mistake: it is somebody else's.
    standing = Allocation.objects.filter(pledge=made, reverses=None, reversal=None)
    Transaction.objects.filter(pk__in=standing.values("transaction")).erase()
    return bool(done)


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
    """
    What a fund was promised, has received and paid out, and holds, in one currency, in its smallest unit.

    `pledged_monthly` is what running pledges promise for each month; one that has ended is in neither figure.
    """

    currency: str
    pledged: int = 0
    pledged_monthly: int = 0
    received: int = 0
    disbursed: int = 0
    in_hand: int = 0


def totals(fund: Fund) -> list[Total]:
    """Return the fund's totals, one for each currency that somebody pledged or gave in."""
    return totals_of([fund])[fund.pk]


def totals_of(funds: Collection[Fund]) -> dict[int, list[Total]]:
    """Return the totals of several funds, by primary key, in three queries. No two currencies are ever added."""
    found: dict[int, dict[str, Total]] = {fund.pk: {} for fund in funds}
    lasting = Pledge.objects.counted().filter(frequency=Pledge.Frequency.ONCE) | Pledge.objects.running()
    promised = lasting.filter(fund__in=found).order_by("currency")
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
            total = found[fund].setdefault(balance.currency, Total(balance.currency))
            total.received, total.disbursed, total.in_hand = balance.received, balance.disbursed, balance.in_hand
    return {fund: list(by_currency.values()) for fund, by_currency in found.items()}


@dataclass(frozen=True)
class Supporter:
    """A giver as the public may see them."""

    name: str
    kind: str
    # None: they chose to be shown without it.
    amount_minor: int | None
    currency: str
    is_rounded: bool
    is_monthly: bool


def supporters(fund: Fund, limit: int = 20) -> list[Supporter]:
    """Return the newest givers who chose to be shown, as they chose: an organisation, not who filled in the form."""
    too_early = Q(amount_shown=Pledge.AmountShown.ROUNDED, confirmed_at__gt=timezone.now() - SHOWN_AFTER)
    newest = (
        Pledge.objects.counted()
        .filter(~too_early, fund=fund)
        .exclude(display=Pledge.Display.ANONYMOUS)
        .exclude(name="")
        .order_by("-confirmed_at", "-pk")[:limit]
    )
    return [one for one in map(_supporter, newest) if one.name]


def _supporter(made: Pledge) -> Supporter:
    amount = {
        Pledge.AmountShown.EXACT: made.amount_minor,
        Pledge.AmountShown.ROUNDED: money.rounded_down(made.amount_minor),
    }
    return Supporter(
        name=shown(made.name if made.kind == Pledge.Kind.PERSON else made.organisation, made.display),
        kind=made.get_kind_display(),
        amount_minor=amount.get(Pledge.AmountShown(made.amount_shown)),
        currency=made.currency,
        is_rounded=made.amount_shown == Pledge.AmountShown.ROUNDED,
        is_monthly=made.frequency == Pledge.Frequency.MONTHLY,
    )
