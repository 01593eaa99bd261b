"""The way out of every list that has one."""

import csv
import os
from io import BytesIO, StringIO
from threading import Semaphore

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from openpyxl import load_workbook

from campaign.admin import Exporting, exporting
from campaign.countries import CODES
from campaign.models import Subscriber
from donations.models import Pledge
from organisers.models import AuditEntry
from privacy import sealing
from protests.models import Picket, Signature, Target
from tests.factories import (
    FundFactory,
    LetterTextFactory,
    OrganiserFactory,
    PicketFactory,
    PledgeFactory,
    SignatureFactory,
    StrikeFactory,
    SubscriberFactory,
    TargetFactory,
)

pytestmark = pytest.mark.django_db
ADMINS = {model: desk for model, desk in admin.site._registry.items() if isinstance(desk, Exporting)}
MODELS = [Subscriber, Signature, Target, Picket, Pledge]
TABLES = [(model, export) for model in MODELS for export in ADMINS[model].exports]
REASON = "The branch asked how many of it signed"
PERSONAL = {
    "name": "Nora Berg",
    "email": "nora@example.org",
    "organisation": "Oil Workers' Branch 7",
    "own_words": "I am an oil worker",
}


def url_of(model, page="export"):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}")


def make(model, **more):
    match model:
        case _ if model is Subscriber:
            return SubscriberFactory(email=PERSONAL["email"])
        case _ if model is Signature:
            return SignatureFactory(**PERSONAL, country="DE", confirmed=True, **more)
        case _ if model is Target:
            target = TargetFactory(name="Embassy in Berlin")
            target.countries.create(country="DE")
            return target
        case _ if model is Picket:
            return PicketFactory(country="GB")
        case _:
            return PledgeFactory(**{name: PERSONAL[name] for name in ("name", "email", "organisation")}, confirmed=True)


def rows_of(response):
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(StringIO(text, newline="")))


def export(client, model, table, query="", **fields):
    given = {"what": table, "format": "csv", "reason": REASON, "agreed": "on", **fields}
    return client.post(url_of(model) + query, given)


@pytest.fixture(autouse=True)
def turn(monkeypatch):
    monkeypatch.setattr(exporting, "_TURN", Semaphore())


@pytest.fixture
def desk(client):
    client.force_login(OrganiserFactory())
    return client


def test_these_lists_go_out_and_no_others():
    assert set(ADMINS) == {*MODELS, AuditEntry}  # whose own is in tests/organisers/test_auditing.py


@pytest.mark.parametrize(("model", "table"), TABLES, ids=lambda value: getattr(value, "name", ""))
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_list_goes_out_with_its_headings_and_is_logged_without_personal_data(desk, model, table, kind):
    make(model)
    response = export(desk, model, table.name, format=kind)
    assert response["Content-Disposition"].endswith(f'.{kind}"')
    assert {"private", "no-store"} <= set(response["Cache-Control"].split(", "))
    body = b"".join(response.streaming_content)
    if kind == "csv":
        rows = list(csv.reader(StringIO(body.decode("utf-8-sig"), newline="")))
    else:
        rows = [[cell.value for cell in row] for row in load_workbook(BytesIO(body)).active.iter_rows()]
    assert rows[0] == list(table.columns)
    assert len(rows) == 2
    entry = LogEntry.objects.get()
    assert entry.content_type.model_class() is model
    assert (str(table.label) in entry.change_message, "1 row" in entry.change_message) == (True, True)
    assert REASON in entry.change_message or not table.personal
    assert not [value for value in PERSONAL.values() if value in f"{entry.object_repr} {entry.change_message}"]


@pytest.mark.parametrize(("model", "table"), TABLES, ids=lambda value: getattr(value, "name", ""))
def test_a_table_that_asks_for_no_reason_tells_nothing_of_persons(desk, model, table):
    make(model, **({"display": "public"} if model is Signature else {}))
    response = export(desk, model, table.name)
    body = b"".join(response.streaming_content).decode()
    assert any(value in body for value in PERSONAL.values()) == bool(table.personal)


@pytest.mark.parametrize("model", MODELS)
def test_it_takes_a_permission_of_its_own(client, model):
    make(model)
    organiser = OrganiserFactory(is_superuser=False, is_staff=True)
    label, name = model._meta.app_label, model._meta.model_name
    client.force_login(organiser)
    organiser.user_permissions.set(Permission.objects.filter(codename__in=[f"view_{name}", f"change_{name}"]))
    assert url_of(model) not in client.get(url_of(model, "changelist")).content.decode()
    assert client.get(url_of(model)).status_code == 403
    assert export(client, model, ADMINS[model].exports[0].name).status_code == 403
    assert not LogEntry.objects.exists()
    organiser.user_permissions.add(Permission.objects.get(codename=f"export_{name}", content_type__app_label=label))
    assert url_of(model) in client.get(url_of(model, "changelist")).content.decode()
    assert client.get(url_of(model)).status_code == 200
    assert len(rows_of(export(client, model, ADMINS[model].exports[0].name))) == 1


@pytest.mark.parametrize(
    ("model", "table"), [(m, t) for m, t in TABLES if t.personal], ids=lambda v: getattr(v, "name", "")
)
@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("reason", "", "say what it is needed for"),
        ("reason", "why not", "at least 10 characters"),
        ("reason", "nora@example.org asked me to", "leave out the address"),
        ("reason", "x" * 201, "at most 200"),
        ("agreed", "", "confirm this"),
        ("format", "exe", "Select a valid choice"),
        ("what", "passwords", "Select a valid choice"),
    ],
)
def test_personal_data_leaves_with_a_reason_and_a_word_or_not_at_all(desk, model, table, field, value, words):  # noqa: PLR0917
    make(model)
    response = export(desk, model, table.name, **{field: value})
    assert response.status_code == 400
    assert words in response.content.decode()
    assert not LogEntry.objects.exists()


def test_the_lists_filters_say_which_rows(desk):
    make(Signature)
    SignatureFactory(country="FR", confirmed=True)
    page = desk.get(url_of(Signature) + "?country=DE").content.decode()
    assert "Made of 1 row." in page
    assert [row["country"] for row in rows_of(export(desk, Signature, "signatures", "?country=DE"))] == ["DE"]
    assert len(rows_of(export(desk, Signature, "signatures"))) == 2


def test_an_address_that_was_searched_for_stands_in_no_log(desk):
    make(Signature)
    assert len(rows_of(export(desk, Signature, "signatures", "?q=nora@example.org"))) == 1
    assert "example.org" not in LogEntry.objects.get().change_message


def test_an_address_typed_by_hand_leads_back_to_the_list(desk):
    response = desk.get(url_of(Signature) + "?nonsense=1")
    assert (response.status_code, response["Location"]) == (302, url_of(Signature, "changelist"))


@pytest.mark.parametrize(
    ("display", "name", "organisation"),
    [("public", "Nora Berg", "Oil Workers' Branch 7"), ("initials", "N. B.", ""), ("anonymous", "", "")],
)
def test_a_signer_is_told_of_as_they_chose(desk, display, name, organisation):
    make(Signature, display=display)
    response = export(desk, Signature, "signatures")
    (row,) = rows_of(response)
    assert (row["name"], row["organisation"]) == (name, organisation)
    assert not {"nora@example.org", "I am an oil worker"} & set(row.values())


def test_who_has_not_confirmed_or_took_it_back_is_in_no_table(desk):
    for model, gone in ((Signature, "withdrawn_at"), (Pledge, "withdrawn_at")):
        left = make(model)
        model.objects.filter(pk=left.pk).update(**{gone: left.confirmed_at})
    SubscriberFactory(unconfirmed=True)
    for model, table in (
        (Signature, "signatures"),
        (Signature, "signatures-by-country"),
        (Pledge, "pledges"),
        (Subscriber, "subscribers"),
    ):
        assert rows_of(export(desk, model, table)) == []


def test_signatures_are_counted_by_letter_and_country(desk):
    first = make(Signature)
    SignatureFactory(country="DE", text=first.text, confirmed=True)
    SignatureFactory(country="FR", text=first.text, confirmed=True)
    rows = rows_of(export(desk, Signature, "signatures-by-country", reason="", agreed=""))
    assert [(row["letter"], row["country_name"], row["signatures"]) for row in rows] == [
        (first.letter.slug, "Germany", "2"),
        (first.letter.slug, "France", "1"),
    ]


@pytest.mark.parametrize(("model", "table"), TABLES, ids=lambda value: getattr(value, "name", ""))
def test_twice_the_rows_take_the_same_queries(desk, model, table):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            count = len(rows_of(export(desk, model, table.name)))
        return count, len(captured)

    countries = iter(sorted(CODES))
    strike, fund, text = StrikeFactory(), FundFactory(), LetterTextFactory()

    def factory():
        match model:
            case _ if model is Subscriber:
                SubscriberFactory(strikes=[strike])
            case _ if model is Signature:
                SignatureFactory(text=text, country=next(countries), confirmed=True)
            case _ if model is Target:
                TargetFactory().countries.create(country="DE")
            case _ if model is Picket:
                PicketFactory(strike=strike)
            case _:
                PledgeFactory(fund=fund, confirmed=True)

    for _ in range(2):
        factory()
    queries()
    few, before = queries()
    for _ in range(8):
        factory()
    many, after = queries()
    assert many > few
    assert after == before


def test_rows_are_read_in_pieces_and_none_is_lost_or_repeated(desk, monkeypatch):
    monkeypatch.setattr("campaign.exporting._AT_ONCE", 3)
    for _ in range(7):
        SignatureFactory(confirmed=True)
    numbers = [int(row["number"]) for row in rows_of(export(desk, Signature, "signatures"))]
    assert numbers == sorted(Signature.objects.values_list("pk", flat=True), reverse=True)


def test_two_exports_at_once_take_turns(desk):
    make(Target)
    running = export(desk, Target, "targets")
    refused = export(desk, Target, "targets")
    assert refused.status_code == 400
    assert "try again in a minute" in refused.content.decode()
    rows_of(running)
    assert len(rows_of(export(desk, Target, "targets"))) == 1


def test_a_page_tells_of_the_last_exports(desk):
    make(Target)
    rows_of(export(desk, Target, "targets"))
    assert "made of 1 row" in desk.get(url_of(Target)).content.decode()


@pytest.fixture
def private(settings):
    private = os.urandom(32)
    settings.SEALED_EXPORT_KEY = sealing.public_of(private)
    return private


@pytest.mark.parametrize(("model", "table"), [(m, t) for m, t in TABLES if t.personal])
@pytest.mark.parametrize("made_as", ["csv", "xlsx"])
def test_with_a_key_of_the_organisers_a_table_of_persons_leaves_sealed_only(client, private, model, table, made_as):
    client.force_login(OrganiserFactory())
    make(model)
    assert "The file is sealed" in client.get(url_of(model)).content.decode()

    response = export(client, model, table.name, format=made_as)
    sent = b"".join(response.streaming_content)
    response.close()

    assert response["Content-Disposition"].endswith(f'.{made_as}.sealed"')
    assert not any(text.encode() in sent for text in PERSONAL.values())
    opened = b"".join(sealing.unseal(BytesIO(sent), private))
    rows = load_workbook(BytesIO(opened)).active.values if made_as == "xlsx" else opened.decode("utf-8-sig").split()
    assert len(list(rows)) > 1


@pytest.mark.parametrize(("model", "table"), [(m, t) for m, t in TABLES if not t.personal])
def test_a_table_without_persons_is_not_sealed(client, private, model, table):
    client.force_login(OrganiserFactory())
    make(model)
    assert rows_of(export(client, model, table.name))
