"""Cash that is collected, and money that is paid out."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from donations import money
from donations.models.fields import currency_code, without_iban
from donations.models.funds import Fund
from donations.models.posted import Posted, StoredFile, organiser_column
from privacy.registry import ALL


class CollectionSheet(models.Model):
    """A numbered sheet of a collection in cash, counted by two organisers."""

    not_personal = ALL

    fund = models.ForeignKey(Fund, models.PROTECT, related_name="sheets", verbose_name=_("fund"))
    number = models.PositiveIntegerField(_("number"))
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    place = models.CharField(_("place"), max_length=200, blank=True, validators=[without_iban])
    held_on = models.DateField(_("held on"), null=True, blank=True)
    counted_minor = models.PositiveBigIntegerField(_("counted, in the smallest unit"), null=True, blank=True)
    counter_one = organiser_column(_("counted by"))
    counter_two = organiser_column(_("and by"))
    counted_at = models.DateTimeField(_("counted"), null=True, blank=True, editable=False)
    scan = models.ForeignKey(
        StoredFile, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("photo or scan")
    )
    made_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("collection sheet")
        verbose_name_plural = _("collection sheets")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["fund", "number"], name="donations_sheet_number_once"),
            models.CheckConstraint(condition=Q(number__gte=1), name="donations_sheet_counts_from_one"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="donations_sheet_currency_is_iso"),
            models.CheckConstraint(
                condition=Q(counter_two__isnull=True) | ~Q(counter_one=F("counter_two")),
                name="donations_sheet_has_two_counters",
            ),
            models.CheckConstraint(
                condition=Q(counted_minor=None, counter_one=None)
                | Q(counted_minor__isnull=False, counter_one__isnull=False),
                name="donations_sheet_count_has_a_counter",
            ),
            models.CheckConstraint(
                condition=Q(counted_at=None, counter_two=None)
                | Q(
                    counted_at__isnull=False,
                    counter_one__isnull=False,
                    counter_two__isnull=False,
                    counted_minor__isnull=False,
                    held_on__isnull=False,
                ),
                name="donations_sheet_is_counted_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.fund}, {self.number}"

    def clean(self) -> None:
        if self.held_on and self.held_on > timezone.localdate() and self.counter_one_id:
            raise ValidationError({"held_on": _("This day is still to come.")})


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
