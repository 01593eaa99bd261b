"""Every list of the desk is as cheap for many rows as for few."""

import pytest
from django.contrib import admin
from django.db import connection
from django.urls import reverse

from campaign.admin import audit
from campaign.models import MailingCopy, Subscriber
from config import paginating
from donations.models import Allocation, Pledge, Transaction
from organisers import auditing
from organisers.models import AuditEntry
from protests.models import ConfirmationMail, Delivery, Signature
from tests.factories import OrganiserFactory, SignatureFactory
from tests.rows import more, one_of_each
from tests.sizes import TIMES, on_one_database

pytestmark = pytest.mark.django_db
# One row, and a list that leads straight to it.
ONLY_ONE = {"campaign.campaign"}


@pytest.fixture
def desk(client):
    client.force_login(OrganiserFactory())
    return client


def list_of(model):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def read(desk, model):
    asked = []

    def count(execute, sql, *args):
        asked.append(sql)
        return execute(sql, *args)

    with connection.execute_wrapper(count):
        response = desk.get(list_of(model))
    assert response.status_code == 200
    return response.context["cl"].result_count, asked


@on_one_database
def test_every_list_asks_as_much_of_the_database_at_hundreds_of_rows_as_at_10(desk, monkeypatch):
    for registered in admin.site._registry.values():
        monkeypatch.setattr(registered, "list_per_page", 30)  # enough to show what each row would ask
    desk.get(reverse("admin:index"))  # what is read once for the whole process
    grown, many_more = {}, 990 if TIMES > 1 else 190

    for label, row in one_of_each().items():
        if label in ONLY_ONE:
            continue
        model = type(row)
        more(row, 9)
        few, before = read(desk, model)
        more(model._base_manager.order_by("-pk").first(), many_more)
        many, after = read(desk, model)
        assert many >= few + many_more, label
        if len(after) > len(before):  # fewer where the first row, which has all that belongs to it, is on a later page
            grown[label] = (len(before), len(after))
    assert not grown


def test_no_list_counts_a_whole_table(desk, monkeypatch):
    monkeypatch.setattr(paginating, "MOST_COUNTED", 5)
    signature = SignatureFactory()
    more(signature, 20)
    response = desk.get(list_of(type(signature)))
    assert response.context["cl"].result_count == 5
    assert "More than 5: search or filter" in response.text
    assert "Select all that match" in response.text


def test_a_long_list_is_not_sorted_by_a_column_without_an_index(desk, monkeypatch):
    monkeypatch.setattr(paginating, "MOST_COUNTED", 5)
    signature = SignatureFactory()
    more(signature, 4)
    by_country = f"{list_of(Signature)}?o=4"
    few = desk.get(by_country)
    assert few.context["cl"].queryset.query.order_by[0] == "country"
    assert "are not sorted" not in few.text

    more(signature, 1)
    many = desk.get(by_country)
    assert many.context["cl"].queryset.query.order_by[0] == "-pk"
    assert many.context["cl"].result_count == 5
    assert "More than 5 rows are not sorted by this column" in many.text
    # What is narrowed down is sorted again.
    narrowed = desk.get(f"{by_country}&q={signature.pk}")
    assert narrowed.context["cl"].queryset.query.order_by[0] == "country"


def test_no_order_that_a_long_list_offers_sorts_its_table(desk, monkeypatch):
    """Whatever link of its head is followed: the plan has an index, and nothing is sorted."""
    monkeypatch.setattr(paginating, "MOST_COUNTED", 0)
    one_of_each()
    sorting = []
    for model in (Signature, Delivery, ConfirmationMail, AuditEntry, Subscriber, MailingCopy, Pledge, Transaction):
        columns = len(desk.get(list_of(model)).context["cl"].list_display)
        for place in range(1, columns):
            rows = desk.get(f"{list_of(model)}?o=-{place}").context["cl"].queryset
            if connection.vendor == "sqlite" and "USE TEMP B-TREE" in rows.select_related(None)[:100].explain():
                sorting.append((model.__name__, place, rows.query.order_by))
    assert not sorting


@on_one_database
@pytest.mark.parametrize(
    ("model", "query", "joined", "index"),
    [
        (Signature, {"country": "AF"}, None, "protests_signature_country"),
        (ConfirmationMail, {"bad_news__exact": "1"}, None, "protests_mails_of_bad_news"),
        (Allocation, {}, "reversal", "donations_reversals"),
    ],
)
def test_what_is_rare_is_found_by_an_index_that_holds_it_alone(desk, model, query, joined, index):
    more(one_of_each()[model._meta.label_lower], 500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # from which SQLite learns that an index full of NULL is good for nothing
    rows = desk.get(list_of(model), query).context["cl"].queryset
    assert index in rows.select_related(None).select_related(joined)[:100].explain()


def test_the_record_is_searched_in_its_newest_entries_of_what_is_filtered(desk, monkeypatch):
    monkeypatch.setattr(audit, "SEARCHED", 2)
    for act, page in (("printed", "leaflet 1"), ("printed", "leaflet 2"), ("folded", "leaflet 3")):
        auditing.write(act, 1, page=page)

    def found(**query):
        return [entry.page for entry in desk.get(list_of(AuditEntry), query).context["cl"].result_list]

    assert found(q="leaflet") == ["leaflet 3", "leaflet 2"]
    assert found(q="leaflet", act="printed") == ["leaflet 2", "leaflet 1"]
    assert found(act="printed") == ["leaflet 2", "leaflet 1"]


@pytest.mark.parametrize("lookup", ["own_words__regex", "country__iregex", "letter__slug__regex"])
def test_no_address_of_a_list_holds_a_pattern(desk, lookup):
    SignatureFactory()
    response = desk.get(list_of(Signature), {lookup: "(("})
    assert response.status_code == 400
    assert "We could not understand this request" in response.text


def test_every_list_has_the_paginator_that_stops_counting():
    for registered in admin.site._registry.values():
        assert registered.paginator is paginating.BoundedPaginator, registered
        assert registered.show_full_result_count is False, registered


def test_every_form_has_the_scripts_of_the_desk():
    # A mixin that fails while they are collected leaves all of them out, and nobody is told.
    assert [model for model, one in admin.site._registry.items() if "jquery.init" not in str(one.media)] == []
