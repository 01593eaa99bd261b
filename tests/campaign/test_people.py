from datetime import date

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from campaign.models import Activist, Charge, Custody, Status
from tests.factories import ActivistFactory, ChargeFactory, CustodyFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def today():
    with time_machine.travel("2011-09-01T12:00Z", tick=False):
        yield


def read(activist):
    """The activist as a page reads them."""
    return Activist.objects.with_charges().get(pk=activist.pk)


# --- Days --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "days"),
    [
        ([], 0),
        ([{"began_on": date(2011, 9, 1)}], 1),  # the first day counts
        ([{"began_on": date(2011, 8, 3)}], 30),
        ([{"began_on": date(2011, 8, 3), "ended_on": date(2011, 8, 9)}], 7),
        ([{"began_on": date(2011, 8, 3), "known_until": date(2011, 8, 24)}], 22),
        ([{"began_on": date(2011, 6, 1), "ended_on": date(2011, 6, 7)}, {"began_on": date(2011, 8, 3)}], 37),
        # The same days twice, as of two charges.
        ([{"began_on": date(2011, 6, 1), "ended_on": date(2011, 6, 30)}] * 2, 30),
        (
            [
                {"began_on": date(2011, 6, 1), "ended_on": date(2011, 6, 30)},
                {"began_on": date(2011, 6, 3), "ended_on": date(2011, 6, 5)},
                {"began_on": date(2011, 6, 30), "ended_on": date(2011, 7, 1)},
            ],
            31,
        ),
        ([{"began_on": date(2011, 10, 1)}], 0),  # typed wrong, and not through the form
    ],
)
def test_each_day_in_custody_counts_once(times, days):
    activist = ActivistFactory()
    for row in times:
        CustodyFactory(activist=activist, **row)
    assert read(activist).days_in_custody == days


def test_days_go_on_counting_while_a_person_is_held():
    activist = CustodyFactory(began_on=date(2011, 8, 3)).activist
    with time_machine.travel("2011-09-11T12:00Z", tick=False):
        assert (read(activist).days_in_custody, read(activist).custody.days) == (40, 40)


@pytest.mark.parametrize(
    ("row", "certain"),
    [({}, True), ({"exact": False}, False), ({"known_until": date(2011, 8, 24)}, False)],
)
def test_days_are_certain_only_if_those_of_all_times_are(row, certain):
    activist = CustodyFactory(began_on=date(2011, 6, 1), ended_on=date(2011, 6, 7)).activist
    CustodyFactory(activist=activist, **row)
    assert read(activist).days_are_certain is certain


def test_those_in_custody_are_the_living_who_are_held_now():
    held = CustodyFactory(activist__name="Held").activist
    CustodyFactory(activist=held, began_on=date(2011, 6, 1), ended_on=date(2011, 6, 7))
    CustodyFactory(activist__name="Last heard of", known_until=date(2011, 8, 24))
    CustodyFactory(activist__name="Released", ended_on=date(2011, 8, 31))
    CustodyFactory(activist__name="Draft", activist__published_at=None)
    CustodyFactory(activist__name="Typed wrong", began_on=date(2011, 10, 1))
    died = CustodyFactory(activist__name="Died in prison").activist
    Activist.objects.filter(pk=died.pk).update(remembered=True)
    ActivistFactory(name="Never held")
    found = Activist.objects.published().in_custody()
    assert {activist.name for activist in found} == {"Held", "Last heard of"}
    # The property says the same.
    assert {activist.name for activist in Activist.objects.published() if activist.custody} == {"Held", "Last heard of"}


# --- Status ------------------------------------------------------------------------------------------------------

PAST = {"began_on": date(2011, 6, 1), "ended_on": date(2011, 6, 7)}
NOW = {"began_on": date(2011, 8, 3)}


@pytest.mark.parametrize(
    ("stages", "custody", "status"),
    [
        ([], None, None),
        (["sentenced"], NOW, Status.IN_PRISON),
        (["threatened", "sentenced"], NOW, Status.IN_PRISON),
        (["charged"], NOW, Status.UNDER_ARREST),
        ([], NOW, Status.UNDER_ARREST),
        (["detained"], None, Status.UNDER_ARREST),
        (["detained"], PAST, Status.FREE),
        (["detained", "accused"], PAST, Status.CHARGED),
        (["sentenced"], None, Status.SENTENCED),
        (["on_trial", "suspended"], None, Status.CHARGED),
        (["suspended"], None, Status.SUSPENDED),
        (["suspended", "threatened"], None, Status.SUSPENDED),
        (["threatened"], None, Status.THREATENED),
        (["acquitted", "dropped"], None, Status.FREE),
        (["released"], PAST, Status.FREE),
        ([], PAST, Status.FREE),
    ],
)
def test_the_status_is_the_gravest_thing_that_goes_on_now(stages, custody, status):
    activist = ActivistFactory()
    for stage in stages:
        ChargeFactory(activist=activist, steps=[(date(2011, 5, 1), "charged"), (date(2011, 8, 1), stage)])
    if custody:
        CustodyFactory(activist=activist, **custody)
    assert read(activist).status == status


def test_the_dead_have_no_status():
    activist = ActivistFactory(remembered=True)
    ChargeFactory(activist=activist, steps=[(date(2011, 5, 1), "charged")])
    CustodyFactory(activist=activist)
    assert (read(activist).status, read(activist).custody) == (None, None)


# --- What the database and the forms refuse ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "constraint"),
    [
        ({"ended_on": date(2011, 8, 2)}, "campaign_custody_ends_after_it_began"),
        ({"known_until": date(2011, 8, 2)}, "campaign_custody_known_after_it_began"),
        ({"ended_on": date(2011, 8, 9), "known_until": date(2011, 8, 9)}, "campaign_custody_ended_or_last_heard_of"),
    ],
)
def test_days_of_a_custody_that_cannot_be_are_refused(row, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        CustodyFactory(**row)
    with pytest.raises(ValidationError):
        Custody(activist=ActivistFactory(), began_on=date(2011, 8, 3), **row).full_clean()
    assert not Custody.objects.exists()


def test_a_person_is_in_custody_once_at_a_time():
    activist = CustodyFactory().activist
    with pytest.raises(IntegrityError), transaction.atomic():
        CustodyFactory(activist=activist, began_on=date(2011, 8, 9))
    with pytest.raises(ValidationError, match="last day"):
        Custody(activist=activist, began_on=date(2011, 8, 9)).full_clean()
    assert activist.custodies.count() == 1


def test_a_custody_to_come_is_refused():
    with pytest.raises(ValidationError, match="still to come"):
        Custody(activist=ActivistFactory(), began_on=date(2011, 9, 2)).full_clean()


@pytest.mark.parametrize(
    ("row", "constraint", "message"),
    [
        ({"died_on": date(2011, 8, 1)}, "campaign_the_dead_are_remembered", "in memory"),
        (
            {"born_on": date(2011, 8, 2), "died_on": date(2011, 8, 1), "remembered": True},
            "campaign_activist_born_before_death",
            "before the day of birth",
        ),
    ],
)
def test_dates_of_a_life_that_cannot_be_are_refused(row, constraint, message):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        ActivistFactory(**row)
    with pytest.raises(ValidationError, match=message):
        Activist(slug="rosa", name="Rosa", **row).full_clean()
    assert not Activist.objects.exists()


@pytest.mark.parametrize("kind", [Charge, Custody])
def test_a_memory_gets_no_charge_and_no_custody(kind):
    row = kind(activist=ActivistFactory(remembered=True))
    row.set_current_language("en")
    if kind is Charge:
        row.title = "Disobedience"
    else:
        row.began_on = date(2011, 8, 3)
    with pytest.raises(ValidationError, match="a memory is no case"):
        row.full_clean()


def test_what_stood_before_a_person_died_stays_and_can_be_saved():
    charge = ChargeFactory()
    charge.activist.remembered = True
    charge.activist.save()
    charge.full_clean()
    assert charge.activist.charges.count() == 1
