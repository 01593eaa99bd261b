"""
Posting: money that moved is written down, said to be for something, and each of both taken back by its opposite.

Whoever posts waits for the others (ledger.take_turns): what is checked here still holds when it is written. Each
verb writes its event into the ledger, in the same transaction.
"""

from collections.abc import Iterable, Sequence

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.transaction import atomic
from django.utils import timezone
from django.utils.translation import gettext as _

from donations import balances, ledger, money, thanking
from donations.models import Allocation, Cancellation, CollectionSheet, Disbursement, LedgerEvent, Pledge, Transaction

Kind = Allocation.Kind
APPROVALS_NEEDED = 2


class AlreadyReversedError(Exception):
    """This is reversed, or is a reversal itself."""


class RefusedError(Exception):
    """The books would no longer add up. The message says why, for the organiser."""


@atomic
def post(transaction: Transaction) -> Transaction:
    """Post an unsaved transaction. Raises ValidationError, and RefusedError for cash that is not there."""
    ledger.take_turns()
    transaction.save()
    ledger.record(LedgerEvent.Kind.TRANSACTION_POSTED, transaction)
    if transaction.account_id is None and transaction.amount_minor < 0:
        _hold(transaction)
    return transaction


@atomic
def post_all(transactions: Sequence[Transaction]) -> list[Transaction]:
    """Post many lines of a bank's statement, much faster than one by one. Raises ValidationError and IntegrityError."""
    if any(line.account_id is None for line in transactions):
        raise ValueError("Only a bank's lines are posted in bulk.")
    ledger.take_turns()
    posted = Transaction.objects.post(transactions)
    ledger.record_all(LedgerEvent.Kind.TRANSACTION_POSTED, posted)
    return posted


@atomic
def receive(transaction: Transaction, *, pledge: Pledge | None = None, by: User | None) -> Transaction:
    """Post money that somebody says has arrived, all of it for a pledge or as a gift without one."""
    if pledge and pledge.fund_id != transaction.fund_id:
        raise ValidationError({"pledge": _("This pledge was made to another fund.")})
    if pledge and pledge.currency != transaction.currency:
        raise ValidationError({"currency": _("This pledge is in %(currency)s.") % {"currency": pledge.currency}})
    if transaction.amount_minor <= 0:
        raise ValidationError(_("The amount must be more than zero."))
    post(transaction)
    kind = Kind.PLEDGE if pledge else Kind.GIFT
    allocate(transaction, kind, transaction.amount_minor, pledge=pledge, by=by)
    return transaction


@atomic
def reverse(transaction: Transaction, *, by: User | None) -> Transaction:
    """
    Undo all allocations of a transaction that was a mistake, and post its opposite.

    Raises AlreadyReversedError (two at once make one), and RefusedError if the money has been paid out already.
    """
    ledger.take_turns()
    if transaction.reverses_id or Transaction.objects.filter(reverses=transaction).exists():
        raise AlreadyReversedError
    standing = live(transaction)
    if any(allocation.mirrors_id for allocation in standing):
        raise RefusedError(_("This is the other end of a deposit. Undo what was said of the bank's line."))
    reversal = _reverse(transaction, by)
    _hold(transaction, standing)
    return reversal


@atomic
def allocate(
    transaction: Transaction,
    kind: str,
    amount_minor: int,
    *,
    by: User | None,
    pledge: Pledge | None = None,
    sheet: CollectionSheet | None = None,
    disbursement: Disbursement | None = None,
) -> Allocation:
    """
    Say what an amount of a transaction, with its sign, was for. `by` is None for the program.

    A deposit takes the same amount out of the cash box, so that it counts once. Raises RefusedError.
    """
    ledger.take_turns()
    _check(transaction, kind, amount_minor, (pledge, sheet, disbursement))
    made = _allocate(
        Allocation(
            transaction=transaction,
            kind=kind,
            amount_minor=amount_minor,
            pledge=pledge,
            sheet=sheet,
            disbursement=disbursement,
            made_by=by,
        )
    )
    if kind == Kind.DEPOSIT:
        _take_from_cash(made, by)
    if kind not in {Kind.PLEDGE, Kind.GIFT}:  # those change nothing of what a fund has
        _hold(transaction, [made])
    thanking.thank(made)
    return made


@atomic
def allocate_all(allocations: Sequence[Allocation]) -> list[Allocation]:
    """
    Say of many lines that all of each is for a pledge or a gift, much faster than one by one.

    The database refuses what allocate() would. No more need be looked at: it changes nothing of what a fund has.
    """
    of_donors = {Kind.PLEDGE, Kind.GIFT}
    if any(one.kind not in of_donors or one.amount_minor != one.transaction.amount_minor for one in allocations):
        raise ValueError("Only whole lines are allocated in bulk, to pledges or as gifts.")
    if not allocations:
        return []
    ledger.take_turns()
    made = Allocation.objects.post(allocations)
    ledger.record_all(LedgerEvent.Kind.ALLOCATION_MADE, made)
    thanking.thank_all(made)
    return made


@atomic
def undo(allocation: Allocation, *, by: User | None) -> Allocation:
    """Undo an allocation that was a mistake. Raises AlreadyReversedError, and RefusedError."""
    ledger.take_turns()
    if allocation.reverses_id or Allocation.objects.filter(reverses=allocation).exists():
        raise AlreadyReversedError
    if allocation.mirrors:
        raise RefusedError(_("This is the other end of a deposit. Undo what was said of the bank's line."))
    undone = _undo(allocation, by)
    _hold(allocation.transaction, [allocation])
    return undone


def live(transaction: Transaction) -> list[Allocation]:
    """Return the transaction's allocations that stand."""
    return list(Allocation.objects.filter(transaction=transaction, reverses=None, reversal=None))


def _allocate(allocation: Allocation) -> Allocation:
    allocation.save()
    ledger.record(LedgerEvent.Kind.ALLOCATION_MADE, allocation)
    return allocation


def _undo(allocation: Allocation, by: User | None) -> Allocation:
    undone = _allocate(
        Allocation(
            transaction=allocation.transaction,
            kind=allocation.kind,
            amount_minor=-allocation.amount_minor,
            pledge=allocation.pledge,
            sheet=allocation.sheet,
            disbursement=allocation.disbursement,
            reverses=allocation,
            made_by=by,
        )
    )
    if mirror := Allocation.objects.filter(mirrors=allocation, reversal=None).first():
        _reverse(mirror.transaction, by)
    return undone


def _reverse(transaction: Transaction, by: User | None) -> Transaction:
    for allocation in live(transaction):
        _undo(allocation, by)
    reversal = Transaction(
        fund=transaction.fund,
        account=transaction.account,
        amount_minor=-transaction.amount_minor,
        currency=transaction.currency,
        booked_on=timezone.localdate(),
        description=transaction.description,
        reverses=transaction,
        recorded_by=by,
    )
    reversal.save()
    ledger.record(LedgerEvent.Kind.TRANSACTION_POSTED, reversal)
    return reversal


def _take_from_cash(deposit: Allocation, by: User | None) -> None:
    line = deposit.transaction
    if line.account_id is None or line.amount_minor < 0:
        raise RefusedError(_("A deposit arrives at the bank: choose the bank's line."))
    taken = post(
        Transaction(
            fund=line.fund,
            amount_minor=-deposit.amount_minor,
            currency=line.currency,
            booked_on=line.booked_on,
            description=_("Paid in at the bank"),
            recorded_by=by,
        )
    )
    _allocate(
        Allocation(
            transaction=taken,
            kind=Kind.DEPOSIT,
            amount_minor=-deposit.amount_minor,
            sheet=deposit.sheet,
            mirrors=deposit,
            made_by=by,
        )
    )


def _check(
    transaction: Transaction,
    kind: str,
    amount: int,
    of: tuple[Pledge | None, CollectionSheet | None, Disbursement | None],
) -> None:
    """Say in words what the database would refuse."""
    pledge, sheet, disbursement = of
    if transaction.reverses_id or Transaction.objects.filter(reverses=transaction).exists():
        raise RefusedError(_("This transaction is reversed."))
    left = balances.unallocated(transaction)
    if amount == 0 or (amount > 0) != (transaction.amount_minor > 0) or abs(amount) > abs(left):
        raise RefusedError(
            _("Only %(left)s of this transaction can still be allocated.")
            % {"left": money.format_amount(left, transaction.currency)}
        )
    if (kind in {Kind.PLEDGE, Kind.GIFT} and amount < 0) or (kind == Kind.REFUND and amount > 0):
        raise RefusedError(_("Gifts come in, and what is given back goes out."))
    needs = {Kind.PLEDGE: pledge, Kind.DEPOSIT: sheet, Kind.DISBURSEMENT: disbursement}
    may = {
        "pledge": {Kind.PLEDGE, Kind.REFUND},
        "sheet": {Kind.DEPOSIT, Kind.GIFT},
        "disbursement": {Kind.DISBURSEMENT},
    }
    given = {"pledge": pledge, "sheet": sheet, "disbursement": disbursement}
    if needs.get(Kind(kind), ...) is None or any(one and kind not in may[name] for name, one in given.items()):
        raise RefusedError(_("A pledge, a collection sheet or a disbursement belongs to its own kind of allocation."))
    for one in of:
        if one and (one.fund_id, one.currency) != (transaction.fund_id, transaction.currency):
            raise RefusedError(_("This is of another fund or currency than the transaction."))
    if disbursement and Cancellation.objects.filter(disbursement=disbursement).exists():
        raise RefusedError(_("This disbursement is cancelled."))
    if disbursement and disbursement.approvals.count() < APPROVALS_NEEDED:
        raise RefusedError(_("A disbursement needs the approval of two organisers."))


def _hold(transaction: Transaction, touched: Iterable[Allocation] = ()) -> None:
    """Refuse, at the end of a verb, what it has led to: the transaction is then rolled back."""
    for balance in balances.of(transaction.fund):
        if balance.currency != transaction.currency:
            continue
        if balance.disbursed > balance.received:
            raise RefusedError(_("More would have been paid out than came in."))
        if balance.cash < 0:
            raise RefusedError(_("There is not so much cash."))
    for one in touched:
        if one.disbursement and not 0 <= balances.of_disbursement(one.disbursement.pk) <= one.disbursement.amount_minor:
            raise RefusedError(_("More would have been paid than was approved."))
        if one.sheet_id and balances.cash_of_sheet(one.sheet_id) < 0:
            raise RefusedError(_("More would have been paid in than this collection brought."))
