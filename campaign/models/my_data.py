"""The mails that open to people what is held of them."""

from datetime import timedelta
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from outbox.models import LinkMailQuerySet, OutgoingMail
from privacy.fields import EncryptedTextField, TagField
from privacy.registry import Rule

# How long the mailed link opens the page, and how long the page stays open after the first change there.
OPEN_FOR = timedelta(hours=24)
OPEN_AFTER_USE = timedelta(hours=1)
KEPT_FOR = timedelta(days=14)


class MyDataMail(OutgoingMail):
    """The mail with the link to all that is held of an address, or with the word that nothing is."""

    # Where it goes, until it was accepted; and whose page its link opens.
    email = EncryptedTextField(_("e-mail address"), blank=True)
    email_tag = TagField(null=True)
    language = models.CharField(_("language"), max_length=10)
    token = EncryptedTextField(blank=True)
    # Of the mailed secret; once the link was used, of the one under which the page goes on.
    token_hash = TagField(unique=True)
    expires_at = models.DateTimeField(_("link works until"))
    used_at = models.DateTimeField(_("link used"), null=True, editable=False)
    recipient_tag = TagField(null=True)

    objects: ClassVar[Any] = LinkMailQuerySet.as_manager()

    personal: ClassVar = OutgoingMail.personal_mail | {
        "email": Rule(_("To mail you the link, until the mail has left."), 7, "queued_at"),
        "email_tag": Rule(_("To open your data to you while the link works."), 2, "created_at"),
        "token": Rule(_("To stand in the mailed link until the mail has left."), 7, "queued_at"),
        "recipient_tag": Rule(_("So that nobody is sent more than a few mails a day."), 2, "created_at"),
    }
    not_personal: ClassVar = OutgoingMail.not_personal_mail | {"language", "token_hash", "expires_at", "used_at"}

    class Meta(OutgoingMail.Meta):
        verbose_name = _("mail to somebody who asks for their data")
        verbose_name_plural = _("mails to those who ask for their data")
        permissions = [("erase_person", _("Can see and erase all that is held of an address"))]
        indexes = [
            *OutgoingMail.Meta.indexes,
            models.Index(fields=["recipient_tag", "created_at"], name="campaign_data_mails_to_a_box"),
            models.Index(
                fields=["email_tag"], condition=models.Q(email_tag__isnull=False), name="campaign_data_mails_of_one"
            ),
        ]

    def forget(self) -> dict[str, Any]:
        return {"token": "", "email": ""}

    @classmethod
    def expired(cls) -> models.QuerySet[Any]:
        """Those that can neither be opened nor come back any more."""
        return cls.objects.filter(created_at__lt=timezone.now() - KEPT_FOR)
