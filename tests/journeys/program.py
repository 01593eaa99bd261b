"""The whole program in processes of its own, on what this run of the suite runs on."""

import os
from contextlib import contextmanager

import psycopg
from django.conf import settings

from tests.servers import valkey


@contextmanager
def own_servers(worker):
    """
    Yield the environment variables for a program of its own: none on SQLite.

    On PostgreSQL: a fresh database beside the one of the tests, and a broker whose bells no other test rings.
    """
    of = settings.DATABASES["default"]
    if of["ENGINE"] == "django.db.backends.sqlite3":
        yield {}
        return
    name = f"program_{worker}"
    server = {"host": of["HOST"], "port": of["PORT"] or None, "user": of["USER"], "password": of["PASSWORD"] or None}
    with psycopg.connect(**server, dbname="postgres", autocommit=True) as connection, valkey() as broker:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
        try:
            url = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
            yield {"DATABASE_URL": url, "CELERY_BROKER_URL": broker}
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
