"""The story: a strike, its demands and days, the people charged, what is news, and what supporters say."""

from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Count, Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from parler.managers import TranslatableQuerySet
from parler.models import TranslatableModel, TranslatedFields

from outbox.models import LinkMailQuerySet, OutgoingMail, OutgoingMailQuerySet, State
from privacy.fields import EncryptedTextField, TagField
from privacy.registry import ALL, Rule

# A subscription that nobody confirms is forgotten after this.
CONFIRM_WITHIN = timedelta(days=7)
# How long the mailed link opens the page on which a subscription is confirmed and changed.
LINK_FOR = timedelta(days=30)
# After so many copies that were refused one after the other, a subscriber gets none: senders who go on are blocked.
REFUSALS = 3


class PublishedQuerySet(TranslatableQuerySet):
    def released(self) -> Self:
        """Rows whose own date has come."""
        return self.filter(published_at__lte=timezone.now())

    def published(self) -> Self:
        """What readers may see now."""
        return self.released()


class OfStrikeQuerySet(PublishedQuerySet):
    def published(self) -> Self:
        """What readers may see now: what belongs to a strike that is not published waits for it."""
        return self.released().filter(Q(strike=None) | Q(strike__published_at__lte=timezone.now()))


def published_at() -> models.DateTimeField:
    """A date from which readers see the row: empty for a draft, ahead for a planned one."""
    return models.DateTimeField(
        _("published"),
        null=True,
        blank=True,
        db_index=True,
        help_text=_("Empty: a draft that only organisers see. A time to come: it appears by itself then."),
    )


def slug_is_free(slug: str) -> None:
    """Refuse the one address below /updates/ that the feed has."""
    if slug == "feed":
        raise ValidationError(_("This is the address of the feed. Choose another one."))


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


class Dated(TranslatableModel):
    """Something that happened on a day, perhaps known only roughly."""

    happened_on = models.DateField(_("date"), help_text=_("For the order; the first day possible."))
    source = models.CharField(_("source"), max_length=200, blank=True)

    class Meta:
        abstract = True

    @property
    def in_words(self) -> str:
        """The date as a person gave it, for a day that is only roughly known; else empty."""
        return self.safe_translation_getter("date_text", "")


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


class SubscriberQuerySet(models.QuerySet["Subscriber"]):
    def subscribed(self) -> Self:
        """Those who get updates: confirmed by the owner of the address, and not unsubscribed."""
        return self.filter(confirmed_at__isnull=False, unsubscribed_at=None)

    def to_get(self, update: Update) -> Self:
        """Those of them who want this update: all of its strike's, and those who want everything."""
        if update.strike_id is None:
            return self.subscribed()
        return self.subscribed().filter(Q(strikes=None) | Q(strikes=update.strike_id))

    def reachable(self) -> Self:
        """Leave out those whose server has refused the last copies, as many as REFUSALS."""
        taken_since = MailingCopy.objects.filter(
            subscriber=OuterRef("subscriber"), state=State.ACCEPTED, pk__gt=OuterRef("pk")
        )
        refused = MailingCopy.objects.filter(state__among=[State.BOUNCED]).exclude(Exists(taken_since))
        often = refused.values("subscriber").annotate(times=Count("pk")).filter(times__gte=REFUSALS)
        return self.exclude(pk__in=often.values("subscriber"))


class Subscriber(models.Model):
    """
    Somebody who gets the updates by e-mail.

    Once unsubscribed, the row holds nothing of the person: it stays so that the link in old mails goes on to work.
    """

    # NULL once unsubscribed; until then one mailbox subscribes once.
    email_tag = TagField(null=True, unique=True)
    email = EncryptedTextField(_("e-mail address"), blank=True)
    language = models.CharField(_("language"), max_length=10)
    # None chosen: news of all of them.
    strikes = models.ManyToManyField(Strike, blank=True, related_name="+", verbose_name=_("strikes"))
    consent_version = models.CharField(_("version of the consent"), max_length=20)
    consented_at = models.DateTimeField(_("consent given"))
    created_at = models.DateTimeField(_("asked for"), default=timezone.now)
    confirmed_at = models.DateTimeField(_("confirmed"), null=True)
    unsubscribed_at = models.DateTimeField(_("unsubscribed"), null=True)

    objects = SubscriberQuerySet.as_manager()

    personal: ClassVar = {
        "email_tag": Rule(_("So that one mailbox gets each update once."), 2, "unsubscribed_at"),
        "email": Rule(_("To mail the updates there."), 2, "unsubscribed_at"),
    }
    not_personal: ClassVar = frozenset(
        {
            "id",
            "language",
            "consent_version",
            "consented_at",
            "created_at",
            "confirmed_at",
            "unsubscribed_at",
        }
    )

    class Meta:
        verbose_name = _("subscriber")
        verbose_name_plural = _("subscribers")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=(Q(unsubscribed_at=None, email_tag__isnull=False) & ~Q(email=""))
                | Q(unsubscribed_at__isnull=False, confirmed_at__isnull=False, email_tag=None, email=""),
                name="campaign_unsubscribed_is_forgotten",
            ),
            models.CheckConstraint(condition=~Q(language=""), name="campaign_subscriber_has_a_language"),
        ]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(confirmed_at=None), name="campaign_unconfirmed"),
            models.Index(
                fields=["id"], condition=Q(confirmed_at__isnull=False, unsubscribed_at=None), name="campaign_subscribed"
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def is_subscribed(self) -> bool:
        """The same rule as SubscriberQuerySet.subscribed()."""
        return self.confirmed_at is not None and self.unsubscribed_at is None

    @classmethod
    def expired(cls) -> models.QuerySet[Any]:
        """Those that nobody confirmed in time."""
        return cls.objects.filter(confirmed_at=None, created_at__lt=timezone.now() - CONFIRM_WITHIN)


class SubscriptionMail(OutgoingMail):
    """The mail that asks to confirm a subscription, or shows one who has confirmed where to change it."""

    subscriber = models.ForeignKey(Subscriber, models.CASCADE, related_name="mails", verbose_name=_("subscriber"))
    # The mailed secret stands here only until its mail was accepted.
    token = EncryptedTextField(blank=True)
    token_hash = TagField(unique=True)
    expires_at = models.DateTimeField()
    recipient_tag = TagField(null=True)

    objects: ClassVar[Any] = LinkMailQuerySet.as_manager()

    personal: ClassVar = {
        "token": Rule(_("To stand in the mailed link until the mail has left."), 7, "created_at"),
        "recipient_tag": Rule(_("So that nobody is sent more than a few mails a day."), 2, "created_at"),
    }
    not_personal: ClassVar = OutgoingMail.not_personal_mail | {"subscriber", "token_hash", "expires_at"}

    class Meta(OutgoingMail.Meta):
        verbose_name = _("mail about a subscription")
        verbose_name_plural = _("mails about subscriptions")
        indexes = [
            *OutgoingMail.Meta.indexes,
            models.Index(fields=["recipient_tag", "created_at"], name="campaign_mails_to_a_mailbox"),
        ]

    @classmethod
    def for_composing(cls) -> models.QuerySet[Any]:
        return cls.objects.select_related("subscriber")

    def forget(self) -> dict[str, Any]:
        return {"token": ""}


class MailingQuerySet(models.QuerySet["Mailing"]):
    def stopped(self) -> Self:
        return self.filter(stopped_at__isnull=False)

    def to_enqueue(self) -> Self:
        """Approved ones of which some subscribers may have no copy yet."""
        return self.filter(approved_at__isnull=False, stopped_at=None, enqueued_at=None)


class Mailing(models.Model):
    """An update, mailed to its subscribers: made by one organiser, and sent on the word of another."""

    not_personal = ALL

    update = models.OneToOneField(
        Update,
        models.PROTECT,
        related_name="mailing",
        verbose_name=_("update"),
        help_text=_("Each update is mailed once. It has to be published before it is sent."),
    )
    created_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("made by"),
    )
    approved_at = models.DateTimeField(_("approved"), null=True, editable=False)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("approved by"),
    )
    # From when on every subscriber who is to get it has a copy.
    enqueued_at = models.DateTimeField(null=True, editable=False)
    stopped_at = models.DateTimeField(_("stopped"), null=True, editable=False)

    objects = MailingQuerySet.as_manager()

    class Meta:
        verbose_name = _("mailing")
        verbose_name_plural = _("mailings")
        ordering = ["-pk"]
        permissions = [("approve_mailing", _("Can approve a mailing that another organiser made, and send it"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(approved_by=None) | ~Q(approved_by=models.F("created_by")),
                name="campaign_mailing_is_approved_by_another",
            ),
            models.CheckConstraint(
                condition=Q(approved_at__isnull=False) | Q(approved_by=None, enqueued_at=None, stopped_at=None),
                name="campaign_mailing_is_approved_first",
            ),
        ]

    def __str__(self) -> str:
        return str(self.update)


class MailingText(models.Model):
    """What a mailing says in one language, as it was approved: later changes of the update are not mailed."""

    not_personal = ALL

    mailing = models.ForeignKey(Mailing, models.CASCADE, related_name="texts")
    language = models.CharField(max_length=10)
    sender = models.CharField(max_length=100)
    subject = models.CharField(max_length=200)
    body = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["mailing", "language"], name="campaign_mailing_text_once")]

    def __str__(self) -> str:
        return self.subject


class MailingCopyQuerySet(OutgoingMailQuerySet):
    def sendable(self) -> Self:
        """Leave out those of a mailing that was stopped: they wait until it goes on."""
        return self.exclude(mailing__in=Mailing.objects.stopped().values("pk"))


class MailingCopy(OutgoingMail):
    """One subscriber's copy of a mailing."""

    # No index of its own: the constraint's serves.
    mailing = models.ForeignKey(
        Mailing, models.PROTECT, related_name="copies", verbose_name=_("mailing"), db_index=False
    )
    subscriber = models.ForeignKey(Subscriber, models.CASCADE, related_name="copies", verbose_name=_("subscriber"))

    objects: ClassVar[Any] = MailingCopyQuerySet.as_manager()

    not_personal: ClassVar = OutgoingMail.not_personal_mail | {"mailing", "subscriber"}

    class Meta(OutgoingMail.Meta):
        verbose_name = _("copy of a mailing")
        verbose_name_plural = _("copies of mailings")
        constraints = [
            *OutgoingMail.Meta.constraints,
            models.UniqueConstraint(fields=["mailing", "subscriber"], name="campaign_one_copy_each"),
        ]
        indexes = [
            *OutgoingMail.Meta.indexes,
            models.Index(fields=["subscriber"], condition=Q(state=State.BOUNCED), name="campaign_copy_refused"),
        ]

    @classmethod
    def for_composing(cls) -> models.QuerySet[Any]:
        # What all copies share is read once for all of them.
        return cls.objects.select_related("subscriber").prefetch_related("mailing__texts")


class MailingTrial(OutgoingMail):
    """A copy of a mailing for an organiser to look at before it is approved."""

    mailing = models.ForeignKey(Mailing, models.CASCADE, related_name="trials", verbose_name=_("mailing"))
    organiser = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("organiser")
    )
    language = models.CharField(_("language"), max_length=10)

    not_personal: ClassVar = OutgoingMail.not_personal_mail | {"mailing", "organiser", "language"}

    class Meta(OutgoingMail.Meta):
        verbose_name = _("trial of a mailing")
        verbose_name_plural = _("trials of mailings")

    @classmethod
    def for_composing(cls) -> models.QuerySet[Any]:
        found = cls.objects.select_related("organiser", "mailing__update")
        return found.prefetch_related("mailing__update__translations")
