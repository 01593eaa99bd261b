"""Bank statements, the files that they come in, and their lines."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from donations import money
from donations.models.fields import currency_code, iban_in
from donations.models.funds import BankAccount, Fund
from donations.models.posted import Posted, organiser_column
from privacy.fields import EncryptedTextField, TagField
from privacy.registry import ALL, Rule
from privacy.tags import tag


class BankStatement(Posted):
    """A bank's statement as it was imported: a file, and what it says stood on the account before and after."""

    account = models.ForeignKey(BankAccount, models.PROTECT, related_name="statements", verbose_name=_("account"))
    # Which of the file's statements it is: one file may hold several.
    part = models.PositiveIntegerField(_("part of the file"), default=1)
    sha256 = models.CharField(_("SHA-256 of the file"), max_length=64)
    file_name = models.CharField(_("file"), max_length=200)
    format = models.CharField(_("format"), max_length=20)
    reference = models.CharField(_("the bank's number"), max_length=100, blank=True)
    from_date = models.DateField(_("from"), null=True, blank=True)
    to_date = models.DateField(_("to"), null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    # A format that tells no balances has neither.
    opening_minor = models.BigIntegerField(_("balance before"), null=True, blank=True)
    closing_minor = models.BigIntegerField(_("balance after"), null=True, blank=True)
    # The sum of all booked lines of the statement, also of those that were known already.
    lines_minor = models.BigIntegerField(_("sum of the lines"))
    read_count = models.PositiveIntegerField(_("lines read"))
    new_count = models.PositiveIntegerField(_("new"))
    known_count = models.PositiveIntegerField(_("known already"))
    rejected_count = models.PositiveIntegerField(_("rejected"))
    imported_by = organiser_column(_("imported by"))
    imported_at = models.DateTimeField(_("imported"), default=timezone.now, editable=False)

    not_personal = ALL

    class Meta(Posted.Meta):
        verbose_name = _("bank statement")
        verbose_name_plural = _("bank statements")
        ordering = ["-to_date", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["account", "sha256", "part"], name="donations_statement_imported_once"),
            models.CheckConstraint(condition=Q(sha256__regex=r"^[0-9a-f]{64}$"), name="donations_statement_has_a_hash"),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="donations_statement_currency_is_iso"
            ),
            models.CheckConstraint(
                condition=Q(opening_minor=None, closing_minor=None)
                | Q(
                    opening_minor__isnull=False,
                    closing_minor__isnull=False,
                    closing_minor=F("opening_minor") + F("lines_minor"),
                ),
                name="donations_opening_and_lines_make_closing",
            ),
            models.CheckConstraint(
                condition=Q(read_count=F("new_count") + F("known_count") + F("rejected_count")),
                name="donations_lines_are_new_known_or_rejected",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account}, {self.reference or self.file_name}"


class StatementMapping(models.Model):
    """How an account's bank writes its CSV files (donations.statements.columns.CsvMapping)."""

    not_personal = ALL

    account = models.OneToOneField(BankAccount, models.CASCADE, related_name="mapping", verbose_name=_("account"))
    mapping = models.JSONField(_("columns"))

    class Meta:
        verbose_name = _("columns of a bank's CSV file")
        verbose_name_plural = _("columns of banks' CSV files")

    def __str__(self) -> str:
        return str(self.account)


class StatementUpload(models.Model):
    """A bank's file on its way into the books: uploaded, looked at by the organiser, and imported by a worker."""

    class State(models.TextChoices):
        PREVIEWED = "previewed", _("waits for you")
        QUEUED = "queued", _("waits for its turn")
        RUNNING = "running", _("being imported")
        DONE = "done", _("imported")
        FAILED = "failed", _("refused")

    account = models.ForeignKey(BankAccount, models.PROTECT, related_name="+", verbose_name=_("account"))
    file_name = models.CharField(_("file"), max_length=200)
    # In Base64: the encrypted field holds text.
    content = EncryptedTextField(blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PREVIEWED)
    read_count = models.PositiveIntegerField(_("lines read"), default=0)
    # What came of it: reports, or the error, which may quote the file.
    outcome = EncryptedTextField(blank=True)
    language = models.CharField(_("language"), max_length=10)
    uploaded_by = organiser_column(_("uploaded by"))
    uploaded_at = models.DateTimeField(_("uploaded"), default=timezone.now, editable=False)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now, editable=False)

    personal: ClassVar = {
        "content": Rule(_("To read what arrived on the campaign's account."), 2, "uploaded_at"),
        "outcome": Rule(_("To tell the organiser what became of the bank's file."), 30, "uploaded_at"),
    }
    not_personal: ClassVar = frozenset(
        {
            "id",
            "account",
            "file_name",
            "state",
            "read_count",
            "language",
            "uploaded_by",
            "uploaded_at",
            "changed_at",
        }
    )

    class Meta:
        verbose_name = _("uploaded statement")
        verbose_name_plural = _("uploaded statements")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["previewed", "queued", "running", "done", "failed"]),
                name="donations_upload_state_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.file_name


class Transaction(Posted):
    """Money that moved, in above zero, out below: of a bank account, or of the cash box where none is named."""

    fund = models.ForeignKey(Fund, models.PROTECT, related_name="transactions", verbose_name=_("fund"))
    account = models.ForeignKey(
        BankAccount,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="transactions",
        verbose_name=_("bank account"),
        help_text=_("Empty for cash."),
    )
    statement = models.ForeignKey(
        BankStatement,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="transactions",
        verbose_name=_("bank statement"),
    )
    amount_minor = models.BigIntegerField(_("amount in the smallest unit"))
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    booked_on = models.DateField(_("booked on"))
    value_on = models.DateField(_("value date"), null=True, blank=True)
    description = models.CharField(
        _("description"), max_length=200, blank=True, help_text=_("Public. No person's name without their word.")
    )
    bank_reference = models.CharField(_("the bank's reference"), max_length=140, blank=True)
    # The structured reference as ten digits, whichever way it was written.
    reference = models.CharField(_("reference"), max_length=35, blank=True)
    end_to_end = EncryptedTextField(_("the payer's reference"), blank=True)
    counterparty = EncryptedTextField(_("from or to"), blank=True)
    counterparty_iban = EncryptedTextField(_("their account"), blank=True)
    counterparty_iban_tag = TagField(null=True, blank=True, db_index=True)
    remittance = EncryptedTextField(_("their words"), blank=True)
    # What tells a bank's line from another (a keyed tag), and the how manyth like it this is on the account.
    fingerprint = models.CharField(max_length=64, blank=True, editable=False)
    occurrence = models.PositiveIntegerField(default=1, editable=False)
    reverses = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="reversal", verbose_name=_("reverses")
    )
    recorded_at = models.DateTimeField(_("recorded"), default=timezone.now, editable=False)
    recorded_by = organiser_column(_("recorded by"))

    erasable = frozenset({"end_to_end", "counterparty", "counterparty_iban", "counterparty_iban_tag", "remittance"})
    personal: ClassVar = {
        "end_to_end": Rule(_("To recognise a gift when it arrives."), 730, "recorded_at"),
        "counterparty": Rule(_("To recognise a gift when it arrives."), 730, "recorded_at"),
        "counterparty_iban": Rule(_("To recognise a gift when it arrives, and to pay it back."), 730, "recorded_at"),
        "counterparty_iban_tag": Rule(_("To recognise the next gift from the same account."), 730, "recorded_at"),
        "remittance": Rule(_("To recognise a gift when it arrives."), 730, "recorded_at"),
    }
    not_personal: ClassVar = frozenset(
        {
            "id",
            "fund",
            "account",
            "statement",
            "amount_minor",
            "currency",
            "booked_on",
            "value_on",
            "description",
            "bank_reference",
            "reference",
            "fingerprint",
            "occurrence",
            "reverses",
            "recorded_at",
            "recorded_by",
        }
    )

    class Meta(Posted.Meta):
        verbose_name = _("transaction")
        verbose_name_plural = _("transactions")
        ordering = ["-booked_on", "-pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(amount_minor=0), name="donations_transaction_is_not_zero"),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="donations_transaction_currency_is_iso"
            ),
            models.CheckConstraint(
                condition=Q(reverses__isnull=True) | ~Q(reverses=F("id")), name="donations_reverses_another"
            ),
            models.CheckConstraint(
                condition=Q(statement__isnull=True) | Q(account__isnull=False), name="donations_cash_has_no_statement"
            ),
            models.CheckConstraint(
                condition=Q(reference="") | Q(reference__regex=r"^[0-9]+$"), name="donations_reference_is_digits"
            ),
            models.CheckConstraint(condition=Q(occurrence__gte=1), name="donations_occurrence_counts_from_one"),
            models.UniqueConstraint(
                fields=["account", "fingerprint", "occurrence"],
                condition=~Q(fingerprint=""),
                name="donations_line_posted_once",
            ),
        ]
        indexes = [
            models.Index(fields=["fund", "currency"], name="donations_money_of_a_fund"),
            models.Index(fields=["-booked_on", "-id"], name="donations_newest_first"),
            models.Index(fields=["reference"], condition=~Q(reference=""), name="donations_money_by_reference"),
        ]

    def __str__(self) -> str:
        amount = money.format_amount(self.amount_minor, self.currency)
        return f"#{self.pk}: {amount}, {date_format(self.booked_on, 'DATE_FORMAT')}"

    @property
    def is_incoming(self) -> bool:
        """Whether it is money that came in, or the reversal of such."""
        return (self.amount_minor > 0) != bool(self.reverses_id)

    def clean(self) -> None:
        """Hold what spans two rows, in words for a person; the database's triggers hold it in any case."""
        if self.counterparty_iban:
            self.counterparty_iban_tag = tag("counterparty-iban", "".join(self.counterparty_iban.split()).upper())
        if self.booked_on and self.booked_on > timezone.localdate():
            raise ValidationError({"booked_on": _("This day is still to come. Record what has arrived.")})
        if self.description and not self.reverses_id and iban_in(self.description):
            raise ValidationError({"description": _("Everybody reads this: write no account number here.")})
        if self.account and self.account.fund_id != self.fund_id:
            raise ValidationError({"account": _("This account is another fund's.")})
        if self.account and self.account.approved_at is None and not self.reverses_id:
            raise ValidationError({"account": _("Two organisers have to stand for this account first: approve it.")})
        if self.account and self.account.currency and self.account.currency != self.currency:
            wrong = ValidationError(_("This account is in %(currency)s."), params={"currency": self.account.currency})
            raise ValidationError({"currency": wrong})
        if self.reverses and (
            self.amount_minor != -self.reverses.amount_minor
            or any(
                getattr(self, name) != getattr(self.reverses, name) for name in ("fund_id", "account_id", "currency")
            )
        ):
            raise ValidationError(_("A reversal has the opposite amount of what it reverses, and all else alike."))


class OpenLine(models.Model):
    """
    Where the desk looks: the transactions of which something is left to be said.

    An index over two tables, and no fact of its own: the database's triggers alone write it (donations/triggers/), and
    how much is left is worked out from the books each time.
    """

    not_personal = ALL

    transaction = models.OneToOneField(
        Transaction, models.PROTECT, primary_key=True, related_name="open_line", verbose_name=_("transaction")
    )

    def __str__(self) -> str:
        return str(self.pk)
