"""A fund, its bank accounts, and the mail that tells of a change to one."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from parler.models import TranslatableModel, TranslatedFields

from campaign.models import OfStrikeQuerySet, Strike, published_at
from donations import money
from donations.models.fields import CompactField, currency_code, validate_bic, validate_iban, without_iban
from outbox.models import OutgoingMail
from privacy.registry import ALL


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
        title=models.CharField(_("title"), max_length=200, validators=[without_iban]),
        text=models.TextField(
            _("text"), validators=[without_iban], help_text=_("Markdown: what the fund is for, and who answers for it.")
        ),
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


class BankAccount(TranslatableModel):
    """
    An account that donors pay into, as one organiser proposed it and another one approved it (donations.accounts).

    What donors read of it stays as it was proposed: another IBAN, or a mistake put right, is another account. One
    that came with a campaign's files has no proposer, and is shown as a fact that nobody is to pay to.
    """

    not_personal = ALL

    fund = models.ForeignKey(Fund, models.PROTECT, related_name="accounts", verbose_name=_("fund"))
    holder = models.CharField(
        _("holder"), max_length=70, help_text=_("Letter for letter as the bank has it: banks compare it.")
    )
    iban = CompactField("IBAN", max_length=34, validators=[validate_iban])
    bic = CompactField("BIC", max_length=11, blank=True, validators=[validate_bic])
    currency = models.CharField(
        _("currency"),
        max_length=3,
        blank=True,
        validators=[currency_code],
        help_text=_("If the account takes only one: EUR. Else leave it empty."),
    )
    payable = models.BooleanField(
        _("donors may pay to it"),
        default=False,
        help_text=_("Untick it, and the site at once shows the account as not to be paid to."),
    )
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("proposed by"),
    )
    proposed_at = models.DateTimeField(_("proposed"), default=timezone.now, editable=False)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("approved by"),
    )
    approved_at = models.DateTimeField(_("approved"), null=True, blank=True, editable=False)
    valid_from = models.DateTimeField(_("valid from"), null=True, blank=True, editable=False)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("withdrawn by"),
    )
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True, blank=True, editable=False)
    translations = TranslatedFields(
        note=models.CharField(
            _("note"), max_length=300, blank=True, validators=[without_iban], help_text=_("Shown beside the account.")
        ),
    )

    class Meta:
        verbose_name = _("bank account")
        verbose_name_plural = _("bank accounts")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(iban__regex=r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$"), name="donations_iban_is_compact"
            ),
            models.CheckConstraint(
                condition=Q(currency="") | Q(currency__regex=r"^[A-Z]{3}$"), name="donations_account_currency_is_iso"
            ),
            models.CheckConstraint(
                condition=Q(approved_at=None, approved_by=None, valid_from=None)
                | Q(
                    approved_at__isnull=False,
                    approved_by__isnull=False,
                    proposed_by__isnull=False,
                    valid_from__gte=F("approved_at"),
                )
                & ~Q(approved_by=F("proposed_by")),
                name="donations_account_is_approved_by_another",
            ),
            models.CheckConstraint(
                condition=Q(payable=False) | Q(approved_at__isnull=False), name="donations_payable_is_approved"
            ),
        ]

    def __str__(self) -> str:
        return self.grouped_iban

    @property
    def grouped_iban(self) -> str:
        """The IBAN as it is printed, in groups of four (ISO 13616)."""
        return " ".join(self.iban[i : i + 4] for i in range(0, len(self.iban), 4))


class AccountNotice(OutgoingMail):
    """The mail that tells an organiser what became of a bank account: that is how a swap is noticed."""

    class What(models.TextChoices):
        PROPOSED = "proposed", _("proposed")
        APPROVED = "approved", _("approved")
        WITHDRAWN = "withdrawn", _("withdrawn")

    account = models.ForeignKey(BankAccount, models.PROTECT, related_name="notices", verbose_name=_("bank account"))
    # Empty for the campaign's own address.
    organiser = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+", verbose_name=_("organiser")
    )
    what = models.CharField(_("what happened"), max_length=10, choices=What)

    not_personal: ClassVar = OutgoingMail.not_personal_mail | {"reply", "account", "organiser", "what"}

    class Meta(OutgoingMail.Meta):
        verbose_name = _("mail about a bank account")
        verbose_name_plural = _("mails about bank accounts")
        constraints = [
            *OutgoingMail.Meta.constraints,
            models.UniqueConstraint(
                fields=["account", "organiser", "what"], name="donations_one_notice_for_each_organiser"
            ),
            models.CheckConstraint(
                condition=Q(what__in=["proposed", "approved", "withdrawn"]), name="donations_notice_is_known"
            ),
        ]

    @classmethod
    def for_composing(cls) -> models.QuerySet[Any]:
        return cls.objects.select_related("organiser", "account__fund", "account__proposed_by")
