"""What visitors send in, and organisers read before anybody else does."""

from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from campaign.models.published import published_at
from limits.models import Why
from privacy.fields import EncryptedTextField
from privacy.registry import Rule

# What nobody has decided on by then is deleted, and so is what was refused.
DECIDE_WITHIN = timedelta(days=90)
KEEP_REFUSED = timedelta(days=30)


class SubmittedQuerySet(models.QuerySet[Any]):
    """For the rows of a model that is Submitted; put it behind any other QuerySet."""

    def waiting(self) -> Self:
        """Sent in by visitors, and neither published nor refused yet."""
        return self.filter(submitted_at__isnull=False, approved_at=None, refused_at=None)

    def trusted(self) -> Self:
        """What the limits found nothing in."""
        return self.filter(hold="")

    def doubtful(self) -> Self:
        """What the limits doubt: for an organiser to look at apart."""
        return self.exclude(hold="")

    def refused(self) -> Self:
        return self.filter(refused_at__isnull=False)


class Submitted(models.Model):
    """
    A row that organisers write or visitors send in; a visitor's is seen once an organiser has approved it.

    `approved_at` stays when a row goes back to draft: what was decided on once is not deleted for having waited.
    """

    submitted_at = models.DateTimeField(
        _("sent in"), null=True, editable=False, help_text=_("Empty: written by an organiser.")
    )
    consent_version = models.CharField(_("version of the consent"), max_length=20, blank=True, editable=False)
    contact = EncryptedTextField(_("e-mail address to ask back"), blank=True, editable=False)
    hold = models.CharField(
        _("doubt"),
        max_length=20,
        blank=True,
        choices=Why,
        editable=False,
        help_text=_("What the protection against abuse noticed. It can be wrong."),
    )
    approved_at = models.DateTimeField(_("approved"), null=True, editable=False)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("approved by"),
    )
    refused_at = models.DateTimeField(_("refused"), null=True, editable=False)
    refused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("refused by"),
    )
    published_at = published_at()

    # A model's own `personal` and `not_personal` begin with these.
    personal_submitted: ClassVar = {
        "contact": Rule(_("So that the organisers can ask you back."), DECIDE_WITHIN.days, "submitted_at")
    }
    not_personal_submitted: ClassVar = frozenset(
        {
            "id",
            "submitted_at",
            "consent_version",
            "hold",
            "approved_at",
            "approved_by",
            "refused_at",
            "refused_by",
            "published_at",
        }
    )

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(submitted_at=None) | Q(published_at=None) | Q(approved_at__isnull=False),
                name="%(app_label)s_%(class)s_is_approved_first",
            ),
            models.CheckConstraint(
                condition=Q(refused_at=None)
                | Q(submitted_at__isnull=False, approved_at=None, approved_by=None, published_at=None),
                name="%(app_label)s_%(class)s_refused_or_approved",
            ),
            models.CheckConstraint(
                condition=Q(refused_by=None) | Q(refused_at__isnull=False),
                name="%(app_label)s_%(class)s_is_refused_once",
            ),
            models.CheckConstraint(
                condition=Q(submitted_at__isnull=False) & ~Q(consent_version="")
                | Q(submitted_at=None, consent_version="", contact="", hold=""),
                name="%(app_label)s_%(class)s_sent_with_consent",
            ),
        ]
        indexes = [
            models.Index(
                fields=["submitted_at"],
                condition=Q(submitted_at__isnull=False, approved_at=None, refused_at=None),
                name="%(class)s_waiting",
            ),
            # Their list and their count must not read all that waits beside them.
            models.Index(
                fields=["submitted_at"],
                condition=Q(submitted_at__isnull=False, approved_at=None, refused_at=None) & ~Q(hold=""),
                name="%(class)s_doubtful",
            ),
        ]

    @property
    def is_waiting(self) -> bool:
        """The same rule as SubmittedQuerySet.waiting()."""
        return self.submitted_at is not None and self.approved_at is None and self.refused_at is None

    @classmethod
    def expired(cls) -> models.QuerySet[Any]:
        """What nobody decided on in time, and what was refused a while ago."""
        now = timezone.now()
        undecided = Q(submitted_at__lt=now - DECIDE_WITHIN, approved_at=None)
        return cls._default_manager.filter(undecided | Q(refused_at__lt=now - KEEP_REFUSED))
