"""
Files that only organisers see: a photo or scan of a counted sheet, a receipt.

A picture is drawn anew: where and with what it was taken, or what else a file hides, is not kept. A PDF is kept as it
is. Both are stored encrypted in the database, and handed out as downloads alone.
"""

import re
import struct
from base64 import b64decode, b64encode
from hashlib import sha256
from io import BytesIO
from pathlib import PurePath
from typing import BinaryIO

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from donations.models import StoredFile

MAXIMUM_BYTES = 8 * 1024 * 1024
# What a browser offers to choose from. A phone that takes HEIC turns it into JPEG by itself.
ACCEPTED = "image/jpeg,image/png,image/webp,application/pdf"
# To be held in memory: a small file can claim to hold a far larger picture. A large JPEG is read smaller at once.
_MAXIMUM_PIXELS = 40_000_000
# In pixels: handwriting on a sheet of A4 is still read well.
_LONGEST_SIDE = 2400
_QUALITY = 82
_PDF_ENDS_WITHIN = 2048


def take(file: BinaryIO, *, name: str, by: User | None) -> StoredFile:
    """Store an uploaded file. Raises ValidationError, with words for who sent it, and then keeps nothing."""
    content = file.read(MAXIMUM_BYTES + 1)
    if len(content) > MAXIMUM_BYTES:
        raise ValidationError(
            _("This file is larger than %(limit)d MB."), params={"limit": MAXIMUM_BYTES // 1024 // 1024}
        )
    if not content:
        raise ValidationError(_("This file is empty."))
    stem = re.sub(r"[^\w.-]+", "-", PurePath(name.replace("\\", "/")).stem)[:100].strip("-.") or "file"
    if content.startswith(b"%PDF-"):
        if b"%%EOF" not in content[-_PDF_ENDS_WITHIN:]:
            raise ValidationError(_("This PDF is cut off or broken. Please save it anew."))
        kept, media_type, ending = content, "application/pdf", "pdf"
    else:
        kept, media_type, ending = _drawn_anew(content), "image/jpeg", "jpg"
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


def _drawn_anew(content: bytes) -> bytes:
    """Return the picture as a JPEG with nothing in it but the picture. Raises ValidationError."""
    try:
        with Image.open(BytesIO(content), formats=["JPEG", "PNG", "WEBP"]) as opened:
            opened.draft("RGB", (_LONGEST_SIDE, _LONGEST_SIDE))
            if opened.width * opened.height > _MAXIMUM_PIXELS:
                raise ValidationError(_("This picture has too many pixels. Please send a smaller one."))
            picture = opened if opened.mode in {"RGB", "L"} else opened.convert("RGBA")
            picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
    except (OSError, SyntaxError, ValueError, EOFError, KeyError, struct.error, Image.DecompressionBombError) as error:
        raise ValidationError(
            _("This is no picture or PDF that we can read. Please send JPEG, PNG, WebP or PDF.")
        ) from error
    paper = Image.new("RGB", upright.size, "white")  # JPEG knows no transparency
    paper.paste(upright, mask=upright.getchannel("A"))
    drawn = BytesIO()
    paper.save(drawn, "JPEG", quality=_QUALITY, optimize=True)
    return drawn.getvalue()
