"""The drill of backups: people sign while one is made; some are erased; the old state comes back, and they do not."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from itertools import count
from pathlib import Path

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from bench.drills import Play, drill, letter_to_sign
from bench.people import written
from donations import ledger
from outbox import engine
from outbox.models import State
from privacy import erasing
from privacy.addresses import address_tag
from privacy.sealing import make_key
from protests import proving
from protests.models import Delivery, Letter, Signature
from tests.factories import FundFactory, TransactionFactory

PEOPLE, FEW = 10_000, 300


@drill(seconds=900)
def backup(now: Play) -> None:
    """PEOPLE have signed, letters wait; a backup beside more who sign; a tenth erased; restored; nothing comes back."""
    people = FEW if now.stage.quick else PEOPLE
    letter, folder = letter_to_sign(), now.stage.folder
    signatures = written(letter, range(people), confirmed_at=timezone.now())
    target = letter.addressees.get().target
    Delivery.objects.bulk_create([Delivery(signature=one, target=target) for one in signatures], batch_size=1000)
    TransactionFactory(fund=FundFactory())
    settings.ERASURES = folder / "erasures"
    settings.BACKUP_KEY = make_key(folder / "operator.key", "")
    file, books = folder / "drill.backup", ledger.head()

    with _signing(letter, people) as signed:
        began = time.monotonic()
        call_command("backup", str(file), stdout=StringIO())
        took = time.monotonic() - began
    now.must(signed[-1] > signed[0], "nobody could sign while the backup was made")
    gone = [address_tag(one.email) for one in signatures[::10]]
    for person in gone:
        erasing.erase(person)
    Delivery.objects.update(state=State.ACCEPTED)  # all letters leave after the backup

    began = time.monotonic()
    try:
        call_command(
            "restore", str(file), "--key", str(folder / "operator.key"), "--replace", "--yes", stdout=StringIO()
        )
    except CommandError as error:
        now.must(False, f"the restore ended with: {error}")
        return
    restored = time.monotonic() - began
    counted = Signature.objects.counted().count()
    back = Signature.objects.filter(email_tag__in=gone).count()
    named = sum(
        bool(one.name or one.email) for one in Signature.objects.filter(pk__in=[s.pk for s in signatures[::10]])
    )
    now.must(not back and not named, f"{back} tags and {named} names of {len(gone)} who were erased came back")
    now.must(people <= counted <= people + signed[-1], f"{counted} are counted, who were {people} and more")
    now.must(ledger.verify(books) == [], "the books are not as they were")
    now.must(proving.verify() == [], "the log of letters is not as it was")
    waiting = Delivery.objects.exclude(state=State.IN_DOUBT).count()
    now.must(waiting == 0, f"{waiting} letters that had left would be sent again")
    engine.send_due(Delivery)
    now.must(not now.sink.read().taken, "mail left after the restore")
    now.refused = set(Delivery.objects.values_list("message_id", flat=True))  # no mail server ever saw them
    _settle()
    now.remark(
        f"{people:,} signatures, {signed[-1]:,} more meanwhile; {file.stat().st_size / 1e6:.1f} MB in {took:.1f} s; "
        f"{len(gone):,} erased; restored in {restored:.1f} s: {counted:,} counted, {back + named} came back"
    )


@contextmanager
def _signing(letter: Letter, first: int) -> Iterator[list[int]]:
    """Let people sign in another thread; yield how many had when it began and, at the end, in all."""
    ended, signed = threading.Event(), [0]

    def sign() -> None:
        try:
            for number in count():
                if ended.is_set():
                    return
                written(letter, range(first + number, first + number + 1), confirmed_at=timezone.now())
                signed.append(number + 1)
        finally:
            connections.close_all()

    thread = threading.Thread(target=sign)
    thread.start()
    try:
        yield signed
    finally:
        ended.set()
        thread.join()


def _settle() -> None:
    """Leave nothing behind that the next drill would find."""
    call_command("resume_mail", stdout=StringIO())
    Delivery.objects.update(state=State.CANCELLED, handing_over_at=None)
    Path(settings.ERASURES).unlink()
