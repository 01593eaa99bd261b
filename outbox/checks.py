"""The system check that every queue can be sent."""

from typing import Any

from django.core import checks

from outbox.engine import queues
from outbox.messages import can_compose


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
