"""
The pace of the letters: which of them may leave now, so that no mailbox drowns.

It is decided when letters are claimed, from what the rows say: nothing is counted anywhere else. A claim takes many
letters of few targets, chosen by lot, so that several workers have targets of their own and none is forgotten; a
target has letters with one worker at a time.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Case, Count, DateTimeField, JSONField, OuterRef, QuerySet, Subquery, Value, When
from django.utils import timezone
from django.utils.formats import date_format, time_format
from django.utils.translation import gettext as _

from outbox.models import WAITING, State
from outbox.pacing import chooses
from protests import hours
from protests.models import Delivery, Letter, MailDomain, Target, domain_of, next_trial

# Of the advisory lock by which claims take turns: any number that nothing else uses.
LOCK = 0x70616365
# Targets that are looked at more closely in the first round; twice as many in each further one.
FIRST_ROUND = 4


class Keys(Subquery):
    """The primary keys that a subquery finds, as one list."""

    output_field = JSONField()
    template = "(SELECT json_group_array(found.id) FROM (%(subquery)s) AS found)"

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        template = "(SELECT jsonb_agg(found.id) FROM (%(subquery)s) AS found)"
        return self.as_sql(compiler, connection, template=template, **extra)


@dataclass(slots=True)
class Limit:
    """What one cap and one spacing leave: of a target, or of a mail domain."""

    daily_cap: int | None
    spacing_seconds: int
    taken: int = 0  # accepted, being handed over or in doubt since the day began
    last: datetime | None = None

    def room(self, now: datetime, size: int) -> int:
        if self.daily_cap is not None:
            size = min(size, self.daily_cap - self.taken)
        if self.spacing_seconds:
            wait = timedelta(seconds=self.spacing_seconds)
            size = min(size, 0 if self.last and now < self.last + wait else 1)
        return size

    def note(self, count: int, last: datetime | None) -> None:
        self.taken += count
        self.last = max(filter(None, (self.last, last)), default=None)


@dataclass(slots=True)
class Pace:
    """How letters go to one target."""

    pk: int
    email: str
    daily_cap: int | None
    spacing_seconds: int
    opens_at: time | None
    closes_at: time | None
    time_zone: str
    refusals: int | None
    refused_at: datetime | None

    COLUMNS = (
        *("pk", "email", "daily_cap", "spacing_seconds", "opens_at", "closes_at", "time_zone"),
        *("breaker__refusals", "breaker__refused_at"),
    )

    @classmethod
    def of(cls, target: Target) -> "Pace":
        breaker = getattr(target, "breaker", None)
        return cls(
            *(target.pk, target.email, target.daily_cap, target.spacing_seconds),
            *(target.opens_at, target.closes_at, target.time_zone),
            *((breaker.refusals, breaker.refused_at) if breaker else (None, None)),
        )

    @property
    def domains(self) -> tuple[str, str]:
        """The names of the limits that it shares with others."""
        return domain_of(self.email), MailDomain.EVERY

    @property
    def trial_at(self) -> datetime | None:
        return next_trial(self.refusals, self.refused_at) if self.refusals and self.refused_at else None

    def is_open(self, now: datetime) -> bool:
        """Whether its hours and its server's refusals let a letter go now."""
        if self.trial_at and now < self.trial_at:
            return False
        return hours.is_open(now, self.time_zone, self.opens_at, self.closes_at)


@dataclass(slots=True)
class Held:
    """The letters to a target that workers hold, and those in doubt."""

    sending: int = 0
    handed_over: tuple[datetime, ...] = ()

    def since(self, day: datetime) -> int:
        return self.sending + sum(at >= day for at in self.handed_over)


class Reason(NamedTuple):
    """What holds a letter back: in few words for organisers, and as its signer is told."""

    short: str
    told: str


Helds = dict[int, Held]
NOTHING = Held()


@chooses(Delivery)
def choose(size: int) -> list[int]:
    """Return the keys of at most `size` letters that may leave now; other claims wait until this one is committed."""
    _take_turns()
    now = timezone.now()
    held = held_letters()
    shared = shared_limits(now, held)
    if MailDomain.EVERY in shared and shared[MailDomain.EVERY].room(now, 1) <= 0:
        return []
    due = _due(now)
    candidates = [
        pace
        for pace in _with_due(due)
        if pace.is_open(now)
        and not held.get(pace.pk, NOTHING).sending
        and (not shared or all(shared[name].room(now, 1) > 0 for name in pace.domains if name in shared))
    ]
    random.shuffle(candidates)
    keys: list[int] = []
    for some in _rounds(candidates):
        for pace, limit, found in looked_at(some, now, held, due[: size - len(keys)]):
            limits = [limit, *(shared[name] for name in pace.domains if name in shared)]
            room = min(each.room(now, size - len(keys)) for each in limits)
            chosen = found[: max(0, min(room, 1) if pace.trial_at else room)]
            keys += chosen
            for each in limits:
                each.note(len(chosen), now if chosen else None)
        if len(keys) == size:
            break
    locked = Delivery.objects.select_for_update(skip_locked=True).filter(pk__in=keys, state__in=WAITING)
    return list(locked.values_list("pk", flat=True)) if keys else []


def held_letters() -> Helds:
    """Return what is being sent and what is in doubt, by target: few rows, in an index of their own."""
    held: Helds = {}
    rows = Delivery.objects.held().order_by()
    for target, state, handed_over in rows.values_list("target_id", "state", "handing_over_at"):
        one = held.setdefault(target, Held())
        if state == State.SENDING:
            one.sending += 1
        elif handed_over:
            one.handed_over += (handed_over,)
    return held


def shared_limits(now: datetime, held: Helds) -> dict[str, Limit]:
    """Return the limits that mail domains have, by name, with what their targets have used of them."""
    limits = {
        row.domain: Limit(0 if row.paused_at else row.daily_cap, row.spacing_seconds)
        for row in MailDomain.objects.order_by()
        if row.paused_at or row.daily_cap is not None or row.spacing_seconds
    }
    if any(limit.daily_cap != 0 for limit in limits.values()):
        paces = [Pace(*row) for row in Target.objects.order_by().values_list(*Pace.COLUMNS)]
        members = [pace for pace in paces if any(name in limits for name in pace.domains)]
        for pace, used, _none in looked_at(members, now, held, always=True):
            for name in pace.domains:
                if name in limits:
                    busy = now if held.get(pace.pk, NOTHING).sending else used.last
                    limits[name].note(used.taken, busy)
    return limits


def paused_letters() -> list[int]:
    return list(Letter.objects.order_by().paused().values_list("pk", flat=True))


def _take_turns() -> None:
    """Make claims wait for each other until the transaction ends, as SQLite does anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _due(now: datetime) -> QuerySet[Delivery, Any]:
    """Return the due letters of the target in the query around it, the oldest first."""
    due = Delivery.objects.waiting().filter(target=OuterRef("pk"), next_attempt_at__lte=now)
    # Only then, because the letter stands a table away, in the signature.
    if paused := paused_letters():
        due = due.exclude(signature__letter__in=paused)
    return due.order_by("next_attempt_at").values("id")


def _with_due(due: QuerySet[Delivery, Any]) -> list[Pace]:
    """Return the targets with something due which nobody holds back."""
    # One probe of the index for each target, never a walk through all that waits.
    oldest = Subquery(due.values("next_attempt_at")[:1])
    going = Target.objects.order_by().filter(suspended_at=None, paused_at=None)
    return [Pace(*row) for *row, at in going.values_list(*Pace.COLUMNS, oldest) if at is not None]


def _rounds(candidates: list[Pace]) -> Iterator[list[Pace]]:
    start, count = 0, FIRST_ROUND
    while start < len(candidates):
        yield candidates[start : start + count]
        start, count = start + count, count * 2


def looked_at(
    paces: Iterable[Pace],
    now: datetime,
    held: Helds,
    due: QuerySet[Delivery, Any] | None = None,
    *,
    always: bool = False,
) -> Iterator[tuple[Pace, Limit, list[int]]]:
    """
    Yield each target with its own limit, what is used of it, and the keys of what is `due`.

    What is not limited is not counted, unless `always`.
    """
    by_pk = {pace.pk: pace for pace in paces}
    began = {name: hours.day_began(now, name) for name in {pace.time_zone for pace in by_pk.values()}}
    days = [When(time_zone=name, then=Value(day, DateTimeField())) for name, day in began.items()]
    if not days:
        return
    accepted = Delivery.objects.filter(target=OuterRef("pk"), state__among=(State.ACCEPTED,)).order_by()
    today = accepted.filter(settled_at__gte=OuterRef("day")).values("target")
    count: Any = Subquery(today.annotate(count=Count("*")).values("count"))
    last: Any = Subquery(accepted.order_by("-settled_at").values("settled_at")[:1])
    if not always:
        count = Case(When(daily_cap__isnull=False, then=count))
        last = Case(When(spacing_seconds__gt=0, then=last))
    found: Any = Keys(due) if due is not None else Value(None, JSONField())
    rows = Target.objects.order_by().filter(pk__in=by_pk).annotate(day=Case(*days, output_field=DateTimeField()))
    read = {pk: columns for pk, *columns in rows.values_list("pk", count, last, found)}
    # In the order that was given, by lot: in the table's own, the last targets would get what the others leave.
    for pk, pace in by_pk.items():
        if pk not in read:
            continue
        (taken, settled, keys), mine = read[pk], held.get(pk, NOTHING)
        limit = Limit(pace.daily_cap, pace.spacing_seconds, taken or 0, settled)
        limit.note(mine.since(began[pace.time_zone]), max(mine.handed_over, default=None))
        yield pace, limit, keys or []


def why_waiting(deliveries: Iterable[Delivery]) -> dict[int, Reason]:
    """Say of each letter that waits what holds it back, if anything does; read with target, breaker and letter."""
    waiting = [delivery for delivery in deliveries if delivery.state in WAITING]
    if not waiting:
        return {}
    now = timezone.now()
    held = held_letters()
    shared = shared_limits(now, held)
    paces = [Pace.of(target) for target in {delivery.target_id: delivery.target for delivery in waiting}.values()]
    limits = {pace.pk: (pace, limit) for pace, limit, _none in looked_at(paces, now, held)}
    reasons = {
        delivery.pk: _why(delivery, *limits[delivery.target_id], shared, now)
        for delivery in waiting
        if delivery.target_id in limits
    }
    return {pk: reason for pk, reason in reasons.items() if reason}


def _why(delivery: Delivery, pace: Pace, limit: Limit, shared: dict[str, Limit], now: datetime) -> Reason | None:
    limits = [limit, *(shared[name] for name in pace.domains if name in shared)]
    reasons = [
        *_held_by_organisers(delivery, limits, shared.get(MailDomain.EVERY)),
        *_held_by_the_clock(pace, now),
        *_held_by_limits(limits),
    ]
    return next(iter(reasons), None)


def _held_by_organisers(delivery: Delivery, limits: list[Limit], every: Limit | None) -> Iterator[Reason]:
    if every and every.daily_cap == 0:
        yield Reason(_("all letters are paused"), _("The organisers have paused all letters for now."))
    if delivery.signature.letter.paused_at:
        yield Reason(_("the letter is paused"), _("The organisers have paused this letter for now."))
    to_addressee = _("The organisers have paused letters to this addressee for now.")
    if delivery.target.paused_at:
        yield Reason(_("the target is paused"), to_addressee)
    if any(limit.daily_cap == 0 for limit in limits):
        yield Reason(_("the mail domain is paused"), to_addressee)
    if delivery.target.suspended_at:
        told = _("This address refused a letter. The organisers look into it; until then yours waits.")
        yield Reason(_("the target's address is suspended"), told)


def _held_by_the_clock(pace: Pace, now: datetime) -> Iterator[Reason]:
    if pace.trial_at and now < pace.trial_at:
        told = _(
            "The addressee's server has refused several letters in a row, so we leave it alone for a while. We try "
            "again after %(time)s."
        ) % {"time": date_format(timezone.localtime(pace.trial_at), "DATETIME_FORMAT")}
        yield Reason(_("the target's server refuses letters"), told)
    if pace.opens_at and pace.closes_at and not hours.is_open(now, pace.time_zone, pace.opens_at, pace.closes_at):
        told = _("Letters to this addressee leave between %(opens)s and %(closes)s, by the clock there (%(zone)s).") % {
            "opens": time_format(pace.opens_at, "TIME_FORMAT"),
            "closes": time_format(pace.closes_at, "TIME_FORMAT"),
            "zone": pace.time_zone,
        }
        yield Reason(_("outside the sending hours"), told)


def _held_by_limits(limits: list[Limit]) -> Iterator[Reason]:
    if any(limit.daily_cap is not None and limit.taken >= limit.daily_cap for limit in limits):
        told = _(
            "As many letters as may leave in a day have left today. Yours waits for its turn on one of the days to "
            "come."
        )
        yield Reason(_("the letters of this day have left"), told)
    elif any(limit.spacing_seconds for limit in limits):
        told = _("Letters to this addressee leave one by one, with some time between them.")
        yield Reason(_("time between letters"), told)
