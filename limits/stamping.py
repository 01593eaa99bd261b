"""
The stamp in a form: when the page with it was made.

It is the same for all who read the page within a slice of time, so that the page can be cached whole, and says nothing
of them. It only ever makes a post wait for a person's look, or be sent once more; it never refuses it.
"""

import hmac
import time
from datetime import timedelta

from privacy.tags import tag

SLICE = 10
# A page may stay open in a browser for long; a stamp that is used for longer has been copied.
LASTS = timedelta(days=2)


def stamp(made_at: float | None = None) -> str:
    """Return the stamp for a page that is made now."""
    slice_ = str(int((time.time() if made_at is None else made_at) // SLICE))
    return f"{slice_}.{tag('form stamp', slice_)[:32]}"


def age(posted: str) -> timedelta | None:
    """Return at most how long ago the page was made; None for one that is not ours, too old or yet to come."""
    slice_, _dot, signed = posted.partition(".")
    if not (slice_.isascii() and slice_.isdecimal() and len(slice_) < 16):
        return None
    if not hmac.compare_digest(tag("form stamp", slice_)[:32].encode(), signed.encode()):
        return None
    passed = timedelta(seconds=time.time() - int(slice_) * SLICE)
    return passed if timedelta(0) <= passed < LASTS else None
