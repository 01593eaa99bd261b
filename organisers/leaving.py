"""When an organiser leaves, or has lost the second factor."""

import logging
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q

from organisers import auditing, inviting, sessions, verifying

logger = logging.getLogger(__name__)
OWNER = "Owner"


class LastOwner(Exception):
    """Without this person nobody could let anybody in."""


def owners() -> Any:
    """Return those who may invite, let go, and reset a second factor: they alone decide about other people."""
    rows = get_user_model().objects.filter(Q(is_superuser=True) | Q(groups__name=OWNER), is_active=True, is_staff=True)
    return rows.distinct()


def is_owner(user: Any) -> bool:
    return bool(user.is_active and user.is_staff and owners().filter(pk=user.pk).exists())


@transaction.atomic
def let_go(user: Any) -> None:
    """
    Close an account: no password, second factor, session or open invitation is left. What they did stays.

    Raises LastOwner.
    """
    everybody = get_user_model().objects.select_for_update().order_by("pk")
    # Of two owners who let each other go at the same moment, one stays.
    list(everybody.filter(pk__in=owners().values("pk")))
    user = everybody.get(pk=user.pk)
    if not owners().exclude(pk=user.pk).exists():
        raise LastOwner
    user.is_active = False
    user.set_unusable_password()
    user.save(update_fields=["is_active", "password"])
    verifying.remove_all(user)
    inviting.withdraw_of(user)
    sessions.end(user)
    auditing.write("let go", None, user)
    logger.warning("Account %s was closed, and its sessions ended.", user.pk)


@transaction.atomic
def reset_second_factor(user: Any) -> int:
    """Remove all second factors of a person and end their sessions: the next login sets up a new one."""
    removed = verifying.remove_all(user)
    auditing.write("second factor reset", None, user)
    sessions.end(user)
    logger.warning("The second factor of account %s was reset, and its sessions ended.", user.pk)
    return removed
