"""Inviting a new organiser: a link that is good once, for three days, and can be taken back."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from organisers import auditing
from organisers.models import Invitation
from outbox import tasks
from privacy.tags import new_token, tag


class NotOpen(Exception):
    """The invitation was used or withdrawn, or has expired, or never was."""


def link(token: str) -> str:
    """Return what is mailed."""
    return settings.BASE_URL + reverse("organisers:invitation", args=[token])


@transaction.atomic
def invite(invitation: Invitation) -> str:
    """Save the invitation and mail it; return its secret. An open one to the same address ends."""
    withdraw(Invitation.objects.filter(pk__in=_open_to(invitation.email)))
    token = new_token()
    invitation.token, invitation.token_hash = token, tag("token", token)
    invitation.save()
    auditing.write("invited", invitation.invited_by_id, invitation)
    tasks.send.delay_on_commit(Invitation._meta.label_lower)
    return token


def found(token: str) -> Invitation:
    """Return the open invitation whose secret this is. Raises NotOpen."""
    invitation: Invitation | None = Invitation.objects.open().filter(token_hash=tag("token", token)).first()
    if invitation is None:
        raise NotOpen
    return invitation


@transaction.atomic
def accept(invitation: Invitation, user: AbstractUser) -> None:
    """Make the account, with the invitation's roles. Raises NotOpen if somebody was faster."""
    locked = Invitation.objects.select_for_update().open().filter(pk=invitation.pk).first()
    if locked is None or not locked.invited_by.is_active:
        raise NotOpen
    user.email, user.is_staff = locked.email, True
    user.save()
    user.groups.set(locked.roles.all())
    if not Invitation.objects.open().filter(pk=locked.pk).update(user=user, token=""):
        raise NotOpen
    Invitation.objects.filter(pk=locked.pk).cancel()
    auditing.write("invitation accepted", user.pk, locked)


@transaction.atomic
def withdraw(invitations: Any) -> int:
    """End the links, and what has not been mailed yet; return how many."""
    pks = list(invitations.open().values_list("pk", flat=True))
    rows = Invitation.objects.filter(pk__in=pks)
    done: int = rows.open().update(withdrawn_at=timezone.now(), token="")
    rows.cancel()
    return done


def withdraw_of(user: AbstractUser) -> int:
    """End the open invitations that a person has sent, or that went to their address."""
    sent = Invitation.objects.open().filter(invited_by_id=user.pk).values_list("pk", flat=True)
    return withdraw(Invitation.objects.filter(pk__in={*sent, *_open_to(user.email)}))


def is_taken(email: str) -> bool:
    """Whether an organiser with this address can log in already."""
    return get_user_model().objects.filter(email__iexact=email, is_active=True).exists()


def _open_to(email: str) -> list[int]:
    """Return the open invitations to an address. Each has to be read: encrypted, the database cannot compare them."""
    if not email:
        return []
    rows: Iterable[Any] = Invitation.objects.open().only("pk", "email")
    return [row.pk for row in rows if row.email.casefold() == email.casefold()]
