"""Nobody comes to the desk by anything less than a password and a second factor."""

import pytest
from django.urls import URLPattern, get_resolver, reverse

from tests.organisers.coming_in import app_of, come_in, give_password, organiser
from tests.rows import one_of_each

pytestmark = pytest.mark.django_db
LOGIN, INDEX = reverse("admin:login"), reverse("admin:index")
SECOND, SET_UP = reverse("organisers:second_factor"), reverse("organisers:set_up")


# --- Every address --------------------------------------------------------------------------------------------------


def admin_paths():
    """Return every path below /admin/ that the URL configuration knows, with values that lead to rows."""
    rows = {label.replace(".", "_"): row.pk for label, row in one_of_each().items()}

    def walk(patterns, parts):
        for one in patterns:
            now = [*parts, one.pattern]
            if isinstance(one, URLPattern):
                yield now, one.name or ""
            else:
                yield from walk(one.url_patterns, now)

    paths = set()
    for parts, name in walk(get_resolver().url_patterns, []):
        model = max((label for label in rows if name.startswith(label)), key=len, default="")
        path = ""
        for part in parts:
            regex = part.regex.pattern
            path += str(part) if not part.converters and not regex.startswith("^(?P") else ""
            if part.converters:
                filled = str(part)
                for key, converter in part.converters.items():
                    kind = type(converter).__name__
                    value = "en" if key == "language_code" else rows.get(model, 1)
                    filled = filled.replace(
                        next(piece for piece in _pieces(filled) if piece.rpartition(":")[2] == key).join("<>"),
                        str(value if kind != "UUIDConverter" else "0" * 8),
                    )
                path += filled
            elif regex.startswith("^(?P"):
                path += {"app_list": "campaign/"}.get(name, "nothing/such")
        if path.startswith("admin/"):
            paths.add("/" + path.replace("\\Z", "").replace("^", "").replace("$", ""))
    return sorted(paths)


def _pieces(text):
    return [piece.partition(">")[0] for piece in text.split("<")[1:]]


# What is before the desk by its nature; none of it shows anything of the desk.
BEFORE = {LOGIN, SECOND, SET_UP, *(f"/admin/invitation/{value}/" for value in range(1, 2))}


def opened(client, paths):
    """Return the paths that answered with anything but the way to the door, by GET or POST."""
    found = []
    for path in paths:
        for answer in (client.get(path), client.post(path, {})):
            led_away = answer.status_code == 302 and answer["Location"].startswith((LOGIN, INDEX, SECOND, SET_UP))
            if not led_away and answer.status_code not in {403, 405}:
                found.append((path, answer.status_code))
    return found


class TestEveryAdminAddress:
    @pytest.fixture
    def paths(self):
        paths = admin_paths()
        assert len(paths) > 200
        assert {"/admin/campaign/strike/", "/admin/jsi18n/", "/admin/autocomplete/", INDEX} <= {*paths}
        return [path for path in paths if path not in BEFORE]

    def test_opens_to_both_factors(self, client, paths):
        come_in(client, organiser())
        bad = [path for path in paths if "/1/" not in path and client.get(path).status_code >= 500]
        assert bad == []
        assert sum(client.get(path).status_code == 200 for path in paths) > 150

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
