"""What every test may ask for, and what none may do: talk to anything outside this machine."""

import gc
import socket
import time
from ipaddress import ip_address
from pathlib import Path

import pytest
from celery.signals import before_task_publish
from django.conf import settings as django_settings
from django.db import connections, transaction
from django.test import Client, TransactionTestCase
from django.utils import translation
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_static.models import StaticDevice

from organisers.verifying import AUTHENTICATED_AT
from outbox import engine
from outbox.models import queues
from privacy.triggers import Triggers
from tests.name_servers import NameServer
from tests.sinks import ScriptedSink


def pytest_collection_finish():
    """Let the garbage collector leave alone what stays until the end: a sixth of the suite's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


class NetworkError(Exception):
    """A test tried to leave this machine."""


@pytest.fixture(autouse=True, scope="session")
def no_network_but_loopback():
    def guarded(connect):
        def checked(self, address):
            if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
                raise NetworkError(f"A test tried to connect to {address}.")
            return connect(self, address)

        return checked

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
        yield


def _is_loopback(host):
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture(autouse=True, scope="session")
def forced_logins_are_complete():
    """`client.force_login()` stands for both factors. How people come in by them: tests/organisers/."""
    log_in = Client._login

    def complete(client, user, backend=None):
        log_in(client, user, backend)
        if user.is_staff:
            session = client.session
            device, _new = StaticDevice.objects.get_or_create(user=user, name="of the tests")
            session[DEVICE_ID_SESSION_KEY] = device.persistent_id
            session[AUTHENTICATED_AT] = int(time.time())
            session.save()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "_login", complete)
        yield


@pytest.fixture(autouse=True)
def english():
    """A page read in another language leaves it active, and what a test then writes would be in that one."""
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True, scope="session")
def folders():
    for name in ("broker/queue", "broker/control", "static"):
        Path(django_settings.VAR_DIR, name).mkdir(parents=True, exist_ok=True)


# Made with the database itself, and changed by no test that commits.
KEPT = {"django_migrations", "django_content_type", "auth_permission", "auth_group", "auth_group_permissions"}


@pytest.fixture(autouse=True, scope="session")
def emptied_quickly():
    """
    After a test that commits, delete from the tables that it has filled, whatever guards them.

    Django truncates all hundred tables, and makes permissions, groups and triggers anew: a third of a second each time.
    """

    def teardown(case):
        for name in case._databases_names(include_mirrors=False):
            _empty(connections[name])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)
        yield


def _empty(connection):
    quote = connection.ops.quote_name
    tables = sorted(set(connection.introspection.table_names()) - KEPT)
    has_rows = "SELECT '{}' WHERE EXISTS (SELECT 1 FROM {})"
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(has_rows.format(table, quote(table)) for table in tables))
        filled = {table for (table,) in cursor.fetchall()}
    if connection.vendor == "postgresql":
        with transaction.atomic(connection.alias), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")  # neither foreign keys nor triggers
            for table in filled:
                cursor.execute(f"DELETE FROM {quote(table)}")
        return
    guards = [guard for guard in Triggers.known if filled & {*guard.tables(), *guard.others}]
    for guard in guards:
        guard.drop(connection.alias)
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        for table in filled:
            cursor.execute(f"DELETE FROM {quote(table)}")
    for guard in guards:
        guard.create(connection.alias)


@pytest.fixture
def rung():
    """The names of the tasks that were handed to the broker."""
    names = []

    def hear(sender, **kwargs):
        names.append(sender)

    before_task_publish.connect(hear)
    yield names
    before_task_publish.disconnect(hear)


@pytest.fixture
def sink(settings):
    """A real SMTP server that the settings point to; a test can script its answers."""
    sink = ScriptedSink().start()
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
    yield sink
    sink.stop()


@pytest.fixture
def names(settings):
    """A real DNS server that the settings point to; a test publishes what is to be found."""
    with NameServer() as server:
        settings.DNS_RESOLVERS = [server.address]
        yield server


@pytest.fixture
def send_all(sink):
    """A function that sends all that is due, in the given queues or in all, to `sink`, and returns what it took."""

    def send(*some):
        for queue in some or queues():
            while engine.send_due(queue):
                pass
        return sink.taken

    return send
