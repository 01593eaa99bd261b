"""What supporters say, and which organisations stand behind a strike."""

from typing import ClassVar

from django.core.validators import URLValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from parler.models import TranslatableModel, TranslatedFields

from campaign.models.pictures import Picture
from campaign.models.published import OfStrikeQuerySet
from campaign.models.strikes import Strike
from campaign.models.submitted import Submitted, SubmittedQuerySet
from privacy.fields import EncryptedTextField
from privacy.registry import Rule

# So long a person's name stands beside what they sent in.
NAMED_FOR_DAYS = 730


class VoiceQuerySet(OfStrikeQuerySet, SubmittedQuerySet):
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
        ordering = [F("received_on").desc(nulls_last=True), "-pk"]

    def __str__(self) -> str:
        return self.sender or self.slug

    @property
    def sender(self) -> str:
        """Who wrote it, in the words of a signature; empty where nobody is named."""
        organisation = self.safe_translation_getter("organisation", any_language=True)
        return ", ".join(filter(None, [self.person, organisation]))

    def get_absolute_url(self) -> str:
        return reverse("campaign:message", args=[self.slug])


class Endorsement(Submitted, TranslatableModel):
    """That a union, a branch or another organisation stands behind a strike, by its own resolution."""

    strike = models.ForeignKey(Strike, models.CASCADE, related_name="endorsements", verbose_name=_("strike"))
    slug = models.SlugField(_("short name"), unique=True)
    organisation = models.CharField(_("organisation"), max_length=200)
    branch = models.CharField(_("branch"), max_length=200, blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True, help_text=_("ISO 3166, two letters."))
    members = models.PositiveIntegerField(
        _("members"), null=True, blank=True, help_text=_("As they say themselves: of the branch, if one endorses.")
    )
    url = models.CharField(
        _("website"), max_length=500, blank=True, validators=[URLValidator(schemes=["https", "http"])]
    )
    endorsed_on = models.DateField(_("endorsed on"), null=True, blank=True)
    logo = models.ForeignKey(
        Picture,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("logo"),
        help_text=_("From “Pictures”, with words for those who cannot see it; shown once it is published there."),
    )
    translations = TranslatedFields(
        statement=models.TextField(_("statement"), blank=True, help_text=_("In their own words. Plain text."))
    )

    objects = VoiceQuerySet.as_manager()

    personal: ClassVar = Submitted.personal_submitted
    not_personal: ClassVar = Submitted.not_personal_submitted | {
        "strike",
        "slug",
        "organisation",
        "branch",
        "country",
        "members",
        "url",
        "endorsed_on",
        "logo",
    }

    class Meta(Submitted.Meta):
        verbose_name = _("endorsement")
        verbose_name_plural = _("endorsements")
        ordering = [F("endorsed_on").desc(nulls_last=True), "-pk"]
        constraints = [
            *Submitted.Meta.constraints,
            models.CheckConstraint(condition=Q(members=None) | Q(members__gt=0), name="campaign_endorsement_members"),
            models.CheckConstraint(condition=~Q(organisation=""), name="campaign_endorsement_organisation"),
        ]

    def __str__(self) -> str:
        return f"{self.organisation}, {self.branch}" if self.branch else self.organisation

    def get_absolute_url(self) -> str:
        return f"{reverse('campaign:endorsements')}#{self.slug}"
