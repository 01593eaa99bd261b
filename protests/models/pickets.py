"""Pickets, and the reports of them."""

from datetime import timedelta
from typing import ClassVar, Self
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Count, F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from parler.models import TranslatableModel, TranslatedFields

from campaign.countries import country_name
from campaign.models import OfStrikeQuerySet, Picture, PublishedQuerySet, Strike, Submitted, SubmittedQuerySet
from protests import hours, mapping
from protests.models.letters import Target

# How long a picket is taken to last of which nobody said when it ends.
PICKET_LASTS = timedelta(hours=2)
PEOPLE_AT_MOST = 1_000_000


def slug_is_free(slug: str) -> None:
    """Refuse the one address below /pickets/ that the form has."""
    if slug == "add":
        raise ValidationError(_("This is the address of the form. Choose another one."))


class PicketQuerySet(OfStrikeQuerySet, SubmittedQuerySet):
    def coming(self) -> Self:
        """What one can still go to: what has no day is held regularly."""
        return self.exclude(self._over())

    def past(self) -> Self:
        return self.filter(self._over())

    @staticmethod
    def _over() -> Q:
        now = timezone.now()
        return Q(ends_at__isnull=False, ends_at__lt=now) | Q(
            ends_at=None, starts_at__isnull=False, starts_at__lt=now - PICKET_LASTS
        )

    def dots(self) -> list[tuple[float, float, int, int]]:
        """Return where on earth they are, each place with how many there are and how many of them are to come."""
        rows = (
            self.order_by()
            .values_list("country", "time_zone", "latitude", "longitude")
            .annotate(count=Count("pk"), over=Count("pk", filter=self._over()))
        )
        found = []
        for country, time_zone, latitude, longitude, count, over in rows:
            place = mapping.around(country, time_zone) if latitude is None else (float(latitude), float(longitude))
            if place:
                found.append((*place, count, count - over))
        return found

    def by_country(self) -> list[tuple[str, int, int]]:
        """Return each country with how many are to come and how many are past, in the order of the names."""
        rows = self.order_by().values_list("country").annotate(over=Count("pk", filter=self._over()), all=Count("pk"))
        counted = [(country, count - over, over) for country, over, count in rows]
        return sorted(counted, key=lambda row: country_name(row[0]).casefold())


class Picket(Submitted, TranslatableModel):
    """A protest in the street: a picket, a collection, a rally. Visitors send them in, too."""

    personal = Submitted.personal_submitted
    not_personal: ClassVar = Submitted.not_personal_submitted | {
        *("slug", "strike", "kind", "country", "target", "starts_at", "ends_at", "time_zone", "latitude", "longitude"),
        "changed_at",
    }

    class Kind(models.TextChoices):
        PICKET = "picket", _("picket")
        COLLECTION = "collection", _("street collection")
        RALLY = "rally", _("rally")

    slug = models.SlugField(_("short name"), unique=True, validators=[slug_is_free])
    strike = models.ForeignKey(Strike, models.CASCADE, related_name="pickets", verbose_name=_("strike"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.PICKET)
    country = models.CharField(_("country"), max_length=2, help_text=_("ISO 3166, two letters."))
    target = models.ForeignKey(
        Target,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="pickets",
        verbose_name=_("outside"),
        help_text=_("The office outside which it is held, if letters go there: its page tells how to hand them over."),
    )
    starts_at = models.DateTimeField(
        _("begins"),
        null=True,
        blank=True,
        help_text=_(
            "By the clock of the place. Of a day that is only roughly known, the first that is possible; say below "
            "what is known. Empty: held regularly, and listed as coming until you withdraw it."
        ),
    )
    ends_at = models.DateTimeField(
        _("ends"), null=True, blank=True, help_text=_("By the clock of the place. Empty: not said; two hours or so.")
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        blank=True,
        validators=[hours.validate_time_zone],
        help_text=_("As in the IANA list: Europe/Berlin, Asia/Almaty. Empty: the country's, if it has only one."),
    )
    latitude = models.DecimalField(
        _("latitude"),
        max_digits=7,
        decimal_places=5,
        null=True,
        blank=True,
        help_text=_("For the map, such as 51.50853. Both empty: the main city of the time zone stands for the place."),
    )
    longitude = models.DecimalField(
        _("longitude"), max_digits=8, decimal_places=5, null=True, blank=True, help_text=_("West is below 0: -0.12574.")
    )
    translations = TranslatedFields(
        place=models.CharField(
            _("place"), max_length=200, help_text=_("The town; or the country, if no more is known.")
        ),
        address=models.CharField(
            _("where to meet"), max_length=300, blank=True, help_text=_("Street and number, or a corner of a square.")
        ),
        date_text=models.CharField(_("date in words"), max_length=60, blank=True),
        text=models.TextField(_("text"), blank=True, help_text=_("Markdown.")),
    )
    changed_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = PicketQuerySet.as_manager()

    class Meta(Submitted.Meta):
        verbose_name = _("picket")
        verbose_name_plural = _("pickets")
        ordering = ["-starts_at", "pk"]
        constraints = [
            *Submitted.Meta.constraints,
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(starts_at__isnull=False, ends_at__gt=F("starts_at")),
                name="protests_picket_ends_after_it_began",
                violation_error_message=_("It ends before it begins, or has an end without a beginning."),
            ),
            models.CheckConstraint(
                condition=Q(latitude=None, longitude=None)
                | Q(
                    latitude__isnull=False,
                    longitude__isnull=False,
                    latitude__gte=-90,
                    latitude__lte=90,
                    longitude__gte=-180,
                    longitude__lte=180,
                ),
                name="protests_picket_is_on_earth",
                violation_error_message=_(
                    "A place on the map has a latitude from -90 to 90 and a longitude from -180 to 180, or neither."
                ),
            ),
        ]
        permissions = [("export_picket", _("Can export the pickets"))]

    def __str__(self) -> str:
        return self.safe_translation_getter("place", any_language=True) or self.slug

    def clean(self) -> None:
        """Take the country's time zone if its clocks agree; else a time would be of another place."""
        if self.starts_at and not self.time_zone and (zones := mapping.zones_of(self.country)):
            self.time_zone = mapping.only_zone(self.country, self.starts_at)
            if not self.time_zone:
                raise ValidationError(
                    {"time_zone": _("Choose the time zone: %(zones)s.") % {"zones": ", ".join(zones)}}
                )

    def get_absolute_url(self) -> str:
        return reverse("protests:picket", args=[self.slug])

    @property
    def zone(self) -> ZoneInfo:
        return hours.zone(self.time_zone)

    @property
    def is_past(self) -> bool:
        """Whether it is over; the same rule as PicketQuerySet.past()."""
        if self.starts_at is None:
            return False
        return (self.ends_at or self.starts_at + PICKET_LASTS) < timezone.now()

    @property
    def has_begun(self) -> bool:
        """Whether somebody may have been there."""
        return self.starts_at is None or self.starts_at <= timezone.now()

    @property
    def ends_the_same_day(self) -> bool:
        if self.starts_at is None or self.ends_at is None:
            return False
        return self.starts_at.astimezone(self.zone).date() == self.ends_at.astimezone(self.zone).date()

    @property
    def in_words(self) -> str:
        """The day as a person gave it, for one that is only roughly known or comes again; else empty."""
        return self.safe_translation_getter("date_text", any_language=True) or ""

    @property
    def has_an_hour(self) -> bool:
        """Whether it can stand in a calendar: a day in words is known only roughly, or comes again."""
        return self.starts_at is not None and not any(text.date_text for text in self.translations.all())


class PicketReportQuerySet(PublishedQuerySet, SubmittedQuerySet):
    def published(self) -> Self:
        """What readers may see now: what is told of a picket that is not published waits for it."""
        return self.released().filter(picket__in=Picket.objects.published())


class PicketReport(Submitted, TranslatableModel):
    """What somebody tells of a picket afterwards, with pictures."""

    personal = Submitted.personal_submitted
    not_personal: ClassVar = Submitted.not_personal_submitted | {"picket", "organisation", "people"}

    picket = models.ForeignKey(Picket, models.CASCADE, related_name="reports", verbose_name=_("picket"))
    organisation = models.CharField(
        _("from"), max_length=150, blank=True, help_text=_("The branch or group that tells it, no person's name.")
    )
    people = models.PositiveIntegerField(_("how many took part"), null=True, blank=True)
    translations = TranslatedFields(text=models.TextField(_("report"), help_text=_("Plain text.")))
    pictures = models.ManyToManyField(Picture, blank=True, related_name="picket_reports", verbose_name=_("pictures"))

    objects = PicketReportQuerySet.as_manager()

    class Meta(Submitted.Meta):
        verbose_name = _("report from a picket")
        verbose_name_plural = _("reports from pickets")
        ordering = ["-pk"]
        constraints = [
            *Submitted.Meta.constraints,
            models.CheckConstraint(
                condition=Q(people=None) | Q(people__gte=1, people__lte=PEOPLE_AT_MOST),
                name="protests_picketreport_people_came",
                violation_error_message=_("At least one took part; empty if nobody counted."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.picket}: {self.organisation}" if self.organisation else str(self.picket)

    def get_absolute_url(self) -> str:
        return f"{self.picket.get_absolute_url()}#report-{self.pk}"
