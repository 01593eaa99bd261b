import pytest
from django.utils import translation

from protests.forms import SigningForm
from protests.models import Letter
from tests.factories import AddresseeFactory, LetterFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def check(letter, posted):
    def check(**changes):
        form = SigningForm({**posted, **changes}, letter=letter)
        form.full_clean()
        return form

    return check


def test_what_is_usual_passes(check):
    form = check()

    assert form.is_valid(), form.errors
    assert form.cleaned_data["display"] == "initials"
    assert form.cleaned_data["updates"] is False


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Nora \t Berg\n", "Nora Berg"),
        ("Nora\x0bBerg", "Nora Berg"),
        ("Nora\u2028Berg", "Nora Berg"),
        ("Nora\u200b Berg\u200e", "Nora Berg"),
        ("Nora \u2067Berg\u2069", "Nora Berg"),  # without its isolates it reads as it is written
        ("O'Brien-Ó Súilleabháin, Jr.", "O'Brien-Ó Súilleabháin, Jr."),
        ("می\u200cنا", "می\u200cنا"),  # a joiner that Persian spells with
        ('"x" <v@v.org>,', '"x" <v@v.org>,'),
        ("Жансаула", "Жансаула"),
    ],
)
def test_a_name_is_kept_as_people_spell_it(check, typed, kept):
    assert check(name=typed).cleaned_data["name"] == kept


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "required"),
        ("\u200b\u200d", "no letter"),
        ("Nora\x00", "U+0000"),
        ("Nora\x1b[31m", "U+001B"),
        ("Nora \u202egreB", "U+202E"),
        ("n" * 101, "100"),
    ],
)
def test_a_name_that_deceives_or_cannot_be_sent_is_refused_with_a_reason(check, typed, message):
    assert message in str(check(name=typed).errors["name"])


def test_a_line_break_counts_as_one_character(check):
    words = "a\r\n" * 1000

    form = check(own_words=words)

    assert form.is_valid(), form.errors
    assert form.cleaned_data["own_words"] == ("a\n" * 1000).strip()


def test_own_words_keep_line_breaks_of_all_kinds(check):
    assert check(own_words="a\rb\x0bc\u2029d e").cleaned_data["own_words"] == "a\nb\nc\nd e"


@pytest.mark.parametrize(("typed", "message"), [("a\x00", "U+0000"), ("a\x08", "U+0008"), ("a" * 2001, "2000")])
def test_own_words_that_cannot_be_sent_are_refused_with_a_reason(check, typed, message):
    assert message in str(check(own_words=typed).errors["own_words"])


@pytest.mark.parametrize("typed", ["o" * 151, "Branch\x00"])
def test_an_organisation_is_one_line_of_fair_length(check, typed):
    assert "organisation" in check(organisation=typed).errors


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "nora",
        "a@localhost",
        "a@[127.0.0.1]",
        "a@example",
        "a@b@example.org",
        "Nora <a@example.org>",
        '"a b"@example.org',
        "a@example.org\r\nBcc: v@v.org",
        "a\x0b@example.org",
        "a@example.org,v@v.org",
        "é@example.org",
    ],
)
def test_what_is_not_one_address_that_can_be_mailed_is_refused(check, typed):
    assert "email" in check(email=typed).errors


def test_an_address_in_another_script_is_mailed_in_ascii(check):
    assert check(email=" Nora@Bücher.example.org ").cleaned_data["email"] == "Nora@xn--bcher-kva.example.org"


@pytest.mark.parametrize(("field", "most"), [("name", 100), ("email", 254), ("own_words", 2000), ("organisation", 150)])
@pytest.mark.parametrize("typed", ["n" * 10_000, "a" + "\u0301\u0316" * 500_000, "\u200b" * 1_000_000 + "n" * 3000])
def test_what_is_far_too_long_is_measured_and_not_cleaned(check, field, most, typed):
    (message,) = check(**{field: typed}).errors[field]

    assert f"at most {most} characters" in message


def test_two_people_with_one_mailbox_are_told_so_at_the_form(letter):
    assert "An address signs a letter once" in str(SigningForm(letter=letter)["email"].help_text)


@pytest.mark.parametrize("typed", ["", "XX", "Germany", "de"])
def test_a_country_is_one_of_the_list(check, typed):
    assert "country" in check(country=typed).errors


def test_a_country_without_addressee_is_refused(posted):
    letter = LetterFactory()
    AddresseeFactory(letter=letter, rule="own_country", countries=["AT"])

    form = SigningForm(posted, letter=letter)

    assert "no addressee" in str(form.errors["country"])


def test_without_consent_nobody_signs(check):
    assert "Without this consent" in str(check(consent_letter="").errors["consent_letter"])


def test_the_display_is_the_most_careful_one_unless_chosen(check):
    assert check(display="").cleaned_data["display"] == "anonymous"
    assert "display" in check(display="loudly").errors


def test_nothing_that_needs_a_yes_is_ticked_beforehand(letter):
    rendered = str(SigningForm(letter=letter))

    assert rendered.count("checked") == 1  # the radio button "not at all"
    assert 'value="anonymous"' in rendered.split("checked", maxsplit=1)[0].rsplit("<input", 1)[1]
    assert "selected" not in rendered.replace('<option value="" selected>', "")


def test_a_preview_needs_neither_address_nor_consent(letter, posted):
    form = SigningForm({**posted, "email": "", "consent_letter": ""}, letter=letter, preview=True)

    assert form.is_valid(), form.errors
    assert not SigningForm({**posted, "email": "nonsense"}, letter=letter, preview=True).is_valid()


def test_countries_are_named_in_the_readers_language():
    with translation.override("de"):
        assert "Kasachstan" in str(SigningForm(letter=Letter())["country"])
