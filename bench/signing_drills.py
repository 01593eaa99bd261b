"""
The drills of signing: the served program under races, floods and a great day, and while what it needs dies.

As in production each process runs by its own command: the web server, a worker, and beat.
"""

import html
import json
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Iterable
from hashlib import md5
from itertools import groupby
from urllib.parse import parse_qsl

from django.utils import timezone

from bench.crowd import Answer, Found, Plan, Request, Sending, get, percentile, post, send
from bench.drills import Play, drill, letter_to_sign, states
from bench.people import MAILED, confirmable, form, headers, written
from bench.stage import PROCESSES, patiently
from campaign.models import Subscriber
from campaign.subscribing import unsubscribe_token
from limits.stamping import stamp
from privacy.addresses import address_tag
from protests import tallying
from protests.models import ConfirmationMail, Delivery, Hold, Letter, Signature, Tally, Target
from tests.factories import AddresseeFactory, SubscriberFactory
from tests.limits.solving import solve
from tests.processes import wait_for_port

LIMITS = {
    "LIMIT_NETWORK_NEAR": "30",
    "LIMIT_NETWORK_OVER": "200",
    "LIMIT_DOMAIN_NEAR": "60",
    "LIMIT_DOMAIN_OVER": "300",
}
# A limit that is not what a drill is about. The addresses of all are under example.org.
NO_DOMAIN_LIMIT = {"LIMIT_DOMAIN_NEAR": str(10**9), "LIMIT_DOMAIN_OVER": str(10**9)}
_CHALLENGE = re.compile(rb'data-challenge="([^"]*)"')


def serve(now: Play, **more: str) -> int:
    """Start the web server with the limits of production, a worker and beat; return the port that it listens on."""
    now.behave()
    now.stage.start_web(**{"TRUSTED_PROXIES": "1", **LIMITS, **more})
    now.stage.start_worker()
    now.stage.start_beat()
    wait_for_port(now.stage.web_port, now.stage.running["web"].process)
    return now.stage.web_port


def open_letter(signatures: int) -> Letter:
    """Return a letter that anybody can sign, under which so many have, and whose target takes as much as comes."""
    letter = letter_to_sign()
    Target.objects.update(daily_cap=None)
    written(letter, range(signatures), confirmed_at=timezone.now())
    tallying.tally()
    return letter


def signed(
    letter: Letter, number: int, *, email: str = "", network: int | None = None, due: float = 0, **more: str
) -> Request:
    """Return the post of the person with this number; with `network`, from behind the router of another."""
    typed = {**form(number, stamp(time.time() - 60), email), **more}
    whence = headers(number if network is None else network)
    return post(letter.get_absolute_url(), typed, mark=MAILED, due=due, **whence)


def accepted(answers: Iterable[Answer]) -> list[Answer]:
    """Return those that say that a mail is on its way."""
    return [answer for answer in answers if answer.kind == "sign" and answer.status == 200 and answer.marked]


def statuses(answers: Iterable[Answer]) -> str:
    counts = Counter(answer.status for answer in answers)
    return ", ".join(f"{count:,} times {status or 'no answer'}" for status, count in sorted(counts.items()))


def finish(now: Play) -> None:
    """Wait until all mail is out, and have all of it judged but what was written as sent before."""
    now.settle()
    now.written = set(states()) - now.refused


def people(now: Play, letter: Letter, count: int) -> list[tuple[str, str]]:
    """Return the links of so many who have not confirmed yet."""
    before = set(ConfirmationMail.objects.values_list("message_id", flat=True))
    links = confirmable(letter, range(10**8, 10**8 + count))
    now.refused |= set(ConfirmationMail.objects.values_list("message_id", flat=True)) - before
    return links


# --- Races and floods ----------------------------------------------------------------------------------------------


@drill(seconds=900)
def races(now: Play) -> None:
    """One person many times at once, a flooded mailbox, a household, mail scanners, and bots."""
    letter = open_letter(7)
    port = serve(now, **NO_DOMAIN_LIMIT)
    _spellings(now, letter, port)
    _victim(now, port)
    _household(now, letter, port)
    _scanners(now, letter, port)
    _bots(now, letter, port)
    finish(now)
    to_one = now.sink.read().to
    mails = sum(count for to, count in to_one.items() if to.lower().startswith("nora.berg@"))
    now.must(mails == 1, f"{mails} mails to the person in 50 spellings")
    flooded = sum(count for to, count in to_one.items() if to.startswith("victim+"))
    now.must(flooded <= 3, f"{flooded} mails to one victim")
    now.remark(f"asked: one mail to the person in 50 spellings, at most 3 to the victim; found: {mails} and {flooded}")


def spellings(email: str, count: int) -> list[str]:
    """Return so many spellings of one address, all different."""
    chance, found = random.Random(5322), {email}  # noqa: S311 - no secret
    while len(found) < count:
        local, _at, domain = "".join(chance.choice((sign.upper(), sign.lower())) for sign in email).partition("@")
        wide = domain.replace("x", "\uff58").replace(".", "\u3002")  # as Chinese and Japanese keyboards write them
        found.add(chance.choice((f"{local}@{domain}", f"  {local}@{domain} ", f"{local}@{wide}")))
    return sorted(found)


def _spellings(now: Play, letter: Letter, port: int) -> None:
    typed = spellings("nora.berg@example.org", 50)
    posts = [signed(letter, 0, email=email, network=number) for number, email in enumerate(typed)]
    before = Signature.objects.count()
    found = send(Plan(port, posts, connections=50, keep=True))
    # Each is shown the address as it was typed; all else must be the same.
    bodies = {re.sub(rb"<strong>[^<]*</strong>", b"...", answer.body) for answer in found.answers}
    rows = Signature.objects.count() - before
    now.remark(
        f"50 posts of one person in 50 spellings at once: asked for one row and one answer; found {rows} and "
        f"{len(bodies)} ({statuses(found.answers)})"
    )
    now.must(rows == 1, f"{rows} rows of one person")
    now.must(len(bodies) == 1 and len(accepted(found.answers)) == 50, "the answers to one person differ")


def _victim(now: Play, port: int) -> None:
    count = 40 if now.stage.quick else 1000
    letters = [AddresseeFactory(rule="everybody").letter for _ in range(20)]
    posts = [
        signed(letters[number % 20], number, email=f"victim+{number}@example.org", network=100_000 + number)
        for number in range(count)
    ]
    found = send(Plan(port, posts, connections=20))
    mails = ConfirmationMail.objects.filter(signature__letter__in=letters).count()
    now.remark(
        f"{count:,} posts naming one mailbox across 20 letters: asked for at most 3 mails; found {mails} "
        f"({len(accepted(found.answers)):,} answered as all are)"
    )
    now.must(mails <= 3, f"{mails} mails to one victim were written")
    now.must(len(accepted(found.answers)) == count, f"posts for the victim were told apart: {statuses(found.answers)}")


def _household(now: Play, letter: Letter, port: int) -> None:
    router = 200_000
    posts = [signed(letter, 200_000 + number, network=router) for number in range(30)]
    found = send(Plan(port, posts))
    now.must(len(accepted(found.answers)) == 30, f"of 30 behind one address {len(accepted(found.answers))} could sign")
    # The next ones are asked for proof of work, and without JavaScript for patience.
    asked = send(Plan(port, [signed(letter, 200_100, network=router)], keep=True)).answers
    challenge = _CHALLENGE.search(asked[0].body)
    now.must(challenge is not None, "the 31st was not asked for proof of work")
    solved = 0
    if challenge:
        proof = solve(json.loads(html.unescape(challenge[1].decode())))
        solved = len(accepted(send(Plan(port, [signed(letter, 200_100, network=router, altcha=proof)])).answers))
    holds = Hold.objects.count()
    waiting = send(Plan(port, [signed(letter, 200_101, network=router, wait="1")])).answers
    holds = Hold.objects.count() - holds
    now.remark(
        "30 people behind one address at once: asked that all can sign; found "
        f"{len(accepted(found.answers))}; the 31st signed with proof of work: {solved}, another was held for an "
        f"organiser: {holds}"
    )
    now.must(solved == 1 and holds == 1 and waiting[0].status == 200, "the 31st found no way on")


def _scanners(now: Play, letter: Letter, port: int) -> None:
    ((token, _seen),) = people(now, letter, 1)
    now.settle()
    leave = unsubscribe_token(SubscriberFactory().pk)
    paths = [f"/confirm/{token}/", f"/receipt/{token}/", f"/unsubscribe/{leave}/"]
    prefetch = {"Purpose": "prefetch", "Sec-Purpose": "prefetch;prerender"}
    requests = [
        get(path, method=method, **headers(number), **(prefetch if number % 2 else {}))
        for method in ("GET", "HEAD")
        for number in range(100)
        for path in paths
    ]
    before = _rows()
    found = send(Plan(port, requests))
    changed = sum(mine != theirs for mine, theirs in zip(_rows(), before, strict=True))
    now.remark(
        f"{len(found.answers)} times GET, HEAD and prefetch of links to confirm, to the receipt and to unsubscribe: "
        f"asked that nothing changes; found {changed} tables changed ({statuses(found.answers)})"
    )
    now.must(not changed, f"{changed} tables changed when links were only opened")
    now.must({answer.status for answer in found.answers} == {200}, "a link could not be opened")


def _rows() -> list[str]:
    """Return a checksum of each table that a link could change."""
    return [
        md5(repr(list(model._default_manager.order_by("pk").values_list())).encode(), usedforsecurity=False).hexdigest()
        for model in (Signature, ConfirmationMail, Delivery, Subscriber)
    ]


def _bots(now: Play, letter: Letter, port: int) -> None:
    count = 50 if now.stage.quick else 10_000
    tricks: list[dict[str, str]] = [
        {"stamp": ""},
        {"stamp": "1.0123456789abcdef", "altcha": "e30="},
        {"homepage": "https://bots.example.org/"},
        {"stamp": "", "wait": "1"},
        {},  # the perfect one, which only the limits stop
    ]
    posts = [
        signed(letter, 300_000 + number, network=300_000 + number % 50, **tricks[number % len(tricks)])
        for number in range(count)
    ]
    tallying.tally()
    before, signatures, holds = Tally.objects.get(letter=letter).signed, Signature.objects.count(), Hold.objects.count()
    found = send(Plan(port, posts))
    tallying.tally()
    after = Tally.objects.get(letter=letter).signed
    through, held = Signature.objects.count() - signatures, Hold.objects.count() - holds
    now.remark(
        f"{count:,} posts of bots from 50 networks: asked that the public count stays {before}; found {after}. "
        f"{through} were signed and wait for a confirmation, {held:,} are held, all others were asked for proof "
        f"({found.per_second:.0f} a second, p95 {1000 * percentile(found.answers, 0.95):.0f} ms)"
    )
    now.must(after == before, f"bots changed the public count from {before} to {after}")
    now.must({answer.status for answer in found.answers} == {200}, f"bots were answered: {statuses(found.answers)}")
    now.must(through == len(accepted(found.answers)), "not as many rows as accepted posts")


# --- A great day -----------------------------------------------------------------------------------------------------

SIGNATURES_A_SECOND, READS_A_SECOND, CONFIRMATIONS_A_SECOND = 50, 500, 10


def arrivals(letter: Letter, links: list[tuple[str, str]], seconds: float, share: float = 1) -> list[Request]:
    """Return what comes in so many seconds, each at its time: as in a crowd, at any moment, and not in step."""
    chance = random.Random(2019)  # noqa: S311 - no secret
    read = ["/", letter.get_absolute_url(), letter.get_absolute_url(), f"/de{letter.get_absolute_url()}", "/letters/"]
    pages = [get(path, **headers()) for path in read]
    moments = lambda rate: (chance.uniform(0, seconds) for _ in range(int(rate * share * seconds)))  # noqa: E731
    requests = [chance.choice(pages)._replace(due=due) for due in moments(READS_A_SECOND)]
    for number, due in enumerate(moments(SIGNATURES_A_SECOND)):
        requests.append(signed(letter, number, due=due))
    for (token, seen), due in zip(links, moments(CONFIRMATIONS_A_SECOND), strict=False):
        requests.append(post(f"/confirm/{token}/", {"seen": seen}, kind="confirm", due=due, **headers(10**6)))
    return sorted(requests, key=lambda request: request.due)


def under_load(now: Play, requests: list[Request]) -> Sending:
    """Warm up, as a server that has run for a minute, and let the requests come."""
    send(Plan(now.stage.web_port, [request for request in requests if request.kind == "read"][:200]))
    sending = Sending(Plan(now.stage.web_port, requests, by_the_clock=True))
    now.stage.processes.callback(sending.end)
    return sending


def found_by(now: Play, sending: Sending) -> Found:
    now.stage.wait(lambda: sending.is_over, "the crowd did not come to an end")
    return sending.found()


def by_minute(answers: list[Answer]) -> str:
    """Return the p95 of each minute in milliseconds: one bad minute is another finding than ten."""
    minutes = groupby(sorted(answers, key=lambda answer: answer.at), lambda answer: answer.at // 60)
    return ", ".join(f"{1000 * percentile(list(some), 0.95):.0f}" for _minute, some in minutes)


@drill(seconds=2400)
def greatday(now: Play) -> None:
    """50 signatures, 10 confirmations and 500 reads a second, each at its time, whether or not the last is answered."""
    seconds, share = (4.0, 0.2) if now.stage.quick else (60 * now.stage.minutes, 1.0)
    letter = open_letter(1000)
    links = people(now, letter, int(CONFIRMATIONS_A_SECOND * seconds * share))
    serve(now, **NO_DOMAIN_LIMIT)
    before = Signature.objects.count()
    found = found_by(now, under_load(now, arrivals(letter, links, seconds, share)))
    signs, reads, confirms = found.of("sign"), found.of("read"), found.of("confirm")
    rows = Signature.objects.count() - before
    finish(now)
    tallying.tally()
    counted, told = Signature.objects.counted().count(), Tally.objects.get(letter=letter).signed
    p95 = {
        name: 1000 * percentile(some, 0.95) for name, some in (("sign", signs), ("read", reads), ("confirm", confirms))
    }
    p99 = {name: 1000 * percentile(some, 0.99) for name, some in (("sign", signs), ("read", reads))}
    wrong = [answer for answer in found.answers if answer.status not in {200, 303}]
    now.remark(
        f"{seconds:.0f} s: {len(signs):,} signatures, {len(confirms):,} confirmations and {len(reads):,} reads, "
        f"{len(found.answers) / seconds:.0f} a second (the crowd took {found.busy:.0%} of a processor)"
    )
    now.remark(f"asked for no 5xx; found {statuses(found.answers)}")
    now.remark(
        f"asked for a p95 of signing under 500 ms and of reading under 100 ms; found {p95['sign']:.0f} and "
        f"{p95['read']:.0f} (p99 {p99['sign']:.0f} and {p99['read']:.0f}; confirming p95 {p95['confirm']:.0f})"
    )
    now.remark(f"the p95 of signing and of reading, minute by minute: {by_minute(signs)}; {by_minute(reads)}")
    now.remark(
        f"asked for as many rows as accepted posts and a counter equal to the rows; found {rows:,} rows of "
        f"{len(accepted(signs)):,} accepted posts, and {told:,} counted of {counted:,}"
    )
    now.must(not wrong, f"answered otherwise: {statuses(wrong)}")
    now.must(len(accepted(signs)) == len(signs), f"only {len(accepted(signs)):,} of {len(signs):,} could sign at once")
    now.must(rows == len(accepted(signs)), f"{rows:,} rows of {len(accepted(signs)):,} accepted posts")
    now.must(
        told == counted == 1000 + len(confirms), f"{told:,} are counted, {counted:,} stand, {len(confirms):,} confirmed"
    )
    if not now.stage.quick:
        now.must(p95["sign"] < 500, f"the p95 of signing is {p95['sign']:.0f} ms")
        now.must(p95["read"] < 100, f"the p95 of reading is {p95['read']:.0f} ms")


# --- What dies -------------------------------------------------------------------------------------------------------


@drill(seconds=300)
def restart(now: Play) -> None:
    """PostgreSQL killed and started again while people read and sign."""
    seconds, share = (9.0, 0.1) if now.stage.quick else (45.0, 0.4)
    letter = open_letter(100)
    links = people(now, letter, int(CONFIRMATIONS_A_SECOND * seconds * share))
    serve(now, **NO_DOMAIN_LIMIT)
    requests = arrivals(letter, links, seconds, share)
    before = Signature.objects.count()
    sending = under_load(now, requests)
    now.stage.sleep(seconds / 3)
    now.stage.wait(lambda: Signature.objects.count() > before + 10, "nobody could sign")
    killed_at = time.time()
    now.stage.restart_postgres(signal.SIGQUIT)  # "immediate": as after a crash
    now.killed += PROCESSES
    away = time.time() - killed_at
    found = found_by(now, sending)
    wrong = [answer for answer in found.answers if answer.status not in {200, 303}]
    bad = [answer for answer in wrong if answer.status != 503 or not answer.retry_after]
    last = max((found.began + answer.at + answer.took for answer in wrong), default=killed_at) - killed_at
    present = set(patiently(lambda: list(Signature.objects.values_list("email_tag", flat=True))))
    taken = accepted(found.answers)
    lost = [answer for answer in taken if address_tag(_email_of(requests[answer.number])) not in present]
    again = send(Plan(now.stage.web_port, [signed(letter, 500_000)])).answers
    finish(now)
    now.remark(
        f"PostgreSQL killed after {seconds / 3:.0f} of {seconds:.0f} s, away for {away:.1f} s: asked for nothing but "
        f"503 with Retry-After; found {statuses(found.answers)}, of them {len(bad)} otherwise"
    )
    now.remark(f"asked to be back within 10 s; the last 503 came {last:.1f} s after the kill")
    now.remark(f"asked for every acknowledged signature; found {len(taken) - len(lost):,} of {len(taken):,}")
    now.must(not bad, f"answered otherwise than 503 with Retry-After: {statuses(bad)}")
    now.must(last < 10 or now.stage.quick, f"it took {last:.1f} s to be back")
    now.must(not lost, f"{len(lost)} acknowledged signatures are gone")
    now.must(len(taken) > 0, "nobody could sign before")
    now.must(len(accepted(again)) == 1, f"nobody could sign afterwards: {statuses(again)}, {again[0].marked}")


def _email_of(request: Request) -> str:
    body = request.content.partition(b"\r\n\r\n")[2].decode()
    return dict(parse_qsl(body))["email"]


@drill(seconds=400)
def broker(now: Play) -> None:
    """The broker killed for a minute: people go on signing, and the limits hold."""
    seconds, share = (6.0, 0.1) if now.stage.quick else (80.0, 0.2)
    letter = open_letter(100)
    port = serve(now, **NO_DOMAIN_LIMIT)
    requests = arrivals(letter, [], seconds, share)
    before = Signature.objects.count()
    sending = under_load(now, requests)
    now.stage.sleep(seconds / 8)
    now.stage.broker.end(signal.SIGKILL)
    # Behind one router, meanwhile: the first thirty sign, and the next ones are asked for proof of work.
    flood = send(Plan(port, [signed(letter, 400_000 + number, network=400_000) for number in range(60)], connections=4))
    now.stage.sleep(seconds * 6 / 8)
    now.stage.broker.start()
    found = found_by(now, sending)
    rows = Signature.objects.count() - before
    finish(now)
    taken, through = accepted(found.answers), len(accepted(flood.answers))
    now.remark(
        f"the broker away for {seconds * 6 / 8:.0f} s of {seconds:.0f}: asked that signing goes on; found "
        f"{len(taken):,} of {len(found.of('sign')):,} accepted, {statuses(found.answers)}, p95 of signing "
        f"{1000 * percentile(found.of('sign'), 0.95):.0f} ms; {rows:,} rows of {len(taken) + through:,} accepted posts"
    )
    now.remark(
        f"60 posts from one network meanwhile: asked that proof is wanted from the 31st on; found {through} signed"
    )
    now.must({answer.status for answer in found.answers} == {200}, f"answered otherwise: {statuses(found.answers)}")
    now.must(len(taken) == len(found.of("sign")), "not all could sign")
    now.must(rows == len(taken) + through, f"{rows} rows of {len(taken) + through} accepted posts")
    # As many as run at the same moment may pass a limit together.
    now.must(30 <= through <= 30 + 4, f"{through} signed from one network")
