import pytest

from tests.factories import OrganiserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("asked", "language"), [("de-AT,de;q=0.9", "de"), ("ru", "ru"), ("fr", "en"), ("", "en")])
def test_the_admin_speaks_the_language_of_the_browser(client, asked, language):
    client.force_login(OrganiserFactory())
    response = client.get("/admin/", headers={"Accept-Language": asked})
    assert response.headers["Content-Language"] == language
    assert "Accept-Language" in response.headers["Vary"]


def test_a_public_page_speaks_the_language_of_its_path(client):
    for path, language in (("/letters/", "en"), ("/ru/letters/", "ru")):
        assert client.get(path, headers={"Accept-Language": "de"}).headers["Content-Language"] == language


def test_a_page_that_is_not_there_offers_every_language(client):
    page = client.get("/ru/nowhere/").text
    for path, language in (("/", "en"), ("/de/", "de"), ("/ru/", "ru")):
        assert f'<a href="{path}" hreflang="{language}"' in page
