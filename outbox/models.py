"""
The transactional outbox: a mail is a row, and the row alone is the memory of what happened to it.

An app makes a queue by subclassing OutgoingMail, and registers in its `emails` module what composes the message;
outbox.engine does the rest.
"""

import uuid
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, ClassVar, Self

from django.apps import apps
from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.db.models.lookups import In
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from privacy.registry import ALL, Rule
from privacy.tags import new_token, tag

# Until when a mail that was accepted may still come back: for as long as a server tries, and nine days more.
BOUNCE_WINDOW = timedelta(days=settings.OUTBOX_GIVE_UP_DAYS + 9)


class State(models.TextChoices):
    """Where a mail stands. `accepted` means that the next server took it, not that anybody read it."""

    QUEUED = "queued", _("waiting to be sent")
    SENDING = "sending", _("being sent")
    ACCEPTED = "accepted", _("accepted by the addressee's server")
    DEFERRED = "deferred", _("put off by the server, will be tried again")
    BOUNCED = "bounced", _("refused by the addressee's server")
    FAILED = "failed", _("could not be sent")
    IN_DOUBT = "in_doubt", _("in doubt: handed over, but no answer came back")
    CANCELLED = "cancelled", _("withdrawn before it was sent")


# Nothing of a mail in these states has left yet, and it is nobody's turn: it may be claimed, or withdrawn.
WAITING = (State.QUEUED, State.DEFERRED)
# What few mails are in, for long.
SELDOM = (State.DEFERRED, State.BOUNCED, State.FAILED, State.IN_DOUBT, State.CANCELLED)


@models.CharField.register_lookup
class Among(In):
    """
    `state__among`: IN, with the states written into the statement instead of bound to it.

    SQLite uses a partial index only if it reads there, when it plans, that the index holds all the rows; and of one
    state it reads that only from `=`.
    """

    lookup_name = "among"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        sql, states = super().as_sql(compiler, connection)
        written = [f"'{State(str(state))}'" for state in states]
        if len(written) == 1:
            column, _none = self.process_lhs(compiler, connection)
            return f"{column} = {written[0]}", ()
        return sql % tuple(written), ()


def new_message_id() -> str:
    """Return a Message-ID (RFC 5322, 3.6.4) under the campaign's own domain; the row keeps it through all retries."""
    return f"<{uuid.uuid4().hex}@{settings.MAIL_FROM.rpartition('@')[2]}>"


class OutgoingMailQuerySet(models.QuerySet[Any]):
    def sendable(self) -> Self:
        """Mails that nothing beside their own state holds back. A queue with such a reason leaves those out here."""
        return self.all()

    def due(self) -> Self:
        """Mails whose turn has come."""
        return self.sendable().filter(state__among=WAITING, next_attempt_at__lte=timezone.now())

    def waiting(self) -> Self:
        """Mails that have not left, and that can still be withdrawn."""
        return self.filter(state__among=WAITING)

    def held(self) -> Self:
        """Mails that a worker holds, or held when it was last heard of: being sent, or in doubt."""
        return self.filter(state__among=(State.SENDING, State.IN_DOUBT))

    def repeatable(self) -> Self:
        """Mails that only a person's word sends again: refused, failed, or in doubt."""
        return self.filter(state__in=(State.BOUNCED, State.FAILED, State.IN_DOUBT))

    def in_doubt(self) -> Self:
        return self.held().filter(state=State.IN_DOUBT)

    def cancel(self) -> int:
        """
        Withdraw what has not left; return how many. A mail that a worker holds is not touched.

        One that waits to be sent again, and may have left before, is not sent again; it is in doubt as it was.
        """
        self.waiting().filter(maybe_left_at__isnull=False).update(
            state=State.IN_DOUBT, handing_over_at=F("maybe_left_at")
        )
        return self.waiting().update(state=State.CANCELLED, settled_at=timezone.now())

    def send_again(self) -> int:
        """
        Queue again what was refused, failed or is in doubt, under the same Message-ID; return how many.

        Only ever on a person's word: a mail in doubt may have arrived.
        """
        return self.repeatable().update(
            state=State.QUEUED,
            next_attempt_at=timezone.now(),
            queued_at=timezone.now(),
            deferred_since=None,
            maybe_left_at=Coalesce(F("handing_over_at"), F("maybe_left_at")),
            handing_over_at=None,
            settled_at=None,
            lease="",
            leased_until=None,
        )

    def settle_as_accepted(self) -> int:
        """Record a person's finding that mails in doubt did arrive; return how many."""
        return self.in_doubt().update(state=State.ACCEPTED, settled_at=timezone.now())


class LinkMailQuerySet(OutgoingMailQuerySet):
    """Mails with a secret link: columns `token`, which is forgotten once the mail was accepted, and `token_hash`."""

    @transaction.atomic
    def send_again(self) -> int:
        """Queue again as every mail; one whose secret is forgotten gets a new one, and its old link ends."""
        for pk in list(self.repeatable().filter(token="").values_list("pk", flat=True)):
            token = new_token()
            rows = self.model._default_manager.filter(pk=pk, token="")
            rows.update(token=token, token_hash=tag("token", token))
        return super().send_again()


class OutgoingMail(models.Model):
    """One message to one recipient."""

    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED, editable=False)
    created_at = models.DateTimeField(_("written"), default=timezone.now, editable=False)
    # When it was last put into the queue: the bounce address of each sending differs.
    queued_at = models.DateTimeField(_("queued"), default=timezone.now, editable=False)
    next_attempt_at = models.DateTimeField(_("next attempt"), default=timezone.now, editable=False)
    # Since when the server puts it off: from here the engine counts the days after which it gives up.
    deferred_since = models.DateTimeField(_("put off since"), null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, editable=False)
    message_id = models.CharField("Message-ID", max_length=255, default=new_message_id, editable=False)
    # The worker that holds the row, and until when it may be believed to live.
    lease = models.CharField(max_length=32, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    # Set just before the final dot of DATA goes out: from here on, the message may have arrived.
    handing_over_at = models.DateTimeField(_("handed over"), null=True, editable=False)
    # Set when a mail in doubt is sent again: whatever becomes of it now, it may have arrived before.
    maybe_left_at = models.DateTimeField(_("may have left before"), null=True, editable=False)
    settled_at = models.DateTimeField(_("settled"), null=True, editable=False)
    reply_code = models.PositiveSmallIntegerField(_("reply code"), null=True, editable=False)
    # The server's words, without the recipient's address; or our own reason where no server was asked.
    reply = models.CharField(_("reply"), max_length=500, blank=True, editable=False)

    objects = OutgoingMailQuerySet.as_manager()

    # The columns above, for the registry of each concrete queue.
    not_personal_mail: ClassVar = frozenset(
        {
            "id",
            "state",
            "created_at",
            "queued_at",
            "next_attempt_at",
            "deferred_since",
            "attempts",
            "message_id",
            "lease",
            "leased_until",
            "handing_over_at",
            "maybe_left_at",
            "settled_at",
            "reply_code",
        }
    )
    # For queues of mails to supporters, or of what they wrote: a server may repeat any of it in its answer.
    personal_mail: ClassVar = {
        "reply": Rule(
            _("To see what a mail server answered."), BOUNCE_WINDOW.days, "settled_at", at_most=(180, "created_at")
        )
    }

    class Meta:
        abstract = True
        constraints = [
            # Not `unique=True`: PostgreSQL would get a second index, for LIKE, to write each letter to.
            models.UniqueConstraint(fields=["message_id"], name="%(app_label)s_%(class)s_message_id_once"),
            models.CheckConstraint(
                condition=Q(state__in=[s.value for s in State]), name="%(app_label)s_%(class)s_state_is_known"
            ),
            models.CheckConstraint(
                condition=~Q(state=State.SENDING) | (~Q(lease="") & Q(leased_until__isnull=False)),
                name="%(app_label)s_%(class)s_sending_has_a_lease",
            ),
            models.CheckConstraint(
                condition=Q(state__in=(State.SENDING, State.IN_DOUBT, State.ACCEPTED, State.BOUNCED))
                | Q(handing_over_at__isnull=True),
                name="%(app_label)s_%(class)s_waiting_is_not_handed_over",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state__in=(State.QUEUED, State.DEFERRED)),
                name="%(app_label)s_%(class)s_due",
            ),
            # Not on `leased_until`, which the engine writes once a mail: PostgreSQL spares the indexes (HOT) only if
            # none of the written columns is in one. Nor on `lease`, which the planner would take for the key.
            models.Index(
                fields=["id"],
                condition=Q(state__in=(State.SENDING, State.IN_DOUBT)),
                name="%(app_label)s_%(class)s_held",
            ),
            # For the desk's filter: of a million mails these are few. OR, not IN: so SQLite knows one of them in it.
            models.Index(
                fields=["state", "id"],
                condition=reduce(or_, (Q(state=state) for state in SELDOM)),
                name="%(app_label)s_%(class)s_few",
            ),
        ]

    def __str__(self) -> str:
        return self.message_id

    @classmethod
    def for_composing(cls) -> models.QuerySet[Any]:
        """Return the rows with all that its composer reads, so that a batch takes one query."""
        return cls._default_manager.all()

    def forget(self) -> dict[str, Any]:
        """Return columns to overwrite once the message was accepted, such as the secret of a mailed link."""
        return {}

    def bounced(self, words: str) -> None:
        """
        Do what else follows when this mail, which was accepted, came back refused for good.

        Called once, in the transaction that records it; `words` are a server's, without any address.
        """

    def answered(self, state: State) -> bool:
        """
        Take note of what the server answered, once it is recorded: accepted, put off, refused, or not at all.

        Return whether the rest of the claim is to be given back, because its pace changes with this answer.
        """
        return False

    @property
    def gives_up_at(self) -> datetime:
        """When the engine stops trying: RFC 5321, 4.5.4.1 asks for at least 4 to 5 days."""
        return (self.deferred_since or timezone.now()) + timedelta(days=settings.OUTBOX_GIVE_UP_DAYS)


def queues() -> list[type[OutgoingMail]]:
    """Return every concrete queue."""
    return [model for model in apps.get_models() if issubclass(model, OutgoingMail)]


class TrialLetter(OutgoingMail):
    """A mail to an organiser's own address, by the same way as every letter."""

    organiser = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="trial_letters", verbose_name=_("organiser")
    )

    not_personal: ClassVar = OutgoingMail.not_personal_mail | {"reply", "organiser"}

    class Meta(OutgoingMail.Meta):
        verbose_name = _("trial letter")
        verbose_name_plural = _("trial letters")

    @classmethod
    def for_composing(cls) -> models.QuerySet[Any]:
        return cls.objects.select_related("organiser")


class Heartbeat(models.Model):
    """When one of the program's own processes was last known to live; and since when mail is paused by a restore."""

    not_personal = ALL

    BEAT = "beat"
    WORKER = "worker"
    # Written by a restore, with the rows that it brings; nothing is sent while it stands.
    RESTORED = "restored"

    name = models.CharField(max_length=20, primary_key=True)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name

    @classmethod
    def stamp(cls, name: str) -> None:
        cls.objects.update_or_create(name=name, defaults={"seen_at": timezone.now()})

    @classmethod
    def paused_since(cls) -> datetime | None:
        """Return since when nothing is sent, because a backup was restored."""
        return cls.objects.filter(name=cls.RESTORED).values_list("seen_at", flat=True).first()
