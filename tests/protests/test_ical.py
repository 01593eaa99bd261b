import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from protests.models import Picket
from tests.factories import LONG_AGO, PicketFactory

pytestmark = pytest.mark.django_db


def read(client, path="/pickets/calendar.ics"):
    """Return the events of a calendar, each as a dictionary, as RFC 5545 has them read."""
    response = client.get(path)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/calendar; charset=utf-8"
    lines = response.content.decode().split("\r\n")
    assert lines.pop() == ""
    assert not any("\n" in line or len(line.encode()) > 75 for line in lines)
    events, event = [], {}
    for line in re.sub(r"\r\n ", "", "\r\n".join(lines)).split("\r\n"):
        name, value = line.split(":", 1)
        if name == "BEGIN":
            event = {}
        elif name == "END" and value == "VEVENT":
            events.append(event)
        else:
            assert name not in event
            event[name] = value
    return events


def test_a_picket_is_an_event_in_utc(client, settings):
    settings.BASE_URL = "https://solidarity.example.org"
    picket = PicketFactory(
        slug="berlin",
        place="Berlin",
        country="DE",
        starts_at=datetime(2036, 7, 3, 15, tzinfo=UTC),
        ends_at=datetime(2036, 7, 3, 17, tzinfo=UTC),
        time_zone="Europe/Berlin",
        address="Nordendstr. 14",
        latitude="52.57",
        longitude="13.4",
    )

    (event,) = read(client)

    assert event["UID"] == f"picket-{picket.pk}@solidarity.example.org"
    assert (event["DTSTART"], event["DTEND"]) == ("20360703T150000Z", "20360703T170000Z")
    assert event["SUMMARY"] == "Picket: Berlin"
    assert event["LOCATION"] == "Nordendstr. 14\\, Berlin\\, Germany"
    assert event["URL"] == "https://solidarity.example.org/pickets/berlin/"
    assert event["GEO"] == "52.57000;13.40000"
    assert re.fullmatch(r"\d{8}T\d{6}Z", event["DTSTAMP"])
    assert "DESCRIPTION" not in event


def test_what_would_break_a_line_is_written_so_that_it_does_not(client):
    PicketFactory(text="One;\r\ntwo, \\three\rfour\x0b\nEND:VCALENDAR", starts_at=timezone.now())

    (event,) = read(client)

    assert event["DESCRIPTION"] == "One\\;\\ntwo\\, \\\\three\\nfour\\nEND:VCALENDAR"


def test_long_lines_are_folded_and_no_letter_is_cut(client):
    text = "Қарағанды — жұмысшылар 🔥 " * 20
    PicketFactory(text=text.strip(), starts_at=timezone.now())

    (event,) = read(client)

    assert event["DESCRIPTION"] == text.strip()


def test_only_what_readers_may_see_and_has_an_hour_is_in_the_calendar(client):
    soon = timezone.now() + timedelta(days=3)
    PicketFactory(place="London", starts_at=soon)
    PicketFactory(place="Draft", starts_at=soon, published_at=None)
    PicketFactory(place="Waiting", starts_at=soon, strike__published_at=None)
    PicketFactory(place="Roughly", starts_at=soon, date_text="in summer")
    PicketFactory(place="Regular")
    PicketFactory(place="Old", starts_at=LONG_AGO)

    assert [event["SUMMARY"] for event in read(client)] == ["Picket: London"]


def test_an_event_keeps_its_name_when_it_changes(client):
    picket = PicketFactory(slug="old", starts_at=timezone.now())
    (before,) = read(client)

    picket.slug, picket.starts_at = "new", timezone.now() + timedelta(days=1)
    picket.save()

    (after,) = read(client)
    assert before["UID"] == after["UID"]
    assert before["DTSTART"] != after["DTSTART"]


def test_one_picket_can_be_put_into_a_calendar(client):
    PicketFactory(slug="london", starts_at=timezone.now())
    PicketFactory(slug="dublin", starts_at=timezone.now())
    PicketFactory(slug="regular")

    assert len(read(client, "/pickets/london/calendar.ics")) == 1
    assert client.get("/pickets/regular/calendar.ics").status_code == 404
    assert client.get("/pickets/nowhere/calendar.ics").status_code == 404


def test_no_picket_is_a_valid_calendar(client):
    assert Picket.objects.count() == 0
    assert read(client) == []


def test_each_language_has_its_calendar(client):
    PicketFactory(starts_at=timezone.now(), country="DE", place="Berlin")

    (event,) = read(client, "/ru/pickets/calendar.ics")

    assert event["LOCATION"] == "Berlin\\, Германия"
    assert event["URL"].endswith("/ru/pickets/picket-" + event["URL"].rsplit("-", 1)[1])
