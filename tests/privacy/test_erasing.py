"""Erasing a person: all of it, for good, and nobody else's."""

import stat
from contextlib import suppress
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.utils import timezone

from bench.erasures import Crowd
from campaign import my_data
from campaign.models import Comment, Mailing, MailingCopy, MessageOfSupport, Subscriber
from donations import giving, ledger
from donations.models import Pledge, PledgeHold, Transaction
from outbox import engine
from outbox.models import State
from privacy import erasing, holding
from privacy.addresses import address_tag, mailbox_tag
from privacy.registry import filled, our_models
from protests import signing
from protests.models import ConfirmationMail, Delivery, Hold, Letter, PicketReport, Signature
from tests import factories as make
from tests.threads import at_once

pytestmark = pytest.mark.django_db
NORA, OTHER = "nora@example.org", "other@example.org"


@pytest.fixture(autouse=True)
def erasures(settings, tmp_path):
    settings.ERASURES = tmp_path / "erasures"
    return settings.ERASURES


def one_of_everything(email):
    """Something in every table that holds people's data, all of it theirs."""
    delivery = make.DeliveryFactory(signature__email=email, signature__organisation="Dockers", signature__own_words="!")
    make.DeliveryFactory(
        signature=delivery.signature, state=State.ACCEPTED, settled_at=timezone.now(), reply="250 Nora"
    )
    make.ConfirmationMailFactory(signature=delivery.signature, email=email, reply="250 ok", state=State.ACCEPTED)
    make.SignatureFactory(email=email)
    make.HoldFactory(email=email, network_tag="0" * 64, words_tag="1" * 64)
    subscriber = make.SubscriberFactory(email=email)
    make.SubscriptionMailFactory(subscriber=subscriber, reply="250 ok", state=State.ACCEPTED)
    copied = Mailing.objects.create(update=make.UpdateFactory())
    MailingCopy.objects.create(mailing=copied, subscriber=subscriber, state=State.ACCEPTED, reply="250 ok")
    make.SubmittedMessageFactory(contact=email)
    now, by = timezone.now(), make.OrganiserFactory()
    make.SubmittedMessageFactory(contact=email, person="Nora", approved_at=now, approved_by=by, published_at=now)
    make.SubmittedCommentFactory(contact=email, approved_at=now, approved_by=by, published_at=now)
    make.SubmittedReportFactory(contact=email)
    pledge = make.PledgeFactory(email=email, confirmed=True)
    make.TransactionFactory(
        fund=pledge.fund, pledge=pledge, counterparty="NORA", counterparty_iban="DE1", remittance="for bread"
    )
    make.PledgeMailFactory(pledge=pledge, reply="250 ok", state=State.ACCEPTED)
    make.PledgeFactory(email=email)
    make.PledgeHoldFactory(email=email)
    make.MyDataMailFactory(email=email, reply="250 ok", state=State.ACCEPTED)


def left():
    """Return the personal columns that hold something, as `app.Model.column`, beside those that are kept."""
    found = set()
    for model in our_models():
        for column in getattr(model, "personal", {}):
            if column not in holding.KEPT and model._default_manager.filter(filled(model, (column,))).exists():
                found.add(f"{model._meta.label}.{column}")
    return found


def erase(email):
    return my_data.erase(address_tag(email), mailbox_tag(email))


def test_every_model_with_personal_columns_is_behind_the_door_or_named_as_nobodys():
    personal = {model._meta.label for model in our_models() if getattr(model, "personal", None)}
    assert holding.models().isdisjoint(holding.NOT_A_PERSONS)
    assert personal == holding.models() | holding.NOT_A_PERSONS.keys()


def test_everything_of_a_person_goes_and_the_counts_and_books_stand():
    one_of_everything(NORA)
    before = left()
    assert len(before) > 30
    counted, pledged = Signature.objects.counted().count(), Pledge.objects.counted().count()
    fund = Transaction.objects.get().fund
    totals = [vars(total) for total in giving.totals(fund)]

    done = erase(NORA)

    assert left() == set()
    assert done.total() > 10
    assert Signature.objects.counted().count() == counted == 1
    assert Pledge.objects.counted().count() == pledged == 1
    assert [vars(total) for total in giving.totals(fund)] == totals
    assert ledger.verify() == []
    assert not Hold.objects.exists()
    assert not PledgeHold.objects.exists()
    assert not PicketReport.objects.filter(submitted_at__isnull=False).exists()
    assert MessageOfSupport.objects.get().person == Comment.objects.get().person == ""
    assert sorted(Delivery.objects.values_list("state", flat=True)) == [State.ACCEPTED, State.CANCELLED]
    assert not list(holding.find(address_tag(NORA)))


def test_of_another_person_nothing_changes():
    one_of_everything(OTHER)
    before = [repr(list(model._default_manager.order_by("pk").values())) for model in our_models()]
    erase(NORA)
    assert [repr(list(model._default_manager.order_by("pk").values())) for model in our_models()] == before


def test_all_spellings_of_an_address_are_one_person():
    make.SignatureFactory(email="Nora@example.org", confirmed=True)
    make.SubmittedCommentFactory(contact="NORA@EXAMPLE.ORG")
    erase(NORA)
    assert left() == set()


def test_a_signature_is_found_whose_tag_went_before_its_address():
    letter = make.LetterFactory(closed_at=timezone.now() - timedelta(days=40))
    text = make.LetterTextFactory(letter=letter)
    make.SignatureFactory(text=text, email=NORA, email_tag=None, confirmed_at=timezone.now() - timedelta(days=60))
    assert [held.kind for held in holding.find(address_tag(NORA))] == ["signature"]
    erase(NORA)
    assert left() == set()


def test_the_desks_history_forgets_what_the_row_was_called():
    comment = make.SubmittedCommentFactory(contact=NORA)
    kind = ContentType.objects.get_for_model(Comment)
    user = make.OrganiserFactory()
    LogEntry.objects.create(
        user_id=user.pk, content_type=kind, object_id=comment.pk, object_repr="Nora", action_flag=CHANGE
    )
    erase(NORA)
    assert LogEntry.objects.get().object_repr == "…"


def test_the_mails_of_two_days_still_count_so_that_erasing_lifts_no_limit():
    make.ConfirmationMailFactory(signature__email=NORA, signature__confirmed=True, recipient_tag=mailbox_tag(NORA))
    erase(NORA)
    assert ConfirmationMail.objects.get().recipient_tag == mailbox_tag(NORA)


class TestTheFile:
    def test_it_is_its_owners_alone_and_holds_no_address(self, erasures):
        erase(NORA)
        erase(OTHER)
        assert stat.S_IMODE(erasures.stat().st_mode) == 0o600
        assert "example" not in erasures.read_text()
        assert erasing.recorded()[0].keys() == {address_tag(NORA), address_tag(OTHER)}

    def test_if_it_cannot_be_written_nothing_is_erased(self, settings, tmp_path):
        one_of_everything(NORA)
        before = left()
        settings.ERASURES = tmp_path
        with pytest.raises(erasing.NotRecorded):
            erase(NORA)
        assert left() == before

    def test_a_line_that_was_broken_off_spoils_no_other(self, erasures):
        erasures.write_text("2026-01-01T00:00:00+00:00 abc")
        erase(NORA)
        assert erasing.recorded()[0].keys() == {address_tag(NORA)}
        out = StringIO()
        with pytest.raises(CommandError, match="1 lines"):
            call_command("replay_erasures", stdout=out)
        assert "1 people" in out.getvalue()

    def test_several_at_once_write_whole_lines(self, erasures):
        """The lock is the open file's: two threads are to it what two processes are."""
        at_once(4, lambda process: [erasing.record(f"{process:032x}{number:032x}") for number in range(25)])
        people, bad = erasing.recorded()
        assert (len(people), bad, erasures.read_text().count("\n")) == (100, 0, 100)


class TestReplaying:
    def test_who_comes_back_with_a_backup_is_erased_again_and_twice_does_no_harm(self):
        erase(NORA)
        with time_machine.travel(timezone.now() - timedelta(days=1)):
            one_of_everything(NORA)  # as a restore does
            one_of_everything(OTHER)
        others = left()
        assert erasing.replay() > 10
        assert [list(holding.find(address_tag(NORA)))] == [[]]
        assert left() == others
        assert erasing.replay() == 0
        call_command("replay_erasures", stdout=StringIO())

    def test_who_signs_anew_is_a_new_person(self):
        with time_machine.travel(timezone.now() - timedelta(days=1)):
            old = make.SignatureFactory(email=NORA, confirmed=True, name="Nora Then")
        erase(NORA)
        one_of_everything(NORA)
        before = left()
        assert erasing.replay() == 0
        assert left() == before
        old.refresh_from_db()
        assert old.name == ""

    def test_without_a_file_there_is_nobody(self):
        assert erasing.replay() == 0


@pytest.mark.django_db(transaction=True)
class TestAtTheSameTime:
    def test_erasing_while_the_engine_sends_leaves_nothing_half(self, sink):
        letter = make.AddresseeFactory(letter=make.LetterFactory()).letter
        target = letter.targets.get()
        text = make.LetterTextFactory(letter=letter)
        people = [f"nora-{number}@example.org" for number in range(12)]
        for email in people:
            make.DeliveryFactory(signature=make.SignatureFactory(text=text, email=email, confirmed=True), target=target)

        def act(number):
            if number == 0:
                while engine.send_due(Delivery):
                    pass
            else:
                for email in people[number - 1 :: 3]:
                    erase(email)

        at_once(4, act)
        while engine.send_due(Delivery):
            pass
        assert Signature.objects.counted().count() == 12
        assert left() <= {"protests.Delivery.reply"}  # of one that was leaving: it goes on its date
        states = list(Delivery.objects.values_list("state", flat=True))
        assert set(states) <= {State.ACCEPTED, State.CANCELLED, State.FAILED}
        assert states.count(State.ACCEPTED) == len(sink.taken)

    def test_erasing_while_the_person_signs_and_subscribes_keeps_one_person_or_the_next(self):
        letter = make.AddresseeFactory(letter=make.LetterFactory()).letter
        typed = {
            "name": "Nora Berg", "country": "DE", "own_words": "", "organisation": "", "display": "public",
            "updates": True, "locale": "en",
        }  # fmt: skip

        def act(number):
            for _again in range(3):
                if number % 2:
                    erase(NORA)
                else:
                    signing.sign(Letter.objects.get(pk=letter.pk), email=NORA, **typed)
                    if mine := Signature.objects.filter(email_tag=address_tag(NORA)).first():
                        with suppress(Signature.DoesNotExist, signing.Forgotten):  # erased meanwhile
                            signing.confirm(mine)

        at_once(4, act)
        for signature in Signature.objects.all():
            whole = {bool(signature.name), bool(signature.email), bool(signature.email_tag)}
            assert len(whole) == 1, "half erased"
        erase(NORA)
        assert left() == set()
        assert not Subscriber.objects.subscribed().exists()


def test_a_tenth_is_erased_and_the_count_stands_also_after_a_restore():
    """What `python -m bench.drill erasure` does with 10,000, with 60."""
    crowd = Crowd(60)
    before = crowd.figures()
    assert before["signed"] == 60
    crowd.erase(6)
    assert crowd.figures() == before
    crowd.come_back()
    assert crowd.known() == 60
    assert erasing.replay() >= 6
    assert crowd.figures() == before
    assert crowd.known() == 54
