"""
Taking a signature, or holding it until an organiser has looked at it; releasing, refusing, and taking that back.

A held signature changes nothing of any other, and nothing of it is sent. Whether one is held never depends on what is
known of the address, so that being held tells nobody whether somebody has signed.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from limits import judging
from limits.models import Block, Why
from outbox import capping
from outbox.models import WAITING
from privacy.addresses import address_tag, mailbox_tag
from protests import consent, signing
from protests.likeness import name_tag, words_tag
from protests.models import Hold, HoldQuerySet, Letter, Signature

# A released signature's mail leaves only then, so that an organiser can take the release back.
LEAVES_AFTER = timedelta(minutes=10)
GROUPS_SHOWN = 10
# Among so many of the newest; the list below counts no further either.
GROUPED = 10_000
# So many within a minute are a burst, which goes on over minutes with as many.
BURST = 5
BLOCK_FOR = timedelta(days=7)


def take(letter: Letter, who: judging.Sender, **typed: Any) -> judging.Verdict:
    """
    Sign, hold, or ask for proof of work first; return which. `typed` is what signing.sign() takes.

    One transaction, in which no two signers of different mailboxes write to the same row.
    """
    verdict = judging.judge(who)
    if verdict.ask:
        return verdict
    with transaction.atomic():
        verdict = judging.note(who, verdict)
        if verdict.hold:
            hold(letter, verdict.hold, who, **typed)
        elif not verdict.ask:
            signing.sign(letter, **typed)
    return verdict


def hold(letter: Letter, why: Why, who: judging.Sender, **typed: Any) -> None:
    """Keep what was typed for an organiser to look at. A person's latest post waits, under the reason of the first."""
    now = timezone.now()
    kept = {
        **{name: value for name, value in typed.items() if name != "email"},
        "email": typed["email"],
        "text": signing.words_now(letter, typed["locale"]),
        "consent_version": consent.CURRENT,
        "consented_at": now,
        "created_at": now,  # from when the days count of which the page speaks
        "network_tag": who.network_tag,
        "domain_tag": who.domain_tag,
        "name_tag": name_tag(typed["name"]),
        "words_tag": words_tag(typed["own_words"]),
    }
    Hold.objects.update_or_create(
        letter=letter,
        email_tag=address_tag(typed["email"]),
        decision="",
        defaults=kept,
        create_defaults={**kept, "why": why},
    )


def release(rows: HoldQuerySet, by: AbstractBaseUser) -> int:
    """
    Let held signatures go the way of all: each gets its mail to confirm, in a few minutes. Return how many.

    Those whose mailbox has had its mails for today go on waiting, and those whose letter is closed.
    """
    # In the order of what posts of the same mailboxes lock, so that nobody waits for each other in a circle.
    found = sorted((mailbox_tag(email), pk) for pk, email in rows.releasable().values_list("pk", "email") if email)
    return sum(_release(pk, mailbox, by) for mailbox, pk in found)


@transaction.atomic
def _release(pk: int, mailbox: str, by: AbstractBaseUser) -> bool:
    capping.take_turns(mailbox)
    held = Hold.objects.releasable().select_for_update(of=("self",)).select_related("letter").filter(pk=pk).first()
    if held is None or capping.has_had_enough(mailbox):
        return False
    now = timezone.now()
    typed = {
        "text": held.text,
        "email": held.email,
        "name": held.name,
        "organisation": held.organisation,
        "own_words": held.own_words,
        "country": held.country,
        "display": held.display,
        "locale": held.locale,
        "updates": held.updates,
        "consent_version": held.consent_version,
        "consented_at": held.consented_at,
        "created_at": now,  # the time to confirm begins with the mail
        "confirmed_at": None,
        "withdrawn_at": None,
    }
    signature, new = signing.keep(held.letter, held.email_tag, typed, posted_at=held.consented_at)
    if not signing.mailed_just_now(signature):
        email = "" if signature.email else held.email
        signing.write_link(signature, mailbox, email=email, leaves_at=now + LEAVES_AFTER)
    held.decision, held.decided_at, held.decided_by_id = Hold.Decision.RELEASED, now, by.pk
    held.signature = signature if new else None
    held.save(update_fields=["decision", "decided_at", "decided_by", "signature"])
    return True


def refuse(rows: HoldQuerySet, by: AbstractBaseUser) -> int:
    """Decide that nothing is sent. Their data goes a few days later, so that it can be taken back. Return how many."""
    pks = list(rows.waiting().values_list("pk", flat=True))
    return (
        Hold.objects.waiting()
        .filter(pk__in=pks)
        .update(decision=Hold.Decision.REFUSED, decided_at=timezone.now(), decided_by=by)
    )


def undo(rows: HoldQuerySet) -> int:
    """
    Take decisions back, so that the signatures wait again; return how many.

    Not where the mail has left or the person has signed anew, and not where another post of the person waits by now.
    """
    return sum(_undo(pk) for pk in list(rows.undoable().order_by("-pk").values_list("pk", flat=True)))


def _undo(pk: int) -> bool:
    try:
        with transaction.atomic():
            held = Hold.objects.undoable().select_for_update(of=("self",)).filter(pk=pk).first()
            if held is None or (held.signature_id and not _unsign(held.signature_id)):
                return False
            held.decision, held.decided_at, held.decided_by, held.signature = "", None, None, None
            held.save(update_fields=["decision", "decided_at", "decided_by", "signature"])
    except IntegrityError:  # protests_hold_waits_once
        return False
    return True


def _unsign(pk: int) -> bool:
    """Delete a signature that a release made, with its mails, if none has left; return whether that was so."""
    signature = Signature.objects.select_for_update().filter(pk=pk, confirmed_at=None).first()
    if signature is None:
        return False
    mails = list(signature.mails.select_for_update())
    if any(mail.state not in WAITING or mail.attempts for mail in mails):
        return False
    signature.delete()
    return True


def block_networks(rows: HoldQuerySet, reason: str) -> int:
    """Hold what comes from the networks of these signatures for a while; return how many networks are new."""
    tags = set(rows.exclude(network_tag=None).values_list("network_tag", flat=True))
    tags -= set(Block.objects.current().filter(network_tag__in=tags).values_list("network_tag", flat=True))
    until = timezone.now() + BLOCK_FOR
    blocks = [Block(network_tag=network, reason=reason, expires_at=until) for network in sorted(filter(None, tags))]
    return len(Block.objects.bulk_create(blocks))


# --- What belongs together -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Held signatures that have something in common; `key` names it in the address of their list."""

    key: str
    label: str
    count: int


SIGNALS = {
    "network": ("network_tag", _("One network")),
    "domain": ("domain_tag", _("One mail domain")),
    "name": ("name_tag", _("Similar names")),
    "words": ("words_tag", _("Similar words")),
}


def groups() -> list[tuple[Any, list[Group]]]:
    """
    Return the groups of at least two that wait, by what they have in common, the largest first.

    Only among the newest GROUPED of those that wait: a flood must not keep the desk from opening.
    """
    columns = [column for column, _title in SIGNALS.values()]
    newest = list(Hold.objects.waiting().order_by("-created_at").values_list("created_at", "pk", *columns)[:GROUPED])
    alike = {signal: _alike([(row[2 + place], row[1]) for row in newest]) for place, signal in enumerate(SIGNALS)}
    samples = Hold.objects.in_bulk([pk for some in alike.values() for _tag, _count, pk in some])
    found: list[tuple[Any, list[Group]]] = [
        (
            title,
            [
                Group(f"{signal}:{tag}", _named(signal, samples[pk]), count)
                for tag, count, pk in alike[signal]
                if pk in samples
            ],
        )
        for signal, (_column, title) in SIGNALS.items()
    ]
    found.append((_("At one time"), _bursts([row[0] for row in newest])))
    return [(title, some) for title, some in found if some]


def _alike(tagged: list[tuple[str | None, int]]) -> list[tuple[str, int, int]]:
    """Return the tags that several have: each with how many, and the key of the newest of them."""
    counts = Counter(tag for tag, _pk in tagged if tag)
    newest = {tag: pk for tag, pk in sorted(tagged, key=itemgetter(1)) if tag}
    several = [(tag, count, newest[tag]) for tag, count in counts.items() if count > 1]
    return sorted(several, key=itemgetter(1, 2), reverse=True)[:GROUPS_SHOWN]


def _named(signal: str, sample: Hold) -> str:
    match signal:
        case "network":
            return f"{(sample.network_tag or '')[:8]}…"
        case "domain":
            return sample.email.rpartition("@")[2]
        case "name":
            return sample.name
    return Truncator(sample.own_words).words(12)


def _bursts(moments: list[datetime]) -> list[Group]:
    by_minute = Counter(moment.replace(second=0, microsecond=0) for moment in moments)
    bursts: list[list[Any]] = []
    for minute, count in sorted(by_minute.items()):
        if count < BURST:
            continue
        if bursts and minute - bursts[-1][1] == timedelta(minutes=1):
            bursts[-1][1:] = [minute, bursts[-1][2] + count]
        else:
            bursts.append([minute, minute, count])
    largest = sorted(bursts, key=lambda burst: -burst[2])[:GROUPS_SHOWN]
    return [
        Group(f"burst:{_minute(first)}-{_minute(last)}", _when(first, last), count) for first, last, count in largest
    ]


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


def _when(first: datetime, last: datetime) -> str:
    begin, end = timezone.localtime(first), timezone.localtime(last + timedelta(minutes=1))
    return f"{date_format(begin, 'SHORT_DATETIME_FORMAT')} – {date_format(end, 'TIME_FORMAT')}"


def of_group(rows: HoldQuerySet, key: str) -> HoldQuerySet:
    """Return those of `rows` in the group with this key; none for a key that is none."""
    signal, _colon, value = key.partition(":")
    if signal in SIGNALS:
        return rows.filter(**{SIGNALS[signal][0]: value}) if value.isalnum() else rows.none()
    first, _dash, last = value.partition("-")
    if signal != "burst" or not all(part.isascii() and part.isdecimal() and len(part) < 10 for part in (first, last)):
        return rows.none()
    begin, end = (datetime.fromtimestamp(int(minute) * 60, tz=UTC) for minute in (first, last))
    return rows.filter(created_at__gte=begin, created_at__lt=end + timedelta(minutes=1))
