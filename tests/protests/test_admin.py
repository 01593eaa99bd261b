from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from outbox.models import State
from protests import signing
from protests.models import Delivery, Digest, Letter, MailDomain, Signature, SuspensionNotice
from tests.factories import (
    AddresseeFactory,
    ConfirmationMailFactory,
    DeliveryFactory,
    LetterFactory,
    LetterTextFactory,
    OrganiserFactory,
    PicketFactory,
    SignatureFactory,
    StrikeFactory,
    TargetFactory,
)

pytestmark = pytest.mark.django_db
MODELS = [
    "letter",
    "target",
    "signature",
    "delivery",
    "confirmationmail",
    "lettertext",
    "picket",
    "suspensionnotice",
    "digest",
    "maildomain",
]


@pytest.fixture
def desk(client):
    client.force_login(OrganiserFactory())
    return client


@pytest.fixture
def one_of_each(letter):
    signature = SignatureFactory(text=LetterTextFactory(letter=letter), name="Nora Berg", email="nora@example.org")
    return {
        "letter": letter,
        "target": letter.addressees.first().target,
        "signature": signature,
        "delivery": DeliveryFactory(signature=signature),
        "confirmationmail": ConfirmationMailFactory(signature=signature),
        "lettertext": signature.text,
        "picket": PicketFactory(country="GB"),
        "suspensionnotice": SuspensionNotice.objects.create(
            target=letter.addressees.first().target, email="embassy@example.org", because="550 no"
        ),
        "digest": Digest.objects.create(
            day=timezone.localdate(), since=timezone.now() - timedelta(days=1), until=timezone.now()
        ),
        "maildomain": MailDomain.objects.create(domain="example.org", daily_cap=1000),
    }


def url(model, page="changelist", *args):
    return reverse(f"admin:protests_{model}_{page}", args=args)


@pytest.mark.parametrize("model", MODELS)
def test_every_list_and_every_row_can_be_read_and_searched(desk, one_of_each, model):
    assert desk.get(url(model)).status_code == 200
    assert desk.get(url(model), {"q": "a"}).status_code == 200
    assert desk.get(url(model, "change", one_of_each[model].pk)).status_code == 200


@pytest.mark.parametrize("model", ["signature", "delivery", "confirmationmail", "lettertext"])
def test_what_the_program_writes_is_not_written_by_hand(desk, one_of_each, model):
    assert desk.get(url(model, "add")).status_code == 403


@pytest.mark.parametrize("model", ["letter", "signature", "delivery", "picket", "target"])
def test_a_longer_list_asks_no_more_of_the_database(
    desk, one_of_each, model, django_assert_num_queries, django_assert_max_num_queries
):
    with django_assert_max_num_queries(28) as few:
        desk.get(url(model))
    text = one_of_each["lettertext"]
    strike = text.letter.strike
    for _ in range(3):
        LetterFactory(strike=strike)
        DeliveryFactory(signature=SignatureFactory(text=text))
        PicketFactory(strike=strike)
        TargetFactory().countries.create(country="FR")
    with django_assert_num_queries(len(few)):
        desk.get(url(model))


class TestLetters:
    def form(self, strike, *rules, **changes):
        form = {
            "title": "Free them",
            "slug": "free-them",
            "strike": strike.pk,
            "introduction": "",
            "subject": "Free them",
            "body": "{target}, free them. {name}",
            "reply_to": "",
            "published_at_0": "2011-09-01",
            "published_at_1": "12:00",
            "closed_at_0": "",
            "closed_at_1": "",
            "addressees-TOTAL_FORMS": len(rules),
            "addressees-INITIAL_FORMS": 0,
        }
        for number, rule in enumerate(rules):
            form[f"addressees-{number}-target"] = TargetFactory().pk
            form[f"addressees-{number}-rule"] = rule
        return {**form, **changes}

    @pytest.mark.parametrize("rules", [(), ("own_country",)])
    def test_one_that_would_reach_nobody_from_somewhere_cannot_be_published(self, desk, rules):
        response = desk.post(url("letter", "add"), self.form(StrikeFactory(), *rules))

        assert "it needs an addressee" in response.content.decode()
        assert not Letter.objects.exists()

    @pytest.mark.parametrize("rules", [("everybody",), ("own_country", "fallback")])
    def test_one_that_reaches_somebody_from_everywhere_can(self, desk, rules):
        response = desk.post(url("letter", "add"), self.form(StrikeFactory(), *rules))

        assert response.status_code == 302, response.content.decode()
        assert Letter.objects.open().exists()

    def test_a_draft_may_lack_addressees(self, desk):
        form = self.form(StrikeFactory(), published_at_0="", published_at_1="")

        assert desk.post(url("letter", "add"), form).status_code == 302

    @pytest.mark.parametrize("change", [{"subject": "Free\x0bthem"}, {"body": "{nmae}"}])
    def test_words_that_could_not_be_sent_are_refused(self, desk, change):
        response = desk.post(url("letter", "add"), self.form(StrikeFactory(), "everybody", **change))

        assert response.status_code == 200
        assert not Letter.objects.exists()

    def test_the_preview_shows_the_letters_from_a_country(self, desk, letter):
        page = url("letter", "preview", letter.pk)

        assert desk.get(page).status_code == 200
        text = desk.get(page, {"country": "AT"}).content.decode()
        assert "berlin@example.org" in text
        assert "Austria" in text.split('class="paper"')[1]
        assert "ministry@example.org" in desk.get(page, {"country": "VU"}).content.decode()
        assert desk.get(page, {"country": "XX"}).status_code == 200

    def test_the_preview_says_when_nobody_gets_it(self, desk):
        page = url("letter", "preview", LetterFactory().pk)

        assert "no addressee for this country" in desk.get(page, {"country": "DE"}).content.decode()

    def test_the_preview_is_for_organisers(self, client, letter):
        assert client.get(url("letter", "preview", letter.pk)).status_code == 302

    def test_the_preview_asks_for_permission(self, client, letter):
        volunteer = OrganiserFactory(is_superuser=False)
        client.force_login(volunteer)
        page = url("letter", "preview", letter.pk)

        assert client.get(page, {"country": "DE"}).status_code == 403
        volunteer.user_permissions.add(Permission.objects.get(codename="view_letter"))
        assert client.get(page, {"country": "DE"}).status_code == 200

    def test_a_letter_without_words_has_no_preview(self, desk, letter):
        letter.translations.all().delete()

        assert desk.get(url("letter", "preview", letter.pk), {"country": "DE"}).status_code == 404

    def test_one_whose_signers_are_forgotten_stays_closed(self, desk, letter):
        long_ago = timezone.now() - timedelta(days=40)
        Letter.objects.update(closed_at=long_ago)
        SignatureFactory(text=LetterTextFactory(letter=letter), confirmed=True, email_tag=None)
        form = {"action": "reopen", "_selected_action": [letter.pk]}

        asked = desk.post(url("letter"), form)
        assert "This will change 0 rows." in asked.content.decode()
        desk.post(url("letter"), {**form, "confirm": asked.context["fingerprint"]})
        changes = {"addressees-TOTAL_FORMS": 0, "slug": letter.slug}
        page = desk.post(url("letter", "change", letter.pk), self.form(letter.strike, **changes))
        assert "could sign it a second time" in page.content.decode()
        assert letter not in Letter.objects.open()

    def test_one_whose_signers_are_known_or_withdrew_opens_again(self, desk, letter):
        Letter.objects.update(closed_at=timezone.now() - timedelta(days=40))
        text = LetterTextFactory(letter=letter)
        SignatureFactory(text=text, confirmed=True)
        SignatureFactory(text=text, confirmed=True, email_tag=None, withdrawn_at=timezone.now())

        assert list(Letter.objects.reopenable()) == [letter]

    def test_a_closing_date_to_come_is_open(self, desk):
        LetterFactory(title="Open one", closed_at=timezone.now() + timedelta(days=1))

        assert ">Open one<" in desk.get(url("letter"), {"state": "open"}).content.decode()
        assert ">Open one<" not in desk.get(url("letter"), {"state": "closed"}).content.decode()

    def test_a_draft_is_viewed_on_the_site_as_a_preview(self, desk):
        draft = LetterFactory(published_at=None)

        assert f"{draft.get_absolute_url()}?preview=1" in desk.get(url("letter", "change", draft.pk)).content.decode()

    @pytest.mark.parametrize(("state", "shown"), [("open", "Open one"), ("closed", "Shut one"), ("draft", "Draft one")])
    def test_letters_are_filtered_by_state(self, desk, state, shown):
        titles = {"Open one", "Shut one", "Draft one"}
        LetterFactory(title="Open one")
        LetterFactory(title="Shut one", closed_at=timezone.now())
        LetterFactory(title="Draft one", published_at=None)

        page = desk.get(url("letter"), {"state": state}).content.decode()

        assert {title for title in titles if f">{title}<" in page} == {shown}

    def test_many_are_published_at_once_but_none_that_would_reach_nobody(self, desk, letter):
        Letter.objects.update(published_at=None)
        lost = LetterFactory(published_at=None)
        form = {"action": "publish", "_selected_action": [letter.pk, lost.pk]}

        asked = desk.post(url("letter"), form)
        desk.post(url("letter"), {**form, "confirm": asked.context["fingerprint"]})

        assert list(Letter.objects.published()) == [letter]

    @pytest.mark.parametrize("model", ["letter", "picket"])
    def test_it_goes_back_to_draft_and_out_again(self, desk, one_of_each, model):
        row = one_of_each[model]
        for action, is_out in (("withdraw", False), ("publish", True)):
            form = {"action": action, "_selected_action": [row.pk]}
            asked = desk.post(url(model), form)
            desk.post(url(model), {**form, "confirm": asked.context["fingerprint"]})
            row.refresh_from_db()
            assert (row.published_at is not None) is is_out

    def test_closing_says_how_many_and_touches_those_only(self, desk, letter):
        shut = LetterFactory(closed_at=timezone.now())
        other = LetterFactory()
        form = {"action": "close", "_selected_action": [letter.pk, shut.pk]}

        asked = desk.post(url("letter"), form)

        assert "This will change 1 row." in asked.content.decode()
        assert letter in Letter.objects.open()
        desk.post(url("letter"), {**form, "confirm": asked.context["fingerprint"]})
        assert list(Letter.objects.open()) == [other]
        asked = desk.post(url("letter"), {**form, "action": "reopen"})
        assert letter not in Letter.objects.open()
        Letter.objects.filter(pk=letter.pk).update(result="lost")
        desk.post(url("letter"), {**form, "action": "reopen", "confirm": asked.context["fingerprint"]})
        assert set(Letter.objects.open()) == {letter, shut, other}
        assert not Letter.objects.exclude(result="").exists()


class TestSignatures:
    def test_one_is_found_by_its_number_or_by_the_whole_address(self, desk, one_of_each):
        SignatureFactory(name="Somebody Else")
        pk = one_of_each["signature"].pk

        for query in (f"#{pk}", str(pk), " NORA@example.org "):
            page = desk.get(url("signature"), {"q": query}).content.decode()
            assert "Nora Berg" in page, query
            assert "Somebody Else" not in page
        for query in ("nora", "Berg", "@example.org", "9" * 40, "²"):
            assert "Nora Berg" not in desk.get(url("signature"), {"q": query}).content.decode()

    @pytest.mark.parametrize("state", ["unconfirmed", "counted", "withdrawn"])
    def test_they_are_filtered_by_state_and_country(self, desk, letter, state):
        text = LetterTextFactory(letter=letter)
        SignatureFactory(text=text, name="Name unconfirmed", country="FR")
        SignatureFactory(text=text, name="Name counted", country="FR", confirmed=True)
        SignatureFactory(text=text, name="Name withdrawn", country="FR", confirmed=True, withdrawn_at=timezone.now())

        page = desk.get(url("signature"), {"state": state, "country": "FR"}).content.decode()

        assert page.count("Name ") == 1
        assert f"Name {state}" in page
        assert "Name " not in desk.get(url("signature"), {"country": "DE"}).content.decode()

    def test_nobody_edits_a_signature(self, desk, one_of_each):
        signature = one_of_each["signature"]

        desk.post(url("signature", "change", signature.pk), {"name": "Mallory"})

        assert Signature.objects.get(pk=signature.pk).name == "Nora Berg"

    def test_deleting_says_what_goes_with_it(self, desk, one_of_each):
        signature = one_of_each["signature"]
        form = {"action": "delete_selected", "_selected_action": [signature.pk]}

        text = desk.post(url("signature"), form).content.decode()

        assert "Letters on their way: 1" in text
        assert "Mails to signers: 1" in text
        desk.post(url("signature"), {**form, "post": "yes"})
        assert not Signature.objects.filter(pk=signature.pk).exists()
        assert not Delivery.objects.exists()

    def test_one_names_its_country_and_the_words_that_were_signed(self, desk, letter):
        text = LetterTextFactory(letter=letter, subject="A request from {country}")
        page = desk.get(url("signature", "change", SignatureFactory(text=text, country="NZ").pk)).text

        assert "New Zealand" in page
        assert f'<a href="{url("lettertext", "change", text.pk)}">A request from New Zealand' in page

    def test_those_without_permission_see_no_names(self, client, one_of_each):
        client.force_login(OrganiserFactory(is_superuser=False))

        assert client.get(url("signature")).status_code == 403

    def test_a_signature_shows_where_its_letters_stand(self, desk, one_of_each):
        signature = one_of_each["signature"]
        page = desk.get(url("signature", "change", signature.pk)).content.decode()

        link = f"{url('delivery')}?signature__id__exact={signature.pk}"
        assert link in page
        assert str(State.QUEUED.label) in page
        assert desk.get(link).status_code == 200


class TestQueues:
    def test_the_list_shows_the_state_first_and_the_answer_in_short(self, desk, letter):
        signature = SignatureFactory(text=LetterTextFactory(letter=letter))
        DeliveryFactory(signature=signature, state=State.BOUNCED, reply_code=550, reply="No such user. " + "x" * 200)

        page = desk.get(url("delivery")).text

        assert page.index("column-state") < page.index("column-target") < page.index("column-answer")
        assert "550 No such user." in page
        assert "x" * 100 not in page

    def test_withdrawing_letters_touches_the_waiting_ones_only(self, desk, letter):
        signature = SignatureFactory(text=LetterTextFactory(letter=letter))
        signing.confirm(signature)
        Delivery.objects.filter(target__name="Bank").update(state=State.ACCEPTED)
        form = {"action": "withdraw", "_selected_action": list(Delivery.objects.values_list("pk", flat=True))}

        asked = desk.post(url("delivery"), form)
        assert "This will change 1 row." in asked.content.decode()
        desk.post(url("delivery"), {**form, "confirm": asked.context["fingerprint"]})

        assert set(Delivery.objects.values_list("target__name", "state")) == {
            ("Bank", "accepted"),
            ("Embassy in Berlin", "cancelled"),
        }

    def test_the_question_names_the_letters(self, desk, letter, django_assert_num_queries):
        text = LetterTextFactory(letter=letter)
        first = DeliveryFactory(signature=SignatureFactory(text=text, name="Nora Berg"))
        form = {"action": "withdraw", "_selected_action": [first.pk]}

        with CaptureQueriesContext(connection) as few:
            page = unescape(desk.post(url("delivery"), form).content.decode())
        assert f"{first.target}: {letter}, " in page
        assert "waiting to be sent" in page
        assert "Nora" not in page
        more = [DeliveryFactory(signature=SignatureFactory(text=text)).pk for _ in range(3)]
        with django_assert_num_queries(len(few)):
            desk.post(url("delivery"), {**form, "_selected_action": [first.pk, *more]})

    def test_the_question_names_the_signers_letter(self, desk, one_of_each):
        mail = one_of_each["confirmationmail"]
        form = {"action": "withdraw", "_selected_action": [mail.pk]}

        page = unescape(desk.post(url("confirmationmail"), form).content.decode())

        assert f"#{mail.signature.pk} (DE, " in page
        assert str(one_of_each["letter"]) in page
        assert mail.message_id not in page

    def test_the_secret_of_a_link_is_not_shown(self, desk, one_of_each):
        mail = one_of_each["confirmationmail"]

        page = desk.get(url("confirmationmail", "change", mail.pk)).content.decode()

        assert mail.token not in page
        assert mail.token_hash not in page


def test_a_target_is_saved_with_its_countries(desk):
    form = {
        "name": "Embassy in Oslo",
        "slug": "oslo",
        "salutation": "Dear Ambassador",
        "email": "oslo@example.org",
        "daily_cap": "300",
        "spacing_seconds": "0",
        "time_zone": "Europe/Oslo",
        "countries-TOTAL_FORMS": 2,
        "countries-INITIAL_FORMS": 0,
        "countries-0-country": "NO",
        "countries-0-kind": "seat",
        "countries-1-country": "IS",
        "countries-1-kind": "accredited",
    }

    response = desk.post(url("target", "add"), form)

    assert response.status_code == 302
    assert "Iceland, Norway" in desk.get(url("target")).content.decode()
    assert desk.post(url("target", "add"), {**form, "slug": "two", "countries-0-country": "XX"}).status_code == 200


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["letter", "strike__id__exact", "target__id__exact", "signature__id__exact"])
def test_a_number_that_no_row_has_breaks_no_list(desk, one_of_each, model, name):
    assert desk.get(url(model), {name: "9" * 23}).status_code in {200, 302, 400}


@pytest.mark.parametrize("model", ["letter", "target", "picket"])
def test_an_unknown_language_is_not_edited(desk, one_of_each, model):
    assert desk.get(url(model, "change", one_of_each[model].pk), {"language": "zz"}).status_code == 200
    assert desk.get(url(model, "add"), {"published_at": "x", "strike": "x", "closed_at": "x"}).status_code == 200


def letter_form(*targets, rule, **fields):
    rows = {f"addressees-{place}-target": target.pk for place, target in enumerate(targets)}
    rules = {f"addressees-{place}-rule": rule for place, _target in enumerate(targets)}
    counts = {"addressees-TOTAL_FORMS": len(targets), "addressees-INITIAL_FORMS": 0}
    text = {"title": "Free them", "slug": "free", "subject": "Free them", "body": "{target}, free them. {name}"}
    return {**text, "strike": StrikeFactory().pk, **counts, **rows, **rules, **fields}


def test_a_letter_is_saved_and_published_by_one_button(desk):
    form = letter_form(TargetFactory(), rule="everybody")
    page = desk.post(url("letter", "add"), {**form, "_publish": "1"}, follow=True).content.decode()
    assert "It is published." in page
    assert Letter.objects.open().get().slug == "free"


def test_the_button_keeps_what_was_typed_where_nobodys_letter_would_arrive(desk):
    form = letter_form(TargetFactory(), rule="own_country")
    page = desk.post(url("letter", "add"), {**form, "_publish": "1"}).content.decode()
    assert "it needs an addressee for everybody" in page
    assert "{target}, free them. {name}" in page
    assert not Letter.objects.exists()


def test_who_may_only_change_words_publishes_nothing_by_the_button(client, letter):
    Letter.objects.update(published_at=None)
    translator = OrganiserFactory(is_superuser=False)
    translator.user_permissions.set(Permission.objects.filter(codename__in=["view_letter", "change_letter"]))
    client.force_login(translator)
    page = url("letter", "change", letter.pk)
    assert "_publish" not in client.get(page).content.decode()
    text = {"title": "Anew", "subject": "Anew", "body": "{target} {name}", "_publish": "1"}
    assert client.post(page, text).status_code == 302
    assert Letter.objects.get().published_at is None


def test_a_letter_begins_with_the_targets_that_were_chosen(desk):
    with_countries, without = AddresseeFactory(countries=["DE"]).target, TargetFactory()
    chosen = {"action": "write_to", "_selected_action": [with_countries.pk, without.pk]}
    response = desk.post(url("target"), chosen)
    (formset,) = desk.get(response.url).context["inline_admin_formsets"]
    begun = {form.initial["target"]: form.initial["rule"] for form in formset.formset.forms}
    assert begun == {with_countries: "own_country", without: "everybody"}


@pytest.mark.parametrize("targets", ["", "x", "1,,²", "9" * 40, "-1", "99999999"])
def test_targets_in_an_address_that_are_none_break_no_form(desk, targets):
    assert desk.get(url("letter", "add"), {"targets": targets}).status_code == 200
