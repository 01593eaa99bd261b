"""
People who are easy to find: what they typed goes the whole way of a letter, and nothing of it may be left in the end.

Used by `python -m bench.drill canaries`, with a thousand of them, and by the suite, with a few.
"""

import logging
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import time_machine
from django.conf import settings
from django.core.cache import caches
from django.db import connection
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone
from kombu import Connection

from campaign import submitting, subscribing
from campaign.models import MessageOfSupport, Subscriber
from config import backing_up
from donations import giving
from donations.models import Fund, Pledge
from limits.stamping import stamp
from outbox.bounces import address_for, take
from outbox.models import State
from privacy import clock, purging
from privacy.logs import Plain
from privacy.registry import rules
from privacy.sealing import make_key, read_key
from protests import consent, holding, tallying
from protests.models import ConfirmationMail, Delivery, Hold, Letter, Tally
from tests.factories import AddresseeFactory, FundFactory, LetterFactory, OrganiserFactory
from tests.outbox import returned

# What all of them have in their names, their addresses and their words, and nothing else has.
MARKS = ("Girlitz", "zitronenzeisig", "Kanarienvogel")
STAMPED_AGO = 20  # seconds


@dataclass(frozen=True)
class Canary:
    number: int

    @property
    def name(self) -> str:
        return f"Girlitz Q{self.number:05}x"

    @property
    def email(self) -> str:
        return f"zitronenzeisig.q{self.number:05}x@example.org"

    @property
    def words(self) -> str:
        return f"Kanarienvogel Q{self.number:05}x sings for her."

    @property
    def is_held(self) -> bool:
        return self.number % 10 == 1

    @property
    def confirms(self) -> bool:
        return self.number % 10 != 2

    @property
    def wants_updates(self) -> bool:
        return self.number % 5 == 0

    @property
    def withdraws(self) -> bool:
        return self.number % 10 == 4

    @property
    def pledges(self) -> bool:
        return self.number % 10 == 5

    @property
    def writes(self) -> bool:
        return self.number % 10 == 6


class Live:
    """The life of a letter, stage by stage. `send_all` sends all that is due, to a mail server of the drill's own."""

    def __init__(self, count: int, send_all: Callable[[], Any]) -> None:
        self.people = [Canary(number) for number in range(count)]
        self.letter: Letter = AddresseeFactory(letter=LetterFactory(), target__daily_cap=None).letter
        self.fund: Fund = FundFactory(strike=self.letter.strike)
        self.organiser = OrganiserFactory()
        self._send_all = send_all
        self._client = Client(headers={"host": settings.BASE_URL.partition("://")[2]})

    def sign(self) -> None:
        """Sign, and release those that were held. Nothing may be sent meanwhile."""
        path, stamped = self.letter.get_absolute_url(), stamp(timezone.now().timestamp() - STAMPED_AGO)
        for one in self.people:
            typed = {
                "name": one.name,
                "email": one.email,
                "country": "DE",
                "own_words": one.words,
                "organisation": f"{one.name}'s union",
                "display": "public",
                "consent_letter": "on",
                "stamp": stamped,
            }
            typed |= {"updates": "on"} if one.wants_updates else {}
            typed |= {"homepage": "filled in"} if one.is_held else {}
            answer = self._client.post(path, typed, REMOTE_ADDR=f"10.1.{one.number >> 8}.{one.number & 255}")
            assert answer.status_code == 200, answer.status_code  # noqa: S101
        holding.release(Hold.objects.waiting(), self.organiser)
        mails = ConfirmationMail.objects.select_related("signature")
        self._links = {mail.signature.email: mail.token for mail in mails}  # a mail that was sent has none any more

    def confirm(self) -> None:
        """Send the mails, and press the button in nine of ten; some look at their receipts, and withdraw."""
        ConfirmationMail.objects.waiting().update(next_attempt_at=timezone.now())
        self._send_all()
        for one in filter(lambda one: one.confirms, self.people):
            path = reverse("protests:confirm", args=[self._links[one.email]])
            page = self._client.get(path).content.decode()
            seen = re.search(r'name="seen" value="([0-9a-f]+)"', page)
            answer = self._client.post(path, {"seen": seen[1] if seen else ""})
            assert answer.status_code == 303, answer.status_code  # noqa: S101
        self._send_all()
        for one in filter(lambda one: one.withdraws, self.people):
            path = reverse("protests:receipt", args=[self._links[one.email]])
            assert one.name in self._client.get(path).content.decode()  # noqa: S101
            self._client.post(path, {"action": "withdraw", "sure": "1"})

    def bounce(self) -> int:
        """Let a few of the accepted letters come back, with all that a server could repeat of them."""
        accepted = Delivery.objects.filter(state=State.ACCEPTED).select_related("signature")
        bounced = list(accepted[: max(3, len(self.people) // 50)])
        for mail in bounced:
            words = f"smtp; 550 5.7.1 {mail.signature.name} <{mail.signature.email}> is not welcome here"
            take(returned.dsn(address_for(mail), status="5.7.1", code=words))
        return len(bounced)

    def give_and_write(self) -> None:
        for one in filter(lambda one: one.pledges, self.people):
            giving.pledge(
                self.fund,
                kind="person",
                name=one.name,
                organisation="",
                email=one.email,
                amount_minor=2500,
                currency="EUR",
                frequency="once",
                display="public",
                locale="en",
            )
        for made in Pledge.objects.filter(confirmed_at=None)[::2]:
            giving.confirm(made)
        for one in filter(lambda one: one.writes, self.people):
            MessageOfSupport.objects.create(
                strike=self.letter.strike,
                slug=f"message-{one.number}",
                organisation="Dockers of Example",
                person=one.name,
                contact=one.email,
                text="We stand with you.",
                submitted_at=timezone.now(),
                consent_version=consent.CURRENT,
            )
        sent = MessageOfSupport.objects.filter(approved_at=None).order_by("pk")
        submitting.refuse(
            MessageOfSupport.objects.filter(pk__in=list(sent.values_list("pk", flat=True)[::2])), self.organiser
        )
        submitting.publish(MessageOfSupport.objects.filter(refused_at=None), self.organiser)
        self._send_all()

    def end(self) -> None:
        """Close the letter; who gets updates takes the address back."""
        tallying.tally()
        Letter.objects.filter(pk=self.letter.pk).update(closed_at=timezone.now())
        for subscriber in Subscriber.objects.subscribed():
            subscribing.unsubscribe(subscriber)

    def counted(self) -> int:
        tallying.tally()
        return Tally.objects.get(letter=self.letter).signed


def purged_after(days: float) -> Counter[str]:
    """Let so many days go by, and purge as beat does. Its word that the clock is right is the drill's own."""
    with time_machine.travel(timezone.now() + timedelta(days=days), tick=True):
        clock.is_right()
        done = purging.run()
    clock.is_right()
    return done


# --- Looking for them ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hits:
    """What was found of them, by place and by how it was written."""

    by_place: dict[str, Counter[str]]

    @property
    def total(self) -> int:
        return sum(counts.total() for counts in self.by_place.values())

    def lines(self) -> Iterator[str]:
        for place, counts in self.by_place.items():
            yield f"{place}: {dict(counts) or 0}"


def needles(people: Iterable[Canary]) -> tuple[dict[str, list[bytes]], set[bytes]]:
    """Return what to look for, by how it is written, and the hashes of all names, addresses and words."""
    written: dict[str, list[bytes]] = {"plain": [], "hex": [], "base64": []}
    for mark in MARKS:
        for text in (mark.encode(), mark.encode("utf-16-le")):
            written["plain"].append(text.lower())
            written["hex"].append(text.hex().encode())
            # Wherever it begins among the three bytes that four letters hold; without the letters that others share.
            for before in range(3):
                inside = b64encode(bytes(before) + text)
                first, last = (0, 2, 3)[before], len(text) + before
                written["base64"].append(inside[first : last * 8 // 6])
    hashes = set()
    for one in people:
        for text in (one.name, one.email, one.words, one.email.upper(), one.name.casefold()):
            hashes.add(sha256(text.encode()).digest())
    return written, hashes


_HEX = re.compile(rb"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")


def look(places: dict[str, bytes], people: list[Canary], stored: Iterable[bytes] = ()) -> Hits:
    """Count what is found in each place; `stored` is what the database held of them, in ciphertext and tags."""
    written, hashes = needles(people)
    found = {}
    for place, content in places.items():
        counts: Counter[str] = Counter()
        lower = content.lower()
        for how, patterns in written.items():
            counts[how] += sum((content if how == "base64" else lower).count(pattern) for pattern in patterns)
        counts["sha-256"] += sum(bytes.fromhex(run.decode()) in hashes for run in _HEX.findall(content))
        counts["sha-256"] += sum(content.count(digest) + content.count(b64encode(digest)) for digest in hashes)
        counts["stored"] += sum(content.count(value) for value in stored)
        found[place] = +counts
    return Hits(found)


def stored_values() -> set[bytes]:
    """Return, as the database holds them, the values of all personal columns: ciphertexts and keyed tags."""
    found: set[bytes] = set()
    with connection.cursor() as cursor:
        quote = connection.ops.quote_name
        for model, name, _rule in rules():
            column = model._meta.get_field(name).column
            cursor.execute(f"SELECT {quote(column)} FROM {quote(model._meta.db_table)}")  # noqa: S608 - our own names
            found |= {value.encode() for (value,) in cursor.fetchall() if value and len(value) >= 40}
    return found


def places(logged: str, folder: Path) -> dict[str, bytes]:
    """Return what all that is to hold nothing of them holds, byte by byte, by name. A backup is made in the folder."""
    found = {"log": logged.encode(), "cache": _cache(), "rows": _rows()}
    if connection.vendor == "sqlite":
        path = str(connection.settings_dict["NAME"])
        for suffix in ("", "-wal"):
            file = Path(path + suffix)
            found[f"database file {suffix}".strip()] = file.read_bytes() if file.exists() else b""
    found["broker"] = _broker()
    found["backup"] = _backup(folder)
    return found


def _backup(folder: Path) -> bytes:
    """Return all that a backup holds which is made now, the seal broken: the dump, the files, the erasures."""
    key = folder / "canaries.key"
    with override_settings(BACKUP_KEY=make_key(key, "")):
        made = backing_up.back_up(folder / "canaries.backup", tell=lambda _words: None)
    backup = backing_up.look(made, read_key(key), tell=lambda _words: None)
    names, contents = zip(*((name.encode(), content.read()) for name, content in backup.members()), strict=True)
    return b"".join(contents) + b"\n".join(names)


def _rows() -> bytes:
    """Return every row of every table, not only of ours, as text."""
    parts = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608 - the database's own names
            parts += [repr(row) for row in cursor.fetchall()]
    return "\n".join(parts).encode()


def _cache() -> bytes:
    """Return what the caches of this process hold, and Redis where it is one."""
    parts = []
    for alias in settings.CACHES:
        kept = getattr(caches[alias], "_cache", {})
        if isinstance(kept, dict):
            parts += [value if isinstance(value, bytes) else repr(value).encode() for value in kept.values()]
    return b"\n".join(parts)


def _broker() -> bytes:
    """Return all messages that wait, and all that the broker knows of those that were handed out."""
    if settings.CELERY_BROKER_URL.startswith("filesystem://"):
        folder = Path(settings.VAR_DIR) / "broker"
        return b"\n".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())
    with Connection(settings.CELERY_BROKER_URL) as broker:
        redis = broker.default_channel.client
        read = {
            "string": redis.get,
            "list": lambda key: redis.lrange(key, 0, -1),
            "set": redis.smembers,
            "zset": lambda key: redis.zrange(key, 0, -1),
            "hash": redis.hgetall,
        }
        return b"\n".join(
            bytes(key) + b" " + repr(read[redis.type(key).decode()](key)).encode() for key in redis.scan_iter()
        )


@contextmanager
def listening() -> Iterator[StringIO]:
    """Yield what is logged meanwhile, by anything, as the program's own handler would write it."""
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(Plain("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield written
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
