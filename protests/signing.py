"""
Signing, confirming and withdrawing.

Whoever posts the form may be anybody, so a post never tells what is known of an address, and never changes a
signature that its owner has confirmed. Only the secret in a mail proves who acts.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from campaign import subscribing
from outbox import capping
from outbox.models import WAITING, State
from outbox.tasks import send
from privacy.addresses import address_tag, mailbox_tag
from privacy.tags import new_token, tag
from protests import consent, proving
from protests.addressing import recipients
from protests.emails import Paper, papers
from protests.models import (
    CONFIRM_WITHIN,
    RECEIPT_FOR,
    ConfirmationMail,
    Delivery,
    Hold,
    HoldQuerySet,
    Letter,
    LetterText,
    Signature,
    Target,
)

MAIL_AGAIN_AFTER = timedelta(minutes=10)


class CannotConfirm(Exception):
    """The signature cannot be confirmed; nothing was changed."""


class TooLate(CannotConfirm):
    """The time to confirm has passed."""


class Closed(CannotConfirm):
    """The letter cannot be signed any more, or has no addressee for the signer's country."""


class Forgotten(CannotConfirm):
    """What the signer typed has been deleted: there is nothing to send."""


class Changed(CannotConfirm):
    """The letter is not the one that the signer was shown."""


class HasLeft(Exception):
    """A letter with this name has left: the name stays what it was sent with."""


@transaction.atomic(savepoint=False)
def sign(
    letter: Letter,
    *,
    name: str,
    email: str,
    country: str,
    own_words: str,
    organisation: str,
    display: str,
    updates: bool,
    locale: str,
) -> None:
    """
    Write the signature, unconfirmed, and the mail that asks to confirm it.

    The same for the caller whoever signs: a repeated signer, and one whose address has had its mails for today, too.
    Before it is confirmed, the latest post is what counts. After that a post changes nothing; the mail then shows
    the way to the receipt. One who withdrew before any letter left starts anew.
    """
    person, mailbox = address_tag(email), mailbox_tag(email)
    capping.take_turns(mailbox)
    now = timezone.now()
    typed = {
        "text": words_now(letter, locale),
        "email": email,
        "name": name,
        "organisation": organisation,
        "own_words": own_words,
        "country": country,
        "display": display,
        "locale": locale,
        "updates": updates,
        "consent_version": consent.CURRENT,
        "consented_at": now,
        "created_at": now,
        "confirmed_at": None,
        "withdrawn_at": None,
    }
    signature, _new = keep(letter, person, typed)
    if not capping.has_had_enough(mailbox) and not mailed_just_now(signature):
        write_link(signature, mailbox, email="" if signature.email else email)
    send.delay_on_commit(ConfirmationMail._meta.label_lower)


def words_now(letter: Letter, locale: str) -> LetterText:
    """Return the words that somebody signs now, saved; looked up once for a letter that was read."""
    known: dict[str, LetterText] = letter.__dict__.setdefault("_words_now", {})
    if locale in known:
        return known[locale]
    text = LetterText.now(letter, locale)
    saved, new = LetterText.objects.get_or_create(
        letter=letter,
        digest=text.digest,
        defaults={"language": text.language, "subject": text.subject, "body": text.body},
    )
    if not new:  # a new one could still be rolled back
        known[locale] = saved
    return saved


def keep(
    letter: Letter, person: str, typed: dict[str, Any], *, posted_at: datetime | None = None
) -> tuple[Signature, bool]:
    """
    Write what a person typed, unless their signature is confirmed; return the signature, and whether it is new.

    What was posted at an earlier time, and held since, does not replace what the person posted after it.
    """
    # The unique constraint decides who is new: whose row bears the times of this post. It is ours until we commit.
    (row,) = Signature.objects.bulk_create(
        [Signature(letter=letter, email_tag=person, **typed)],
        update_conflicts=True,
        unique_fields=["letter", "email_tag"],
        update_fields=["email_tag"],
    )
    signature = Signature.objects.get(pk=row.pk)
    new = (signature.created_at, signature.consented_at) == (row.created_at, row.consented_at)
    if not new:
        if _may_be_replaced(signature) and (posted_at is None or posted_at > signature.created_at):
            for column, value in typed.items():
                setattr(signature, column, value)
        signature.save()  # changed or not: how long the answer takes does not tell which
    return signature, new


def write_link(
    signature: Signature,
    mailbox: str,
    *,
    email: str = "",
    bad_news: bool = False,
    leaves_at: datetime | None = None,
) -> None:
    """Write a mail with a secret link of its own. What it says, its composer decides when it is sent."""
    token = new_token()
    ConfirmationMail.objects.create(
        signature=signature,
        token=token,
        token_hash=tag("token", token),
        expires_at=timezone.now() + RECEIPT_FOR,
        email=email,
        recipient_tag=mailbox,
        bad_news=bad_news,
        next_attempt_at=leaves_at or timezone.now(),
    )


def _may_be_replaced(signature: Signature) -> bool:
    if signature.confirmed_at is None:
        return True
    # The words of a letter that has left, or may have, stay what they were.
    return signature.withdrawn_at is not None and not _left(signature)


def _left(signature: Signature) -> set[int]:
    """Return the targets that have this signer's letter, or may have, or will: all but the withdrawn ones."""
    return set(signature.deliveries.exclude(state=State.CANCELLED).values_list("target_id", flat=True))


def mailed_just_now(signature: Signature) -> bool:
    return signature.mails.filter(created_at__gt=timezone.now() - MAIL_AGAIN_AFTER).exists()


def unsent(signature: Signature, targets: list[Target] | None = None) -> list[Paper]:
    """Return the letters that confirming would send: none to a target that has, or may have, one of this signer."""
    left = _left(signature)
    if targets is None:
        targets = recipients(signature.letter, signature.country)
    return papers(signature, [target for target in targets if target.pk not in left])


def fingerprint(signature: Signature, letters: list[Paper]) -> str:
    """Return a keyed tag of what a signer is asked to confirm, for the form to carry."""
    parts = [str(signature.pk), signature.display, str(signature.updates)]
    for sheet in letters:
        parts += [str(sheet.target.pk), sheet.target.email, sheet.from_name, sheet.reply_to, sheet.subject, sheet.body]
    return tag("seen", "\0".join(f"{len(part)}:{part}" for part in parts))


@transaction.atomic
def confirm(signature: Signature, *, seen: str | None = None, code: str = "") -> None:
    """
    Count the signature and write one delivery for each recipient that has none of this signer yet.

    Who agreed to get updates is subscribed to them.

    `seen` is the fingerprint of what the signer was shown, None where that is not known. `code` is the mailed secret,
    with which the signer can always prove that a letter is in the log (protests.proving). Doing it twice does no harm.
    Raises TooLate, Forgotten, Closed or Changed, and Signature.DoesNotExist where it was deleted meanwhile.
    """
    signature = _locked(signature)
    if signature.confirmed_at is not None and signature.withdrawn_at is None:
        return
    if signature.confirmed_at is None and has_lapsed(signature):
        raise TooLate
    if not signature.name:
        raise Forgotten
    targets = recipients(signature.letter, signature.country)
    if not signature.letter.is_open or not targets:
        raise Closed
    if seen is not None and seen != fingerprint(signature, unsent(signature, targets)):
        raise Changed
    signature.confirmed_at, signature.withdrawn_at = timezone.now(), None
    signature.proof = signature.proof or proving.secret_of(code)
    signature.save(update_fields=["confirmed_at", "withdrawn_at", "proof"])
    # A withdrawn letter never left; its place is for the new one.
    signature.deliveries.filter(state=State.CANCELLED).delete()
    Delivery.objects.bulk_create(
        [Delivery(signature=signature, target=target) for target in targets], ignore_conflicts=True
    )
    if signature.updates:
        subscribing.agree(signature.email, signature.locale, _agreement(signature))
    send.delay_on_commit(Delivery._meta.label_lower)


def _agreement(signature: Signature) -> subscribing.Agreement:
    return subscribing.Agreement(signature.letter.strike, signature.consent_version, signature.consented_at)


def has_lapsed(signature: Signature) -> bool:
    """Whether the time to confirm has passed since the form was last posted."""
    return signature.created_at < timezone.now() - CONFIRM_WITHIN


@transaction.atomic
def withdraw(signature: Signature) -> int:
    """
    Take the signature off the count, stop its letters that have not left and its updates; return how many letters.

    A letter that a worker holds is not touched. It can be done again, for one that came back to wait. If no letter
    has left, nor may have, what was typed is deleted. What is held of the person goes in any case.
    """
    _held(signature).delete()
    signature = _locked(signature)
    if signature.withdrawn_at is None:
        if signature.updates and signature.email_tag:
            others = Signature.objects.counted().filter(email_tag=signature.email_tag, updates=True)
            still = others.exclude(pk=signature.pk).select_related("letter__strike").order_by("consented_at")
            subscribing.take_back(signature.email_tag, [_agreement(other) for other in still])
        signature.withdrawn_at, signature.updates = timezone.now(), False
    stopped = Delivery.objects.filter(signature=signature).cancel()
    if not _left(signature):
        signature.mails.all().cancel()
        signature.email = signature.name = signature.organisation = signature.own_words = ""
        signature.proof = ""
        signature.email_tag = None
    signature.save()
    return stopped


@transaction.atomic
def discard(signature: Signature) -> bool:
    """
    Delete a signature that nobody has confirmed, and what is held of the person, on the word of the address's owner.

    Return whether it could be.
    """
    held = _held(signature)
    signature = _locked(signature)
    if signature.confirmed_at is not None:
        return False
    held.delete()
    signature.delete()
    return True


@transaction.atomic
def correct(signature: Signature, *, name: str, organisation: str, display: str) -> None:
    """
    Change how a confirmed signature is shown, and its name as long as no letter with it has left.

    Raises HasLeft for another name then, and Signature.DoesNotExist where it was deleted meanwhile.
    """
    signature = _locked(signature)
    if (name, organisation) != (signature.name, signature.organisation):
        # Locked, so that no worker claims one of them meanwhile and sends it under the old name.
        list(signature.deliveries.select_for_update().order_by("pk").values_list("pk", flat=True))
        if has_left(signature) or not signature.name:
            raise HasLeft
    signature.name, signature.organisation, signature.display = name, organisation, display
    signature.save(update_fields=["name", "organisation", "display"])


def has_left(signature: Signature) -> bool:
    """Whether a letter of this signer has left, or may have, or is leaving."""
    return signature.deliveries.exclude(state__in=[*WAITING, State.CANCELLED]).exists()


def _held(signature: Signature) -> HoldQuerySet:
    """Return, locked, what was typed with the address and held. Call it first: protests.holding locks in this order."""
    mine = Hold.objects.filter(letter=signature.letter_id, email_tag=signature.email_tag)
    pks = list(mine.select_for_update().order_by("pk").values_list("pk", flat=True))
    return Hold.objects.filter(pk__in=pks)


def _locked(signature: Signature) -> Signature:
    return (
        Signature.objects.select_for_update(of=("self",)).select_related("letter__strike", "text").get(pk=signature.pk)
    )
