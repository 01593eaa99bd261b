"""The mails to signers, and the organisers' mail of a day."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from outbox.models import LinkMailQuerySet, OutgoingMail
from privacy.fields import EncryptedTextField, TagField
from privacy.registry import Rule
from protests.models.letters import Signature


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
