"""
A simulated week: many letters to one embassy, so many a day, within its hours, by the real engine to a real server.

`python -m bench.week` runs it on a scratch database; `run()` on the one that Django is configured with.
"""

import os
import sys
from collections import Counter
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import django
import time_machine

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.test.runner import DiscoverRunner
from django.test.utils import override_settings

from outbox import engine
from outbox.models import State
from protests.models import Delivery, Signature
from tests.factories import LetterTextFactory, SignatureFactory, TargetFactory
from tests.sinks import ScriptedSink

ZONE = "Asia/Almaty"
CAP, OPENS_AT, CLOSES_AT = 300, time(9), time(17)
# A Monday; the clock in Almaty was set back half a year before, and is not set in that week.
MONDAY = date(2026, 3, 2)


def run(letters: int = 2000, cap: int = CAP) -> dict[str, Any]:
    """Send `letters` through simulated days, an hour at a time; return what became of them."""
    zone = ZoneInfo(ZONE)
    taken_at: list[datetime] = []
    sink = ScriptedSink()
    sink.on_data = lambda rcpt, content: taken_at.append(datetime.now(zone))
    sink.start()
    moment = datetime.combine(MONDAY, time(), zone)
    try:
        with override_settings(EMAIL_HOST="127.0.0.1", EMAIL_PORT=sink.port):
            with time_machine.travel(moment):
                text = LetterTextFactory()
                target = TargetFactory(
                    daily_cap=cap, opens_at=OPENS_AT, closes_at=CLOSES_AT, time_zone=ZONE, email="week@example.org"
                )
                signatures = Signature.objects.bulk_create(
                    SignatureFactory.build_batch(letters, text=text, name="Nora Berg", confirmed=True)
                )
                Delivery.objects.bulk_create(Delivery(signature=one, target=target) for one in signatures)
            rows = target.deliveries
            for _hour in range(24 * (letters // cap + 3)):
                with time_machine.travel(moment):
                    while engine.send_due(Delivery):
                        pass
                moment += timedelta(hours=1)
                if not rows.waiting().exists():
                    break
    finally:
        sink.stop()
    times_sent = Counter(sink.message_ids())
    wanted = set(rows.values_list("message_id", flat=True))
    per_day = Counter(at.date().isoformat() for at in taken_at)
    return {
        "letters": letters,
        "per_day": dict(sorted(per_day.items())),
        "outside_hours": sum(not OPENS_AT <= at.time() < CLOSES_AT for at in taken_at),
        "lost": len(wanted - times_sent.keys()),
        "twice": sum(count > 1 for count in times_sent.values()),
        "in_doubt": rows.filter(state=State.IN_DOUBT).count(),
        "accepted": rows.filter(state=State.ACCEPTED).count(),
        "ok": list(per_day.values()) == _expected(letters, cap)
        and all(OPENS_AT <= at.time() < CLOSES_AT for at in taken_at)
        and sorted(times_sent.values()) == [1] * letters,
    }


def _expected(letters: int, cap: int) -> list[int]:
    full, rest = divmod(letters, cap)
    return [cap] * full + [rest] * bool(rest)


def main() -> int:
    runner = DiscoverRunner(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    try:
        found = run()
    finally:
        runner.teardown_databases(databases)
    for day, count in found["per_day"].items():
        print(f"{date.fromisoformat(day):%a %d %b}  {count:5d}")
    for name in ("outside_hours", "lost", "twice", "in_doubt"):
        print(f"{name.replace('_', ' '):13} {found[name]}")
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
