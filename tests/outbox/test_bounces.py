import io
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.utils import timezone

from outbox import bounces, checks, engine
from outbox.bounces import Kind, NotYet, Outcome, address_for, judge, read_address, take
from outbox.models import State, queues
from protests.models import ConfirmationMail, Delivery, SuspensionNotice, Target
from tests.factories import ConfirmationMailFactory, DeliveryFactory
from tests.outbox import returned

TO = "bounce+delivery-ae-nzsxx6y-aaaaaaaaaaaaaaaa@solidarity.example.org"


def accepted(**columns):
    mail = DeliveryFactory(target__email="embassy@example.org")
    now = timezone.now()
    columns = {"state": State.ACCEPTED, "handing_over_at": now, "settled_at": now, "reply_code": 250, **columns}
    Delivery.objects.filter(pk=mail.pk).update(**columns)
    mail.refresh_from_db()
    return mail


def everything():
    """All that a bounce could change."""
    return [list(model.objects.order_by("pk").values()) for model in (Delivery, Target, SuspensionNotice)]


class TestAddresses:
    def test_one_stands_for_its_mail_in_any_case_of_letters(self):
        mail = Delivery(pk=7)

        address = address_for(mail)

        claim = read_address(f"<{address.upper()}>")
        assert (claim.queue, claim.pk, claim.queued) == ("delivery", 7, int(mail.queued_at.timestamp()))
        assert address.endswith("@solidarity.example.org")
        assert len(claim.tag) * 5 >= 80

    def test_that_of_another_mail_another_queue_or_another_life_does_not_fit(self):
        mail = Delivery(pk=7)
        later = Delivery(pk=7, queued_at=mail.queued_at + timedelta(seconds=1))

        addresses = {
            address_for(mail),
            address_for(later),
            address_for(Delivery(pk=8)),
            address_for(ConfirmationMail(pk=7)),
        }

        assert len({address.partition("@")[0][-16:] for address in addresses}) == 4

    def test_the_key_makes_the_tag(self, settings):
        address = address_for(Delivery(pk=7))

        settings.PRIVACY_TAG_KEY = "another"

        assert read_address(address) is None

    @pytest.mark.parametrize(
        "wrong",
        [
            "",
            "letters@example.org",
            TO,
            TO.replace("-ae-", "-a1-"),
            TO.replace("-ae-", "-" + "a" * 30 + "-"),
            "bounce+@x",
        ],
    )
    def test_one_without_a_right_tag_stands_for_nothing(self, wrong):
        assert read_address(wrong) is None

    def test_each_queue_has_one_that_a_mail_server_takes(self):
        assert checks.every_queue_has_a_bounce_address() == []
        for queue in queues():
            mail = queue(pk=2**63 - 1)
            assert len(address_for(mail).partition("@")[0]) <= 64
            assert read_address(address_for(mail)).pk == mail.pk

    def test_two_queues_of_one_name_and_one_of_a_long_name_are_found(self, monkeypatch):
        def queue(name):
            return SimpleNamespace(_meta=SimpleNamespace(model_name=name, label=f"app.{name}"))

        monkeypatch.setattr(checks, "queues", lambda: [queue("mail"), queue("mail"), queue("m" * 30), queue("good")])

        assert [error.id for error in checks.every_queue_has_a_bounce_address()] == ["outbox.E004"] * 3

    def test_without_a_domain_bounces_go_to_the_sender(self, settings):
        settings.BOUNCE_DOMAIN = ""

        assert address_for(Delivery(pk=7)) == "letters@solidarity.example.org"


@pytest.mark.django_db(transaction=True)
def test_a_letter_leaves_with_its_own_return_path_and_the_campaigns_from(sink):
    mail = DeliveryFactory()

    engine.send_due(Delivery)

    (taken,) = sink.taken
    assert taken.mail_from == address_for(mail)
    assert taken.message["From"].addresses[0].addr_spec == "letters@solidarity.example.org"


class TestJudging:
    @pytest.mark.parametrize(
        ("message", "kind", "code", "words"),
        [
            (returned.dsn(TO), Kind.HARD, 550, "550 5.1.1 <…>: unknown user"),
            (returned.dsn(TO, code=""), Kind.HARD, None, "Status 5.1.1"),
            (returned.dsn(TO, code="550 5.1.1 no"), Kind.HARD, 550, "550 5.1.1 no"),
            (returned.dsn(TO, status="", code="smtp; 550 no such user"), Kind.HARD, 550, "550 no such user"),
            (returned.dsn(TO, action="Failed (undeliverable)"), Kind.HARD, 550, "550 5.1.1 <…>: unknown user"),
            (returned.dsn(TO, action="error"), Kind.HARD, 550, "550 5.1.1 <…>: unknown user"),
            (returned.qmail(TO), Kind.HARD, None, "Sorry, no mailbox here by that name. (#5.1.1)"),
            (returned.exim(TO), Kind.HARD, 550, "550 5.1.1 No such person at this address"),
            (returned.exchange(TO), Kind.HARD, None, "No reason was given."),
            (returned.postfix_of_old(TO), Kind.HARD, 554, "<…>: host mx2.example.org[192.0.2.1] said: 554 5.1.1"),
        ],
    )
    def test_a_permanent_refusal_is_hard_in_the_style_of_any_server(self, message, kind, code, words):
        verdict = judge(message)

        assert (verdict.kind, verdict.code, verdict.words) == (kind, code, words)

    @pytest.mark.parametrize(
        "message",
        [
            returned.dsn(TO, action="delayed", status="4.4.1", code="smtp; 451 later"),
            returned.dsn(TO, action="delayed", status="5.1.1"),
            returned.exim_warning(TO),
        ],
    )
    def test_what_is_only_late_is_soft(self, message):
        assert judge(message).kind is Kind.SOFT

    @pytest.mark.parametrize(
        "message",
        [
            returned.dsn(TO, status="4.4.7", code="smtp; 451 4.4.7 delivery time expired"),
            returned.dsn(TO, status="4.2.2", code=""),
            returned.dsn(TO, status="", code=""),
            returned.qmail(TO, "I'm not going to try again; this message has been in the queue too long. (#4.4.3)"),
        ],
    )
    def test_a_server_that_gave_up_does_not_blame_the_address(self, message):
        assert judge(message).kind is Kind.GIVEN_UP

    @pytest.mark.parametrize(
        "message",
        [
            returned.absence(TO),
            returned.absence(TO, Auto_Submitted="auto-replied"),
            returned.absence(TO, Auto_Submitted="auto-replied", X_Autoreply="yes", Precedence="bulk"),
            returned.challenge(TO),
            returned.dsn(TO, kind="disposition-notification"),
            returned.dsn(TO, kind="feedback-report"),
            returned.dsn(TO, action="expanded", status="2.0.0", code=""),
            returned.LETTER.encode(),
            b"",
            b"\xff\x00\xfe" * 1000,
        ],
    )
    def test_answers_of_people_and_what_stands_in_for_them_are_no_bounces(self, message):
        assert judge(message).kind is Kind.NOT_A_BOUNCE

    @pytest.mark.parametrize(
        ("other", "kind"),
        [
            (("delivered", "2.0.0"), Kind.TAKEN),
            (("delayed", "4.4.1"), Kind.SOFT),
            (("failed", "5.2.1"), Kind.HARD),
        ],
    )
    def test_of_several_recipients_behind_an_alias_the_mildest_word_counts(self, other, kind):
        message = returned.dsn(TO, recipients=[returned.fields(*other, recipient="clerk@example.org")])

        assert judge(message).kind is kind

    def test_no_address_is_left_in_the_words(self):
        message = returned.dsn(
            TO, code="smtp; 550 Embassy: no EMBASSY@example.org here, ask clerk@example.org, embassy2"
        )

        assert judge(message).words == "550 …: no … here, ask …, embassy2"

    def test_a_letter_that_quotes_a_bounce_is_none(self):
        inner = returned.dsn(TO).decode()
        message = f"From: Clerk <clerk@example.org>\nContent-Type: message/rfc822\n\n{inner}".encode()

        assert judge(message).kind is Kind.NOT_A_BOUNCE

    @pytest.mark.parametrize("cut", [0.2, 0.5, 0.6, 0.8, 0.99])
    def test_a_report_that_was_cut_off_raises_nothing(self, cut):
        whole = returned.dsn(TO)

        judge(whole[: int(len(whole) * cut)])

    @pytest.mark.parametrize(
        "content",
        [
            b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (i, i) for i in range(2000)),
            b"Content-Type: message/rfc822\n\n" * 9000,
            b"Content-Type: multipart/report; report-type*0=" + b"x" * 200_000 + b"\n\n",
            b"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n"
            + b"Action\n" * 9000,
            b"Content-Type: text/plain; charset=no-such\nContent-Transfer-Encoding: base64\n\n%%%%\xff",
            b"X-Failed-Recipients: " + b"<" * 200_000 + b"\n\n",
            b"Subject: failure notice\n\n" + b"5.1.1" * 50_000,
            b"\n" + b"<a" * 100_000,
        ],
    )
    def test_huge_and_broken_messages_are_read_without_harm(self, content):
        started = time.monotonic()

        verdict = judge(b"From: mailer-daemon@example.org\n" + content)

        assert verdict.kind in {Kind.NOT_A_BOUNCE, Kind.HARD}
        assert len(verdict.words) <= 400
        assert time.monotonic() - started < 5


@pytest.mark.django_db
class TestTaking:
    @pytest.mark.parametrize("state", [State.ACCEPTED, State.IN_DOUBT])
    def test_a_hard_bounce_is_recorded_once(self, state):
        mail = accepted(state=state, lease="x" if state == State.IN_DOUBT else "")
        message = returned.dsn(address_for(mail))

        assert take(message) is Outcome.BOUNCED
        once = everything()
        assert take(message) is Outcome.IGNORED

        assert everything() == once
        mail.refresh_from_db()
        assert (mail.state, mail.reply_code, mail.lease) == (State.BOUNCED, 550, "")
        assert mail.reply == "Came back: 550 5.1.1 <…>: unknown user"
        assert SuspensionNotice.objects.count() == 1

    def test_one_that_a_server_on_the_way_gave_up_failed_and_blames_nobody(self):
        mail = accepted()

        assert take(returned.dsn(address_for(mail), status="4.4.7", code="smtp; 451 too long")) is Outcome.FAILED

        mail.refresh_from_db()
        assert (mail.state, mail.reply) == (State.FAILED, "Came back: 451 too long")
        assert mail.target.suspended_at is None
        assert Delivery.objects.filter(pk=mail.pk).send_again() == 1

    @pytest.mark.parametrize(
        ("message", "outcome"),
        [
            (lambda to: returned.dsn(to, action="delayed", status="4.4.1"), Outcome.SOFT),
            (returned.exim_warning, Outcome.SOFT),
            (returned.absence, Outcome.IGNORED),
            (returned.challenge, Outcome.IGNORED),
        ],
    )
    def test_whatever_is_not_final_changes_nothing(self, message, outcome):
        mail = accepted()
        before = everything()

        for _ in range(20):
            assert take(message(address_for(mail))) is outcome

        assert everything() == before

    @pytest.mark.parametrize("action", ["delivered", "relayed (to a machine that reports nothing)"])
    def test_a_report_of_success_settles_what_is_in_doubt(self, action):
        mail = accepted(state=State.IN_DOUBT, lease="x", settled_at=None)
        message = returned.dsn(address_for(mail), action=action, status="2.6.0", code="smtp; 250 2.6.0 queued")

        assert take(message) is Outcome.ACCEPTED
        once = everything()
        assert take(message) is Outcome.IGNORED

        assert everything() == once
        mail.refresh_from_db()
        assert (mail.state, mail.lease) == (State.ACCEPTED, "")
        assert mail.settled_at
        assert mail.reply == "A server reports that it took the mail: 250 2.6.0 queued"

    def test_a_report_of_success_lets_the_secret_of_a_mailed_link_be_forgotten(self):
        mail = ConfirmationMailFactory()
        ConfirmationMail.objects.update(state=State.IN_DOUBT, handing_over_at=timezone.now())

        take(returned.dsn(address_for(mail), action="delivered", status="2.0.0", code=""))

        mail.refresh_from_db()
        assert (mail.state, mail.token) == (State.ACCEPTED, "")

    @pytest.mark.parametrize(
        "state", [State.ACCEPTED, State.QUEUED, State.DEFERRED, State.CANCELLED, State.FAILED, State.BOUNCED]
    )
    def test_a_report_of_success_changes_nothing_that_is_not_in_doubt(self, state):
        mail = accepted(state=state, handing_over_at=None)
        before = everything()

        assert take(returned.dsn(address_for(mail), action="delivered", status="2.0.0")) is Outcome.IGNORED

        assert everything() == before

    def test_a_report_of_success_that_comes_before_the_workers_record_has_to_come_again(self):
        mail = accepted(state=State.SENDING, lease="x", leased_until=timezone.now())

        with pytest.raises(NotYet):
            take(returned.dsn(address_for(mail), action="delivered", status="2.0.0"))

    def test_a_forged_report_of_success_changes_nothing(self):
        mail = accepted(state=State.IN_DOUBT)
        tag = read_address(address_for(mail)).tag
        before = everything()

        forged = returned.dsn(address_for(mail).replace(tag, "a" * 16), action="delivered", status="2.0.0")
        assert take(forged) is Outcome.FORGED

        assert everything() == before

    @pytest.mark.parametrize("state", [State.QUEUED, State.DEFERRED, State.CANCELLED, State.FAILED, State.BOUNCED])
    def test_a_mail_that_is_not_with_the_other_side_is_left_alone(self, state):
        mail = accepted(state=state, handing_over_at=None)
        before = everything()

        assert take(returned.dsn(address_for(mail))) is Outcome.IGNORED

        assert everything() == before

    def test_one_that_comes_before_the_worker_has_recorded_the_mail_has_to_come_again(self):
        mail = accepted(state=State.SENDING, lease="x", leased_until=timezone.now())
        before = everything()

        with pytest.raises(NotYet):
            take(returned.dsn(address_for(mail)))

        assert everything() == before

    def test_the_bounce_of_a_mail_says_nothing_about_the_same_mail_sent_again(self):
        mail = accepted(queued_at=timezone.now() - timedelta(days=2))
        old = returned.dsn(address_for(mail))
        take(old)
        Delivery.objects.all().send_again()
        Delivery.objects.update(state=State.ACCEPTED)
        Target.objects.all().trust_again()
        before = everything()

        assert take(old) is Outcome.IGNORED

        assert everything() == before

    def test_one_for_a_row_that_is_gone_changes_nothing(self):
        mail = accepted()
        address = address_for(mail)
        mail.delete()

        assert take(returned.dsn(address)) is Outcome.IGNORED
        assert (
            take(
                returned.dsn(
                    address_for(
                        SimpleNamespace(_meta=SimpleNamespace(model_name="gone"), pk=1, queued_at=timezone.now())
                    )
                )
            )
            is Outcome.IGNORED
        )

    def test_the_envelope_says_more_than_the_headers(self):
        one, two = accepted(), DeliveryFactory()
        message = returned.dsn(address_for(one))

        assert take(message, rcpt_to=address_for(two)) is Outcome.IGNORED
        assert take(message, rcpt_to=TO) is Outcome.FORGED
        assert take(returned.dsn("<somebody@example.org>"), rcpt_to=address_for(one)) is Outcome.BOUNCED

    @pytest.mark.parametrize("header", ["Delivered-To", "X-Original-To", "Envelope-To"])
    def test_the_address_may_stand_where_a_mail_server_writes_it(self, header):
        message = returned.dsn("postmaster@example.org")

        assert take(f"{header}: {address_for(accepted())}\n".encode() + message) is Outcome.BOUNCED

    def test_an_address_in_the_body_alone_is_none_of_ours(self):
        message = returned.dsn("postmaster@example.org") + address_for(accepted()).encode()

        assert take(message) is Outcome.FORGED

    def test_another_queues_mail_is_recorded_too(self):
        mail = ConfirmationMailFactory()
        ConfirmationMail.objects.update(state=State.ACCEPTED, handing_over_at=timezone.now())

        assert take(returned.qmail(address_for(mail))) is Outcome.BOUNCED

        mail.refresh_from_db()
        assert mail.state == State.BOUNCED
        assert not SuspensionNotice.objects.exists()

    def test_ten_thousand_forged_ones_change_nothing_and_ask_the_database_nothing(self, django_assert_num_queries):
        mails = [accepted()] + [DeliveryFactory(target=Target.objects.get()) for _ in range(2)]
        Delivery.objects.update(state=State.ACCEPTED)
        right = [address_for(mail) for mail in mails]
        claims = [read_address(address) for address in right]
        before = everything()

        with django_assert_num_queries(0):
            for number in range(10_000):
                claim = claims[number % 3]
                wrong = bounces._letters(10**24 + number)[-16:].rjust(16, "a")
                forged = claim.local_part.replace(claim.tag, wrong) + "@solidarity.example.org"
                message = (returned.dsn, returned.qmail, returned.exim)[number % 3](forged)
                assert take(message) is Outcome.FORGED
                assert take(message, rcpt_to=forged) is Outcome.FORGED

        assert everything() == before
        assert take(returned.dsn(right[0])) is Outcome.BOUNCED


@pytest.fixture
def maildir(tmp_path):
    for name in ("cur", "new", "tmp"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.mark.django_db
class TestMaildir:
    def run(self, maildir):
        out = io.StringIO()
        call_command("take_bounces", maildir=maildir, stdout=out)
        return out.getvalue()

    def names(self, maildir):
        return sorted(path.name for path in (maildir / "new").iterdir()), sorted(
            p.name for p in (maildir / "cur").iterdir()
        )

    def test_what_is_new_is_taken_and_moved_and_not_taken_again(self, maildir):
        mail = accepted()
        (maildir / "new" / "1.host").write_bytes(returned.dsn(address_for(mail)))
        (maildir / "new" / "2.host").write_bytes(returned.dsn(TO))
        (maildir / "new" / "3.host").write_bytes(b"")
        (maildir / "new" / ".hidden").write_bytes(b"")

        assert self.run(maildir) == "2 not for an address of ours\n1 refused\n"

        assert self.names(maildir) == ([".hidden"], ["1.host:2,S", "2.host:2,S", "3.host:2,S"])
        mail.refresh_from_db()
        assert mail.state == State.BOUNCED
        assert self.run(maildir) == "Nothing new.\n"

    def test_one_that_comes_too_early_stays_and_does_not_hold_up_the_next(self, maildir):
        early = accepted(state=State.SENDING, lease="x", leased_until=timezone.now())
        other = DeliveryFactory(target=early.target)
        Delivery.objects.filter(pk=other.pk).update(state=State.ACCEPTED)
        (maildir / "new" / "1").write_bytes(returned.dsn(address_for(early)))
        (maildir / "new" / "2").write_bytes(returned.dsn(address_for(other)))

        assert self.run(maildir) == "1 left for the next time\n1 refused\n"
        assert self.names(maildir) == (["1"], ["2:2,S"])

        Delivery.objects.filter(pk=early.pk).update(state=State.ACCEPTED, lease="", leased_until=None)
        assert self.run(maildir) == "1 refused\n"

    def test_without_the_database_nothing_is_moved(self, maildir):
        (maildir / "new" / "1").write_bytes(returned.dsn(address_for(accepted())))

        def away(execute, *args):
            raise DatabaseError

        with connection.execute_wrapper(away), pytest.raises(CommandError, match="database") as error:
            self.run(maildir)

        assert error.value.returncode == 75
        assert self.names(maildir) == (["1"], [])

    def test_a_huge_message_is_read_as_far_as_it_says_why(self, maildir):
        (maildir / "new" / "1").write_bytes(returned.dsn(address_for(accepted())) + b"x\n" * 5_000_000)

        assert self.run(maildir) == "1 refused\n"

    def test_another_folder_is_refused_in_words(self, tmp_path):
        with pytest.raises(CommandError, match="no maildir"):
            self.run(tmp_path)
