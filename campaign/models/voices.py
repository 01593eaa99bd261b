"""What supporters say."""

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from parler.models import TranslatableModel, TranslatedFields

from campaign.models.published import OfStrikeQuerySet, published_at
from campaign.models.strikes import Strike
from privacy.registry import ALL


class MessageOfSupport(TranslatableModel):
    """What an organisation sent to the strikers."""

    not_personal = ALL

    strike = models.ForeignKey(Strike, models.CASCADE, related_name="messages", verbose_name=_("strike"))
    slug = models.SlugField(_("short name"), unique=True)
    country = models.CharField(_("country"), max_length=2, blank=True, help_text=_("ISO 3166, two letters."))
    received_on = models.DateField(_("received on"), null=True, blank=True)
    translations = TranslatedFields(
        organisation=models.CharField(_("from"), max_length=200),
        text=models.TextField(_("message")),
    )
    published_at = published_at()

    objects = OfStrikeQuerySet.as_manager()

    class Meta:
        verbose_name = _("message of support")
        verbose_name_plural = _("messages of support")
        ordering = ["-received_on", "-pk"]

    def __str__(self) -> str:
        return self.safe_translation_getter("organisation", any_language=True) or self.slug

    def get_absolute_url(self) -> str:
        return f"{reverse('campaign:messages')}#message-{self.slug}"
