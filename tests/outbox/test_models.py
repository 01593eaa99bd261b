import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from outbox.models import SELDOM, WAITING, State
from protests.models import Delivery
from tests.factories import DeliveryFactory, OrganiserFactory

pytestmark = pytest.mark.django_db


def test_what_is_due_is_found_by_its_index():
    plan = Delivery.objects.filter(state__among=WAITING, next_attempt_at__lte=timezone.now()).explain()

    # Another partial index holds the same rows; and PostgreSQL knows better than to use one for an empty table.
    assert any(name in plan for name in ("protests_delivery_due", "protests_delivery_queue", "Seq Scan"))


def test_states_written_into_the_statement_find_the_same_rows():
    for state in State:
        lease = {"lease": "x", "leased_until": timezone.now()} if state == State.SENDING else {}
        DeliveryFactory(state=state, **lease)

    found = Delivery.objects.filter(state__among=WAITING)

    assert set(found) == set(Delivery.objects.filter(state__in=WAITING))
    assert len(found) == 2


def test_nothing_but_a_state_is_ever_written_into_a_statement():
    with pytest.raises(ValueError, match="not a valid State"):
        list(Delivery.objects.filter(state__among=["' OR 1=1 --"]))


def test_no_state_is_no_row():
    DeliveryFactory()

    assert not Delivery.objects.filter(state__among=[]).exists()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads an empty table without an index")
@pytest.mark.parametrize("state", [State.ACCEPTED, *SELDOM])
def test_one_state_is_found_by_an_index_of_its_own(state):
    plan = Delivery.objects.filter(state__among=[state], target=1).order_by("settled_at").values("pk").explain()
    assert "INDEX protests_delivery_" in plan


def test_the_desk_finds_the_mails_in_each_state(client):
    for state in State:
        lease = {"lease": "x", "leased_until": timezone.now()} if state == State.SENDING else {}
        DeliveryFactory(state=state, **lease)
    client.force_login(OrganiserFactory())

    for state in State:
        response = client.get(reverse("admin:protests_delivery_changelist"), {"state__exact": state})
        assert [row.state for row in response.context["cl"].result_list] == [state]
    response = client.get(reverse("admin:protests_delivery_changelist"), {"state__exact": "nonsense"})
    assert response.status_code == 200
    assert not response.context["cl"].result_list
