"""Protest letters: what is said, to whom, who signed, and each letter on its way."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar, Self
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from parler.managers import TranslatableQuerySet
from parler.models import TranslatableModel, TranslatedFields

from campaign.countries import country_name
from campaign.models import (
    Activist,
    OfStrikeQuerySet,
    Picture,
    PublishedQuerySet,
    Strike,
    Submitted,
    SubmittedQuerySet,
    published_at,
)
from limits.models import Why
from outbox.models import BOUNCE_WINDOW, WAITING, LinkMailQuerySet, OutgoingMail, OutgoingMailQuerySet, State
from privacy.fields import EncryptedTextField, TagField
from privacy.registry import ALL, Rule
from privacy.showing import without_names
from protests import hours, mapping, wording

# An unconfirmed signature is forgotten after this; the mailed link works no longer.
CONFIRM_WITHIN = timedelta(days=7)
# A count of signatures that is older says so.
TALLY_IS_OLD_AFTER = timedelta(minutes=2)
# How long the mailed link opens the receipt.
RECEIPT_FOR = timedelta(days=180)
# A held signature on which nobody has decided is forgotten after this, and one on which somebody has, after that.
HELD_FOR = timedelta(days=30)
UNDO_WITHIN = timedelta(days=7)
# A letter in these states goes nowhere any more, unless an organiser sends it again.
UNSENT = (State.BOUNCED, State.FAILED)
# Refusals in a row after which a target's server is left alone for a while, which doubles with each refused trial.
REFUSALS = 5
FIRST_REST = timedelta(minutes=15)
LONGEST_REST = timedelta(days=1)
# How long a picket is taken to last of which nobody said when it ends.
PICKET_LASTS = timedelta(hours=2)
PEOPLE_AT_MOST = 1_000_000


def the_wait_was_ours(waiting: "DeliveryQuerySet") -> None:
    """Leave the time for which letters were held back out of the days after which the engine gives up."""
    waiting.waiting().filter(deferred_since__isnull=False).update(deferred_since=None)


class Pausable:
    """A QuerySet's share in what an organiser can pause: its letters wait until it is resumed, and none is lost."""

    def paused(self: Any) -> Any:
        return self.filter(paused_at__isnull=False)

    def going(self: Any) -> Any:
        return self.filter(paused_at=None)

    def pause(self: Any) -> int:
        pks = list(self.going().values_list("pk", flat=True))
        return self.model._base_manager.filter(pk__in=pks).update(paused_at=timezone.now())

    def resume(self: Any) -> int:
        pks = list(self.paused().values_list("pk", flat=True))
        the_wait_was_ours(self.model.deliveries_of(pks))
        return self.model._base_manager.filter(pk__in=pks).update(paused_at=None)


def letter_slug_is_free(slug: str) -> None:
    """Refuse the one address below /letters/ that the log of accepted letters has."""
    if slug == "log":
        raise ValidationError(_("This is the address of the log. Choose another one."))


class LetterQuerySet(Pausable, OfStrikeQuerySet):
    def open(self) -> Self:
        """Letters that can be signed now."""
        return self.published().exclude(closed_at__lte=timezone.now())

    def reopenable(self) -> Self:
        """Closed letters of which each signer would still be recognized: else, one could sign a second time."""
        left = Delivery.objects.exclude(state=State.CANCELLED).filter(signature=OuterRef("pk"))
        forgotten = Signature.objects.filter(Q(withdrawn_at=None) | Exists(left), letter=OuterRef("pk"), email_tag=None)
        return self.filter(closed_at__lte=timezone.now()).exclude(Exists(forgotten))

    def with_signed(self) -> Self:
        """Read with each letter its `tally`: how many signatures stood under it when they were last counted."""
        return self.select_related("tally")


class Letter(TranslatableModel):
    """A model letter. Its words at the moment of signing are kept in LetterText."""

    not_personal = ALL

    class Result(models.TextChoices):
        WON = "won", _("won")
        LOST = "lost", _("lost")

    slug = models.SlugField(_("address of the page"), unique=True, validators=[letter_slug_is_free])
    strike = models.ForeignKey(Strike, models.PROTECT, related_name="letters", verbose_name=_("strike"))
    activist = models.ForeignKey(
        Activist,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="letters",
        verbose_name=_("for"),
        help_text=_("If the letter is about one person: their page shows it."),
    )
    translations = TranslatedFields(
        title=models.CharField(_("title"), max_length=200),
        introduction=models.TextField(_("introduction"), blank=True, help_text=_("Markdown, shown above the letter.")),
        subject=models.CharField(
            _("subject"),
            max_length=600,
            validators=[wording.validate_subject],
            help_text=_(
                "[[One way|Another way]]: each letter has one of them. Filters notice what is always the same."
            ),
        ),
        body=models.TextField(
            _("letter"),
            validators=[wording.validate_body],
            help_text=_(
                "Plain text. {target} is the addressee's salutation, {name}, {country} and {organisation} are the "
                "supporter's, and {own_words} is where the supporter's own words go (at the beginning if you leave it "
                "out). Of [[one way|another way]] each letter has one."
            ),
        ),
        outcome=models.TextField(
            _("what came of it"), blank=True, help_text=_("Markdown, shown once the letter is closed.")
        ),
    )
    reply_to = models.EmailField(
        _("answers go to"),
        blank=True,
        help_text=_("The Reply-To of the letters. Empty: the address that your operator set for answers."),
    )
    published_at = published_at()
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True, help_text=_("From then on nobody can sign."))
    result = models.CharField(
        _("result"),
        max_length=4,
        choices=Result,
        blank=True,
        help_text=_("Of a closed letter: whether what it asks for was won. Empty: it is just closed."),
    )
    paused_at = models.DateTimeField(_("paused"), null=True, editable=False)

    objects = LetterQuerySet.as_manager()

    class Meta:
        verbose_name = _("letter")
        verbose_name_plural = _("letters")
        ordering = ["-published_at", "pk"]
        constraints = [
            models.CheckConstraint(condition=Q(result__in=["", "won", "lost"]), name="protests_letter_result_is_known"),
            models.CheckConstraint(
                condition=Q(result="") | Q(closed_at__isnull=False),
                name="protests_letter_is_closed_with_its_result",
                violation_error_message=_("A letter that can be signed has no result yet: say when it was closed."),
            ),
        ]

    def __str__(self) -> str:
        return self.safe_translation_getter("title", any_language=True) or self.slug

    def get_absolute_url(self) -> str:
        return reverse("protests:letter", args=[self.slug])

    @staticmethod
    def deliveries_of(pks: list[int]) -> "DeliveryQuerySet":
        return Delivery.objects.filter(signature__letter__in=pks)

    @property
    def is_published(self) -> bool:
        """Whether readers may see it; the same rule as LetterQuerySet.published()."""
        now = timezone.now()
        return all(date is not None and date <= now for date in (self.published_at, self.strike.published_at))

    @property
    def is_open(self) -> bool:
        """Whether it can be signed now; the same rule as LetterQuerySet.open()."""
        return self.is_published and not self.is_closed

    @property
    def is_closed(self) -> bool:
        """Whether the day has come from which nobody can sign it."""
        return self.closed_at is not None and self.closed_at <= timezone.now()

    @property
    def standing(self) -> str:
        """How it stands, in a word; derived from the dates, and for a closed one from its result."""
        if self.is_closed:
            return self.result or "closed"
        return "paused" if self.paused_at else "running"


class LetterText(models.Model):
    """The words of a letter as somebody signed them: written once, never changed, shared by all who signed the same."""

    not_personal = ALL

    letter = models.ForeignKey(Letter, models.CASCADE, related_name="texts")
    language = models.CharField(max_length=10)
    subject = models.CharField(max_length=600)
    body = models.TextField()
    digest = models.CharField(max_length=64)

    class Meta:
        verbose_name = _("text of a letter")
        verbose_name_plural = _("texts of letters")
        constraints = [models.UniqueConstraint(fields=["letter", "digest"], name="protests_text_once")]

    def __str__(self) -> str:
        return self.subject

    @staticmethod
    def digest_of(language: str, subject: str, body: str) -> str:
        return sha256("\0".join((language, subject, body)).encode()).hexdigest()

    @classmethod
    def now(cls, letter: Letter, language: str) -> "LetterText":
        """Return, unsaved, the words of `letter` as they stand: in `language`, else in the first one there is."""
        by_language = {text.language_code: text for text in letter.translations.all()}
        best = next(code for code in (language, *dict(settings.LANGUAGES), *by_language) if code in by_language)
        subject, body = by_language[best].subject, by_language[best].body
        return cls(letter=letter, language=best, subject=subject, body=body, digest=cls.digest_of(best, subject, body))


class TargetQuerySet(Pausable, TranslatableQuerySet):
    def suspended(self) -> Self:
        """Targets whose address is refused, so that their letters wait."""
        return self.filter(suspended_at__isnull=False)

    def trust_again(self) -> int:
        """Let the letters of suspended targets go to their addresses again; return how many targets."""
        pks = list(self.suspended().values_list("pk", flat=True))
        the_wait_was_ours(Target.deliveries_of(pks))
        return Target.objects.filter(pk__in=pks).update(
            suspended_at=None, suspended_because="", trusted_since=timezone.now()
        )

    def refusing(self) -> Self:
        """Targets whose server has refused so many letters in a row that it is left alone for a while."""
        return self.filter(breaker__refusals__gte=REFUSALS)

    def try_now(self) -> int:
        """Send to servers that are left alone as to any other; return to how many targets."""
        pks = list(self.refusing().values_list("pk", flat=True))
        the_wait_was_ours(Target.deliveries_of(pks))
        return Breaker.objects.filter(target__in=pks).delete()[0]


class Target(TranslatableModel):
    """An office that letters go to."""

    not_personal = ALL

    slug = models.SlugField(_("short name"), unique=True)
    name = models.CharField(_("name"), max_length=200)
    translations = TranslatedFields(
        salutation=models.CharField(
            _("salutation"), max_length=200, help_text=_('As the letter begins: "Dear Ambassador".')
        )
    )
    email = models.EmailField(_("e-mail address"))
    # A letter that was accepted came back refused for good: letters wait until an organiser has looked at the address.
    suspended_at = models.DateTimeField(_("suspended"), null=True, editable=False)
    suspended_because = models.CharField(_("its server's words"), max_length=500, blank=True, editable=False)
    # Bounces of letters that were handed over before this say nothing about the address as it is now.
    trusted_since = models.DateTimeField(default=timezone.now, editable=False)
    # The pace of its letters; protests.pacing decides by it when they are claimed.
    daily_cap = models.PositiveIntegerField(
        _("letters a day"),
        default=300,
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_(
            "At most so many letters leave for this address in a calendar day there; the others wait. A small mailbox "
            "overflows, and a server takes hundreds at once for spam. Empty: no limit."
        ),
    )
    spacing_seconds = models.PositiveIntegerField(
        _("seconds between letters"),
        default=0,
        validators=[MaxValueValidator(hours.DAY_SECONDS)],
        help_text=_("At least so long from one letter to the next. 0: one right after the other."),
    )
    opens_at = models.TimeField(
        _("letters leave from"),
        null=True,
        blank=True,
        help_text=_("The sending hours, by the clock in the time zone below. Both empty: at any time."),
    )
    closes_at = models.TimeField(_("until"), null=True, blank=True, help_text=_("Later than the hour above."))
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default=hours.site_time_zone,
        validators=[hours.validate_time_zone],
        help_text=_("Of the office, as in the IANA list: Europe/Berlin, Asia/Almaty."),
    )
    paused_at = models.DateTimeField(_("paused"), null=True, editable=False)
    letters = models.ManyToManyField(Letter, through="Addressee", related_name="targets")

    objects = TargetQuerySet.as_manager()

    class Meta:
        verbose_name = _("target")
        verbose_name_plural = _("targets")
        ordering = ["name"]
        permissions = [("export_target", _("Can export the targets"))]
        constraints = [
            models.UniqueConstraint(Lower("email"), name="protests_target_email_once"),
            models.CheckConstraint(
                condition=Q(suspended_at=None, suspended_because="")
                | (Q(suspended_at__isnull=False) & ~Q(suspended_because="")),
                name="protests_target_is_suspended_for_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(daily_cap=None) | Q(daily_cap__gte=1), name="protests_target_cap_is_above_0"
            ),
            models.CheckConstraint(
                condition=Q(spacing_seconds__gte=0, spacing_seconds__lte=hours.DAY_SECONDS),
                name="protests_target_spacing_is_sane",
            ),
            models.CheckConstraint(
                condition=Q(opens_at=None, closes_at=None)
                | Q(opens_at__isnull=False, closes_at__isnull=False, closes_at__gt=F("opens_at")),
                name="protests_target_opens_before_it_closes",
                violation_error_message=_(
                    "Sending hours need both a beginning and an end, the end later on the same day; or neither."
                ),
            ),
            models.CheckConstraint(condition=~Q(time_zone=""), name="protests_target_has_a_time_zone"),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; with another address than before, letters go there at once, whatever became of the old one."""
        moved = Target.objects.filter(pk=self.pk).exclude(email=self.email)
        if self.pk and moved.exists():
            moved.trust_again()
            self.suspended_at, self.suspended_because, self.trusted_since = None, "", timezone.now()
            Breaker.objects.filter(target=self.pk).delete()
            self.deliveries.waiting().update(next_attempt_at=timezone.now(), deferred_since=None)
        super().save(*args, **kwargs)

    @staticmethod
    def deliveries_of(pks: list[int]) -> "DeliveryQuerySet":
        return Delivery.objects.filter(target__in=pks)


class Breaker(models.Model):
    """
    What a target's server has refused in a row. No row: nothing since the last letter that it took.

    A row of its own, so that who saves a target does not overwrite it, and no letter writes to it while all goes well.
    """

    not_personal = ALL

    target = models.OneToOneField(Target, models.CASCADE, primary_key=True, related_name="breaker")
    refusals = models.PositiveSmallIntegerField(_("refused in a row"), default=1)
    refused_at = models.DateTimeField(_("last refused"), default=timezone.now)
    words = models.CharField(_("its server's words"), max_length=510)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(refusals__gte=1), name="protests_breaker_counts_from_1"),
            models.CheckConstraint(condition=~Q(words=""), name="protests_breaker_knows_why"),
        ]

    def __str__(self) -> str:
        return self.words

    @property
    def trial_at(self) -> datetime | None:
        """From when one letter may try again; None as long as letters go as always."""
        return next_trial(self.refusals, self.refused_at)

    @classmethod
    def note(cls, target: Target, words: str) -> "Breaker":
        """Count one more refusal by the target's server."""
        breaker, new = cls.objects.get_or_create(target=target, defaults={"words": words})
        if not new:  # nor written again if an organiser has deleted it meanwhile
            breaker.refusals, breaker.refused_at, breaker.words = breaker.refusals + 1, timezone.now(), words
            cls.objects.filter(target=target).update(
                refusals=F("refusals") + 1, refused_at=breaker.refused_at, words=words
            )
        return breaker


def next_trial(refusals: int, refused_at: datetime) -> datetime | None:
    if refusals < REFUSALS:
        return None
    return refused_at + min(FIRST_REST * 2 ** min(refusals - REFUSALS, 16), LONGEST_REST)


class MailDomainQuerySet(Pausable, models.QuerySet["MailDomain"]):
    def of_all(self) -> Self:
        return self.filter(domain=MailDomain.EVERY)


class MailDomain(models.Model):
    """The pace that all targets with addresses at one mail domain share; the domain `*` stands for all of them."""

    not_personal = ALL
    EVERY = "*"

    domain = models.CharField(
        _("mail domain"),
        max_length=253,
        unique=True,
        help_text=_("What stands behind the @ of several targets' addresses. * stands for all targets together."),
    )
    daily_cap = models.PositiveIntegerField(
        _("letters a day"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("For all targets there together, each with the calendar day of its time zone. Empty: no limit."),
    )
    spacing_seconds = models.PositiveIntegerField(
        _("seconds between letters"),
        default=0,
        validators=[MaxValueValidator(hours.DAY_SECONDS)],
        help_text=_("At least so long from one letter to any of them to the next. 0: no such limit."),
    )
    paused_at = models.DateTimeField(_("paused"), null=True, editable=False)

    objects = MailDomainQuerySet.as_manager()

    class Meta:
        verbose_name = _("mail domain")
        verbose_name_plural = _("mail domains")
        ordering = ["domain"]
        constraints = [
            models.CheckConstraint(
                condition=Q(domain__regex=r"^(\*|[^@\sA-Z*]+)$"),
                name="protests_mail_domain_is_plain",
                violation_error_message=_("Write what stands behind the @, in small letters; or * for all."),
            ),
            models.CheckConstraint(
                condition=Q(daily_cap=None) | Q(daily_cap__gte=1), name="protests_mail_domain_cap_is_above_0"
            ),
            models.CheckConstraint(
                condition=Q(spacing_seconds__gte=0, spacing_seconds__lte=hours.DAY_SECONDS),
                name="protests_mail_domain_spacing_is_sane",
            ),
        ]

    def __str__(self) -> str:
        return str(_("all targets")) if self.domain == self.EVERY else self.domain

    @classmethod
    def pause_all(cls) -> None:
        """Hold back all letters to all targets, whatever else is set."""
        cls.objects.get_or_create(domain=cls.EVERY)
        cls.objects.of_all().pause()

    @staticmethod
    def deliveries_of(pks: list[int]) -> "DeliveryQuerySet":
        domains = set(MailDomain.objects.filter(pk__in=pks).values_list("domain", flat=True))
        if MailDomain.EVERY in domains:
            return Delivery.objects.all()
        emails = Target.objects.values_list("pk", "email")
        return Target.deliveries_of([pk for pk, email in emails if domain_of(email) in domains])


def domain_of(email: str) -> str:
    return email.rpartition("@")[2].lower()


class TargetCountry(models.Model):
    """A country whose supporters a target answers for: where it has its seat, or where it is accredited too."""

    not_personal = ALL

    class Kind(models.TextChoices):
        SEAT = "seat", _("has its seat there")
        ACCREDITED = "accredited", _("is accredited there")

    target = models.ForeignKey(Target, models.CASCADE, related_name="countries", verbose_name=_("target"))
    country = models.CharField(_("country"), max_length=2, help_text=_("ISO 3166, two letters."))
    kind = models.CharField(_("how"), max_length=10, choices=Kind, default=Kind.SEAT)

    class Meta:
        verbose_name = _("country")
        verbose_name_plural = _("countries")
        ordering = ["country"]
        constraints = [
            models.UniqueConstraint(fields=["target", "country"], name="protests_target_country_once"),
            models.CheckConstraint(condition=Q(country__regex=r"^[A-Z]{2}$"), name="protests_target_country_is_iso"),
        ]

    def __str__(self) -> str:
        return self.country


class Addressee(models.Model):
    """That a letter goes to a target, and for whom."""

    not_personal = ALL

    class Rule(models.TextChoices):
        EVERYBODY = "everybody", _("everybody's letter")
        OWN_COUNTRY = "own_country", _("letters from its own countries")
        FALLBACK = "fallback", _("letters from countries that have no other addressee")

    letter = models.ForeignKey(Letter, models.CASCADE, related_name="addressees", verbose_name=_("letter"))
    target = models.ForeignKey(Target, models.PROTECT, related_name="addressees", verbose_name=_("target"))
    rule = models.CharField(_("gets"), max_length=12, choices=Rule, default=Rule.OWN_COUNTRY)

    class Meta:
        verbose_name = _("addressee")
        verbose_name_plural = _("addressees")
        ordering = ["rule", "target__name"]
        constraints = [models.UniqueConstraint(fields=["letter", "target"], name="protests_addressee_once")]

    def __str__(self) -> str:
        return f"{self.target} ({self.get_rule_display()})"


@dataclass(frozen=True)
class LettersRule(Rule):
    """
    What a letter is made of goes once none of the signer's letters can be sent again, or come back.

    That is some days after the last of them was accepted, refused, given up or withdrawn. One that is held back, or in
    doubt, keeps it for `at_most`. Updates need nothing of it: who wants them is a Subscriber.
    """

    days: int = BOUNCE_WINDOW.days
    after: str = "deliveries__settled_at"
    at_most: tuple[int, str] | None = (RECEIPT_FOR.days, "confirmed_at")

    def is_over(self, before: datetime) -> Q:
        lately = Delivery.objects.filter(signature=OuterRef("pk")).exclude(settled_at__lt=before)
        return Q(~Exists(lately), confirmed_at__lt=before)

    def began(self, row: Any) -> datetime | None:
        settled = [delivery.settled_at for delivery in row.deliveries.all()]
        return None if None in settled else max([*settled, row.confirmed_at], default=None)


class SignatureQuerySet(models.QuerySet["Signature"]):
    def counted(self) -> Self:
        """Signatures that stand: confirmed by the owner of the address, and not withdrawn."""
        return self.filter(confirmed_at__isnull=False, withdrawn_at=None)


class Signature(models.Model):
    """One person under one letter."""

    class Display(models.TextChoices):
        PUBLIC = "public", _("with my name")
        INITIALS = "initials", _("with my initials")
        ANONYMOUS = "anonymous", _("not at all")

    # No index of its own: that of the charts serves.
    letter = models.ForeignKey(
        Letter, models.PROTECT, related_name="signatures", verbose_name=_("letter"), db_index=False
    )
    text = models.ForeignKey(LetterText, models.PROTECT, related_name="signatures")
    # NULL once erased; until then one person signs one letter once.
    email_tag = TagField(null=True)
    email = EncryptedTextField(_("e-mail address"))
    name = EncryptedTextField(_("name"))
    organisation = EncryptedTextField(_("organisation"), blank=True)
    own_words = EncryptedTextField(_("own words"), blank=True)
    # What the salts of its letters in the public log are made of (protests.proving); mostly from the mailed secret.
    proof = EncryptedTextField(_("secret of the proof"), blank=True, editable=False)
    country = models.CharField(_("country"), max_length=2)
    display = models.CharField(_("shown on the site"), max_length=10, choices=Display, default=Display.ANONYMOUS)
    locale = models.CharField(_("language"), max_length=10)
    updates = models.BooleanField(_("wants updates"), default=False)
    consent_version = models.CharField(_("version of the consent"), max_length=20)
    consented_at = models.DateTimeField(_("consent given"))
    created_at = models.DateTimeField(_("signed"), default=timezone.now)
    confirmed_at = models.DateTimeField(_("confirmed"), null=True)
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True)

    objects = SignatureQuerySet.as_manager()

    personal: ClassVar = {
        "email_tag": Rule(_("So that one person signs a letter once."), days=30, after="letter__closed_at"),
        "email": LettersRule(_("To ask the person to confirm, and to tell of a letter that did not get through.")),
        "name": LettersRule(_("To sign the letter, and until then to show the signature as the person chose.")),
        "organisation": LettersRule(_("To sign the letter on behalf of it.")),
        "own_words": LettersRule(_("To stand in the letter.")),
        "proof": LettersRule(_("To show the person, and nobody else, their letters in the public log.")),
    }
    not_personal: ClassVar = frozenset(
        {
            "id",
            "letter",
            "text",
            "country",
            "display",
            "locale",
            "updates",
            "consent_version",
            "consented_at",
            "created_at",
            "confirmed_at",
            "withdrawn_at",
        }
    )

    class Meta:
        verbose_name = _("signature")
        verbose_name_plural = _("signatures")
        ordering = ["-pk"]
        permissions = [
            ("export_signature", _("Can export the signatures, with names as their owners chose to be shown"))
        ]
        constraints = [
            models.UniqueConstraint(fields=["email_tag", "letter"], name="protests_one_signature_per_person"),
            models.CheckConstraint(condition=Q(country__regex=r"^[A-Z]{2}$"), name="protests_signature_country_is_iso"),
            models.CheckConstraint(
                condition=Q(display__in=["public", "initials", "anonymous"]), name="protests_signature_display_is_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["letter", "-confirmed_at", "country"],
                condition=Q(confirmed_at__isnull=False, withdrawn_at=None),
                name="protests_signature_counted",
            ),
            models.Index(fields=["created_at"], condition=Q(confirmed_at=None), name="protests_signature_unconfirmed"),
            # For the charts: all that they count of who signed stands in it.
            models.Index(fields=["letter", "created_at", "country", "id"], name="protests_signature_signed"),
            models.Index(fields=["country", "id"], name="protests_signature_country"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} ({self.country}, {date_format(localtime(self.created_at), 'DATE_FORMAT')})"

    @classmethod
    def expired(cls) -> models.QuerySet[Any]:
        """Signatures that nobody confirmed in time."""
        return cls.objects.filter(confirmed_at=None, created_at__lt=timezone.now() - CONFIRM_WITHIN)


class HoldQuerySet(models.QuerySet["Hold"]):
    def waiting(self) -> Self:
        """Held signatures on which nobody has decided."""
        return self.filter(decision="")

    def releasable(self) -> Self:
        return self.waiting().filter(letter__in=Letter.objects.open().values("pk"))

    def undoable(self) -> Self:
        """Decisions that can be taken back: refused, or released and its mail has not left."""
        unmoved = Q(signature__confirmed_at=None, signature__consented_at=F("consented_at"))
        left = ConfirmationMail.objects.filter(signature=OuterRef("signature")).exclude(
            state__in=WAITING, attempts=0, maybe_left_at=None
        )
        released = Q(decision=Hold.Decision.RELEASED, signature__isnull=False) & unmoved & ~Exists(left)
        return self.filter(Q(decision=Hold.Decision.REFUSED) | released)


class Hold(models.Model):
    """
    A signature that waits until an organiser has looked at it: all that was typed, and nothing of it has been sent.

    It is no Signature yet, so that it changes nothing of one that its owner has made or confirmed.
    """

    class Decision(models.TextChoices):
        RELEASED = "released", pgettext_lazy("a held signature", "released")
        REFUSED = "refused", _("refused")

    letter = models.ForeignKey(Letter, models.CASCADE, related_name="holds", verbose_name=_("letter"))
    text = models.ForeignKey(LetterText, models.CASCADE, related_name="+")
    email_tag = TagField()
    email = EncryptedTextField(_("e-mail address"))
    name = EncryptedTextField(_("name"))
    organisation = EncryptedTextField(_("organisation"), blank=True)
    own_words = EncryptedTextField(_("own words"), blank=True)
    country = models.CharField(_("country"), max_length=2)
    display = models.CharField(_("shown on the site"), max_length=10, choices=Signature.Display)
    locale = models.CharField(_("language"), max_length=10)
    updates = models.BooleanField(_("wants updates"), default=False)
    consent_version = models.CharField(_("version of the consent"), max_length=20)
    consented_at = models.DateTimeField(_("consent given"))
    why = models.CharField(_("held because"), max_length=20, choices=Why)
    created_at = models.DateTimeField(_("held since"), default=timezone.now)
    network_tag = TagField(null=True)
    # What is alike has the same tag: the desk groups by them.
    domain_tag = TagField(null=True)
    name_tag = TagField(null=True)
    words_tag = TagField(null=True)
    decision = models.CharField(_("decision"), max_length=10, choices=Decision, blank=True)
    decided_at = models.DateTimeField(_("decided"), null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("decided by")
    )
    # The one that the release made; none where the person had one already.
    signature = models.ForeignKey(Signature, models.SET_NULL, null=True, related_name="+", verbose_name=_("signature"))

    objects = HoldQuerySet.as_manager()

    personal: ClassVar = {
        "email_tag": Rule(_("So that what one person posted waits once."), HELD_FOR.days, "created_at"),
        "email": Rule(_("To ask the person to confirm, if an organiser releases it."), HELD_FOR.days, "created_at"),
        "name": Rule(_("To sign the letter, if an organiser releases it."), HELD_FOR.days, "created_at"),
        "organisation": Rule(_("To sign the letter on behalf of it."), HELD_FOR.days, "created_at"),
        "own_words": Rule(_("To stand in the letter."), HELD_FOR.days, "created_at"),
        "network_tag": Rule(_("To see together what came from one network."), 1, "created_at"),
        "domain_tag": Rule(_("To see together what came from one mail domain."), HELD_FOR.days, "created_at"),
        "name_tag": Rule(_("To see similar names together."), HELD_FOR.days, "created_at"),
        "words_tag": Rule(_("To see similar words together."), HELD_FOR.days, "created_at"),
    }
    not_personal: ClassVar = frozenset(
        {
            "id",
            "letter",
            "text",
            "country",
            "display",
            "locale",
            "updates",
            "consent_version",
            "consented_at",
            "why",
            "created_at",
            "decision",
            "decided_at",
            "decided_by",
            "signature",
        }
    )

    class Meta:
        verbose_name = _("held signature")
        verbose_name_plural = _("held signatures")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["letter", "email_tag"], condition=Q(decision=""), name="protests_hold_waits_once"
            ),
            models.CheckConstraint(
                condition=Q(decision="", decided_at=None, decided_by=None)
                | Q(decision__in=["released", "refused"], decided_at__isnull=False),
                name="protests_hold_is_decided_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(signature=None) | Q(decision="released"), name="protests_hold_signs_when_released"
            ),
            models.CheckConstraint(condition=Q(why__in=[why.value for why in Why]), name="protests_hold_has_a_reason"),
            models.CheckConstraint(condition=Q(country__regex=r"^[A-Z]{2}$"), name="protests_hold_country_is_iso"),
        ]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(decision=""), name="protests_hold_waits"),
            models.Index(fields=["decided_at"], condition=~Q(decision=""), name="protests_hold_decided"),
            # For the charts, as of signatures.
            models.Index(fields=["created_at", "letter", "country"], name="protests_hold_held"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} ({self.country}, {date_format(localtime(self.created_at), 'DATE_FORMAT')})"

    @classmethod
    def expired(cls) -> models.QuerySet[Any]:
        """Held signatures on which was decided a while ago, or on which nobody has decided in time."""
        now = timezone.now()
        return cls.objects.filter(Q(decided_at__lt=now - UNDO_WITHIN) | Q(created_at__lt=now - HELD_FOR))


class Tally(models.Model):
    """How many signatures stood under a letter when protests.tallying last counted. No signer writes or locks it."""

    not_personal = ALL

    letter = models.OneToOneField(Letter, models.CASCADE, primary_key=True, related_name="tally")
    signed = models.PositiveIntegerField()
    counted_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.signed)

    @property
    def is_old(self) -> bool:
        """Whether a reader should be told when this was."""
        return self.counted_at < timezone.now() - TALLY_IS_OLD_AFTER


class ConfirmationMail(OutgoingMail):
    """The mail that asks a signer to confirm, or shows one who did the way to the receipt, once because of bad news."""

    signature = models.ForeignKey(Signature, models.CASCADE, related_name="mails")
    # The mailed secret opens /confirm/ and /receipt/. It stands here only until its mail was accepted.
    token = EncryptedTextField(blank=True)
    token_hash = TagField(unique=True)
    expires_at = models.DateTimeField()
    # Where the signature's own is past its date and deleted: the one that its owner typed again.
    email = EncryptedTextField(_("e-mail address"), blank=True)
    recipient_tag = TagField(null=True)
    # The one that tells a signer that a letter did not get through.
    bad_news = models.BooleanField(_("tells that a letter did not get through"), default=False, editable=False)

    objects: ClassVar[Any] = LinkMailQuerySet.as_manager()

    personal: ClassVar = OutgoingMail.personal_mail | {
        "token": Rule(_("To stand in the mailed link until the mail has left."), 7, "queued_at"),
        "email": Rule(_("To write to somebody whose address was deleted, until the mail has left."), 7, "queued_at"),
        "recipient_tag": Rule(_("So that nobody is sent more than a few mails a day."), 2, "created_at"),
    }
    not_personal: ClassVar = OutgoingMail.not_personal_mail | {"signature", "token_hash", "expires_at", "bad_news"}

    class Meta(OutgoingMail.Meta):
        verbose_name = _("mail to a signer")
        verbose_name_plural = _("mails to signers")
        constraints = [
            *OutgoingMail.Meta.constraints,
            models.UniqueConstraint(
                fields=["signature"], condition=Q(bad_news=True), name="protests_bad_news_is_told_once"
            ),
        ]
        indexes = [
            *OutgoingMail.Meta.indexes,
            models.Index(fields=["recipient_tag", "created_at"], name="protests_mails_to_a_mailbox"),
            models.Index(fields=["id"], condition=Q(bad_news=True), name="protests_mails_of_bad_news"),
        ]

    @classmethod
    def for_composing(cls) -> models.QuerySet[Any]:
        # The mails of a claim share the letters that were read, and what is learnt of them.
        return cls.objects.select_related("signature").prefetch_related("signature__letter__translations")

    def forget(self) -> dict[str, Any]:
        return {"token": "", "email": ""}


class DeliveryQuerySet(OutgoingMailQuerySet):
    def sendable(self) -> Self:
        """Leave out letters that an organiser holds back, or whose target's address is suspended: none is lost."""
        held = Target.objects.filter(Q(suspended_at__isnull=False) | Q(paused_at__isnull=False))
        return (
            self.exclude(Exists(MailDomain.objects.of_all().paused()))
            .exclude(target__in=held.values("pk"))
            .exclude(signature__letter__in=Letter.objects.paused().values("pk"))
        )

    def unsent(self) -> Self:
        """Letters that were refused, or failed."""
        return self.filter(state__among=UNSENT)


class Delivery(OutgoingMail):
    """One signer's letter to one target."""

    # No indexes of their own: each would be written three times a letter, and those below serve.
    signature = models.ForeignKey(
        Signature, models.CASCADE, related_name="deliveries", verbose_name=_("signature"), db_index=False
    )
    target = models.ForeignKey(
        Target, models.PROTECT, related_name="deliveries", verbose_name=_("target"), db_index=False
    )

    objects: ClassVar[Any] = DeliveryQuerySet.as_manager()

    personal = OutgoingMail.personal_mail
    not_personal: ClassVar = OutgoingMail.not_personal_mail | {"signature", "target"}

    class Meta(OutgoingMail.Meta):
        verbose_name = _("letter on its way")
        verbose_name_plural = _("letters on their way")
        permissions = [("hand_over", _("Can download letters, with names, to hand them over on paper"))]
        constraints = [
            *OutgoingMail.Meta.constraints,
            models.UniqueConstraint(fields=["signature", "target"], name="protests_one_letter_per_target"),
        ]
        # For the news of a few among a million that were accepted, and for what the pace asks. As in outbox.models,
        # none of them holds a column that is written in mid-sending.
        indexes = [
            *OutgoingMail.Meta.indexes,
            models.Index(fields=["settled_at"], condition=Q(state__in=UNSENT), name="protests_delivery_unsent"),
            # With state and signature: so what waits is counted, and joined to its letter, in the index alone.
            models.Index(
                fields=["target", "next_attempt_at", "state", "signature"],
                condition=Q(state__in=WAITING),
                name="protests_delivery_queue",
            ),
            models.Index(
                fields=["target", "settled_at"], condition=Q(state=State.ACCEPTED), name="protests_delivery_accepted"
            ),
        ]

    @classmethod
    def for_composing(cls) -> models.QuerySet[Any]:
        # What many letters share is read once for all of them: thus the letters of a claim to one target share what is
        # learnt of its breaker, too. The signer's address stands in none.
        targets = Target.objects.select_related("breaker").prefetch_related("translations")
        return (
            cls.objects.select_related("signature")
            .defer(
                *(
                    f"signature__{column}"
                    for column in ("email", "email_tag", "proof", "consent_version", "consented_at")
                )
            )
            .prefetch_related("signature__letter", "signature__text", Prefetch("target", targets))
        )

    def answered(self, state: State) -> bool:
        """
        Count the refusals of the target's server in a row; forget them with the first letter that it takes.

        Trouble on the way says nothing about the target: it has no reply code. When so many are refused that the
        server is to be left alone, the rest of the claim is given back.
        """
        known = getattr(self.target, "breaker", None)
        if state == State.ACCEPTED and known:
            Breaker.objects.filter(target=self.target_id).delete()
            self.target._state.fields_cache["breaker"] = None
        if state not in {State.DEFERRED, State.BOUNCED, State.FAILED}:
            return False
        answered = Delivery.objects.filter(pk=self.pk, reply_code__isnull=False)
        answer = answered.values_list("reply_code", "reply").first()
        if answer is None:
            return False
        code, reply = answer
        breaker = Breaker.note(self.target, self._unsigned(f"{code} {reply}".strip()))
        self.target._state.fields_cache["breaker"] = breaker
        return breaker.trial_at is not None

    def _unsigned(self, words: str) -> str:
        """Return a server's words without the signer's name: they stay with the target, longer than the name may."""
        return without_names(words, self.signature.name, self.signature.organisation)

    def bounced(self, words: str) -> None:
        """
        Suspend the target's address, and write the mail that tells the organisers.

        Not again while it is suspended, and not for a letter that left before an organiser corrected the address or
        found it right.
        """
        suspended = Target.objects.filter(
            pk=self.target_id, suspended_at=None, trusted_since__lte=self.handing_over_at or self.created_at
        ).update(suspended_at=timezone.now(), suspended_because=(words := self._unsigned(words)))
        if suspended:
            SuspensionNotice.objects.create(target=self.target, email=self.target.email, because=words)


def _is_hash(column: str) -> Q:
    return Q(**{f"{column}__regex": r"^[0-9a-f]{64}$"})


class LetterLogEntry(models.Model):
    """
    That a target's server accepted a letter, in a public hash chain (protests.proving). Nothing of its signer.

    No column leads to the letter: who has the commitment's salt, can show which one it is.
    """

    not_personal = ALL
    # Its database triggers refuse every change (protests.triggers).
    erasable: ClassVar[frozenset[str]] = frozenset()

    sequence = models.BigIntegerField(_("number"), primary_key=True)
    day = models.DateField(_("day"))
    letter = models.CharField(_("letter"), max_length=50)
    target = models.CharField(_("target"), max_length=50)
    target_name = models.CharField(_("name of the target"), max_length=200)
    # False in the sandbox, where no letter leaves the machine.
    live = models.BooleanField(_("live"))
    commitment = models.CharField(_("commitment"), max_length=64)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        verbose_name = _("entry of the log of letters")
        verbose_name_plural = _("log of letters")
        ordering = ["sequence"]
        constraints = [
            models.UniqueConstraint(fields=["commitment"], name="protests_letter_log_has_a_letter_once"),
            models.UniqueConstraint(fields=["previous_hash"], name="protests_letter_log_does_not_fork"),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="protests_letter_log_counts_from_one"),
            models.CheckConstraint(
                condition=_is_hash("commitment") & _is_hash("previous_hash") & _is_hash("hash"),
                name="protests_letter_log_holds_hashes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sequence}: {self.letter}, {self.target}, {self.day}"


class LetterLogHead(models.Model):
    """Where the log ended on a day, signed."""

    not_personal = ALL
    erasable: ClassVar[frozenset[str]] = frozenset()

    day = models.DateField(_("day"), unique=True)
    entries = models.BigIntegerField(_("number of entries"))
    hash = models.CharField(_("hash of the last entry"), max_length=64)
    public_key = models.CharField(_("public key"), max_length=64)
    signature = models.CharField(_("signature"), max_length=128)

    class Meta:
        verbose_name = _("signed head of the log of letters")
        verbose_name_plural = _("signed heads of the log of letters")
        ordering = ["day"]
        constraints = [
            models.CheckConstraint(condition=Q(entries__gte=1), name="protests_letter_log_head_counts_from_one"),
            models.CheckConstraint(
                condition=_is_hash("hash") & _is_hash("public_key") & Q(signature__regex=r"^[0-9a-f]{128}$"),
                name="protests_letter_log_head_is_signed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.entries}:{self.hash}"


class LoggedDelivery(models.Model):
    """That a delivery is in the log, so that it comes in once; not as which entry."""

    not_personal = ALL

    delivery = models.OneToOneField(Delivery, models.CASCADE, primary_key=True, related_name="logged")

    def __str__(self) -> str:
        return str(self.pk)


class SuspensionNotice(OutgoingMail):
    """The mail that tells the organisers that a target's address was suspended."""

    target = models.ForeignKey(Target, models.CASCADE, related_name="notices", verbose_name=_("target"))
    email = models.EmailField(_("e-mail address"), editable=False)
    because = models.CharField(_("its server's words"), max_length=500, editable=False)

    # An office's address, no person's.
    not_personal: ClassVar = OutgoingMail.not_personal_mail | {"reply", "target", "email", "because"}

    class Meta(OutgoingMail.Meta):
        verbose_name = _("notice of a suspended address")
        verbose_name_plural = _("notices of suspended addresses")

    @classmethod
    def for_composing(cls) -> models.QuerySet[Any]:
        return cls.objects.select_related("target")


class Digest(OutgoingMail):
    """The organisers' mail of a day: what became of the letters. It holds nothing of any supporter."""

    day = models.DateField(_("day"), unique=True, editable=False)
    since = models.DateTimeField(_("beginning"), editable=False)
    until = models.DateTimeField(_("end"), editable=False)

    not_personal: ClassVar = OutgoingMail.not_personal_mail | {"reply", "day", "since", "until"}

    class Meta(OutgoingMail.Meta):
        verbose_name = _("organisers' mail of a day")
        verbose_name_plural = _("organisers' mails of a day")
        constraints = [
            *OutgoingMail.Meta.constraints,
            models.CheckConstraint(condition=Q(since__lt=F("until")), name="protests_digest_is_of_some_time"),
        ]


def slug_is_free(slug: str) -> None:
    """Refuse the one address below /pickets/ that the form has."""
    if slug == "add":
        raise ValidationError(_("This is the address of the form. Choose another one."))


class PicketQuerySet(OfStrikeQuerySet, SubmittedQuerySet):
    def coming(self) -> Self:
        """What one can still go to: what has no day is held regularly."""
        return self.exclude(self._over())

    def past(self) -> Self:
        return self.filter(self._over())

    @staticmethod
    def _over() -> Q:
        now = timezone.now()
        return Q(ends_at__isnull=False, ends_at__lt=now) | Q(
            ends_at=None, starts_at__isnull=False, starts_at__lt=now - PICKET_LASTS
        )

    def dots(self) -> list[tuple[float, float, int, int]]:
        """Return where on earth they are, each place with how many there are and how many of them are to come."""
        rows = (
            self.order_by()
            .values_list("country", "time_zone", "latitude", "longitude")
            .annotate(count=Count("pk"), over=Count("pk", filter=self._over()))
        )
        found = []
        for country, time_zone, latitude, longitude, count, over in rows:
            place = mapping.around(country, time_zone) if latitude is None else (float(latitude), float(longitude))
            if place:
                found.append((*place, count, count - over))
        return found

    def by_country(self) -> list[tuple[str, int, int]]:
        """Return each country with how many are to come and how many are past, in the order of the names."""
        rows = self.order_by().values_list("country").annotate(over=Count("pk", filter=self._over()), all=Count("pk"))
        counted = [(country, count - over, over) for country, over, count in rows]
        return sorted(counted, key=lambda row: country_name(row[0]).casefold())


class Picket(Submitted, TranslatableModel):
    """A protest in the street: a picket, a collection, a rally. Visitors send them in, too."""

    personal = Submitted.personal_submitted
    not_personal: ClassVar = Submitted.not_personal_submitted | {
        *("slug", "strike", "kind", "country", "target", "starts_at", "ends_at", "time_zone", "latitude", "longitude"),
        "changed_at",
    }

    class Kind(models.TextChoices):
        PICKET = "picket", _("picket")
        COLLECTION = "collection", _("street collection")
        RALLY = "rally", _("rally")

    slug = models.SlugField(_("short name"), unique=True, validators=[slug_is_free])
    strike = models.ForeignKey(Strike, models.CASCADE, related_name="pickets", verbose_name=_("strike"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.PICKET)
    country = models.CharField(_("country"), max_length=2, help_text=_("ISO 3166, two letters."))
    target = models.ForeignKey(
        Target,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="pickets",
        verbose_name=_("outside"),
        help_text=_("The office outside which it is held, if letters go there: its page tells how to hand them over."),
    )
    starts_at = models.DateTimeField(
        _("begins"),
        null=True,
        blank=True,
        help_text=_(
            "By the clock of the place. Of a day that is only roughly known, the first that is possible; say below "
            "what is known. Empty: held regularly, and listed as coming until you withdraw it."
        ),
    )
    ends_at = models.DateTimeField(
        _("ends"), null=True, blank=True, help_text=_("By the clock of the place. Empty: not said; two hours or so.")
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        blank=True,
        validators=[hours.validate_time_zone],
        help_text=_("As in the IANA list: Europe/Berlin, Asia/Almaty. Empty: the country's, if it has only one."),
    )
    latitude = models.DecimalField(
        _("latitude"),
        max_digits=7,
        decimal_places=5,
        null=True,
        blank=True,
        help_text=_("For the map, such as 51.50853. Both empty: the main city of the time zone stands for the place."),
    )
    longitude = models.DecimalField(
        _("longitude"), max_digits=8, decimal_places=5, null=True, blank=True, help_text=_("West is below 0: -0.12574.")
    )
    translations = TranslatedFields(
        place=models.CharField(
            _("place"), max_length=200, help_text=_("The town; or the country, if no more is known.")
        ),
        address=models.CharField(
            _("where to meet"), max_length=300, blank=True, help_text=_("Street and number, or a corner of a square.")
        ),
        date_text=models.CharField(_("date in words"), max_length=60, blank=True),
        text=models.TextField(_("text"), blank=True, help_text=_("Markdown.")),
    )
    changed_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = PicketQuerySet.as_manager()

    class Meta(Submitted.Meta):
        verbose_name = _("picket")
        verbose_name_plural = _("pickets")
        ordering = ["-starts_at", "pk"]
        constraints = [
            *Submitted.Meta.constraints,
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(starts_at__isnull=False, ends_at__gt=F("starts_at")),
                name="protests_picket_ends_after_it_began",
                violation_error_message=_("It ends before it begins, or has an end without a beginning."),
            ),
            models.CheckConstraint(
                condition=Q(latitude=None, longitude=None)
                | Q(
                    latitude__isnull=False,
                    longitude__isnull=False,
                    latitude__gte=-90,
                    latitude__lte=90,
                    longitude__gte=-180,
                    longitude__lte=180,
                ),
                name="protests_picket_is_on_earth",
                violation_error_message=_(
                    "A place on the map has a latitude from -90 to 90 and a longitude from -180 to 180, or neither."
                ),
            ),
        ]
        permissions = [("export_picket", _("Can export the pickets"))]

    def __str__(self) -> str:
        return self.safe_translation_getter("place", any_language=True) or self.slug

    def clean(self) -> None:
        """Take the country's time zone if its clocks agree; else a time would be of another place."""
        if self.starts_at and not self.time_zone and (zones := mapping.zones_of(self.country)):
            self.time_zone = mapping.only_zone(self.country, self.starts_at)
            if not self.time_zone:
                raise ValidationError(
                    {"time_zone": _("Choose the time zone: %(zones)s.") % {"zones": ", ".join(zones)}}
                )

    def get_absolute_url(self) -> str:
        return reverse("protests:picket", args=[self.slug])

    @property
    def zone(self) -> ZoneInfo:
        return hours.zone(self.time_zone)

    @property
    def is_past(self) -> bool:
        """Whether it is over; the same rule as PicketQuerySet.past()."""
        if self.starts_at is None:
            return False
        return (self.ends_at or self.starts_at + PICKET_LASTS) < timezone.now()

    @property
    def has_begun(self) -> bool:
        """Whether somebody may have been there."""
        return self.starts_at is None or self.starts_at <= timezone.now()

    @property
    def ends_the_same_day(self) -> bool:
        if self.starts_at is None or self.ends_at is None:
            return False
        return self.starts_at.astimezone(self.zone).date() == self.ends_at.astimezone(self.zone).date()

    @property
    def in_words(self) -> str:
        """The day as a person gave it, for one that is only roughly known or comes again; else empty."""
        return self.safe_translation_getter("date_text", any_language=True) or ""

    @property
    def has_an_hour(self) -> bool:
        """Whether it can stand in a calendar: a day in words is known only roughly, or comes again."""
        return self.starts_at is not None and not any(text.date_text for text in self.translations.all())


class PicketReportQuerySet(PublishedQuerySet, SubmittedQuerySet):
    def published(self) -> Self:
        """What readers may see now: what is told of a picket that is not published waits for it."""
        return self.released().filter(picket__in=Picket.objects.published())


class PicketReport(Submitted, TranslatableModel):
    """What somebody tells of a picket afterwards, with pictures."""

    personal = Submitted.personal_submitted
    not_personal: ClassVar = Submitted.not_personal_submitted | {"picket", "organisation", "people"}

    picket = models.ForeignKey(Picket, models.CASCADE, related_name="reports", verbose_name=_("picket"))
    organisation = models.CharField(
        _("from"), max_length=150, blank=True, help_text=_("The branch or group that tells it, no person's name.")
    )
    people = models.PositiveIntegerField(_("how many took part"), null=True, blank=True)
    translations = TranslatedFields(text=models.TextField(_("report"), help_text=_("Plain text.")))
    pictures = models.ManyToManyField(Picture, blank=True, related_name="picket_reports", verbose_name=_("pictures"))

    objects = PicketReportQuerySet.as_manager()

    class Meta(Submitted.Meta):
        verbose_name = _("report from a picket")
        verbose_name_plural = _("reports from pickets")
        ordering = ["-pk"]
        constraints = [
            *Submitted.Meta.constraints,
            models.CheckConstraint(
                condition=Q(people=None) | Q(people__gte=1, people__lte=PEOPLE_AT_MOST),
                name="protests_picketreport_people_came",
                violation_error_message=_("At least one took part; empty if nobody counted."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.picket}: {self.organisation}" if self.organisation else str(self.picket)

    def get_absolute_url(self) -> str:
        return f"{self.picket.get_absolute_url()}#report-{self.pk}"
