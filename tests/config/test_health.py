import pytest
from django.db import DatabaseError

from config import health
from outbox.models import State
from tests.factories import DeliveryFactory, LetterFactory, SignatureFactory

pytestmark = pytest.mark.django_db


def test_healthz_answers_without_the_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/healthz").content == b"ok\n"


def test_readyz_is_ready_on_a_migrated_database(client):
    answer = client.get("/readyz")
    assert (answer.status_code, answer.content) == (200, b"ready\n")


def test_readyz_says_that_the_database_does_not_answer(client, monkeypatch):
    def fail(connection):
        raise DatabaseError("gone")

    monkeypatch.setattr(health, "MigrationExecutor", fail)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.content) == (503, b"The database does not answer (DatabaseError).\n")


def test_readyz_counts_what_is_not_migrated(client):
    health.MigrationExecutor(health.connection).recorder.migration_qs.filter(app="protests").delete()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert b"run `manage.py migrate`" in answer.content


def test_metrics_count_mails_and_signatures(client):
    letter = LetterFactory(slug="free-her")
    signature = SignatureFactory(letter=letter, confirmed=True)
    SignatureFactory(letter=letter)
    DeliveryFactory(signature=signature)
    DeliveryFactory(signature=signature, state=State.ACCEPTED)
    lines = client.get("/metrics").content.decode().splitlines()
    assert 'solidarity_mails{queue="protests.delivery",state="queued"} 1' in lines
    assert 'solidarity_mails{queue="protests.delivery",state="accepted"} 1' in lines
    assert 'solidarity_mails{queue="protests.delivery",state="in_doubt"} 0' in lines
    assert any(line.startswith('solidarity_oldest_due_mail_seconds{queue="protests.delivery"} ') for line in lines)
    assert 'solidarity_signatures{letter="free-her"} 1' in lines


@pytest.mark.parametrize(
    ("token", "header", "status"),
    [
        ("", "Bearer ", 404),
        ("s3cret", None, 404),
        ("s3cret", "Bearer wrong", 404),
        ("s3cret", "Basic s3cret", 404),
        ("s3cret", "Bearer gehé", 404),
        ("s3cret", "Bearer s3cret", 200),
    ],
)
def test_metrics_are_for_the_token_alone(client, settings, token, header, status):
    settings.DEVELOPMENT, settings.METRICS_TOKEN = False, token
    headers = {} if header is None else {"Authorization": header}
    assert client.get("/metrics", headers=headers).status_code == status


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_nothing_can_be_posted_to_them(client, path):
    assert client.post(path).status_code == 405
