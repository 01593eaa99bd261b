"""What donations holds of a person: pledges with what arrived on them, what is held of them, and their mails."""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaign.fields import LineField
from campaign.keeping import fact
from campaign.persons import filled, mails, quiet
from donations import giving, ledger, money
from donations.forms import shown_name
from donations.models import Allocation, Pledge, PledgeHold, PledgeMail, Transaction
from privacy import erasing
from privacy.holding import Act, Busy, Correction, Fact, Held, Holder, People


class GiverForm(forms.Form):
    name = LineField(label=gettext_lazy("Your name"), max_length=100)
    display = forms.ChoiceField(
        label=gettext_lazy("How this site may show it"), choices=Pledge.Display.choices, widget=forms.RadioSelect
    )

    def clean_name(self) -> str:
        return shown_name(self.cleaned_data["name"])


class GiversForm(GiverForm):
    """Of an organisation or a branch."""

    organisation = LineField(label=gettext_lazy("Organisation or branch"), max_length=200)
    field_order = ("name", "organisation", "display")

    def clean_organisation(self) -> str:
        return shown_name(self.cleaned_data["organisation"])


def find(person: str) -> Iterator[Held]:
    for pledge in Pledge.objects.filter(email_tag=person).select_related("fund").order_by("pk"):
        yield _pledge(pledge)
    for hold in PledgeHold.objects.filter(email_tag=person).select_related("fund").order_by("pk"):
        yield _hold(hold)


def _amount(row: Pledge | PledgeHold | Transaction) -> list[Fact]:
    shown = money.format_amount(row.amount_minor, row.currency)
    amount = Fact("amount_minor", _("Amount"), row.amount_minor, shown)
    return [amount, Fact("currency", _("Currency"), row.currency, row.currency)]


def _pledge(pledge: Pledge) -> Held:
    personal = ("name", "organisation", "email", "email_tag")
    facts = [Fact("fund", _("Fund"), str(pledge.fund), str(pledge.fund)), fact(pledge, "number"), *_amount(pledge)]
    facts += [fact(pledge, name) for name in (*personal, "frequency", "until", "display", "amount_shown", "locale")]
    facts += [fact(pledge, name) for name in ("made_on", "created_at", "confirmed_at", "consented_at")]
    standing = Allocation.objects.filter(pledge=pledge, reverses=None, reversal=None)
    arrived = Transaction.objects.filter(pk__in=standing.values("transaction")).order_by("pk")
    correction = None
    if pledge.name:
        form = GiverForm if pledge.kind == Pledge.Kind.PERSON else GiversForm
        initial = {"name": pledge.name, "organisation": pledge.organisation, "display": pledge.display}
        correction = Correction(form, initial, partial(_correct, pledge))
    question = _(
        "The promise ends, and your name and address are deleted. What has arrived stays in the fund's books, as an "
        "amount under a number."
    )
    return Held(
        "pledge",
        pledge.pk,
        _("Your pledge") if pledge.confirmed_at else _("A pledge that is not confirmed"),
        filled(facts),
        rows=[*(_gift(gift) for gift in arrived), *mails(pledge.mails.all())],
        correction=correction,
        acts={"withdraw": Act(_("Withdraw it"), question, partial(_withdraw, pledge))},
        erased=_(
            "Your name and address go, and what the bank told of you. The amounts stay in the fund's books, under a "
            "number, and nobody reminds you. To end the promise, too, withdraw it first."
        )
        if pledge.confirmed_at
        else _("It goes; what has arrived on it stays in the fund's books as an amount."),
    )


def _gift(gift: Transaction) -> list[Fact]:
    told = ("booked_on", "counterparty", "counterparty_iban", "end_to_end", "remittance")
    return filled([*_amount(gift), *(fact(gift, name) for name in told)])


def _hold(hold: PledgeHold) -> Held:
    personal = ("name", "organisation", "email", "email_tag", "network_tag")
    facts = [Fact("fund", _("Fund"), str(hold.fund), str(hold.fund)), *_amount(hold)]
    facts += [fact(hold, name) for name in (*personal, "frequency", "display", "created_at", "why")]
    question = _("No organiser looks at it any more.")
    return Held(
        "held-pledge",
        hold.pk,
        _("A pledge that waits for an organiser"),
        filled(facts),
        acts={"delete": Act(_("Delete it"), question, partial(_delete_hold, hold.pk))},
        erased=_("It goes."),
    )


def _delete_hold(pk: int) -> None:
    erasing.delete(PledgeHold.objects.filter(pk=pk))


def _withdraw(pledge: Pledge) -> None:
    try:
        giving.withdraw(pledge)
    except ledger.BusyError as error:
        raise Busy from error


def _correct(pledge: Pledge, typed: Mapping[str, Any]) -> None:
    try:
        giving.correct(pledge, **{"organisation": pledge.organisation, **typed})
    except giving.GoneError as error:
        raise ValidationError(_("The pledge is withdrawn, or its date is past.")) from error


def erase(people: People) -> Counter[str]:
    """The pledge stays counted, and in the books: its amount and number tell of nobody. No event of it is written."""
    ledger.take_turns()
    done = erasing.delete(PledgeHold.objects.filter(pk__in=erasing.theirs(PledgeHold.objects.all(), people)))
    pledges = Pledge.objects.filter(pk__in=erasing.theirs(Pledge.objects.all(), people))
    done += erasing.delete(pledges.filter(confirmed_at=None, allocations=None))
    mine = list(pledges.order_by("pk").values_list("pk", flat=True))
    quiet(PledgeMail.objects.filter(pledge__in=mine))
    pledges.filter(reminders_stopped_at=None).update(reminders_stopped_at=timezone.now())
    # Not of a line that was only taken for this pledge's by mistake: it is somebody else's.
    standing = Allocation.objects.filter(pledge__in=mine, reverses=None, reversal=None)
    done[Transaction._meta.label] += Transaction.objects.filter(pk__in=standing.values("transaction")).erase()
    done[Pledge._meta.label] += erasing.empty(pledges)
    return +done


HOLDER = Holder(
    models=frozenset(model._meta.label for model in (Pledge, PledgeHold, PledgeMail, Transaction)),
    find=find,
    erase=erase,
)
