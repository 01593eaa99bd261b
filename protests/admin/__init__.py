"""The organisers' desk for letters and pickets."""

from protests.admin import letters, mails, pausing, pickets, shared, signatures, targets

__all__ = [
    "letters",
    "mails",
    "pausing",
    "pickets",
    "shared",
    "signatures",
    "targets",
]
