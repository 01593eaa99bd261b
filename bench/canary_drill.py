"""The drill of what is kept: a thousand people go the whole way of a letter, and then nothing may tell of them."""

import time

from django.db import connections
from django.test import override_settings

from bench.canaries import Live, listening, look, places, purged_after, stored_values
from bench.drills import Play, drill
from bench.erasures import Crowd
from outbox import tasks
from outbox.models import State
from privacy import erasing
from privacy.models import PurgeRun
from protests.models import Delivery

PEOPLE, FEW = 1000, 60


@drill(seconds=1200)
def canaries(now: Play) -> None:
    """
    Sign, hold and release, confirm, send, come back, pledge, write; two months later purge, and two years later again.

    Looked at after the second: a backup, every row, the broker, the caches, and the logs of all processes.
    """
    now.behave()  # from now on the mail server listens
    count = FEW if now.stage.quick else PEOPLE

    def send_all() -> None:
        tasks.send.delay()
        now.stage.wait(lambda: not now._left(), "not everything was sent")

    with listening() as log:
        live = Live(count, send_all)
        live.sign()
        now.stage.start_worker(LOG_LEVEL="INFO")
        now.stage.start_beat()
        live.confirm()
        now.written = set(Delivery.objects.filter(state=State.ACCEPTED).values_list("message_id", flat=True))
        came_back = live.bounce()
        now.refused = set(Delivery.objects.filter(state=State.BOUNCED).values_list("message_id", flat=True))
        live.give_and_write()
        stored = stored_values()
        live.end()
        signed = live.counted()
        for running in now.stage.running.values():
            running.end()
        now.stage.running.clear()
        purged_after(61)
        purged_after(800)
        run = PurgeRun.objects.get(kind=PurgeRun.Kind.DAILY)
        now.must(run.failed == 0, f"{run.failed} rows could not be purged: {run.failure}")
        now.must(live.counted() == signed, f"{live.counted()} are counted, who were {signed}")
    logs = log.getvalue() + "".join(
        file.read_text(errors="replace") for file in [*now.stage.folder.glob("*.log"), *now.stage.folder.glob("*/log")]
    )
    connections.close_all()
    hits = look(places(logs, now.stage.folder), live.people, stored)
    now.remark(
        f"{count} people, {signed} counted, {came_back} letters came back, {len(stored)} stored values looked for"
    )
    for line in hits.lines():
        now.remark(line)
    now.must(hits.total == 0, f"{hits.total} hits")


@drill(seconds=900)
def erasure(now: Play) -> None:
    """1,000 of 10,000 are erased: the counts stand. A backup brings them back: they are erased again."""
    with override_settings(ERASURES=now.stage.folder / "erasures"):
        _erasure(now)
    Delivery.objects.all().delete()  # none of them was sent: the mail server's record says nothing of them


def _erasure(now: Play) -> None:
    count = 200 if now.stage.quick else 10_000
    crowd = Crowd(count)
    before = crowd.figures()
    began = time.monotonic()
    crowd.erase(count // 10)
    took = time.monotonic() - began
    now.must(crowd.figures() == before, f"{crowd.figures()} instead of {before}")
    now.must(crowd.known() == count - count // 10, f"of {crowd.known()} something is held")
    crowd.come_back()
    now.must(crowd.known() == count, "the backup did not bring them back")
    began = time.monotonic()
    rows = erasing.replay()
    again = time.monotonic() - began
    now.must(rows >= count // 10, f"{rows} rows were erased again")
    now.must(crowd.known() == count - count // 10, f"after the restore something is held of {crowd.known()}")
    now.must(crowd.figures() == before, f"{crowd.figures()} instead of {before}")
    now.must(erasing.replay() == 0, "a second time changed something")
    now.remark(f"{count // 10} of {count} erased in {took:.1f} s; again after the restore in {again:.1f} s")
    now.remark(f"{before['signed']} are counted, before and after")
