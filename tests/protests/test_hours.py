from datetime import UTC, datetime, time

import pytest
from django.core.exceptions import ValidationError

from protests import hours

NINE, FIVE = time(9), time(17)


@pytest.mark.parametrize("name", ["Mars/Base", "", "Europe", "../etc/passwd", "Europe/Berlin\0"])
def test_a_name_that_is_no_time_zone_is_refused(name):
    with pytest.raises(ValidationError):
        hours.validate_time_zone(name)


def test_a_zone_that_is_known_no_more_is_taken_for_the_sites_own():
    assert str(hours.zone("Mars/Base")) == "UTC"
    assert str(hours.zone("Asia/Almaty")) == "Asia/Almaty"


@pytest.mark.parametrize(("hour", "opened"), [(3, False), (4, True), (11, True), (12, False)])
def test_hours_are_by_the_clock_there(hour, opened):
    now = datetime(2026, 3, 4, hour, tzinfo=UTC)

    assert hours.is_open(now, "Asia/Almaty", NINE, FIVE) is opened
    assert hours.is_open(now, "Asia/Almaty", None, None)


def test_the_day_begins_at_midnight_there():
    assert hours.day_began(datetime(2026, 3, 4, 20, tzinfo=UTC), "Asia/Almaty") == datetime(2026, 3, 4, 19, tzinfo=UTC)


def test_the_day_on_which_the_clock_is_set_has_23_hours():
    opens, closes = hours.window(datetime(2026, 3, 29).date(), "Europe/Berlin", None, None)  # noqa: DTZ001

    assert closes.timestamp() - opens.timestamp() == 23 * 3600
