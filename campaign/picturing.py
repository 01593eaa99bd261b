"""
Pictures that people send, drawn anew: where and with what they were taken, or what else a file hides, is not kept.

They are kept as JPEG, which every phone and every service that shows a preview of a link reads.
"""

import re
import struct
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Any, BinaryIO, NamedTuple

from django.apps import apps
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Model, TextField
from django.utils import timezone
from django.utils.translation import gettext as _
from parler.models import TranslatedFieldsModel
from PIL import ExifTags, Image

from campaign import media_files
from campaign.models import Activist, Endorsement
from campaign.models.pictures import LARGE, Picture

MAXIMUM_BYTES = 8 * 1024 * 1024
# What a browser offers to choose from. A phone that takes HEIC turns it into JPEG by itself.
ACCEPTED = "image/jpeg,image/png,image/webp"
# To be held in memory: a small file can claim to hold a far larger picture. A large JPEG is read smaller at once; one
# whose parts come one after the other is held whole all the same.
_MAXIMUM_PIXELS = 40_000_000
_MAXIMUM_PIXELS_READ_SMALLER = 110_000_000
# A scroll of a picture is cut down to this height.
_TALLEST = 2400
_QUALITY = 80
# What a JPEG consists of that holds its picture and nothing else: tables, frame, scans.
_BARE = {0xDB, 0xC0, 0xC2, 0xC4, 0xDD, 0xDA}
_SCAN, _JFIF, _END = 0xDA, 0xE0, b"\xff\xd9"
_AFTER_A_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7]")
_NAME = re.compile(r"([0-9a-f]{64})-[0-9]{1,4}\.jpg")
# A picture takes up to some hundred MB while it is drawn: each process draws one at a time, and lets one more wait.
_drawing, _places = Lock(), BoundedSemaphore(2)
_WAIT_SECONDS = 10
# By what Exif says of how the camera was held.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, LookupError, struct.error)


class NotAPicture(Exception):
    """The file is none of the pictures that we read."""


def content(file: BinaryIO) -> bytes:
    """Return what was uploaded. Raises ValidationError if it is too much, or nothing."""
    read = file.read(MAXIMUM_BYTES + 1)
    if len(read) > MAXIMUM_BYTES:
        raise ValidationError(
            _("This file is larger than %(limit)d MB."), params={"limit": MAXIMUM_BYTES // 1024 // 1024}
        )
    if not read:
        raise ValidationError(_("This file is empty."))
    return read


def draw(sent: bytes, *, within: tuple[int, int]) -> Image.Image:
    """
    Return the picture upright, no larger than `within`, with nothing but its colours.

    Raises NotAPicture; or ValidationError for too large a picture, and while too many others are drawn.
    """
    busy = ValidationError(_("Others are sending pictures at this moment. Please send yours again in a minute."))
    if not _places.acquire(blocking=False):
        raise busy
    try:
        if not _drawing.acquire(timeout=_WAIT_SECONDS):
            raise busy
        try:
            return _draw(sent, within)
        finally:
            _drawing.release()
    finally:
        _places.release()


def _held(picture: Image.Image) -> Any:
    """Return how the camera was held, if it says so in a way that can be read: without that it is a picture, too."""
    try:
        return picture.getexif().get(ExifTags.Base.Orientation)
    except (*_UNREADABLE, TypeError, AttributeError):
        return None


def _claimed_by_webp(sent: bytes) -> int:
    """Return how many pixels a WebP says that it has, 0 for another file: Pillow makes room for them as it opens it."""
    head = sent[12:30]
    if sent[:4] != b"RIFF" or sent[8:12] != b"WEBP" or len(head) < 18:
        return 0
    match head[:4]:
        case b"VP8X":
            width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (12, 15))
        case b"VP8L":
            size = int.from_bytes(head[9:13], "little")
            width, height = (size & 0x3FFF) + 1, (size >> 14 & 0x3FFF) + 1
        case _:
            width, height = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (14, 16))
    return width * height


def _draw(sent: bytes, within: tuple[int, int]) -> Image.Image:
    if _claimed_by_webp(sent) > _MAXIMUM_PIXELS:
        raise _too_many_pixels()
    try:
        with Image.open(BytesIO(sent), formats=["JPEG", "PNG", "WEBP"]) as opened:
            whole = opened.width * opened.height
            opened.draft("RGB", (max(within), max(within)))
            held = whole if "progressive" in opened.info else opened.width * opened.height
            if held > _MAXIMUM_PIXELS or whole > _MAXIMUM_PIXELS_READ_SMALLER:
                raise _too_many_pixels()
            picture = opened if opened.mode in {"RGB", "RGBA", "L"} else opened.convert("RGBA")
            picture.thumbnail((max(within), max(within)))
            turned = _UPRIGHT.get(_held(picture))
            upright = (picture if turned is None else picture.transpose(turned)).convert("RGBA")
    except (*_UNREADABLE, MemoryError, Image.DecompressionBombError) as error:
        raise NotAPicture from error
    upright.thumbnail(within)
    paper = Image.new("RGB", upright.size, "white")  # JPEG knows no transparency
    paper.paste(upright, mask=upright.getchannel("A"))
    return paper


def _too_many_pixels() -> ValidationError:
    return ValidationError(_("This picture has too many pixels. Please send a smaller one."))


def jpeg(picture: Image.Image, quality: int = _QUALITY) -> bytes:
    drawn = BytesIO()
    picture.save(drawn, "JPEG", quality=quality, optimize=True, progressive=True)
    return drawn.getvalue()


class Drawn(NamedTuple):
    """A picture as it will be kept, in its sizes."""

    large: Image.Image
    content: bytes

    @property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()


def drawn(file: BinaryIO) -> Drawn:
    """Draw an uploaded picture anew. Raises ValidationError, with words for who sent it."""
    large = _large(content(file))
    return Drawn(large, jpeg(large))


def drawn_once(file: BinaryIO) -> Drawn:
    """Draw a picture anew unless that is done, so that it keeps its hash. Raises ValidationError, as drawn() does."""
    sent = content(file)
    large = _large(sent)
    return Drawn(large, sent if _is_drawn(sent, large.size) else jpeg(large))


def _large(sent: bytes) -> Image.Image:
    try:
        return draw(sent, within=(LARGE, _TALLEST))
    except NotAPicture as error:
        raise ValidationError(_("This is no picture that we can read. Please send JPEG, PNG or WebP.")) from error


def _is_drawn(sent: bytes, size: tuple[int, int]) -> bool:
    """Whether it is a JPEG of that size which holds nothing but its colours."""
    with Image.open(BytesIO(sent)) as opened:
        if opened.format != "JPEG" or opened.mode not in {"RGB", "L"} or opened.size != size:
            return False
    at = 2
    while at + 4 <= len(sent):
        kind, length = sent[at + 1], int.from_bytes(sent[at + 2 : at + 4])
        is_header = kind == _JFIF and length == 16 and sent[at + 4 : at + 9] == b"JFIF\0"  # without a small picture
        if sent[at] != 0xFF or not (is_header or kind in _BARE):
            return False
        at += 2 + length
        if kind == _SCAN:
            after = _AFTER_A_SCAN.search(sent, at)
            at = after.start() if after else len(sent)
    return sent[at:] == _END


def put(drawn: Drawn, picture: Picture) -> None:
    """Write the files of a picture that is about to be saved, and say in its row what they are."""
    picture.sha256, picture.width, picture.height = drawn.sha256, drawn.large.width, drawn.large.height
    for version in picture.versions:
        is_large = version.width == drawn.large.width
        resized = drawn.large if is_large else drawn.large.resize((version.width, version.height))
        media_files.write(version.name, drawn.content if is_large else jpeg(resized))


def take(file: BinaryIO, *, alt: str, credit: str = "", by: User | None) -> Picture:
    """Draw and keep an uploaded picture. Raises ValidationError, with words for who sent it, and then keeps nothing."""
    if not alt.strip():
        raise ValidationError(_("Please say in one sentence what is to be seen."))
    return keep(drawn(file), alt=alt, credit=credit, by=by)


def keep(drawn: Drawn, *, alt: str, credit: str = "", by: User | None) -> Picture:
    """
    Keep a picture that was drawn; one that is there already is returned as it is.

    What a visitor sends (`by` is None) nobody but organisers sees until one publishes it. Raises ValidationError.
    """
    picture = Picture(
        alt=alt.strip(), credit=credit.strip(), published_at=timezone.now() if by else None, uploaded_by=by
    )
    picture.clean_fields(exclude=("sha256", "width", "height"))
    put(drawn, picture)
    try:
        with transaction.atomic():
            picture.save()
    except IntegrityError:
        return Picture.objects.get(sha256=drawn.sha256)
    return picture


def is_used(picture: Picture) -> bool:
    """
    Whether it is somebody's portrait or an endorser's sign, or Markdown that organisers wrote may show it.

    In doubt it does: `picture:1` is the beginning of another's name.
    """
    named = [f"picture:{picture.pk}", f"picture:{picture.slug}"]
    pointing: list[tuple[type[Model], str]] = [(Activist, "portrait"), (Endorsement, "logo")]
    return any(model._default_manager.filter(**{key: picture}).exists() for model, key in pointing) or any(
        model._default_manager.filter(**{f"{field.name}__contains": name}).exists()
        for model in apps.get_models()
        if issubclass(model, TranslatedFieldsModel)
        for field in model._meta.local_fields
        if isinstance(field, TextField)
        for name in named
    )


def find(name: str) -> tuple[Picture, Path] | None:
    """Return the picture with a file of that name, and where it is; None if there is none."""
    match = _NAME.fullmatch(name)
    picture = Picture.objects.filter(sha256=match[1]).first() if match else None
    if picture is None or name not in {version.name for version in picture.versions}:
        return None
    path = media_files.path(name)
    return (picture, path) if path.is_file() else None
