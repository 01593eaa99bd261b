"""The support fund: its account, what is pledged, what arrived. Money is integer minor units and a currency."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from parler.models import TranslatableModel, TranslatedFields

from campaign.models import PublishedQuerySet, Strike, published_at
from outbox.models import OutgoingMail
from privacy.fields import EncryptedTextField, TagField
from privacy.registry import ALL, Rule

currency_code = RegexValidator(r"^[A-Z]{3}\Z", _("Three capital letters, as in ISO 4217: EUR, GBP, SEK."))


class Fund(TranslatableModel):
    """A support fund."""

    not_personal = ALL

    slug = models.SlugField(_("short name"), unique=True)
    strike = models.ForeignKey(Strike, models.PROTECT, related_name="funds", verbose_name=_("strike"))
    currencies = models.CharField(
        _("currencies"),
        max_length=60,
        default="EUR",
        help_text=_("In which people can pledge, separated by blanks: EUR GBP SEK. The first one is proposed."),
    )
    translations = TranslatedFields(
        title=models.CharField(_("title"), max_length=200),
        text=models.TextField(_("text"), help_text=_("Markdown: what the fund is for, and who answers for it.")),
    )
    published_at = published_at()

    objects = PublishedQuerySet.as_manager()

    class Meta:
        verbose_name = _("fund")
        verbose_name_plural = _("funds")
        ordering = ["-published_at", "pk"]

    def __str__(self) -> str:
        return self.safe_translation_getter("title", any_language=True) or self.slug

    def get_absolute_url(self) -> str:
        return reverse("donations:fund")


class BankAccount(TranslatableModel):
    """The account that donors pay into."""

    not_personal = ALL

    fund = models.OneToOneField(Fund, models.CASCADE, related_name="account", verbose_name=_("fund"))
    holder = models.CharField(
        _("holder"), max_length=70, help_text=_("Letter for letter as the bank has it: banks compare it.")
    )
    iban = models.CharField("IBAN", max_length=34, help_text=_("Blanks are removed when you save."))
    bic = models.CharField("BIC", max_length=11, blank=True)
    payable = models.BooleanField(
        _("donors may pay to it"),
        default=False,
        help_text=_("Tick it only when the account is open and yours. Until then the site shows it as not to be paid to."),
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


class PledgeQuerySet(models.QuerySet["Pledge"]):
    def counted(self) -> Self:
        """Pledges that stand: confirmed by the owner of the address, and not withdrawn."""
        return self.filter(confirmed_at__isnull=False, withdrawn_at=None)


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
    display = models.CharField(_("shown on the site"), max_length=10, choices=Display, default=Display.ANONYMOUS)
    locale = models.CharField(_("language"), max_length=10)
    consent_version = models.CharField(_("version of the consent"), max_length=20)
    consented_at = models.DateTimeField(_("consent given"))
    created_at = models.DateTimeField(_("pledged"), default=timezone.now)
    # The day on which the same pledge of the same person counts as the same one, sent twice.
    made_on = models.DateField(editable=False)
    confirmed_at = models.DateTimeField(_("confirmed"), null=True)
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True)

    objects = PledgeQuerySet.as_manager()

    personal: ClassVar = {
        "name": Rule(_("To show the pledge as its giver chose, and to thank."), 730, "created_at"),
        "organisation": Rule(_("To show the pledge as its giver chose, and to thank."), 730, "created_at"),
        "email": Rule(_("To send the payment instructions."), 730, "created_at"),
        "email_tag": Rule(_("So that a pledge sent twice counts once."), 730, "created_at"),
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
            "display",
            "locale",
            "consent_version",
            "consented_at",
            "created_at",
            "made_on",
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
            models.UniqueConstraint(
                fields=["fund", "email_tag", "amount_minor", "currency", "frequency", "made_on"],
                name="donations_same_pledge_once_a_day",
            ),
        ]

    def __str__(self) -> str:
        return self.number


class PledgeMail(OutgoingMail):
    """The mail with the payment instructions, and the link that confirms the pledge."""

    pledge = models.ForeignKey(Pledge, models.CASCADE, related_name="mails")
    token = EncryptedTextField(blank=True)
    token_hash = TagField(unique=True)
    expires_at = models.DateTimeField()

    personal: ClassVar = {
        "token": Rule(_("To stand in the mailed link until the mail has left."), 7, "created_at"),
    }
    not_personal: ClassVar = OutgoingMail.not_personal_mail | {"pledge", "token_hash", "expires_at"}

    class Meta(OutgoingMail.Meta):
        verbose_name = _("mail to a donor")
        verbose_name_plural = _("mails to donors")

    @classmethod
    def for_composing(cls) -> models.QuerySet[Any]:
        return cls.objects.select_related("pledge__fund__account")

    def forget(self) -> dict[str, Any]:
        return {"token": ""}


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

    not_personal = ALL

    class Meta:
        verbose_name = _("transaction")
        verbose_name_plural = _("transactions")
        ordering = ["-booked_on", "-pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(amount_minor=0), name="donations_transaction_is_not_zero"),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0) | Q(reverses__isnull=False), name="donations_only_a_reversal_is_negative"
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="donations_transaction_currency_is_iso"
            ),
            models.CheckConstraint(
                condition=Q(reverses__isnull=True) | ~Q(reverses=F("id")), name="donations_reverses_another"
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"
