"""The public log of accepted letters: its entries, its signed heads, and what is in it already."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from privacy.registry import ALL
from protests.models.letters import Delivery


def _is_hash(column: str) -> Q:
    return Q(**{f"{column}__regex": r"^[0-9a-f]{64}$"})


class LetterLogEntry(models.Model):
    """
    That a target's server accepted a letter, in a public hash chain (protests.proving). Nothing of its signer.

    No column leads to the letter: who has the commitment's salt, can show which one it is.
    """

    not_personal = ALL
    # Its database triggers refuse every change (protests.triggers).
    erasable: ClassVar[frozenset[str]] = frozenset()

    sequence = models.BigIntegerField(_("number"), primary_key=True)
    day = models.DateField(_("day"))
    letter = models.CharField(_("letter"), max_length=50)
    target = models.CharField(_("target"), max_length=50)
    target_name = models.CharField(_("name of the target"), max_length=200)
    # False in the sandbox, where no letter leaves the machine.
    live = models.BooleanField(_("live"))
    commitment = models.CharField(_("commitment"), max_length=64)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        verbose_name = _("entry of the log of letters")
        verbose_name_plural = _("log of letters")
        ordering = ["sequence"]
        constraints = [
            models.UniqueConstraint(fields=["commitment"], name="protests_letter_log_has_a_letter_once"),
            models.UniqueConstraint(fields=["previous_hash"], name="protests_letter_log_does_not_fork"),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="protests_letter_log_counts_from_one"),
            models.CheckConstraint(
                condition=_is_hash("commitment") & _is_hash("previous_hash") & _is_hash("hash"),
                name="protests_letter_log_holds_hashes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sequence}: {self.letter}, {self.target}, {self.day}"


class LetterLogHead(models.Model):
    """Where the log ended on a day, signed."""

    not_personal = ALL
    erasable: ClassVar[frozenset[str]] = frozenset()

    day = models.DateField(_("day"), unique=True)
    entries = models.BigIntegerField(_("number of entries"))
    hash = models.CharField(_("hash of the last entry"), max_length=64)
    public_key = models.CharField(_("public key"), max_length=64)
    signature = models.CharField(_("signature"), max_length=128)

    class Meta:
        verbose_name = _("signed head of the log of letters")
        verbose_name_plural = _("signed heads of the log of letters")
        ordering = ["day"]
        constraints = [
            models.CheckConstraint(condition=Q(entries__gte=1), name="protests_letter_log_head_counts_from_one"),
            models.CheckConstraint(
                condition=_is_hash("hash") & _is_hash("public_key") & Q(signature__regex=r"^[0-9a-f]{128}$"),
                name="protests_letter_log_head_is_signed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.entries}:{self.hash}"


class LoggedDelivery(models.Model):
    """That a delivery is in the log, so that it comes in once; not as which entry."""

    not_personal = ALL

    delivery = models.OneToOneField(Delivery, models.CASCADE, primary_key=True, related_name="logged")

    def __str__(self) -> str:
        return str(self.pk)
