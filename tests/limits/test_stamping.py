import time
from datetime import timedelta

import pytest

from limits.stamping import LASTS, SLICE, age, stamp


def test_it_is_the_same_for_all_who_read_within_a_slice():
    assert stamp(SLICE * 7) == stamp(SLICE * 8 - 0.1) != stamp(SLICE * 8)


def test_it_tells_how_old_the_page_is_at_most():
    now = time.time()

    assert timedelta(0) <= age(stamp(now)) <= timedelta(seconds=SLICE + 1)
    assert timedelta(minutes=1) <= age(stamp(now - 60)) <= timedelta(seconds=61 + SLICE)


def test_one_that_is_too_old_says_nothing():
    assert age(stamp(time.time() - LASTS.total_seconds() - SLICE)) is None


def test_one_from_a_time_to_come_says_nothing_rather_than_that_somebody_was_too_fast():
    assert age(stamp(time.time() + 3600)) is None


@pytest.mark.parametrize(
    "forged",
    [
        "",
        ".",
        "1",
        "x.y",
        "1.é",
        "٣.x",
        "9" * 30 + ".x",
        "180000000." + "0" * 32,
        "\x00",
        "1." * 9,
    ],
)
def test_one_that_is_not_ours_says_nothing(forged):
    assert age(forged) is None


def test_its_time_cannot_be_changed():
    slice_, signed = stamp(time.time()).split(".")

    assert age(f"{int(slice_) - 6}.{signed}") is None
