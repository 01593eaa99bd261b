"""The support fund: its account, what is pledged, what arrived. Money is integer minor units and a currency."""

from datetime import date, timedelta
from typing import Any, ClassVar, NoReturn, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from parler.models import TranslatableModel, TranslatedFields
from schwifty import BIC, IBAN
from schwifty.exceptions import SchwiftyException

from campaign.models import OfStrikeQuerySet, Strike, published_at
from donations import money
from limits.models import Why
from outbox.models import LinkMailQuerySet, OutgoingMail
from privacy.fields import EncryptedTextField, TagField
from privacy.registry import ALL, Rule

# A pledge that nobody confirmed is forgotten after this, unless money came in on it.
CONFIRM_WITHIN = timedelta(days=30)
# The donor's name and address go then, and a monthly pledge ends at the latest.
KEPT_FOR = timedelta(days=730)
# How long the mailed link shows the instructions, and lets one change and withdraw: as long as there is whom to let.
LINK_FOR = KEPT_FOR
# A held pledge waits so long for an organiser; a refused one can be released for so long.
HELD_FOR = timedelta(days=30)
UNDO_WITHIN = timedelta(days=7)

currency_code = RegexValidator(r"^[A-Z]{3}\Z", _("Three capital letters, as in ISO 4217: EUR, GBP, SEK."))


def validate_iban(text: str) -> None:
    """Refuse an IBAN (ISO 13616) with wrong check digits, or of a shape that its country does not have."""
    try:
        IBAN(text)
    except SchwiftyException as error:
        raise ValidationError(_("This is no valid IBAN. Please compare it with the bank's paper.")) from error


def validate_bic(text: str) -> None:
    """Refuse what is no BIC (ISO 9362)."""
    try:
        BIC(text)
    except SchwiftyException as error:
        raise ValidationError(_("This is no valid BIC. It has 8 or 11 letters and digits.")) from error


class CompactField(models.CharField):
    """A code that people type in groups and in any case, and that is stored in capitals without blanks."""

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return "".join(value.split()).upper() if value else value

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"max_length": 2 * (self.max_length or 0), **kwargs})


class Fund(TranslatableModel):
    """A support fund."""

    not_personal = ALL

    slug = models.SlugField(_("short name"), unique=True)
    strike = models.ForeignKey(Strike, models.PROTECT, related_name="funds", verbose_name=_("strike"))
    currencies = models.CharField(
        _("currencies"),
        max_length=60,
        default="EUR",
        validators=[money.validate_currencies],
        help_text=_("In which people can pledge, separated by blanks: EUR GBP SEK. The first one is proposed."),
    )
    translations = TranslatedFields(
        title=models.CharField(_("title"), max_length=200),
        text=models.TextField(_("text"), help_text=_("Markdown: what the fund is for, and who answers for it.")),
    )
    published_at = published_at()

    objects = OfStrikeQuerySet.as_manager()

    class Meta:
        verbose_name = _("fund")
        verbose_name_plural = _("funds")
        ordering = ["-published_at", "pk"]

    def __str__(self) -> str:
        return self.safe_translation_getter("title", any_language=True) or self.slug

    def get_absolute_url(self) -> str:
        return f"{reverse('donations:fund')}?fund={self.slug}"

    @property
    def currency_list(self) -> list[str]:
        return self.currencies.split()

    @property
    def payable_account(self) -> "BankAccount | None":
        """The account, if donors may pay to it. Every page and mail that tells how to pay asks here."""
        account = getattr(self, "account", None)
        return account if account and account.payable else None


class BankAccount(TranslatableModel):
    """The account that donors pay into."""

    not_personal = ALL

    fund = models.OneToOneField(Fund, models.CASCADE, related_name="account", verbose_name=_("fund"))
    holder = models.CharField(
        _("holder"), max_length=70, help_text=_("Letter for letter as the bank has it: banks compare it.")
    )
    iban = CompactField("IBAN", max_length=34, validators=[validate_iban])
    bic = CompactField("BIC", max_length=11, blank=True, validators=[validate_bic])
    payable = models.BooleanField(
        _("donors may pay to it"),
        default=False,
        help_text=_(
            "Tick it only when the account is open and yours. Until then the site shows it as not to be paid to."
        ),
    )
    translations = TranslatedFields(
        note=models.CharField(_("note"), max_length=300, blank=True, help_text=_("Shown beside the account.")),
    )

    class Meta:
        verbose_name = _("bank account")
        verbose_name_plural = _("bank accounts")
        constraints = [
            models.CheckConstraint(
                condition=Q(iban__regex=r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$"), name="donations_iban_is_compact"
            )
        ]

    def __str__(self) -> str:
        return self.iban

    @property
    def grouped_iban(self) -> str:
        """The IBAN as it is printed, in groups of four (ISO 13616)."""
        return " ".join(self.iban[i : i + 4] for i in range(0, len(self.iban), 4))


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
    """A promise to give. What has arrived on it is the sum of its transactions."""

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
        constraints = [
            models.CheckConstraint(condition=Q(number__regex=r"^[0-9]{10}$"), name="donations_pledge_number_is_digits"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="donations_pledge_is_positive"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="donations_pledge_currency_is_iso"),
            models.CheckConstraint(
                condition=Q(display__in=["public", "initials", "anonymous"]), name="donations_pledge_display_is_known"
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
        return cls.objects.filter(confirmed_at=None, transactions=None, created_at__lt=timezone.now() - CONFIRM_WITHIN)


class PledgeMail(OutgoingMail):
    """A mail with the payment instructions, and the link that opens the pledge."""

    class Kind(models.TextChoices):
        INSTRUCTIONS = "instructions", _("instructions")
        CHANGED = "changed", _("instructions after a change")
        REMINDER = "reminder", _("reminder")

    pledge = models.ForeignKey(Pledge, models.CASCADE, related_name="mails")
    kind = models.CharField(_("kind"), max_length=12, choices=Kind, default=Kind.INSTRUCTIONS, editable=False)
    # The day of the instalment that a reminder is of.
    due_on = models.DateField(_("of the instalment of"), null=True, editable=False)
    token = EncryptedTextField(blank=True)
    token_hash = TagField(unique=True)
    expires_at = models.DateTimeField()
    recipient_tag = TagField(null=True)

    personal: ClassVar = {
        "token": Rule(_("To stand in the mailed link until the mail has left."), 7, "created_at"),
        "recipient_tag": Rule(_("So that nobody is sent more than a few mails a day."), 2, "created_at"),
    }
    not_personal: ClassVar = OutgoingMail.not_personal_mail | {"pledge", "kind", "due_on", "token_hash", "expires_at"}

    objects: ClassVar[Any] = LinkMailQuerySet.as_manager()

    class Meta(OutgoingMail.Meta):
        verbose_name = _("mail to a donor")
        verbose_name_plural = _("mails to donors")
        constraints = [
            *OutgoingMail.Meta.constraints,
            models.CheckConstraint(
                condition=Q(kind__in=["instructions", "changed"], due_on=None)
                | Q(kind="reminder", due_on__isnull=False),
                name="donations_pledgemail_reminds_of_a_day",
            ),
            models.UniqueConstraint(fields=["pledge", "due_on"], name="donations_reminded_once_of_a_day"),
        ]
        indexes = [
            *OutgoingMail.Meta.indexes,
            models.Index(fields=["recipient_tag", "created_at"], name="donations_mails_to_a_mailbox"),
        ]

    @classmethod
    def for_composing(cls) -> models.QuerySet[Any]:
        return cls.objects.select_related("pledge__fund__account")

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
        "network_tag": Rule(_("To see together what came from one network."), HELD_FOR.days, "created_at"),
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


class PostedError(Exception):
    """A posted row is never edited or deleted; a mistake is reversed (donations.giving.reverse)."""


class PostedQuerySet(models.QuerySet["Transaction"]):
    """Refuses what would change posted rows."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise PostedError

    def delete(self) -> NoReturn:
        raise PostedError

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise PostedError

    def bulk_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise PostedError  # it passes by save(), and can overwrite

    def _raw_delete(self, using: str | None) -> NoReturn:
        raise PostedError


class Transaction(models.Model):
    """Money that arrived, as an organiser recorded it. Never edited or deleted: a mistake is reversed."""

    fund = models.ForeignKey(Fund, models.PROTECT, related_name="transactions", verbose_name=_("fund"))
    pledge = models.ForeignKey(
        Pledge, models.PROTECT, null=True, blank=True, related_name="transactions", verbose_name=_("pledge")
    )
    amount_minor = models.BigIntegerField(_("amount in the smallest unit"))
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    booked_on = models.DateField(_("booked on"))
    description = models.CharField(
        _("description"), max_length=200, blank=True, help_text=_("Public. No person's name without their word.")
    )
    reverses = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="reversal", verbose_name=_("reverses")
    )
    recorded_at = models.DateTimeField(_("recorded"), default=timezone.now, editable=False)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, verbose_name=_("recorded by")
    )

    objects = PostedQuerySet.as_manager()

    not_personal = ALL

    class Meta:
        verbose_name = _("transaction")
        verbose_name_plural = _("transactions")
        ordering = ["-booked_on", "-pk"]
        base_manager_name = "objects"
        constraints = [
            models.CheckConstraint(condition=~Q(amount_minor=0), name="donations_transaction_is_not_zero"),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0) | Q(reverses__isnull=False),
                name="donations_only_a_reversal_is_negative",
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="donations_transaction_currency_is_iso"
            ),
            models.CheckConstraint(
                condition=Q(reverses__isnull=True) | ~Q(reverses=F("id")), name="donations_reverses_another"
            ),
        ]

    def __str__(self) -> str:
        amount = money.format_amount(self.amount_minor, self.currency)
        return f"#{self.pk}: {amount}, {date_format(self.booked_on, 'DATE_FORMAT')}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Post the row: check it and insert it. Raises ValidationError, and PostedError if it is posted already."""
        if not self._state.adding:
            raise PostedError
        self.full_clean(validate_unique=False)  # that is for the database alone to decide
        super().save(force_insert=True, using=kwargs.get("using"))

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise PostedError

    def clean(self) -> None:
        """Hold what spans two rows, which no constraint can: the pledge's, or the reversed one's, fund and currency."""
        if self.booked_on and self.booked_on > timezone.localdate():
            raise ValidationError({"booked_on": _("This day is still to come. Record what has arrived.")})
        if self.pledge and self.pledge.fund_id != self.fund_id:
            raise ValidationError({"pledge": _("This pledge was made to another fund.")})
        if self.pledge and self.currency and self.pledge.currency != self.currency:
            wrong = ValidationError(_("This pledge is in %(currency)s."), params={"currency": self.pledge.currency})
            raise ValidationError({"currency": wrong})
        mirrored = ("fund_id", "pledge_id", "currency")
        if self.reverses and (
            self.amount_minor != -self.reverses.amount_minor
            or any(getattr(self, name) != getattr(self.reverses, name) for name in mirrored)
        ):
            raise ValidationError(_("A reversal has the opposite amount of what it reverses, and all else alike."))
