"""The people who are persecuted: what they are accused of, and for how long they were locked up."""

from datetime import date, timedelta
from typing import Self

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from parler.models import TranslatableModel, TranslatedFields

from campaign.models.pictures import Picture
from campaign.models.published import Dated, OfStrikeQuerySet, published_at
from campaign.models.strikes import Strike
from privacy.registry import ALL


class Status(models.TextChoices):
    """What is happening to a person now. Derived from custody and charges, and stored nowhere."""

    IN_PRISON = "in_prison", _("in prison")
    UNDER_ARREST = "under_arrest", _("under arrest")
    SENTENCED = "sentenced", _("sentenced to prison")
    CHARGED = "charged", _("charged")
    SUSPENDED = "suspended", _("suspended sentence")
    THREATENED = "threatened", _("threatened with charges")
    FREE = "free", _("free")


class ActivistQuerySet(OfStrikeQuerySet):
    def with_charges(self) -> Self:
        """Prefetch what a page reads to say of each what they face, and since when they are locked up."""
        return self.prefetch_related(
            "translations",
            "portrait__translations",
            "aliases",
            "charges__translations",
            "charges__updates__translations",
            "custodies__translations",
        )

    def in_custody(self) -> Self:
        """Those who are locked up now, as far as is known."""
        held = Custody.objects.filter(activist=OuterRef("pk"), began_on__lte=timezone.localdate(), ended_on=None)
        return self.filter(Exists(held), remembered=False)


class Activist(TranslatableModel):
    """A person who is persecuted, or whom we remember. A public person by their own struggle."""

    not_personal = ALL

    slug = models.SlugField(_("address of the page"), unique=True)
    name = models.CharField(_("name"), max_length=200)
    strike = models.ForeignKey(
        Strike, models.SET_NULL, null=True, blank=True, related_name="activists", verbose_name=_("strike")
    )
    remembered = models.BooleanField(
        _("in memory"), default=False, help_text=_("A memory of the dead: shown apart, and never as a case.")
    )
    born_on = models.DateField(_("born on"), null=True, blank=True, help_text=_("Shown on memorial pages only."))
    died_on = models.DateField(
        _("died on"), null=True, blank=True, help_text=_("For those in memory. Leave it empty if the day is not known.")
    )
    translations = TranslatedFields(
        role=models.CharField(_("who this is"), max_length=200, blank=True),
        story=models.TextField(_("story"), blank=True, help_text=_("Markdown.")),
        demand=models.TextField(
            _("what we demand"), blank=True, help_text=_("For this person: one or two sentences, or a list. Markdown.")
        ),
        died_text=models.CharField(
            _("death in words"),
            max_length=100,
            blank=True,
            help_text=_('Shown instead of the dates: "killed in August 2011".'),
        ),
    )
    portrait = models.ForeignKey(
        Picture,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("portrait"),
        help_text=_("From “Pictures”, and shown once it is published there. Upright, with the face in the middle."),
    )
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    published_at = published_at()

    objects = ActivistQuerySet.as_manager()

    class Meta:
        verbose_name = _("activist")
        verbose_name_plural = _("activists")
        ordering = ["position", "name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(died_on=None) | Q(remembered=True), name="campaign_the_dead_are_remembered"
            ),
            models.CheckConstraint(condition=Q(died_on__gte=F("born_on")), name="campaign_activist_born_before_death"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        if self.died_on and not self.remembered:
            raise ValidationError({"died_on": _("Only those who are “in memory” have a day of death.")})
        if self.born_on and self.died_on and self.died_on < self.born_on:
            raise ValidationError({"died_on": _("This is before the day of birth.")})

    def get_absolute_url(self) -> str:
        return reverse("campaign:activist", args=[self.slug])

    @property
    def custody(self) -> "Custody | None":
        """In which the person is now, as far as is known. Reads the prefetched rows, as all that follows."""
        if self.remembered:
            return None
        return next((custody for custody in self.custodies.all() if custody.is_open), None)

    @property
    def days_in_custody(self) -> int:
        """All days of all times in custody so far; a day that two of them share counts once."""
        days, counted_to = 0, date.min
        for custody in self.custodies.all():
            first = max(custody.began_on, counted_to + timedelta(days=1))
            days += max(0, (custody.last_day - first).days + 1)
            counted_to = max(counted_to, custody.last_day)
        return days

    @property
    def days_are_certain(self) -> bool:
        """Whether days_in_custody is the number, and not the least that it can be."""
        return all(custody.exact and not custody.known_until for custody in self.custodies.all())

    @property
    def status(self) -> Status | None:
        """What is happening to the person now: the gravest thing. None of the dead, and where nothing is known."""
        if self.remembered:
            return None
        stages = {charge.newest.stage for charge in self.charges.all() if charge.newest}
        if self.custody:
            return Status.IN_PRISON if ChargeUpdate.Stage.SENTENCED in stages else Status.UNDER_ARREST
        custodies = self.custodies.all()
        if not custodies and ChargeUpdate.Stage.DETAINED in stages:  # else its custody says that it is over
            return Status.UNDER_ARREST
        for status, of_stages in STATUS_OF_STAGES:
            if stages & of_stages:
                return status
        return Status.FREE if stages or custodies else None


class Alias(models.Model):
    """Another spelling of an activist's name, in any script."""

    not_personal = ALL

    activist = models.ForeignKey(Activist, models.CASCADE, related_name="aliases", verbose_name=_("activist"))
    name = models.CharField(_("also spelt"), max_length=200)

    class Meta:
        verbose_name = _("other spelling")
        verbose_name_plural = _("other spellings")
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["activist", "name"], name="campaign_alias_once")]

    def __str__(self) -> str:
        return self.name


class Charge(TranslatableModel):
    """What an activist is accused of. Where it stands is its newest update, and is stored nowhere else."""

    not_personal = ALL

    activist = models.ForeignKey(Activist, models.CASCADE, related_name="charges", verbose_name=_("activist"))
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    translations = TranslatedFields(
        title=models.CharField(_("charge"), max_length=200, help_text=_("As the accuser words it.")),
        text=models.TextField(_("explanation"), blank=True, help_text=_("Markdown.")),
    )
    maximum_months = models.PositiveSmallIntegerField(_("maximum sentence, in months"), null=True, blank=True)

    class Meta:
        verbose_name = _("charge")
        verbose_name_plural = _("charges")
        ordering = ["activist", "position", "pk"]

    def __str__(self) -> str:
        return self.safe_translation_getter("title", any_language=True) or str(self.pk)

    @property
    def newest(self) -> "ChargeUpdate | None":
        """Where the charge stands. Reads the prefetched updates, which are ordered oldest first."""
        updates = list(self.updates.all())
        return updates[-1] if updates else None

    @property
    def maximum_sentence(self) -> str:
        """The longest sentence that the charge carries, in words; empty if it is not known."""
        months = self.maximum_months or 0
        if months % 12:
            return ngettext("%d month", "%d months", months) % months
        return ngettext("%d year", "%d years", months // 12) % (months // 12) if months else ""

    def clean(self) -> None:
        super().clean()
        _is_a_case(self)

    def get_absolute_url(self) -> str:
        return f"{self.activist.get_absolute_url()}#charge-{self.pk}"


class ChargeUpdate(Dated):
    """A step in the history of a charge."""

    not_personal = ALL

    class Stage(models.TextChoices):
        THREATENED = "threatened", _("threatened")
        ACCUSED = "accused", _("accused")
        CHARGED = "charged", _("charged")
        DETAINED = "detained", _("administrative arrest")
        ON_TRIAL = "on_trial", _("on trial")
        SENTENCED = "sentenced", _("sentenced to prison")
        SUSPENDED = "suspended", _("suspended sentence")
        ACQUITTED = "acquitted", _("acquitted")
        DROPPED = "dropped", _("charge dropped")
        RELEASED = "released", _("released")

    charge = models.ForeignKey(Charge, models.CASCADE, related_name="updates", verbose_name=_("charge"))
    stage = models.CharField(_("stage"), max_length=12, choices=Stage)
    translations = TranslatedFields(
        date_text=models.CharField(_("date in words"), max_length=60, blank=True),
        text=models.TextField(_("text"), blank=True),
    )

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("history")
        ordering = ["happened_on", "pk"]

    def __str__(self) -> str:
        return f"{self.get_stage_display()}, {self.happened_on}"


# The gravest first. What is over (acquitted, dropped, released, an arrest that ended) leaves a person free.
STATUS_OF_STAGES = (
    (Status.SENTENCED, {ChargeUpdate.Stage.SENTENCED}),
    (Status.CHARGED, {ChargeUpdate.Stage.CHARGED, ChargeUpdate.Stage.ACCUSED, ChargeUpdate.Stage.ON_TRIAL}),
    (Status.SUSPENDED, {ChargeUpdate.Stage.SUSPENDED}),
    (Status.THREATENED, {ChargeUpdate.Stage.THREATENED}),
)


class Custody(TranslatableModel):
    """A time for which a person was locked up, or still is. The first and the last day both count."""

    not_personal = ALL

    activist = models.ForeignKey(Activist, models.CASCADE, related_name="custodies", verbose_name=_("activist"))
    began_on = models.DateField(
        _("first day"), help_text=_("If it is not known: the first day on which the person was certainly held.")
    )
    ended_on = models.DateField(_("last day"), null=True, blank=True, help_text=_("Empty: still held."))
    known_until = models.DateField(
        _("last heard of on"),
        null=True,
        blank=True,
        help_text=_(
            "Empty: still held today. Else the day of the newest report that the person is held: days are counted up "
            "to it, and readers are told so."
        ),
    )
    exact = models.BooleanField(
        _("the days are certain"),
        default=True,
        help_text=_("Otherwise readers see “at least” with the number of days."),
    )
    translations = TranslatedFields(
        date_text=models.CharField(
            _("dates in words"), max_length=100, blank=True, help_text=_('Shown instead of the dates: "August 2011".')
        ),
        place=models.CharField(_("place"), max_length=200, blank=True),
    )
    source = models.CharField(_("source"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("time in custody")
        verbose_name_plural = _("times in custody")
        ordering = ["began_on", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_on__gte=F("began_on")), name="campaign_custody_ends_after_it_began"
            ),
            models.CheckConstraint(
                condition=Q(known_until__gte=F("began_on")), name="campaign_custody_known_after_it_began"
            ),
            models.CheckConstraint(
                condition=Q(known_until=None) | Q(ended_on=None), name="campaign_custody_ended_or_last_heard_of"
            ),
            models.UniqueConstraint(
                fields=["activist"],
                condition=Q(ended_on=None),
                name="campaign_one_open_custody_each",
                violation_error_message=_("Another time in custody has no last day yet. Fill that in first."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.began_on} – {self.ended_on or ''}"

    def clean(self) -> None:
        super().clean()
        _is_a_case(self)
        days = {name: getattr(self, name) for name in ("began_on", "ended_on", "known_until") if getattr(self, name)}
        wrong = {name: _("This day is still to come.") for name, day in days.items() if day > timezone.localdate()}
        for name in ("ended_on", "known_until"):
            if self.began_on and name in days and days[name] < self.began_on:
                wrong[name] = _("This is before the first day.")
        if self.ended_on and self.known_until:
            wrong["known_until"] = _("Leave this empty: the last day is known.")
        if wrong:
            raise ValidationError(wrong)

    @property
    def is_open(self) -> bool:
        """Whether the person is still held, as far as is known; the same rule as ActivistQuerySet.in_custody()."""
        return self.ended_on is None and self.began_on <= timezone.localdate()

    @property
    def last_day(self) -> date:
        """The last day that is counted, so far."""
        return self.ended_on or self.known_until or timezone.localdate()

    @property
    def days(self) -> int:
        return max(0, (self.last_day - self.began_on).days + 1)

    @property
    def in_words(self) -> str:
        """The dates as a person gave them, for those that are only roughly known; else empty."""
        return self.safe_translation_getter("date_text", "")


def _is_a_case(row: Charge | Custody) -> None:
    """Refuse a new row of one who is dead: a memory is no case. What was there before stays, and is not shown."""
    if row._state.adding and row.activist_id and row.activist.remembered:
        raise ValidationError(
            _("This person is in memory, and a memory is no case: no charge and no custody is added.")
        )
