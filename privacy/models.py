"""What the deleting of personal data remembers: how far it is, and what time it was when the clock was last right."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from privacy.registry import ALL


class PurgeRun(models.Model):
    """How far deleting is, and when it was last through: one row for each kind of run."""

    not_personal = ALL

    class Kind(models.TextChoices):
        DAILY = "daily", _("all that is past its date")
        HOURLY = "hourly", _("what is kept for a day at most")

    kind = models.CharField(max_length=10, choices=Kind, primary_key=True)
    began_at = models.DateTimeField()
    # Where a run is: the table, and the last key of it that was looked at. Empty when none is under way.
    table = models.CharField(max_length=100, blank=True)
    key = models.CharField(max_length=100, blank=True)
    # When the last one was through; None: never yet.
    finished_at = models.DateTimeField(null=True)
    deleted = models.PositiveBigIntegerField(default=0)
    # Of this run: rows that could not be deleted or emptied, and the first of them with the kind of error.
    failed = models.PositiveIntegerField(default=0)
    failure = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["daily", "hourly"]), name="privacy_purge_kind_is_known"),
            models.CheckConstraint(condition=Q(key="") | ~Q(table=""), name="privacy_purge_key_is_of_a_table"),
            models.CheckConstraint(condition=Q(failed=0) | ~Q(failure=""), name="privacy_purge_failure_is_told"),
        ]

    def __str__(self) -> str:
        return self.kind

    @property
    def is_under_way(self) -> bool:
        return self.table != ""


class TrustedTime(models.Model):
    """
    The last time of the clock that did not lie far from the one before (privacy.clock). One row.

    `since`: when the program noted one for the first time.
    """

    not_personal = ALL

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    at = models.DateTimeField()
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="privacy_one_trusted_time")]

    def __str__(self) -> str:
        return self.at.isoformat()
