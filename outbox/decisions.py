"""What waits for organisers of mail: what is in doubt, in any queue, and a machine that does not run as it should."""

from collections.abc import Iterator

from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from outbox.deciding import User, Waiting, asks, list_of, waiting
from outbox.models import State, queues
from outbox.readiness import Level, beat, deleting, restored, worker
from outbox.resolving import Names


@asks
def in_doubt(user: User) -> Iterator[Waiting]:
    for queue in queues():
        meta = queue._meta
        if user.has_perm(f"{meta.app_label}.change_{meta.model_name}"):
            yield waiting(
                queue._default_manager.in_doubt(),
                "created_at",
                order="pk",
                what=format_lazy(_("In doubt: {mails}"), mails=meta.verbose_name_plural),
                to_do=_("Look into the mail provider's log whether they arrived: settle them, or send them again."),
                url=list_of(queue, state__exact=State.IN_DOUBT),
            )


@asks
def machine(user: User) -> Iterator[Waiting]:
    """Only what is cheap to find out, and makes all else wait."""
    if not user.is_superuser:
        return
    names = Names()
    for check in (restored, beat, worker, deleting):
        finding = check(names)
        if finding.level != Level.OK:
            yield Waiting(finding.says, finding.to_do, reverse("admin:readiness"), 1)
