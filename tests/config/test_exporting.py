"""The campaign to a folder of text files, and back."""

import inspect
import re
import tomllib
from datetime import UTC, date, datetime, time
from io import BytesIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign import picturing
from campaign.markdown import render
from campaign.models import (
    Activist,
    Campaign,
    Charge,
    ChargeUpdate,
    Claim,
    Comment,
    Company,
    Custody,
    Demand,
    Document,
    Endorsement,
    Labour,
    MessageOfSupport,
    Picture,
    Share,
    Source,
    Strike,
    TimelineEvent,
    Update,
)
from config import loading
from config.exporting import EXCEPTIONS, INNER, LISTS, NO_CONTENT, OTHERS, PAGES, export
from config.filling import Kind
from config.loading import FILES, FOLDERS, OF_A_STRIKE, load
from donations.models import Fund, Transaction
from protests.models import Addressee, Letter, Picket, PicketReport, Target, TargetCountry
from tests.config.test_loading import Folder, dump
from tests.donations.test_filing import picture as drawing
from tests.factories import (
    LONG_AGO,
    ActivistFactory,
    BankAccountFactory,
    EndorsementFactory,
    OrganiserFactory,
    PicketFactory,
    PicketReportFactory,
    PictureFactory,
    StrikeFactory,
    TransactionFactory,
    UpdateFactory,
)
from tests.sizes import examples

SENT_IN = {
    "submitted_at": LONG_AGO,
    "consent_version": "2026-01",
    "contact": "nora@example.org",
    "hold": "too_fast",
}
KINDS = [kind for _name, kind in inspect.getmembers(loading) if isinstance(kind, Kind)]
CONTENT = {*(kind.model for kind in KINDS), Letter, Target, Picket, Fund} - {Transaction}
NASTY = [
    'a "quote" and """three""" and one at the end"',
    "a \\ backslash \\u0041 \\",
    "'''",
    "[table]",
    "[[list]]",
    "key = 1 # no comment",
    "+++",
    "+++\ntitle = 1\n+++\n\ntext",
    "text\n+++   \nmore",
    "---\ntitle: x\n---",
    "# heading\n\n* list\n\n    code\n\n<b>html</b>",
    "\ttab\tinside\t",
    "Жаңаөзен, ё, ї",
    "عربي RTL",
    "é\u0301 \u200d 👩‍👩‍👧 \ufeff x",
    "one\n\n\n\ntwo  \nthree",
    "one\u2028two\u2029three",
    "{name}, %s, {{ x }}, ${y}",
    "''' \"\"\" ''' \\\"\"\"",
    "![](picture:99) ![x](picture:march) [y](picture:7)\n\n[z]: picture:1\n\n`![](<picture:missing>)`",
    "language = 'de'",
]


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def empty():
    for model in (
        Addressee,
        Letter,
        TargetCountry,
        Target,
        Picket,
        Update,
        MessageOfSupport,
        Document,
        Activist,
        Strike,
        Picture,
    ):
        model.objects.all().delete()
    Campaign.objects.all().delete()


def content():
    """Every content row as its own words, without the numbers of its rows."""
    told = dump()
    labels = {model._meta.label for model in CONTENT} | {f"{model._meta.label}Translation" for model in CONTENT}
    own = {"id", "changed_at", "uploaded_at", "trusted_since", "master_id"}
    return {
        label: sorted(
            repr({name: v for name, v in row.items() if name not in own and not name.endswith("_id")}) for row in rows
        )
        for label, rows in told.items()
        if label in labels
    }


def there_and_back(tmp_path, *, all_of_it=True):
    """Export, load with no rows and no pictures there, export again; return the files, and what was told."""
    first, second = tmp_path / "first", tmp_path / "second"
    _count, warnings = export(first)
    # What had to be told is not written as it stood.
    assert load(first).changed_nothing or warnings
    before = content()
    empty()
    with override_settings(MEDIA_ROOT=tmp_path / "fresh"):
        load(first)
        assert content() == before or not all_of_it
        assert export(second)[1] == []
        assert files(second) == files(first)
        assert load(first).changed_nothing
    return files(first), warnings


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


def take(size=(1300, 700), **given):
    return picturing.take(BytesIO(drawing(size=size)), **{"alt": "A crowd", "by": OrganiserFactory(), **given})


# --- Every column has its place, or a reason why it has none


def columns_of(model):
    yield from (column.name for column in model._meta.concrete_fields)
    yield from (column.name for column in model._meta.many_to_many)
    if translations := getattr(model, "_parler_meta", None):
        yield from (name for name in translations.get_all_fields())


@pytest.mark.parametrize(
    "model", sorted(CONTENT, key=lambda model: model._meta.label), ids=lambda model: model.__name__
)
def test_every_column_goes_out_and_comes_back_or_says_why_not(model):
    kinds = [kind for kind in KINDS if kind.model is model]
    known = {"id", *(["slug"] if any(kind in (*PAGES.values(), loading.STRIKE) for kind in kinds) else [])}
    for kind in kinds:
        known |= {*kind.columns, *kind.refers, *kind.texts, *kind.others, kind.belongs_to, *kind.known_by}
    label = model._meta.label
    missing = [name for name in columns_of(model) if name not in known and f"{label}.{name}" not in EXCEPTIONS]
    assert not missing, f"In no Kind of config.loading, and in no exception with a reason: {label} {missing}"


def test_every_model_of_the_campaign_is_content_or_says_why_not():
    ours = [model for model in apps.get_app_config("campaign").get_models() if not hasattr(model, "master")]
    assert {model.__name__ for model in ours} == {model.__name__ for model in ours if model in CONTENT} | {*NO_CONTENT}


def test_the_texts_in_which_pictures_are_found_are_those_that_pages_show_as_markdown(settings):
    pages = "".join(page.read_text() for page in (settings.BASE_DIR / "templates").rglob("*.html"))
    shown = {(thing.upper(), column) for thing, column in re.findall(r"{{ ?(\w+)\.(\w+)\|markdown", pages)}
    kinds = {name: kind for name, kind in inspect.getmembers(loading) if isinstance(kind, Kind)}
    assert shown == {(name, column) for name, kind in kinds.items() for column in kind.markdown}


def test_every_exception_is_of_a_column_that_is_there_and_has_a_reason():
    for place, reason in EXCEPTIONS.items():
        label, _dot, name = place.rpartition(".")
        assert name in columns_of(apps.get_model(label))
        assert len(reason.split()) > 3


def test_every_kind_and_every_key_that_is_loaded_is_exported():
    exported = [
        *PAGES.values(),
        *(kind for _key, kind in LISTS.values()),
        *(kind for kind, _rows, _form in INNER.values()),
    ]
    exported += [
        loading.STRIKE,
        loading.CAMPAIGN,
        loading.LABOUR,
        loading.PICTURE,
        *(kind for _key, kind in OF_A_STRIKE.values()),
    ]
    # Lists that stand as one key in their thing's table.
    as_keys = [loading.ALIAS, loading.TARGET_COUNTRY, loading.ADDRESSEE]
    assert [kind.called for kind in KINDS if kind not in (*exported, *as_keys)] == []
    assert {*PAGES, "pictures", "strikes"} == {*FOLDERS}
    assert {*LISTS, "campaign.toml"} == {*FILES}
    assert {(kind.model, key) for kind in KINDS for key in kind.others} == {*INNER, *OTHERS}


# --- There and back


@pytest.fixture
def full(db, tmp_path):
    """The campaign that tests of loading write, which has one of each, with its gifts and its account left out."""
    folder = Folder(tmp_path / "pack")
    (folder.path / "funds").exists()
    for file in (folder.path / "funds").iterdir():
        file.unlink()
    folder.load()
    return folder


@pytest.mark.django_db
def test_a_whole_campaign_comes_back_as_it_was(full, tmp_path):
    _files, warnings = there_and_back(tmp_path)
    assert warnings == []


@pytest.mark.django_db
@pytest.mark.parametrize("words", NASTY, ids=repr)
def test_whatever_somebody_writes_comes_back(tmp_path, words):
    build(words.strip(), " ".join(words.split()))
    there_and_back(tmp_path)


def build(text, line):  # noqa: PLR0915
    """One of each thing, with `text` wherever a text stands and `line` wherever one line does."""
    line = line[:50] or "x"
    picture, draft = take((61, 40), alt=line, credit=line), take((60, 40), alt="A draft")
    Picture.objects.filter(pk=draft.pk).update(published_at=None)
    picture.translations.create(language_code="de", alt=f"{line} de")
    text = f"{text}\n\n![{picture.pk}](picture:{picture.slug})"
    campaign = Campaign.objects.create(name=line, tagline=line, notice=text)
    campaign.translations.create(language_code="ru", name="Солидарность", tagline="", notice=text)
    strike = StrikeFactory(
        slug="strike",
        title=line,
        place=line,
        summary=text,
        story=text,
        outcome=text,
        status="won",
        began_on=date(2011, 5, 26),
    )
    strike.translations.create(language_code="de", title=f"{line} de", place="", summary=text, story="")
    strike.translations.create(language_code="ru", title=line, place=line, summary=text, story=f"{text} ru".strip())
    for position in (1, 2):
        demand = Demand.objects.create(
            strike=strike, position=position, text=f"{line} {position}", won_text=line, won_on=date(2012, 1, position)
        )
        demand.translations.create(language_code="de", text=line)
    Claim.objects.create(strike=strike, position=1, claim=text, answer=text)
    for position in (1, 2):
        Company.objects.create(
            strike=strike, position=position, name=f"{line} {position}", role=line, url="https://a.example.org/?b=%20"
        )
        Source.objects.create(strike=strike, position=position, title=f"{line} {position}", author=line, publisher=line)
    labour = Labour.objects.create(
        strike=strike, currency="EUR", amount=3000, title=line, rest=line, note=text, source=line
    )
    labour.translations.create(language_code="de", title=line, rest=f"{line} de", note="")
    for position in (1, 2):
        share = Share.objects.create(
            labour=labour, position=position, kind="state", amount=7, is_rounded=True, label=f"{line} {position}"
        )
        share.translations.create(language_code="ru", label=f"{line} ru")
    event = TimelineEvent.objects.create(
        kind="death", strike=strike, happened_on=date(2011, 8, 1), source=line, title=line, text=text
    )
    event.translations.create(language_code="ru", title=line, text="", date_text=line)
    activist = Activist.objects.create(
        slug="rosa",
        name=line,
        strike=strike,
        role=line,
        story=text,
        demand=text,
        portrait=draft,
        born_on=date(1970, 1, 1),
        position=3,
        published_at=LONG_AGO,
    )
    Activist.objects.create(slug="dead", name=line, remembered=True, died_on=date(2011, 8, 2), died_text=line)
    for month in (1, 5):
        custody = Custody.objects.create(
            activist=activist,
            began_on=date(2012, month, 1),
            ended_on=date(2012, 2, 1) if month == 1 else None,
            known_until=date(2012, 6, 1) if month == 5 else None,
            exact=False,
            place=line,
            date_text=line,
            source=line,
        )
        custody.translations.create(language_code="ru", place=f"{line} ru")
    activist.aliases.create(name=line)
    for position in (1, 2):
        charge = Charge.objects.create(
            activist=activist, position=position, title=f"{line} {position}", text=text, maximum_months=12
        )
        charge.translations.create(language_code="de", title=line, text="")
        step = ChargeUpdate.objects.create(charge=charge, happened_on=date(2011, 8, 8), stage="charged", text=text)
        step.translations.create(language_code="ru", text=f"{text} ru".strip(), date_text=line)
    Update.objects.create(slug="draft", title=line, body=text)
    planned = Update.objects.create(
        slug="planned",
        title=line,
        summary=text,
        body=text,
        source=line,
        published_at=datetime(2199, 1, 1, 1, 2, 3, 4, UTC),
    )
    planned.activists.add(activist)
    for said in (text, text, "Yes"):
        Comment.objects.create(
            update=planned,
            person=line,
            text=said,
            submitted_at=datetime(2026, 1, 1, 0, 0, planned.said.count(), 123456, UTC),
            consent_version="2026-01",
            approved_at=LONG_AGO,
            published_at=LONG_AGO,
        )
    Comment.objects.create(update=planned, text="An organiser's, not published yet")
    planned.translations.create(language_code="de", title=line, summary="", body=text)
    MessageOfSupport.objects.create(
        slug="m", strike=strike, kind="report", person=line, organisation=line, text=text, country="SE"
    )
    russian = MessageOfSupport(slug="russian", strike=strike)
    russian.set_current_language("ru")
    russian.text, russian.organisation = text, line
    russian.save()
    Endorsement.objects.create(
        slug="e",
        strike=strike,
        organisation=line,
        branch=line,
        country="SE",
        members=7,
        url="https://a.example.org/",
        endorsed_on=date(2012, 1, 1),
        statement=text,
    )
    Document.objects.create(slug="d", kind="motion", title=line, body=text, shows_account=True)
    letter = Letter.objects.create(
        slug="letter",
        strike=strike,
        title=line,
        introduction=text,
        subject="Free [[her|him]]",
        body="{target}\n\nPlease.\n\n{name}",
        closed_at=LONG_AGO,
        result="lost",
        outcome=text,
        activist=activist,
    )
    capless = Target.objects.create(
        slug="a",
        name=line,
        email="a@example.org",
        salutation=line,
        daily_cap=None,
        opens_at=time(9),
        closes_at=time(17, 30),
    )
    capless.countries.create(country="DE")
    capless.countries.create(country="AT", kind="accredited")
    Addressee.objects.create(letter=letter, target=capless, rule="fallback")
    picket = Picket.objects.create(
        slug="p",
        strike=strike,
        country="GB",
        place=line,
        address=line,
        date_text=line,
        text=text,
        kind="rally",
        target=capless,
        starts_at=LONG_AGO,
        ends_at=datetime(2030, 1, 1, tzinfo=UTC),
        time_zone="Europe/London",
        latitude="51.50853",
        longitude="-0.1",
    )
    report = PicketReport.objects.create(picket=picket, organisation=line, people=30, text=text)
    report.pictures.add(picture, draft)
    second = PicketReport(picket=picket, submitted_at=LONG_AGO, consent_version="1", approved_at=LONG_AGO)
    second.set_current_language("ru")
    second.published_at, second.text = LONG_AGO, text
    second.save()


@settings(max_examples=examples(3), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=60))
@pytest.mark.django_db
def test_any_text_comes_back(tmp_path_factory, text):
    empty()
    text = f"{text}x".strip()
    build(text, " ".join(text.split()) or "x")
    there_and_back(tmp_path_factory.mktemp("any"))


@pytest.mark.django_db
def test_the_demo_comes_back_to_the_byte(tmp_path, settings):
    load(settings.BASE_DIR / "demo")
    export(tmp_path / "first")
    assert load(tmp_path / "first").changed_nothing
    export(tmp_path / "second")
    assert files(tmp_path / "first") == files(tmp_path / "second")
    fund = tomllib.loads((tmp_path / "first/funds/workers-solidarity-fund.md").read_text().split("+++")[1])
    assert [gift["amount"] for gift in fund["transaction"]] == [1500, 200]
    assert fund["account"]["payable"] is False


@pytest.mark.django_db
def test_a_browsers_line_ends_change_nothing_when_loaded_again(tmp_path):
    UpdateFactory(body="one\r\n\r\ntwo\r\n", summary=" a \r\nb ")
    export(tmp_path / "out")
    assert all(b"\r" not in content for content in files(tmp_path / "out").values())
    assert load(tmp_path / "out").changed_nothing
    assert Update.objects.get().body == "one\r\n\r\ntwo\r\n"


@pytest.mark.django_db
def test_a_text_in_another_language_alone_comes_back_in_that_language(tmp_path):
    update = UpdateFactory(slug="german", title="Nachricht", body="Brot")
    update.translations.update(language_code="de")
    told, warnings = there_and_back(tmp_path)
    assert 'language = "de"' in told["updates/german.md"].decode()
    assert list(Update.objects.get().translations.values_list("language_code", "body")) == [("de", "Brot")]
    assert warnings == []


# --- Pictures


@pytest.mark.django_db
def test_a_picture_goes_out_as_it_is_and_texts_name_it_by_its_hash(tmp_path, media):
    row = take(alt="A crowd", credit="Nora")
    row.translations.create(language_code="de", alt="Eine Menge")
    UpdateFactory(slug="news", body=f'![the gate](picture:{row.pk} "At noon")\n\n[a]: <picture:{row.pk}>')
    ActivistFactory(slug="rosa", portrait=row)
    shown = render(Update.objects.get().body)
    assert shown.count("<img") == 1
    export(tmp_path / "out")
    there = files(tmp_path / "out")
    assert there[f"pictures/{row.slug}.jpg"] == (media / f"{row.sha256}-1200.jpg").read_bytes()
    assert "Eine Menge" in there[f"pictures/{row.slug}.toml"].decode()
    written = there["updates/news.md"].decode()
    assert f'![the gate](picture:{row.slug} "At noon")' in written
    assert f"[a]: <picture:{row.slug}>" in written
    assert load(tmp_path / "out").changed_nothing
    assert Update.objects.get().body.startswith(f"![the gate](picture:{row.pk} ")
    empty()
    with override_settings(MEDIA_ROOT=tmp_path / "fresh"):
        load(tmp_path / "out")
        again = Picture.objects.get()
        assert again.pk != row.pk
        assert {path.name for path in (tmp_path / "fresh").iterdir()} == {version.name for version in row.versions}
    assert render(Update.objects.get().body) == shown
    assert Activist.objects.get().portrait == again


@pytest.mark.django_db
def test_a_picture_that_is_gone_is_told_and_is_no_other_one_later(tmp_path):
    fileless = PictureFactory()
    UpdateFactory(slug="news", body=f"![a crowd](picture:{fileless.pk}) ![x](picture:77) ![y](picture:march)")
    ActivistFactory(slug="rosa", portrait=fileless)
    shown = render(Update.objects.get().body.replace(str(fileless.pk), "78"))
    _count, warnings = export(tmp_path / "out")
    assert sorted(warning.partition(":")[0] for warning in warnings) == [
        "activists/rosa.md",
        f"pictures/{fileless.slug}.toml",
        *["updates/news.md"] * 3,
    ]
    empty()
    load(tmp_path / "out")
    assert Update.objects.get().body == "![a crowd](picture:missing) ![x](picture:missing) ![y](picture:missing)"
    assert render(Update.objects.get().body) == shown


# --- What visitors sent in


@pytest.mark.django_db
def test_what_visitors_sent_in_goes_out_if_it_is_published_and_without_their_address(tmp_path):
    strike, update = StrikeFactory(), UpdateFactory(comments="moderated")
    published = {**SENT_IN, "approved_at": LONG_AGO, "published_at": LONG_AGO}
    others = [
        SENT_IN,
        {**SENT_IN, "refused_at": LONG_AGO},
        {**SENT_IN, "approved_at": LONG_AGO},  # taken back
    ]
    for number, state in enumerate([published, *others]):
        words = "Seen by all" if state is published else "Read by nobody"
        MessageOfSupport.objects.create(strike=strike, slug=f"m{number}", person="Nora", text=words, **state)
        EndorsementFactory(strike=strike, slug=f"e{number}", statement=words, **{"published_at": None, **state})
        Comment.objects.create(update=update, person="Nora", text=words, **state)
        picket = PicketFactory(strike=strike, slug=f"p{number}", text=words, **{"published_at": None, **state})
        for of in {picket, Picket.objects.get(slug="p0")}:
            report = PicketReportFactory(picket=of, text=words, **{"published_at": None, **state})
            report.pictures.add(take((number + 9, 9), alt=words, by=None))
    Picture.objects.filter(translations__alt="Seen by all").update(published_at=LONG_AGO)
    told, warnings = there_and_back(tmp_path, all_of_it=False)
    text = "".join(value.decode() for name, value in told.items() if not name.endswith(".jpg"))
    assert text.count("Seen by all") == 6
    assert [part for part in ("Read by nobody", "nora@", "too_fast") if part in text] == []
    assert len([name for name in told if name.endswith(".jpg")]) == 1
    assert warnings == []
    # The day from which the days of keeping their names are counted is as it was.
    assert MessageOfSupport.objects.get().submitted_at == Comment.objects.get().submitted_at == LONG_AGO


@pytest.mark.django_db
def test_loading_again_removes_nothing_that_visitors_sent_in(tmp_path):
    update, picket = UpdateFactory(), PicketFactory()
    Comment.objects.create(update=update, text="An organiser's")
    PicketReportFactory(picket=picket)
    export(tmp_path / "out")
    Comment.objects.create(update=update, text="A visitor's", **SENT_IN)
    PicketReportFactory(picket=picket, **{**SENT_IN, "published_at": None})
    Comment.objects.create(update=update, text="A second organiser's")
    assert load(tmp_path / "out").total("removed") == 1
    assert sorted(Comment.objects.values_list("text", flat=True)) == ["A visitor's", "An organiser's"]
    assert PicketReport.objects.count() == 2


# --- What has no place


@pytest.mark.django_db
def test_an_account_that_organisers_approved_and_booked_lines_are_no_files_word(tmp_path):
    account = BankAccountFactory()
    TransactionFactory(
        fund=account.fund, amount_minor=700, description="Posted by hand", recorded_by=OrganiserFactory()
    )
    export(tmp_path / "out")
    text = b"".join(files(tmp_path / "out").values()).decode()
    assert account.iban not in text
    assert "Posted by hand" not in text


@pytest.mark.django_db
def test_what_cannot_be_written_as_it_is_is_told(tmp_path):
    update = UpdateFactory(slug="german", body="a\x0bb")
    update.translations.update(language_code="de")
    UpdateFactory(slug="readme")
    _count, warnings = export(tmp_path / "out")
    assert [warning.partition(":")[0] for warning in warnings] == ["updates/german.md", "updates/readme.md"]
    assert "control characters" in warnings[0]


# --- The command


@pytest.mark.django_db
def test_the_command_says_how_many_files(tmp_path, capsys):
    UpdateFactory(slug="first")
    call_command("export_campaign", tmp_path / "new" / "folder")
    assert capsys.readouterr().out == f"2 files are in {tmp_path / 'new' / 'folder'}.\n"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["folder"]


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["", "file"])
def test_nothing_is_written_over(tmp_path, name):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CommandError, match="Nothing was written"):
        call_command("export_campaign", tmp_path / name)
    assert files(tmp_path) == {"file": b"mine"}


@pytest.mark.django_db
def test_what_could_not_be_loaded_is_named_with_its_place(tmp_path):
    strike = StrikeFactory(slug="bakers")
    for position in (1, 2):
        Demand.objects.create(strike=strike, position=position, text="Bread")
    with pytest.raises(CommandError, match=r"strikes/bakers/demands.toml:\d+: demand\[2\]: has the same text"):
        call_command("export_campaign", tmp_path / "out")
    assert "strikes/bakers/demands.toml" in files(tmp_path / "out")
