"""
What organisers may do, as groups that are made anew after each migration: one table, and nothing to click together.

A pattern matches permissions as Django names them (`campaign.change_strike`); one that begins with `!` takes away what
those before it gave. What an app adds later falls under its pattern.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from django.apps import apps as all_apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from parler.models import TranslatableModel

ROLES: dict[str, tuple[str, ...]] = {
    # Writes the story and the letters, and mails updates; sees no supporter's name.
    "Editor": (
        "campaign.*",
        "!campaign.*_subscriber",
        "!campaign.*_subscriptionmail",
        "!campaign.*_mydatamail",
        "!campaign.erase_person",
        *("protests.*_letter", "protests.*_addressee", "protests.*_target", "protests.*_targetcountry"),
        *("protests.*_picket", "protests.*_picketreport", "protests.*_maildomain"),
        *("protests.view_lettertext", "protests.view_digest", "protests.view_suspensionnotice"),
    ),
    # Looks at what visitors send in and at what became of mails; publishes nothing of the campaign's own words.
    "Moderator": (
        *("campaign.*_messageofsupport", "campaign.*_endorsement", "campaign.*_comment"),
        *("campaign.view_strike", "campaign.view_update", "campaign.view_activist"),
        *("campaign.view_picture", "campaign.change_picture"),  # what a report from a picket came with
        *("campaign.view_subscriber", "campaign.change_subscriber"),
        *("campaign.view_subscriptionmail", "campaign.change_subscriptionmail"),
        *("campaign.view_mydatamail", "campaign.change_mydatamail"),
        *("campaign.view_mailing", "campaign.view_mailingcopy", "campaign.change_mailingcopy"),
        *("protests.view_*", "protests.change_hold", "protests.delete_signature"),
        *("protests.change_delivery", "protests.change_confirmationmail", "protests.change_maildomain"),
        *("protests.change_suspensionnotice", "protests.change_digest"),
        *("protests.*_picket", "protests.*_picketreport", "limits.*_block"),
    ),
    # Looks after the money: funds, pledges, the bank's lines, what is paid to families.
    "Treasurer": ("donations.*",),
    # Changes the words of what there is, in any language; see `_words` for which that is.
    "Translator": (),
    "Owner": ("*",),
}
# Words that only money's own people touch.
_NOT_TRANSLATED = ("donations.*_bankaccount",)


def make_groups(sender: Any, apps: Any = all_apps, **kwargs: Any) -> None:
    """Give each role's group exactly its permissions. Called when all that was to be migrated is."""
    try:
        apps.get_model("auth", "Group")
    except LookupError:  # somebody migrates step by step
        return
    # Django makes those of the last app only after this was called.
    create_permissions(sender, verbosity=0, apps=apps)
    known = {
        f"{app}.{codename}": pk
        for app, codename, pk in Permission.objects.order_by().values_list("content_type__app_label", "codename", "pk")
    }
    with transaction.atomic():
        for name, patterns in ROLES.items():
            group, _new = Group.objects.get_or_create(name=name)
            granted = matching(known, patterns) if patterns else matching(known, _words())
            group.permissions.set([known[permission] for permission in granted])


def matching(permissions: Iterable[str], patterns: Iterable[str]) -> set[str]:
    """Return those of the permissions that the patterns give."""
    names, found = list(permissions), set[str]()
    for pattern in patterns:
        named = {name for name in names if fnmatchcase(name, pattern.removeprefix("!"))}
        found = found - named if pattern.startswith("!") else found | named
    return found


def _words() -> list[str]:
    """Return the patterns for a translator: to look at and change whatever has words in several languages."""
    models = [model._meta for model in all_apps.get_models() if issubclass(model, TranslatableModel)]
    kept = [f"{meta.app_label}.{act}_{meta.model_name}" for meta in models for act in ("view", "change")]
    return [*kept, *(f"!{pattern}" for pattern in _NOT_TRANSLATED)]
