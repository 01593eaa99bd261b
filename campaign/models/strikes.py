"""A strike, its demands and days, who profits from it, and what is claimed of it."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from parler.models import TranslatableModel, TranslatedFields

from campaign.models.published import Dated, PublishedQuerySet, published_at
from privacy.registry import ALL

# So many of each stand on the strike's page, so that it stays small; all of them on the page of its story.
EVENTS_SHOWN, CLAIMS_SHOWN = 5, 3


class Strike(TranslatableModel):
    """A strike, and the page that tells of it."""

    not_personal = ALL

    class Status(models.TextChoices):
        RUNNING = "running", _("running")
        PAUSED = "paused", _("paused")
        WON = "won", _("won")
        LOST = "lost", _("lost")
        CLOSED = "closed", _("closed")

    slug = models.SlugField(_("address of the page"), unique=True)
    translations = TranslatedFields(
        title=models.CharField(_("title"), max_length=200),
        place=models.CharField(_("place"), max_length=200, blank=True),
        summary=models.TextField(_("summary"), help_text=_("Two or three sentences for the home page.")),
        story=models.TextField(_("story"), blank=True, help_text=_("Markdown.")),
        outcome=models.TextField(
            _("what came of it"),
            blank=True,
            help_text=_("Markdown. Stands at the top of the page once the strike no longer runs."),
        ),
    )
    began_on = models.DateField(_("began on"), null=True, blank=True)
    # Not "state": in the admin that is whether readers see the row.
    status = models.CharField(_("how it stands"), max_length=8, choices=Status, default=Status.RUNNING)
    published_at = published_at()

    objects = PublishedQuerySet.as_manager()

    class Meta:
        verbose_name = _("strike")
        verbose_name_plural = _("strikes")
        ordering = ["-published_at", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["running", "paused", "won", "lost", "closed"]),
                name="campaign_strike_has_a_known_status",
            )
        ]

    def __str__(self) -> str:
        return self.safe_translation_getter("title", any_language=True) or self.slug

    def get_absolute_url(self) -> str:
        return reverse("campaign:strike", args=[self.slug])

    @property
    def is_running(self) -> bool:
        return self.status == self.Status.RUNNING

    @property
    def is_over(self) -> bool:
        return self.status in {self.Status.WON, self.Status.LOST, self.Status.CLOSED}

    @property
    def newest_events(self) -> list["TimelineEvent"]:
        return list(self.events.all())[-EVENTS_SHOWN:]

    @property
    def first_claims(self) -> list["Claim"]:
        return list(self.claims.all())[:CLAIMS_SHOWN]


class Demand(TranslatableModel):
    """One demand of a strike."""

    not_personal = ALL

    strike = models.ForeignKey(Strike, models.CASCADE, related_name="demands", verbose_name=_("strike"))
    position = models.PositiveSmallIntegerField(_("position"))
    translations = TranslatedFields(
        text=models.CharField(_("text"), max_length=300),
        won_text=models.CharField(
            _("what has been won"),
            max_length=300,
            blank=True,
            help_text=_("Without a day below: shown as won in part."),
        ),
    )
    won_on = models.DateField(_("won on"), null=True, blank=True, help_text=_("Empty: not won, or not in full."))

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

    class Kind(models.TextChoices):
        EVENT = "event", _("event")
        REPRESSION = "repression", _("repression")
        VICTORY = "victory", _("victory")
        SOLIDARITY = "solidarity", _("solidarity")
        NEGOTIATION = "negotiation", _("negotiation")
        DEATH = "death", _("death")

    strike = models.ForeignKey(Strike, models.CASCADE, related_name="events", verbose_name=_("strike"))
    kind = models.CharField(_("kind"), max_length=11, choices=Kind, default=Kind.EVENT)
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
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["event", "repression", "victory", "solidarity", "negotiation", "death"]),
                name="campaign_event_has_a_known_kind",
            )
        ]

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


class Company(TranslatableModel):
    """A company that the strike is about, or that profits."""

    not_personal = ALL

    strike = models.ForeignKey(Strike, models.CASCADE, related_name="companies", verbose_name=_("strike"))
    position = models.PositiveSmallIntegerField(_("position"))
    name = models.CharField(_("name"), max_length=200)
    translations = TranslatedFields(
        role=models.CharField(
            _("its part in this"), max_length=300, blank=True, help_text=_('"Employs most of the strikers."')
        )
    )
    url = models.URLField(_("web address"), blank=True)

    class Meta:
        verbose_name = _("company")
        verbose_name_plural = _("companies")
        ordering = ["strike", "position"]
        constraints = [
            models.UniqueConstraint(fields=["strike", "position"], name="campaign_company_position"),
            models.UniqueConstraint(fields=["strike", "name"], name="campaign_company_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Source(models.Model):
    """Where what the page tells can be read."""

    not_personal = ALL

    strike = models.ForeignKey(Strike, models.CASCADE, related_name="sources", verbose_name=_("strike"))
    position = models.PositiveSmallIntegerField(_("position"))
    title = models.CharField(_("title"), max_length=300, help_text=_("As it was published, in its own language."))
    author = models.CharField(_("author"), max_length=200, blank=True)
    publisher = models.CharField(_("published by"), max_length=200, blank=True)
    published_on = models.DateField(_("published on"), null=True, blank=True)
    url = models.URLField(_("web address"), blank=True, max_length=500)

    class Meta:
        verbose_name = _("source")
        verbose_name_plural = _("sources")
        ordering = ["strike", "position"]
        constraints = [
            models.UniqueConstraint(fields=["strike", "position"], name="campaign_source_position"),
            models.UniqueConstraint(fields=["strike", "title"], name="campaign_source_once"),
        ]

    def __str__(self) -> str:
        return self.title


# In whole units of the currency; what one worker brings in is no larger sum.
LARGEST_WORTH = 1_000_000_000


def worth(**kwargs: Any) -> models.PositiveIntegerField:
    """A sum in whole units of a currency."""
    validators = [MinValueValidator(1), MaxValueValidator(LARGEST_WORTH)]
    return models.PositiveIntegerField(validators=validators, **kwargs)


class Labour(TranslatableModel):
    """What one worker's labour brings in during a month, and who gets how much of it."""

    not_personal = ALL

    strike = models.OneToOneField(Strike, models.CASCADE, related_name="labour", verbose_name=_("strike"))
    currency = models.CharField(
        _("currency"),
        max_length=3,
        validators=[RegexValidator(r"^[A-Z]{3}\Z", _("Three capital letters, such as EUR."))],
        help_text=_("Three capital letters, such as EUR."),
    )
    amount = worth(verbose_name=_("worth in all"), help_text=_("In whole units of the currency, without cents."))
    translations = TranslatedFields(
        title=models.CharField(_("title"), max_length=200, help_text=_('"A month of one worker\'s labour"')),
        rest=models.CharField(
            _("what the remainder goes to"),
            max_length=200,
            blank=True,
            help_text=_("What the shares below leave over is worked out and shown under these words."),
        ),
        note=models.TextField(_("note"), blank=True, help_text=_("Markdown: where the figures come from.")),
    )
    source = models.CharField(_("source"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("month of labour")
        verbose_name_plural = _("months of labour")
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gte=1, amount__lte=LARGEST_WORTH), name="campaign_labour_is_worth_something"
            ),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="campaign_labour_has_a_currency"),
        ]

    def __str__(self) -> str:
        return self.safe_translation_getter("title", any_language=True) or str(self.pk)


class Share(TranslatableModel):
    """Who gets how much of a month's labour."""

    not_personal = ALL

    class Kind(models.TextChoices):
        WAGES = "wages", _("the worker")
        STATE = "state", _("the state")
        PROFIT = "profit", _("the owners")
        OTHER = "other", _("others")

    labour = models.ForeignKey(Labour, models.CASCADE, related_name="shares", verbose_name=_("month of labour"))
    position = models.PositiveSmallIntegerField(_("position"))
    kind = models.CharField(_("goes to"), max_length=6, choices=Kind, default=Kind.OTHER)
    amount = worth(verbose_name=_("amount"))
    is_rounded = models.BooleanField(_("rounded"), default=False, help_text=_('Shown as "about".'))
    translations = TranslatedFields(label=models.CharField(_("label"), max_length=200))

    class Meta:
        verbose_name = _("share")
        verbose_name_plural = _("shares")
        ordering = ["labour", "position"]
        constraints = [
            models.UniqueConstraint(fields=["labour", "position"], name="campaign_share_position"),
            models.CheckConstraint(
                condition=Q(amount__gte=1, amount__lte=LARGEST_WORTH), name="campaign_share_is_of_something"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["wages", "state", "profit", "other"]), name="campaign_share_has_a_known_kind"
            ),
        ]

    def __str__(self) -> str:
        return self.safe_translation_getter("label", any_language=True) or str(self.position)
