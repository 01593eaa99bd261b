"""What supporters say."""

from typing import ClassVar

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from parler.models import TranslatableModel, TranslatedFields

from campaign.models.published import OfStrikeQuerySet
from campaign.models.strikes import Strike
from campaign.models.submitted import Submitted, SubmittedQuerySet
from privacy.fields import EncryptedTextField
from privacy.registry import Rule

# So long a person's name stands beside what they sent in.
NAMED_FOR_DAYS = 730


class VoiceQuerySet(SubmittedQuerySet, OfStrikeQuerySet):
    pass


class MessageOfSupport(Submitted, TranslatableModel):
    """What somebody wrote to the strikers, or told of the place itself."""

    class Kind(models.TextChoices):
        SUPPORT = "support", _("message of support")
        REPORT = "report", _("report from the ground")

    strike = models.ForeignKey(Strike, models.CASCADE, related_name="messages", verbose_name=_("strike"))
    slug = models.SlugField(_("short name"), unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.SUPPORT)
    country = models.CharField(_("country"), max_length=2, blank=True, help_text=_("ISO 3166, two letters."))
    person = EncryptedTextField(
        _("person"), blank=True, help_text=_("Shown with the message. Empty where only an organisation speaks.")
    )
    received_on = models.DateField(_("received on"), null=True, blank=True)
    translations = TranslatedFields(
        organisation=models.CharField(_("from"), max_length=200, blank=True, help_text=_("The organisation.")),
        text=models.TextField(_("message")),
    )

    objects = VoiceQuerySet.as_manager()

    personal: ClassVar = Submitted.personal_submitted | {
        "person": Rule(_("To show who wrote it."), NAMED_FOR_DAYS, "submitted_at")
    }
    not_personal: ClassVar = Submitted.not_personal_submitted | {"strike", "slug", "kind", "country", "received_on"}

    class Meta(Submitted.Meta):
        verbose_name = _("message of support")
        verbose_name_plural = _("messages of support")
        ordering = ["-received_on", "-pk"]

    def __str__(self) -> str:
        return self.safe_translation_getter("organisation", any_language=True) or self.person or self.slug

    def get_absolute_url(self) -> str:
        return f"{reverse('campaign:messages')}#message-{self.slug}"
