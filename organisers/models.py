"""Who may come in at the organisers' door: sessions, attempts that failed, and invitations."""

import time
from base64 import b32encode
from datetime import timedelta
from typing import Any, ClassVar, Self
from urllib.parse import quote, urlencode

from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.sessions.base_session import AbstractBaseSession, BaseSessionManager
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from django_otp.models import Device, TimestampMixin
from django_otp.oath import TOTP
from django_otp.util import random_hex

from outbox.models import LinkMailQuerySet, OutgoingMail
from privacy.fields import EncryptedTextField, TagField, Unreadable
from privacy.registry import ALL, Rule
from privacy.tags import tag

FORGET_ATTEMPTS_AFTER = timedelta(days=1)
INVITED_FOR = timedelta(hours=72)


class SessionQuerySet(models.QuerySet["Session"]):
    def alive(self) -> Self:
        """Sessions that are neither too old nor idle for too long."""
        now = timezone.now()
        return self.filter(
            expire_date__gt=now,
            begun_at__gt=now - timedelta(hours=settings.SESSION_HOURS),
            seen_at__gt=now - timedelta(minutes=settings.SESSION_IDLE_MINUTES),
        )


class Session(AbstractBaseSession):
    """A session as Django's own, of which is known whose it is: so it can be shown to them, and ended."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="sessions")
    begun_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    # "Firefox on Linux", no more.
    browser = models.CharField(max_length=40, blank=True)

    objects: ClassVar[Any] = BaseSessionManager.from_queryset(SessionQuerySet)()

    personal: ClassVar = {
        "browser": Rule(_("So that organisers know their own sessions again, and can end a stranger's."), 2, "seen_at")
    }
    not_personal: ClassVar = frozenset({"session_key", "session_data", "expire_date", "user", "begun_at", "seen_at"})

    class Meta(AbstractBaseSession.Meta):
        abstract = False

    @classmethod
    def get_session_store_class(cls) -> Any:
        return import_string(f"{settings.SESSION_ENGINE}.SessionStore")

    @property
    def handle(self) -> str:
        """What a page may name the session by: the key itself is all that a thief would need."""
        return tag("session", self.session_key)[:32]

    @classmethod
    def expired(cls) -> models.QuerySet[Any]:
        return cls.objects.exclude(pk__in=cls.objects.alive().values("pk"))


class Factor(models.TextChoices):
    PASSWORD = "password", _("password")
    SECOND = "second", _("second factor")


class Attempt(models.Model):
    """An attempt to log in that failed, or is being looked at; what succeeds leaves no row."""

    name_tag = TagField()
    network_tag = TagField()
    # Of a browser in which this person logged in before; see organisers.lockout.
    browser_tag = TagField(null=True)
    factor = models.CharField(max_length=8, choices=Factor)
    created_at = models.DateTimeField(default=timezone.now)

    personal: ClassVar = {
        column: Rule(_("So that nobody guesses an organiser's password: how many attempts failed."), 2, "created_at")
        for column in ("name_tag", "network_tag")
    } | {"browser_tag": Rule(_("So that an attacker elsewhere does not lock an organiser out."), 2, "created_at")}
    not_personal: ClassVar = frozenset({"id", "factor", "created_at"})

    class Meta:
        verbose_name = _("failed attempt to log in")
        verbose_name_plural = _("failed attempts to log in")
        indexes = [
            models.Index(fields=["name_tag", "-created_at"], name="organisers_attempts_at_a_name"),
            models.Index(fields=["network_tag", "-created_at"], name="organisers_attempts_of_network"),
            models.Index(fields=["created_at"], name="organisers_attempts_by_age"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(factor__in=Factor.values), name="organisers_attempt_factor_is_known")
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @classmethod
    def expired(cls) -> models.QuerySet[Any]:
        return cls.objects.filter(created_at__lt=timezone.now() - FORGET_ATTEMPTS_AFTER)


def new_key() -> str:
    return random_hex(20)


class CodeApp(TimestampMixin, Device):
    """
    An app that shows codes (TOTP, RFC 6238), as a second factor.

    Not django-otp's own, which keeps the secret in the clear: whoever reads the database could compute its codes.
    """

    # In hexadecimal.
    key = EncryptedTextField(default=new_key, editable=False)
    # By how many half minutes the phone's clock is off, as far as we know, and of which the last code was.
    drift = models.SmallIntegerField(default=0, editable=False)
    last_t = models.BigIntegerField(default=-1, editable=False)

    not_personal: ClassVar = frozenset(
        {"id", "user", "name", "confirmed", "key", "drift", "last_t", "created_at", "last_used_at"}
    )

    class Meta:
        verbose_name = _("app that shows codes")
        verbose_name_plural = _("apps that show codes")
        constraints = [
            # Of an empty secret everybody can compute the codes.
            models.CheckConstraint(condition=~Q(key=""), name="organisers_codeapp_has_a_secret")
        ]

    @property
    def is_readable(self) -> bool:
        return not isinstance(self.key, Unreadable)

    @property
    def bin_key(self) -> bytes:
        return bytes.fromhex(self.key)

    def code_at(self, moment: float) -> str:
        """Return the code that the app shows then."""
        totp = TOTP(self.bin_key)
        totp.time = moment
        return f"{totp.token():06d}"

    def verify_token(self, token: str) -> bool:
        """Whether it is the code of this half minute, or of the one before or after; each is good once."""
        if not (self.is_readable and token.isascii() and token.isdecimal()):
            return False
        totp = TOTP(self.bin_key, drift=self.drift)
        totp.time = time.time()
        if not totp.verify(int(token), 1, self.last_t + 1):
            return False
        self.last_t, self.drift = totp.t(), totp.drift
        self.set_last_used_timestamp(commit=False)
        self.save(update_fields=["last_t", "drift", "last_used_at"])
        return True

    @property
    def config_url(self) -> str:
        """What the app reads as a QR code."""
        issuer = settings.OTP_ISSUER.replace(":", "")
        told = {"secret": b32encode(self.bin_key).decode(), "issuer": issuer, "algorithm": "SHA1", "digits": 6}
        label = quote(f"{issuer}:{self.user.get_username()}", safe="")
        return f"otpauth://totp/{label}?{urlencode(told | {'period': 30}, quote_via=quote)}"


def in_three_days() -> Any:
    return timezone.now() + INVITED_FOR


class InvitationQuerySet(LinkMailQuerySet):
    def open(self) -> Self:
        """Invitations whose link still lets somebody in."""
        return self.filter(user=None, withdrawn_at=None, expires_at__gt=timezone.now())


class Invitation(OutgoingMail):
    """A link by which one person makes an account of their own, once: the row is the mail that brings it, too."""

    email = EncryptedTextField(_("e-mail address"))
    roles = models.ManyToManyField(Group, verbose_name=_("roles"))
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="invitations", verbose_name=_("invited by")
    )
    language = models.CharField(_("language"), max_length=10, default="en")
    # The mailed secret stands here only until its mail was accepted.
    token = EncryptedTextField(blank=True)
    token_hash = TagField(unique=True)
    expires_at = models.DateTimeField(_("valid until"), default=in_three_days, editable=False)
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True, editable=False)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="invited_as",
        verbose_name=_("account made"),
    )

    objects: ClassVar[Any] = InvitationQuerySet.as_manager()

    personal: ClassVar = {
        "email": Rule(_("To mail the invitation to a new organiser."), 30, "expires_at"),
        "token": Rule(_("To stand in the mailed link until the mail has left."), 7, "created_at"),
        **OutgoingMail.personal_mail,
    }
    not_personal: ClassVar = OutgoingMail.not_personal_mail | {
        *("invited_by", "language", "token_hash", "expires_at", "withdrawn_at", "user"),
    }

    class Meta(OutgoingMail.Meta):
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ["-created_at"]
        constraints = [
            *OutgoingMail.Meta.constraints,
            models.CheckConstraint(
                condition=Q(user=None) | Q(withdrawn_at=None), name="organisers_withdrawn_invitation_is_not_used"
            ),
            models.CheckConstraint(
                condition=Q(expires_at__lte=F("created_at") + timedelta(days=4)),
                name="organisers_invitation_ends_soon",
            ),
        ]

    def __str__(self) -> str:
        # No address: the desk's own history keeps these words for ever.
        return str(self.pk)

    @classmethod
    def for_composing(cls) -> models.QuerySet[Any]:
        return cls.objects.select_related("invited_by")

    def forget(self) -> dict[str, Any]:
        return {"token": ""}

    @property
    def standing(self) -> Any:
        """How the invitation stands, in words."""
        if self.user_id:
            return _("used")
        if self.withdrawn_at:
            return _("withdrawn")
        return _("expired") if self.expires_at <= timezone.now() else _("open")


class AuditEntry(models.Model):
    """
    That an organiser did something, in a hash chain (organisers.auditing). No supporter's data, and no name.

    Kept as long as the campaign's database: a chain of which a part was cut away proves less, and nothing in it is
    about supporters. Who acted is the number of an account, which outlives the account.
    """

    not_personal = ALL
    # Its database triggers refuse every change (organisers.triggers).
    erasable: ClassVar[frozenset[str]] = frozenset()

    at = models.DateTimeField(_("when"))
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        related_name="+",
        verbose_name=_("who"),
    )
    act = models.CharField(_("what"), max_length=30)
    # The name of the desk's page, and of the act on it.
    page = models.CharField(_("page"), max_length=100, blank=True)
    model = models.CharField(_("kind"), max_length=100, blank=True)
    object_id = models.CharField(_("key"), max_length=64, blank=True)
    name = models.CharField(_("name"), max_length=200, blank=True)
    changes = models.JSONField(_("before and after"), default=dict, blank=True)
    previous_hash = models.CharField(max_length=64, editable=False)
    hash = models.CharField(max_length=64, editable=False)

    class Meta:
        verbose_name = _("entry of the record")
        verbose_name_plural = _("record of what organisers did")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["model", "object_id", "-id"], name="organisers_audit_of_a_row"),
            models.Index(fields=["act", "-id"], name="organisers_audit_by_act"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["previous_hash"], name="organisers_audit_does_not_fork"),
            models.CheckConstraint(
                condition=Q(previous_hash__regex=r"^[0-9a-f]{64}$") & Q(hash__regex=r"^[0-9a-f]{64}$"),
                name="organisers_audit_holds_hashes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.act} {self.model} {self.object_id}"
