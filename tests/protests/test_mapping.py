import re
from datetime import UTC, datetime

import pytest
from django.conf import settings

from protests import mapping

LONDON, SYDNEY = (51.5, -0.1), (-33.9, 151.2)


def test_the_projection_is_equal_earth():
    # The constants of the paper: at the middle meridian the pole is at 1.3173627591574 of the earth's radius.
    unit = mapping.WIDTH / 2 / 2.706630
    assert mapping.project(0, 11) == (500, mapping.HEIGHT / 2)
    assert mapping.project(90, 11)[1] == pytest.approx(mapping.HEIGHT / 2 - 1.3173627591574 * unit)


def test_all_of_the_world_is_within_the_map_and_cut_at_bering_strait():
    for country, zones in mapping._zones().items():
        for place in zones.values():
            x, y = mapping.project(*place)
            assert 0 <= x <= mapping.WIDTH, country
            assert 0 <= y <= mapping.HEIGHT, country
    assert mapping.project(66, -170)[0] > 700  # Chukotka, beside the rest of Asia
    assert mapping.project(66, -168)[0] < 300


@pytest.mark.parametrize(
    ("country", "place"),
    [("GB", (51.508, -0.125)), ("AU", (-31.55, 159.083)), ("KZ", (43.25, 76.95)), ("XK", (42.667, 21.167))],
)
def test_a_country_has_a_place(country, place):
    assert mapping.around(country, "") == pytest.approx(place, abs=0.01)


def test_a_time_zone_has_a_place_and_one_of_another_country_none():
    assert mapping.around("RU", "Europe/Moscow") == pytest.approx((55.756, 37.618), abs=0.01)
    assert mapping.around("GB", "Europe/Moscow") == mapping.around("GB", "")
    assert mapping.around("BV", "") is None  # nobody lives there


@pytest.mark.parametrize(
    ("country", "zone"),
    [("GB", "Europe/London"), ("DE", "Europe/Berlin"), ("US", ""), ("ES", ""), ("BV", ""), ("XK", "Europe/Belgrade")],
)
def test_a_country_has_one_time_zone_if_its_clocks_agree(country, zone):
    assert mapping.only_zone(country, datetime(2026, 7, 1, 17, tzinfo=UTC)) == zone


def test_nothing_is_no_map():
    assert mapping.draw([]) is None


def test_the_map_shows_the_part_of_the_world_where_something_is():
    near = mapping.draw([(*LONDON, 1, 0), (52.5, 13.4, 3, 1)])
    far = mapping.draw([(*LONDON, 1, 0), (*SYDNEY, 1, 0), (43.6, -79.4, 1, 0)])

    assert near.width < 300
    assert 600 < far.width <= mapping.WIDTH
    for shown in (near, far):
        assert 0 <= shown.left <= shown.left + shown.width <= mapping.WIDTH + 0.1
        assert 0 <= shown.top <= shown.top + shown.height <= mapping.HEIGHT + 0.1
        for dot in shown.dots:
            assert shown.left < dot.x < shown.left + shown.width
            assert shown.top < dot.y < shown.top + shown.height


def test_what_is_at_one_place_is_one_dot_and_the_larger_lies_below():
    small, *others = reversed(mapping.draw([(*LONDON, 2, 0), (*LONDON, 1, 1), (52.5, 13.4, 1, 0)]).dots)

    (large,) = others
    assert (large.count, large.coming) == (3, 1)
    assert large.radius > small.radius


def test_the_land_is_small_and_holds_the_towns_it_should():
    drawn = (settings.BASE_DIR / "static" / "img" / "world.svg").read_text()

    assert len(drawn) < 40 * 1000
    assert re.search(r'<path id="land" transform="scale\(\.1\)" d="M', drawn)
