"""
Money for families: asked for, approved by two organisers, paid by a bank's line or from the cash box.

Two different organisers have to approve. Whoever asked for it may be one of the two, so the other one is somebody else.
The public reads the purpose, the number of households, the amount and the hashes of the evidence; nothing of a family.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, BinaryIO

from django.contrib.auth.models import User
from django.db.models import Count, Max, Prefetch, Q, QuerySet, Sum, TextChoices
from django.db.models.functions import Coalesce
from django.db.transaction import atomic
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from donations import balances, collecting, filing, ledger, posting
from donations.models import Allocation, Approval, Cancellation, Disbursement, Evidence, Fund, LedgerEvent, Transaction
from donations.posting import APPROVALS_NEEDED, RefusedError

Kind = Allocation.Kind


@atomic
def request(disbursement: Disbursement, *, by: User) -> Disbursement:
    """Ask for an unsaved disbursement. Nobody has approved it by that. Raises ValidationError."""
    ledger.take_turns()
    disbursement.requested_by = by
    disbursement.save()
    ledger.record(LedgerEvent.Kind.DISBURSEMENT_REQUESTED, disbursement)
    return disbursement


@atomic
def approve(disbursement: Disbursement, *, by: User) -> Approval:
    """Say yes as one of two organisers. It stays. Raises RefusedError."""
    ledger.take_turns()
    _stands(disbursement)
    given = disbursement.approvals.all()
    if given.filter(approved_by=by).exists():
        raise RefusedError(_("You have approved it already. The other approval is another organiser's."))
    if given.count() >= APPROVALS_NEEDED:
        raise RefusedError(_("Two organisers have approved it already."))
    approval = Approval(disbursement=disbursement, approved_by=by)
    approval.save()
    ledger.record(LedgerEvent.Kind.DISBURSEMENT_APPROVED, approval)
    return approval


@atomic
def cancel(disbursement: Disbursement, *, by: User) -> Cancellation:
    """Take a request back for good, of which nothing is paid; it stays in the books. Raises RefusedError."""
    ledger.take_turns()
    _stands(disbursement)
    if balances.of_disbursement(disbursement.pk):
        raise RefusedError(_("Some of it is paid. Undo the payments first."))
    cancellation = Cancellation(disbursement=disbursement, cancelled_by=by)
    cancellation.save()
    ledger.record(LedgerEvent.Kind.DISBURSEMENT_CANCELLED, cancellation)
    return cancellation


@atomic
def pay_in_cash(disbursement: Disbursement, amount_minor: int, *, paid_on: date, by: User) -> Allocation:
    """Record that this amount was handed over from the cash box. Raises RefusedError, and ValidationError."""
    ledger.take_turns()
    if amount_minor <= 0:
        raise RefusedError(_("The amount must be more than zero."))
    paid = posting.post(
        Transaction(
            fund=disbursement.fund,
            amount_minor=-amount_minor,
            currency=disbursement.currency,
            booked_on=paid_on,
            description=disbursement.purpose,
            recorded_by=by,
        )
    )
    return posting.allocate(paid, Kind.DISBURSEMENT, -amount_minor, disbursement=disbursement, by=by)


def pay_by(disbursement: Disbursement, line: Transaction, amount_minor: int, *, by: User) -> Allocation:
    """Say that this amount of a bank's line that went out paid it. Raises RefusedError."""
    return posting.allocate(line, Kind.DISBURSEMENT, -amount_minor, disbursement=disbursement, by=by)


@atomic
def undo(payment: Allocation, *, by: User) -> None:
    """
    Undo what was said of a bank's line; what was recorded as paid from the cash box is reversed as a whole.

    Raises posting.AlreadyReversedError, and RefusedError.
    """
    if payment.transaction.account_id is None:
        posting.reverse(payment.transaction, by=by)
    else:
        posting.undo(payment, by=by)


@atomic
def add_evidence(disbursement: Disbursement, file: BinaryIO, *, name: str, by: User) -> Evidence:
    """Keep a file that shows what it was for. Its hash is public and stays. Raises ValidationError, RefusedError."""
    ledger.take_turns()
    stored = filing.take(file, name=name, by=by)
    if disbursement.evidence.filter(file__sha256=stored.sha256).exists():
        raise RefusedError(_("This file is among the evidence already."))
    evidence = Evidence(disbursement=disbursement, file=stored, added_by=by)
    evidence.save()
    ledger.record(LedgerEvent.Kind.EVIDENCE_ADDED, evidence)
    return evidence


def _stands(disbursement: Disbursement) -> None:
    if Cancellation.objects.filter(disbursement=disbursement).exists():
        raise RefusedError(_("It is cancelled."))


def lines_for(disbursement: Disbursement) -> list[Transaction]:
    """Return the bank's lines that could have paid it, the same amount first; `left_minor` is below zero."""
    unpaid = disbursement.amount_minor - balances.of_disbursement(disbursement.pk)
    went_out = Transaction.objects.filter(
        fund=disbursement.fund, currency=disbursement.currency, account__isnull=False, amount_minor__lt=0
    )
    lines = collecting.with_left(went_out).filter(Q(left_minor__lt=0))
    return collecting.same_amount_first(lines, "left_minor", -unpaid)


class State(TextChoices):
    """What became of a disbursement, worked out from what is posted."""

    ASKED = "asked", gettext_lazy("waits for two approvals")
    APPROVED_ONCE = "once", gettext_lazy("approved by one, waits for another")
    APPROVED = "approved", gettext_lazy("approved by two, not paid")
    PARTLY = "partly", gettext_lazy("paid in part")
    PAID = "paid", gettext_lazy("paid")
    CANCELLED = "cancelled", gettext_lazy("cancelled")


@dataclass(frozen=True)
class Standing:
    """A disbursement as the public may read it."""

    disbursement: Disbursement
    paid_minor: int
    paid_on: date | None
    approvals: int
    is_cancelled: bool
    # SHA-256 of each file of evidence, oldest first.
    evidence: tuple[str, ...]

    @property
    def state(self) -> State:
        if self.is_cancelled:
            return State.CANCELLED
        if self.paid_minor:
            return State.PAID if self.paid_minor == self.disbursement.amount_minor else State.PARTLY
        return (State.ASKED, State.APPROVED_ONCE, State.APPROVED)[min(self.approvals, APPROVALS_NEEDED)]


def with_sums(disbursements: QuerySet[Disbursement]) -> QuerySet[Disbursement]:
    """Return the disbursements, newest first, with all that their standing takes, in three queries."""
    # No file's content is read.
    evidence = Evidence.objects.select_related("file").defer("file__content", "file__name").order_by("pk")
    live = Q(allocations__reverses=None, allocations__reversal=None)
    return (
        disbursements.annotate(
            paid_minor=-Coalesce(Sum("allocations__amount_minor"), 0),
            paid_on=Max("allocations__transaction__booked_on", filter=live),
        )
        .select_related("cancellation")
        .prefetch_related("approvals__approved_by", Prefetch("evidence", evidence))
        .order_by("-pk")
    )


def standing_of(disbursement: Any) -> Standing:
    """Return what became of it; one of with_sums() needs no further query."""
    if not hasattr(disbursement, "paid_minor"):
        disbursement = with_sums(Disbursement.objects.filter(pk=disbursement.pk)).get()
    return Standing(
        disbursement,
        disbursement.paid_minor,
        disbursement.paid_on,
        len(disbursement.approvals.all()),
        hasattr(disbursement, "cancellation"),
        tuple(one.file.sha256 for one in disbursement.evidence.all()),
    )


def public(fund: Fund) -> QuerySet[Disbursement]:
    """Return what the site may show, newest first: what two have approved and nobody has cancelled."""
    approved = Approval.objects.order_by().values("disbursement").annotate(count=Count("pk"))
    pks = approved.filter(count__gte=APPROVALS_NEEDED).values("disbursement")
    return with_sums(Disbursement.objects.filter(fund=fund, cancellation=None, pk__in=pks))
