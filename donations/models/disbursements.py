"""Money that is paid out: who agreed to it, who called it off, and what proves it."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from donations import money
from donations.models.fields import currency_code, without_iban
from donations.models.funds import Fund
from donations.models.posted import Posted, StoredFile, organiser_column
from privacy.registry import ALL


class Disbursement(Posted):
    """Money for families, as it was asked for. Who approved it and what paid it are rows of their own."""

    not_personal = ALL

    fund = models.ForeignKey(Fund, models.PROTECT, related_name="disbursements", verbose_name=_("fund"))
    purpose = models.CharField(
        _("purpose"),
        max_length=200,
        validators=[without_iban],
        help_text=_("Public, and stays: “Bread and rent in May”. Never a family's name, nor what tells who it is."),
    )
    households = models.PositiveIntegerField(
        _("households"), help_text=_("How many get of it. Public. Who they are stands in your own papers, not here.")
    )
    amount_minor = models.PositiveBigIntegerField(_("amount in the smallest unit"))
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    requested_by = organiser_column(_("asked for by"))
    requested_at = models.DateTimeField(_("asked for"), default=timezone.now, editable=False)

    class Meta(Posted.Meta):
        verbose_name = _("disbursement")
        verbose_name_plural = _("disbursements")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="donations_disbursement_is_positive"),
            models.CheckConstraint(condition=Q(households__gt=0), name="donations_disbursement_is_for_somebody"),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="donations_disbursement_currency_is_iso"
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}: {money.format_amount(self.amount_minor, self.currency)}, {self.purpose}"


class Approval(Posted):
    """One organiser's yes to a disbursement. It takes two."""

    not_personal = ALL

    disbursement = models.ForeignKey(
        Disbursement, models.PROTECT, related_name="approvals", verbose_name=_("disbursement")
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("approved by")
    )
    approved_at = models.DateTimeField(_("approved"), default=timezone.now, editable=False)

    class Meta(Posted.Meta):
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        constraints = [
            models.UniqueConstraint(fields=["disbursement", "approved_by"], name="donations_one_approval_a_person")
        ]

    def __str__(self) -> str:
        return f"{self.disbursement}: {self.approved_by}"


class Cancellation(Posted):
    """A disbursement that was asked for and is not to be paid any more."""

    not_personal = ALL

    disbursement = models.OneToOneField(
        Disbursement, models.PROTECT, related_name="cancellation", verbose_name=_("disbursement")
    )
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("cancelled by")
    )
    cancelled_at = models.DateTimeField(_("cancelled"), default=timezone.now, editable=False)

    class Meta(Posted.Meta):
        verbose_name = _("cancelled disbursement")
        verbose_name_plural = _("cancelled disbursements")

    def __str__(self) -> str:
        return str(self.disbursement)


class Evidence(Posted):
    """A paper that shows what a disbursement was for. Its hash is public, the file is not."""

    not_personal = ALL

    disbursement = models.ForeignKey(
        Disbursement, models.PROTECT, related_name="evidence", verbose_name=_("disbursement")
    )
    file = models.ForeignKey(StoredFile, models.PROTECT, related_name="+", verbose_name=_("file"))
    added_by = organiser_column(_("added by"))
    added_at = models.DateTimeField(_("added"), default=timezone.now, editable=False)

    class Meta(Posted.Meta):
        verbose_name = _("evidence")
        verbose_name_plural = _("evidence")
        constraints = [
            models.UniqueConstraint(fields=["disbursement", "file"], name="donations_evidence_added_once"),
        ]

    def __str__(self) -> str:
        return f"{self.disbursement}: {self.file_id}"
