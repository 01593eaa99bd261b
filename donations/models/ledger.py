"""What each line of the bank was for, at what rate, and the chain of all events."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from donations import money
from donations.models.cash import CollectionSheet
from donations.models.disbursements import Disbursement
from donations.models.fields import currency_code
from donations.models.funds import Fund
from donations.models.pledges import Pledge
from donations.models.posted import Posted, organiser_column
from donations.models.statements import Transaction
from privacy.registry import ALL


class Allocation(Posted):
    """What a transaction, or a part of it, was for. Never edited or deleted: a wrong one is undone by its opposite."""

    not_personal = ALL

    class Kind(models.TextChoices):
        PLEDGE = "pledge", _("a pledge")
        GIFT = "gift", _("a gift without a pledge")
        REFUND = "refund", _("given back to the donor")
        FEE = "fee", _("the bank's fee")
        DEPOSIT = "deposit", _("cash of a collection, paid in")
        DISBURSEMENT = "disbursement", _("a disbursement")
        TRANSFER = "transfer", _("passed through: own transfer, or not meant for us")

    transaction = models.ForeignKey(
        Transaction, models.PROTECT, related_name="allocations", verbose_name=_("transaction")
    )
    kind = models.CharField(_("for"), max_length=12, choices=Kind)
    amount_minor = models.BigIntegerField(_("amount in the smallest unit"))
    pledge = models.ForeignKey(
        Pledge, models.PROTECT, null=True, blank=True, related_name="allocations", verbose_name=_("pledge")
    )
    sheet = models.ForeignKey(
        CollectionSheet,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="allocations",
        verbose_name=_("collection sheet"),
    )
    disbursement = models.ForeignKey(
        Disbursement,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="allocations",
        verbose_name=_("disbursement"),
    )
    # The other end of a deposit: what left the cash box for what arrived at the bank.
    mirrors = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="mirror", verbose_name=_("other end of")
    )
    reverses = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="reversal", verbose_name=_("undoes")
    )
    # Empty where the program did it by itself.
    made_by = organiser_column(_("made by"))
    made_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)

    class Meta(Posted.Meta):
        verbose_name = _("allocation")
        verbose_name_plural = _("allocations")
        ordering = ["pk"]
        indexes = [
            # The unique one is full of NULL, of which SQLite learns (ANALYZE) that it is good for nothing.
            models.Index(fields=["reverses"], condition=Q(reverses__isnull=False), name="donations_reversals"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["pledge", "gift", "refund", "fee", "deposit", "disbursement", "transfer"]),
                name="donations_allocation_kind_is_known",
            ),
            models.CheckConstraint(condition=~Q(amount_minor=0), name="donations_allocation_is_not_zero"),
            models.CheckConstraint(
                condition=Q(kind="pledge", pledge__isnull=False)
                | Q(kind="refund")
                | (~Q(kind="pledge") & Q(pledge__isnull=True)),
                name="donations_allocation_to_a_pledge",
            ),
            models.CheckConstraint(
                condition=Q(kind="deposit", sheet__isnull=False)
                | Q(kind="gift")
                | (~Q(kind="deposit") & Q(sheet__isnull=True)),
                name="donations_allocation_to_a_sheet",
            ),
            models.CheckConstraint(
                condition=Q(kind="disbursement", disbursement__isnull=False)
                | (~Q(kind="disbursement") & Q(disbursement__isnull=True)),
                name="donations_allocation_to_a_disbursement",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=["pledge", "gift"])
                | Q(amount_minor__gt=0, reverses__isnull=True)
                | Q(amount_minor__lt=0, reverses__isnull=False),
                name="donations_gift_comes_in",
            ),
            models.CheckConstraint(
                condition=~Q(kind="refund")
                | Q(amount_minor__lt=0, reverses__isnull=True)
                | Q(amount_minor__gt=0, reverses__isnull=False),
                name="donations_refund_goes_out",
            ),
        ]

    def __str__(self) -> str:
        amount = money.format_amount(self.amount_minor, self.transaction.currency)
        return f"{amount}, {self.get_kind_display()}"


class Rate(Posted):
    """What one unit of a currency was worth in another: only ever to show an amount as "about", with source and day."""

    not_personal = ALL

    from_currency = models.CharField(_("from"), max_length=3, validators=[currency_code])
    to_currency = models.CharField(_("to"), max_length=3, validators=[currency_code])
    millionths = models.PositiveBigIntegerField(
        _("rate in millionths"), help_text=_("1 EUR = 11.2345 SEK is 11234500.")
    )
    source = models.CharField(_("source"), max_length=200)
    dated_on = models.DateField(_("of"))
    recorded_by = organiser_column(_("recorded by"))
    recorded_at = models.DateTimeField(_("recorded"), default=timezone.now, editable=False)

    class Meta(Posted.Meta):
        verbose_name = _("rate")
        verbose_name_plural = _("rates")
        ordering = ["-dated_on", "-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(millionths__gt=0), name="donations_rate_is_positive"),
            models.CheckConstraint(condition=~Q(source=""), name="donations_rate_has_a_source"),
            models.CheckConstraint(
                condition=Q(from_currency__regex=r"^[A-Z]{3}$", to_currency__regex=r"^[A-Z]{3}$")
                & ~Q(from_currency=F("to_currency")),
                name="donations_rate_is_between_two_currencies",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.told} ({self.source}, {self.dated_on})"

    @property
    def told(self) -> str:
        """The rate as readers of the active language write it."""
        return f"1 {self.from_currency} = {money.format_rate(self.millionths)} {self.to_currency}"


class LedgerEvent(Posted):
    """
    One thing that happened to the fund's money, in an unbroken chain (donations.ledger). Without personal data.

    `hash` is the chain's, which anybody can compute again; `seal` is a keyed tag of it, which only this program can.
    """

    not_personal = ALL

    class Kind(models.TextChoices):
        ACCOUNT_PROPOSED = "account_proposed", _("bank account proposed")
        ACCOUNT_APPROVED = "account_approved", _("bank account approved")
        ACCOUNT_WITHDRAWN = "account_withdrawn", _("bank account withdrawn")
        STATEMENT_IMPORTED = "statement_imported", _("bank statement imported")
        TRANSACTION_POSTED = "transaction_posted", _("transaction posted")
        ALLOCATION_MADE = "allocation_made", _("allocation made")
        SHEET_COUNTED = "sheet_counted", _("collection sheet counted")
        DISBURSEMENT_REQUESTED = "disbursement_requested", _("disbursement asked for")
        DISBURSEMENT_APPROVED = "disbursement_approved", _("disbursement approved")
        DISBURSEMENT_CANCELLED = "disbursement_cancelled", _("disbursement cancelled")
        EVIDENCE_ADDED = "evidence_added", _("evidence added")
        PLEDGE_CONFIRMED = "pledge_confirmed", _("pledge confirmed")
        PLEDGE_CHANGED = "pledge_changed", _("pledge changed")
        PLEDGE_WITHDRAWN = "pledge_withdrawn", _("pledge withdrawn")

    sequence = models.BigIntegerField(_("number"), primary_key=True)
    at = models.DateTimeField(_("at"))
    fund = models.ForeignKey(Fund, models.PROTECT, related_name="events", verbose_name=_("fund"))
    kind = models.CharField(_("what happened"), max_length=30, choices=Kind)
    # The key of the row that the event tells of.
    about = models.BigIntegerField(_("about"))
    payload = models.JSONField(_("facts"))
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)
    seal = models.CharField(max_length=64)

    class Meta(Posted.Meta):
        verbose_name = _("ledger event")
        verbose_name_plural = _("ledger")
        ordering = ["sequence"]
        constraints = [
            # All but a pledge's change happen to a row once.
            models.UniqueConstraint(
                fields=["kind", "about"], condition=~Q(kind="pledge_changed"), name="donations_event_told_once"
            ),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="donations_ledger_counts_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.sequence}: {self.get_kind_display()} {self.about}"
