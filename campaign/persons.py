"""What campaign holds of a person: a subscription, what they sent in, and the mails on their way to them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaign import subscribing
from campaign.countries import country_name
from campaign.fields import LineField
from campaign.keeping import fact
from campaign.models import (
    Comment,
    Endorsement,
    MailingCopy,
    MessageOfSupport,
    MyDataMail,
    Submitted,
    Subscriber,
    SubscriptionMail,
)
from outbox.models import OutgoingMailQuerySet, State
from privacy import erasing
from privacy.addresses import address_tag
from privacy.holding import Act, Correction, Fact, Held, Holder, People

SENT_IN = (MessageOfSupport, Endorsement, Comment)


class ShownNameForm(forms.Form):
    person = LineField(label=gettext_lazy("Name shown with it"), max_length=100)


def find(person: str) -> Iterator[Held]:
    for subscriber in Subscriber.objects.filter(email_tag=person):
        yield _subscription(subscriber)
    for model in SENT_IN:
        for pk in sent_in_by(model, {person: None}):
            yield from (sent_in(row) for row in model._default_manager.filter(pk=pk))
    for mail in MyDataMail.objects.filter(email_tag=person).order_by("pk"):
        facts = [fact(mail, name) for name in ("email", "email_tag", "created_at", "state", "expires_at")]
        title = _("That you asked for this page")
        yield Held("request", mail.pk, title, filled(facts), erased=_("It goes."))


def _subscription(subscriber: Subscriber) -> Held:
    facts = [fact(subscriber, name) for name in ("email", "email_tag", "language", "created_at", "confirmed_at")]
    facts += [fact(subscriber, name) for name in ("consented_at", "consent_version")]
    wants = ", ".join(map(str, subscriber.strikes.all()))
    facts.append(Fact("strikes", _("News of"), wants, wants or _("all strikes")))
    if subscriber.is_subscribed:
        leave = Act(
            _("Unsubscribe"),
            _("You get no updates any more, and your address is deleted from the list at once."),
            partial(subscribing.unsubscribe, subscriber),
        )
        title = _("You get updates by e-mail")
    else:
        leave = Act(_("Delete it"), _("You are not asked again."), partial(subscribing.discard, subscriber))
        title = _("Updates by e-mail, not confirmed")
    return Held(
        "subscription",
        subscriber.pk,
        title,
        filled(facts),
        rows=mails(subscriber.mails.all()),
        acts={"leave": leave},
        erased=_("It ends, and goes."),
    )


def sent_in_by(model: type[Submitted], people: People) -> list[int]:
    """
    Return the keys of what these people sent in, from before each was erased.

    The address to ask back has no tag, because nothing looks it up but this, and it is kept for 90 days: read them all.
    """
    rows = model._default_manager.filter(submitted_at__isnull=False).exclude(contact="")
    found = rows.order_by("pk").values_list("pk", "contact", "submitted_at").iterator()
    return [pk for pk, contact, made in found if erasing.is_theirs(people, address_tag(contact), made)]


def sent_in(row: Any, *, can_go: bool = True) -> Held:
    """Return what a visitor sent in as they are told of it. What `can_go` they can take down even when published."""
    names = ("contact", "person", "organisation", "text", "statement", "branch", "members", "url", "endorsed_on")
    places = ("place", "address", "starts_at", "people")
    facts = [_fact(row, name) for name in (*names, *places, "submitted_at", "published_at", "refused_at")]
    if country := getattr(row, "country", ""):
        facts.append(Fact("country", _("Country"), country, country_name(country)))
    published = row.published_at is not None
    acts = {}
    if not published or can_go:
        question = _("It is deleted, and shown no longer.") if published else _("It is deleted; nobody has seen it.")
        acts["delete"] = Act(_("Delete it"), question, partial(_delete, type(row), row.pk))
    correction = None
    if getattr(row, "person", ""):
        correction = Correction(ShownNameForm, {"person": row.person}, partial(_rename, type(row), row.pk))
    if row.approved_at is None:
        erased = _("It goes, because it was never published.")
    else:
        erased = _("Your address and your name go. The words that were published stay, without them.")
    return Held(
        row._meta.model_name,
        row.pk,
        capfirst(str(row._meta.verbose_name)),
        filled([one for one in facts if one]),
        note="" if acts else _("It speaks for others, too: to have it taken down, write to us."),
        correction=correction,
        acts=acts,
        erased=erased,
    )


def _fact(row: Any, name: str) -> Fact | None:
    if any(field.name == name for field in row._meta.concrete_fields):
        return fact(row, name)
    words = row.safe_translation_getter(name, any_language=True) if _is_translated(row, name) else None
    label = row._parler_meta.get_model_by_field(name)._meta.get_field(name).verbose_name if words else ""
    return Fact(name, label, words, words) if words else None


def _is_translated(row: Any, name: str) -> bool:
    return hasattr(row, "_parler_meta") and name in row._parler_meta.get_translated_fields()


def _delete(model: type[Submitted], pk: int) -> None:
    erasing.delete(model._default_manager.filter(pk=pk))


def _rename(model: type[models.Model], pk: int, typed: Mapping[str, Any]) -> None:
    if not model._default_manager.filter(pk=pk).exclude(person="").update(person=typed["person"]):
        raise ValidationError(_("The name is past its date and has been deleted."))


def filled(facts: list[Fact]) -> list[Fact]:
    """Leave out what holds nothing."""
    return [one for one in facts if one.value not in (None, "")]


def mails(found: "models.QuerySet[Any]") -> list[list[Fact]]:
    """Return what is known of some mails to a person."""
    told = ("created_at", "state", "settled_at", "reply")
    return [filled([fact(mail, name) for name in told]) for mail in found.order_by("pk")]


def erase(people: People) -> Counter[str]:
    done: Counter[str] = Counter()
    subscribers = Subscriber.objects.filter(pk__in=erasing.theirs(Subscriber.objects.all(), people))
    for subscriber in subscribers.subscribed():
        subscribing.unsubscribe(subscriber)
        done["campaign.Subscriber"] += 1
        quiet(SubscriptionMail.objects.filter(subscriber=subscriber))
        quiet(MailingCopy.objects.filter(subscriber=subscriber))
    done += erasing.delete(subscribers.filter(confirmed_at=None))
    for model in SENT_IN:
        done += erase_sent_in(model, people)
    asked = MyDataMail.objects.filter(pk__in=erasing.theirs(MyDataMail.objects.all(), people))
    quiet(asked)
    return done


def erase_sent_in(model: type[Submitted], people: People) -> Counter[str]:
    """Delete what these people sent in and nobody published; take their names and addresses from the rest."""
    rows: Any = model._default_manager.filter(pk__in=sent_in_by(model, people))
    done = erasing.delete(rows.filter(approved_at=None))
    return done + Counter({model._meta.label: erasing.empty(rows)})


def quiet(found: OutgoingMailQuerySet) -> None:
    """
    Withdraw what has not left of these mails, and empty what tells of the person.

    Not of one that a worker holds: it writes to it at this moment, and what is left goes on its date.
    """
    found.cancel()
    erasing.empty(found.model._default_manager.filter(pk__in=found.values("pk")).exclude(state=State.SENDING))


HOLDER = Holder(
    models=frozenset(model._meta.label for model in (Subscriber, SubscriptionMail, MailingCopy, MyDataMail, *SENT_IN)),
    find=find,
    erase=erase,
)
