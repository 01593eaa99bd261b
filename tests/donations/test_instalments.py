from datetime import date, timedelta
from itertools import pairwise

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from donations import instalments
from donations.models import KEPT_FOR, Pledge


def monthly(made_on, until=None, **columns):
    return Pledge(made_on=made_on, until=until, frequency="monthly", **columns)


def test_a_gift_made_once_is_due_on_the_day_of_the_pledge():
    made = Pledge(made_on=date(2026, 5, 31), frequency="once")
    assert list(instalments.dates(made)) == [date(2026, 5, 31)]
    assert made.ends_on is None
    assert not made.has_ended


def test_a_monthly_gift_is_due_on_the_same_day_or_the_months_last():
    made = monthly(date(2027, 10, 31), until=date(2028, 3, 31))
    assert [str(day) for day in instalments.dates(made)] == [
        "2027-10-31",
        "2027-11-30",
        "2027-12-31",
        "2028-01-31",
        "2028-02-29",
        "2028-03-31",
    ]


def test_the_last_day_counts_and_the_day_after_does_not():
    assert len(list(instalments.dates(monthly(date(2026, 1, 15), until=date(2026, 3, 15))))) == 3
    assert len(list(instalments.dates(monthly(date(2026, 1, 15), until=date(2026, 3, 14))))) == 2
    assert len(list(instalments.dates(monthly(date(2026, 1, 15), until=date(2026, 1, 15))))) == 1


def test_without_an_end_it_ends_when_its_givers_address_goes():
    made = monthly(date(2026, 1, 15))
    *_, last = instalments.dates(made)
    assert last == date(2028, 1, 15) == made.ends_on
    assert monthly(date(2026, 1, 15), until=date(2040, 1, 1)).ends_on == made.ends_on


def test_what_was_due_before_a_change_is_not_counted_again():
    made = monthly(date(2026, 1, 15), until=date(2026, 5, 20), changed_on=date(2026, 3, 3))
    assert [day.month for day in instalments.dates(made)] == [3, 4, 5]
    made = Pledge(made_on=date(2026, 1, 15), frequency="once", changed_on=date(2026, 3, 3))
    assert list(instalments.dates(made)) == [date(2026, 3, 3)]


def test_the_next_and_the_latest():
    made = monthly(date(2026, 1, 31), until=date(2026, 4, 30))
    assert instalments.following(made, date(2026, 2, 28)) == date(2026, 2, 28)
    assert instalments.following(made, date(2026, 3, 1)) == date(2026, 3, 31)
    assert instalments.following(made, date(2026, 5, 1)) is None
    assert instalments.latest(made, date(2026, 3, 30)) == (date(2026, 2, 28), date(2026, 1, 31))
    assert instalments.latest(made, date(2026, 1, 30)) is None


@pytest.mark.parametrize(("day", "ended"), [("2026-03-20", False), ("2026-03-21", True)])
def test_it_has_ended_after_its_last_day(day, ended):
    with time_machine.travel(f"{day} 12:00+00:00"):
        assert monthly(date(2026, 1, 15), until=date(2026, 3, 20)).has_ended is ended


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, KEPT_FOR.days))
def test_instalments_are_a_month_apart_and_within_the_pledge(made_on, days):
    made = monthly(made_on, until=made_on + timedelta(days=days))
    found = list(instalments.dates(made))
    assert found[0] == made_on
    assert found[-1] <= made.ends_on < instalments.months_later(made_on, len(found))
    assert all(27 < (later - earlier).days < 32 for earlier, later in pairwise(found))
