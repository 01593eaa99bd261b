"""What is news."""

from django.core.exceptions import ValidationError
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from parler.models import TranslatableModel, TranslatedFields

from campaign.models.people import Activist
from campaign.models.published import OfStrikeQuerySet, published_at
from campaign.models.strikes import Strike
from privacy.registry import ALL


def slug_is_free(slug: str) -> None:
    """Refuse the one address below /updates/ that the feed has."""
    if slug == "feed":
        raise ValidationError(_("This is the address of the feed. Choose another one."))


class Update(TranslatableModel):
    """News of the campaign."""

    not_personal = ALL

    slug = models.SlugField(_("address of the page"), unique=True, validators=[slug_is_free])
    strike = models.ForeignKey(
        Strike, models.SET_NULL, null=True, blank=True, related_name="news", verbose_name=_("strike")
    )
    activists = models.ManyToManyField(Activist, blank=True, related_name="news", verbose_name=_("activists"))
    translations = TranslatedFields(
        title=models.CharField(_("title"), max_length=200),
        summary=models.TextField(_("summary"), blank=True, help_text=_("One or two sentences for lists and the feed.")),
        body=models.TextField(_("text"), help_text=_("Markdown.")),
    )
    source = models.CharField(_("source"), max_length=200, blank=True)
    published_at = published_at()
    changed_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = OfStrikeQuerySet.as_manager()

    class Meta:
        verbose_name = _("update")
        verbose_name_plural = _("updates")
        ordering = ["-published_at", "-pk"]

    def __str__(self) -> str:
        return self.safe_translation_getter("title", any_language=True) or self.slug

    def get_absolute_url(self) -> str:
        return reverse("campaign:update", args=[self.slug])
