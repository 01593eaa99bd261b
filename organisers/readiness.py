"""What the readiness page asks of the record of what organisers did."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from organisers import auditing
from outbox.readiness import RUNNING, Check, Finding, blocking, ok
from outbox.resolving import Names


def record(names: Names) -> Finding:
    """The record's chain is whole, and the database guards it."""
    if faults := auditing.verify():
        return blocking(
            _("The record of what organisers did is not whole. %(first)s") % {"first": faults[0]},
            _("Run `manage.py verify_audit`, which names each fault, and find out who changed the database."),
        )
    return ok(_("The record of what organisers did is whole: %(count)d entries.") % {"count": auditing.end()[0]})


RUNNING.append(Check(gettext_lazy("Record"), record))
