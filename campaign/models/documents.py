"""Texts to hand on."""

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from parler.models import TranslatableModel, TranslatedFields

from campaign.models.published import OfStrikeQuerySet, published_at
from campaign.models.strikes import Strike
from privacy.registry import ALL


class Document(TranslatableModel):
    """A text to hand on: an appeal, a model motion, an analysis, a leaflet."""

    not_personal = ALL

    class Kind(models.TextChoices):
        APPEAL = "appeal", _("appeal letter")
        MOTION = "motion", _("model motion")
        ANALYSIS = "analysis", _("analysis")
        LEAFLET = "leaflet", _("leaflet")

    slug = models.SlugField(_("address of the page"), unique=True)
    strike = models.ForeignKey(
        Strike, models.SET_NULL, null=True, blank=True, related_name="documents", verbose_name=_("strike")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    shows_account = models.BooleanField(
        _("with the fund's account"),
        default=False,
        help_text=_(
            "Below the text stands how to give to the strike's fund: the account that is in force when somebody opens, "
            "prints or downloads it. Do not type an account into the text."
        ),
    )
    translations = TranslatedFields(
        title=models.CharField(_("title"), max_length=200),
        body=models.TextField(_("text"), help_text=_("Markdown.")),
    )
    published_at = published_at()

    objects = OfStrikeQuerySet.as_manager()

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        ordering = ["kind", "pk"]

    def __str__(self) -> str:
        return self.safe_translation_getter("title", any_language=True) or self.slug

    def get_absolute_url(self) -> str:
        return reverse("campaign:document", args=[self.slug])
