"""
Files that only organisers see: a photo or scan of a counted sheet, a receipt.

A picture is drawn anew: where and with what it was taken, or what else a file hides, is not kept. A PDF is kept as it
is. Both are stored encrypted in the database, and handed out as downloads alone.
"""

import re
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import PurePath
from typing import BinaryIO

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from campaign import picturing
from donations.models import StoredFile

# What a browser offers to choose from.
ACCEPTED = f"{picturing.ACCEPTED},application/pdf"
# In pixels: handwriting on a sheet of A4 is still read well.
_LONGEST_SIDE = 2400
_QUALITY = 82
_PDF_ENDS_WITHIN = 2048


def take(file: BinaryIO, *, name: str, by: User | None) -> StoredFile:
    """Store an uploaded file. Raises ValidationError, with words for who sent it, and then keeps nothing."""
    sent = picturing.content(file)
    stem = re.sub(r"[^\w.-]+", "-", PurePath(name.replace("\\", "/")).stem)[:100].strip("-.") or "file"
    if sent.startswith(b"%PDF-"):
        if b"%%EOF" not in sent[-_PDF_ENDS_WITHIN:]:
            raise ValidationError(_("This PDF is cut off or broken. Please save it anew."))
        kept, media_type, ending = sent, "application/pdf", "pdf"
    else:
        kept, media_type, ending = _drawn_anew(sent), "image/jpeg", "jpg"
    stored = StoredFile(
        name=f"{stem}.{ending}",
        media_type=media_type,
        content=b64encode(kept).decode(),
        sha256=sha256(kept).hexdigest(),
        size=len(kept),
        stored_by=by,
    )
    stored.save()
    return stored


def content(stored: StoredFile) -> bytes:
    """Return the file, or nothing if it was erased."""
    return b64decode(stored.content)


def _drawn_anew(sent: bytes) -> bytes:
    """Return the picture as a JPEG with nothing in it but the picture. Raises ValidationError."""
    try:
        return picturing.jpeg(picturing.draw(sent, within=(_LONGEST_SIDE, _LONGEST_SIDE)), _QUALITY)
    except picturing.NotAPicture as error:
        raise ValidationError(
            _("This is no picture or PDF that we can read. Please send JPEG, PNG, WebP or PDF.")
        ) from error
