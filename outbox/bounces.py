"""
Bounces: the address that each mail's bounces come back to, what came back there, and what it changes.

Anybody can make up a bounce that names a recipient. So each mail has a return path of its own, with a keyed tag in it:
only who got the mail, or carried it, knows that address. Nothing is read of a message, and nothing
is asked of the database, before the tag has been found right.

Reading what came back (`judge`) changes nothing; `take` does both, for every way in.
"""

import hmac
import logging
import re
from base64 import b32decode, b32encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses
from enum import Enum

from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from flufl.bounce import all_failures

from outbox.messages import one_line
from outbox.models import OutgoingMail, State
from privacy.showing import without_addresses
from privacy.tags import tag

logger = logging.getLogger(__name__)

# What is read of one message. A bounce says why at its beginning; behind that comes our own letter.
LIMIT = 256 * 1024
# RFC 5321, 4.5.3.1.1. With the longest name of a queue and the highest number of a row, the address must fit.
LOCAL_PART_LIMIT = 64
# 16 letters of base32 are 80 bits.
TAG_LENGTH = 16

_ADDRESS = re.compile(r"\bbounce\+(\w{1,40})-([a-z2-7]{2,13})-([a-z2-7]{2,13})-([a-z2-7]{16})(?=@)", re.ASCII | re.I)
# Where a mail server writes whom a message came for.
_RECIPIENT_HEADERS = ("Delivered-To", "X-Original-To", "Envelope-To", "To")
# RFC 3463. Not a part of an IP address.
_STATUS = re.compile(r"(?<![\d.])([245])\.\d{1,3}\.\d{1,3}(?![\d.]*\d)")
_REPLY_CODE = re.compile(r"(?<![\d.-])[45][0-5]\d(?![\d.]*\d)")
_SYSTEMS = ("mailer-daemon", "postmaster", "mdaemon", "mail-daemon", "mailerdaemon", "microsoftexchange")


class NotYet(Exception):
    """The worker that handed the mail over has not recorded that yet: take this bounce again a little later."""


class Kind(Enum):
    """What a message that came back says; the mildest first."""

    TAKEN = "taken by a server that says so"
    NOT_A_BOUNCE = "not a bounce"  # also: an absence note, a receipt, a question whether we are human
    SOFT = "late, and still being tried"
    GIVEN_UP = "given up by a server on the way"
    HARD = "refused for good"


@dataclass(frozen=True)
class Verdict:
    """What a message says, and why: in a server's words, without any address."""

    kind: Kind
    words: str = ""
    code: int | None = None


class Outcome(Enum):
    """What became of a message that was taken."""

    FORGED = "not for an address of ours"
    IGNORED = "no bounce of a mail that was handed over"
    SOFT = "late, still being tried"
    ACCEPTED = "accepted, as a server reports"
    FAILED = "given up on the way"
    BOUNCED = "refused"


@dataclass(frozen=True)
class Claim:
    """The mail that a bounce address stands for: a row, and in which of its lives (an organiser may send it again)."""

    queue: str
    pk: int
    queued: int

    @property
    def tag(self) -> str:
        digest = tag("bounce", f"{self.queue}\0{self.pk}\0{self.queued}")
        return b32encode(bytes.fromhex(digest)).decode()[:TAG_LENGTH].lower()

    @property
    def local_part(self) -> str:
        return f"bounce+{self.queue}-{_letters(self.pk)}-{_letters(self.queued)}-{self.tag}"


def address_for(mail: OutgoingMail) -> str:
    """Return the envelope's sender of `mail`: where its bounces go. Without BOUNCE_DOMAIN, MAIL_FROM."""
    if not settings.BOUNCE_DOMAIN:
        return str(settings.MAIL_FROM)
    claim = Claim(str(mail._meta.model_name), mail.pk, int(mail.queued_at.timestamp()))
    return f"{claim.local_part}@{settings.BOUNCE_DOMAIN}"


def read_address(text: str) -> Claim | None:
    """Return what the first bounce address in `text` stands for, or None where there is none with a right tag."""
    for found in _ADDRESS.finditer(text):
        queue, pk, queued, theirs = (part.lower() for part in found.groups())
        try:
            claim = Claim(queue, _number(pk), _number(queued))
        except ValueError:  # letters that stand for no whole bytes
            continue
        if hmac.compare_digest(claim.tag, theirs):
            return claim
    return None


def _letters(number: int) -> str:
    size = max(1, (number.bit_length() + 7) // 8)
    return b32encode(number.to_bytes(size, "big")).decode().rstrip("=").lower()


def _number(letters: str) -> int:
    return int.from_bytes(b32decode(letters.upper() + "=" * (-len(letters) % 8)), "big")


def take(content: bytes, rcpt_to: str = "") -> Outcome:
    """
    Take one message that came back, and change what it proves. A second time changes nothing more.

    `rcpt_to` is the envelope's recipient; where it is not known, the headers say whom the message came for.
    Raises NotYet, and the database's errors: then nothing was changed, and the message has to be taken again.
    """
    content = content[:LIMIT]
    claim = read_address(rcpt_to) if rcpt_to else _addressee(content)
    if claim is None:
        return Outcome.FORGED
    verdict = judge(content)
    if verdict.kind is Kind.SOFT:
        return Outcome.SOFT
    if verdict.kind is Kind.NOT_A_BOUNCE:
        return Outcome.IGNORED
    return _apply(claim, verdict)


def _addressee(content: bytes) -> Claim | None:
    headers = BytesHeaderParser().parsebytes(content)
    for name in _RECIPIENT_HEADERS:
        for value in headers.get_all(name, []):
            if claim := read_address(str(value)):
                return claim
    return None


@transaction.atomic
def _apply(claim: Claim, verdict: Verdict) -> Outcome:
    queue = next(
        (m for m in apps.get_models() if issubclass(m, OutgoingMail) and m._meta.model_name == claim.queue), None
    )
    if queue is None:
        return Outcome.IGNORED
    queued_at = datetime.fromtimestamp(claim.queued, UTC)
    rows = queue._default_manager.filter(
        pk=claim.pk, queued_at__gte=queued_at, queued_at__lt=queued_at + timedelta(seconds=1)
    )
    mail = rows.select_for_update().first()
    if mail is None:
        return Outcome.IGNORED
    if mail.state == State.SENDING and mail.handing_over_at is not None:
        raise NotYet
    if mail.state not in ({State.IN_DOUBT} if verdict.kind is Kind.TAKEN else {State.ACCEPTED, State.IN_DOUBT}):
        return Outcome.IGNORED
    settled = {"reply_code": verdict.code, "settled_at": timezone.now(), "lease": "", "leased_until": None}
    if verdict.kind is Kind.TAKEN:
        reply = f"A server reports that it took the mail: {verdict.words}"[:500]
        rows.update(state=State.ACCEPTED, reply=reply, **settled, **mail.forget())
        return Outcome.ACCEPTED
    # It left, and came back: nothing is in doubt.
    settled |= {"reply": f"Came back: {verdict.words}"[:500], "handing_over_at": None}
    if verdict.kind is Kind.GIVEN_UP:
        rows.update(state=State.FAILED, **settled)
        return Outcome.FAILED
    rows.update(state=State.BOUNCED, **settled)
    mail.bounced(verdict.words)
    return Outcome.BOUNCED


def judge(content: bytes) -> Verdict:
    """Say what a message that came back means. Whatever cannot be read is no bounce."""
    try:
        message = message_from_bytes(content)
        return _judge_report(message) or _judge_plain(message)
    except Exception as error:  # noqa: BLE001 - anybody writes these messages: thousands of nested parts, broken charsets
        # Its words may hold an address.
        logger.warning("A message that came back cannot be read (%s)", type(error).__name__)
        return Verdict(Kind.NOT_A_BOUNCE)


def _judge_report(message: Message) -> Verdict | None:
    """
    Judge a delivery status notification (RFC 3464); None if it is none.

    A mail of ours has one recipient. If a report names several, into which an alias was resolved, the mildest word
    counts: one of them has, or may still get, the letter.
    """
    if message.get_content_type() != "multipart/report":
        return None
    if str(message.get_param("report-type", "delivery-status")).lower() != "delivery-status":
        return Verdict(Kind.NOT_A_BOUNCE)  # a receipt (RFC 8098), a complaint (RFC 5965)
    verdicts: list[Verdict] = []
    for part in _parts(message):
        if part.get_content_type() == "message/delivery-status":
            verdicts += [_judge_recipient(fields) for fields in _parts(part) if "Action" in fields]
    return min(verdicts, key=lambda verdict: list(Kind).index(verdict.kind), default=None)


def _judge_recipient(fields: Message) -> Verdict:
    """
    Judge the fields of one recipient (RFC 3464, 2.3).

    The address is to blame only if the action is "failed" and its status is permanent (5.x.x). A status of 4.x.x with
    that action means that a server on the way gave up.
    """
    action = one_line(str(fields["Action"])).lower()
    diagnostic = re.sub(r"^[\w-]+ ?; ?", "", one_line(str(fields.get("Diagnostic-Code", ""))))
    status = _STATUS.search(str(fields.get("Status", ""))) or _STATUS.search(diagnostic)
    code = _reply_code(diagnostic)
    words = diagnostic or (f"Status {status.group(0)}" if status else "No reason was given.")
    words = _scrubbed(words, _recipients(fields))
    if action.startswith(("delivered", "relayed")):
        return Verdict(Kind.TAKEN, words, code)
    if action.startswith("delayed"):
        return Verdict(Kind.SOFT, words, code)
    if not action.startswith(("failed", "error")):  # "error" is OpenSMTPD's word
        return Verdict(Kind.NOT_A_BOUNCE)
    permanent = status.group(1) == "5" if status else code is not None and code >= 500
    return Verdict(Kind.HARD if permanent else Kind.GIVEN_UP, words, code)


def _parts(message: Message) -> list[Message]:
    """Return the parts of a message, but not theirs: one of them is our own letter."""
    parts = message.get_payload() if message.is_multipart() else [message]
    return [part for part in parts if isinstance(part, Message)]


def _recipients(fields: Message) -> list[str]:
    values = [str(fields.get(name, "")) for name in ("Original-Recipient", "Final-Recipient", "X-Actual-Recipient")]
    return [value.rpartition(";")[2].strip(" <>") for value in values if value]


def _judge_plain(message: Message) -> Verdict:
    """Judge a bounce in one of the many older styles, by flufl.bounce, if it comes from a mail system at all."""
    if not _from_a_mail_system(message):
        return Verdict(Kind.NOT_A_BOUNCE)
    temporary, permanent = all_failures(message)
    if temporary:
        return Verdict(Kind.SOFT)
    if not permanent:
        return Verdict(Kind.NOT_A_BOUNCE)
    line = _telling_line(message)
    status = _STATUS.search(line)
    given_up = status is not None and status.group(1) == "4"
    words = _scrubbed(line or "No reason was given.", [address.decode("ascii", "replace") for address in permanent])
    return Verdict(Kind.GIVEN_UP if given_up else Kind.HARD, words, _reply_code(line))


def _from_a_mail_system(message: Message) -> bool:
    """
    Whether a mail system wrote this, and not a person or what answers for one (RFC 3834).

    Some servers' bounces carry "Auto-Submitted: auto-replied", and absence notes an empty return path: only the name
    of the sender tells them apart.
    """
    senders = [address.partition("@")[0].lower() for _, address in getaddresses([str(message.get("From", ""))])]
    return "X-Failed-Recipients" in message or any(sender.startswith(_SYSTEMS) for sender in senders)


def _telling_line(message: Message) -> str:
    """Return the first line of text that holds a status or a reply code."""
    for part in _parts(message):
        if part.get_content_type() != "text/plain":
            continue
        payload = part.get_payload(decode=True)
        text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
        # From here on it is our own letter that they quote.
        text = re.split(r"(?im)^(?:-{3}.*(?:copy|original|returned).*|return-path:.*|received:.*)$", text)[0]
        for told in (_STATUS, _REPLY_CODE):
            for line in text.splitlines():
                if told.search(line):
                    return one_line(line)
    return ""


def _reply_code(text: str) -> int | None:
    found = _REPLY_CODE.search(text)
    return int(found.group(0)) if found else None


def _scrubbed(text: str, addresses: Iterable[str]) -> str:
    """Return a server's words without `addresses`, their local parts, and anything else that looks like an address."""
    text = one_line(text[:2000])
    for address in addresses:
        for name in (address, address.rpartition("@")[0]):
            if name:
                text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", text, flags=re.IGNORECASE)
    return without_addresses(text)[:400]
