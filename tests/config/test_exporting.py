"""The campaign to a folder of text files, and back."""

import inspect
import tomllib
from datetime import UTC, date, datetime, time

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign.models import (
    Activist,
    Campaign,
    Charge,
    ChargeUpdate,
    Claim,
    Demand,
    Document,
    MessageOfSupport,
    Strike,
    TimelineEvent,
    Update,
)
from config import loading
from config.exporting import EXCEPTIONS, INNER, LISTS, NO_CONTENT, OTHERS, PAGES, export
from config.filling import Kind
from config.loading import FILES, FOLDERS, OF_A_STRIKE, load
from donations.models import Fund, Transaction
from protests.models import Addressee, Letter, Picket, Target, TargetCountry
from tests.config.test_loading import Folder, dump
from tests.factories import (
    LONG_AGO,
    BankAccountFactory,
    OrganiserFactory,
    StrikeFactory,
    TransactionFactory,
    UpdateFactory,
)

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
    ):
        model.objects.all().delete()
    Campaign.objects.all().delete()


def content():
    """Every content row as its own words, without the numbers of its rows."""
    told = dump()
    labels = {model._meta.label for model in CONTENT} | {f"{model._meta.label}Translation" for model in CONTENT}
    own = {"id", "changed_at", "trusted_since", "master_id"}
    return {
        label: sorted(
            repr({name: v for name, v in row.items() if name not in own and not name.endswith("_id")}) for row in rows
        )
        for label, rows in told.items()
        if label in labels
    }


def there_and_back(tmp_path):
    """Export, empty the database, load, export again; the two folders, and what was in the database both times."""
    first, second = tmp_path / "first", tmp_path / "second"
    _count, warnings = export(first)
    before = content()
    empty()
    load(first)
    assert content() == before
    export(second)
    assert files(second) == files(first)
    assert load(first).changed_nothing
    return files(first), warnings


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
    exported += [loading.STRIKE, loading.CAMPAIGN, *(kind for _key, kind in OF_A_STRIKE.values())]
    # Lists that stand as one key in their thing's table.
    as_keys = [loading.ALIAS, loading.TARGET_COUNTRY, loading.ADDRESSEE]
    assert [kind.called for kind in KINDS if kind not in (*exported, *as_keys)] == []
    assert {*PAGES, "strikes"} == {*FOLDERS}
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


def build(text, line):
    """One of each thing, with `text` wherever a text stands and `line` wherever one line does."""
    line = line[:50] or "x"
    campaign = Campaign.objects.create(name=line, tagline=line, notice=text)
    campaign.translations.create(language_code="ru", name="Солидарность", tagline="", notice=text)
    strike = StrikeFactory(slug="strike", title=line, place=line, summary=text, story=text, began_on=date(2011, 5, 26))
    strike.translations.create(language_code="de", title=f"{line} de", place="", summary=text, story="")
    strike.translations.create(language_code="ru", title=line, place=line, summary=text, story=f"{text} ru".strip())
    for position in (1, 2):
        demand = Demand.objects.create(strike=strike, position=position, text=f"{line} {position}")
        demand.translations.create(language_code="de", text=line)
    Claim.objects.create(strike=strike, position=1, claim=text, answer=text)
    event = TimelineEvent.objects.create(
        strike=strike, happened_on=date(2011, 8, 1), source=line, title=line, text=text
    )
    event.translations.create(language_code="ru", title=line, text="", date_text=line)
    activist = Activist.objects.create(
        slug="rosa", name=line, strike=strike, role=line, story=text, position=3, published_at=LONG_AGO
    )
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
    planned.translations.create(language_code="de", title=line, summary="", body=text)
    MessageOfSupport.objects.create(slug="m", strike=strike, organisation=line, text=text, country="SE")
    Document.objects.create(slug="d", kind="motion", title=line, body=text)
    letter = Letter.objects.create(
        slug="letter",
        strike=strike,
        title=line,
        introduction=text,
        subject="Free [[her|him]]",
        body="{target}\n\nPlease.\n\n{name}",
        closed_at=LONG_AGO,
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
    Picket.objects.create(slug="p", strike=strike, country="GB", place=line, text=text, starts_at=LONG_AGO)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    assert [warning.partition(":")[0] for warning in warnings] == ["updates/german.md"] * 2 + ["updates/readme.md"]
    assert "no English text" in warnings[0]
    assert "control characters" in warnings[1]


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
