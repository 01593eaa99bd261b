"""The database's own guard over the record of what organisers did: it is only ever added to (privacy.triggers)."""

from privacy.triggers import Triggers

AUDIT = Triggers("organisers", "the record of what organisers did is only ever added to")
