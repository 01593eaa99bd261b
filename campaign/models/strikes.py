"""A strike, its demands and days, and what is claimed of it."""

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from parler.models import TranslatableModel, TranslatedFields

from campaign.models.published import Dated, PublishedQuerySet, published_at
from privacy.registry import ALL


class Strike(TranslatableModel):
    """A strike, and the page that tells of it."""

    not_personal = ALL

    slug = models.SlugField(_("address of the page"), unique=True)
    translations = TranslatedFields(
        title=models.CharField(_("title"), max_length=200),
        place=models.CharField(_("place"), max_length=200, blank=True),
        summary=models.TextField(_("summary"), help_text=_("Two or three sentences for the home page.")),
        story=models.TextField(_("story"), blank=True, help_text=_("Markdown.")),
    )
    began_on = models.DateField(_("began on"), null=True, blank=True)
    published_at = published_at()

    objects = PublishedQuerySet.as_manager()

    class Meta:
        verbose_name = _("strike")
        verbose_name_plural = _("strikes")
        ordering = ["-published_at", "pk"]

    def __str__(self) -> str:
        return self.safe_translation_getter("title", any_language=True) or self.slug

    def get_absolute_url(self) -> str:
        return reverse("campaign:strike", args=[self.slug])


class Demand(TranslatableModel):
    """One demand of a strike."""

    not_personal = ALL

    strike = models.ForeignKey(Strike, models.CASCADE, related_name="demands", verbose_name=_("strike"))
    position = models.PositiveSmallIntegerField(_("position"))
    translations = TranslatedFields(text=models.CharField(_("text"), max_length=300))

    class Meta:
        verbose_name = _("demand")
        verbose_name_plural = _("demands")
        ordering = ["strike", "position"]
        constraints = [models.UniqueConstraint(fields=["strike", "position"], name="campaign_demand_position")]

    def __str__(self) -> str:
        return self.safe_translation_getter("text", any_language=True) or str(self.position)


class TimelineEvent(Dated):
    """One day of a strike's history."""

    not_personal = ALL

    strike = models.ForeignKey(Strike, models.CASCADE, related_name="events", verbose_name=_("strike"))
    translations = TranslatedFields(
        date_text=models.CharField(
            _("date in words"), max_length=60, blank=True, help_text=_('Shown instead of the date: "mid-August 2011".')
        ),
        title=models.CharField(_("title"), max_length=200),
        text=models.TextField(_("text"), blank=True, help_text=_("Markdown.")),
    )

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("timeline")
        ordering = ["happened_on", "pk"]

    def __str__(self) -> str:
        return self.safe_translation_getter("title", any_language=True) or str(self.happened_on)


class Claim(TranslatableModel):
    """What the other side says, and the answer."""

    not_personal = ALL

    strike = models.ForeignKey(Strike, models.CASCADE, related_name="claims", verbose_name=_("strike"))
    position = models.PositiveSmallIntegerField(_("position"))
    translations = TranslatedFields(
        claim=models.TextField(_("claim")),
        answer=models.TextField(_("answer"), help_text=_("Markdown.")),
    )

    class Meta:
        verbose_name = _("claim")
        verbose_name_plural = _("claims and answers")
        ordering = ["strike", "position"]
        constraints = [models.UniqueConstraint(fields=["strike", "position"], name="campaign_claim_position")]

    def __str__(self) -> str:
        return self.safe_translation_getter("claim", any_language=True) or str(self.position)
