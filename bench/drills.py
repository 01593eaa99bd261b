"""The drills themselves. Each is a function that takes a Play, and notes in it what does not hold."""

import os
import random
import signal
import smtplib
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import md5
from pathlib import Path

import time_machine
from django.conf import settings
from django.core.management import call_command
from django.db import Error as DatabaseError
from django.db import connection
from django.test import Client
from django.utils import timezone
from dkim import DKIM, DKIMException

from bench import week as simulated_week
from bench.drill import Outcome
from bench.forging import forgeries
from bench.judging import UNSETTLED, judge
from bench.recording import Manners, RecordingSink
from bench.stage import PROCESSES, Overdue, Running, Stage, patiently
from campaign import mailing as mailings
from campaign import subscribing
from campaign.models import Mailing, MailingCopy, Subscriber
from config.celery import app as celery_app
from limits.stamping import stamp
from outbox import tasks
from outbox.bounces import address_for
from outbox.dkim_signing import load
from outbox.models import State, queues
from privacy.addresses import address_tag
from protests.models import Addressee, Delivery, Letter, Signature, Target
from tests.factories import AddresseeFactory, LetterTextFactory, OrganiserFactory, TargetFactory, UpdateFactory
from tests.outbox import returned
from tests.sinks import free_port

TARGETS = 20
KILLS = 100
SUBSCRIBERS = int(os.environ.get("DRILL_SUBSCRIBERS", "20000"))
# Signing must not be slower than this while mail is stuck. The aim is 1.1; the rest is for a noisy machine.
SLOWER = 1.25
SIGN_EVERY = 0.2  # seconds
DELIVERY = Delivery._meta.label_lower
# What people, and mail programs, put into a letter to break a signature.
PIECES = (
    "",
    " ",
    "\t",
    " a  b\tc ",
    ".",
    "..",
    "From here",
    "-- ",
    "=20",
    "x" * 1200,
    "Босатыңыздар!",
    "–",
    "Free her.",
)


@dataclass
class Play:
    """One drill as it goes."""

    name: str
    stage: Stage
    sink: RecordingSink
    written: set[str] = field(default_factory=set)  # the Message-IDs of all letters
    refused: set[str] = field(default_factory=set)  # of those that the server refuses for good
    killed: int = 0  # processes that could hand over a letter
    last_fault: float | None = None
    outcome: Outcome = field(init=False)

    def __post_init__(self) -> None:
        self.outcome = Outcome(self.name)

    def say(self, words: str) -> None:
        self.stage.say(f"{self.name}: {words}")

    def must(self, holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
        if not holds:
            self.outcome.failures.append(otherwise)

    def remark(self, words: str) -> None:
        self.outcome.remarks.append(words)

    def behave(self, **manners: object) -> None:
        self.sink.behave(Manners(**manners))  # type: ignore[arg-type]

    def settle(self) -> None:
        """Wait until nothing is left to do, without a hand."""
        began = self.last_fault or time.monotonic()
        self.stage.wait(lambda: not self._left(), "not everything was settled")
        self.outcome.settled_after = round(time.monotonic() - began, 1)
        self.stage.sleep(2)  # two more sweeps: what would be sent a second time would be now

    def _left(self) -> int:
        left = patiently(lambda: sum(queue._default_manager.filter(state__in=UNSETTLED).count() for queue in queues()))
        self.say(f"{left} letters are to be settled")
        time.sleep(0.05)
        return left


def states() -> dict[str, str]:
    return patiently(
        lambda: {key: state for queue in queues() for key, state in queue.objects.values_list("message_id", "state")}
    )


@dataclass(frozen=True)
class Drill:
    act: Callable[[Play], None]
    seconds: float


# A drill takes a fraction of its limit on a quiet machine.
_drills: dict[str, Drill] = {}


def drill(seconds: float) -> Callable[[Callable[[Play], None]], Callable[[Play], None]]:
    """Register the decorated function as the drill of its name, which may take so many seconds."""

    def register(act: Callable[[Play], None]) -> Callable[[Play], None]:
        _drills[act.__name__] = Drill(act, seconds)
        return act

    return register


def play(stage: Stage, name: str) -> Outcome:
    """Play one drill, and judge it by the mail server's record and the rows."""
    this = _drills[name]
    began = time.monotonic()
    stage.say(f"{name}: at most {this.seconds:.0f} s", always=True)
    with stage.playing(this.seconds) as sink:
        now = Play(name, stage, sink)
        try:
            this.act(now)
        except Overdue as overdue:
            now.must(False, f"{overdue}, within {this.seconds:.0f} s")
        except (DatabaseError, OSError, smtplib.SMTPException, subprocess.SubprocessError) as error:
            now.must(False, f"it broke off: {type(error).__name__}: {error}")
        by_themselves = sum(running.ended_by_itself for running in stage.running.values())
        if by_themselves:
            now.remark(f"{by_themselves} times a worker or beat ended by itself and was started again")
        pronounce(now, by_themselves)
    now.outcome.took = round(time.monotonic() - began, 1)
    stage.say(f"{name}: {'passed' if now.outcome.passed else 'FAILED'} after {now.outcome.took:.0f} s", always=True)
    return now.outcome


def pronounce(now: Play, by_themselves: int) -> None:
    """Write the verdict into the outcome, with what must hold in every drill."""
    verdict = judge(now.written, states(), now.sink.read(), now.refused)
    outcome = now.outcome
    outcome.letters += len(now.written)
    outcome.lost, outcome.twice, outcome.in_doubt = len(verdict.lost), len(verdict.twice), len(verdict.in_doubt)
    outcome.by_kills, outcome.by_drops = len(verdict.doubtful_by_kills), len(verdict.doubtful_by_drops)
    now.must(not verdict.lost, f"{outcome.lost} were lost")
    now.must(not verdict.twice, f"{outcome.twice} were sent twice")
    now.must(not verdict.unsettled - now.refused, f"{len(verdict.unsettled)} were left unsettled")
    at_most = now.killed + by_themselves * PROCESSES
    now.must(outcome.by_kills <= at_most, f"{outcome.by_kills} in doubt by {at_most} kills of a process")


# --- What is sent ------------------------------------------------------------------------------------------------


def write_letters(count: int, own_words: Callable[[int], str] = "In words of my own, {}.".format) -> set[str]:
    """Write so many letters, two of each signer, to TARGETS targets; return their Message-IDs."""
    text, targets = LetterTextFactory(), TargetFactory.create_batch(TARGETS)
    first = Signature.objects.count()
    signatures = Signature.objects.bulk_create(
        Signature(
            letter=text.letter,
            text=text,
            email=f"supporter-{number}@example.org",
            email_tag=address_tag(f"supporter-{number}@example.org"),
            name=f"Nora Berg {number}",
            own_words=own_words(number),
            country="DE",
            locale="en",
            consent_version="drill",
            consented_at=timezone.now(),
            confirmed_at=timezone.now(),
        )
        for number in range(first, first + (count + 1) // 2)
    )
    mails = [
        Delivery(signature=signature, target=targets[(number * 2 + which) % len(targets)])
        for number, signature in enumerate(signatures)
        for which in (0, 1)
    ]
    return {mail.message_id for mail in Delivery.objects.bulk_create(mails[:count])}


def letter_to_sign() -> Letter:
    """Return a letter that anybody can sign."""
    return AddresseeFactory(rule=Addressee.Rule.EVERYBODY).letter


# --- The drills --------------------------------------------------------------------------------------------------


@drill(seconds=900)
def kills(now: Play) -> None:
    """5,000 letters; the worker killed 100 times, PostgreSQL restarted hard twice, the broker emptied twice."""
    now.written = write_letters(5000)
    misbehaving = {"put_off": 0.1, "drop": 0.01}
    now.behave(**misbehaving, rate=100)
    now.stage.start_beat()
    worker = now.stage.start_worker(OUTBOX_LEASE_SECONDS="5", OUTBOX_SMTP_TIMEOUT_SECONDS="4")
    besides: dict[int, Callable[[], None]] = {
        20: now.stage.restart_broker,
        35: lambda: now.stage.restart_postgres(signal.SIGQUIT),  # PostgreSQL's "immediate": as after a crash
        65: lambda: now.stage.restart_postgres(signal.SIGKILL),
        80: now.stage.restart_broker,
    }
    for number in range(1, KILLS + 1):
        _wait_till_it_sends(now)
        # So slow that the letters last until the last kill, which comes a quarter of a second from here on average.
        left = len(now.written) - len(now.sink.read().taken)
        now.behave(**misbehaving, rate=max(20.0, left / (KILLS + 1 - number) / 0.3))
        now.stage.sleep(random.uniform(0, 0.5))  # noqa: S311 - no secret
        if number in besides:
            besides[number]()
            _wait_till_it_sends(now)
        worker.kill()
        now.say(f"killed {number} of {KILLS} times, {len(now.sink.record.taken):,} letters taken")
    now.last_fault = time.monotonic()
    left = len(now.written) - len(now.sink.read().taken)
    now.must(left > 0, "the letters were out before the last kill")
    now.killed = (KILLS + 2) * PROCESSES
    now.behave(**misbehaving)
    now.settle()
    by_kills = Delivery.objects.in_doubt().exclude(message_id__in=now.sink.read().dropped).count()
    now.remark(
        f"{KILLS} kills of a worker of {PROCESSES} processes, PostgreSQL restarted hard twice, the broker emptied "
        f"twice; {left} letters were left at the last kill"
    )
    now.remark(f"the mail server dropped {len(now.sink.record.dropped)} connections after the final dot")
    now.remark(f"in doubt by kills: {by_kills}, of at most {now.killed}")


def _wait_till_it_sends(now: Play) -> None:
    before = now.sink.read().recipients
    now.stage.wait(lambda: now.sink.read().recipients > before, "the worker did not send again")


@drill(seconds=300)
def down(now: Play) -> None:
    """The mail server refuses connections for two minutes; people go on signing."""
    _cut_off(now, 120, listening=False)


@drill(seconds=300)
def slow(now: Play) -> None:
    """The mail server takes 30 s for each answer; people go on signing."""
    _cut_off(now, 70, answer_after=30)


def _cut_off(now: Play, seconds: float, **trouble: object) -> None:
    """Measure how long signing takes before, during and after the trouble, with the settings' own time limits."""
    letter = letter_to_sign()
    now.behave(rate=20)
    now.stage.start_beat()
    now.stage.start_worker()
    tasks.send.delay(DELIVERY)
    _sign(now, letter, 3)  # the first ones load what the next ones use
    normal = _sign(now, letter, 15)
    now.written = write_letters(300)
    _wait_till_it_sends(now)
    taken_before = len(now.sink.read().taken)
    now.behave(**trouble)
    now.killed = PROCESSES if "listening" in trouble else 0  # a connection may have been cut just after the final dot
    during = _sign(now, letter, seconds)
    taken_during = len(now.sink.read().taken) - taken_before
    now.last_fault = time.monotonic()
    now.behave()
    now.settle()
    normal += _sign(now, letter, 15)
    now.settle()
    (stuck, its_page), (usual, usual_page) = _medians(during), _medians(normal)
    raw, ratio = stuck / usual, stuck / its_page / (usual / usual_page)
    now.remark(
        f"signing took {stuck * 1000:.1f} ms during the trouble ({len(during)} times), {usual * 1000:.1f} ms before "
        f"and after it ({len(normal)} times): ratio {raw:.2f}, aim 1.10; {ratio:.2f} where each is measured against "
        "reading the letter's page at the same moment, which sends nothing: so the machine's other work does not count"
    )
    now.remark(f"{taken_during} mails were taken during the trouble")
    now.must(ratio <= SLOWER, f"signing took {ratio:.2f} times as long, against reading")


def _sign(now: Play, letter: Letter, seconds: float) -> list[tuple[float, float]]:
    """Sign the letter evenly for so long, through the real view; return how long each took, and reading it beside."""
    client = Client(SERVER_NAME="127.0.0.1")
    took = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        who = f"signer-{random.getrandbits(64)}@example.org"
        form = {"name": "Nora Berg", "email": who, "country": "DE", "own_words": "", "consent_letter": "on"}
        form["stamp"] = stamp(time.time() - 60)
        began = time.perf_counter()
        client.get(letter.get_absolute_url())
        read = time.perf_counter()
        response = client.post(letter.get_absolute_url(), form)
        took.append((time.perf_counter() - read, read - began))
        if response.status_code != 200:
            raise Overdue(f"signing was answered with {response.status_code}")
        now.say(f"{len(took)} signed, {len(now.sink.read().taken)} mails taken")
        now.stage.sleep(max(0.0, SIGN_EVERY - sum(took[-1])))
    return took


def _medians(took: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(sign for sign, _read in took), statistics.median(read for _sign, read in took)


@drill(seconds=120)
def refused(now: Play) -> None:
    """The mail server answers 550 to one of the targets."""
    now.written = write_letters(400)
    target = Target.objects.order_by("pk")[TARGETS // 2]
    theirs = Delivery.objects.filter(target=target)
    now.refused = set(theirs.values_list("message_id", flat=True))
    return_paths = [address_for(mail) for mail in theirs]
    now.behave(refuse=target.email)
    now.stage.start_beat()
    now.stage.start_worker()
    others = Delivery.objects.exclude(target=target)
    now.stage.wait(lambda: not others.filter(state__in=UNSETTLED).exists(), "the other targets' letters did not go on")
    # Its own may wait, where a target that refuses again and again is left alone for a while.
    now.stage.wait(lambda: theirs.filter(state=State.BOUNCED).exists(), "no letter was refused")
    now.stage.sleep(5)  # several sweeps: time enough for a second attempt
    answers = [now.sink.read().answers.get(path, []) for path in return_paths]
    again = sum(len(of_one) > 1 for of_one in answers)
    now.must(not again, f"{again} were tried again after a 5xx")
    now.must(others.filter(state=State.ACCEPTED).count() == others.count(), "another target's letter was not accepted")
    now.must(not theirs.filter(state=State.ACCEPTED).exists(), "a refused letter is called accepted")
    bounced, waiting = theirs.filter(state=State.BOUNCED).count(), theirs.filter(state__in=UNSETTLED).count()
    now.remark(
        f"{bounced} of {len(answers)} letters to one target refused for good, {waiting} wait, {again} tried again"
    )


@drill(seconds=120)
def busy(now: Play) -> None:
    """The mail server answers 421 to each connection for a while."""
    now.written = write_letters(400)
    now.behave(busy=True)
    now.stage.start_beat()
    now.stage.start_worker()
    now.stage.wait(lambda: now.sink.read().busy > 0, "the worker did not connect")
    now.stage.sleep(10)
    now.must(not Delivery.objects.filter(attempts__gt=0).exists(), "421 on connecting was counted against a letter")
    now.remark(f"{now.sink.read().busy} connections were answered with 421")
    now.last_fault = time.monotonic()
    now.behave()
    now.settle()
    counts = Counter(Delivery.objects.values_list("state", "attempts"))
    now.must(
        counts == {(State.ACCEPTED, 1): len(now.written)}, f"not each letter was sent at the first attempt: {counts}"
    )


@drill(seconds=240)
def forged(now: Play) -> None:
    """10,000 forged bounces, through the maildir and the server for SMTP and LMTP."""
    now.written = write_letters(200)
    now.behave()
    tasks.send(DELIVERY)
    now.stage.wait(lambda: not tasks.send(DELIVERY) and not _due(), "the letters were not sent")
    _spread_over_states()
    made = forgeries(10_000)
    before = _checksums()
    through_server = made[::19]
    maildir = now.stage.folder / "maildir"
    (maildir / "new").mkdir(parents=True)
    for number, (to, content) in enumerate(made):
        if number % 19:
            (maildir / "new" / f"{number:05}.drill").write_bytes(b"Delivered-To: %s\n" % to.encode() + content)
    now.say("the maildir is taken")
    said = _take(now, maildir)
    taken = _hand_in(now, through_server)
    now.must(_checksums() == before, "a table has changed")
    now.must(not list((maildir / "new").iterdir()), "something was left in the maildir")
    now.remark(
        f"{len(made) - len(through_server):,} through a maildir ({said}); {len(through_server)} over SMTP and LMTP, "
        f"of which {taken} had a real address of an earlier sending and were taken without effect"
    )
    # That the ways in are open: a real bounce changes its row.
    for way, mail in enumerate(Delivery.objects.filter(state=State.ACCEPTED)[:2]):
        to = address_for(mail)
        if way:
            _hand_in(now, [(to, returned.dsn(to))])
        else:
            (maildir / "new" / "real").write_bytes(returned.dsn(to))
            _take(now, maildir)
        now.refused.add(mail.message_id)
        mail.refresh_from_db()
        now.must(mail.state == State.BOUNCED, "a real bounce did not change its row")
    # What was spread over the states by hand tells nothing of what was sent.
    Delivery.objects.exclude(state=State.BOUNCED).update(state=State.ACCEPTED, lease="", leased_until=None)


def _due() -> bool:
    return Delivery.objects.due().exists()


def _spread_over_states() -> None:
    """Let the rows stand as in the middle of the day: accepted, in doubt, being sent, waiting; some sent again."""
    keys = list(Delivery.objects.order_by("pk").values_list("pk", flat=True))
    hour_ago, rows = timezone.now() - timedelta(hours=1), Delivery.objects
    rows.filter(pk__in=keys[:40]).update(state=State.IN_DOUBT)
    rows.filter(pk__in=keys[40:60]).update(
        state=State.SENDING, lease="another", leased_until=timezone.now() + timedelta(hours=1)
    )
    rows.filter(pk__in=keys[60:80]).update(
        state=State.QUEUED, handing_over_at=None, next_attempt_at=timezone.now() + timedelta(hours=1)
    )
    rows.filter(pk__in=keys[80:]).update(handing_over_at=hour_ago)


def _checksums() -> dict[str, str]:
    """Return one checksum of all rows for each table."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT t::text FROM {connection.ops.quote_name(table)} t ORDER BY 1")  # noqa: S608
            found[table] = md5(repr(cursor.fetchall()).encode(), usedforsecurity=False).hexdigest()
    return found


def _take(now: Play, maildir: Path) -> str:
    """Run the command on the maildir; return what it says."""
    command = [sys.executable, "manage.py", "take_bounces", "--maildir", str(maildir)]
    ended = subprocess.run(command, env=now.stage.environment, capture_output=True, text=True, check=False, timeout=90)
    now.must(ended.returncode == 0, f"take_bounces ended with {ended.returncode}: {ended.stderr[-200:]}")
    return ", ".join(ended.stdout.strip().splitlines())


def _hand_in(now: Play, messages: list[tuple[str, bytes]]) -> int:
    """Hand the messages to the bounce server, half by SMTP and half by LMTP; return how many it took."""
    taken = 0
    for lmtp, part in ((False, messages[::2]), (True, messages[1::2])):
        port = free_port()
        server = now.stage.start(
            f"bounces-{port}", "manage.py", "bounce_server", "--port", str(port), *(["--lmtp"] if lmtp else [])
        )
        with closing(_connected(now, smtplib.LMTP if lmtp else smtplib.SMTP, port)) as client:
            for to, content in part:
                try:
                    client.sendmail("", [to], content)
                    taken += 1
                except smtplib.SMTPRecipientsRefused:
                    client.rset()
                now.say(f"{taken} taken by the bounce server")
        del now.stage.running[f"bounces-{port}"]
        server.end()
    return taken


def _connected(now: Play, kind: type[smtplib.SMTP], port: int) -> smtplib.SMTP:
    found: list[smtplib.SMTP] = []

    def connects() -> bool:
        try:
            found.append(kind("127.0.0.1", port, timeout=30))
        except OSError:
            return False
        return True

    now.stage.wait(connects, "the bounce server does not listen")
    return found[0]


@drill(seconds=240)
def clock(now: Play) -> None:
    """One of two senders has its clock a day ahead, and then set right again, in the middle of a queue."""
    now.written = write_letters(600)
    now.behave(rate=40, put_off=0.1, drop=0.05)
    now.stage.start_beat()
    now.stage.start_worker()
    now.stage.wait(lambda: len(now.sink.read().taken) > 100, "the worker does not send")
    held, doubtful = Delivery.objects.filter(state=State.SENDING).count(), _doubtful()
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=True):
        tasks.sweep()
        _send_here(now, 5)
        tasks.sweep()
    tasks.sweep()
    _send_here(now, 5)
    till_tomorrow = Delivery.objects.filter(next_attempt_at__gt=timezone.now() + timedelta(hours=1)).count()
    now.remark(
        f"at the jump {held} letters were held by the worker and {len(doubtful)} in doubt; "
        f"the wrong clock put {till_tomorrow} off till tomorrow"
    )
    now.last_fault = time.monotonic()
    now.behave(put_off=0.1)
    now.stage.wait(lambda: not _due(), "what was due was not sent")
    # What was put off by the wrong clock comes due a day later: here that day passes.
    worker: Running = now.stage.running["worker"]
    with time_machine.travel(timezone.now() + timedelta(days=1, hours=1), tick=True):
        while Delivery.objects.filter(state__in=UNSETTLED).exists():
            tasks.send(DELIVERY)
            tasks.sweep()
            now.stage.sleep(0.2)
            now.say("a day later")
    now.outcome.settled_after = round(time.monotonic() - now.last_fault, 1)
    now.must(not worker.ended_by_itself, "the worker ended by itself")
    now.must(doubtful <= _doubtful(), "a letter in doubt was settled without a hand")


def _doubtful() -> set[str]:
    return set(Delivery.objects.in_doubt().values_list("message_id", flat=True))


def _send_here(now: Play, runs: int) -> None:
    for _run in range(runs):
        if _due():
            tasks.send(DELIVERY)
        now.say(f"{len(now.sink.read().taken)} letters taken")


@drill(seconds=180)
def dkim(now: Play) -> None:
    """1,000 letters as the mail server got them, verified with dkimpy under both keys."""
    files = {"rsa": now.stage.folder / "rsa.pem", "ed": now.stage.folder / "ed.pem"}
    with (now.stage.folder / "dkim.txt").open("w") as said:
        call_command("make_dkim_key", "rsa", "--rsa", "--file", str(files["rsa"]), stdout=said)
        call_command("make_dkim_key", "ed", "--file", str(files["ed"]), stdout=said)
    signers = [load(selector, str(path), settings.DKIM_DOMAIN) for selector, path in files.items()]
    records = {f"{signer.record_name}.": signer.record.encode() for signer in signers}
    chance = random.Random(6376)  # noqa: S311 - no secret
    now.written = write_letters(1000, lambda number: "\n".join(chance.choices(PIECES, k=number % 9)))
    now.behave(keep=True)
    now.stage.start_beat()
    now.stage.start_worker(DKIM_KEY_FILE=",".join(f"{selector}:{path}" for selector, path in files.items()))
    now.settle()
    contents = now.sink.read().contents
    verified = 0
    for content in contents:
        verified += _verifies(content, records)
        now.say(f"{verified} verified")
    now.remark(f"{verified:,} of {len(contents):,} verify under both keys (RSA-2048, ed25519) with dkimpy")
    now.must(verified == len(contents) == len(now.written), "not all of them verify")


def _verifies(content: bytes, records: dict[str, bytes]) -> bool:
    message = DKIM(content)
    try:
        return all(
            message.verify(idx=number, dnsfunc=lambda name, timeout: records.get(name.decode()))
            for number in range(len(records))
        )
    except DKIMException:
        return False


@drill(seconds=300)
def week(now: Play) -> None:
    """2,000 letters to one embassy with a cap of 300 a day, between 9 and 17 by its clock: a simulated week."""
    found = simulated_week.run()
    Signature.objects.all().delete()  # its letters went to a mail server of its own, with a clock of its own
    now.outcome.letters = found["letters"]
    per_day = ", ".join(str(count) for count in found["per_day"].values())
    now.remark(f"a day: {per_day}; outside its hours: {found['outside_hours']}")
    now.must(found["ok"], "not as many each day as the cap allows, or outside the hours, or not each once")
    now.must(not (found["lost"] or found["twice"] or found["in_doubt"]), f"lost, twice or in doubt: {found}")


@drill(seconds=900)
def mailing(now: Play) -> None:
    """A mailing to SUBSCRIBERS; the worker killed twice while it writes the copies, three times while it sends them."""
    addresses = [f"reader-{number}@example.org" for number in range(SUBSCRIBERS)]
    confirmed = {"confirmed_at": timezone.now(), "consented_at": timezone.now(), "consent_version": "drill"}
    subscribers = Subscriber.objects.bulk_create(
        [Subscriber(email=email, email_tag=address_tag(email), language="en", **confirmed) for email in addresses],
        batch_size=1000,
    )
    made = Mailing.objects.create(update=UpdateFactory(), created_by=OrganiserFactory())
    now.behave(rate=max(SUBSCRIBERS / 50, 20))
    now.stage.start_beat()
    worker = now.stage.start_worker(OUTBOX_LEASE_SECONDS="5", OUTBOX_SMTP_TIMEOUT_SECONDS="4")
    now.stage.wait(_answers, "the worker did not start")
    left_before = subscribers[:: SUBSCRIBERS // 10]
    mailings.approve(made, OrganiserFactory(), mailings.fingerprint(mailings.texts(made)))
    for subscriber in left_before:
        subscribing.unsubscribe(subscriber)
    writing = [_killed_at(now, worker, MailingCopy.objects.count, SUBSCRIBERS * share // 100) for share in (10, 40)]

    def taken() -> int:
        return len(now.sink.read().taken)

    sending = [_killed_at(now, worker, taken, SUBSCRIBERS * share // 100) for share in (20, 45, 70)]
    now.last_fault = time.monotonic()
    now.killed = len(writing + sending) * PROCESSES
    now.stage.wait(lambda: Mailing.objects.get().enqueued_at is not None, "not all copies were written")
    now.settle()
    again, arrived = _as_the_record_says(now)
    now.settle()
    now.written = set(MailingCopy.objects.exclude(state=State.CANCELLED).values_list("message_id", flat=True))
    now.refused = set(MailingCopy.objects.filter(state=State.CANCELLED).values_list("message_id", flat=True))
    got = now.sink.read().to
    left = {addresses[number] for number in range(0, SUBSCRIBERS, SUBSCRIBERS // 10)}
    missing = len(set(addresses) - left - got.keys())
    now.must(not missing, f"{missing} subscribers did not get it")
    now.must(max(got.values()) == 1, "a subscriber got it twice")
    now.must(sending[-1] < SUBSCRIBERS - len(left), "the copies were out before the last kill")
    now.remark(
        f"the worker was killed with {writing} copies in the table and {sending} mails taken; {len(got):,} of "
        f"{SUBSCRIBERS:,} subscribers got one mail each, none two; {len(left)} left after the approval, of whom "
        f"{len(left & got.keys())} got it all the same"
    )
    now.remark(
        f"{again + arrived} copies were in doubt after the kills; the mail server's record has {arrived} of them, and "
        f"{again} were sent again on a person's word"
    )


def _as_the_record_says(now: Play) -> tuple[int, int]:
    """Do what an organiser does with copies in doubt: send again what the mail server's record does not have."""
    known = now.sink.read().taken.keys()
    arrived = MailingCopy.objects.filter(message_id__in=known).settle_as_accepted()
    again = MailingCopy.objects.in_doubt().send_again()
    return again, arrived


def _answers() -> bool:
    return bool(celery_app.control.ping(timeout=0.5))


def _killed_at(now: Play, worker: Running, so_far: Callable[[], int], at: int) -> int:
    """Kill the worker once `so_far()` is `at`; return what it was then."""
    now.stage.wait(lambda: patiently(so_far) >= at, f"there were never {at}")
    worker.kill()
    now.say(f"killed at {at}")
    return so_far()
