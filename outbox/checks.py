"""The system checks: that every queue can be sent, and that every key to sign with can be used."""

from typing import Any

from django.conf import settings
from django.core import checks

from outbox.bounces import LOCAL_PART_LIMIT, Claim
from outbox.dkim_signing import KeyUnusable, is_open_to_others, load
from outbox.messages import can_compose
from outbox.models import queues


def every_queue_has_a_composer(**kwargs: Any) -> list[checks.CheckMessage]:
    """Fail for a queue whose rows nobody turns into messages: each would be set aside as poisoned."""
    return [
        checks.Error(
            f"Nothing composes the messages of {queue._meta.label}.",
            hint="Decorate a function in the app's emails module with @composes.",
            id="outbox.E001",
        )
        for queue in queues()
        if not can_compose(queue)
    ]


def every_dkim_key_is_usable(**kwargs: Any) -> list[checks.CheckMessage]:
    """Fail for a key of the settings that is missing, is no key, or is open to others on this machine."""
    errors: list[checks.CheckMessage] = []
    for selector, path in settings.DKIM_KEYS:
        try:
            load(selector, path, settings.DKIM_DOMAIN)
            if is_open_to_others(path):
                errors.append(
                    checks.Error(
                        f"The DKIM key {path} is open to every user of this machine.",
                        hint=f"Keep it to its owner: chmod 600 {path}",
                        id="outbox.E003",
                    )
                )
        except KeyUnusable as error:
            hint = f"`manage.py make_dkim_key {selector}` makes a key. DKIM_KEY_FILE names it."
            errors.append(checks.Error(str(error), hint=hint, id="outbox.E002"))
    return errors


def every_queue_has_a_bounce_address(**kwargs: Any) -> list[checks.CheckMessage]:
    """Fail for a queue whose name does not fit into a bounce address, or is another one's too."""
    names = [str(queue._meta.model_name) for queue in queues()]
    wrong: list[checks.CheckMessage] = []
    for queue, name in zip(queues(), names, strict=True):
        longest = Claim(name, pk=2**63 - 1, queued=2**32 - 1).local_part
        if len(longest) > LOCAL_PART_LIMIT or names.count(name) > 1:
            wrong.append(
                checks.Error(
                    f"The name of {queue._meta.label} is too long for a bounce address, or is another queue's too.",
                    hint="The model's name, without the app's, stands in the address that its bounces come back to.",
                    id="outbox.E004",
                )
            )
    return wrong
