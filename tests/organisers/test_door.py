"""Nobody comes to the desk by anything less than a password and a second factor."""

import re

import pytest
from django.urls import URLPattern, get_resolver, reverse
from django.urls.resolvers import RegexPattern

from tests.organisers.coming_in import app_of, come_in, give_password, organiser
from tests.rows import one_of_each

pytestmark = pytest.mark.django_db
LOGIN, INDEX = reverse("admin:login"), reverse("admin:index")
SECOND, SET_UP = reverse("organisers:second_factor"), reverse("organisers:set_up")


# --- Every address --------------------------------------------------------------------------------------------------


def admin_paths():
    """Return every path below /admin/ that the URL configuration knows, with the keys of rows that there are."""
    keys = {label.replace(".", "_"): row.pk for label, row in one_of_each().items()}
    return sorted(path for path in _paths(get_resolver().url_patterns, "/", keys) if path.startswith(INDEX))


def _paths(patterns, begun, keys):
    for one in patterns:
        name = getattr(one, "name", "") or ""
        model = max((label for label in keys if name.startswith(label)), key=len, default="")
        values = {"language_code": "en", "token": "x" * 32, "content_type_id": 1}

        def value(found, values=values, model=model):
            return str(values.get(found[1], keys.get(model, 1)))

        route = str(one.pattern)
        if isinstance(one.pattern, RegexPattern):
            route = {"app_list": "campaign/"}.get(name, "no/such/page")
        path = begun + re.sub(r"<(?:\w+:)?(\w+)>", value, route)
        if isinstance(one, URLPattern):
            yield path
        else:
            yield from _paths(one.url_patterns, path, keys)


# Before the desk by their nature; what they show is tested below.
BEFORE = {LOGIN, SECOND, SET_UP, reverse("organisers:invitation", args=["x" * 32])}


def opened(client, paths):
    """Return the paths that answered with anything but the way to the door, by GET or POST."""
    found = []
    for path in paths:
        for answer in (client.get(path), client.post(path, {})):
            led_away = answer.status_code == 302 and answer["Location"].startswith((LOGIN, INDEX, SECOND, SET_UP))
            if not led_away and answer.status_code not in {400, 403, 405}:
                found.append((path, answer.status_code))
    return found


class TestEveryAdminAddress:
    @pytest.fixture
    def paths(self):
        paths = admin_paths()
        assert len(paths) > 200
        assert {"/admin/campaign/strike/", "/admin/jsi18n/", "/admin/autocomplete/", INDEX} <= {*paths}
        return [path for path in paths if path not in BEFORE]

    def test_is_there(self, client, paths):
        come_in(client, organiser())
        assert {client.get(path).status_code for path in paths[:: len(paths) // 10]} <= {
            200,
            301,
            302,
            400,
            403,
            404,
            405,
        }
        assert {client.get(path).status_code for path in (INDEX, "/admin/jsi18n/", "/admin/sessions/")} == {200}

    def test_shows_0_pages_to_a_password_alone(self, client, paths):
        for user in (organiser("without"), organiser("with")):
            if user.username == "with":
                app_of(user)
            assert give_password(client, user).status_code == 302
            assert client.session["_auth_user_id"] == str(user.pk)
            assert opened(client, paths) == []

    def test_shows_0_pages_to_anybody(self, client, paths):
        assert opened(client, paths) == []

    def test_shows_0_pages_to_one_who_was_let_go(self, client, paths):
        user = organiser()
        come_in(client, user)
        user.is_active = False
        user.save()
        assert opened(client, paths) == []


def test_whoever_mistypes_an_address_of_the_desk_is_told_so(client):
    come_in(client, organiser())

    page = client.get(f"{INDEX}nowhere/")

    assert page.status_code == 404
    assert "This page is not here" in page.text
