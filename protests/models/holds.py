"""Signatures that wait for an organiser's look."""

from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from limits.models import Why
from outbox.models import WAITING
from privacy.fields import EncryptedTextField, TagField
from privacy.registry import Rule
from protests.models.letters import Letter, LetterText, Signature
from protests.models.mails import ConfirmationMail

# A held signature on which nobody has decided is forgotten after this, and one on which somebody has, after that.
HELD_FOR = timedelta(days=30)
UNDO_WITHIN = timedelta(days=7)


class HoldQuerySet(models.QuerySet["Hold"]):
    def waiting(self) -> Self:
        """Held signatures on which nobody has decided."""
        return self.filter(decision="")

    def releasable(self) -> Self:
        return self.waiting().filter(letter__in=Letter.objects.open().values("pk"))

    def undoable(self) -> Self:
        """Decisions that can be taken back: refused, or released and its mail has not left."""
        unmoved = Q(signature__confirmed_at=None, signature__consented_at=F("consented_at"))
        left = ConfirmationMail.objects.filter(signature=OuterRef("signature")).exclude(
            state__in=WAITING, attempts=0, maybe_left_at=None
        )
        released = Q(decision=Hold.Decision.RELEASED, signature__isnull=False) & unmoved & ~Exists(left)
        return self.filter(Q(decision=Hold.Decision.REFUSED) | released)


class Hold(models.Model):
    """
    A signature that waits until an organiser has looked at it: all that was typed, and nothing of it has been sent.

    It is no Signature yet, so that it changes nothing of one that its owner has made or confirmed.
    """

    class Decision(models.TextChoices):
        RELEASED = "released", pgettext_lazy("a held signature", "released")
        REFUSED = "refused", _("refused")

    letter = models.ForeignKey(Letter, models.CASCADE, related_name="holds", verbose_name=_("letter"))
    text = models.ForeignKey(LetterText, models.CASCADE, related_name="+")
    email_tag = TagField()
    email = EncryptedTextField(_("e-mail address"))
    name = EncryptedTextField(_("name"))
    organisation = EncryptedTextField(_("organisation"), blank=True)
    own_words = EncryptedTextField(_("own words"), blank=True)
    country = models.CharField(_("country"), max_length=2)
    display = models.CharField(_("shown on the site"), max_length=10, choices=Signature.Display)
    locale = models.CharField(_("language"), max_length=10)
    updates = models.BooleanField(_("wants updates"), default=False)
    consent_version = models.CharField(_("version of the consent"), max_length=20)
    consented_at = models.DateTimeField(_("consent given"))
    why = models.CharField(_("held because"), max_length=20, choices=Why)
    created_at = models.DateTimeField(_("held since"), default=timezone.now)
    network_tag = TagField(null=True)
    # What is alike has the same tag: the desk groups by them.
    domain_tag = TagField(null=True)
    name_tag = TagField(null=True)
    words_tag = TagField(null=True)
    decision = models.CharField(_("decision"), max_length=10, choices=Decision, blank=True)
    decided_at = models.DateTimeField(_("decided"), null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("decided by")
    )
    # The one that the release made; none where the person had one already.
    signature = models.ForeignKey(Signature, models.SET_NULL, null=True, related_name="+", verbose_name=_("signature"))

    objects = HoldQuerySet.as_manager()

    personal: ClassVar = {
        "email_tag": Rule(_("So that what one person posted waits once."), HELD_FOR.days, "created_at"),
        "email": Rule(_("To ask the person to confirm, if an organiser releases it."), HELD_FOR.days, "created_at"),
        "name": Rule(_("To sign the letter, if an organiser releases it."), HELD_FOR.days, "created_at"),
        "organisation": Rule(_("To sign the letter on behalf of it."), HELD_FOR.days, "created_at"),
        "own_words": Rule(_("To stand in the letter."), HELD_FOR.days, "created_at"),
        "network_tag": Rule(_("To see together what came from one network."), 1, "created_at"),
        "domain_tag": Rule(_("To see together what came from one mail domain."), HELD_FOR.days, "created_at"),
        "name_tag": Rule(_("To see similar names together."), HELD_FOR.days, "created_at"),
        "words_tag": Rule(_("To see similar words together."), HELD_FOR.days, "created_at"),
    }
    not_personal: ClassVar = frozenset(
        {
            "id",
            "letter",
            "text",
            "country",
            "display",
            "locale",
            "updates",
            "consent_version",
            "consented_at",
            "why",
            "created_at",
            "decision",
            "decided_at",
            "decided_by",
            "signature",
        }
    )

    class Meta:
        verbose_name = _("held signature")
        verbose_name_plural = _("held signatures")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["letter", "email_tag"], condition=Q(decision=""), name="protests_hold_waits_once"
            ),
            models.CheckConstraint(
                condition=Q(decision="", decided_at=None, decided_by=None)
                | Q(decision__in=["released", "refused"], decided_at__isnull=False),
                name="protests_hold_is_decided_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(signature=None) | Q(decision="released"), name="protests_hold_signs_when_released"
            ),
            models.CheckConstraint(condition=Q(why__in=[why.value for why in Why]), name="protests_hold_has_a_reason"),
            models.CheckConstraint(condition=Q(country__regex=r"^[A-Z]{2}$"), name="protests_hold_country_is_iso"),
        ]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(decision=""), name="protests_hold_waits"),
            models.Index(fields=["decided_at"], condition=~Q(decision=""), name="protests_hold_decided"),
            # For the charts, as of signatures.
            models.Index(fields=["created_at", "letter", "country"], name="protests_hold_held"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} ({self.country}, {date_format(localtime(self.created_at), 'DATE_FORMAT')})"

    @classmethod
    def expired(cls) -> models.QuerySet[Any]:
        """Held signatures on which was decided a while ago, or on which nobody has decided in time."""
        now = timezone.now()
        return cls.objects.filter(Q(decided_at__lt=now - UNDO_WITHIN) | Q(created_at__lt=now - HELD_FOR))
