"""The campaign that this site carries."""

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from parler.models import TranslatableModel, TranslatedFields

from privacy.registry import ALL


class Campaign(TranslatableModel):
    """The campaign that this site carries: one row."""

    not_personal = ALL

    translations = TranslatedFields(
        name=models.CharField(_("name"), max_length=100),
        tagline=models.CharField(_("tagline"), max_length=200, blank=True),
        notice=models.TextField(
            _("notice"), blank=True, help_text=_("Shown at the top of every page; Markdown, one paragraph.")
        ),
    )
    contact_email = models.EmailField(_("contact address"), blank=True, help_text=_("Shown on every page."))

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaign")
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="campaign_is_one_row")]

    def __str__(self) -> str:
        return self.safe_translation_getter("name", any_language=True) or str(_("campaign"))

    def save(self, *args: object, **kwargs: object) -> None:
        self.pk = 1
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return reverse("campaign:home")


class Edition(models.Model):
    """A number that is another one after each change by an organiser: one row, for campaign.editions."""

    not_personal = ALL

    number = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="campaign_edition_is_one_row")]

    def __str__(self) -> str:
        return str(self.number)
