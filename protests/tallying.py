"""Counting the signatures for the public pages, in batches and for all letters at once."""

from datetime import timedelta

from django.db.models import Count, Q
from django.utils import timezone

from protests.models import Letter, Signature, Tally

# So often a count that stays the same is written down as still true.
CONFIRMED_EVERY = timedelta(minutes=1)


def tally() -> int:
    """
    Count the signatures that stand under each letter, and return of how many letters the count changed.

    Each time all of them, from an index that holds nothing else: a count that somehow went wrong is right the next
    time. The moment before counting is noted, so that a slow count never overwrites a later one. One that is well ahead
    of now is none: the clock was wrong.
    """
    started = timezone.now()
    counted = dict(Signature.objects.counted().order_by().values_list("letter").annotate(Count("pk")))
    tallies = Tally.objects.in_bulk()
    letters = set(Letter.objects.values_list("pk", flat=True))
    new = [Tally(letter_id=pk, signed=counted.get(pk, 0), counted_at=started) for pk in letters - tallies.keys()]
    Tally.objects.bulk_create(new, ignore_conflicts=True)
    changed = {pk: counted.get(pk, 0) for pk, known in tallies.items() if known.signed != counted.get(pk, 0)}
    before = Tally.objects.filter(Q(counted_at__lt=started) | Q(counted_at__gt=started + CONFIRMED_EVERY))
    for pk, signed in changed.items():
        before.filter(pk=pk).update(signed=signed, counted_at=started)
    aged = [
        pk for pk, known in tallies.items() if abs(known.counted_at - started) > CONFIRMED_EVERY and pk not in changed
    ]
    if aged:
        before.filter(pk__in=aged).update(counted_at=started)
    return len(new) + len(changed)
