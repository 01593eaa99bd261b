"""Pictures: drawn anew in two sizes, named by their hash, handed out for ever the same, and gone when deleted."""

import os
import time
from io import BytesIO
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.template import Context, Template
from django.utils import translation
from PIL import Image

from campaign import media_files, picturing, tasks
from campaign.models import Picture
from protests import witnessing
from tests.donations.test_filing import claiming, photo
from tests.donations.test_filing import picture as drawing
from tests.factories import OrganiserFactory, SubmittedReportFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


def take(content=None, *, alt="Workers on the square", by="organiser", **given):
    user = OrganiserFactory() if by == "organiser" else None
    return picturing.take(BytesIO(content or drawing(size=(3000, 1500))), alt=alt, by=user, **given)


def shown(row, sizes="50vw"):
    template = Template("{% load pictures %}{% picture row sizes %}")
    return template.render(Context({"row": row, "sizes": sizes}))


def files(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_picture_is_kept_in_two_sizes_named_by_its_hash(folder):
    row = take()
    assert files(folder) == sorted([f"{row.sha256}-480.jpg", f"{row.sha256}-1200.jpg"])
    sizes = []
    for version in row.versions:
        with Image.open(folder / version.name) as opened:
            sizes.append((opened.format, opened.size))
    assert sizes == [("JPEG", (480, 240)), ("JPEG", (1200, 600))]
    assert (row.width, row.height) == (1200, 600)


@pytest.mark.parametrize(("size", "kept"), [((60, 40), [(60, 40)]), ((700, 10), [(480, 7), (700, 10)])])
def test_a_small_picture_is_not_made_larger(folder, size, kept):
    row = take(drawing(size=size))
    assert [(version.width, version.height) for version in row.versions] == kept
    assert len(files(folder)) == len(kept)


def test_a_photo_keeps_nothing_but_its_picture_upright(folder):
    row = take(photo())
    (name,) = files(folder)
    kept = (folder / name).read_bytes()
    with Image.open(BytesIO(kept)) as opened:
        assert (opened.size, dict(opened.getexif())) == ((40, 60), {})
    assert b"Nora" not in kept
    assert (row.width, row.height) == (40, 60)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG"])
def test_what_is_transparent_becomes_white(folder, form):
    mode, colour = ("RGB", "white") if form == "JPEG" else ("RGBA", (255, 0, 0, 0))
    row = take(drawing(form, mode=mode, colour=colour))
    with Image.open(folder / row.versions[0].name) as opened:
        assert min(opened.getpixel((5, 5))) > 250


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture", b"<svg xmlns='http://www.w3.org/2000/svg'/>", drawing()[:300], claiming(30_000, 30_000)],
    ids=["empty", "text", "svg", "cut off", "claims to be huge"],
)
def test_what_is_no_picture_is_refused_in_words_and_leaves_nothing(folder, content):
    with pytest.raises(ValidationError, match=r"picture|empty"):
        picturing.take(BytesIO(content), alt="x", by=None)
    assert (files(folder), Picture.objects.count()) == ([], 0)


def test_too_large_a_file_is_refused(monkeypatch):
    monkeypatch.setattr(picturing, "MAXIMUM_BYTES", 100)
    with pytest.raises(ValidationError, match="larger than"):
        take(drawing())


def test_a_picture_without_words_for_who_cannot_see_it_is_refused(folder):
    with pytest.raises(ValidationError, match="what is to be seen"):
        take(alt="  ")
    assert files(folder) == []
    row = take()
    with pytest.raises(IntegrityError), transaction.atomic():
        row.translations.update(alt="")


@pytest.mark.parametrize("wrong", [{"sha256": "x"}, {"width": 0}, {"width": 1201}, {"height": 0}])
def test_the_database_refuses_a_picture_that_cannot_be(wrong):
    row = take()
    with pytest.raises(IntegrityError), transaction.atomic():
        Picture.objects.filter(pk=row.pk).update(**wrong)


def test_the_same_picture_sent_again_is_the_one_that_is_there(folder):
    row = take(alt="First words")
    again = take(alt="Other words", by=None)
    assert (again.pk, again.alt, Picture.objects.count()) == (row.pk, "First words", 1)
    assert len(files(folder)) == 2


def test_a_deleted_picture_is_gone_from_the_disk(folder, django_capture_on_commit_callbacks):
    row, other = take(), take(drawing(colour="blue"))
    with django_capture_on_commit_callbacks(execute=True):
        Picture.objects.filter(pk=row.pk).delete()
    assert files(folder) == [version.name for version in other.versions]


def test_a_picture_sent_anew_while_its_deletion_ends_keeps_its_files(folder, django_capture_on_commit_callbacks):
    row = take()
    with django_capture_on_commit_callbacks(execute=True):
        row.delete()
        take()
    assert len(files(folder)) == 2


# --- What readers get ----------------------------------------------------------------------------------------------


def test_the_tag_names_each_size_and_what_is_to_be_seen():
    row = take(alt='A "brave" crowd & a flag')
    small, large = row.versions
    assert shown(row) == (
        f'<img src="{small.url}" srcset="{small.url} 480w, {large.url} 1200w" sizes="50vw" width="1200" height="600" '
        'alt="A &quot;brave&quot; crowd &amp; a flag" loading="lazy" decoding="async">'
    )


def test_the_tag_shows_nothing_where_there_is_no_published_picture():
    assert shown(None) == shown(take(by=None)) == ""


def test_the_words_are_those_of_the_readers_language_or_english():
    row = take()
    row.set_current_language("de")
    row.alt = "Arbeiter auf dem Platz"
    row.save()
    with translation.override("de"):
        assert 'alt="Arbeiter auf dem Platz"' in shown(Picture.objects.get())
    with translation.override("ru"):
        assert 'alt="Workers on the square"' in shown(Picture.objects.get())


def test_a_file_is_handed_out_for_ever_and_can_run_nothing(client, folder):
    version = take().versions[0]
    response = client.get(version.url)
    assert b"".join(response.streaming_content) == (folder / version.name).read_bytes()
    assert response["Content-Type"] == "image/jpeg"
    assert set(response["Cache-Control"].split(", ")) == {"public", "max-age=31536000", "immutable"}
    assert response["Content-Security-Policy"].startswith("sandbox; default-src 'none';")
    assert response["Content-Disposition"].startswith("inline; filename=")
    # Feed readers in the web show it on their own pages.
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert not response.cookies
    assert "Cookie" not in response["Vary"]


def test_what_a_visitor_sent_only_organisers_see_until_it_is_published(client):
    row = take(by=None)
    url = row.versions[0].url
    assert client.get(url).status_code == 404
    client.force_login(OrganiserFactory())
    response = client.get(url)
    assert (response.status_code, "no-store" in response["Cache-Control"]) == (200, True)
    assert b"".join(response.streaming_content)
    client.logout()
    Picture.objects.update(published_at=row.uploaded_at)
    response = client.get(url)
    assert response.status_code == 200
    assert b"".join(response.streaming_content)


@pytest.mark.parametrize("name", ["x", "../../secrets", "{sha}-1.jpg", "{sha}-480.png", "{zeros}-480.jpg"])
def test_nothing_else_is_found_there(client, name):
    row = take()
    name = name.format(sha=row.sha256, zeros="0" * 64)
    assert client.get(f"/media/{name}").status_code == 404


def test_a_picture_whose_file_is_lost_is_not_found(client, folder):
    version = take().versions[0]
    Path(folder, version.name).unlink()
    assert client.get(version.url).status_code == 404


# --- The desk -------------------------------------------------------------------------------------------------------


@pytest.fixture
def desk(client):
    client.force_login(OrganiserFactory())
    return client


def send(desk, content=None, **given):
    file = SimpleUploadedFile("photo.jpg", content or drawing(size=(600, 300)))
    data = {"file": file, "alt": "The square", "credit": "", "published_at_0": "", "published_at_1": "", **given}
    return desk.post("/admin/campaign/picture/add/", data)


def test_an_organiser_uploads_a_picture_and_changes_its_words_later(desk, folder):
    assert send(desk, credit="Nora Berg").status_code == 302
    row = Picture.objects.get()
    assert (row.alt, row.credit, row.width, row.uploaded_by.is_staff) == ("The square", "Nora Berg", 600, True)
    assert len(files(folder)) == 2
    url = f"/admin/campaign/picture/{row.pk}/change/"
    page = desk.get(url).text
    assert row.versions[0].url in page
    assert f"![](picture:{row.pk})" in page
    fields = {"alt": "The square at dawn", "published_at_0": "2011-09-01", "published_at_1": "12:00:00"}
    assert desk.post(url, fields).status_code == 302
    row = Picture.objects.get()
    assert (row.alt, row.is_published, row.width) == ("The square at dawn", True, 600)
    assert row.versions[0].url in desk.get("/admin/campaign/picture/").text


@pytest.mark.parametrize(("given", "said"), [({"alt": ""}, "required"), ({"content": b"text"}, "no picture")])
def test_what_cannot_be_kept_is_said_beside_the_field(desk, folder, given, said):
    response = send(desk, **given)
    assert response.status_code == 200
    assert said in response.text
    assert (files(folder), Picture.objects.count()) == ([], 0)


def test_the_desk_says_that_a_picture_is_there_already(desk):
    send(desk)
    assert f"here already: number {Picture.objects.get().pk}" in send(desk).text


# --- What is sent to do harm ---------------------------------------------------------------------------------------


def test_a_picture_whose_camera_wrote_nonsense_is_a_picture_all_the_same():
    """Pillow cannot write such Exif anew, and said so by a TypeError."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x011A] = "A telephone", 6, 72.0
    broken = bytearray(drawing(exif=exif))
    broken[broken.index(b"Exif\0\0") + 43] = 2  # the resolution is text, it says
    assert picturing.drawn(BytesIO(bytes(broken))).large.size == (40, 60)


def test_a_jpeg_that_is_held_whole_while_it_is_read_may_not_be_huge():
    """Two megabytes of it took one gigabyte of memory."""
    assert picturing.drawn(BytesIO(drawing(size=(7000, 6000), quality=1))).large.size == (1200, 1029)
    with pytest.raises(ValidationError, match="too many pixels"):
        picturing.drawn(BytesIO(drawing(size=(7000, 6000), quality=1, progressive=True)))


def test_only_so_many_pictures_are_drawn_at_once(folder):
    with picturing._drawing, picturing._places, picturing._places:
        with pytest.raises(ValidationError, match="Others are sending"):
            take()
        assert files(folder) == []
    assert take().pk


def test_a_picture_is_drawn_before_the_database_is_locked():
    report = SubmittedReportFactory()
    seen = []

    def draw(file):
        seen.append(len(connection.savepoint_ids))
        return drawn(file)

    drawn, outside = picturing.drawn, len(connection.savepoint_ids)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(picturing, "drawn", draw)
        witnessing.add_picture(report, BytesIO(drawing()), alt="The square", credit="")
    assert seen == [outside]
    assert report.pictures.count() == 1


def huge_webp(kind):
    """The first bytes of a WebP that says it is 16,383 pixels wide and high, and holds none."""
    edge = 16382
    body = {
        b"VP8X": bytes(4) + edge.to_bytes(3, "little") * 2,
        b"VP8L": b"\x2f" + (edge | edge << 14).to_bytes(4, "little") + bytes(5),
        b"VP8 ": b"\x30\x01\x00\x9d\x01\x2a" + (edge + 1).to_bytes(2, "little") * 2,
    }[kind]
    chunk = kind + len(body).to_bytes(4, "little") + body
    return b"RIFF" + (4 + len(chunk)).to_bytes(4, "little") + b"WEBP" + chunk + bytes(8)


@pytest.mark.parametrize("kind", [b"VP8X", b"VP8L", b"VP8 "])
def test_a_webp_that_claims_to_be_huge_is_refused_before_there_is_made_room_for_it(folder, monkeypatch, kind):
    def opened(*args, **kwargs):
        raise AssertionError("Pillow makes room for all of a WebP when it opens it.")

    monkeypatch.setattr(Image, "open", opened)
    with pytest.raises(ValidationError, match="too many pixels"):
        take(huge_webp(kind))
    assert files(folder) == []


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"exif": b"Exif\0\0"}])
def test_how_large_a_webp_is_stands_in_its_head(options):
    content = BytesIO()
    Image.new("RGB", (300, 200), "red").save(content, "WEBP", **options)
    assert picturing._claimed_by_webp(content.getvalue()) == 300 * 200


def test_files_that_a_rolled_back_upload_left_are_swept_a_day_later(folder):
    kept = take()
    with transaction.atomic():
        take(drawing(size=(60, 40)))
        transaction.set_rollback(True)
    for name in (".half-written", "card.png"):
        media_files.write(name, b"x")
    (folder / "cards").mkdir()
    assert len(files(folder)) == 6
    assert media_files.sweep() == 0
    for path in folder.iterdir():
        os.utime(path, (time.time() - 25 * 3600,) * 2)

    tasks.sweep_pictures()

    assert files(folder) == sorted(["card.png", "cards", *(version.name for version in kept.versions)])
