"""What waits for the owners: a record of what organisers did that somebody changed."""

from collections.abc import Iterator

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from organisers import auditing
from outbox.deciding import User, Waiting, asks


@asks
def record(user: User) -> Iterator[Waiting]:
    """Only the newest entries, and the guard: all of them the readiness page looks at."""
    if user.has_perm("organisers.view_auditentry") and auditing.verify(newest=200):
        yield Waiting(
            what=_("The record of what organisers did was changed"),
            to_do=_("Tell your operator: the readiness page and `manage.py verify_audit` say what is wrong."),
            url=reverse("admin:readiness"),
            found=1,
        )
