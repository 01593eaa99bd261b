"""What every test may ask for, and what none may do: talk to anything outside this machine."""

import socket
import time
from ipaddress import ip_address
from pathlib import Path

import pytest
from celery.signals import before_task_publish
from django.conf import settings as django_settings
from django.db.backends.base.operations import BaseDatabaseOperations
from django.test import Client
from django.utils import translation
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_static.models import StaticDevice

from organisers.verifying import AUTHENTICATED_AT
from outbox import engine
from outbox.models import queues
from privacy.triggers import Triggers
from tests.name_servers import NameServer
from tests.sinks import ScriptedSink


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


@pytest.fixture(autouse=True, scope="session")
def books_are_emptied():
    """What is posted cannot be deleted, also not after a test: the triggers are dropped for it, and made anew."""
    flush = BaseDatabaseOperations.execute_sql_flush

    def without_triggers(operations, sql_list):
        for triggers in Triggers.known:
            triggers.drop(operations.connection.alias)
        flush(operations, sql_list)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", without_triggers)
        yield


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
