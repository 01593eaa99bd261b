import unicodedata
from datetime import time

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.countries import code_of
from campaign.spreadsheets import as_csv
from protests import importing
from protests.exporting import TARGETS
from protests.models import Target
from tests.factories import OrganiserFactory, TargetFactory

URL = "/admin/protests/target/import/"
TABLE = (
    "name;email;salutation;seat;accredited\nEmbassy in Berlin;berlin@example.org;Dear Ambassador;DE;AT, Switzerland\n"
)


@pytest.fixture
def desk(client, db):
    client.force_login(OrganiserFactory())
    return client


def look(desk, text="", file=None, **more):
    given = {"text": text, "act": "look", **more}
    if file is not None:
        given["file"] = SimpleUploadedFile("targets.csv", file)
    return desk.post(URL, given)


def bring_in(desk, text):
    """Look at a table and import it, as a person does."""
    plan = look(desk, text).context["plan"]
    return desk.post(URL, {"text": text, "act": "import", "seen": plan.fingerprint})


def errors(plan):
    return [(row.line, column) for row in plan.rows for column, _words in row.errors]


def told():
    return {
        target.slug: (target.name, target.email, {there.country: there.kind for there in target.countries.all()})
        for target in Target.objects.all()
    }


def test_a_look_writes_nothing_and_the_import_all_of_it(desk):
    page = look(desk, TABLE)
    assert "New: 1. Changed: 0. As they are already: 0. With errors: 0." in page.content.decode()
    assert not Target.objects.exists()
    assert bring_in(desk, TABLE).status_code == 302
    countries = {"DE": "seat", "AT": "accredited", "CH": "accredited"}
    assert told() == {"embassy-in-berlin": ("Embassy in Berlin", "berlin@example.org", countries)}
    target = Target.objects.get()
    assert (target.salutation, target.daily_cap) == ("Dear Ambassador", 300)
    assert [(entry.object_id, entry.action_flag) for entry in LogEntry.objects.all()] == [(str(target.pk), 1)]


def test_a_second_import_changes_nothing(desk):
    bring_in(desk, TABLE)
    before, entries = told(), LogEntry.objects.count()
    plan = look(desk, TABLE).context["plan"]
    assert (len(plan.unchanged), plan.new, plan.changed) == (1, [], [])
    bring_in(desk, TABLE)
    assert (told(), LogEntry.objects.count()) == (before, entries)


@pytest.mark.parametrize(
    "known_by", ["slug;name\nembassy;Embassy in Bonn", "email;name\nBERLIN@example.org;Embassy in Bonn"]
)
def test_a_known_target_is_changed_and_keeps_what_the_table_leaves_empty(desk, known_by):
    target = TargetFactory(slug="embassy", email="berlin@example.org", daily_cap=7)
    target.countries.create(country="DE")
    head, row = known_by.split("\n")
    assert bring_in(desk, f"{head};salutation;seat;daily_cap\n{row};;;").status_code == 302
    target = Target.objects.get()
    assert (target.name, target.salutation, target.daily_cap) == ("Embassy in Bonn", "Dear Ambassador", 7)
    assert [there.country for there in target.countries.all()] == ["DE"]


def test_a_dash_empties_and_a_list_of_countries_replaces_the_one_there_is(desk):
    target = TargetFactory(slug="embassy", opens_at="09:00", closes_at="17:00")
    target.countries.create(country="DE")
    target.countries.create(country="AT", kind="accredited")
    bring_in(desk, "slug,opens_at,closes_at,daily_cap,seat,accredited\nembassy,-,-,0,Poland,-\n")
    target = Target.objects.get()
    assert (target.opens_at, target.closes_at, target.daily_cap) == (None, None, None)
    assert [(there.country, there.kind) for there in target.countries.all()] == [("PL", "seat")]


def test_a_country_moves_from_one_list_to_the_other(desk):
    target = TargetFactory(slug="embassy")
    target.countries.create(country="DE")
    bring_in(desk, "slug,seat,accredited\nembassy,-,DE\n")
    assert [(there.country, there.kind) for there in target.countries.all()] == [("DE", "accredited")]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (";new@example.org;Dear Sir;;", "name"),
        ("New;;Dear Sir;;", "email"),
        ("New;new@example.org;;;", "salutation"),
        ("New;no address;Dear Sir;;", "email"),
        ("New;known@example.org;Dear Sir;Atlantis;", "seat"),
        ("New;new@example.org;Dear Sir;DE;Germany", "accredited"),
        ("New;new@example.org;Dear Sir;DE;;;;more", ""),
        (f"New;new@example.org;{'x' * 201};DE;", "salutation"),
        (f"{'x' * 201};new@example.org;Dear Sir;DE;", "name"),
        ('"New\nLine";new@example.org;Dear Sir;DE;', "name"),
        ("New\x07;new@example.org;Dear Sir;DE;", "name"),
        ("Посольство;new@example.org;Dear Sir;DE;", "slug"),
    ],
    ids=repr,
)
def test_one_row_with_an_error_holds_all_back(desk, row, column):
    TargetFactory(slug="known", name="Known", email="known@example.org")
    before = told()
    text = f"{TABLE}{row}\n"
    page = look(desk, text)
    plan = page.context["plan"]
    assert errors(plan) == [(3, column)]
    assert "Nothing can be imported before" in page.content.decode()
    assert 'value="import"' not in page.content.decode()
    assert desk.post(URL, {"text": text, "act": "import", "seen": plan.fingerprint}).status_code == 200
    assert told() == before


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ("slug,email\nembassy,other@example.org", [(2, "email")]),
        ("slug,opens_at\nembassy,09:00", [(2, "")]),
        ("slug,opens_at\nembassy,soon", [(2, "opens_at")]),
        ("slug,daily_cap\nembassy,-4", [(2, "daily_cap")]),
        ("slug,daily_cap\nembassy," + "9" * 30, [(2, "daily_cap")]),
        ("slug,spacing_seconds\nembassy,often", [(2, "spacing_seconds")]),
        ("slug,spacing_seconds\nembassy,-", [(2, "spacing_seconds")]),
        ("slug,time_zone\nembassy,Mars/North", [(2, "time_zone")]),
        ("slug,name\nembassy,One\nembassy,Two", [(3, "slug")]),
        ("email,name\na@example.org,One\nA@example.org,Two", [(3, "slug"), (3, "email")]),
        ("slug,name,email,salutation\nNew one,One,b@example.org,Dear Sir", [(2, "slug")]),
        ("email,name,salutation\nb@example.org,One,Dear\nB@example.org,Two,Dear", [(3, "email")]),
    ],
)
def test_each_error_is_told_at_its_row_and_column(desk, table, wrong):
    TargetFactory(slug="embassy", email="a@example.org")
    TargetFactory(slug="other", email="other@example.org")
    assert errors(look(desk, table).context["plan"]) == wrong


@pytest.mark.parametrize("delimiter", list(";,\t|"))
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "sep={}\n", "\ufeff"])
def test_delimiters_line_ends_and_a_mark_are_tolerated(db, delimiter, ending, start):
    text = start.format(delimiter) + TABLE.replace(", ", " ").replace(";", delimiter).replace("\n", ending)
    plan = importing.planned(importing.decoded(text.encode())[0])
    assert [(row.target.email, row.errors) for row in plan.new] == [("berlin@example.org", [])]


@pytest.mark.parametrize(
    ("encoding", "chosen"),
    [("utf-8", ""), ("utf-8-sig", ""), ("utf-16", ""), ("cp1252", ""), ("cp1250", "cp1250"), ("cp1252", "cp1252")],
)
def test_encodings_are_found_out_or_chosen(desk, encoding, chosen):
    file = "name;email;salutation;seat\nBotschaft Köln;a@example.org;Sehr geehrte Frau Müller;Österreich\n"
    plan = look(desk, file=file.encode(encoding), encoding=chosen).context["plan"]
    (row,) = plan.new
    assert (row.target.name, row.target.slug, row.countries) == ("Botschaft Köln", "botschaft-koln", {"AT": "seat"})


def test_cyrillic_windows_files_are_read_when_chosen(desk):
    file = "slug;name;email;salutation;seat\nx;Посольство;a@example.org;Господин посол;Германия\n".encode("cp1251")
    (row,) = look(desk, file=file, encoding="cp1251").context["plan"].new
    assert (row.target.name, row.countries) == ("Посольство", {"DE": "seat"})


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (b"", "choose a file"),
        (b"\n\n", "has to name the columns"),
        (b"name;email\n", "no row below"),
        (b"phone;fax\n1;2\n", "has to name the columns"),
        (b"name;salutation\na;b\n", "by which a target is known"),
        (b"name;name;email\na;b;c\n", "Two columns"),
        (b"PK\x03\x04 and so on", "workbook"),
        (b"name;email\n\x00;a\n", "NUL"),
        (b"name;email\n" + b"x" * importing.MAXIMUM_BYTES, "larger than 256 KB"),
        (b"name;email\n" + b"a;b\n" * 2001, "More than 2000 rows"),
        (b"name;email\n" + b'"' + b"x" * 140_000, "quote may be missing"),
        (b"\xff\xfe\x00", "cannot be read as utf-16"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_table_is_refused_with_a_reason(desk, file, words):
    page = look(desk, file=file) if file else look(desk)
    assert page.status_code == 400
    assert words in page.content.decode()
    assert not Target.objects.exists()


def test_headings_are_known_as_people_write_them(db):
    text = "Name,E-Mail,salutation_de,Salutation,Country,Phone\nA,a@example.org,Guten Tag,Hello,UK,1\n"
    plan = importing.planned(text)
    (row,) = plan.rows
    assert plan.ignored == ["Phone"]
    assert row.texts == {"de": "Guten Tag", "en": "Hello"}
    assert row.countries == {"GB": "seat"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("DE", "DE"),
        ("de", "DE"),
        ("DEU", "DE"),
        ("Germany", "DE"),
        ("Deutschland", "DE"),
        ("ГЕРМАНИЯ", "DE"),
        ("osterreich", "AT"),
        ("Côte d’Ivoire", "CI"),
        ("Bosnia & Herzegovina", "BA"),
        ("Republic of Kazakhstan", "KZ"),
        ("UK", "GB"),
        ("Kosovo", "XK"),
        ("Atlantis", None),
        ("", None),
        ("--", None),
    ],
)
def test_a_country_is_known_by_code_and_by_name(words, code):
    assert code_of(words) == code


def test_two_new_targets_of_one_name_get_short_names_of_their_own(desk):
    TargetFactory(slug="embassy", email="old@example.org")
    bring_in(desk, "name,email,salutation\nEmbassy,a@example.org,Dear\nEmbassy,b@example.org,Dear\n")
    assert set(Target.objects.values_list("slug", flat=True)) == {"embassy", "embassy-2", "embassy-3"}


def test_what_changed_while_the_organiser_was_reading_is_shown_again(desk):
    target = TargetFactory(slug="embassy", name="Old")
    text = "slug,name\nembassy,New\n"
    seen = look(desk, text).context["plan"].fingerprint
    Target.objects.update(name="Newer")
    page = desk.post(URL, {"text": text, "act": "import", "seen": seen})
    assert "Nothing was imported" in page.content.decode()
    target.refresh_from_db()
    assert target.name == "Newer"
    assert desk.post(URL, {"text": text, "act": "import", "seen": page.context["plan"].fingerprint}).status_code == 302


def test_a_new_address_frees_a_suspended_target_as_in_the_desk(desk):
    TargetFactory(slug="embassy", suspended_at="2011-09-01T00:00Z", suspended_because="550 no")
    bring_in(desk, "slug,email\nembassy,new@example.org\n")
    assert Target.objects.suspended().count() == 0


def test_it_takes_the_permissions_to_add_and_to_change(client, db):
    organiser = OrganiserFactory(is_superuser=False)
    client.force_login(organiser)
    for codename, status in (("view_target", 403), ("change_target", 403), ("add_target", 200)):
        organiser.user_permissions.add(Permission.objects.get(codename=codename))
        page = client.get(URL)
        assert page.status_code == status
        assert (URL in client.get(reverse("admin:protests_target_changelist")).content.decode()) == (status == 200)


def exported():
    return b"".join(as_csv(list(TARGETS.columns), TARGETS.lines(Target.objects.order_by("pk"))))


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)


@settings(max_examples=40, deadline=None)
@given(name=NAMES)
@pytest.mark.django_db
def test_what_goes_out_comes_back(name):
    Target.objects.all().delete()
    name = unicodedata.normalize("NFC", f"{name}x")[:40].strip()
    target = TargetFactory(name=name, salutation=name, opens_at=time(9), closes_at=time(17, 30))
    target.countries.create(country="DE")
    target.translations.create(language_code="ru", salutation=f"={name}")
    table = exported()
    text = importing.decoded(table)[0]
    assert [(row.changes, row.errors) for row in importing.planned(text).rows] == [([], [])]
    Target.objects.all().delete()
    importing.write(text, importing.planned(text).fingerprint, OrganiserFactory())
    assert exported() == table
