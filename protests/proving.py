"""
The public log of accepted letters: each acceptance is an entry in a hash chain whose heads are signed daily.

An entry tells the day, the letter and the target, and a commitment: SHA-256 over the letter's Message-ID and a salt.
The salt is made of a secret of the signature's, which is made of the mailed code. The code itself is stored nowhere,
and the secret only until the signer's data is purged; no row leads from an entry to a letter. So after the purge
nobody but the holder of the mailed link, or of the receipt made with it, can tell whose entry is whose.

What is sent, confirmed or signed waits for nothing here. A live site takes a day's letters in after the day is over
(UTC), shuffled by their commitments: who watches the log sees no hour. In the sandbox they come in at once.
"""

import hmac
import logging
import random
import secrets
import time
from array import array
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from django.db import connection, transaction
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from outbox.models import State
from privacy.chaining import BEGINNING, canonical, digest_of_text
from privacy.fields import Unreadable
from protests.models import Delivery, LetterLogEntry, LetterLogHead, LoggedDelivery, Signature
from protests.triggers import LOG

logger = logging.getLogger(__name__)

# Each file of the log but the last holds so many entries, and never changes again.
PER_FILE = 10_000
# Seconds after which taking in rests until the next ring, and how many letters come in with one commit.
RUN_SECONDS = 20
AT_ONCE = 500
_READ_AT_ONCE = 1000
# Any number, as long as nobody else locks by it.
_TURN = 0x1E77E5
RECEIPT_FORMAT = "solidarity-letter-receipt-1"
HEAD_FORMAT = "solidarity-letter-log-head-1"
# A last head this old is an alarm: nobody has signed since.
HEAD_IS_OLD_AFTER = timedelta(days=2)
CONTENT = ("sequence", "day", "letter", "target", "target_name", "live", "commitment")

RULE = (
    "hash = SHA-256, in hexadecimal, of previous_hash followed by the entry as JSON without hash and previous_hash: "
    "UTF-8, keys in alphabetical order, no blanks, no character escaped that need not be. The first previous_hash is "
    "64 zeros, each other one is the hash of the entry before. commitment = SHA-256 of the JSON of message_id and "
    f'salt. signature = Ed25519 over the JSON of day, entries, hash and "format": "{HEAD_FORMAT}".'
)


# --- What is hashed and signed -----------------------------------------------------------------------------------


def secret_of(code: str) -> str:
    """Return what the salts of a signature are made of: from the mailed code, else at random."""
    return hmac.digest(code.encode(), b"letter log", "sha256").hex() if code else secrets.token_hex(32)


def salt_of(secret: str, message_id: str) -> str:
    return hmac.digest(secret.encode(), message_id.encode(), "sha256").hex()


def commitment_of(message_id: str, salt: str) -> str:
    return sha256(canonical({"message_id": message_id, "salt": salt}).encode()).hexdigest()


def content(entry: LetterLogEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in CONTENT} | {"day": entry.day.isoformat()}


def as_line(entry: LetterLogEntry) -> str:
    """Return an entry as it stands in the public log."""
    return canonical(content(entry) | {"previous_hash": entry.previous_hash, "hash": entry.hash})


def head_as_json(head: LetterLogHead) -> dict[str, Any]:
    return {
        "day": head.day.isoformat(),
        "entries": head.entries,
        "hash": head.hash,
        "public_key": head.public_key,
        "signature": head.signature,
    }


def _signed_text(day: date, entries: int, last_hash: str) -> bytes:
    told = {"format": HEAD_FORMAT, "day": day.isoformat(), "entries": entries, "hash": last_hash}
    return canonical(told).encode()


def _key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(urlsafe_b64decode(settings.LETTER_LOG_KEY))


def public_key() -> str:
    return _key().public_key().public_bytes_raw().hex()


def is_signed(head: LetterLogHead) -> bool:
    """Whether the signature is that of the head's key."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(head.public_key))
        key.verify(bytes.fromhex(head.signature), _signed_text(head.day, head.entries, head.hash))
    except (InvalidSignature, ValueError):
        return False
    return True


# --- Taking letters in, and signing ------------------------------------------------------------------------------


def keep() -> None:
    """Take in what was accepted, for a while, and sign where the log ends once that is all."""
    today = _today()
    if settings.MAIL_LIVE and LetterLogHead.objects.filter(day__gte=today).exists():
        return
    if append(time.monotonic() + RUN_SECONDS):
        sign_head()


def append(deadline: float | None = None) -> bool:
    """Take in each accepted letter that is due, once. Return whether that was all; `deadline` is of monotonic time."""
    for day, waiting in sorted(_due().items()):
        # In no order: a batch is not of those who signed first.
        keys = list(waiting)
        random.shuffle(keys)
        for start in range(0, len(keys), AT_ONCE):
            if deadline is not None and time.monotonic() > deadline:
                return False
            _take_in(day, keys[start : start + AT_ONCE])
    return True


def sign_head(*, new_key: bool = False) -> LetterLogHead | None:
    """
    Sign where the log ends, once a day; return the head, or None.

    What does not follow from the last head is not signed; nor is it with a new key, unless the operator says so.
    """
    today = _today()
    with transaction.atomic():
        _take_turns()
        last = newest_head()
        end = LetterLogEntry.objects.last()
        if end is None or (last and last.day >= today):
            return None
        for fault in _faults_since(last, new_key=new_key):
            logger.error("The log of letters is not signed: %s", fault)
            return None
        signature = _key().sign(_signed_text(today, end.sequence, end.hash)).hex()
        return LetterLogHead.objects.create(
            day=today, entries=end.sequence, hash=end.hash, public_key=public_key(), signature=signature
        )


def newest_head() -> LetterLogHead | None:
    return LetterLogHead.objects.last()


def _today() -> date:
    return timezone.now().astimezone(UTC).date()


def _take_turns() -> None:
    """Let one at a time add to the log, until the transaction ends. On SQLite one writes at a time anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TURN])


def _due() -> dict[date, "array[int]"]:
    """Return the keys of the letters to take in, by the day on which a server accepted them."""
    # Without a server's answer it is an organiser's finding that a letter arrived: that is no acceptance.
    accepted = Delivery.objects.filter(
        state=State.ACCEPTED, reply_code__gte=200, reply_code__lt=300, settled_at__isnull=False, logged=None
    )
    if settings.MAIL_LIVE:
        accepted = accepted.filter(settled_at__lt=datetime.combine(_today(), clock(), UTC))
    found: dict[date, array[int]] = {}
    for pk, settled_at in accepted.order_by().values_list("pk", "settled_at").iterator(10_000):
        found.setdefault(settled_at.astimezone(UTC).date(), array("q")).append(pk)
    return found


@transaction.atomic
def _take_in(day: date, keys: list[int]) -> None:
    """Add an entry for each of these letters that has none, in the order of the commitments, which tells nothing."""
    _take_turns()
    rows = (
        Delivery.objects.filter(pk__in=keys, state=State.ACCEPTED, logged=None)
        .annotate(is_forgotten=ExpressionWrapper(Q(signature__name=""), BooleanField()))
        .order_by("signature", "pk")  # rows of others are locked in one order
        .values_list(
            *("pk", "message_id", "signature", "signature__proof", "is_forgotten"),
            *("signature__letter__slug", "target__slug", "target__name"),
        )
    )
    taken, made, known = [], [], {}
    for pk, message_id, signature, proof, is_forgotten, letter, target, target_name in rows:
        if signature not in known:
            known[signature] = _secret_for(signature, proof, is_forgotten=is_forgotten)
        commitment = commitment_of(message_id, salt_of(known[signature], message_id))
        taken.append(LoggedDelivery(delivery_id=pk))
        made.append((commitment, letter, target, target_name))
    last = LetterLogEntry.objects.last()
    start, previous = (last.sequence + 1, last.hash) if last else (1, BEGINNING)
    entries = []
    for sequence, (commitment, letter, target, target_name) in enumerate(sorted(made), start):
        entry = LetterLogEntry(
            sequence=sequence,
            day=day,
            letter=letter,
            target=target,
            target_name=target_name,
            live=settings.MAIL_LIVE,
            commitment=commitment,
            previous_hash=previous,
        )
        entry.hash = previous = digest_of_text(previous, canonical(content(entry)))
        entries.append(entry)
    LoggedDelivery.objects.bulk_create(taken)
    LetterLogEntry.objects.bulk_create(entries)


def _secret_for(signature: int, proof: str, *, is_forgotten: bool) -> str:
    """
    Return the secret of a signature; one that was confirmed before there was a log gets it now.

    Where there is nobody to hand it to any more, it is thrown away: the entry counts, and tells of nobody.
    """
    if isinstance(proof, Unreadable) or (not proof and is_forgotten):
        return secret_of("")
    if proof:
        return proof
    fresh = secret_of("")
    found = Signature.objects.filter(pk=signature)
    # Whoever confirms anew at this moment may have been first.
    return fresh if found.filter(proof="").update(proof=fresh) else found.values_list("proof", flat=True).get()


# --- What a supporter keeps --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Proof:
    """A letter's entry in the log, with what shows that it is this letter's."""

    delivery: Delivery
    entry: LetterLogEntry
    salt: str


def proofs(signature: Signature, code: str, deliveries: list[Delivery]) -> list[Proof]:
    """Return what `code` proves of these letters of a signature: while its secret is kept, whichever code it is."""
    salts: dict[str, tuple[Delivery, str]] = {}
    for secret in {secret_of(code), signature.proof} - {""}:
        for delivery in deliveries:
            salt = salt_of(secret, delivery.message_id)
            salts[commitment_of(delivery.message_id, salt)] = (delivery, salt)
    found = LetterLogEntry.objects.filter(commitment__in=salts).order_by("sequence") if salts else ()
    return [Proof(salts[entry.commitment][0], entry, salts[entry.commitment][1]) for entry in found]


def receipt(found: list[Proof]) -> dict[str, Any]:
    """Return the file that a supporter keeps: with it, tools/verify_log.py finds the letters in the log."""
    head = LetterLogHead.objects.filter(entries__gte=max(proof.entry.sequence for proof in found)).first()
    return {
        "format": RECEIPT_FORMAT,
        "log": settings.BASE_URL + reverse("protests:log"),
        "letters": [
            {
                "entry": content(proof.entry) | {"previous_hash": proof.entry.previous_hash, "hash": proof.entry.hash},
                "message_id": proof.delivery.message_id,
                "salt": proof.salt,
            }
            for proof in found
        ],
        "head": head_as_json(head) if head else None,
    }


# --- What everybody reads ----------------------------------------------------------------------------------------


def end() -> tuple[int, str]:
    """Return how many entries there are, and the hash of the last one."""
    last = LetterLogEntry.objects.order_by("-sequence").values_list("sequence", "hash").first()
    return last or (0, BEGINNING)


def lines(first: int = 1, last: int | None = None) -> Iterator[str]:
    """Yield the entries from `first` to `last`, a thousand lines at a time."""
    last = end()[0] if last is None else last
    while first <= last:
        upto = min(first + _READ_AT_ONCE - 1, last)
        some = LetterLogEntry.objects.filter(sequence__gte=first, sequence__lte=upto).order_by("sequence")
        yield "".join(f"{as_line(entry)}\n" for entry in some)
        first = upto + 1


def heads_as_json() -> str:
    heads = [head_as_json(head) for head in LetterLogHead.objects.order_by("day")]
    # One head a line: easy to compare with what somebody kept.
    listed = ",\n".join(canonical(head) for head in heads)
    about = {"rule": RULE, "public_key": public_key(), "per_file": PER_FILE}
    return canonical(about).removesuffix("}") + f',"heads":[\n{listed}\n]}}\n'


# --- Checking ----------------------------------------------------------------------------------------------------


def verify() -> list[str]:
    """Return what is wrong with the log, each in a sentence. It reads every entry once, a few at a time."""
    return [*_unguarded(), *_faults_since(None), *_unlogged()]


def _unguarded() -> Iterator[str]:
    for table in LOG.missing():
        yield _("%(table)s: the database's triggers are missing; `manage.py migrate` makes them.") % {"table": table}


def _unlogged() -> Iterator[str]:
    logged, entries = LoggedDelivery.objects.count(), LetterLogEntry.objects.count()
    if logged > entries:
        yield _("%(logged)d letters were taken in, but there are only %(entries)d entries.") % {
            "logged": logged,
            "entries": entries,
        }


def _faults_since(known: LetterLogHead | None, *, new_key: bool = False) -> Iterator[str]:
    """Yield what is wrong with the entries after a head, with that head, and with all later ones."""
    heads = list(LetterLogHead.objects.filter(day__gte=known.day if known else date.min))
    if heads and heads[-1].public_key != public_key() and not new_key:
        yield _(
            "The last head is signed with another key. If you have changed LETTER_LOG_KEY, say so: "
            "`manage.py verify_log --new-key`."
        )
    reached: dict[int, str] = {}
    if known:
        reached.update(LetterLogEntry.objects.filter(sequence=known.entries).values_list("sequence", "hash"))
    yield from _breaks(known.entries if known else 0, reached, {head.entries for head in heads})
    for head in heads:
        if not is_signed(head):
            yield _("The head of %(day)s is not as it was signed.") % {"day": head.day}
        if reached.get(head.entries) != head.hash:
            yield _("The log does not hold %(head)s, where it ended on %(day)s.") % {"head": head, "day": head.day}


def _breaks(after: int, reached: dict[int, str], wanted: set[int]) -> Iterator[str]:
    """Yield where the chain breaks after an entry; put the hashes of the wanted entries into `reached`."""
    previous, expected = reached.get(after, BEGINNING), after + 1
    for entry in LetterLogEntry.objects.filter(sequence__gte=expected).order_by("sequence").iterator():
        if entry.sequence != expected:
            yield _("Entries %(first)d to %(last)d are missing.") % {"first": expected, "last": entry.sequence - 1}
        elif entry.previous_hash != previous:
            yield _("Entry %(entry)s does not follow from the one before it.") % {"entry": entry}
        if digest_of_text(entry.previous_hash, canonical(content(entry))) != entry.hash:
            yield _("Entry %(entry)s is not as it was written.") % {"entry": entry}
        if entry.sequence in wanted:
            reached[entry.sequence] = entry.hash
        previous, expected = entry.hash, entry.sequence + 1


def is_old(head: LetterLogHead | None) -> bool:
    """Whether nobody has signed for too long; not before there is something to sign."""
    return bool(head and head.day < _today() - HEAD_IS_OLD_AFTER)
