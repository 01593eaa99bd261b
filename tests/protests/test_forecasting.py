"""When the queue will be empty, in plain words."""

from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from outbox.models import State
from protests import forecasting
from protests.forecasting import forecast
from protests.models import REFUSALS, Breaker, Delivery, Letter, MailDomain, Target
from tests.factories import DeliveryFactory, LetterTextFactory, OrganiserFactory, SignatureFactory, TargetFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def wednesday():
    """Noon in UTC on Wednesday, 4 March 2026."""
    with time_machine.travel(datetime(2026, 3, 4, 12, tzinfo=UTC), tick=False):
        yield


@pytest.fixture
def text():
    return LetterTextFactory()


@pytest.fixture
def write(text):
    def write(count, target, **columns):
        signatures = [SignatureFactory(text=text, confirmed=True) for _ in range(count)]
        Delivery.objects.bulk_create(Delivery(signature=one, target=target, **columns) for one in signatures)

    return write


def test_nothing_waits():
    assert str(forecast()) == "No letter waits."


def test_a_cap_makes_it_days(write):
    target = TargetFactory(daily_cap=10)
    write(35, target)

    assert str(forecast(target=target)) == "At this pace the queue of 35 letters empties on Saturday, 7 March."


def test_what_has_left_today_leaves_less_for_today(write):
    target = TargetFactory(daily_cap=10)
    write(9, target, state=State.ACCEPTED, settled_at=timezone.now())
    write(2, target)

    assert "empties on Thursday, 5 March." in str(forecast(target=target))


def test_after_hours_it_is_tomorrow(write):
    target = TargetFactory(opens_at=time(9), closes_at=time(17), time_zone="Asia/Almaty")
    write(1, target)

    assert str(forecast()) == "At this pace the queue of 1 letter empties on Thursday, 5 March."


def test_spacing_is_reckoned_within_the_hours(write):
    # One letter an hour, eight a day, and five hours left of today.
    write(14, TargetFactory(opens_at=time(9), closes_at=time(17), spacing_seconds=3600))

    assert "empties on Friday, 6 March." in str(forecast())


@pytest.mark.parametrize("domain", ["foreign.example.org", MailDomain.EVERY])
def test_the_spacing_of_a_domain_is_reckoned_within_the_hours_too(write, domain):
    for name in ("a", "b"):
        write(7, TargetFactory(opens_at=time(9), closes_at=time(17), email=f"{name}@foreign.example.org"))
    MailDomain.objects.create(domain=domain, spacing_seconds=3600)

    assert "empties on Friday, 6 March." in str(forecast())


def test_targets_at_one_domain_share_its_cap(write):
    for name in ("a", "b"):
        write(10, TargetFactory(email=f"{name}@foreign.example.org"))
    write(1, TargetFactory(email="c@elsewhere.example.org"))
    MailDomain.objects.create(domain="foreign.example.org", daily_cap=5)

    assert "queue of 21 letters empties on Saturday, 7 March." in str(forecast())
    assert "empties on Wednesday, 4 March." in str(forecast(target=Target.objects.get(email__startswith="c@")))


def test_a_far_day_has_its_year(write):
    write(320, TargetFactory(daily_cap=1))

    assert "empties on Sunday, 17 January 2027." in str(forecast())


def test_a_day_too_far_is_not_named(write):
    write(3, TargetFactory(daily_cap=1, opens_at=time(9), closes_at=time(17)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forecasting, "DAYS", 2)

        assert str(forecast()) == "At this pace the queue of 3 letters does not empty within ten years."


@pytest.mark.parametrize(
    ("hold", "words"),
    [
        (lambda target: MailDomain.pause_all(), "while all letters are paused"),
        (lambda target: Target.objects.all().pause(), "while Embassy is paused"),
        (lambda target: Letter.objects.all().pause(), "while its letter is paused"),
        (
            lambda target: MailDomain.objects.create(domain="foreign.example.org", paused_at=timezone.now()),
            "while the mail domain foreign.example.org is paused",
        ),
        (
            lambda target: Target.objects.update(suspended_at=timezone.now(), suspended_because="550"),
            "while the address of Embassy is suspended",
        ),
        (
            lambda target: Breaker.objects.create(target=target, refusals=REFUSALS, words="550"),
            "before the server of Embassy takes a letter again (next trial: 4 Mar 2026, 12:15)",
        ),
    ],
)
def test_what_is_held_back_does_not_leave(write, client, hold, words):
    target = TargetFactory(name="Embassy", email="a@foreign.example.org")
    write(2, target)
    hold(target)

    assert str(forecast(target=target)) == f"2 letters wait, and do not leave {words}."
    letter = Letter.objects.get()
    client.force_login(OrganiserFactory())
    for page in (
        reverse("admin:protests_delivery_changelist"),
        reverse("admin:protests_target_changelist"),
        reverse("admin:protests_target_change", args=[target.pk]),
        reverse("admin:protests_letter_change", args=[letter.pk]),
    ):
        assert words in client.get(page).content.decode(), page


def test_a_letter_and_a_target_have_their_own(write):
    target = TargetFactory(daily_cap=10)
    write(11, target)
    other = DeliveryFactory(target__name="Ministry")

    assert "queue of 11 letters empties on Thursday" in str(forecast(target=target))
    assert "queue of 1 letter empties on Wednesday" in str(forecast(letter=other.signature.letter))
    assert "queue of 12 letters empties on Thursday" in str(forecast())


def test_many_targets_are_reckoned_in_as_many_queries(write, django_assert_num_queries, django_assert_max_num_queries):
    write(2, TargetFactory())
    with django_assert_max_num_queries(7) as few:
        forecast()
    for target in TargetFactory.create_batch(5):
        write(2, target)
    with django_assert_num_queries(len(few)):
        forecast()


class TestPauseAll:
    def test_an_organiser_pauses_and_resumes_everything(self, client, write):
        write(1, TargetFactory())
        client.force_login(OrganiserFactory())
        page = reverse("admin:protests_pause_all")

        assert "None" not in client.get(page).context["title"]
        assert not MailDomain.objects.paused().exists()
        shown = client.post(page, {"act": "pause"}, follow=True).content.decode()
        assert "All letters are paused since" in shown
        client.post(page, {"act": "pause"})
        assert MailDomain.objects.paused().count() == 1
        shown = client.post(page, {"act": "resume"}, follow=True).content.decode()
        assert "All letters are paused since" not in shown
        assert not MailDomain.objects.paused().exists()

    def test_who_may_not_change_mail_domains_may_not(self, client):
        client.force_login(OrganiserFactory(is_superuser=False))

        assert client.post(reverse("admin:protests_pause_all"), {"act": "pause"}).status_code == 403
        assert not MailDomain.objects.exists()

    @pytest.mark.parametrize("model", ["target", "letter"])
    def test_one_is_paused_and_resumed(self, client, write, model):
        target = TargetFactory()
        write(1, target)
        row = target if model == "target" else Letter.objects.get()
        client.force_login(OrganiserFactory())
        page = reverse(f"admin:protests_{model}_changelist")

        for action, paused in (("pause", True), ("resume", False)):
            form = {"action": action, "_selected_action": [row.pk]}
            asked = client.post(page, form)
            client.post(page, {**form, "confirm": asked.context["fingerprint"]})
            row.refresh_from_db()
            assert bool(row.paused_at) is paused
            assert ("paused" in client.get(page).content.decode().partition("result_list")[2]) is paused


class TestList:
    @pytest.fixture
    def rows(self, client):
        DeliveryFactory(target__email="a@foreign.example.org")
        client.force_login(OrganiserFactory())
        page = reverse("admin:protests_delivery_changelist")
        return lambda: client.get(page).content.decode().partition("result_list")[2].partition("</table>")[0]

    @pytest.mark.parametrize(
        ("hold", "words"),
        [
            (MailDomain.pause_all, "all letters are paused"),
            (lambda: Target.objects.all().pause(), "the target is paused"),
            (lambda: Letter.objects.all().pause(), "the letter is paused"),
            (
                lambda: MailDomain.objects.create(domain="foreign.example.org", paused_at=timezone.now()),
                "the mail domain is paused",
            ),
            (lambda: Target.objects.update(opens_at=time(9), closes_at=time(10)), "outside the sending hours"),
            (lambda: Target.objects.update(spacing_seconds=60), "time between letters"),
            (
                lambda: Target.objects.update(suspended_at=timezone.now(), suspended_because="550"),
                "address is suspended",
            ),
            (
                lambda: Breaker.objects.create(target=Target.objects.get(), refusals=REFUSALS, words="550"),
                "server refuses letters",
            ),
        ],
    )
    def test_it_says_in_few_words_what_holds_a_letter_up(self, rows, hold, words):
        assert words not in rows()
        hold()
        assert words in rows()

    def test_the_page_of_a_letter_names_it_and_says_so_too_with_nothing_to_save(self, rows, client):
        letter = Delivery.objects.get()
        Target.objects.update(name="Embassy", spacing_seconds=60)
        page = client.get(reverse("admin:protests_delivery_change", args=[letter.pk])).content.decode()

        assert f"<h2>Embassy: {escape(letter.signature.letter)}, 4 Mar 2026, 12:00, waiting to be sent</h2>" in page
        assert "time between letters" in page
        assert "_save" not in page

    def test_it_says_so_when_the_letters_of_the_day_have_left(self, rows, write):
        Target.objects.update(daily_cap=1)
        write(1, Target.objects.get(), state=State.ACCEPTED, settled_at=timezone.now() - timedelta(hours=1))

        assert rows().count("the letters of this day have left") == 1


class TestReceipt:
    @pytest.fixture
    def receipt(self, client, link, text):
        delivery = DeliveryFactory(signature__text=text, target__email="a@foreign.example.org")
        path = reverse("protests:receipt", args=[link(delivery.signature)])
        return lambda: str(client.get(path).content.decode())

    @pytest.mark.parametrize(
        ("hold", "words"),
        [
            (MailDomain.pause_all, "have paused all letters"),
            (lambda: Target.objects.all().pause(), "have paused letters to this addressee"),
            (lambda: Letter.objects.all().pause(), "have paused this letter"),
            (
                lambda: Target.objects.update(opens_at=time(9), closes_at=time(17), time_zone="Asia/Almaty"),
                "leave between 09:00 and 17:00, by the clock there (Asia/Almaty)",
            ),
            (lambda: Target.objects.update(spacing_seconds=60), "leave one by one"),
            (
                lambda: Target.objects.update(suspended_at=timezone.now(), suspended_because="550"),
                "This address refused a letter",
            ),
            (
                lambda: Breaker.objects.create(target=Target.objects.get(), refusals=REFUSALS, words="550"),
                "refused several letters in a row",
            ),
        ],
    )
    def test_it_says_why_a_letter_waits(self, receipt, hold, words):
        assert words not in receipt()
        hold()
        assert words in receipt()

    def test_it_says_so_when_todays_limit_is_reached(self, receipt, write):
        target = Target.objects.get()
        Target.objects.update(daily_cap=1)
        write(1, target, state=State.ACCEPTED, settled_at=timezone.now() - timedelta(hours=1))

        assert "one of the days to come." in receipt()

    def test_it_says_by_which_clock_its_times_are(self, receipt):
        assert "Times are in UTC, unless another time zone is named." in receipt()
