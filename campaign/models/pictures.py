"""Pictures that readers see."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from parler.models import TranslatableModel, TranslatedFields

from campaign.models.published import PublishedQuerySet, published_at
from privacy.registry import ALL

SMALL, LARGE = 480, 1200
# What a picture is called in texts: its number here, or the beginning of its hash, which it has everywhere.
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_SLUG_LENGTH = 20
_SLUG = re.compile(rf"[0-9a-f]{{{_SLUG_LENGTH}}}")


class Version(NamedTuple):
    """A picture in one of its sizes."""

    name: str
    width: int
    height: int

    @property
    def url(self) -> str:
        return settings.MEDIA_URL + self.name


class PictureQuerySet(PublishedQuerySet):
    def by_name(self, names: Iterable[str]) -> dict[str, Any]:
        """Return those that texts call by one of these names, by that name."""
        names = set(names)
        wanted = Q(pk__in=[name for name in names if _NUMBER.fullmatch(name)])
        for slug in filter(_SLUG.fullmatch, names):
            wanted |= Q(sha256__gte=slug, sha256__lt=f"{slug}g")
        rows = list(self.filter(wanted)) if names else []
        return {name: row for row in rows for name in {str(row.pk), row.slug} & names}


class Picture(TranslatableModel):
    """A picture, drawn anew by campaign.picturing, which alone makes rows. Its files are named by its hash."""

    not_personal = ALL

    sha256 = models.CharField("SHA-256", max_length=64, unique=True, editable=False)
    # Of the larger of its files.
    width = models.PositiveSmallIntegerField(_("width"), editable=False)
    height = models.PositiveSmallIntegerField(_("height"), editable=False)
    translations = TranslatedFields(
        alt=models.CharField(
            _("what is to be seen"),
            max_length=300,
            help_text=_("In one sentence, for those who cannot see it: read aloud, or shown if it does not load."),
        ),
        meta={
            "constraints": [models.CheckConstraint(condition=~Q(alt=""), name="campaign_picture_has_an_alternative")]
        },
    )
    credit = models.CharField(
        _("credit"), max_length=200, blank=True, help_text=_("Who made it, as they want to be named. It is public.")
    )
    published_at = published_at()
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("uploaded by"),
    )
    uploaded_at = models.DateTimeField(_("uploaded"), default=timezone.now, editable=False)

    objects = PictureQuerySet.as_manager()

    class Meta:
        verbose_name = _("picture")
        verbose_name_plural = _("pictures")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(sha256__regex=r"^[0-9a-f]{64}$"), name="campaign_picture_has_a_hash"),
            models.CheckConstraint(
                condition=Q(width__gte=1, width__lte=LARGE, height__gte=1), name="campaign_picture_has_a_size"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.safe_translation_getter('alt', any_language=True)}"

    @property
    def slug(self) -> str:
        """What it is called in the folder of a campaign, and in texts that come from there."""
        return self.sha256[:_SLUG_LENGTH]

    @property
    def is_published(self) -> bool:
        return self.published_at is not None and self.published_at <= timezone.now()

    @property
    def versions(self) -> list[Version]:
        """Its sizes, the smallest first. None is larger than the picture that was sent."""
        widths = sorted({min(SMALL, self.width), self.width})
        return [
            Version(f"{self.sha256}-{width}.jpg", width, max(1, round(self.height * width / self.width)))
            for width in widths
        ]
