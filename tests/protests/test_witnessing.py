"""What visitors send in about pickets: the picket itself, a report, and its pictures."""

import html
import re
import time
from datetime import UTC, date, datetime, timedelta
from io import BytesIO

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from campaign import consent
from campaign.models import Picture
from limits.models import Why
from limits.stamping import stamp
from privacy.purging import purge
from protests import witnessing
from protests.models import Picket, PicketReport
from tests.donations.test_filing import picture as drawing
from tests.factories import (
    LONG_AGO,
    ActivistFactory,
    EndorsementFactory,
    OrganiserFactory,
    PicketFactory,
    PicketReportFactory,
    PictureFactory,
    StrikeFactory,
    SubmittedReportFactory,
    UpdateFactory,
)

pytestmark = pytest.mark.django_db
ADD, REPORT = "/pickets/add/", "/pickets/london/report/"


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


def files(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def text_of(response, status=200):
    assert response.status_code == status
    return html.unescape(response.content.decode())


def the_next(days):
    return (timezone.now() + timedelta(days=days)).date()


@pytest.fixture
def picket():
    StrikeFactory()
    return {
        "kind": "rally",
        "country": "DE",
        "place": "Berlin",
        "address": "Nordendstr. 14",
        "text": "Bring drums.",
        "day": the_next(7).isoformat(),
        "begins": "17:00",
        "ends": "19:00",
        "email": "nora@example.org",
        "consent": "on",
        "stamp": stamp(time.time() - 60),
    }


class TestAddingAPicket:
    def test_it_waits_and_is_shown_to_nobody(self, client, picket):
        response = client.post(ADD, picket)

        assert (response.status_code, response.url) == (303, "/sent/")
        row = Picket.objects.get()
        assert row.is_waiting
        assert (row.kind, row.place, row.country, row.time_zone) == ("rally", "Berlin", "DE", "Europe/Berlin")
        assert (row.contact, row.consent_version) == ("nora@example.org", consent.SENDING_VERSION)
        begins = row.starts_at.astimezone(row.zone)
        assert (begins.date(), begins.hour, row.ends_at - row.starts_at) == (the_next(7), 17, timedelta(hours=2))
        assert "Berlin" not in client.get("/pickets/").content.decode()
        assert "Berlin" not in client.get("/pickets/calendar.ics").content.decode()
        assert client.get(row.get_absolute_url()).status_code == 404

    def test_an_organiser_publishes_it(self, client, picket):
        client.post(ADD, picket)
        row = Picket.objects.get()
        client.force_login(OrganiserFactory())
        listed = reverse("admin:protests_picket_changelist")
        asked = {"action": "publish", "_selected_action": [row.pk]}
        page = client.post(listed, asked)

        client.post(listed, asked | {"confirm": page.context["fingerprint"]})

        assert "Berlin" in text_of(client.get("/pickets/"))
        assert "Bring drums." in text_of(client.get(row.get_absolute_url()))
        assert Picket.objects.get().approved_by is not None

    def test_nobody_shows_it_before_it_is_approved(self, client, picket):
        client.post(ADD, picket)
        with pytest.raises(IntegrityError), transaction.atomic():
            Picket.objects.update(published_at=timezone.now())

    def test_a_strike_is_to_be_chosen_where_there_are_several(self, client, picket):
        other = StrikeFactory()
        assert "For which strike" in text_of(client.get(ADD))

        assert client.post(ADD, picket).status_code == 400
        client.post(ADD, picket | {"strike": other.pk})

        assert Picket.objects.get().strike == other

    def test_where_the_clocks_of_a_country_differ_the_zone_is_asked_for(self, client, picket):
        assert "Time zone" not in text_of(client.get(ADD))

        asked = text_of(client.post(ADD, picket | {"country": "US", "place": "Denver"}), 400)
        client.post(ADD, picket | {"country": "US", "place": "Denver", "time_zone": "America/Denver"})

        assert '<option value="America/Denver">' in asked
        row = Picket.objects.get()
        assert row.time_zone == "America/Denver"
        assert row.starts_at.astimezone(row.zone).hour == 17

    def test_an_old_page_is_asked_for_proof_and_keeps_what_was_typed(self, client, picket):
        assert "Bring drums." in text_of(client.post(ADD, picket | {"stamp": ""}))
        assert not Picket.objects.exists()

        client.post(ADD, picket | {"stamp": "", "wait": "1"})

        assert Picket.objects.get().hold == Why.NO_PROOF

    @pytest.mark.parametrize(
        "bad",
        [
            *({"consent": ""}, {"place": ""}, {"country": ""}, {"country": "XX"}, {"kind": "riot"}, {"day": ""}),
            *({"day": "soon"}, {"day": "0001-01-01"}, {"day": "9999-12-31"}, {"begins": "25:00"}, {"begins": ""}),
            *({"ends": "17:00"}, {"ends": "03:00"}, {"day": date(2011, 7, 1).isoformat()}, {"place": "x" * 201}),
            *({"text": "\u202egro.live"}, {"email": "nora@localhost"}, {"country": "US", "time_zone": "Europe/Berlin"}),
        ],
    )
    def test_what_is_wrong_is_told_and_nothing_is_kept(self, client, picket, bad):
        text = text_of(client.post(ADD, picket | bad), 400)

        assert "Nothing has been sent yet" in text
        assert "Nordendstr. 14" in text
        assert not Picket.objects.exists()

    def test_without_a_strike_nothing_can_be_added(self, client, picket):
        picket |= {"strike": ""}
        assert StrikeFactory._meta.model.objects.update(published_at=None) == 1
        assert client.get(ADD).status_code == 200
        assert client.post(ADD, picket).status_code == 400

    def test_what_nobody_decides_on_is_deleted(self, client, picket):
        client.post(ADD, picket)
        Picket.objects.update(submitted_at=timezone.now() - timedelta(days=91))
        PicketFactory()

        purge()

        assert Picket.objects.get().submitted_at is None


@pytest.fixture
def report():
    PicketFactory(slug="london", place="London", starts_at=timezone.now() - timedelta(hours=3))
    return {
        "text": "We were <many>.",
        "people": "40",
        "organisation": "Local 7",
        "email": "",
        "consent": "on",
        "stamp": stamp(time.time() - 60),
    }


def picture(**change):
    file = SimpleUploadedFile("photo.png", drawing(size=(600, 300)), "image/png")
    return {"file": file, "alt": "Banners outside the embassy", "credit": "Nora", "consent": "on"} | change


class TestTelling:
    def test_a_report_waits_with_its_pictures_until_an_organiser_publishes_both(self, client, report):
        pictures = client.post(REPORT, report)
        assert pictures.status_code == 303
        assert client.post(pictures.url, picture()).status_code == 303
        page = text_of(client.get(pictures.url))
        assert "One picture has arrived." in page
        row = PicketReport.objects.get()
        assert (row.is_waiting, row.people, row.organisation) == (True, 40, "Local 7")
        shown = row.pictures.get()
        assert (shown.alt, shown.credit, shown.published_at) == ("Banners outside the embassy", "Nora", None)
        assert client.get(shown.versions[0].url).status_code == 404
        assert "We were" not in client.get("/pickets/london/").content.decode()

        witnessing.publish(PicketReport.objects.all(), by=OrganiserFactory())

        told = client.get("/pickets/london/").content.decode()
        assert "We were &lt;many&gt;." in told
        assert "40 people took part" in told
        assert 'alt="Banners outside the embassy"' in told
        file = client.get(shown.versions[0].url)
        assert file.status_code == 200
        file.close()

    def test_nobody_tells_of_what_has_not_begun(self, client, report):
        PicketFactory(slug="next", starts_at=timezone.now() + timedelta(hours=1))
        PicketFactory(slug="draft", published_at=None)

        assert client.get("/pickets/next/report/").url == "/pickets/next/"
        assert client.post("/pickets/next/report/", report).status_code == 303
        assert client.get("/pickets/draft/report/").status_code == 404
        assert not PicketReport.objects.exists()

    def test_what_the_limits_doubt_takes_no_pictures(self, client, report):
        assert client.post(REPORT, report | {"homepage": "spam"}).url == "/sent/"
        assert PicketReport.objects.get().hold == Why.TRAP

    @pytest.mark.parametrize(
        "bad",
        [{"text": ""}, {"people": "0"}, {"people": "-1"}, {"people": "many"}, {"people": "9" * 30}, {"consent": ""}],
    )
    def test_what_is_wrong_is_told_and_nothing_is_kept(self, client, report, bad):
        assert "Nothing has been sent yet" in text_of(client.post(REPORT, report | bad), 400)
        assert not PicketReport.objects.exists()

    @pytest.mark.parametrize("people", [0, 1_000_001])
    def test_the_database_counts_people_too(self, people):
        with pytest.raises(IntegrityError), transaction.atomic():
            PicketReportFactory(people=people)

    def test_a_report_of_a_draft_waits_for_it(self):
        PicketReportFactory(picket__published_at=None)
        PicketReportFactory(published_at=None)
        seen = PicketReportFactory()

        assert list(PicketReport.objects.published()) == [seen]


class TestPictures:
    @pytest.fixture
    def page(self):
        row = SubmittedReportFactory(picket__slug="london")
        return reverse("protests:report_pictures", args=["london", witnessing.token(row)])

    def test_the_page_is_kept_nowhere(self, client, page):
        response = client.get(page)
        assert response["Cache-Control"] == "private, no-store"
        assert response["X-Robots-Tag"] == "noindex"
        assert not response.cookies

    @pytest.mark.parametrize(
        "bad", [{"alt": ""}, {"consent": ""}, {"file": SimpleUploadedFile("x.png", b"<svg/>")}, {"file": ""}]
    )
    def test_what_is_wrong_is_told_and_nothing_is_kept(self, client, page, folder, bad):
        assert "This picture has not been taken" in text_of(client.post(page, picture(**bad)), 400)
        assert not Picture.objects.exists()
        assert files(folder) == []

    def test_a_report_takes_five(self, client, page, folder):
        for width in range(witnessing.PICTURES):
            assert client.post(page, picture(file=SimpleUploadedFile("x.png", drawing(size=(60 + width, 40))))).url
        before = files(folder)

        text = text_of(client.post(page, picture()), 400)

        assert "5 pictures at most" in text
        assert PicketReport.objects.get().pictures.count() == 5
        assert files(folder) == before

    @pytest.mark.parametrize("change", ["refused_at", "approved_at"])
    def test_what_an_organiser_has_looked_at_takes_no_more(self, client, page, change):
        row = PicketReport.objects.get()
        setattr(row, change, timezone.now())
        row.save()

        assert "No more pictures here" in text_of(client.post(page, picture()), 404)
        with pytest.raises(ValidationError, match="already looked"):
            witnessing.add_picture(row, BytesIO(drawing()), alt="x", credit="")
        assert not Picture.objects.exists()

    def test_a_day_later_the_address_opens_nothing(self, client, page, time_machine):
        time_machine.move_to(datetime.now(UTC) + timedelta(hours=25))
        assert client.get(page).status_code == 404

    def test_an_address_that_was_made_up_opens_nothing(self, client, page):
        assert client.get(page[:-2] + "x/").status_code == 404
        assert client.get("/pickets/london/pictures/1/").status_code == 404

    def test_a_picture_goes_with_a_report_that_goes_and_one_in_use_stays(
        self, folder, django_capture_on_commit_callbacks
    ):
        row = SubmittedReportFactory()
        witnessing.add_picture(row, BytesIO(drawing(size=(60, 40))), alt="Theirs", credit="")
        witnessing.add_picture(row, BytesIO(drawing(size=(61, 40))), alt="Shared", credit="")
        ours = PictureFactory(alt="Ours", uploaded_by=OrganiserFactory())
        row.pictures.add(ours)
        SubmittedReportFactory().pictures.add(Picture.objects.translated(alt="Shared").get())
        PicketReport.objects.filter(pk=row.pk).update(submitted_at=timezone.now() - timedelta(days=91))

        with django_capture_on_commit_callbacks(execute=True):
            purge()

        assert sorted(picture.alt for picture in Picture.objects.all()) == ["Ours", "Shared"]
        assert len(files(folder)) == 1

    def test_a_published_report_that_is_deleted_takes_its_pictures_with_it_and_leaves_those_in_use(
        self, folder, django_capture_on_commit_callbacks
    ):
        row = SubmittedReportFactory()
        for number, alt in enumerate(("Theirs", "Portrait", "In an update", "Logo")):
            witnessing.add_picture(row, BytesIO(drawing(size=(60 + number, 40))), alt=alt, credit="")
        witnessing.publish(PicketReport.objects.all(), by=OrganiserFactory())
        of = {picture.alt: picture for picture in Picture.objects.released()}
        ActivistFactory(portrait=of["Portrait"])
        EndorsementFactory(logo=of["Logo"])
        UpdateFactory(body=f"![They stand](picture:{of['In an update'].slug})")

        with django_capture_on_commit_callbacks(execute=True):
            row.delete()

        assert {picture.alt for picture in Picture.objects.all()} == {"Portrait", "In an update", "Logo"}
        assert len(files(folder)) == 3

    def test_a_withdrawn_report_takes_back_the_pictures_that_came_with_it(self):
        row, other = SubmittedReportFactory(), SubmittedReportFactory()
        witnessing.add_picture(row, BytesIO(drawing(size=(60, 40))), alt="Theirs", credit="")
        witnessing.add_picture(row, BytesIO(drawing(size=(61, 40))), alt="Shared", credit="")
        other.pictures.add(Picture.objects.translated(alt="Shared").get())
        ours = PictureFactory(alt="Ours", uploaded_by=OrganiserFactory())
        row.pictures.add(ours)
        organiser = OrganiserFactory()
        witnessing.publish(PicketReport.objects.all(), by=organiser)

        assert witnessing.withdraw(PicketReport.objects.filter(pk=row.pk)) == 1

        assert {picture.alt for picture in Picture.objects.released()} == {"Ours", "Shared"}


class TestDesk:
    def test_a_report_that_waits_leads_to_the_page_for_its_pictures_even_if_it_is_doubted(self, client, folder):
        row = SubmittedReportFactory(hold=Why.UNKNOWN)
        client.force_login(OrganiserFactory())
        address = reverse("admin:protests_picketreport_change", args=[row.pk])
        link = re.search(r'href="(/pickets/[^"]*/pictures/[^"]*)"', client.get(address).text)[1]
        assert client.post(link, picture(alt="Banners")).url == link
        assert row.pictures.get().alt == "Banners"
        witnessing.publish(PicketReport.objects.all(), by=OrganiserFactory())
        assert "/pictures/" not in client.get(address).text.split("<main")[-1].partition('id="id_pictures"')[0]

    def test_the_page_of_a_report_shows_its_pictures_and_a_date_publishes_both(self, client):
        row = SubmittedReportFactory()
        witnessing.add_picture(row, BytesIO(drawing()), alt="Banners", credit="")
        client.force_login(OrganiserFactory())
        change = reverse("admin:protests_picketreport_change", args=[row.pk])

        assert 'class="thumbnail"' in text_of(client.get(change))
        typed = {"picket": row.picket_id, "organisation": "", "people": "", "text": "Shortened."}
        typed |= {"pictures": [picture.pk for picture in row.pictures.all()]}
        client.post(change, typed | {"published_at_0": "2026-01-01", "published_at_1": "12:00"})

        row = PicketReport.objects.get()
        assert (row.text, row.is_waiting) == ("Shortened.", False)
        assert row.pictures.get().is_published

    def test_refused_is_not_published(self, client):
        row = SubmittedReportFactory(refused_at=timezone.now())
        assert witnessing.publish(PicketReport.objects.all(), by=OrganiserFactory()) == 0
        row.refresh_from_db()
        assert row.published_at is None

    def test_a_longer_list_asks_no_more_of_the_database(
        self, client, django_assert_num_queries, django_assert_max_num_queries
    ):
        client.force_login(OrganiserFactory())
        listed = reverse("admin:protests_picketreport_changelist")
        SubmittedReportFactory()
        with django_assert_max_num_queries(15) as few:
            client.get(listed)
        SubmittedReportFactory.create_batch(3)
        with django_assert_num_queries(len(few)):
            client.get(listed)

    def test_reports_are_of_2011_too(self, client):
        row = PicketReportFactory(picket__starts_at=LONG_AGO, picket__slug="london")
        row.pictures.add(PictureFactory())
        assert "We were many." in text_of(client.get("/pickets/london/"))


class TestPicturesGoWithTheirReport:
    @pytest.fixture
    def sent(self):
        report = SubmittedReportFactory()
        witnessing.add_picture(report, BytesIO(drawing()), alt="The square", credit="")
        return report

    def save(self, client, report, day, hour="12:00"):
        client.force_login(OrganiserFactory())
        data = {"picket": report.picket_id, "text": "We were many.", "pictures": Picture.objects.get().pk}
        data |= {"published_at_0": day, "published_at_1": hour if day else ""}
        address = reverse("admin:protests_picketreport_change", args=[report.pk])
        assert client.post(address, data).status_code == 302
        return Picture.objects.get()

    def test_those_of_a_planned_report_appear_with_it(self, client, sent):
        picture = self.save(client, sent, the_next(7))
        assert not picture.is_published
        assert picture.published_at == PicketReport.objects.get().published_at

    def test_those_of_a_report_taken_back_in_its_form_are_seen_no_longer(self, client, sent):
        assert self.save(client, sent, "2011-09-01").is_published
        assert not self.save(client, sent, "").published_at

    def test_a_change_of_words_hides_none_that_an_organiser_published(self, client, sent):
        Picture.objects.update(published_at=LONG_AGO)
        assert self.save(client, sent, "").is_published
