"""What organisers upload: drawn anew, measured, refused in words; erased, its hash stays."""

import struct
from hashlib import sha256
from io import BytesIO
from zlib import crc32

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from PIL import Image

from donations import filing
from donations.models import StoredFile
from tests.factories import OrganiserFactory

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7\n1 0 obj << >> endobj\ntrailer << >>\n%%EOF\n"


def picture(form="JPEG", size=(60, 40), mode="RGB", colour="red", **saved):
    drawn = BytesIO()
    Image.new(mode, size, colour).save(drawn, form, **saved)
    return drawn.getvalue()


def photo():
    """Lies on its side, and tells where it was taken."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "A telephone of Nora Berg"
    exif.get_ifd(0x8825)[2] = (53.0, 33.0, 4.0)
    return picture(exif=exif, comment=b"Nora's kitchen")


def claiming(width, height):
    """A small PNG whose head claims a large picture."""
    whole = picture("PNG")
    head = b"IHDR" + struct.pack(">II", width, height) + whole[24:29]
    return whole[:12] + head + struct.pack(">I", crc32(head)) + whole[33:]


def take(content, name="scan.jpg"):
    return filing.take(BytesIO(content), name=name, by=OrganiserFactory())


def test_a_photo_keeps_nothing_but_its_picture_upright():
    sent = photo()
    assert b"Nora" in sent
    stored = take(sent, "../../Nora's sheet (1).HEIC.jpeg")
    kept = filing.content(StoredFile.objects.get())
    with Image.open(BytesIO(kept)) as opened:
        assert (opened.format, opened.size, dict(opened.getexif())) == ("JPEG", (40, 60), {})
    assert b"Nora" not in kept
    assert (stored.sha256, stored.size) == (sha256(kept).hexdigest(), len(kept))
    assert (stored.name, stored.media_type) == ("Nora-s-sheet-1-.HEIC.jpg", "image/jpeg")


@pytest.mark.parametrize(
    ("form", "mode", "colour"),
    [("PNG", "RGBA", (0, 0, 0, 0)), ("WEBP", "RGB", "red"), ("PNG", "P", 0), ("PNG", "1", 1), ("JPEG", "CMYK", 0)],
)
def test_other_pictures_become_jpeg_on_white(form, mode, colour):
    kept = filing.content(take(picture(form, mode=mode, colour=colour)))
    with Image.open(BytesIO(kept)) as opened:
        assert opened.format == "JPEG"
        if mode == "RGBA":
            assert opened.getpixel((5, 5)) == (255, 255, 255)


def test_a_large_photo_becomes_smaller():
    with Image.open(BytesIO(filing.content(take(picture(size=(6000, 1000)))))) as opened:
        assert opened.size == (2400, 400)


def test_a_pdf_is_kept_byte_for_byte():
    stored = take(PDF, "receipt")
    assert filing.content(stored) == PDF
    assert (stored.name, stored.media_type, stored.sha256) == (
        "receipt.pdf",
        "application/pdf",
        sha256(PDF).hexdigest(),
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"MZ\x90\x00 a program", "no picture or PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "no picture or PDF"),
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "no picture or PDF"),
        (picture()[:200], "no picture or PDF"),
        (picture("PNG", size=(300, 300))[:-30], "no picture or PDF"),
        (b"%PDF-1.7\nand then nothing", "cut off"),
        (b"x" * (8 * 1024 * 1024 + 1), "larger than 8 MB"),
        (claiming(7000, 6000), "too many pixels"),
        (claiming(20000, 10000), "no picture or PDF"),
    ],
    ids=["empty", "program", "svg", "gif", "cut jpeg", "cut png", "cut pdf", "large", "bomb", "larger bomb"],
)
def test_what_is_none_is_refused_and_not_kept(content, words):
    with pytest.raises(ValidationError, match=words):
        take(content)
    assert not StoredFile.objects.exists()


@pytest.mark.parametrize(("name", "kept"), [("", "file.jpg"), ("...", "file.jpg"), ("a\r\nb\x00.png", "a-b.jpg")])
def test_a_strange_name_becomes_a_plain_one(name, kept):
    assert take(picture(), name).name == kept


def test_the_database_holds_no_picture_that_can_be_read():
    stored = take(PDF)
    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM donations_storedfile")
        ((raw,),) = cursor.fetchall()
    assert stored.content not in raw
    assert raw.startswith("gAAAA")  # a Fernet token


def test_an_erased_file_leaves_its_hash():
    stored = take(picture())
    assert StoredFile.objects.filter(pk=stored.pk).erase() == 1
    again = StoredFile.objects.get()
    assert (again.name, again.content, again.sha256, again.size) == ("", "", stored.sha256, stored.size)
