"""
When the queue will be empty at the pace that is set: in plain words, for organisers.

Reckoned day by day from caps, hours and spacing; what a worker sends in a second does not matter beside these. Several
targets at one mail domain are taken to share its limits alike.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from protests import hours
from protests.models import Delivery, Letter, Target
from protests.pacing import Limit, Pace, held_letters, looked_at, paused_letters, shared_limits

# Further than this nobody can look.
DAYS = 3650
NO_LIMIT = 10**9


@dataclass
class Queue:
    """The letters that wait for one target and will leave by themselves."""

    pace: Pace
    limit: Limit
    waiting: int
    empty_on: date | None = None  # by the calendar there; None: not within DAYS


@dataclass
class Forecast:
    """What becomes of some of the letters that wait."""

    waiting: int
    empty_on: date | None
    endless: bool
    held_back: list[tuple[str, int]]

    def __str__(self) -> str:
        return " ".join(self.sentences())

    def sentences(self) -> Iterator[str]:
        if not self.waiting and not self.held_back:
            yield _("No letter waits.")
        count = {"count": _number(self.waiting)}
        if self.endless:
            yield _("At this pace the queue of %(count)s letters does not empty within ten years.") % count
        elif self.empty_on:
            text = ngettext(
                "At this pace the queue of %(count)s letter empties on %(day)s.",
                "At this pace the queue of %(count)s letters empties on %(day)s.",
                self.waiting,
            )
            yield text % {**count, "day": _day(self.empty_on)}
        for reason, held in self.held_back:
            text = ngettext(
                "%(count)s letter waits, and does not leave %(reason)s.",
                "%(count)s letters wait, and do not leave %(reason)s.",
                held,
            )
            yield text % {"count": _number(held), "reason": reason}


def forecast(*, target: Target | None = None, letter: Letter | None = None) -> Forecast:
    """
    Forecast the queue of a target, of a letter, or of all.

    A letter shares the pace of its targets with other letters: it is reckoned to leave as the last one.
    """
    now = timezone.now()
    rows = Delivery.objects.waiting().order_by()
    held_ids = paused_letters()
    waiting, ours = Counter[int](), Counter[int]()
    held_back: Counter[str] = Counter()
    # "*": PostgreSQL then counts in the index alone.
    for target_id, count in rows.values_list("target_id").annotate(count=Count("*")):
        waiting[target_id] = count
        ours[target_id] = count if letter is None and (target is None or target_id == target.pk) else 0
    # The letter stands a table away, in the signature: only of those letters that matter here is it asked.
    apart = {*held_ids, *([letter.pk] if letter else [])}
    some = rows.filter(signature__letter__in=apart).values_list("target_id", "signature__letter_id")
    for target_id, letter_id, count in some.annotate(count=Count("*")) if apart else ():
        counts = (target is None or target_id == target.pk) and (letter is None or letter_id == letter.pk)
        if letter_id in held_ids:
            held_back[_("while its letter is paused")] += count if counts else 0
            waiting[target_id] -= count
            ours[target_id] -= count if counts and letter is None else 0
        elif counts:
            ours[target_id] = count
    held = held_letters()
    shared = shared_limits(now, held)
    targets = Target.objects.filter(pk__in=waiting).select_related("breaker").order_by("pk")
    going = []
    for one in targets:
        if reason := _held_back(one, shared, now):
            held_back[reason] += ours.pop(one.pk, 0)
        else:
            going.append(Pace.of(one))
    queues = [Queue(pace, limit, waiting[pace.pk]) for pace, limit, _none in looked_at(going, now, held)]
    _reckon(queues, shared, now)
    mine = [queue for queue in queues if ours[queue.pace.pk]]
    return Forecast(
        waiting=sum(ours[queue.pace.pk] for queue in mine),
        empty_on=max((queue.empty_on for queue in mine if queue.empty_on), default=None),
        endless=any(queue.empty_on is None for queue in mine),
        held_back=[(reason, count) for reason, count in held_back.items() if count],
    )


def _held_back(target: Target, shared: dict[str, Limit], now: datetime) -> str:
    pace = Pace.of(target)
    every, mine = (shared.get(name) for name in reversed(pace.domains))
    if every and every.daily_cap == 0:
        return _("while all letters are paused")
    if mine and mine.daily_cap == 0:
        return _("while the mail domain %(domain)s is paused") % {"domain": pace.domains[0]}
    if target.paused_at:
        return _("while %(target)s is paused") % {"target": target}
    if target.suspended_at:
        return _("while the address of %(target)s is suspended") % {"target": target}
    if pace.trial_at:
        return _("before the server of %(target)s takes a letter again (next trial: %(time)s)") % {
            "target": target,
            "time": date_format(timezone.localtime(max(pace.trial_at, now)), "SHORT_DATETIME_FORMAT"),
        }
    return ""


def _reckon(queues: list[Queue], shared: dict[str, Limit], now: datetime) -> None:
    """Set `empty_on` of each queue, day by day; the first one is what is left of today."""
    left = {queue.pace.pk: queue.waiting for queue in queues}
    for number in range(DAYS):
        todo = [queue for queue in queues if left[queue.pace.pk]]
        if not todo:
            return
        seconds = {queue.pace.pk: _seconds(queue.pace, now, number) for queue in todo}
        room = {queue.pace.pk: _room(queue.limit, seconds[queue.pace.pk], first=not number) for queue in todo}
        common = {}
        for name, limit in shared.items():
            # As if the hours of all its targets were the same.
            longest = max((seconds[queue.pace.pk] for queue in todo if name in queue.pace.domains), default=0)
            common[name] = _room(limit, longest, first=not number)
        # Who needs least first, each an equal share of what is left: what one does not use is for the others.
        todo.sort(key=lambda queue: min(left[queue.pace.pk], room[queue.pace.pk]))
        members = Counter(name for queue in todo for name in queue.pace.domains)
        for queue in todo:
            pk = queue.pace.pk
            shares = [ceil(common[name] / members[name]) for name in queue.pace.domains if name in common]
            sent = min(left[pk], room[pk], *shares)
            left[pk] -= sent
            for name in queue.pace.domains:
                members[name] -= 1
                if name in common:
                    common[name] -= sent
            if not left[pk]:
                queue.empty_on = _date(queue.pace, now, number)


def _seconds(pace: Pace, now: datetime, number: int) -> float:
    """Return for how long letters may leave for a target on that day, counted from today."""
    opens, closes = hours.window(_date(pace, now, number), pace.time_zone, pace.opens_at, pace.closes_at)
    if not number:
        opens = max(opens, now)
    # In absolute time: where the clock is set forward, an hour is missing.
    return max(0.0, closes.timestamp() - opens.timestamp())


def _room(limit: Limit, seconds: float, *, first: bool) -> int:
    """Return how many letters a limit lets leave in that time of a day."""
    if not seconds:
        return 0
    room = NO_LIMIT if limit.daily_cap is None else limit.daily_cap - (limit.taken if first else 0)
    return max(0, min(room, _one_by_one(seconds, limit.spacing_seconds)))


def _one_by_one(seconds: float, spacing: int) -> int:
    """Return how many letters leave in that time. The next one leaves when the sweep looks, not to the second."""
    if not spacing:
        return NO_LIMIT
    return max(1, int(seconds // (ceil(spacing / settings.OUTBOX_SWEEP_SECONDS) * settings.OUTBOX_SWEEP_SECONDS)))


def _date(pace: Pace, now: datetime, number: int) -> date:
    return now.astimezone(hours.zone(pace.time_zone)).date() + timedelta(days=number)


def _day(day: date) -> str:
    this_year = day.year == timezone.localdate().year
    # Translators: how a day is written, in the letters of Django's date filter: Thursday, 26 November
    return date_format(day, _("l, j F") if this_year else _("l, j F Y"))


def _number(count: Any) -> str:
    return number_format(count, use_l10n=True, force_grouping=True)
