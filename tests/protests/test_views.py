import email
import email.policy
import html
import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from outbox.messages import compose
from outbox.models import State
from protests import signing
from protests.models import ConfirmationMail, Delivery, Letter, LetterText, Signature
from protests.tallying import tally
from tests.factories import (
    AddresseeFactory,
    LetterFactory,
    LetterTextFactory,
    OrganiserFactory,
    SignatureFactory,
    StrikeFactory,
)

pytestmark = pytest.mark.django_db
PAGE = "/letters/free-her/"
FORM = "application/x-www-form-urlencoded"


def text_of(response):
    return html.unescape(response.content.decode().replace("<br>", "\n"))


def parsed(delivery):
    return email.message_from_bytes(compose(delivery).as_bytes(), policy=email.policy.default)


def rows():
    """All that a request could change."""
    models = (Letter, LetterText, Signature, ConfirmationMail, Delivery)
    return [list(model.objects.order_by("pk").values()) for model in models]


def seen(response):
    return re.search(r'name="seen" value="(\w+)"', response.content.decode())[1]


@pytest.fixture
def signature(letter):
    return SignatureFactory(text=LetterTextFactory(letter=letter), name="Nora Berg", own_words="Free her, I say.")


class TestList:
    def test_it_shows_what_is_published_with_its_count(self, client, letter):
        LetterFactory(title="Draft", published_at=None)
        LetterFactory(title="Of an unpublished strike", strike=StrikeFactory(published_at=None))
        LetterFactory(title="Old one", closed_at=timezone.now())
        SignatureFactory(text=LetterTextFactory(letter=letter), confirmed=True)

        tally()
        text = text_of(client.get("/letters/"))

        assert "Free the union's lawyer" in text
        assert "1 signature" in text
        assert "closed" in text
        assert "Draft" not in text
        assert "unpublished" not in text

    def test_it_says_so_when_there_is_none(self, client):
        assert "no letter to sign" in text_of(client.get("/letters/"))

    def test_it_asks_as_much_for_one_letter_as_for_many(
        self, client, django_assert_num_queries, django_assert_max_num_queries
    ):
        LetterFactory()
        with django_assert_max_num_queries(5) as one:
            client.get("/letters/")
        for _ in range(4):
            SignatureFactory(confirmed=True)
        with django_assert_num_queries(len(one)):
            client.get("/letters/")


class TestReading:
    def test_the_page_shows_the_letter_and_who_gets_it(self, client, letter):
        response = client.get(PAGE)

        text = text_of(response)
        assert "I ask you to release her." in text
        assert "Choose your country to see who gets your letter" in text
        assert "Austria" in text  # in the table
        assert "Ministry" in text
        assert not response.cookies
        assert "Cookie" not in response.get("Vary", "")

    def test_a_country_in_the_address_says_who_gets_it_and_is_chosen_in_the_form(self, client, letter):
        text = text_of(client.get(PAGE, {"country": "vu"}))

        assert "From Vanuatu, your letter goes to:" in text
        assert text.count('<option value="VU" selected>') == 2

    @pytest.mark.parametrize("country", ["XX", "", "\x00", "' OR 1=1"])
    def test_a_country_that_is_none_is_as_good_as_no_country(self, client, letter, country):
        for page in (PAGE, PAGE + "recipients/"):
            assert "Choose your country" in text_of(client.get(page, {"country": country}))

    def test_the_script_gets_a_piece_of_the_page(self, client, letter):
        text = text_of(client.get(PAGE + "recipients/", {"country": "DE"}))

        assert "From Germany, your letter goes to:" in text
        assert "Embassy in Berlin" in text
        assert "<html" not in text
        assert 'data-recipients="/letters/free-her/recipients/"' in text_of(client.get(PAGE))

    def test_a_country_from_which_nobody_gets_it_is_said(self, client):
        letter = LetterFactory()
        AddresseeFactory(letter=letter, rule="own_country", countries=["AT"])

        text = text_of(client.get(letter.get_absolute_url(), {"country": "DE"}))

        assert "no addressee for Germany yet" in text
        assert "nobody yet" in text

    def test_names_are_shown_as_people_chose_and_at_most_ten(self, client, letter):
        text = LetterTextFactory(letter=letter)
        now = timezone.now()
        SignatureFactory(text=text, name="Ann Oldest", display="public", confirmed_at=now - timedelta(hours=1))
        for number in range(8):
            SignatureFactory(text=text, name=f"Person {number}", display="public", confirmed_at=now)
        SignatureFactory(text=text, name="Ida Nilsen", display="initials", confirmed=True)
        SignatureFactory(text=text, name="Zoe Newest", display="public", confirmed=True)
        SignatureFactory(text=text, name="Hidden One", display="anonymous", confirmed=True)
        SignatureFactory(text=text, name="Unconfirmed One", display="public")
        SignatureFactory(text=text, name="Gone One", display="public", confirmed=True, withdrawn_at=now)
        SignatureFactory(text=text, name="", display="public", confirmed=True)

        tally()
        page = text_of(client.get(PAGE))

        assert "13 signatures" in page
        assert "I. N." in page
        assert "Zoe Newest" in page
        for name in ("Ann Oldest", "Ida Nilsen", "Hidden", "Unconfirmed One", "Gone"):
            assert name not in page

    def test_a_closed_letter_says_what_came_of_it_and_an_open_one_does_not(self, client, letter):
        letter.outcome = "She was **released**."
        letter.save()
        assert "released" not in client.get(letter.get_absolute_url()).text
        Letter.objects.update(closed_at=timezone.now(), result="won")

        for path in (letter.get_absolute_url(), "/letters/"):
            text = client.get(path).text
            assert "She was <strong>released</strong>." in text
            assert ">Won</span>" in text

    def test_a_paused_letter_can_be_signed_and_says_that_letters_wait(self, client, letter):
        Letter.objects.update(paused_at=timezone.now())
        text = client.get(letter.get_absolute_url()).text
        assert "Letters wait at the moment" in text
        assert 'id="sign-form"' in text

    def test_a_closed_letter_says_so_and_has_no_form(self, client, letter):
        Letter.objects.update(closed_at=timezone.now())

        response = client.get(PAGE)

        assert response.status_code == 200
        assert "This letter was closed on" in text_of(response)
        assert "<form" not in text_of(response)

    def test_a_closing_date_to_come_closes_nothing_yet(self, client, letter, posted):
        Letter.objects.update(closed_at=timezone.now() + timedelta(days=1))

        text = text_of(client.get(PAGE))
        assert "sign-form" in text
        assert "was closed" not in text
        assert client.post(PAGE, posted).status_code == 200
        assert Signature.objects.exists()

    def test_its_variables_are_readable(self, client, letter):
        letter.subject, letter.body = "From {country}", "{target},\n\nI ask you.\n\n{name}"
        letter.save()

        text = text_of(client.get(PAGE))
        assert ">From [your country]<" in text
        assert "[your own words]\n\n[salutation],\n\nI ask you.\n\n[your name]" in text
        assert "are filled in when you sign" in text
        Letter.objects.update(closed_at=timezone.now())
        assert "are filled in when you sign" not in text_of(client.get(PAGE))

    @pytest.mark.parametrize("page", [PAGE, PAGE + "recipients/"])
    def test_a_letter_without_words_is_not_found(self, client, letter, page):
        letter.translations.all().delete()

        assert client.get(page).status_code == 404

    @pytest.mark.parametrize("page", [PAGE, PAGE + "recipients/"])
    def test_a_draft_asks_for_permission_and_stays_out_of_caches(self, client, letter, page):
        Letter.objects.update(published_at=None)
        volunteer = OrganiserFactory(is_superuser=False)
        client.force_login(volunteer)

        assert client.get(page, {"preview": "1"}).status_code == 404
        volunteer.user_permissions.add(Permission.objects.get(codename="view_letter"))
        response = client.get(page, {"preview": "1"})
        assert response.status_code == 200
        assert {"private", "no-store"} <= set(response["Cache-Control"].split(", "))

    @pytest.mark.parametrize("change", [{"published_at": None}, {"published_at": timezone.now() + timedelta(days=1)}])
    def test_a_draft_is_for_organisers_who_ask(self, client, letter, change):
        Letter.objects.update(**change)

        assert client.get(PAGE).status_code == 404
        assert client.get(PAGE, {"preview": "1"}).status_code == 404
        assert client.get(PAGE + "recipients/").status_code == 404
        client.force_login(OrganiserFactory())
        assert client.get(PAGE).status_code == 404
        response = client.get(PAGE, {"preview": "1"})
        assert "This is a draft" in text_of(response)
        assert "sign-form" not in text_of(response)

    def test_it_asks_as_much_of_the_database_for_more_addressees_and_names(
        self, client, letter, django_assert_num_queries, django_assert_max_num_queries
    ):
        text = LetterTextFactory(letter=letter)
        with django_assert_max_num_queries(12) as few:
            client.get(PAGE, {"country": "DE"})
        for _ in range(5):
            AddresseeFactory(letter=letter, rule="own_country", countries=["FR", "DE"])
            SignatureFactory(text=text, confirmed=True, display="public")
        with django_assert_num_queries(len(few)):
            client.get(PAGE, {"country": "DE"})

    def test_the_page_is_there_in_every_language(self, client, letter):
        response = client.get("/de/letters/free-her/")

        assert response.status_code == 200
        assert "Deutschland" in text_of(response)


class TestPosting:
    def test_signing_sends_to_the_mailbox(self, client, letter, posted):
        response = client.post(PAGE, posted)

        assert response.status_code == 200
        assert "Look in your mailbox" in text_of(response)
        assert "nora@example.org" in text_of(response)
        assert "at most 3 mails a day" in text_of(response)
        assert not response.cookies
        signature = Signature.objects.get()
        assert (signature.name, signature.locale, signature.display) == ("Nora Berg", "en", "initials")

    def test_the_answer_is_the_same_to_the_byte_whoever_signs(self, client, letter, posted):
        new = client.post(PAGE, posted)
        known = client.post(PAGE, posted)
        signing.confirm(Signature.objects.get())
        confirmed = client.post(PAGE, posted)
        with time_machine.travel(timezone.now() + timedelta(minutes=11), tick=False):
            mailed_again = client.post(PAGE, posted)
        with time_machine.travel(timezone.now() + timedelta(minutes=22), tick=False):
            client.post(PAGE, posted)
        with time_machine.travel(timezone.now() + timedelta(minutes=33), tick=False):
            limited = client.post(PAGE, posted)
        signing.withdraw(Signature.objects.get())
        withdrawn = client.post(PAGE, posted)

        assert ConfirmationMail.objects.count() == 3
        for answer in (known, confirmed, mailed_again, limited, withdrawn):
            assert answer.content == new.content
            assert answer.status_code == new.status_code
            assert dict(answer.headers) == dict(new.headers)

    def test_the_language_of_the_page_is_that_of_the_mail_and_the_letter(self, client, letter, posted):
        letter.create_translation("de", title="Freiheit", subject="Freiheit", body="{target} bitte")

        client.post("/de" + PAGE, posted)

        signature = Signature.objects.select_related("text").get()
        assert (signature.locale, signature.text.language, signature.text.body) == ("de", "de", "{target} bitte")

    def test_a_mistake_keeps_all_that_was_typed_and_says_what_is_wrong(self, client, letter, posted):
        response = client.post(PAGE, {**posted, "email": "nora@localhost", "consent_letter": ""})

        text = text_of(response)
        assert response.status_code == 400
        assert "It should look like name@example.org" in text
        assert "Without this consent" in text
        assert 'role="alert"' in text
        for typed in ("Nora Berg", "nora@localhost", "I am an oil worker, too.", "Oil Workers' Branch 7"):
            assert typed in text
        assert '<option value="DE" selected>' in text
        assert not Signature.objects.exists()

    def test_every_description_that_a_field_points_to_is_there(self, client, letter):
        page = client.post(
            PAGE, {"name": "\x00", "email": "x", "display": "loud", "own_words": "\x08"}
        ).content.decode()

        pointed = {name for ids in re.findall(r'aria-describedby="([^"]+)"', page) for name in ids.split()}
        ids = re.findall(r'\bid="([^"]+)"', page)
        assert pointed
        assert pointed <= set(ids)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)

    def test_a_preview_shows_the_letters_exactly_and_keeps_what_was_typed(self, client, letter, posted):
        response = client.post(PAGE, {**posted, "preview": "1"})

        text = text_of(response)
        assert response.status_code == 200
        assert not Signature.objects.exists()
        assert 'id="preview"' in text
        assert "[salutation]" not in text
        assert "#preview" in text
        assert 'form="sign-form"' in text
        assert "checked" in text
        client.post(PAGE, posted)
        signing.confirm(Signature.objects.get())
        deliveries = list(Delivery.for_composing())
        assert len(deliveries) == 2
        for delivery in deliveries:
            message = parsed(delivery)
            letter_body = message.get_content().replace("\r\n", "\n")
            assert letter_body in text
            assert delivery.target.email in text
            assert message["Subject"] in text

    def test_a_preview_needs_no_address_and_no_consent_yet(self, client, letter, posted):
        response = client.post(PAGE, {"name": "Nora Berg", "country": "VU", "preview": ""})

        assert response.status_code == 200
        assert "Your letter, exactly as it goes" in text_of(response)
        assert "Ministry" in text_of(response)
        assert "is-invalid" not in text_of(response)

    def test_html_in_what_was_typed_stays_text(self, client, letter, posted):
        response = client.post(PAGE, {**posted, "own_words": "<script>alert(1)</script>", "preview": "1"})

        assert b"<script>alert" not in response.content
        assert b"&lt;script&gt;alert" in response.content

    def test_a_closed_letter_takes_no_signature(self, client, letter, posted):
        Letter.objects.update(closed_at=timezone.now())

        response = client.post(PAGE, posted)

        assert response.status_code == 400
        assert "This letter was closed on" in text_of(response)
        assert not Signature.objects.exists()

    def test_a_draft_takes_no_signature_even_from_an_organiser(self, client, letter, posted):
        Letter.objects.update(published_at=None)
        client.force_login(OrganiserFactory())

        assert client.post(PAGE, posted).status_code == 404
        assert client.post(PAGE + "?preview=1", posted).status_code == 400
        assert not Signature.objects.exists()

    def test_another_sites_form_is_refused(self, client, letter, posted):
        response = client.post(PAGE, posted, headers={"Sec-Fetch-Site": "cross-site"})

        assert response.status_code == 403
        assert not Signature.objects.exists()

    def test_an_origin_that_is_none_is_another_site(self, client, letter, posted):
        assert client.post(PAGE, posted, headers={"origin": "http://["}).status_code == 403

    def test_a_field_in_an_unknown_character_set_is_refused(self, client, letter):
        body = "--b\r\nContent-Disposition: form-data; name*=bogus''x\r\n\r\ny\r\n--b--\r\n"

        assert client.post(PAGE, body, content_type="multipart/form-data; boundary=b").status_code == 400

    def test_too_much_is_refused(self, client, letter, posted):
        assert client.post(PAGE, {**posted, "own_words": "a" * 2_000_000}).status_code == 400

    @pytest.mark.parametrize("bad", ["\x00", "\x0b", "\x1c", "\ud800", "\u202e", "\U0001f600" * 3000])
    def test_no_character_in_no_field_breaks_the_page(self, client, letter, posted, bad):
        for field in [*posted, "updates"]:
            typed = {**posted, field: posted.get(field, "") + bad}
            data = "&".join(f"{key}={_quoted(value)}" for key, value in typed.items())
            response = client.post(PAGE, data, content_type="application/x-www-form-urlencoded")
            assert response.status_code in {200, 400}, field

    def test_ten_thousand_letters_are_kept_and_counted_for_who_typed_them(self, client, letter, posted):
        response = client.post(PAGE, {**posted, "name": "n" * 10_000})

        assert response.status_code == 400
        assert "at most 100 characters (it has 10000)" in text_of(response)
        assert f'value="{"n" * 10_000}"' in text_of(response)

    def test_of_a_field_sent_twice_the_last_counts(self, client, letter, posted):
        data = urlencode([*posted.items(), ("name", "Ida Nilsen")])

        assert client.post(PAGE, data, content_type=FORM).status_code == 200
        assert Signature.objects.get().name == "Ida Nilsen"

    def test_more_fields_than_any_form_has_are_refused_on_a_plain_page(self, client, letter, posted):
        response = client.post(PAGE, urlencode([*posted.items(), *[("x", "1")] * 2000]), content_type=FORM)

        assert response.status_code == 400
        assert "We could not understand this request" in text_of(response)
        assert not Signature.objects.exists()

    @pytest.mark.parametrize("kind", ["application/json", "text/plain", "", "application/octet-stream"])
    def test_what_is_no_form_is_refused_on_a_plain_page(self, client, letter, kind):
        response = client.post(PAGE, b'{"name": "Nora"}', content_type=kind)

        assert response.status_code == 415
        assert "We could not understand this request" in text_of(response)

    @pytest.mark.parametrize(
        "body",
        [
            b"name=%ff%fe&email=%zz%&own_words=%c3%28&country=%u0044E",
            b"name=\xff\xfe&\xff=\xff",
            b"&&&===&;",
            b"name=No%00ra&email=a%0d%0aBcc:%20v@example.org",
        ],
    )
    def test_broken_bytes_get_an_answer_with_words(self, client, letter, body):
        response = client.post(PAGE, body, content_type=FORM)

        assert response.status_code == 400
        assert "Please look at this again" in text_of(response)

    def test_bytes_lost_on_their_way_are_not_put_in_a_letter(self, client, letter, posted):
        response = client.post(PAGE, urlencode({**posted, "name": b"No\xffra"}), content_type=FORM)

        assert response.status_code == 400
        assert "U+FFFD" in text_of(response)
        assert 'value="No\ufffdra"' in text_of(response)

    def test_a_file_with_a_path_for_a_name_goes_nowhere(self, client, letter, posted):
        upload = SimpleUploadedFile("../../../etc/passwd", b"x")

        assert client.post(PAGE, {**posted, "own_words": upload}).status_code == 200
        assert Signature.objects.get().own_words == ""

    @pytest.mark.parametrize(
        "path", ["/letters/%00/", "/letters/%ff%fe/", "/letters/..%2f..%2fetc/", "/%c3%28/", "/%zz"]
    )
    def test_a_path_of_broken_bytes_is_not_found(self, client, letter, path):
        assert client.get(path).status_code == 404

    @pytest.mark.parametrize(
        "name", ["=1+1", "+1 Nora", "-Nora", "@Nora", '"x" <v@v.org>, Nora', "Nora\r\nBcc: v@example.org"]
    )
    def test_a_name_is_text_whatever_it_looks_like_elsewhere(self, client, letter, posted, name):
        client.post(PAGE, {**posted, "name": name})
        signature = Signature.objects.get()
        signing.confirm(signature)

        assert signature.name == " ".join(name.split())
        for delivery in Delivery.for_composing():
            message = parsed(delivery)
            assert (message["Bcc"], len(message.get_all("To")), len(message.get_all("From"))) == (None, 1, 1)
            assert signature.name in message.get_content()

    @pytest.mark.parametrize("method", ["put", "delete", "patch"])
    def test_other_methods_are_refused(self, client, letter, method):
        assert getattr(client, method)(PAGE).status_code == 405


def _quoted(value):
    return "".join(f"%{byte:02x}" for byte in value.encode("utf-8", "surrogatepass"))


class TestConfirming:
    def test_reading_changes_nothing_and_the_button_counts(self, client, signature, link):
        page = reverse("protests:confirm", args=[link(signature)])
        before = rows()
        for _ in range(100):
            response = client.get(page)
            client.head(page)
            client.get(page, headers={"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch", "X-Moz": "prefetch"})
            client.options(page)
        client.get(page, {"action": "delete", "seen": seen(response)})
        assert rows() == before

        answer = client.post(page, {"seen": seen(response)})

        assert answer.status_code == 303
        assert answer.url == page.replace("confirm", "receipt")
        assert Signature.objects.counted().count() == 1
        assert Delivery.objects.count() == 2

    def test_the_page_shows_the_letters_exactly_as_they_go(self, client, signature, link):
        text = text_of(client.get(reverse("protests:confirm", args=[link(signature)])))

        for sheet in signing.unsent(signature):
            assert sheet.body in text
            assert sheet.subject in text
            assert sheet.target.email in text
        assert signature.email not in text

    def test_twice_leads_to_the_receipt_both_times(self, client, signature, link):
        page = reverse("protests:confirm", args=[link(signature)])
        form = {"seen": seen(client.get(page))}

        assert client.post(page, form).status_code == client.post(page, form).status_code == 303
        assert Delivery.objects.count() == 2
        assert "You have confirmed already" in text_of(client.get(page))

    @pytest.mark.parametrize("seen", ["", "0" * 64])
    def test_what_was_not_shown_is_not_confirmed(self, client, signature, link, seen):
        response = client.post(reverse("protests:confirm", args=[link(signature)]), {"seen": seen})

        assert response.status_code == 400
        assert "The letter changed since you opened this page" in text_of(response)
        assert not Delivery.objects.exists()

    def test_a_later_post_by_somebody_else_is_shown_before_it_is_confirmed(self, client, letter, posted, link):
        client.post(PAGE, posted)
        page = reverse("protests:confirm", args=[link(Signature.objects.get())])
        old = seen(client.get(page))
        client.post(PAGE, {**posted, "own_words": "Words of a stranger"})

        response = client.post(page, {"seen": old})

        assert response.status_code == 400
        assert "Words of a stranger" in text_of(response)
        assert client.post(page, {"seen": seen(response)}).status_code == 303

    def test_it_was_not_me(self, client, signature, link):
        page = reverse("protests:confirm", args=[link(signature)])

        response = client.post(page, {"action": "delete"})

        assert "No letter was sent" in text_of(response)
        assert not Signature.objects.exists()
        assert client.get(page).status_code == 404

    def test_a_confirmed_signature_is_not_deleted_by_an_old_page(self, client, signature, link):
        page = reverse("protests:confirm", args=[link(signature)])
        signing.confirm(signature)

        assert client.post(page, {"action": "delete"}).status_code == 303
        assert Signature.objects.counted().exists()

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_an_unknown_link_says_what_to_do(self, client, method):
        for page in ("/confirm/unknown/", "/receipt/unknown/", "/confirm/%00%ff/"):
            response = getattr(client, method)(page)

            assert response.status_code == 404
            assert "You can simply sign again" in text_of(response)

    def test_a_link_has_its_time(self, client, signature, link):
        token = link(signature)
        signing.confirm(signature)
        with time_machine.travel(timezone.now() + timedelta(days=179), tick=False):
            assert client.get(f"/receipt/{token}/").status_code == 200
        with time_machine.travel(timezone.now() + timedelta(days=181), tick=False):
            assert client.get(f"/receipt/{token}/").status_code == 404

    def test_after_seven_days_it_is_too_late(self, client, signature, link):
        page = reverse("protests:confirm", args=[link(signature)])
        form = {"seen": seen(client.get(page))}
        with time_machine.travel(timezone.now() + timedelta(days=7, hours=1), tick=False):
            assert "The time to confirm has passed" in text_of(client.get(page))
            assert client.post(page, form).status_code == 400
        assert not Delivery.objects.exists()

    def test_a_letter_closed_meanwhile_cannot_be_signed(self, client, signature, link):
        page = reverse("protests:confirm", args=[link(signature)])
        form = {"seen": seen(client.get(page))}
        Letter.objects.update(closed_at=timezone.now())

        assert "cannot be signed any more" in text_of(client.get(page))
        assert client.post(page, form).status_code == 400
        assert not Delivery.objects.exists()

    def test_another_sites_form_is_refused(self, client, signature, link):
        page = reverse("protests:confirm", args=[link(signature)])

        response = client.post(page, {"seen": seen(client.get(page))}, headers={"Origin": "https://evil.example.org"})

        assert response.status_code == 403
        assert not Delivery.objects.exists()


class TestReceipt:
    @pytest.fixture
    def path(self, signature, link):
        signing.confirm(signature)
        return reverse("protests:receipt", args=[link(signature)])

    @pytest.mark.parametrize(
        ("state", "words"),
        [
            (State.QUEUED, "It has not left yet"),
            (State.DEFERRED, "we try again."),
            (State.ACCEPTED, "The addressee's server took it"),
            (State.BOUNCED, "refused it"),
            (State.FAILED, "We could not send it"),
            (State.IN_DOUBT, "it may have arrived, or not"),
            (State.CANCELLED, "withdrawn before it was sent"),
        ],
    )
    def test_it_says_honestly_where_a_letter_stands(self, client, path, settings, state, words):
        settings.MAIL_LIVE = True
        Delivery.objects.update(state=state, reply_code=250, reply="queued as <4711>")

        text = text_of(client.get(path))

        assert words in text
        assert "250 queued as <4711>" in text
        assert f"status-{state}" in text
        assert Delivery.objects.first().message_id in text
        assert "delivered" not in text.lower()

    def test_on_trial_no_letter_is_said_to_be_with_the_addressees_server(self, client, path):
        Delivery.objects.update(state=State.ACCEPTED)

        text = text_of(client.get(path))

        assert "taken by the trial's own mail server" in text
        assert "nobody outside gets it" in text
        assert "addressee's server" not in text

    def test_a_letter_in_a_workers_hands_is_said_to_be_so(self, client, path):
        Delivery.objects.update(state=State.SENDING, lease="w", leased_until=timezone.now())

        assert "handed over right now" in text_of(client.get(path))

    def test_it_stays_out_of_caches_and_search_engines(self, client, path):
        for secret in (path, path.replace("receipt", "confirm"), "/receipt/unknown/"):
            response = client.get(secret)

            assert response["Cache-Control"] == "private, no-store"
            assert response["Referrer-Policy"] == "no-referrer"
            assert response["X-Robots-Tag"] == "noindex"
            assert 'name="robots" content="noindex"' in text_of(response)
            assert not response.cookies

    def test_reading_changes_nothing(self, client, path):
        before = rows()
        for _ in range(100):
            client.get(path, {"action": "withdraw", "sure": "1"}, headers={"Sec-Purpose": "prefetch"})
            client.head(path)

        assert rows() == before

    def test_withdrawing_takes_two_presses(self, client, path):
        asked = client.post(path, {"action": "withdraw"})

        assert "2 letters that have not left will not be sent" in text_of(asked)
        assert "will no longer be counted or shown" in text_of(asked)
        assert "cannot be called back" in text_of(asked)
        assert Signature.objects.counted().exists()

        done = client.post(path, {"action": "withdraw", "sure": "1"})

        assert (done.status_code, done.url) == (303, path)
        assert not Signature.objects.counted().exists()
        assert set(Delivery.objects.values_list("state", flat=True)) == {"cancelled"}
        text = text_of(client.get(path))
        assert "You took your signature back" in text
        assert "Sign again" in text
        assert 'name="action"' not in text

    def test_after_the_data_is_deleted_one_signs_on_the_letters_page(self, client, path, signature):
        signing.withdraw(signature)
        confirm = path.replace("receipt", "confirm")

        assert f'href="{PAGE}"' in text_of(client.get(path))
        assert confirm not in text_of(client.get(path))
        assert "what you had typed is deleted" in text_of(client.get(confirm))
        assert client.post(confirm).status_code == 400
        assert not Signature.objects.counted().exists()

    @pytest.mark.parametrize("state", [State.DEFERRED, State.CANCELLED])
    def test_no_sentence_ends_in_two_full_stops(self, client, path, signature, state):
        signing.withdraw(signature)
        Delivery.objects.update(state=state, next_attempt_at=timezone.now())

        assert "m.." not in text_of(client.get(path))

    def test_what_came_back_to_wait_can_still_be_withdrawn(self, client, path, signature):
        signing.withdraw(signature)
        Delivery.objects.update(state=State.DEFERRED)

        assert 'name="action"' in text_of(client.get(path))
        client.post(path, {"action": "withdraw", "sure": "1"})
        assert set(Delivery.objects.values_list("state", flat=True)) == {"cancelled"}

    def test_an_unconfirmed_signature_is_not_withdrawn_but_asked_about(self, client, signature, link):
        path = reverse("protests:receipt", args=[link(signature)])

        response = client.post(path, {"action": "withdraw", "sure": "1"})

        assert "You have not confirmed this signature yet" in text_of(response)
        signature.refresh_from_db()
        assert signature.withdrawn_at is None

    def test_one_who_signs_again_is_told_that_no_letter_goes_twice(self, client, path, signature):
        Delivery.objects.update(state=State.ACCEPTED)
        signing.withdraw(signature)
        confirm = path.replace("receipt", "confirm")

        response = client.get(confirm)
        assert "not sent a second time" in text_of(response)
        client.post(confirm, {"seen": seen(response)})

        assert Signature.objects.counted().exists()
        assert set(Delivery.objects.values_list("state", flat=True)) == {"accepted"}

    def test_a_receipt_outlives_the_name(self, client, path):
        Signature.objects.update(name="", own_words="", organisation="", email="", email_tag=None)

        assert client.get(path).status_code == 200

    def test_more_letters_ask_no_more_of_the_database(
        self, client, path, signature, django_assert_num_queries, django_assert_max_num_queries
    ):
        with django_assert_max_num_queries(12) as few:
            client.get(path)
        for _ in range(5):
            signature.deliveries.create(target=AddresseeFactory().target)
        with django_assert_num_queries(len(few)):
            client.get(path)


class TestVariants:
    @pytest.fixture
    def varied(self, letter):
        letter.translations.update(
            subject="[[Free|Release]] the [[lawyer|prisoner|unionist]]",
            body="{target},\n\n{own_words}\n\n" + "[[a|b|c]] " * 12 + "\n\n{name}",
        )
        return Letter.objects.get()

    def test_the_page_shows_one_wording_and_says_so(self, client, varied):
        text = text_of(client.get(PAGE, {"country": "DE"}))

        assert "[[" not in text
        assert "This is one of them." in text

    def test_the_letter_is_the_same_wherever_it_is_shown_and_sent(self, client, varied, posted, link):
        def shown(response):
            text = text_of(response)
            return sorted(
                zip(
                    re.findall(r"<dd>((?:Free|Release) the \w+)</dd>", text),
                    re.findall(r'<div class="paper"[^>]*>([^<]*[abc] [abc] [^<]*Nora[^<]*)', text),
                    strict=True,
                )
            )

        preview = shown(client.post(PAGE, {**posted, "own_words": "[[x|y]]", "preview": "1"}))
        client.post(PAGE, {**posted, "own_words": "[[x|y]]"})
        signature = Signature.objects.get()
        code = link(signature)
        confirm = shown(client.get(f"/confirm/{code}/"))
        signing.confirm(signature)
        receipt = shown(client.get(f"/receipt/{code}/"))
        sent = sorted(
            (message["Subject"], message.get_content().replace("\r\n", "\n"))
            for message in map(parsed, Delivery.for_composing())
        )

        assert len(preview) == 2
        assert preview[0][1].count("[[x|y]]") == 1  # what a supporter types stays as it is
        assert preview == confirm == receipt == sent

    def test_letters_of_several_people_differ(self, client, varied, posted):
        seen = {
            re.search(r"(?:[abc] ){12}", text_of(client.post(PAGE, {**posted, "name": name, "preview": "1"})))[0]
            for name in ("Nora Berg", "Ida Nilsen", "Ann Lee")
        }

        assert len(seen) == 3
