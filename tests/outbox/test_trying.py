import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from outbox import engine
from outbox.models import State, TrialLetter
from outbox.trying import NoAddress, send_trial

PAGE, BUTTON = "/admin/readiness/", "/admin/readiness/trial/"


@pytest.fixture
def organiser(db):
    return get_user_model().objects.create_superuser("ana", "ana@example.org", "a long password")


@pytest.fixture
def desk(client, organiser):
    client.force_login(organiser)
    return client


@pytest.mark.django_db(transaction=True)
def test_a_trial_letter_reaches_the_organisers_own_address_by_the_way_of_every_letter(organiser, sink, settings):
    letter = send_trial(organiser)

    engine.send_due(TrialLetter)

    letter.refresh_from_db()
    (taken,) = sink.taken
    assert letter.state == State.ACCEPTED
    assert taken.rcpt_tos == ["ana@example.org"]
    assert taken.message["Message-ID"] == letter.message_id
    assert taken.message["Auto-Submitted"] == "auto-generated"
    assert taken.message["Subject"] == "A trial letter from your campaign"
    text = taken.message.get_content()
    assert settings.BASE_URL in text
    assert "still a sandbox" in text
    assert "&" not in text


@pytest.mark.django_db
def test_one_trial_letter_at_a_time_is_on_its_way(organiser):
    first = send_trial(organiser)
    assert send_trial(organiser) == first
    TrialLetter.objects.update(state=State.ACCEPTED)
    assert send_trial(organiser) != first


@pytest.mark.django_db
def test_an_account_without_an_address_gets_none(organiser):
    organiser.email = ""
    with pytest.raises(NoAddress):
        send_trial(organiser)
    assert not TrialLetter.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_address_that_is_taken_away_meanwhile_withdraws_it(organiser, sink):
    letter = send_trial(organiser)
    get_user_model().objects.update(email="")
    engine.send_due(TrialLetter)
    letter.refresh_from_db()
    assert (letter.state, sink.taken) == (State.CANCELLED, [])


def test_the_page_shows_every_check_and_what_to_do(desk, names):
    page = desk.get(PAGE).content.decode()
    for words in ("SPF", "DKIM", "DMARC", "MX", "Reverse name", "Clock", "Beat", "Worker", "Mails in doubt"):
        assert words in page
    assert "Set MAIL_FROM to an address under a domain of your own" in page
    assert "This site is a sandbox" in page
    assert "style=" not in page
    assert "onclick=" not in page
    assert not TrialLetter.objects.exists()


def test_the_button_queues_a_letter_and_the_page_shows_its_state(desk, names):
    answer = desk.post(BUTTON, follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    page = answer.content.decode()
    assert "A trial letter to ana@example.org is queued." in page
    assert "waiting to be sent" in page
    letter = TrialLetter.objects.get()
    assert desk.get(reverse("admin:outbox_trialletter_change", args=[letter.pk])).status_code == 200


def test_an_organiser_without_an_address_is_told_so(desk, organiser, names):
    get_user_model().objects.update(email="")
    page = desk.post(BUTTON, follow=True).content.decode()
    assert "Your account holds no e-mail address." in page
    assert not TrialLetter.objects.exists()


def test_looking_never_sends(desk):
    assert desk.get(BUTTON).status_code == 405
    assert desk.post(PAGE).status_code == 405
    assert not TrialLetter.objects.exists()


def test_other_organisers_and_strangers_see_nothing(client, db):
    assert client.get(PAGE).status_code == 302
    assert client.post(BUTTON).status_code == 302
    helper = get_user_model().objects.create_user("ben", "ben@example.org", "a long password", is_staff=True)
    client.force_login(helper)
    assert client.get(PAGE).status_code == 403
    assert client.post(BUTTON).status_code == 403
    assert PAGE not in client.get("/admin/").content.decode()


def test_the_admins_first_page_leads_there(desk):
    assert f'href="{PAGE}"' in desk.get("/admin/").content.decode()
