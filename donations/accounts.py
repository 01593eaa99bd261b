"""
Bank accounts: proposed by one organiser, approved by another, announced for a day, and never swapped quietly.

Which account donors are told is read from the ledger's sealed events, and a row is shown only if it is as they tell:
one that was changed or put there by SQL is not shown, and the page asks for no money.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import TextChoices
from django.db.transaction import atomic
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from donations import ledger
from donations.models import AccountNotice, BankAccount, Fund, LedgerEvent
from outbox.tasks import send

CHANGE_TAKES = timedelta(hours=24)
Kind = LedgerEvent.Kind
OF_ACCOUNTS = (Kind.ACCOUNT_PROPOSED, Kind.ACCOUNT_APPROVED, Kind.ACCOUNT_WITHDRAWN)


class RefusedError(Exception):
    """This cannot be done with this account. The message says why, for the organiser."""


@atomic
def propose(account: BankAccount, *, by: User | None) -> BankAccount:
    """
    Propose an unsaved account. Donors are not told it before another organiser has approved it.

    `by` is None for one of a campaign's files: it cannot be approved, and may be shown as a fact, not to be paid to.
    Raises ValidationError.
    """
    ledger.take_turns()
    account.proposed_by, account.proposed_at, account.payable = by, timezone.now(), False
    account.full_clean()
    account.save(force_insert=True)
    ledger.record(Kind.ACCOUNT_PROPOSED, account)
    if by:
        _tell(account, AccountNotice.What.PROPOSED)
    return account


@atomic
def approve(account: BankAccount, *, by: User) -> BankAccount:
    """
    Approve an account that somebody else proposed, and tell all organisers. Raises RefusedError.

    The first account of a fund holds at once, every later one after a day, in which the page announces it.
    """
    ledger.take_turns()
    account.refresh_from_db()
    if account.approved_at or account.withdrawn_at:
        raise RefusedError(_("It is approved or withdrawn already."))
    if account.proposed_by is None:
        raise RefusedError(_("It came with the campaign's files, and nobody answers for it. Propose it yourself."))
    if account.proposed_by == by:
        raise RefusedError(_("You proposed it: somebody else has to compare it with the bank's paper and approve it."))
    proposed = LedgerEvent.objects.filter(kind=Kind.ACCOUNT_PROPOSED, about=account.pk).first()
    if not (proposed and ledger.tells(proposed, account)):
        raise RefusedError(_("It is not as it was proposed: somebody has changed it in the database."))
    others = BankAccount.objects.filter(fund=account.fund).exclude(approved_at=None)
    now = timezone.now()
    if others.filter(valid_from__gt=now, withdrawn_at=None).exists():
        raise RefusedError(_("Another change is announced already. Withdraw that one first."))
    account.approved_by, account.approved_at = by, now
    account.valid_from = now + CHANGE_TAKES if others.exists() else now
    account.payable = True
    account.save(update_fields=["approved_by", "approved_at", "valid_from", "payable"])
    ledger.record(Kind.ACCOUNT_APPROVED, account)
    _tell(account, AccountNotice.What.APPROVED)
    return account


@atomic
def withdraw(account: BankAccount, *, by: User) -> BankAccount:
    """
    Take an account back for good, at once, and tell all organisers. Raises RefusedError.

    No earlier account comes into force again: until the next one, donors are asked for no money.
    """
    ledger.take_turns()
    account.refresh_from_db()
    if account.withdrawn_at:
        raise RefusedError(_("It is withdrawn already."))
    account.withdrawn_by, account.withdrawn_at = by, timezone.now()
    account.save(update_fields=["withdrawn_by", "withdrawn_at"])
    ledger.record(Kind.ACCOUNT_WITHDRAWN, account)
    _tell(account, AccountNotice.What.WITHDRAWN)
    return account


def _tell(account: BankAccount, what: str) -> None:
    """Write to the campaign's own address and to every organiser."""
    for organiser in (None, *User.objects.filter(is_active=True, is_staff=True).exclude(email="")):
        AccountNotice.objects.create(account=account, organiser=organiser, what=what)
    send.delay_on_commit(AccountNotice._meta.label_lower)


@dataclass(frozen=True)
class Shown:
    """What donors are told of a fund's account."""

    account: BankAccount | None = None
    # Announced, and in force from its `valid_from` on.
    coming: BankAccount | None = None
    # The database does not hold what the ledger tells: nothing is shown.
    is_doubtful: bool = False

    @property
    def payable(self) -> BankAccount | None:
        """The account, if donors may pay to it."""
        return self.account if self.account and self.account.approved_at and self.account.payable else None


def shown(fund: Fund) -> Shown:
    return shown_of([fund])[fund.pk]


def shown_of(funds: Collection[Fund]) -> dict[int, Shown]:
    """Return what donors are told of the accounts of several funds, by primary key, in three queries."""
    events = LedgerEvent.objects.filter(fund__in=funds, kind__in=OF_ACCOUNTS).order_by("sequence")
    accounts = BankAccount.objects.filter(fund__in=funds).prefetch_related("translations")
    rows = {account.pk: account for account in accounts}
    histories: dict[int, dict[int, dict[str, LedgerEvent]]] = defaultdict(lambda: defaultdict(dict))
    for event in events:
        histories[event.fund_id][event.about][event.kind] = event
    now = timezone.now()
    return {fund.pk: _shown(histories[fund.pk], rows, now) for fund in funds}


def payable(fund: Fund) -> BankAccount | None:
    """Return the account in force, if donors may pay to it. Every page and mail that tells how to pay asks here."""
    return shown(fund).payable


def in_force(fund: Fund) -> BankAccount | None:
    return shown(fund).account


def _shown(told: dict[int, dict[str, LedgerEvent]], rows: dict[int, BankAccount], now: datetime) -> Shown:
    """
    Work out what to show from the events of a fund's accounts, by account and kind.

    A swap by SQL has no event of this program's, or a row that is not as its event tells.
    """
    if not all(ledger.is_genuine(event) for events in told.values() for event in events.values()):
        return Shown(is_doubtful=True)
    approved = [(_from(events), pk) for pk, events in told.items() if Kind.ACCOUNT_APPROVED in events]
    current = max((one for one in approved if one[0] <= now and not _cancelled(told[one[1]])), default=None)
    ahead = [pk for at, pk in approved if at > now and Kind.ACCOUNT_WITHDRAWN not in told[pk]]
    coming = rows.get(ahead[-1]) if ahead and _is_as_told(told[ahead[-1]], rows.get(ahead[-1])) else None
    if approved:
        pk = current[1] if current else None
    else:  # a fact of the campaign's files
        facts = [pk for pk, events in told.items() if Kind.ACCOUNT_WITHDRAWN not in events and _is_of_files(events)]
        pk = facts[-1] if facts else None
    if pk is None or Kind.ACCOUNT_WITHDRAWN in told[pk]:
        return Shown(coming=coming)
    account = rows.get(pk)
    if not _is_as_told(told[pk], account) or (account and account.withdrawn_at):
        return Shown(coming=coming, is_doubtful=True)
    return Shown(account, coming)


def _from(events: dict[str, LedgerEvent]) -> datetime:
    return datetime.fromisoformat(events[Kind.ACCOUNT_APPROVED].payload["valid_from"])


def _cancelled(events: dict[str, LedgerEvent]) -> bool:
    """Whether a change was withdrawn before it was in force."""
    withdrawn = events.get(Kind.ACCOUNT_WITHDRAWN)
    return withdrawn is not None and datetime.fromisoformat(withdrawn.payload["withdrawn_at"]) < _from(events)


def _is_of_files(events: dict[str, LedgerEvent]) -> bool:
    proposed = events.get(Kind.ACCOUNT_PROPOSED)
    return proposed is not None and proposed.payload["proposed_by"] is None


def _is_as_told(events: dict[str, LedgerEvent], account: BankAccount | None) -> bool:
    return (
        account is not None
        and Kind.ACCOUNT_PROPOSED in events
        and all(ledger.tells(event, account) for kind, event in events.items() if kind != Kind.ACCOUNT_WITHDRAWN)
    )


@dataclass(frozen=True)
class Earlier:
    """An account that donors were told once, and are to pay to no longer."""

    holder: str
    iban: str
    since: datetime
    until: datetime

    @property
    def grouped_iban(self) -> str:
        return BankAccount(iban=self.iban).grouped_iban


def earlier(fund: Fund) -> list[Earlier]:
    """Return the accounts that were in force before, newest first, as the ledger's sealed events tell of them."""
    told: dict[int, dict[str, LedgerEvent]] = defaultdict(dict)
    for event in LedgerEvent.objects.filter(fund=fund, kind__in=OF_ACCOUNTS).order_by("sequence"):
        if ledger.is_genuine(event):
            told[event.about][event.kind] = event
    held = [events for events in told.values() if Kind.ACCOUNT_APPROVED in events and not _cancelled(events)]
    starts = sorted(map(_from, held))
    found, now = [], timezone.now()
    for events in held:
        since = _from(events)
        ends = [at for at in starts if at > since]
        if withdrawn := events.get(Kind.ACCOUNT_WITHDRAWN):
            ends.append(datetime.fromisoformat(withdrawn.payload["withdrawn_at"]))
        if ends and min(ends) <= now:
            payload = events[Kind.ACCOUNT_APPROVED].payload
            found.append(Earlier(payload["holder"], payload["iban"], since, min(ends)))
    return sorted(found, key=lambda one: one.since, reverse=True)


class Answer(TextChoices):
    """Whether donors may pay to an account that somebody asks about."""

    RIGHT = "right", gettext_lazy("This is the account. You can pay to it.")
    COMING = "coming", gettext_lazy("This account is announced, but not in force yet.")
    NOT_PAYABLE = "not_payable", gettext_lazy("This account is shown here as a fact. Do not pay to it.")
    WRONG = "wrong", gettext_lazy("This is not the account. Do not pay to it.")


def check(iban: str) -> tuple[Answer, Fund | None]:
    """Return whether this is the account of a published fund, and of which."""
    compact = "".join(iban.split()).upper()
    funds = list(Fund.objects.published().prefetch_related("translations"))
    told = shown_of(funds)
    found: dict[Answer, Fund] = {}
    for fund in funds:
        known = told[fund.pk]
        if known.account and known.account.iban == compact:
            found.setdefault(Answer.RIGHT if known.payable else Answer.NOT_PAYABLE, fund)
        elif known.coming and known.coming.iban == compact:
            found.setdefault(Answer.COMING, fund)
    return next(((answer, found[answer]) for answer in Answer if answer in found), (Answer.WRONG, None))
