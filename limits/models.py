"""What the limits on public forms are counted by, and what organisers have blocked."""

from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from privacy.fields import TagField
from privacy.registry import ALL, Rule

FORGET_POSTS_AFTER = timedelta(days=1)


class Why(models.TextChoices):
    """Why a post is held until an organiser has looked at it."""

    BLOCKED_NETWORK = "blocked_network", _("the network is blocked")
    BLOCKED_DOMAIN = "blocked_domain", _("the mail domain is blocked")
    TRAP = "trap", _("a field was filled in that people do not see")
    TOO_FAST = "too_fast", _("sent faster than people type")
    NETWORK = "network", _("too many from one network")
    DOMAIN = "domain", _("too many from one mail domain")
    NO_PROOF = "no_proof", _("near a limit, without proof of work")
    UNKNOWN = "unknown", _("the limits could not be checked")


class Post(models.Model):
    """That a form was posted: rows are only ever added, so that nobody who posts waits for another."""

    network_tag = TagField(verbose_name=_("fingerprint of the network"))
    # None for what was held: a flood of held posts must not use up the limit of those who share the domain.
    domain_tag = TagField(null=True, verbose_name=_("fingerprint of the mail domain"))
    created_at = models.DateTimeField(default=timezone.now)

    personal: ClassVar = {
        "network_tag": Rule(_("So that nobody floods the forms: how many came from one network."), 1, "created_at"),
        # Of a domain that one person owns, it is that person's.
        "domain_tag": Rule(_("So that nobody floods the forms: how many came from one mail domain."), 1, "created_at"),
    }
    not_personal: ClassVar = frozenset({"id", "created_at"})

    class Meta:
        verbose_name = _("posted form")
        verbose_name_plural = _("posted forms")
        indexes = [
            models.Index(fields=["network_tag", "-created_at"], name="limits_posts_of_a_network"),
            models.Index(
                fields=["domain_tag", "-created_at"],
                condition=Q(domain_tag__isnull=False),
                name="limits_posts_of_a_domain",
            ),
            models.Index(fields=["created_at"], name="limits_posts_by_age"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @classmethod
    def expired(cls) -> models.QuerySet[Any]:
        return cls.objects.filter(created_at__lt=timezone.now() - FORGET_POSTS_AFTER)


class SpentProof(models.Model):
    """A solved challenge that has been used, so that nobody uses it twice."""

    not_personal = ALL

    challenge = models.CharField(max_length=64, primary_key=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.challenge

    @classmethod
    def expired(cls) -> models.QuerySet[Any]:
        return cls.objects.filter(expires_at__lt=timezone.now())


def in_a_month() -> datetime:
    return timezone.now() + timedelta(days=30)


def plain_network(text: str) -> str:
    """Return a network as it is compared: 192.0.2.0/24, 2001:db8::/32, or one address. Raises ValidationError."""
    try:
        network = ip_network(text.strip(), strict=False)
    except ValueError as error:
        raise ValidationError(_("This is no network: write 192.0.2.0/24, 2001:db8::/32 or one address.")) from error
    mapped = getattr(network.network_address, "ipv4_mapped", None)  # as limits.networks reads addresses
    return f"{mapped}/{network.prefixlen - 96}" if mapped and network.prefixlen >= 96 else str(network)


class BlockQuerySet(models.QuerySet["Block"]):
    def current(self) -> Self:
        return self.filter(expires_at__gt=timezone.now())


class Block(models.Model):
    """A mail domain or a network whose posts are held, for a reason and for a time."""

    domain = models.CharField(
        _("mail domain"),
        max_length=253,
        blank=True,
        help_text=_("What stands behind the @, in small letters. Domains below it are blocked, too."),
    )
    network = models.CharField(
        _("network"),
        max_length=49,
        blank=True,
        help_text=_("192.0.2.0/24, 2001:db8::/32 or one address, as your operator knows it from the server."),
    )
    # Of a held signature, whose address nobody knows.
    network_tag = TagField(null=True, verbose_name=_("fingerprint of the network"))
    reason = models.CharField(_("reason"), max_length=200)
    created_at = models.DateTimeField(_("blocked since"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("blocked until"), default=in_a_month)

    objects = BlockQuerySet.as_manager()

    personal: ClassVar = {
        "network": Rule(_("To hold what comes from a network from which the forms were flooded."), 1, "expires_at"),
        "network_tag": Rule(_("To hold what comes from a network from which the forms were flooded."), 1, "expires_at"),
    }
    not_personal: ClassVar = frozenset({"id", "domain", "reason", "created_at", "expires_at"})

    class Meta:
        verbose_name = _("blocked network or mail domain")
        verbose_name_plural = _("blocked networks and mail domains")
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=(~Q(domain="") & Q(network="", network_tag=None))
                | (Q(domain="", network_tag=None) & ~Q(network=""))
                | Q(domain="", network="", network_tag__isnull=False),
                name="limits_block_is_of_one_thing",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="limits_block_has_a_reason"),
            models.CheckConstraint(
                condition=Q(domain="") | Q(domain__regex=r"^[^@\sA-Z*]+$"),
                name="limits_block_domain_is_plain",
                violation_error_message=_("Write what stands behind the @, in small letters."),
            ),
        ]

    def __str__(self) -> str:
        return self.domain or self.network or str(_("network of a held signature (%s…)")) % (self.network_tag or "")[:8]

    def clean(self) -> None:
        # The constraint's own check is left out where the form lacks one of its columns.
        if [bool(self.domain), bool(self.network), bool(self.network_tag)].count(True) != 1:
            raise ValidationError(_("Fill in a mail domain or a network, one of the two."))
        if self.network:
            self.network = plain_network(self.network)

    @classmethod
    def expired(cls) -> models.QuerySet[Any]:
        return cls.objects.filter(expires_at__lt=timezone.now())
