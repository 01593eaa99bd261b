"""
Deleting what is past its date, as the registry says.

A table is gone through by its key, a batch at a time, each in a transaction of its own: of any size, with little
memory, and no lock is held for long. Where a run is stands in the database, so that one which was killed is finished by
the next. Doing a batch twice, or two at once, does no harm: what is due is decided anew for each.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, connection, models, transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from privacy import clock
from privacy.models import PurgeRun, TrustedTime
from privacy.registry import Rule, filled, our_models

logger = logging.getLogger(__name__)

BATCH = 1000
# For at most so long others have the database to themselves after a batch that wrote something.
PAUSE_SECONDS = 0.2
# The daily run begins anew as soon as its last one began so long ago: a bell each hour, and never two days between.
DAILY_AFTER = timedelta(hours=23, minutes=30)
# A run that was killed so long ago is finished, and then one made from the beginning.
STALE_AFTER = timedelta(hours=1)
ALARM_AFTER = timedelta(hours=26)

Kind = PurgeRun.Kind
Tell = Callable[[str], None]


class ClockDoubted(Exception):
    """The clock is far from the last time that is known: nothing was deleted."""

    def __init__(self, last: datetime) -> None:
        super().__init__(clock_words(last))
        self.last = last


def purge(kind: str = Kind.DAILY) -> Counter[str]:
    """Delete rows and empty columns that are past their date, in one go; return how many, by name."""
    done: Counter[str] = Counter()
    for _model, _key, counts, _failures in _batches(kind):
        done += counts
    return done


def run(kind: str = Kind.DAILY, *, tell: Tell = logger.debug) -> Counter[str]:
    """
    Do the same, noting where it is; first finish a run that was killed. Return how many, by name.

    Raises ClockDoubted where the clock cannot be trusted.
    """
    _doubt()
    now = timezone.now()
    before, new = PurgeRun.objects.get_or_create(kind=kind, defaults={"began_at": now, "table": "-"})
    done: Counter[str] = Counter()
    if not new and before.is_under_way:
        tell(_("A run that began at %(began)s did not end; it goes on.") % {"began": before.began_at.isoformat()})
        done += _go_on(kind, before.table, before.key, tell)
        if abs(now - before.began_at) < STALE_AFTER:
            return done
    PurgeRun.objects.filter(kind=kind).update(began_at=now, table="-", key="", deleted=0, failed=0, failure="")
    return done + _go_on(kind, "", "", tell)


def run_if_due() -> None:
    """Run what is due by now: beat rings each hour, whatever it missed before."""
    last = PurgeRun.objects.filter(kind=Kind.DAILY).first()
    is_fresh = last and not last.is_under_way and abs(timezone.now() - last.began_at) < DAILY_AFTER
    try:
        run(Kind.HOURLY if is_fresh else Kind.DAILY)
    except ClockDoubted as doubt:
        logger.error("%s", doubt)


def _doubt() -> None:
    if last := clock.look():
        raise ClockDoubted(last)


def _go_on(kind: str, table: str, key: str, tell: Tell) -> Counter[str]:
    """Run from this place to the end, noting each batch."""
    mine = PurgeRun.objects.filter(kind=kind)
    done: Counter[str] = Counter()
    failed = 0
    for model, last, counts, failures in _batches(kind, table, key):
        done += counts
        failed += len(failures)
        noted: dict[str, Any] = {"table": model._meta.label, "key": last}
        if counts:
            noted["deleted"] = models.F("deleted") + counts.total()
        if failures:
            noted |= {"failed": models.F("failed") + len(failures), "failure": failures[0]}
        mine.update(**noted)
        if counts or failures:
            tell(f"{counts.total():8} {model._meta.label} … {last or _('the end')}")
        if last:
            _doubt()  # it can also jump while a long run is under way
    mine.update(table="", key="", finished_at=timezone.now())
    _clear_away({".".join(name.split(".")[:2]) for name in done})
    return done


def _batches(
    kind: str, table: str = "", key: str = ""
) -> Iterator[tuple[type[models.Model], str, Counter[str], list[str]]]:
    """Yield each table and the last key of each batch ("" for its last), with what was done and what could not be."""
    found = list(_tables(kind))
    names = [model._meta.label for model, _rules in found]
    at = names.index(table) if table in names else 0
    key = key if table in names else ""
    for model, rules in found[at:]:
        while True:
            counts, failures, key = _batch(model, rules, key)
            yield model, key, counts, failures
            if not key:
                break


Rules = dict[Rule, tuple[str, ...]]


def _tables(kind: str) -> Iterator[tuple[type[models.Model], Rules]]:
    """Yield the models from which something goes, with the columns that go by the same rule together."""
    for model in our_models():
        rules: Rules = {}
        for column, rule in getattr(model, "personal", {}).items():
            if kind == Kind.DAILY or rule.days <= 1:
                same = replace(rule, purpose="")
                rules[same] = (*rules.get(same, ()), column)
        if rules or (kind == Kind.DAILY and hasattr(model, "expired")):
            yield model, rules


def _batch(model: Any, rules: Rules, key: str) -> tuple[Counter[str], list[str], str]:
    """Purge the rows after `key`; return how many went by name, what could not be, and the last key, "" at the end."""
    began, within = time.monotonic(), {}
    if key:
        within["pk__gt"] = model._meta.pk.to_python(key)
    last = (
        model._default_manager.filter(**within).order_by("pk").values_list("pk", flat=True)[BATCH - 1 : BATCH].first()
    )
    if last is not None:
        within["pk__lte"] = last
    counts: Counter[str] = Counter()
    failures: list[str] = []
    if hasattr(model, "expired"):
        _act(model.expired().filter(**within), _delete, counts, failures)
    for rule, columns in rules.items():
        rows = rule.due(model).filter(filled(model, columns), **within)
        _act(rows, partial(_empty, columns=columns), counts, failures)
    if counts and not connection.in_atomic_block:
        time.sleep(min(PAUSE_SECONDS, time.monotonic() - began))
    return counts, failures, "" if last is None else str(last)


def _act(
    rows: "models.QuerySet[Any]",
    act: "Callable[[models.QuerySet[Any]], Counter[str]]",
    counts: Counter[str],
    failures: list[str],
) -> None:
    """Act on these rows; where one of them cannot be, on each by itself, so that it keeps none of the others."""
    model = rows.model
    pks = list(rows.order_by().values_list("pk", flat=True))
    if not pks:
        return
    try:
        counts += _in_turn(rows, pks, act)
        return
    except Exception as error:  # noqa: BLE001 - whatever keeps one row, the others go
        # The words of the error may hold what is to go: its kind alone is told.
        logger.warning("%s: a batch could not be purged at once: %s", model._meta.label, type(error).__name__)
    for pk in pks:
        try:
            counts += _in_turn(rows, [pk], act)
        except Exception as error:  # noqa: BLE001
            failures.append(f"{model._meta.label} {pk}: {type(error).__name__}")
            logger.error("%s %s could not be purged: %s", model._meta.label, pk, type(error).__name__)


def _in_turn(
    rows: "models.QuerySet[Any]", pks: list[Any], act: "Callable[[models.QuerySet[Any]], Counter[str]]"
) -> Counter[str]:
    """Act on what is still due of these rows, once they are ours: their owner may just have come back."""
    with transaction.atomic():
        rows_of = rows.model._default_manager.filter(pk__in=pks).order_by("pk")
        list(rows_of.select_for_update().values_list("pk", flat=True))
        due = list(rows.filter(pk__in=pks).order_by().values_list("pk", flat=True))
        if not due:
            return Counter()
        done = act(rows.model._default_manager.filter(pk__in=due))
        unname(rows.model, due)
        return done


def unname(model: type[models.Model], pks: list[Any]) -> None:
    """Take the names of these rows out of the desk's history: what a row was called may be a person's name."""
    kind = ContentType.objects.get_for_model(model)
    LogEntry.objects.filter(content_type=kind, object_id__in=[str(pk) for pk in pks]).update(object_repr="…")


def _delete(rows: "models.QuerySet[Any]") -> Counter[str]:
    return Counter({label: count for label, count in rows.delete()[1].items() if count})


def _empty(rows: "models.QuerySet[Any]", columns: tuple[str, ...]) -> Counter[str]:
    model = rows.model
    count = rows.update(**{name: None if model._meta.get_field(name).null else "" for name in columns})
    return Counter({f"{model._meta.label}.{name}": count for name in columns if count})


def _clear_away(tables: set[str]) -> None:
    """
    Let what was deleted leave the files too: on PostgreSQL the old versions of rows, on SQLite its log of changes.

    On SQLite the pages themselves are overwritten while deleting (PRAGMA secure_delete, in the settings). It never
    waits long for others: what cannot be done now, the next run does.
    """
    if connection.in_atomic_block:
        return
    try:
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA busy_timeout = 500")
                try:
                    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                finally:
                    cursor.execute(
                        f"PRAGMA busy_timeout = {int(connection.settings_dict['OPTIONS']['timeout'] * 1000)}"
                    )
            else:
                for table in sorted(tables):
                    cursor.execute(f"VACUUM {connection.ops.quote_name(apps.get_model(table)._meta.db_table)}")
    except DatabaseError as error:
        logger.warning("What was deleted could not be cleared away at once: %s", type(error).__name__)


# --- The alarm -----------------------------------------------------------------------------------------------------


def clock_words(last: datetime) -> str:
    return _("Nothing is deleted: the clock is more than 48 hours away from %(last)s, the last time that is known.") % {
        "last": date_format(timezone.localtime(last), "DATETIME_FORMAT")
    }


def alarm() -> tuple[str, str] | None:
    """Return what is wrong with deleting, and what to do; None while all is well."""
    if last := clock.doubted_since():
        to_do = _(
            "Set the clock right. If it is right, because the server was off for days, say so: "
            "`manage.py purge --clock-is-right`."
        )
        return clock_words(last), to_do
    run = PurgeRun.objects.filter(kind=Kind.DAILY).first()
    finished = run.finished_at if run else None
    known = finished or TrustedTime.objects.filter(pk=1).values_list("since", flat=True).first()
    if known and abs(timezone.now() - known) > ALARM_AFTER:
        if finished:
            says = _("What is past its date was last deleted on %(day)s: more than 26 hours ago.") % {
                "day": date_format(timezone.localtime(finished), "DATETIME_FORMAT")
            }
        else:
            says = _("What is past its date was never deleted yet.")
        return says, _("See whether beat and a worker run, and run `manage.py purge`: it goes on where it was.")
    if run and run.failed:
        says = ngettext(
            "%(count)d row could not be deleted or emptied. The first: %(first)s.",
            "%(count)d rows could not be deleted or emptied. The first: %(first)s.",
            run.failed,
        ) % {"count": run.failed, "first": run.failure}
        return says, _(
            "Run `manage.py purge`. If they stay, report it: these hold personal data that is past its date."
        )
    return None


def finished_at() -> datetime | None:
    """Return when all was last gone through; None if never yet."""
    return PurgeRun.objects.filter(kind=Kind.DAILY).values_list("finished_at", flat=True).first()
