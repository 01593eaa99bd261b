"""What the readiness page asks of the log of accepted letters."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from outbox.readiness import RUNNING, Check, Finding, blocking, ok, warning
from outbox.resolving import Names
from protests import proving


def log(names: Names) -> Finding:
    """The log's chain is whole, and it was signed lately."""
    if faults := proving.verify():
        return blocking(
            _("The log of accepted letters is not whole. %(first)s") % {"first": faults[0]},
            _("Run `manage.py verify_log`, which names each fault, and find out who changed the database."),
        )
    if proving.is_old(head := proving.newest_head()):
        return warning(
            _("The log of accepted letters was last signed on %(day)s.") % {"day": head.day if head else ""},
            _("See that beat and a worker run; the worker's log says if it refuses to sign, and why."),
        )
    return ok(_("The log of accepted letters is whole: %(count)d entries.") % {"count": proving.end()[0]})


RUNNING.append(Check(gettext_lazy("Log of letters"), log))
