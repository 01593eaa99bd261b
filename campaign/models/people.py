"""The people who are persecuted, and what they are accused of."""

from typing import Self

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from parler.models import TranslatableModel, TranslatedFields

from campaign.models.published import Dated, OfStrikeQuerySet, published_at
from campaign.models.strikes import Strike
from privacy.registry import ALL


class ActivistQuerySet(OfStrikeQuerySet):
    def with_charges(self) -> Self:
        """Prefetch what a page reads to say of each what they face."""
        return self.prefetch_related(
            "translations", "aliases", "charges__translations", "charges__updates__translations"
        )


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
    translations = TranslatedFields(
        role=models.CharField(_("who this is"), max_length=200, blank=True),
        story=models.TextField(_("story"), blank=True, help_text=_("Markdown.")),
    )
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    published_at = published_at()

    objects = ActivistQuerySet.as_manager()

    class Meta:
        verbose_name = _("activist")
        verbose_name_plural = _("activists")
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("campaign:activist", args=[self.slug])


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
