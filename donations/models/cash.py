"""Collections in cash."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from donations.models.fields import currency_code, without_iban
from donations.models.funds import Fund
from donations.models.posted import StoredFile, organiser_column
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
