"""The database's own guard over the log of letters: it is only ever added to (privacy.triggers)."""

from privacy.triggers import Triggers

LOG = Triggers("protests", "the log of letters is only ever added to")
