"""The ways of sending that are compared. Each sends a number of letters and returns how many it sent in a second."""

import os
import smtplib
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.core.mail import get_connection
from django.core.management import call_command
from django.db import connections
from django.db.models import Max, Min, QuerySet
from django.utils import timezone
from post_office import mail as post_office
from post_office.models import STATUS, Email
from post_office.tasks import send_queued_mail

from bench import letters, tasks
from bench.letters import Content
from bench.models import Mail
from bench.sinking import CannotRun, Sink
from bench.workers import Worker
from outbox.models import State
from outbox.tasks import send
from protests.models import Delivery, Signature

# Without any letter being sent for so long, something is wrong.
STALLED_SECONDS = 30


class Way:
    """One way of sending, kept through all runs."""

    peak_memory = 0

    def __init__(self, folder: Path, sink: Sink, contents: list[Content]) -> None:
        self.folder, self.sink, self.contents = folder, sink, contents

    def run(self, count: int) -> float:
        """Send so many letters; return letters per second."""
        before = self.sink.taken()
        self.prepare(count)
        rate = count / self.send(count)
        self.sink.check(before + count)
        self.clear()
        return rate

    def wait_until_ready(self) -> None:
        """Wait until what was started has started."""

    def prepare(self, count: int) -> None:
        """Do what comes before the clock starts."""

    def send(self, count: int) -> float:
        """Send, and return the seconds that it took."""
        raise NotImplementedError

    def clear(self) -> None:
        """Remove what a run left in the database."""

    def stop(self) -> None:
        """End what was started."""


class Django(Way):
    """Django's EmailMessage in a loop, over one kept connection; no database."""

    def prepare(self, count: int) -> None:
        self._connection = get_connection()
        self._connection.open()

    def send(self, count: int) -> float:
        start = time.perf_counter()
        for content in self.contents[:count]:
            content.as_django(connection=self._connection).send()
        return time.perf_counter() - start

    def clear(self) -> None:
        self._connection.close()


class Smtplib(Way):
    """smtplib in a loop with ready-made bytes, over one kept connection."""

    def prepare(self, count: int) -> None:
        self._ready = [
            (message.extra_headers["Message-ID"], message.recipients(), message.message().as_bytes(linesep="\r\n"))
            for message in (content.as_django() for content in self.contents[:count])
        ]
        self._smtp = smtplib.SMTP(settings.EMAIL_HOST, settings.EMAIL_PORT)
        self._smtp.ehlo()

    def send(self, count: int) -> float:
        start = time.perf_counter()
        for _message_id, to, content in self._ready:
            self._smtp.sendmail(settings.MAIL_FROM, to, content)
        return time.perf_counter() - start

    def clear(self) -> None:
        self._smtp.quit()


class WithWorker(Way):
    """What a Celery worker sends, which is started and warm before the clock starts."""

    def __init__(self, *args: Any, processes: int, **env: str) -> None:
        super().__init__(*args)
        self.worker = Worker(self.folder, processes, **env)

    def wait_until_ready(self) -> None:
        self.worker.wait_until_ready()

    def run(self, count: int) -> float:
        rate = super().run(count)
        self.peak_memory = max(self.peak_memory, self.worker.peak_memory())
        return rate

    def wait_for_all(self, unsent: QuerySet[Any]) -> None:
        """Wait until nothing is unsent. Raises CannotRun if nothing moves."""
        left, deadline = None, time.monotonic() + STALLED_SECONDS
        while unsent.exists():
            self.worker.check()
            if time.monotonic() > deadline:
                now_left = unsent.count()
                if now_left == left:
                    raise CannotRun(f"{left} letters were not sent.\n{self.worker.last_words()}")
                left, deadline = now_left, time.monotonic() + STALLED_SECONDS
            time.sleep(0.2)

    def stop(self) -> None:
        self.worker.stop()


class Ours(WithWorker):
    """The engine itself, as it runs in production: rows that were confirmed, one bell for each process."""

    def __init__(self, *args: Any, processes: int, database: str = "default", dkim: str = "") -> None:
        name = connections[database].settings_dict["NAME"]
        env = {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{name}",
        }
        self.database = database
        super().__init__(*args, processes=processes, **env, **({"DKIM_KEY_FILE": dkim} if dkim else {}))

    def prepare(self, count: int) -> None:
        letters.confirm(count, self.database)
        letters.tidy(self.database, [Delivery._meta.db_table, Signature._meta.db_table])

    def send(self, count: int) -> float:
        rows = Delivery.objects.using(self.database).filter(signature__consent_version="bench")
        start = timezone.now()
        for _process in range(self.worker.processes):
            self.worker.ring(send, Delivery._meta.label_lower)
        # Two small indexes answer this, whatever the history.
        unsent = Delivery.objects.using(self.database).filter(
            state__in=(State.QUEUED, State.DEFERRED, State.SENDING, State.IN_DOUBT)
        )
        self.wait_for_all(unsent)
        if (accepted := rows.filter(state=State.ACCEPTED).count()) != count:
            raise CannotRun(f"Only {accepted} of {count} letters were accepted.\n{self.worker.last_words()}")
        return (rows.aggregate(last=Max("settled_at"))["last"] - start).total_seconds()

    def clear(self) -> None:
        letters.forget(self.database)


class PostOffice(Way):
    """django-post-office with its defaults, by its command, which runs in this process."""

    def __init__(self, *args: Any, processes: int = 1) -> None:
        super().__init__(*args)
        self._processes = processes

    def prepare(self, count: int) -> None:
        post_office.send_many(
            [
                {
                    "sender": content.from_email,
                    "recipients": [content.to],
                    "subject": content.subject,
                    "message": content.body,
                    "headers": {"Reply-To": content.reply_to, "Message-ID": content.message_id},
                }
                for content in self.contents[:count]
            ]
        )
        letters.tidy("default", [Email._meta.db_table])

    def send(self, count: int) -> float:
        start = time.perf_counter()
        call_command("send_queued_mail", processes=self._processes, lockfile=str(self.folder / "post_office"))
        seconds = time.perf_counter() - start
        self.check(count)
        return seconds

    def check(self, count: int) -> None:
        if (sent := Email.objects.filter(status=STATUS.sent).count()) != count:
            raise CannotRun(f"django-post-office sent {sent} of {count} letters.")

    def clear(self) -> None:
        Email.objects.all().delete()


class PostOfficeTask(WithWorker, PostOffice):
    """django-post-office with its defaults, by its Celery task."""

    def __init__(self, *args: Any) -> None:
        WithWorker.__init__(self, *args, processes=1)

    def send(self, count: int) -> float:
        start = timezone.now()
        self.worker.ring(send_queued_mail)
        unsent = Email.objects.exclude(status__in=(STATUS.sent, STATUS.failed))
        self.wait_for_all(unsent)
        self.check(count)
        return (Email.objects.aggregate(last=Max("last_updated"))["last"] - start).total_seconds()


class TaskPerMail(WithWorker):
    """One Celery task for each mail. The tasks wait in the broker already when the clock starts."""

    def __init__(self, *args: Any, processes: int, kept: bool) -> None:
        super().__init__(*args, processes=processes, BENCH_DB_REUSE_MAX="1000000000" if kept else "0")
        self._task = tasks.send_mail_over_kept_connection if kept else tasks.send_mail
        self._runs = 0

    def prepare(self, count: int) -> None:
        self._runs += 1
        rows = Mail.objects.bulk_create(
            Mail(
                subject=content.subject,
                body=content.body,
                from_email=content.from_email,
                to=content.to,
                reply_to=content.reply_to,
                message_id=content.message_id,
            )
            for content in self.contents[:count]
        )
        letters.tidy("default", [Mail._meta.db_table])
        for row in rows:
            self.worker.ring(self._task, row.pk, queue=f"mails-{self._runs}")

    def send(self, count: int) -> float:
        self.worker.listen(f"mails-{self._runs}")
        self.wait_for_all(Mail.objects.filter(sent_at=None))
        # In its favour: from the first one sent, as it is no task's fault how soon the worker heard of the queue.
        sent = Mail.objects.aggregate(first=Min("sent_at"), last=Max("sent_at"))
        return (sent["last"] - sent["first"]).total_seconds()

    def clear(self) -> None:
        Mail.objects.all().delete()


def rsa_key(folder: Path) -> str:
    """Write an RSA-2048 key; return DKIM_KEY_FILE's value for it."""
    return _written(generate_private_key(public_exponent=65537, key_size=2048), folder / "rsa.pem")


def ed25519_key(folder: Path) -> str:
    return _written(Ed25519PrivateKey.generate(), folder / "ed25519.pem")


def _written(key: Any, path: Path) -> str:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return f"bench:{path}"
