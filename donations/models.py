"""The support fund: its account, what is pledged, what arrived. Money is integer minor units and a currency."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, timedelta
from html import unescape
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
from donations import inserting, money
from limits.models import Why
from outbox.models import LinkMailQuerySet, OutgoingMail
from privacy.fields import EncryptedTextField, TagField
from privacy.registry import ALL, Rule
from privacy.tags import tag

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


# Whatever stands between its characters: blanks, dots, dashes, the marks of Markdown.
_IBAN_WITHIN = re.compile(r"(?=([A-Z](?:S[A-Z])(?:S[0-9]){2}(?:S[A-Z0-9]){11,30}))".replace("S", "[^A-Z0-9]{0,4}"))
# Cyrillic and Greek capitals that look like Latin ones.
_LOOK_ALIKES = str.maketrans("АВЕКМНОРСТХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEKMHOPCTXIJSABEZHIKMNOPTYX")


def iban_in(text: str) -> str:
    """Return the valid IBAN that a reader would find in a text, however it is spelt; empty if there is none."""
    plain = unicodedata.normalize("NFKC", unescape(text)).upper().translate(_LOOK_ALIKES)
    plain = "".join(str(unicodedata.decimal(c, c)) for c in plain if unicodedata.category(c) != "Cf")
    for found in _IBAN_WITHIN.finditer(plain):
        typed = re.sub(r"[^A-Z0-9]", "", found[1])
        for length in range(15, len(typed) + 1):
            if IBAN(typed[:length], allow_invalid=True).is_valid:
                return typed[:length]
    return ""


def without_iban(text: str) -> None:
    """Refuse a text with a valid IBAN in it: an account that donors see is proposed and approved by two."""
    if found := iban_in(text):
        raise ValidationError(
            _("%(iban)s is an account number. Donors are told one in one place only: propose it as an account."),
            params={"iban": found},
        )


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


class PostedError(Exception):
    """A posted row is never edited or deleted; a mistake is reversed (donations.posting)."""


class PostedQuerySet(models.QuerySet[Any]):
    """Refuses what would change posted rows, but for emptying what tells of a person. So do the database's triggers."""

    def update(self, **kwargs: Any) -> int:
        if not kwargs or not kwargs.keys() <= self.model.erasable or any(kwargs.values()):
            raise PostedError
        return super().update(**kwargs)

    def erase(self) -> int:
        """Empty every column that tells of a person; return in how many rows. No amount changes."""
        fields = [self.model._meta.get_field(name) for name in self.model.erasable]
        return self.update(**{field.name: None if field.null else "" for field in fields})

    def post(self, rows: "Sequence[Any]") -> list[Any]:
        """Insert many rows, checked as by save(), except for what the database's constraints alone hold."""
        inserting.check(rows)
        for row in rows:
            row.clean()
        self._for_write = True
        inserting.insert(rows, self.db)
        return list(rows)

    def delete(self) -> NoReturn:
        raise PostedError

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise PostedError

    def bulk_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise PostedError  # it passes by the checks, and can overwrite

    def _raw_delete(self, using: str | None) -> NoReturn:
        raise PostedError


class Posted(models.Model):
    """A row that is inserted once. Its database triggers stand in donations/triggers/."""

    # The columns that tell of a person, and may be emptied.
    erasable: ClassVar[frozenset[str]] = frozenset()

    objects = PostedQuerySet.as_manager()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Post the row: check it and insert it. Raises ValidationError, and PostedError if it is posted already."""
        if not self._state.adding:
            raise PostedError
        self.full_clean(validate_unique=False, validate_constraints=False)  # those the database alone decides
        super().save(force_insert=True, using=kwargs.get("using"))

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise PostedError


def _by(name: Any) -> Any:
    """Return a column for the organiser who did it; empty where the program or its operator did."""
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=name,
    )


class StoredFile(Posted):
    """A file that only organisers see: a photo of a counted sheet, a receipt. Its hash is public, and stays."""

    name = EncryptedTextField(_("name"), blank=True)
    media_type = models.CharField(_("kind of file"), max_length=100)
    # In Base64: the encrypted field holds text.
    content = EncryptedTextField(blank=True)
    sha256 = models.CharField("SHA-256", max_length=64)
    size = models.PositiveIntegerField(_("size in bytes"))
    stored_by = _by(_("stored by"))
    stored_at = models.DateTimeField(_("stored"), default=timezone.now)

    erasable = frozenset({"name", "content"})
    personal: ClassVar = {
        "name": Rule(_("So that the books can be audited."), 3650, "stored_at"),
        "content": Rule(_("So that the books can be audited."), 3650, "stored_at"),
    }
    not_personal: ClassVar = frozenset({"id", "media_type", "sha256", "size", "stored_by", "stored_at"})

    class Meta(Posted.Meta):
        verbose_name = _("stored file")
        verbose_name_plural = _("stored files")
        constraints = [
            models.CheckConstraint(condition=Q(sha256__regex=r"^[0-9a-f]{64}$"), name="donations_file_has_a_hash"),
        ]

    def __str__(self) -> str:
        return self.name or self.sha256


class BankStatement(Posted):
    """A bank's statement as it was imported: a file, and what it says stood on the account before and after."""

    account = models.ForeignKey(BankAccount, models.PROTECT, related_name="statements", verbose_name=_("account"))
    # Which of the file's statements it is: one file may hold several.
    part = models.PositiveIntegerField(_("part of the file"), default=1)
    sha256 = models.CharField(_("SHA-256 of the file"), max_length=64)
    file_name = models.CharField(_("file"), max_length=200)
    format = models.CharField(_("format"), max_length=20)
    reference = models.CharField(_("the bank's number"), max_length=100, blank=True)
    from_date = models.DateField(_("from"), null=True, blank=True)
    to_date = models.DateField(_("to"), null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    # A format that tells no balances has neither.
    opening_minor = models.BigIntegerField(_("balance before"), null=True, blank=True)
    closing_minor = models.BigIntegerField(_("balance after"), null=True, blank=True)
    # The sum of all booked lines of the statement, also of those that were known already.
    lines_minor = models.BigIntegerField(_("sum of the lines"))
    read_count = models.PositiveIntegerField(_("lines read"))
    new_count = models.PositiveIntegerField(_("new"))
    known_count = models.PositiveIntegerField(_("known already"))
    rejected_count = models.PositiveIntegerField(_("rejected"))
    imported_by = _by(_("imported by"))
    imported_at = models.DateTimeField(_("imported"), default=timezone.now, editable=False)

    not_personal = ALL

    class Meta(Posted.Meta):
        verbose_name = _("bank statement")
        verbose_name_plural = _("bank statements")
        ordering = ["-to_date", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["account", "sha256", "part"], name="donations_statement_imported_once"),
            models.CheckConstraint(condition=Q(sha256__regex=r"^[0-9a-f]{64}$"), name="donations_statement_has_a_hash"),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="donations_statement_currency_is_iso"
            ),
            models.CheckConstraint(
                condition=Q(opening_minor=None, closing_minor=None)
                | Q(
                    opening_minor__isnull=False,
                    closing_minor__isnull=False,
                    closing_minor=F("opening_minor") + F("lines_minor"),
                ),
                name="donations_opening_and_lines_make_closing",
            ),
            models.CheckConstraint(
                condition=Q(read_count=F("new_count") + F("known_count") + F("rejected_count")),
                name="donations_lines_are_new_known_or_rejected",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account}, {self.reference or self.file_name}"


class StatementMapping(models.Model):
    """How an account's bank writes its CSV files (donations.statements.columns.CsvMapping)."""

    not_personal = ALL

    account = models.OneToOneField(BankAccount, models.CASCADE, related_name="mapping", verbose_name=_("account"))
    mapping = models.JSONField(_("columns"))

    class Meta:
        verbose_name = _("columns of a bank's CSV file")
        verbose_name_plural = _("columns of banks' CSV files")

    def __str__(self) -> str:
        return str(self.account)


class StatementUpload(models.Model):
    """A bank's file on its way into the books: uploaded, looked at by the organiser, and imported by a worker."""

    class State(models.TextChoices):
        PREVIEWED = "previewed", _("waits for you")
        QUEUED = "queued", _("waits for its turn")
        RUNNING = "running", _("being imported")
        DONE = "done", _("imported")
        FAILED = "failed", _("refused")

    account = models.ForeignKey(BankAccount, models.PROTECT, related_name="+", verbose_name=_("account"))
    file_name = models.CharField(_("file"), max_length=200)
    # In Base64: the encrypted field holds text.
    content = EncryptedTextField(blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PREVIEWED)
    read_count = models.PositiveIntegerField(_("lines read"), default=0)
    # What came of it: reports, or the error, which may quote the file.
    outcome = EncryptedTextField(blank=True)
    language = models.CharField(_("language"), max_length=10)
    uploaded_by = _by(_("uploaded by"))
    uploaded_at = models.DateTimeField(_("uploaded"), default=timezone.now, editable=False)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now, editable=False)

    personal: ClassVar = {
        "content": Rule(_("To read what arrived on the campaign's account."), 2, "uploaded_at"),
        "outcome": Rule(_("To tell the organiser what became of the bank's file."), 30, "uploaded_at"),
    }
    not_personal: ClassVar = frozenset(
        {
            "id",
            "account",
            "file_name",
            "state",
            "read_count",
            "language",
            "uploaded_by",
            "uploaded_at",
            "changed_at",
        }
    )

    class Meta:
        verbose_name = _("uploaded statement")
        verbose_name_plural = _("uploaded statements")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["previewed", "queued", "running", "done", "failed"]),
                name="donations_upload_state_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.file_name


class Transaction(Posted):
    """Money that moved, in above zero, out below: of a bank account, or of the cash box where none is named."""

    fund = models.ForeignKey(Fund, models.PROTECT, related_name="transactions", verbose_name=_("fund"))
    account = models.ForeignKey(
        BankAccount,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="transactions",
        verbose_name=_("bank account"),
        help_text=_("Empty for cash."),
    )
    statement = models.ForeignKey(
        BankStatement,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="transactions",
        verbose_name=_("bank statement"),
    )
    amount_minor = models.BigIntegerField(_("amount in the smallest unit"))
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    booked_on = models.DateField(_("booked on"))
    value_on = models.DateField(_("value date"), null=True, blank=True)
    description = models.CharField(
        _("description"), max_length=200, blank=True, help_text=_("Public. No person's name without their word.")
    )
    bank_reference = models.CharField(_("the bank's reference"), max_length=140, blank=True)
    # The structured reference as ten digits, whichever way it was written.
    reference = models.CharField(_("reference"), max_length=35, blank=True)
    end_to_end = EncryptedTextField(_("the payer's reference"), blank=True)
    counterparty = EncryptedTextField(_("from or to"), blank=True)
    counterparty_iban = EncryptedTextField(_("their account"), blank=True)
    counterparty_iban_tag = TagField(null=True, blank=True, db_index=True)
    remittance = EncryptedTextField(_("their words"), blank=True)
    # What tells a bank's line from another (a keyed tag), and the how manyth like it this is on the account.
    fingerprint = models.CharField(max_length=64, blank=True, editable=False)
    occurrence = models.PositiveIntegerField(default=1, editable=False)
    reverses = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="reversal", verbose_name=_("reverses")
    )
    recorded_at = models.DateTimeField(_("recorded"), default=timezone.now, editable=False)
    recorded_by = _by(_("recorded by"))

    erasable = frozenset({"end_to_end", "counterparty", "counterparty_iban", "counterparty_iban_tag", "remittance"})
    personal: ClassVar = {
        "end_to_end": Rule(_("To recognise a gift when it arrives."), 730, "recorded_at"),
        "counterparty": Rule(_("To recognise a gift when it arrives."), 730, "recorded_at"),
        "counterparty_iban": Rule(_("To recognise a gift when it arrives, and to pay it back."), 730, "recorded_at"),
        "counterparty_iban_tag": Rule(_("To recognise the next gift from the same account."), 730, "recorded_at"),
        "remittance": Rule(_("To recognise a gift when it arrives."), 730, "recorded_at"),
    }
    not_personal: ClassVar = frozenset(
        {
            "id",
            "fund",
            "account",
            "statement",
            "amount_minor",
            "currency",
            "booked_on",
            "value_on",
            "description",
            "bank_reference",
            "reference",
            "fingerprint",
            "occurrence",
            "reverses",
            "recorded_at",
            "recorded_by",
        }
    )

    class Meta(Posted.Meta):
        verbose_name = _("transaction")
        verbose_name_plural = _("transactions")
        ordering = ["-booked_on", "-pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(amount_minor=0), name="donations_transaction_is_not_zero"),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="donations_transaction_currency_is_iso"
            ),
            models.CheckConstraint(
                condition=Q(reverses__isnull=True) | ~Q(reverses=F("id")), name="donations_reverses_another"
            ),
            models.CheckConstraint(
                condition=Q(statement__isnull=True) | Q(account__isnull=False), name="donations_cash_has_no_statement"
            ),
            models.CheckConstraint(
                condition=Q(reference="") | Q(reference__regex=r"^[0-9]+$"), name="donations_reference_is_digits"
            ),
            models.CheckConstraint(condition=Q(occurrence__gte=1), name="donations_occurrence_counts_from_one"),
            models.UniqueConstraint(
                fields=["account", "fingerprint", "occurrence"],
                condition=~Q(fingerprint=""),
                name="donations_line_posted_once",
            ),
        ]
        indexes = [
            models.Index(fields=["fund", "currency"], name="donations_money_of_a_fund"),
            models.Index(fields=["-booked_on", "-id"], name="donations_newest_first"),
            models.Index(fields=["reference"], condition=~Q(reference=""), name="donations_money_by_reference"),
        ]

    def __str__(self) -> str:
        amount = money.format_amount(self.amount_minor, self.currency)
        return f"#{self.pk}: {amount}, {date_format(self.booked_on, 'DATE_FORMAT')}"

    @property
    def is_incoming(self) -> bool:
        """Whether it is money that came in, or the reversal of such."""
        return (self.amount_minor > 0) != bool(self.reverses_id)

    def clean(self) -> None:
        """Hold what spans two rows, in words for a person; the database's triggers hold it in any case."""
        if self.counterparty_iban:
            self.counterparty_iban_tag = tag("counterparty-iban", "".join(self.counterparty_iban.split()).upper())
        if self.booked_on and self.booked_on > timezone.localdate():
            raise ValidationError({"booked_on": _("This day is still to come. Record what has arrived.")})
        if self.description and not self.reverses_id and iban_in(self.description):
            raise ValidationError({"description": _("Everybody reads this: write no account number here.")})
        if self.account and self.account.fund_id != self.fund_id:
            raise ValidationError({"account": _("This account is another fund's.")})
        if self.account and self.account.approved_at is None and not self.reverses_id:
            raise ValidationError({"account": _("Two organisers have to stand for this account first: approve it.")})
        if self.account and self.account.currency and self.account.currency != self.currency:
            wrong = ValidationError(_("This account is in %(currency)s."), params={"currency": self.account.currency})
            raise ValidationError({"currency": wrong})
        if self.reverses and (
            self.amount_minor != -self.reverses.amount_minor
            or any(
                getattr(self, name) != getattr(self.reverses, name) for name in ("fund_id", "account_id", "currency")
            )
        ):
            raise ValidationError(_("A reversal has the opposite amount of what it reverses, and all else alike."))


class CollectionSheet(models.Model):
    """A numbered sheet of a collection in cash, counted by two organisers."""

    not_personal = ALL

    fund = models.ForeignKey(Fund, models.PROTECT, related_name="sheets", verbose_name=_("fund"))
    number = models.PositiveIntegerField(_("number"))
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    place = models.CharField(_("place"), max_length=200, blank=True, validators=[without_iban])
    held_on = models.DateField(_("held on"), null=True, blank=True)
    counted_minor = models.PositiveBigIntegerField(_("counted, in the smallest unit"), null=True, blank=True)
    counter_one = _by(_("counted by"))
    counter_two = _by(_("and by"))
    counted_at = models.DateTimeField(_("counted"), null=True, blank=True, editable=False)
    scan = models.ForeignKey(
        StoredFile, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("photo or scan")
    )
    made_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("collection sheet")
        verbose_name_plural = _("collection sheets")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["fund", "number"], name="donations_sheet_number_once"),
            models.CheckConstraint(condition=Q(number__gte=1), name="donations_sheet_counts_from_one"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="donations_sheet_currency_is_iso"),
            models.CheckConstraint(
                condition=Q(counter_two__isnull=True) | ~Q(counter_one=F("counter_two")),
                name="donations_sheet_has_two_counters",
            ),
            models.CheckConstraint(
                condition=Q(counted_minor=None, counter_one=None)
                | Q(counted_minor__isnull=False, counter_one__isnull=False),
                name="donations_sheet_count_has_a_counter",
            ),
            models.CheckConstraint(
                condition=Q(counted_at=None, counter_two=None)
                | Q(
                    counted_at__isnull=False,
                    counter_one__isnull=False,
                    counter_two__isnull=False,
                    counted_minor__isnull=False,
                    held_on__isnull=False,
                ),
                name="donations_sheet_is_counted_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.fund}, {self.number}"

    def clean(self) -> None:
        if self.held_on and self.held_on > timezone.localdate() and self.counter_one_id:
            raise ValidationError({"held_on": _("This day is still to come.")})


class Disbursement(Posted):
    """Money for families, as it was asked for. Who approved it and what paid it are rows of their own."""

    not_personal = ALL

    fund = models.ForeignKey(Fund, models.PROTECT, related_name="disbursements", verbose_name=_("fund"))
    purpose = models.CharField(
        _("purpose"),
        max_length=200,
        validators=[without_iban],
        help_text=_("Public, and stays: “Bread and rent in May”. Never a family's name, nor what tells who it is."),
    )
    households = models.PositiveIntegerField(
        _("households"), help_text=_("How many get of it. Public. Who they are stands in your own papers, not here.")
    )
    amount_minor = models.PositiveBigIntegerField(_("amount in the smallest unit"))
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_code])
    requested_by = _by(_("asked for by"))
    requested_at = models.DateTimeField(_("asked for"), default=timezone.now, editable=False)

    class Meta(Posted.Meta):
        verbose_name = _("disbursement")
        verbose_name_plural = _("disbursements")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="donations_disbursement_is_positive"),
            models.CheckConstraint(condition=Q(households__gt=0), name="donations_disbursement_is_for_somebody"),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="donations_disbursement_currency_is_iso"
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}: {money.format_amount(self.amount_minor, self.currency)}, {self.purpose}"


class Approval(Posted):
    """One organiser's yes to a disbursement. It takes two."""

    not_personal = ALL

    disbursement = models.ForeignKey(
        Disbursement, models.PROTECT, related_name="approvals", verbose_name=_("disbursement")
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("approved by")
    )
    approved_at = models.DateTimeField(_("approved"), default=timezone.now, editable=False)

    class Meta(Posted.Meta):
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        constraints = [
            models.UniqueConstraint(fields=["disbursement", "approved_by"], name="donations_one_approval_a_person")
        ]

    def __str__(self) -> str:
        return f"{self.disbursement}: {self.approved_by}"


class Cancellation(Posted):
    """A disbursement that was asked for and is not to be paid any more."""

    not_personal = ALL

    disbursement = models.OneToOneField(
        Disbursement, models.PROTECT, related_name="cancellation", verbose_name=_("disbursement")
    )
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("cancelled by")
    )
    cancelled_at = models.DateTimeField(_("cancelled"), default=timezone.now, editable=False)

    class Meta(Posted.Meta):
        verbose_name = _("cancelled disbursement")
        verbose_name_plural = _("cancelled disbursements")

    def __str__(self) -> str:
        return str(self.disbursement)


class Evidence(Posted):
    """A paper that shows what a disbursement was for. Its hash is public, the file is not."""

    not_personal = ALL

    disbursement = models.ForeignKey(
        Disbursement, models.PROTECT, related_name="evidence", verbose_name=_("disbursement")
    )
    file = models.ForeignKey(StoredFile, models.PROTECT, related_name="+", verbose_name=_("file"))
    added_by = _by(_("added by"))
    added_at = models.DateTimeField(_("added"), default=timezone.now, editable=False)

    class Meta(Posted.Meta):
        verbose_name = _("evidence")
        verbose_name_plural = _("evidence")
        constraints = [
            models.UniqueConstraint(fields=["disbursement", "file"], name="donations_evidence_added_once"),
        ]

    def __str__(self) -> str:
        return f"{self.disbursement}: {self.file_id}"


class OpenLine(models.Model):
    """
    Where the desk looks: the transactions of which something is left to be said.

    An index over two tables, and no fact of its own: the database's triggers alone write it (donations/triggers/), and
    how much is left is worked out from the books each time.
    """

    not_personal = ALL

    transaction = models.OneToOneField(
        Transaction, models.PROTECT, primary_key=True, related_name="open_line", verbose_name=_("transaction")
    )

    def __str__(self) -> str:
        return str(self.pk)


class Allocation(Posted):
    """What a transaction, or a part of it, was for. Never edited or deleted: a wrong one is undone by its opposite."""

    not_personal = ALL

    class Kind(models.TextChoices):
        PLEDGE = "pledge", _("a pledge")
        GIFT = "gift", _("a gift without a pledge")
        REFUND = "refund", _("given back to the donor")
        FEE = "fee", _("the bank's fee")
        DEPOSIT = "deposit", _("cash of a collection, paid in")
        DISBURSEMENT = "disbursement", _("a disbursement")
        TRANSFER = "transfer", _("passed through: own transfer, or not meant for us")

    transaction = models.ForeignKey(
        Transaction, models.PROTECT, related_name="allocations", verbose_name=_("transaction")
    )
    kind = models.CharField(_("for"), max_length=12, choices=Kind)
    amount_minor = models.BigIntegerField(_("amount in the smallest unit"))
    pledge = models.ForeignKey(
        Pledge, models.PROTECT, null=True, blank=True, related_name="allocations", verbose_name=_("pledge")
    )
    sheet = models.ForeignKey(
        CollectionSheet,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="allocations",
        verbose_name=_("collection sheet"),
    )
    disbursement = models.ForeignKey(
        Disbursement,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="allocations",
        verbose_name=_("disbursement"),
    )
    # The other end of a deposit: what left the cash box for what arrived at the bank.
    mirrors = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="mirror", verbose_name=_("other end of")
    )
    reverses = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="reversal", verbose_name=_("undoes")
    )
    # Empty where the program did it by itself.
    made_by = _by(_("made by"))
    made_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)

    class Meta(Posted.Meta):
        verbose_name = _("allocation")
        verbose_name_plural = _("allocations")
        ordering = ["pk"]
        indexes = [
            # The unique one is full of NULL, of which SQLite learns (ANALYZE) that it is good for nothing.
            models.Index(fields=["reverses"], condition=Q(reverses__isnull=False), name="donations_reversals"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["pledge", "gift", "refund", "fee", "deposit", "disbursement", "transfer"]),
                name="donations_allocation_kind_is_known",
            ),
            models.CheckConstraint(condition=~Q(amount_minor=0), name="donations_allocation_is_not_zero"),
            models.CheckConstraint(
                condition=Q(kind="pledge", pledge__isnull=False)
                | Q(kind="refund")
                | (~Q(kind="pledge") & Q(pledge__isnull=True)),
                name="donations_allocation_to_a_pledge",
            ),
            models.CheckConstraint(
                condition=Q(kind="deposit", sheet__isnull=False)
                | Q(kind="gift")
                | (~Q(kind="deposit") & Q(sheet__isnull=True)),
                name="donations_allocation_to_a_sheet",
            ),
            models.CheckConstraint(
                condition=Q(kind="disbursement", disbursement__isnull=False)
                | (~Q(kind="disbursement") & Q(disbursement__isnull=True)),
                name="donations_allocation_to_a_disbursement",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=["pledge", "gift"])
                | Q(amount_minor__gt=0, reverses__isnull=True)
                | Q(amount_minor__lt=0, reverses__isnull=False),
                name="donations_gift_comes_in",
            ),
            models.CheckConstraint(
                condition=~Q(kind="refund")
                | Q(amount_minor__lt=0, reverses__isnull=True)
                | Q(amount_minor__gt=0, reverses__isnull=False),
                name="donations_refund_goes_out",
            ),
        ]

    def __str__(self) -> str:
        amount = money.format_amount(self.amount_minor, self.transaction.currency)
        return f"{amount}, {self.get_kind_display()}"


class Rate(Posted):
    """What one unit of a currency was worth in another: only ever to show an amount as "about", with source and day."""

    not_personal = ALL

    from_currency = models.CharField(_("from"), max_length=3, validators=[currency_code])
    to_currency = models.CharField(_("to"), max_length=3, validators=[currency_code])
    millionths = models.PositiveBigIntegerField(
        _("rate in millionths"), help_text=_("1 EUR = 11.2345 SEK is 11234500.")
    )
    source = models.CharField(_("source"), max_length=200)
    dated_on = models.DateField(_("of"))
    recorded_by = _by(_("recorded by"))
    recorded_at = models.DateTimeField(_("recorded"), default=timezone.now, editable=False)

    class Meta(Posted.Meta):
        verbose_name = _("rate")
        verbose_name_plural = _("rates")
        ordering = ["-dated_on", "-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(millionths__gt=0), name="donations_rate_is_positive"),
            models.CheckConstraint(condition=~Q(source=""), name="donations_rate_has_a_source"),
            models.CheckConstraint(
                condition=Q(from_currency__regex=r"^[A-Z]{3}$", to_currency__regex=r"^[A-Z]{3}$")
                & ~Q(from_currency=F("to_currency")),
                name="donations_rate_is_between_two_currencies",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.told} ({self.source}, {self.dated_on})"

    @property
    def told(self) -> str:
        """The rate as readers of the active language write it."""
        return f"1 {self.from_currency} = {money.format_rate(self.millionths)} {self.to_currency}"


class LedgerEvent(Posted):
    """
    One thing that happened to the fund's money, in an unbroken chain (donations.ledger). Without personal data.

    `hash` is the chain's, which anybody can compute again; `seal` is a keyed tag of it, which only this program can.
    """

    not_personal = ALL

    class Kind(models.TextChoices):
        ACCOUNT_PROPOSED = "account_proposed", _("bank account proposed")
        ACCOUNT_APPROVED = "account_approved", _("bank account approved")
        ACCOUNT_WITHDRAWN = "account_withdrawn", _("bank account withdrawn")
        STATEMENT_IMPORTED = "statement_imported", _("bank statement imported")
        TRANSACTION_POSTED = "transaction_posted", _("transaction posted")
        ALLOCATION_MADE = "allocation_made", _("allocation made")
        SHEET_COUNTED = "sheet_counted", _("collection sheet counted")
        DISBURSEMENT_REQUESTED = "disbursement_requested", _("disbursement asked for")
        DISBURSEMENT_APPROVED = "disbursement_approved", _("disbursement approved")
        DISBURSEMENT_CANCELLED = "disbursement_cancelled", _("disbursement cancelled")
        EVIDENCE_ADDED = "evidence_added", _("evidence added")
        PLEDGE_CONFIRMED = "pledge_confirmed", _("pledge confirmed")
        PLEDGE_CHANGED = "pledge_changed", _("pledge changed")
        PLEDGE_WITHDRAWN = "pledge_withdrawn", _("pledge withdrawn")

    sequence = models.BigIntegerField(_("number"), primary_key=True)
    at = models.DateTimeField(_("at"))
    fund = models.ForeignKey(Fund, models.PROTECT, related_name="events", verbose_name=_("fund"))
    kind = models.CharField(_("what happened"), max_length=30, choices=Kind)
    # The key of the row that the event tells of.
    about = models.BigIntegerField(_("about"))
    payload = models.JSONField(_("facts"))
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)
    seal = models.CharField(max_length=64)

    class Meta(Posted.Meta):
        verbose_name = _("ledger event")
        verbose_name_plural = _("ledger")
        ordering = ["sequence"]
        constraints = [
            # All but a pledge's change happen to a row once.
            models.UniqueConstraint(
                fields=["kind", "about"], condition=~Q(kind="pledge_changed"), name="donations_event_told_once"
            ),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="donations_ledger_counts_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.sequence}: {self.get_kind_display()} {self.about}"
