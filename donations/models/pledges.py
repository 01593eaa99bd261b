"""What people pledge, the mails to them, and pledges that wait for an organiser's look."""

from datetime import date, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from donations.models.fields import currency_code
from donations.models.funds import Fund
from limits.models import Why
from outbox.models import LinkMailQuerySet, OutgoingMail
from privacy.fields import EncryptedTextField, TagField
from privacy.registry import Rule

# A pledge that nobody confirmed is forgotten after this, unless money came in on it.
CONFIRM_WITHIN = timedelta(days=30)
# The donor's name and address go then, and a monthly pledge ends at the latest.
KEPT_FOR = timedelta(days=730)
# How long the mailed link shows the instructions, and lets one change and withdraw: as long as there is whom to let.
LINK_FOR = KEPT_FOR
# A held pledge waits so long for an organiser; a refused one can be released for so long.
HELD_FOR = timedelta(days=30)
UNDO_WITHIN = timedelta(days=7)


class PledgeQuerySet(models.QuerySet["Pledge"]):
    def counted(self) -> Self:
        """Pledges that stand: confirmed by the owner of the address, and not withdrawn."""
        return self.filter(confirmed_at__isnull=False, withdrawn_at=None)

    def running(self) -> Self:
        """Monthly pledges that stand and have not ended."""
        today = timezone.localdate()
        going_on = Q(until=None) | Q(until__gte=today)
        return self.counted().filter(going_on, frequency=Pledge.Frequency.MONTHLY, made_on__gt=today - KEPT_FOR)


class Pledge(models.Model):
    """A promise to give. What has arrived on it is the sum of its allocations."""

    class Kind(models.TextChoices):
        PERSON = "person", _("a person")
        ORGANISATION = "organisation", _("an organisation")
        BRANCH = "branch", _("a union branch")

    class Frequency(models.TextChoices):
        ONCE = "once", _("once")
        MONTHLY = "monthly", _("every month")

    class Display(models.TextChoices):
        PUBLIC = "public", _("with the name")
        INITIALS = "initials", _("with initials")
        ANONYMOUS = "anonymous", _("not at all")

    class AmountShown(models.TextChoices):
        NO = "no", _("without the amount")
        ROUNDED = "rounded", _("with the amount rounded down, and a week later")
        EXACT = "exact", _("with the amount")

    fund = models.ForeignKey(Fund, models.PROTECT, related_name="pledges", verbose_name=_("fund"))
    # Ten digits: with check digits it is both a Belgian OGM and an ISO 11649 RF reference (donations.references).
    number = models.CharField(_("number"), max_length=10, unique=True, editable=False)
    kind = models.CharField(_("who pledges"), max_length=12, choices=Kind, default=Kind.PERSON)
    name = EncryptedTextField(_("name"))
    organisation = EncryptedTextField(_("organisation or branch"), blank=True)
    email = EncryptedTextField(_("e-mail address"))
    email_tag = TagField(null=True)
    amount_minor = models.PositiveBigIntegerField(_("amount in the smallest unit"))
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    frequency = models.CharField(_("how often"), max_length=10, choices=Frequency, default=Frequency.ONCE)
    until = models.DateField(_("until"), null=True, blank=True)
    display = models.CharField(_("shown on the site"), max_length=10, choices=Display, default=Display.ANONYMOUS)
    amount_shown = models.CharField(
        _("amount shown on the site"), max_length=10, choices=AmountShown, default=AmountShown.NO
    )
    locale = models.CharField(_("language"), max_length=10)
    consent_version = models.CharField(_("version of the consent"), max_length=20)
    consented_at = models.DateTimeField(_("consent given"))
    created_at = models.DateTimeField(_("pledged"), default=timezone.now)
    # The day on which the same pledge of the same person counts as the same one, sent twice.
    made_on = models.DateField(editable=False)
    # Since when the amount, the frequency and the end are what they are; None: from the beginning.
    changed_on = models.DateField(_("changed"), null=True, editable=False)
    reminders_stopped_at = models.DateTimeField(_("wants no reminders"), null=True, editable=False)
    confirmed_at = models.DateTimeField(_("confirmed"), null=True)
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True)

    objects = PledgeQuerySet.as_manager()

    personal: ClassVar = {
        "name": Rule(_("To show the pledge as its giver chose, and to thank."), KEPT_FOR.days, "created_at"),
        "organisation": Rule(_("To show the pledge as its giver chose, and to thank."), KEPT_FOR.days, "created_at"),
        "email": Rule(_("To send the payment instructions."), KEPT_FOR.days, "created_at"),
        "email_tag": Rule(_("So that a pledge sent twice counts once."), KEPT_FOR.days, "created_at"),
    }
    not_personal: ClassVar = frozenset(
        {
            "id",
            "fund",
            "number",
            "kind",
            "amount_minor",
            "currency",
            "frequency",
            "until",
            "display",
            "amount_shown",
            "locale",
            "consent_version",
            "consented_at",
            "created_at",
            "made_on",
            "changed_on",
            "reminders_stopped_at",
            "confirmed_at",
            "withdrawn_at",
        }
    )

    class Meta:
        verbose_name = _("pledge")
        verbose_name_plural = _("pledges")
        ordering = ["-pk"]
        indexes = [
            models.Index(
                fields=["confirmed_at"],
                condition=Q(confirmed_at__isnull=False, withdrawn_at=None),
                name="donations_pledge_counted",
            ),
            # For what the desk suggests: the newest of an amount.
            models.Index(
                fields=["fund", "amount_minor", "id"],
                condition=Q(confirmed_at__isnull=False, withdrawn_at=None),
                name="donations_pledge_by_amount",
            ),
        ]
        permissions = [("export_pledge", _("Can export the pledges, with names and addresses"))]
        constraints = [
            models.CheckConstraint(condition=Q(number__regex=r"^[0-9]{10}$"), name="donations_pledge_number_is_digits"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="donations_pledge_is_positive"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="donations_pledge_currency_is_iso"),
            models.CheckConstraint(
                condition=Q(display__in=["public", "initials", "anonymous"]), name="donations_pledge_display_is_known"
            ),
            models.CheckConstraint(
                condition=Q(amount_shown__in=["no", "rounded", "exact"]), name="donations_pledge_amount_shown_is_known"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["person", "organisation", "branch"]), name="donations_pledge_kind_is_known"
            ),
            models.CheckConstraint(
                condition=Q(frequency__in=["once", "monthly"]), name="donations_pledge_frequency_is_known"
            ),
            models.CheckConstraint(
                condition=Q(until=None) | Q(frequency="monthly", until__gte=F("made_on")),
                name="donations_pledge_ends_after_it_began",
            ),
            models.UniqueConstraint(
                fields=["fund", "email_tag", "amount_minor", "currency", "frequency", "made_on"],
                name="donations_same_pledge_once_a_day",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def ends_on(self) -> date | None:
        """The last day of a monthly pledge; None for one that is given once."""
        if self.frequency == self.Frequency.ONCE:
            return None
        last = self.made_on + KEPT_FOR
        return min(self.until, last) if self.until else last

    @property
    def has_ended(self) -> bool:
        return self.ends_on is not None and self.ends_on < timezone.localdate()

    @classmethod
    def expired(cls) -> models.QuerySet[Any]:
        """Pledges that nobody confirmed in time."""
        return cls.objects.filter(confirmed_at=None, allocations=None, created_at__lt=timezone.now() - CONFIRM_WITHIN)


class PledgeMail(OutgoingMail):
    """A mail with the payment instructions, and the link that opens the pledge."""

    class Kind(models.TextChoices):
        INSTRUCTIONS = "instructions", _("instructions")
        CHANGED = "changed", _("instructions after a change")
        REMINDER = "reminder", _("reminder")
        THANKS = "thanks", _("thanks")

    pledge = models.ForeignKey(Pledge, models.CASCADE, related_name="mails")
    kind = models.CharField(_("kind"), max_length=12, choices=Kind, default=Kind.INSTRUCTIONS, editable=False)
    # The day of the instalment that a reminder is of.
    due_on = models.DateField(_("of the instalment of"), null=True, editable=False)
    # What arrived, of a mail that thanks for it.
    transaction = models.ForeignKey(
        "donations.Transaction", models.PROTECT, null=True, editable=False, related_name="+", verbose_name=_("gift")
    )
    token = EncryptedTextField(blank=True)
    token_hash = TagField(unique=True)
    expires_at = models.DateTimeField()
    recipient_tag = TagField(null=True)

    personal: ClassVar = OutgoingMail.personal_mail | {
        "token": Rule(_("To stand in the mailed link until the mail has left."), 7, "queued_at"),
        "recipient_tag": Rule(_("So that nobody is sent more than a few mails a day."), 2, "created_at"),
    }
    not_personal: ClassVar = OutgoingMail.not_personal_mail | {
        "pledge",
        "kind",
        "due_on",
        "transaction",
        "token_hash",
        "expires_at",
    }

    objects: ClassVar[Any] = LinkMailQuerySet.as_manager()

    class Meta(OutgoingMail.Meta):
        verbose_name = _("mail to a donor")
        verbose_name_plural = _("mails to donors")
        constraints = [
            *OutgoingMail.Meta.constraints,
            models.CheckConstraint(
                condition=Q(kind__in=["instructions", "changed"], due_on=None, transaction=None)
                | Q(kind="reminder", due_on__isnull=False, transaction=None)
                | Q(kind="thanks", due_on=None, transaction__isnull=False),
                name="donations_pledgemail_is_about_its_kind",
            ),
            models.UniqueConstraint(fields=["pledge", "due_on"], name="donations_reminded_once_of_a_day"),
            models.UniqueConstraint(fields=["pledge", "transaction"], name="donations_thanked_once_for_a_gift"),
        ]
        indexes = [
            *OutgoingMail.Meta.indexes,
            models.Index(fields=["recipient_tag", "created_at"], name="donations_mails_to_a_mailbox"),
        ]

    @classmethod
    def for_composing(cls) -> models.QuerySet[Any]:
        return cls.objects.select_related("pledge__fund", "transaction")

    def forget(self) -> dict[str, Any]:
        return {"token": ""}


class PledgeHoldQuerySet(models.QuerySet["PledgeHold"]):
    def waiting(self) -> Self:
        """Held pledges on which nobody has decided."""
        return self.filter(refused_at=None)


class PledgeHold(models.Model):
    """
    A pledge that waits until an organiser has looked at it: all that was typed, and nothing of it has been sent.

    It is no Pledge yet, so that it changes nothing of one that its giver has made. Released, it becomes one.
    """

    fund = models.ForeignKey(Fund, models.CASCADE, related_name="holds", verbose_name=_("fund"))
    kind = models.CharField(_("who pledges"), max_length=12, choices=Pledge.Kind)
    name = EncryptedTextField(_("name"))
    organisation = EncryptedTextField(_("organisation or branch"), blank=True)
    email = EncryptedTextField(_("e-mail address"))
    email_tag = TagField()
    amount_minor = models.PositiveBigIntegerField(_("amount in the smallest unit"))
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    frequency = models.CharField(_("how often"), max_length=10, choices=Pledge.Frequency)
    until = models.DateField(_("until"), null=True)
    display = models.CharField(_("shown on the site"), max_length=10, choices=Pledge.Display)
    amount_shown = models.CharField(
        _("amount shown on the site"),
        max_length=10,
        choices=Pledge.AmountShown,
        default=Pledge.AmountShown.NO,
    )
    locale = models.CharField(_("language"), max_length=10)
    consent_version = models.CharField(_("version of the consent"), max_length=20)
    consented_at = models.DateTimeField(_("consent given"))
    why = models.CharField(_("held because"), max_length=20, choices=Why)
    created_at = models.DateTimeField(_("held since"), default=timezone.now)
    network_tag = TagField(null=True)
    refused_at = models.DateTimeField(_("refused"), null=True)
    refused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("refused by")
    )

    objects = PledgeHoldQuerySet.as_manager()

    personal: ClassVar = {
        "email_tag": Rule(_("So that what one person posted waits once."), HELD_FOR.days, "created_at"),
        "email": Rule(_("To ask the person to confirm, if an organiser releases it."), HELD_FOR.days, "created_at"),
        "name": Rule(_("To make the pledge, if an organiser releases it."), HELD_FOR.days, "created_at"),
        "organisation": Rule(_("To make the pledge, if an organiser releases it."), HELD_FOR.days, "created_at"),
        "network_tag": Rule(_("To see together what came from one network."), 1, "created_at"),
    }
    not_personal: ClassVar = frozenset(
        {
            "id",
            "fund",
            "kind",
            "amount_minor",
            "currency",
            "frequency",
            "until",
            "display",
            "amount_shown",
            "locale",
            "consent_version",
            "consented_at",
            "why",
            "created_at",
            "refused_at",
            "refused_by",
        }
    )

    class Meta:
        verbose_name = _("held pledge")
        verbose_name_plural = _("held pledges")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["created_at"], condition=Q(refused_at=None), name="donations_hold_waits")]
        constraints = [
            models.UniqueConstraint(
                fields=["fund", "email_tag"], condition=Q(refused_at=None), name="donations_hold_waits_once"
            ),
            models.CheckConstraint(
                condition=Q(refused_at__isnull=False) | Q(refused_by=None), name="donations_hold_is_refused_at_a_time"
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="donations_hold_is_positive"),
            models.CheckConstraint(condition=Q(why__in=[why.value for why in Why]), name="donations_hold_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} ({date_format(timezone.localtime(self.created_at), 'DATE_FORMAT')})"

    @classmethod
    def expired(cls) -> models.QuerySet[Any]:
        """Held pledges that were refused a while ago, or on which nobody has decided in time."""
        now = timezone.now()
        return cls.objects.filter(Q(refused_at__lt=now - UNDO_WITHIN) | Q(created_at__lt=now - HELD_FOR))
