"""What protests holds of a person: signatures with their letters, what is held of them, and what they sent in."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaign.countries import country_name
from campaign.fields import LineField
from campaign.keeping import fact
from campaign.persons import erase_sent_in, filled, mails, quiet, sent_in, sent_in_by
from privacy import erasing
from privacy.addresses import address_tag
from privacy.holding import Act, Correction, Fact, Held, Holder, People
from protests import signing
from protests.models import (
    RECEIPT_FOR,
    ConfirmationMail,
    Delivery,
    Hold,
    Picket,
    PicketReport,
    Signature,
)

SENT_IN = (Picket, PicketReport)


class DisplayForm(forms.Form):
    display = forms.ChoiceField(
        label=gettext_lazy("How this site may show your signature"),
        choices=Signature.Display.choices,
        widget=forms.RadioSelect,
    )


class SignatureForm(DisplayForm):
    """Before any letter has left."""

    name = LineField(label=gettext_lazy("Your name"), max_length=100)
    organisation = LineField(label=gettext_lazy("Organisation or union branch"), max_length=150, required=False)
    field_order = ("name", "organisation", "display")


def find(person: str) -> Iterator[Held]:
    found = Signature.objects.select_related("letter", "text").prefetch_related(
        "letter__translations", "deliveries__target"
    )
    pks = [*Signature.objects.filter(email_tag=person).values_list("pk", flat=True), *_untagged({person: None})]
    for signature in found.filter(pk__in=pks).order_by("pk"):
        yield _signature(signature)
    for hold in Hold.objects.filter(email_tag=person).select_related("letter").order_by("pk"):
        yield _hold(hold)
    for model in SENT_IN:
        for row in model._default_manager.filter(pk__in=sent_in_by(model, {person: None})).order_by("pk"):
            yield sent_in(row, can_go=False)


def _untagged(people: People) -> list[int]:
    """
    Return the keys of signatures whose tag is past its date while their address is not yet.

    That is of letters closed more than 30 days ago whose sending nobody has settled: few, and known only by reading.
    """
    late = Signature.objects.filter(
        email_tag=None,
        letter__closed_at__isnull=False,
        confirmed_at__gte=timezone.now() - RECEIPT_FOR - timedelta(days=2),
    ).exclude(email="")
    found = late.values_list("pk", "email", "created_at").order_by("pk").iterator()
    return [pk for pk, email, made in found if erasing.is_theirs(people, address_tag(email), made)]


def _signature(signature: Signature) -> Held:
    personal = ("email", "email_tag", "name", "organisation", "own_words")
    facts = [Fact("letter", _("Letter"), str(signature.letter), str(signature.letter))]
    facts += [fact(signature, name) for name in personal]
    facts.append(Fact("country", _("Country"), signature.country, country_name(signature.country)))
    told = ("display", "locale", "created_at", "confirmed_at", "withdrawn_at", "consented_at", "consent_version")
    facts += [fact(signature, name) for name in told]
    letters = [_letter(delivery) for delivery in sorted(signature.deliveries.all(), key=lambda one: one.pk)]
    stands = signature.confirmed_at is not None and signature.withdrawn_at is None
    acts, correction = {}, None
    if signature.confirmed_at is None:
        title = _("A signature that is not confirmed")
        question = _("Nothing of it was sent, and it is not counted.")
        acts["discard"] = Act(_("Delete it"), question, partial(_discard, signature))
    else:
        title = _("Your signature") if stands else _("A signature that you took back")
    left = signature.confirmed_at is not None and signing.has_left(signature)
    if stands:
        question = _(
            "It is no longer counted or shown. Letters that have not left are not sent. What an addressee's server "
            "has accepted stays with them: it cannot be called back."
        )
        acts["withdraw"] = Act(_("Take it back"), question, partial(signing.withdraw, signature))
        initial = {"name": signature.name, "organisation": signature.organisation, "display": signature.display}
        form = DisplayForm if left or not signature.name else SignatureForm
        correction = Correction(form, initial, partial(_correct, signature))
    note = ""
    if left and stands:
        note = _(
            "A letter has left with this name, so the name stays as it was sent. You can change how this site shows it."
        )
    return Held(
        "signature",
        signature.pk,
        title,
        filled(facts),
        rows=[*letters, *mails(signature.mails.all())],
        note=note,
        correction=correction,
        acts=acts,
        erased=_(
            "Name, address, organisation and words go, and letters that have not left are not sent. The signature "
            "stays counted, with its country, without anything that tells whose it was."
        )
        if signature.confirmed_at
        else _("It goes."),
    )


def _letter(delivery: Delivery) -> list[Fact]:
    target = Fact("target", _("To"), delivery.target.name, delivery.target.name)
    told = ("created_at", "state", "settled_at", "reply_code", "reply", "message_id")
    return filled([target, *(fact(delivery, name) for name in told)])


def _hold(hold: Hold) -> Held:
    personal = ("email", "email_tag", "name", "organisation", "own_words")
    facts = [Fact("letter", _("Letter"), str(hold.letter), str(hold.letter))]
    tags = ("network_tag", "domain_tag", "name_tag", "words_tag")
    facts += [fact(hold, name) for name in (*personal, *tags, "display", "created_at", "why", "decision")]
    facts.append(Fact("country", _("Country"), hold.country, country_name(hold.country)))
    question = _("No organiser looks at it any more, and nothing of it is sent.")
    return Held(
        "held-signature",
        hold.pk,
        _("A signature that waits for an organiser") if not hold.decision else _("A signature that had to wait"),
        filled(facts),
        acts={"delete": Act(_("Delete it"), question, partial(_delete_hold, hold.pk))},
        erased=_("It goes."),
    )


def _delete_hold(pk: int) -> None:
    erasing.delete(Hold.objects.filter(pk=pk))


def _discard(signature: Signature) -> None:
    if not signing.discard(signature):
        raise ValidationError(_("It was confirmed meanwhile. You can take it back."))


def _correct(signature: Signature, typed: Mapping[str, Any]) -> None:
    kept = {"name": signature.name, "organisation": signature.organisation}
    try:
        signing.correct(signature, **{**kept, **typed})
    except signing.HasLeft as error:
        raise ValidationError(_("A letter has left meanwhile: the name stays as it was sent.")) from error


def erase(people: People) -> Counter[str]:
    """Holds before signatures, and these before what hangs on them: as protests.holding and signing lock them."""
    done = erasing.delete(Hold.objects.filter(pk__in=erasing.theirs(Hold.objects.all(), people)))
    pks = erasing.theirs(Signature.objects.all(), people)
    late = _untagged(people)
    list(Signature.objects.filter(pk__in=late).select_for_update().order_by("pk").values_list("pk", flat=True))
    signatures = Signature.objects.filter(pk__in=[*pks, *late])
    unconfirmed = Q(confirmed_at=None)
    done += erasing.delete(signatures.filter(unconfirmed))
    mine = list(signatures.order_by("pk").values_list("pk", flat=True))
    quiet(Delivery.objects.filter(signature__in=mine))
    quiet(ConfirmationMail.objects.filter(signature__in=mine))
    signatures.filter(updates=True).update(updates=False)
    done[Signature._meta.label] += erasing.empty(signatures)
    for model in SENT_IN:
        done += erase_sent_in(model, people)
    return done


HOLDER = Holder(
    models=frozenset(model._meta.label for model in (Signature, Hold, Delivery, ConfirmationMail, *SENT_IN)),
    find=find,
    erase=erase,
)
