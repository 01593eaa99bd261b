"""
What became of the letters in a stretch of time: the figures of the organisers' daily mail.

That mail travels as plainly as any other, so nothing here names a supporter or repeats what one typed.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min

from outbox.models import State
from privacy.fields import UNREADABLE
from privacy.showing import without_names
from protests.models import Delivery, Letter, Signature, Target

SAMPLES = 10


@dataclass(frozen=True)
class Tally:
    """How many letters a target's server accepted."""

    target: Target
    letter: Letter
    count: int


@dataclass(frozen=True)
class Trouble:
    """How many letters a target's server did not take, and what it said about one of them."""

    target: Target
    count: int
    words: str


@dataclass(frozen=True)
class Report:
    """`samples` are deliveries, of each text one that was accepted; `oldest` is since when the first letter waits."""

    accepted: list[Tally]
    signatures: list[tuple[Letter, int]]
    waiting: int
    oldest: datetime | None
    put_off: list[Trouble]
    refused: list[Trouble]
    failed: list[Trouble]
    in_doubt: int
    suspended: list[Target]
    samples: list[Delivery]

    @property
    def total(self) -> int:
        return sum(tally.count for tally in self.accepted)

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened, and nothing waits for its turn or for a person."""
        troubles = (self.put_off, self.refused, self.failed, self.suspended)
        return not (self.accepted or self.signatures or self.waiting or self.in_doubt or any(troubles))


def report(since: datetime, until: datetime) -> Report:
    """Report what happened from `since` to `until`, and what stands now: what waits, is put off or is in doubt."""
    # The wider sets are those of the table's partial indexes. What was accepted is counted in one pass of the table.
    settled = Delivery.objects.filter(settled_at__gte=since, settled_at__lt=until)
    due, unsent = Delivery.objects.waiting(), settled.unsent()
    signed = Signature.objects.counted().filter(confirmed_at__gte=since, confirmed_at__lt=until)
    by_letter = dict(signed.order_by().values_list("letter").annotate(Count("pk")))
    accepted = _grouped(settled.filter(state=State.ACCEPTED))
    counts: Counter[tuple[int, int]] = Counter()
    newest: dict[int, int] = {}
    for target, letter, text, count, last in accepted:
        counts[target, letter] += count
        newest[text] = max(last, newest.get(text, 0))
    targets = Target.objects.in_bulk({target for target, _letter in counts})
    letters = Letter.objects.prefetch_related("translations").in_bulk({*by_letter, *(pair[1] for pair in counts)})
    tallies = [Tally(targets[target], letters[letter], count) for (target, letter), count in counts.items()]
    waiting = due.filter(state=State.QUEUED).aggregate(count=Count("pk"), oldest=Min("queued_at"))
    samples = Delivery.for_composing().filter(pk__in=sorted(newest.values(), reverse=True)[:SAMPLES])
    return Report(
        accepted=sorted(tallies, key=lambda tally: (tally.target.name, tally.letter.pk)),
        signatures=sorted(((letters[pk], count) for pk, count in by_letter.items()), key=lambda pair: pair[0].pk),
        waiting=waiting["count"],
        oldest=waiting["oldest"],
        put_off=_troubles(due.filter(state=State.DEFERRED)),
        refused=_troubles(unsent.filter(state=State.BOUNCED)),
        failed=_troubles(unsent.filter(state=State.FAILED)),
        in_doubt=Delivery.objects.in_doubt().count(),
        suspended=list(Target.objects.suspended().order_by("name")),
        samples=list(samples.order_by("signature__text")),
    )


def _grouped(deliveries: Any) -> Iterable[tuple[int, int, int, int, int]]:
    """Return (target, letter, text, how many, the newest's key) for each three that occur."""
    keys = ("target", "signature__letter", "signature__text")
    return deliveries.order_by().values_list(*keys).annotate(Count("pk"), Max("pk"))


def _troubles(deliveries: Any) -> list[Trouble]:
    """Return one for each target, with a server's words once."""
    by_target = deliveries.order_by().values_list("target").annotate(Count("pk"), Max("pk"))
    counts = {last: count for _target, count, last in by_target}
    rows = Delivery.objects.filter(pk__in=counts).select_related("target", "signature").order_by("target__name", "pk")
    return [Trouble(mail.target, counts[mail.pk], _words(mail)) for mail in rows]


def _words(mail: Delivery) -> str:
    """
    Return what the server said, without anything of the signer that it may have repeated.

    Nothing at all where that cannot be told any more, because the signer's data is past its date or cannot be read.
    """
    signature = mail.signature
    if not signature.name or signature.name == UNREADABLE:
        return ""
    words = without_names(mail.reply, signature.name, signature.organisation)
    return f"{mail.reply_code or ''} {words}".strip()
