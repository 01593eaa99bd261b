"""
What visitors send in: taken, published, refused, and taken up again.

Nothing is dropped and nothing is shown: all of it waits for an organiser, and what the limits doubt is marked for them.
"""

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from campaign.models import Submitted
from limits import judging


def take(who: judging.Sender, row: Submitted) -> judging.Verdict:
    """Keep a row that a visitor sent in, or ask for proof of work first; return which. `row` is not saved yet."""
    verdict = judging.judge(who)
    if verdict.ask:
        return verdict
    with transaction.atomic():
        verdict = judging.note(who, verdict)
        if not verdict.ask:
            row.submitted_at, row.hold = timezone.now(), verdict.hold or ""
            row.save()
    return verdict


def publish(rows: QuerySet[Submitted], by: AbstractBaseUser) -> int:
    """Let everybody read these from now on; return how many. What was refused has to be taken up again before."""
    now = timezone.now()
    return rows.filter(refused_at=None).update(published_at=now, approved_at=now, approved_by=by)


def refuse(rows: QuerySet[Submitted], by: AbstractBaseUser) -> int:
    """Refuse what waits; return how many."""
    waiting = rows.filter(submitted_at__isnull=False, approved_at=None, refused_at=None)
    return waiting.update(refused_at=timezone.now(), refused_by=by)


def take_up_again(rows: QuerySet[Submitted]) -> int:
    """Let what was refused wait again, as if nobody had looked at it; return how many."""
    return rows.filter(refused_at__isnull=False).update(refused_at=None, refused_by=None)
