"""
A person's own door to what is held of them: asked for with an address, opened by a mailed link.

Asking tells nothing of the address and looks nothing up: whatever is known of it, the same mail is queued. What it
says is decided when it leaves. Where nothing is held it says so, instead of not coming: that is an answer people have a
right to (GDPR, article 15), nobody waits for a mail that never comes, and it floods no mailbox, since it counts among
the few mails a day that all forms together may send there.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from campaign.models import OPEN_AFTER_USE, OPEN_FOR, MyDataMail
from limits import judging
from outbox import capping
from outbox.tasks import send
from privacy import erasing, holding
from privacy.addresses import address_tag, mailbox_tag
from privacy.holding import Fact, Held
from privacy.tags import new_token, tag

MAIL_AGAIN_AFTER = timedelta(minutes=10)


class LinkUsed(Exception):
    """The link has been used, or its time has passed; nothing was changed."""


class Gone(Exception):
    """What was to be changed is held no more, or can no more be changed so; nothing was."""


def take(who: judging.Sender, *, email: str, language: str) -> judging.Verdict:
    """Queue the mail, refuse it for now, or ask for proof of work first; return which."""
    verdict = judging.judge(who)
    if verdict.ask:
        return verdict
    with transaction.atomic():
        verdict = judging.note(who, verdict)
        if not (verdict.hold or verdict.ask):
            _ask(email, language)
    return verdict


def _ask(email: str, language: str) -> None:
    person, mailbox = address_tag(email), mailbox_tag(email)
    capping.take_turns(mailbox)
    now = timezone.now()
    mailed_just_now = MyDataMail.objects.filter(email_tag=person, created_at__gt=now - MAIL_AGAIN_AFTER).exists()
    if not capping.has_had_enough(mailbox) and not mailed_just_now:
        token = new_token()
        MyDataMail.objects.create(
            email=email,
            email_tag=person,
            language=language,
            token=token,
            token_hash=tag("token", token),
            expires_at=now + OPEN_FOR,
            recipient_tag=mailbox,
        )
    send.delay_on_commit(MyDataMail._meta.label_lower)


def of_token(token: str) -> MyDataMail | None:
    """Return the mail whose link this is, while it works."""
    mails = MyDataMail.objects.filter(token_hash=tag("token", token), expires_at__gt=timezone.now())
    found: MyDataMail | None = mails.exclude(email_tag=None).first()
    return found


def held(mail: MyDataMail) -> list[Held]:
    return list(holding.find(mail.email_tag)) if mail.email_tag else []


def change(mail: MyDataMail, key: str, choose: Callable[[Held], Callable[[], object] | None]) -> str:
    """
    Do what `choose` returns for what is held under `key`; return the secret under which the page goes on.

    The mailed link ends with that. Raises LinkUsed and Gone, and what the doing raises; then nothing is changed.
    """
    with transaction.atomic():
        capping.take_turns(str(mail.recipient_tag))
        fresh = _use(mail)
        found = next((one for one in held(mail) if one.key == key), None)
        if found is None or (do := choose(found)) is None:
            raise Gone
        do()
    return fresh


def _use(mail: MyDataMail) -> str:
    """End the mailed link, and return the secret that follows it; it stays the same from then on."""
    fresh, now = new_token(), timezone.now()
    mine = MyDataMail.objects.filter(pk=mail.pk, token_hash=mail.token_hash, expires_at__gt=now)
    if mail.used_at is not None:
        if not mine.select_for_update().exists():
            raise LinkUsed
        return ""
    if not mine.update(token_hash=tag("token", fresh), used_at=now, expires_at=now + OPEN_AFTER_USE):
        raise LinkUsed
    return fresh


@transaction.atomic
def erase(person: str, mailbox: str) -> Counter[str]:
    """Erase all that is held of a person; return how many rows, by name. Raises privacy.erasing.NotRecorded."""
    capping.take_turns(mailbox)
    return erasing.erase(person)


def erase_mine(mail: MyDataMail) -> None:
    """The same on the word of the address's owner, whose link ends. Raises LinkUsed, too."""
    with transaction.atomic():
        capping.take_turns(str(mail.recipient_tag))
        if not MyDataMail.objects.filter(pk=mail.pk, token_hash=mail.token_hash).exclude(email_tag=None).exists():
            raise LinkUsed
        erase(str(mail.email_tag), str(mail.recipient_tag))


def end(mail: MyDataMail) -> None:
    """Let the link open nothing any more. Doing it twice does no harm."""
    MyDataMail.objects.filter(pk=mail.pk, expires_at__gt=timezone.now()).update(expires_at=timezone.now())


def as_data(found: list[Held]) -> dict[str, Any]:
    """Return what is held for a program to read; docs/developers.md describes it."""
    return {
        "format": "solidarity-my-data-1",
        "made_at": timezone.now().isoformat(),
        "held": [
            {
                "kind": one.kind,
                "number": one.pk,
                "title": str(one.title),
                "facts": {fact.key: _described(fact) for fact in one.facts},
                "parts": [{fact.key: _described(fact) for fact in row} for row in one.rows],
            }
            for one in found
        ],
    }


def _described(fact: Fact) -> dict[str, Any]:
    about = {"label": str(fact.label), "value": fact.value}
    return about | ({"purpose": str(fact.purpose), "deleted": str(fact.until)} if fact.purpose else {})
