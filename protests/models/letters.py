"""Letters, whom they go to, who signs, and each letter on its way. They know each other, so they stand together."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, F, OuterRef, Prefetch, Q
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from parler.managers import TranslatableQuerySet
from parler.models import TranslatableModel, TranslatedFields

from campaign.models import Activist, OfStrikeQuerySet, Strike, published_at
from outbox.models import BOUNCE_WINDOW, WAITING, OutgoingMail, OutgoingMailQuerySet, State
from privacy.fields import EncryptedTextField, TagField
from privacy.registry import ALL, Rule
from privacy.showing import without_names
from protests import hours, wording

# An unconfirmed signature is forgotten after this; the mailed link works no longer.
CONFIRM_WITHIN = timedelta(days=7)
# A count of signatures that is older says so.
TALLY_IS_OLD_AFTER = timedelta(minutes=2)
# How long the mailed link opens the receipt.
RECEIPT_FOR = timedelta(days=180)
# A letter in these states goes nowhere any more, unless an organiser sends it again.
UNSENT = (State.BOUNCED, State.FAILED)
# Refusals in a row after which a target's server is left alone for a while, which doubles with each refused trial.
REFUSALS = 5
FIRST_REST = timedelta(minutes=15)
LONGEST_REST = timedelta(days=1)


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
