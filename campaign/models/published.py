"""Rows that readers see from a date on, and days that are known only roughly."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from parler.managers import TranslatableQuerySet
from parler.models import TranslatableModel


class PublishedQuerySet(TranslatableQuerySet):
    def released(self) -> Self:
        """Rows whose own date has come."""
        return self.filter(published_at__lte=timezone.now())

    def published(self) -> Self:
        """What readers may see now."""
        return self.released()


class OfStrikeQuerySet(PublishedQuerySet):
    def published(self) -> Self:
        """What readers may see now: what belongs to a strike that is not published waits for it."""
        return self.released().filter(Q(strike=None) | Q(strike__published_at__lte=timezone.now()))


def published_at() -> models.DateTimeField:
    """A date from which readers see the row: empty for a draft, ahead for a planned one."""
    return models.DateTimeField(
        _("published"),
        null=True,
        blank=True,
        db_index=True,
        help_text=_("Empty: a draft that only organisers see. A time to come: it appears by itself then."),
    )


class Dated(TranslatableModel):
    """Something that happened on a day, perhaps known only roughly."""

    happened_on = models.DateField(_("date"), help_text=_("For the order; the first day possible."))
    source = models.CharField(_("source"), max_length=200, blank=True)

    class Meta:
        abstract = True

    @property
    def in_words(self) -> str:
        """The date as a person gave it, for a day that is only roughly known; else empty."""
        return self.safe_translation_getter("date_text", "")
