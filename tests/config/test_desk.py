import pytest
from django.urls import reverse
from tests.factories import OrganiserFactory
pytestmark = pytest.mark.django_db
def test_x(client):
    client.force_login(OrganiserFactory())
    r = client.get(reverse("admin:index"))
    assert r.status_code == 200
    print(r.content.decode()[3000:9000])
    from django.contrib.auth.models import Group
    for g in Group.objects.all(): print(g.name, g.permissions.count())
    assert 0
