"""Those who get the updates by e-mail, and the mailings that bring them."""

from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from campaign.models.news import Update
from campaign.models.strikes import Strike
from outbox.models import LinkMailQuerySet, OutgoingMail, OutgoingMailQuerySet, State
from privacy.fields import EncryptedTextField, TagField
from privacy.registry import ALL, Rule

# A subscription that nobody confirms is forgotten after this.
CONFIRM_WITHIN = timedelta(days=7)
# How long the mailed link opens the page on which a subscription is confirmed and changed.
LINK_FOR = timedelta(days=30)
# After so many copies that were refused one after the other, a subscriber gets none: senders who go on are blocked.
REFUSALS = 3


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
        refused = MailingCopy.objects.filter(state__among=[State.BOUNCED]).order_by()
        # First who was ever refused so often, which an index tells: few of those who were once.
        ever = refused.values("subscriber").annotate(times=Count("*")).filter(times__gte=REFUSALS)
        since = refused.filter(subscriber__in=ever.values("subscriber")).exclude(Exists(taken_since))
        often = since.values("subscriber").annotate(times=Count("*")).filter(times__gte=REFUSALS)
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
        permissions = [("export_subscriber", _("Can export the subscribers, with their addresses"))]
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
            # With all that a mailing asks of them, so that their languages are counted in the index alone.
            models.Index(
                fields=["language", "id", "confirmed_at", "unsubscribed_at"], name="campaign_subscribers_language"
            ),
            models.Index(fields=["id"], condition=Q(unsubscribed_at__isnull=False), name="campaign_unsubscribed"),
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

    personal: ClassVar = OutgoingMail.personal_mail | {
        "token": Rule(_("To stand in the mailed link until the mail has left."), 7, "queued_at"),
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

    personal = OutgoingMail.personal_mail
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
            models.Index(fields=["mailing", "id"], name="campaign_copies_of_a_mailing"),
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

    not_personal: ClassVar = OutgoingMail.not_personal_mail | {"reply", "mailing", "organiser", "language"}

    class Meta(OutgoingMail.Meta):
        verbose_name = _("trial of a mailing")
        verbose_name_plural = _("trials of mailings")

    @classmethod
    def for_composing(cls) -> models.QuerySet[Any]:
        found = cls.objects.select_related("organiser", "mailing__update")
        return found.prefetch_related("mailing__update__translations")
