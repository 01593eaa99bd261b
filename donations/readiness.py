"""What the readiness page asks of the books."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from donations import ledger
from outbox.readiness import RUNNING, Check, Finding, blocking, ok
from outbox.resolving import Names


def books(names: Names) -> Finding:
    """The ledger's chain is whole, and the books are as it tells."""
    faults = ledger.verify()
    if faults:
        return blocking(
            _("The books are not as the ledger tells. %(first)s") % {"first": faults[0]},
            _("Run `manage.py verify_ledger`, which names each fault, and find out who changed the database."),
        )
    return ok(_("The books are as the ledger tells, up to event %(head)s.") % {"head": ledger.head()})


RUNNING.append(Check(gettext_lazy("Ledger"), books))
