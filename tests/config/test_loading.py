import os
import re
from datetime import UTC, date, datetime, time
from io import BytesIO
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from PIL import Image

from campaign import editions, picturing
from campaign.models import (
    Activist,
    Campaign,
    Charge,
    ChargeUpdate,
    Comment,
    Demand,
    Picture,
    Strike,
    TimelineEvent,
    Update,
)
from config.folder import CampaignFolderError
from config.loading import load
from donations.models import BankAccount, Fund, Transaction
from donations.posting import reverse
from privacy.registry import OURS
from protests.models import Addressee, Letter, LetterText, Picket, Signature, Target, TargetCountry
from tests.donations.test_filing import photo
from tests.donations.test_filing import picture as drawing
from tests.factories import (
    ActivistFactory,
    LetterFactory,
    LetterTextFactory,
    OrganiserFactory,
    PledgeFactory,
    SignatureFactory,
    StrikeFactory,
    TargetFactory,
    UpdateFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


OVENS = "https://ovens.example.org"
FILES = {
    "campaign.toml": """\
name = "Solidarity"
tagline = "With the bakers"
contact_email = "bakers@example.org"

[de]
name = "Solidarität"
""",
    "strikes/bakers/story.md": """\
+++
title = "The bakers' strike"
summary = "No bread today."
began_on = 2011-05-02
published_at = 2011-05-03
+++

They *stopped* the ovens.
""",
    "strikes/bakers/story.de.md": """\
+++
title = "Der Streik der Bäcker"
+++
""",
    "strikes/bakers/demands.toml": """\
[[demand]]
text = "Sleep at night"
[demand.de]
text = "Nachts schlafen"

[[demand]]
text = "More pay"
""",
    "strikes/bakers/timeline.toml": """\
[[event]]
happened_on = 2011-05-02
date_text = "May 2011"
title = "It begins"
""",
    "strikes/bakers/labour.toml": """\
amount = 900
currency = "EUR"
title = "A night's work"
[de]
title = "Die Arbeit einer Nacht"

[[share]]
kind = "wages"
amount = 300
label = "The bakers"
[share.de]
label = "Die Bäcker"

[[share]]
amount = 500
is_rounded = true
label = "The miller"
""",
    "strikes/bakers/companies.toml": f"""\
[[company]]
name = "Ovens Ltd"
url = "{OVENS}"
""",
    "strikes/bakers/sources.toml": """\
[[source]]
title = "No bread"
published_on = 2011-05-03
""",
    "strikes/bakers/claims.toml": """\
[[claim]]
claim = "Nobody strikes"
answer = "There is no bread."
""",
    "activists/rosa.md": """\
+++
name = "Rosa Example"
role = "baker"
strike = "bakers"
aliases = ["Roza Example", "Роза"]
published_at = 2011-05-03

[[charge]]
title = "Hiding the yeast"
maximum_months = 6
[charge.de]
title = "Verstecken der Hefe"

[[charge.step]]
happened_on = 2011-05-04
stage = "threatened"

[[charge.step]]
happened_on = 2011-06-04
stage = "charged"
text = "In court."
+++

She bakes.
""",
    "updates/first.md": """\
+++
title = "Day one"
strike = "bakers"
activists = ["rosa"]
published_at = 2011-05-03T10:00:00+02:00
+++

No bread.
""",
    "messages/millers.md": """\
+++
organisation = "The millers"
strike = "bakers"
country = "SE"
received_on = 2011-05-05
published_at = 2011-05-05
+++

We stand with you.
""",
    "documents/motion.md": """\
+++
title = "A motion"
strike = "bakers"
kind = "motion"
published_at = 2011-05-05
+++

We resolve.
""",
    "targets.toml": """\
[[target]]
slug = "embassy-de"
name = "Embassy in Germany"
salutation = "Dear Ambassador"
email = "embassy-de@example.org"
seat = ["DE"]
accredited = ["LU", "LI"]

[[target]]
slug = "ministry"
name = "Ministry"
salutation = "Dear Minister"
email = "ministry@example.org"
daily_cap = 40
spacing_seconds = 60
opens_at = 09:00:00
closes_at = 17:30:00
time_zone = "Asia/Almaty"
""",
    "pickets.toml": """\
[[picket]]
slug = "berlin"
strike = "bakers"
country = "DE"
place = "Berlin"
starts_at = 2011-05-10T17:00:00+02:00
published_at = 2011-05-05
""",
    "letters/ovens.md": """\
+++
title = "Let them sleep"
subject = "The bakers of {country}"
strike = "bakers"
own_country = ["embassy-de"]
fallback = ["ministry"]
published_at = 2011-05-05
+++

{target},

{own_words}

let them sleep.

{name}
""",
    "funds/bread.md": """\
+++
title = "Bread fund"
strike = "bakers"
currencies = "EUR SEK"
published_at = 2011-05-05

[account]
holder = "Bread Fund"
iban = "de02 1005 0000 0054 5404 02"
bic = "BELADEBE"

[[transaction]]
booked_on = 2011-05-06
amount = 12.50
currency = "EUR"
description = "A collection"

[[transaction]]
booked_on = 2011-05-06
amount = 12.50
currency = "EUR"
description = "A collection"
+++

For bread.
""",
}


class Folder:
    def __init__(self, path):
        self.path = path
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name, text):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())

    def edit(self, name, old, new):
        text = (self.path / name).read_bytes().decode()
        assert old in text
        self.write(name, text.replace(old, new, 1))

    def load(self):
        return load(self.path)

    def problems(self):
        """The problems that loading names; and nothing may have changed."""
        before = dump()
        pictures = sorted(Path(settings.MEDIA_ROOT).glob("*"))
        with pytest.raises(CampaignFolderError) as caught:
            self.load()
        assert dump() == before
        assert sorted(Path(settings.MEDIA_ROOT).glob("*")) == pictures
        return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "pack")


def dump():
    """Every row of every table of ours."""
    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.app_label in OURS]
    return {model._meta.label: list(model._base_manager.order_by("pk").values()) for model in models}


def test_everything_in_the_folder_is_in_the_database(folder):
    report = folder.load()
    assert report.total("created") == 33
    assert report.total("changed") == report.total("unchanged") == report.total("removed") == 0
    strike = Strike.objects.get(slug="bakers")
    assert (strike.title, strike.summary, strike.story) == ("The bakers' strike", "No bread today.", FILES_STORY)
    assert strike.began_on == date(2011, 5, 2)
    assert [demand.text for demand in strike.demands.all()] == ["Sleep at night", "More pay"]
    assert [event.date_text for event in strike.events.all()] == ["May 2011"]
    assert [claim.answer for claim in strike.claims.all()] == ["There is no bread."]
    shares = strike.labour.shares.all()
    assert [(share.kind, share.amount, share.is_rounded) for share in shares] == [
        ("wages", 300, False),
        ("other", 500, True),
    ]
    assert strike.companies.get().url == OVENS
    assert strike.sources.get().published_on == date(2011, 5, 3)
    rosa = Activist.objects.get(slug="rosa")
    assert {alias.name for alias in rosa.aliases.all()} == {"Roza Example", "Роза"}
    assert rosa.charges.get().newest.stage == "charged"
    update = Update.objects.get(slug="first")
    assert update.published_at == datetime(2011, 5, 3, 8, tzinfo=UTC)
    assert list(update.activists.all()) == [rosa]
    assert strike.messages.get().country == "SE"
    assert strike.documents.get().kind == "motion"
    assert Picket.objects.get(slug="berlin").place == "Berlin"
    letter = Letter.objects.get(slug="ovens")
    assert letter.body.startswith("{target},\n\n{own_words}")
    rules = {(row.target.slug, row.rule) for row in letter.addressees.all()}
    assert rules == {("embassy-de", "own_country"), ("ministry", "fallback")}
    countries = {(row.country, row.kind) for row in TargetCountry.objects.all()}
    assert countries == {("DE", "seat"), ("LU", "accredited"), ("LI", "accredited")}
    account = BankAccount.objects.get()
    assert (account.iban, account.payable, account.fund.slug) == ("DE02100500000054540402", False, "bread")
    assert [gift.amount_minor for gift in Transaction.objects.all()] == [1250, 1250]


FILES_STORY = "They *stopped* the ovens."


def test_the_page_of_a_loaded_letter_says_at_once_how_many_signed(folder):
    before = editions.current()
    folder.load()
    assert set(Letter.objects.values_list("tally__signed", flat=True)) == {0}
    edition = editions.current()
    assert edition != before
    assert folder.load().changed_nothing
    assert editions.current() == edition


def test_a_second_load_changes_nothing(folder):
    folder.load()
    before = dump()
    report = folder.load()
    assert report.changed_nothing
    assert report.total("unchanged") == 33
    assert dump() == before


def test_a_translation_takes_from_english_what_it_leaves_out(folder):
    folder.load()
    strike = Strike.objects.get()
    strike.set_current_language("de")
    assert (strike.title, strike.summary) == ("Der Streik der Bäcker", "No bread today.")
    campaign = Campaign.objects.get()
    campaign.set_current_language("de")
    assert (campaign.name, campaign.tagline) == ("Solidarität", "With the bakers")
    assert Demand.objects.get(position=1).safe_translation_getter("text", language_code="de") == "Nachts schlafen"
    assert Charge.objects.get().safe_translation_getter("title", language_code="de") == "Verstecken der Hefe"


def test_an_edited_file_changes_its_row_only(folder):
    folder.load()
    folder.edit("strikes/bakers/story.de.md", "Der Streik der Bäcker", "Bäckerstreik")
    report = folder.load()
    assert report.counts["strikes"]["changed"] == 1
    assert (report.total("changed"), report.total("created"), report.total("removed")) == (1, 0, 0)


def test_what_organisers_added_stays(folder):
    folder.load()
    activist, update = ActivistFactory(name="Another"), UpdateFactory(title="Written in the admin")
    target = TargetFactory(slug="consulate")
    strike = Strike.objects.get(slug="bakers")
    strike.create_translation("ru", title="Забастовка", summary="Хлеба нет.")
    assert folder.load().changed_nothing
    for thing in (activist, update, target):
        thing.refresh_from_db()
    assert strike.translations.filter(language_code="ru").exists()


def test_a_key_that_is_left_out_leaves_the_value_alone(folder):
    folder.load()
    Strike.objects.update(began_on=date(2011, 4, 30))
    folder.edit("strikes/bakers/story.md", "began_on = 2011-05-02\n", "")
    assert folder.load().changed_nothing
    assert Strike.objects.get().began_on == date(2011, 4, 30)


def test_a_target_has_its_pace_and_an_empty_text_lifts_the_cap(folder):
    folder.load()
    ministry = Target.objects.get(slug="ministry")
    assert (ministry.daily_cap, ministry.spacing_seconds, ministry.time_zone) == (40, 60, "Asia/Almaty")
    assert (ministry.opens_at, ministry.closes_at) == (time(9), time(17, 30))
    assert Target.objects.get(slug="embassy-de").daily_cap == 300

    folder.edit("targets.toml", "daily_cap = 40", 'daily_cap = ""')
    folder.load()

    ministry.refresh_from_db()
    assert ministry.daily_cap is None


def test_an_empty_text_empties_a_date(folder):
    folder.load()
    folder.edit("letters/ovens.md", "published_at = 2011-05-05", 'published_at = ""')
    folder.load()
    assert Letter.objects.get().published_at is None


def test_rows_that_a_list_has_no_more_are_removed(folder):
    folder.load()
    folder.edit("strikes/bakers/demands.toml", '\n[[demand]]\ntext = "More pay"\n', "")
    folder.edit("activists/rosa.md", '"Roza Example", ', "")
    folder.edit("targets.toml", '["LU", "LI"]', '["LI"]')
    folder.edit("letters/ovens.md", 'fallback = ["ministry"]', 'everybody = ["ministry"]')
    report = folder.load()
    assert {kind: counter["removed"] for kind, counter in report.counts.items() if counter["removed"]} == {
        "demands": 1,
        "other spellings": 1,
        "countries": 1,
    }
    assert Demand.objects.count() == 1
    assert Addressee.objects.get(target__slug="ministry").rule == "everybody"
    assert folder.load().changed_nothing


def test_a_removed_charge_takes_its_history_along_and_says_so(folder):
    folder.load()
    start = FILES["activists/rosa.md"].index("[[charge]]")
    end = FILES["activists/rosa.md"].index("+++\n\nShe")
    folder.write("activists/rosa.md", FILES["activists/rosa.md"][:start] + FILES["activists/rosa.md"][end:])
    assert folder.load().changed_nothing  # a list that is not mentioned is left alone
    folder.edit("activists/rosa.md", 'role = "baker"\n', 'role = "baker"\ncharge = []\n')
    report = folder.load()
    assert (report.counts["charges"]["removed"], report.counts["history"]["removed"]) == (1, 2)
    assert not ChargeUpdate.objects.exists()


CUSTODY = """
[[custody]]
began_on = 2011-06-08
date_text = "early June 2011"
[custody.de]
date_text = "Anfang Juni 2011"

[[custody]]
began_on = 2011-05-04
ended_on = 2011-05-10
exact = false
place = "Aktau"
"""


def test_times_in_custody_are_loaded_whichever_is_written_first(folder):
    folder.edit("activists/rosa.md", "+++\n\nShe", f"{CUSTODY}+++\n\nShe")
    folder.load()
    rosa = Activist.objects.get(slug="rosa")
    first = rosa.custodies.first()
    assert (first.days, first.place, first.exact) == (7, "Aktau", False)
    assert rosa.custody.in_words == "early June 2011"
    assert folder.load().changed_nothing
    # The first one ended on a day, and the other one did not: the database takes no two open ones, not for a moment.
    folder.edit("activists/rosa.md", "began_on = 2011-06-08\n", "began_on = 2011-06-08\nended_on = 2011-06-09\n")
    folder.edit("activists/rosa.md", "ended_on = 2011-05-10\n", 'ended_on = ""\n')
    folder.load()
    assert rosa.custodies.get(ended_on=None).began_on == date(2011, 5, 4)
    folder.edit(
        "activists/rosa.md", 'role = "baker"\n', 'role = "baker"\nborn_on = 1990-01-02\ndemand = "Let her go."\n'
    )
    folder.load()
    rosa = Activist.objects.get(slug="rosa")
    assert (rosa.born_on, rosa.demand) == (date(1990, 1, 2), "Let her go.")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("ended_on = 2011-05-10", 'ended_on = ""', "custody[2]: has no ended_on"),
        ("ended_on = 2011-05-10", "ended_on = 2011-05-01", "custody[2].ended_on: This is before the first day"),
        ("2011-06-08", "2199-06-08", "custody[1].began_on: This day is still to come"),
        ("ended_on", "known_until = 2011-05-09\nended_on", "custody[2].known_until: Leave this empty"),
        ('role = "baker"', 'role = "baker"\nremembered = true', "custody: expects none: this person is remembered"),
        ('role = "baker"', 'role = "baker"\ndied_on = 2011-08-01', "died_on: Only those who are"),
    ],
)
def test_a_custody_that_cannot_be_is_named_and_nothing_changes(folder, before, after, message):
    folder.edit("activists/rosa.md", "+++\n\nShe", f"{CUSTODY}+++\n\nShe")
    folder.edit("activists/rosa.md", before, after)
    with pytest.raises(CampaignFolderError) as raised:
        folder.load()
    assert message in str(raised.value)
    assert not Activist.objects.exists()


def test_a_letter_is_for_a_person(folder):
    folder.edit("letters/ovens.md", 'strike = "bakers"', 'strike = "bakers"\nactivist = "rosa"')
    folder.load()
    assert Letter.objects.get().activist.slug == "rosa"
    folder.edit("letters/ovens.md", 'activist = "rosa"', 'activist = "rose"')
    with pytest.raises(CampaignFolderError, match="did you mean rosa"):
        folder.load()


def test_a_reordered_list_keeps_its_rows(folder):
    folder.load()
    before = {demand.text: demand.pk for demand in Demand.objects.all()}
    folder.write(
        "strikes/bakers/demands.toml",
        '[[demand]]\ntext = "More pay"\n[[demand]]\ntext = "Bread"\n[[demand]]\ntext = "Sleep at night"\n',
    )
    folder.load()
    after = {demand.text: demand.pk for demand in Demand.objects.all()}
    assert list(after) == ["More pay", "Bread", "Sleep at night"]
    assert before.items() <= after.items()
    assert Demand.objects.get(pk=before["Sleep at night"]).has_translation("de")
    assert folder.load().changed_nothing


def test_a_list_without_its_file_is_left_alone(folder):
    folder.load()
    (folder.path / "strikes/bakers/timeline.toml").unlink()
    assert folder.load().changed_nothing
    assert TimelineEvent.objects.count() == 1


def test_a_folder_may_refer_to_what_is_in_the_database_only(tmp_path):
    StrikeFactory(slug="bakers")
    TargetFactory(slug="ministry")
    (tmp_path / "letters").mkdir()
    text = FILES["letters/ovens.md"].replace('own_country = ["embassy-de"]\n', "")
    (tmp_path / "letters/ovens.md").write_text(text)
    load(tmp_path)
    assert Letter.objects.get().strike.slug == "bakers"


def test_signatures_pledges_and_signed_texts_are_not_touched(folder):
    folder.load()
    letter = Letter.objects.get()
    SignatureFactory(letter=letter, text=LetterTextFactory(letter=letter), confirmed=True)
    PledgeFactory(fund=Fund.objects.get())
    before = list(Signature.objects.values()), list(LetterText.objects.values())
    folder.edit("letters/ovens.md", "let them sleep", "let them sleep at last")
    folder.load()
    assert (list(Signature.objects.values()), list(LetterText.objects.values())) == before
    assert "at last" in Letter.objects.get().body


# --- Money


def test_a_booked_gift_is_not_booked_again_even_when_it_was_reversed(folder):
    folder.load()
    reverse(Transaction.objects.first(), by=OrganiserFactory())
    assert folder.load().changed_nothing


def test_a_third_like_gift_is_booked_once(folder):
    folder.load()
    gift = (
        '[[transaction]]\nbooked_on = 2011-05-06\namount = 12.50\ncurrency = "EUR"\ndescription = "A collection"\n+++'
    )
    folder.edit("funds/bread.md", "+++\n\nFor", gift + "\n\nFor")
    assert folder.load().counts["transactions"] == {"created": 1, "unchanged": 2}
    assert folder.load().changed_nothing


def test_a_booked_gift_under_another_description_is_refused(folder):
    folder.load()
    folder.edit("funds/bread.md", '"A collection"', '"A street collection"')
    (problem,) = folder.problems()
    assert problem.startswith("funds/bread.md:12: transaction[1]: the same amount of the same day is booked already")


def test_a_gift_may_be_corrected_after_it_was_reversed(folder):
    folder.load()
    for gift in list(Transaction.objects.all()):
        reverse(gift, by=OrganiserFactory())
    folder.edit("funds/bread.md", '"A collection"', '"A street collection"')
    assert folder.load().counts["transactions"] == {"created": 1, "unchanged": 1}


# --- What is wrong, and where


@pytest.mark.parametrize(
    ("file", "old", "new", "place", "phrase"),
    [
        ("campaign.toml", "tagline", "taglin", "campaign.toml:2: taglin", "did you mean tagline?"),
        ("campaign.toml", "[de]", "[fr]", "campaign.toml:5: fr", "is not known here"),
        ("campaign.toml", 'name = "Solidarität"', "name = 3", "campaign.toml:6: de.name", "found a whole number"),
        ("campaign.toml", "bakers@example.org", "bakers", "campaign.toml:3: contact_email", "valid email"),
        ("campaign.toml", 'name = "Solidarity"\n', "", "campaign.toml:1", "name is missing: it expects text in quotes"),
        ("campaign.toml", '"Solidarity"', "Solidarity", "campaign.toml:1", "is not TOML: Invalid value, in column 8"),
        ("campaign.toml", "[de]", "[de", "campaign.toml:5", "is not TOML"),
        ("campaign.toml", 'name = "Solidarity"', 'name = ""', "campaign.toml:1: name", "cannot be blank"),
        ("strikes/bakers/story.md", "2011-05-02", '"May"', "strikes/bakers/story.md:4: began_on", "a date such as"),
        (
            "strikes/bakers/story.md",
            "began_on",
            'status = "win"\nbegan_on',
            "strikes/bakers/story.md:4: status",
            "did you mean won?",
        ),
        ("strikes/bakers/labour.toml", "900", "799", "strikes/bakers/labour.toml:1: amount", "make together, 800"),
        ("strikes/bakers/labour.toml", "900", "0", "strikes/bakers/labour.toml:1: amount", "greater than or equal"),
        ("strikes/bakers/labour.toml", '"EUR"', '"euro"', "strikes/bakers/labour.toml:2: currency", "three capital"),
        (
            "strikes/bakers/labour.toml",
            "amount = 500",
            "amount = true",
            "strikes/bakers/labour.toml:15: share[2].amount",
            "found true",
        ),
        (
            "strikes/bakers/companies.toml",
            "https:",
            "javascript:",
            "strikes/bakers/companies.toml:3: company[1].url",
            "URL",
        ),
        ("strikes/bakers/story.md", "2011-05-02", "1011-05-02", "strikes/bakers/story.md:4: began_on", "a year from"),
        (
            "strikes/bakers/story.md",
            "2011-05-02",
            "2011-05-02T10:00:00Z",
            "strikes/bakers/story.md:4: began_on",
            "found a date with a time",
        ),
        (
            "strikes/bakers/story.md",
            "+++\ntitle",
            "title",
            "strikes/bakers/story.md:1",
            "expects +++ in the first line",
        ),
        ("strikes/bakers/story.md", "summary", "+++\nsummary", "strikes/bakers/story.md:7", "is a third +++"),
        ("strikes/bakers/story.md", "+++\n\nThey", "They", "strikes/bakers/story.md:1", "the second +++"),
        (
            "strikes/bakers/demands.toml",
            '"More pay"',
            '"Sleep at night"',
            "strikes/bakers/demands.toml:6: demand[2]",
            "has the same text as the one in line 1",
        ),
        (
            "strikes/bakers/claims.toml",
            "[[claim]]",
            "[[claims]]",
            "strikes/bakers/claims.toml:1: claims",
            "did you mean claim?",
        ),
        (
            "strikes/bakers/claims.toml",
            "answer",
            "answers",
            "strikes/bakers/claims.toml:3: claim[1].answers",
            "answer?",
        ),
        (
            "strikes/bakers/demands.toml",
            "Sleep at night",
            "x" * 301,
            "strikes/bakers/demands.toml:2: demand[1].text",
            "at most 300 characters",
        ),
        (
            "activists/rosa.md",
            '"bakers"',
            '"backers"',
            "activists/rosa.md:4: strike",
            'no strike "backers"; did you mean bakers?',
        ),
        ("activists/rosa.md", '"Роза"', "7", "activists/rosa.md:5: aliases", "a list of texts"),
        ("activists/rosa.md", '"Роза"', '"Roza Example"', "activists/rosa.md:5: aliases[2]", "stands there twice"),
        ("activists/rosa.md", '"Роза"', '"R\\u0000"', "activists/rosa.md:5: aliases[2]", "control character"),
        ("activists/rosa.md", '"Роза"', '" "', "activists/rosa.md:5: aliases[2]", "cannot be blank"),
        (
            "activists/rosa.md",
            "= 6",
            "= -6",
            "activists/rosa.md:10: charge[1].maximum_months",
            "greater than or equal to 0",
        ),
        (
            "activists/rosa.md",
            "= 6",
            "= true",
            "activists/rosa.md:10: charge[1].maximum_months",
            "a whole number; found true",
        ),
        (
            "activists/rosa.md",
            '"charged"',
            '"chargd"',
            "activists/rosa.md:20: charge[1].step[2].stage",
            "did you mean charged?",
        ),
        ("activists/rosa.md", "06-04", "13-04", "activists/rosa.md:19", "is not TOML"),
        (
            "activists/rosa.md",
            "[charge.de]\ntitle",
            "[charge.de]\ntitel",
            "activists/rosa.md:12: charge[1].de.titel",
            "title?",
        ),
        ("activists/rosa.md", '"baker"', '"a\\u000bb"', "activists/rosa.md:3: role", "control character"),
        ("updates/first.md", '["rosa"]', '["rosa", "rose"]', "updates/first.md:4: activists[2]", "did you mean rosa?"),
        ("updates/first.md", "No bread.", "", "updates/first.md:2", "body is missing: it expects the text below"),
        ("updates/first.md", "title =", 'body = "x"\ntitle =', "updates/first.md:2: body", "stands below the fields"),
        ("messages/millers.md", '"SE"', '"Sweden"', "messages/millers.md:4: country", "two capital letters"),
        ("messages/millers.md", '"SE"', '"UK"', "messages/millers.md:4: country", "did you mean GB?"),
        ("messages/millers.md", 'strike = "bakers"\n', "", "messages/millers.md:2", "strike is missing"),
        (
            "documents/motion.md",
            '"motion"',
            '"poem"',
            "documents/motion.md:4: kind",
            "one of appeal, motion, analysis, leaflet",
        ),
        ("targets.toml", '["DE"]', '["DE", "de"]', "targets.toml:6: target[1].seat[2]", "did you mean DE?"),
        (
            "targets.toml",
            '["LU", "LI"]',
            '["LU", "DE"]',
            "targets.toml:7: target[1].accredited[2]",
            "list of seats already",
        ),
        (
            "targets.toml",
            '"ministry"',
            '"embassy-de"',
            "targets.toml:10: target[2].slug",
            "is taken already, in line 2",
        ),
        ("targets.toml", '"ministry"', '"the ministry"', "targets.toml:10: target[2].slug", "valid “slug”"),
        ("targets.toml", 'slug = "ministry"\n', "", "targets.toml:9: target[2]", "slug is missing"),
        (
            "targets.toml",
            "ministry@",
            "Embassy-DE@",
            "targets.toml:13: target[2].email",
            "of the target embassy-de already",
        ),
        ("targets.toml", "ministry@example.org", "ministry", "targets.toml:13: target[2].email", "valid email"),
        ("targets.toml", "= 40", "= 0", "targets.toml:14: target[2].daily_cap", "greater than or equal to 1"),
        ("targets.toml", "= 40", '= "40"', "targets.toml:14: target[2].daily_cap", "expects a whole number"),
        (
            "targets.toml",
            "= 60",
            "= 86401",
            "targets.toml:15: target[2].spacing_seconds",
            "less than or equal to 86400",
        ),
        (
            "targets.toml",
            "09:00:00",
            '"nine"',
            "targets.toml:16: target[2].opens_at",
            "expects a time such as 09:00:00",
        ),
        ("targets.toml", "17:30:00", "08:00:00", "targets.toml:9: target[2]", "both a beginning and an end"),
        ("targets.toml", "closes_at = 17:30:00\n", "", "targets.toml:9: target[2]", "both a beginning and an end"),
        ("targets.toml", "Asia/Almaty", "Almaty", "targets.toml:18: target[2].time_zone", "is no time zone"),
        ("pickets.toml", '"bakers"', "true", "pickets.toml:3: picket[1].strike", "expects the slug of a strike"),
        ("letters/ovens.md", "{name}", "{nam}", "letters/ovens.md:16: body", "Unknown variable: {nam}"),
        ("letters/ovens.md", "{country}", "{name}", "letters/ovens.md:3: subject", "Unknown variable"),
        (
            "letters/ovens.md",
            "The bakers of",
            "The\\u000bbakers of",
            "letters/ovens.md:3: subject",
            "control character",
        ),
        (
            "letters/ovens.md",
            '["ministry"]',
            '["minister"]',
            "letters/ovens.md:6: fallback[1]",
            "did you mean ministry?",
        ),
        (
            "letters/ovens.md",
            '["ministry"]',
            '["embassy-de"]',
            "letters/ovens.md:6: fallback[1]",
            "an addressee already",
        ),
        (
            "letters/ovens.md",
            'fallback = ["ministry"]\n',
            "",
            "letters/ovens.md:5: own_country",
            "fallback or everybody",
        ),
        (
            "letters/ovens.md",
            'own_country = ["embassy-de"]\nfallback = ["ministry"]\n',
            "",
            "letters/ovens.md:2",
            "has no addressee",
        ),
        ("funds/bread.md", "SEK", "KRONA", "funds/bread.md:4: currencies", "KRONA is no currency"),
        ("funds/bread.md", "5404 02", "5404 03", "funds/bread.md:9: account.iban", "is not valid"),
        ("funds/bread.md", "BELADEBE", "BELA", "funds/bread.md:10: account.bic", "is not valid"),
        ("funds/bread.md", "[account]", "[[account]]", "funds/bread.md:7: account", "expects a table"),
        ("funds/bread.md", "12.50", "12.505", "funds/bread.md:14: transaction[1].amount", "no more than 2 decimals"),
        ("funds/bread.md", "12.50", "-1", "funds/bread.md:14: transaction[1].amount", "above 0"),
        ("funds/bread.md", "12.50", '"12.50"', "funds/bread.md:14: transaction[1].amount", "found text"),
        ("funds/bread.md", "12.50", "1e400", "funds/bread.md:14: transaction[1].amount", "above 0"),
        ("funds/bread.md", "12.50", "1e9999999999", "funds/bread.md:14: transaction[1].amount", "above 0"),
        ("funds/bread.md", "12.50", "nan", "funds/bread.md:14: transaction[1].amount", "above 0"),
        ("funds/bread.md", '"EUR"', '"EURO"', "funds/bread.md:15: transaction[1].currency", "EURO is no currency"),
        ("funds/bread.md", "2011-05-06", "2111-05-06", "funds/bread.md:13: transaction[1].booked_on", "still to come"),
    ],
)
def test_a_problem_names_file_line_and_field_and_nothing_is_written(folder, file, old, new, place, phrase):  # noqa: PLR0917
    folder.edit(file, old, new)
    problems = [problem for problem in folder.problems() if problem.startswith(f"{place}: ")]
    assert any(phrase in problem for problem in problems), folder.problems()


def test_nothing_changes_on_an_error_in_a_loaded_database_either(folder):
    folder.load()
    folder.edit("strikes/bakers/story.md", "No bread today.", "No cake either.")
    folder.edit("strikes/bakers/demands.toml", "More pay", "Much more pay")
    folder.edit("funds/bread.md", "12.50", "nothing")
    assert len(folder.problems()) == 1


def test_every_problem_is_listed_at_once(folder):
    folder.edit("campaign.toml", "tagline", "taglin")
    folder.edit("messages/millers.md", '"SE"', '"UK"')
    folder.edit("letters/ovens.md", "{name}", "{nam}")
    assert [problem.split(":")[0] for problem in folder.problems()] == [
        "campaign.toml",
        "letters/ovens.md",
        "messages/millers.md",
    ]


def test_a_broken_strike_is_not_reported_as_missing_too(folder):
    folder.edit("strikes/bakers/story.md", "+++\ntitle", "title")
    assert len(folder.problems()) == 1


def test_an_address_of_another_target_in_the_database_is_refused(folder):
    TargetFactory(slug="consulate", email="Ministry@example.org")
    (problem,) = folder.problems()
    assert problem.startswith("targets.toml:13: target[2].email: is the address of another target")


def test_the_line_is_right_after_values_that_span_lines(folder):
    folder.edit("campaign.toml", "contact_email", 'notice = """\nWith\nname = "x"\nthe bakers\n"""\ncontact_email')
    folder.edit("campaign.toml", '[de]\nname = "Solidarität"', "[de]\nname = [\n1]")
    assert folder.problems() == ['campaign.toml:11: de.name: expects text in quotes, such as "text"; found a list.']


# --- Files


def test_windows_line_ends_and_a_byte_order_mark_make_no_difference(folder):
    folder.load()
    for name, text in FILES.items():
        folder.write(name, b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert folder.load().changed_nothing


@pytest.mark.parametrize("name", ["campaign.toml", "updates/first.md"])
def test_a_file_that_is_not_utf8_is_refused(folder, name):
    folder.write(name, FILES[name].encode() + b"\ncaf\xe9")
    (problem,) = folder.problems()
    line = FILES[name].count("\n") + 2
    assert problem == f"{name}:{line}: is not UTF-8: save the file as UTF-8 in your editor."


@pytest.mark.parametrize("place", ["", "updates/"])
def test_a_name_that_is_not_utf8_is_refused(folder, place):
    Path(os.fsdecode(os.fsencode(folder.path / place) + b"/caf\xe9.md")).touch()
    assert folder.problems() == [f"{place}caf\\udce9.md: has a name that is not UTF-8: rename it."]


@pytest.mark.parametrize("toml", ["x = " + "[" * 3000 + "]" * 3000, ".".join(["x"] * 3000) + " = 1"])
def test_endless_nesting_is_refused(folder, toml):
    folder.write("campaign.toml", toml)
    assert folder.problems() == ["campaign.toml: nests tables or lists too deeply."]


@pytest.mark.parametrize("name", ["campaign.toml", "updates/first.md"])
def test_a_nul_character_is_refused(folder, name):
    folder.write(name, FILES[name].encode() + b"\nno\0thing")
    (problem,) = folder.problems()
    assert problem.startswith(f"{name}:{FILES[name].count(chr(10)) + 2}: holds a NUL character")


@pytest.mark.parametrize("name", ["campaign.toml", "updates/first.md", "strikes/bakers/claims.toml", "targets.toml"])
def test_a_folder_in_place_of_a_file_is_refused(folder, name):
    (folder.path / name).unlink()
    (folder.path / name).mkdir()
    assert f"{name}: is a folder; a file is expected here." in folder.problems()


@pytest.mark.parametrize("name", ["updates", "letters"])
def test_a_file_in_place_of_a_folder_is_refused(folder, name):
    for file in (folder.path / name).iterdir():
        file.unlink()
    (folder.path / name).rmdir()
    folder.write(name, "")
    assert folder.problems() == [f"{name}: is a file; a folder is expected here."]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("letter/one.md", "letter: is no part of a campaign's folder; did you mean letters?"),
        ("target.toml", "target.toml: is no part of a campaign's folder; did you mean targets.toml?"),
        (
            "strikes/bakers/demand.toml",
            "strikes/bakers/demand.toml: is no part of a strike; did you mean demands.toml?",
        ),
        ("strikes/cooks.md", "strikes/cooks.md: is a file; each strike has a folder, with story.md in it."),
        ("strikes/cooks/claims.toml", "strikes/cooks/story.md: is missing."),
        ("updates/second.txt", "updates/second.txt: expects a name that ends in .md."),
        (
            "updates/first.fr.md",
            "updates/first.fr.md: what stands before .md is a language: de, ru, or none for English.",
        ),
        ("updates/second.de.md", "updates/second.de.md: translates second.md, which is not there."),
    ],
)
def test_a_misplaced_file_is_named(folder, name, problem):
    folder.write(name, "+++\n+++\n" if name.endswith(".md") else "")
    assert folder.problems() == [problem]


def test_a_file_name_that_is_no_slug_is_refused(folder):
    folder.write("updates/day two.md", FILES["updates/first.md"])
    (problem,) = folder.problems()
    assert problem.startswith("updates/day two.md:2: slug: Enter a valid “slug”")


def test_notes_for_people_and_editors_files_are_passed_over(folder):
    for name in ("README.md", ".gitignore", "updates/.first.md.swp", "updates/first.md~"):
        folder.write(name, "anything")
    assert folder.load().total("created") == 33


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(CampaignFolderError, match="holds no campaign"):
        load(tmp_path)


# --- The command


def run(folder, capsys):
    call_command("load_campaign", str(folder))
    return capsys.readouterr().out


def test_the_command_says_what_it_did(folder, capsys):
    out = run(folder.path, capsys)
    assert out.splitlines()[0].split() == ["created", "changed", "unchanged", "removed"]
    assert ["demands", "2", "0", "0", "0"] in [line.split() for line in out.splitlines()]
    assert "Nothing had to be changed" not in out


def test_the_command_says_when_nothing_had_to_be_changed(folder, capsys):
    run(folder.path, capsys)
    assert run(folder.path, capsys).splitlines()[-1].startswith("Nothing had to be changed")


def test_the_command_lists_the_problems_and_fails(folder, capsys):
    folder.edit("messages/millers.md", '"SE"', '"UK"')
    with pytest.raises(
        CommandError, match=r"Nothing was changed(.|\n)*messages/millers\.md:4: country: expects"
    ) as error:
        run(folder.path, capsys)
    assert error.value.returncode == 1


@pytest.mark.parametrize(("name", "message"), [("nowhere", "There is no folder"), ("file", "is a file")])
def test_the_command_fails_in_one_line_without_a_folder(tmp_path, capsys, name, message):
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match=message):
        run(tmp_path / name, capsys)


def test_a_letter_in_the_database_only_is_not_asked_for(folder):
    LetterFactory(slug="other")
    assert folder.load().counts["letters"] == {"created": 1}
    assert Target.objects.count() == 2


# --- Pictures


@pytest.fixture
def album(folder, media):
    """The folder with a picture, which a text and a person's page show."""
    folder.write("pictures/square.png", drawing(size=(1500, 900)))
    folder.write("pictures/square.toml", 'alt = "The square"\ncredit = "Nora"\n\n[de]\nalt = "Der Platz"\n')
    folder.edit("updates/first.md", "No bread.", 'No bread.\n\n![the square](picture:square "At noon")')
    folder.edit("activists/rosa.md", 'role = "baker"', 'role = "baker"\nportrait = "square"')
    return folder


def stored(media):
    return sorted(path.name for path in media.iterdir()) if media.exists() else []


def test_a_picture_of_the_folder_is_drawn_anew_and_named_by_its_hash(album, media):
    album.load()
    picture = Picture.objects.get()
    assert stored(media) == sorted(version.name for version in picture.versions)
    assert (picture.width, picture.height, picture.uploaded_by) == (1200, 720, None)
    assert dict(picture.translations.values_list("language_code", "alt")) == {"en": "The square", "de": "Der Platz"}
    assert f'![the square](picture:{picture.slug} "At noon")' in Update.objects.get(slug="first").body
    assert Activist.objects.get(slug="rosa").portrait == picture
    assert album.load().changed_nothing


def test_what_a_camera_writes_into_a_picture_is_not_kept_and_what_we_drew_stays_as_it_is(album, media):
    album.write("pictures/IMG_1.JPG", photo())
    album.write("pictures/IMG_1.toml", 'alt = "A photo"')
    row = picturing.take(BytesIO(drawing(size=(50, 40))), alt="Ours", by=OrganiserFactory())
    ours = (media / row.versions[-1].name).read_bytes()
    album.write("pictures/ours.jpg", ours)
    album.write("pictures/ours.toml", 'alt = "Ours"')
    album.load()
    assert Picture.objects.count() == 3
    assert (media / row.versions[-1].name).read_bytes() == ours
    for name in stored(media):
        with Image.open(media / name) as opened:
            assert not opened.getexif()
        assert b"Exif" not in (media / name).read_bytes()


def test_files_that_are_gone_from_the_disk_are_put_there_again(album, media):
    album.load()
    names = stored(media)
    (media / names[0]).unlink()
    assert album.load().total("changed") == 1
    assert stored(media) == names


@pytest.mark.parametrize(
    ("name", "content", "place", "says"),
    [
        ("pictures/square.png", b"no picture", "pictures/square.png", "no picture that we can read"),
        ("pictures/square.png", b"", "pictures/square.png", "empty"),
        ("pictures/square.png", drawing()[:200], "pictures/square.png", "no picture that we can read"),
        ("pictures/square.jpg", drawing(), "pictures/square.png", "has the same name as square.jpg"),
        ("pictures/lost.jpg", drawing(), "pictures/lost.jpg", "lacks lost.toml beside it"),
        ("pictures/lost.toml", b'alt = "x"', "pictures/lost.toml", "tells of a picture that is not there"),
        ("pictures/lost.gif", b"GIF89a", "pictures/lost.gif", "expects a name that ends in one of .toml, .jpg"),
        ("pictures/missing.jpg", drawing(), "pictures/missing.jpg", "expects a name of letters, digits"),
        ("pictures/a b.jpg", drawing(), "pictures/a b.jpg", "expects a name of letters, digits"),
        ("pictures/square.toml", b'credit = "Nora"', "pictures/square.toml:1", "alt is missing"),
        ("pictures/square.toml", b'alt = ""', "pictures/square.toml:1: alt", "cannot be blank"),
        ("pictures/square.toml", b'alt = "x"\nalt_de = "y"', "pictures/square.toml:2: alt_de", "not known here"),
    ],
)
def test_a_picture_that_cannot_be_taken_is_named(album, name, content, place, says):
    album.write(name, content)
    [problem] = album.problems()
    assert str(problem).startswith(place)
    assert says in str(problem)


@pytest.mark.parametrize(
    ("name", "old", "new", "place"),
    [
        (
            "updates/first.md",
            "picture:square",
            "picture:sqare",
            'updates/first.md:10: body: there is no picture "sqare"',
        ),
        ("updates/first.md", "picture:square", "picture:7", 'updates/first.md:10: body: there is no picture "7"'),
        ("activists/rosa.md", '"square"', '"sqare"', 'activists/rosa.md:4: portrait: there is no picture "sqare"; did'),
        ("activists/rosa.md", '"square"', "7", "activists/rosa.md:4: portrait: expects the slug of a portrait"),
    ],
)
def test_a_name_of_no_picture_is_told_with_its_line(album, name, old, new, place):
    album.edit(name, old, new)
    [problem] = album.problems()
    assert str(problem).startswith(place)


def test_a_picture_that_stands_there_twice_is_told(album, media):
    album.write("pictures/twice.png", drawing(size=(1500, 900)))
    album.write("pictures/twice.toml", 'alt = "Again"')
    [problem] = album.problems()
    assert str(problem) == "pictures/twice.png: is the same picture as pictures/square.png."
    assert stored(media) == []


def test_when_writing_fails_in_the_middle_no_file_of_a_picture_stays(album, media):
    def fail_at_a_fund(execute, sql, *rest):
        if re.match('INSERT INTO "donations_fund"', sql):
            raise OSError("disk full")
        return execute(sql, *rest)

    before = dump()
    with connection.execute_wrapper(fail_at_a_fund), pytest.raises(CommandError, match="Nothing was changed: disk"):
        call_command("load_campaign", album.path)
    assert dump() == before
    assert stored(media) == []


# --- What visitors sent in, and texts in another language alone


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ("submitted_at = 2011-05-04T10:00:00Z", "What a visitor sent in has submitted_at and consent_version"),
        (
            'submitted_at = 2011-05-04T10:00:00Z\nconsent_version = "1"\npublished_at = 2011-05-05',
            "is published with approved_at",
        ),
    ],
)
def test_half_a_word_of_what_a_visitor_sent_in_is_told(folder, fields, says):
    folder.edit("updates/first.md", "+++\n\n", f'\n[[comment]]\ntext = "Yes"\n{fields}\n+++\n\n')
    [problem] = folder.problems()
    assert says in str(problem)


def test_comments_of_the_folder_are_known_by_their_words(folder):
    folder.edit("updates/first.md", "+++\n\n", '\n[[comment]]\ntext = "Yes"\nperson = "Nora"\n+++\n\n')
    folder.load()
    assert Comment.objects.get().person == "Nora"
    assert folder.load().changed_nothing


@pytest.mark.parametrize(
    ("value", "says"),
    [('"fr"', "expects the language of a thing that has no English text"), ('"de"', "others as well")],
)
def test_the_language_of_the_only_text_is_one_of_the_site_and_not_there_twice(folder, value, says):
    folder.edit("strikes/bakers/story.md", "+++\n", f"+++\nlanguage = {value}\n")
    *_others, problem = folder.problems()
    assert "strikes/bakers/story.md:2: language" in str(problem)
    assert says in str(problem)
