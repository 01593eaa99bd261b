import io
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from donations import uploading
from donations.models import BankStatement, StatementMapping, StatementUpload, Transaction
from donations.statements.items import StatementError
from donations.tasks import import_statements
from privacy.purging import purge
from tests.factories import BankAccountFactory, FundFactory, OrganiserFactory

pytestmark = pytest.mark.django_db

FILES = Path(__file__).parent / "statements" / "files"
State = StatementUpload.State


@pytest.fixture
def desk(client):
    client.force_login(OrganiserFactory())
    return client


@pytest.fixture
def account():
    return BankAccountFactory(iban="BE71096123456769", bic="", fund=FundFactory(currencies="EUR"))


def upload(desk, account, name, content=None):
    content = (FILES / name).read_bytes() if content is None else content
    return desk.post(
        reverse("admin:donations_statement_upload"),
        {"account": account.pk, "file": SimpleUploadedFile(name, content)},
        follow=True,
    )


def text_of(response):
    return unescape(response.content.decode())


def look(desk, **data):
    page = reverse("admin:donations_statement_look", args=[StatementUpload.objects.latest("pk").pk])
    return desk.post(page, data, follow=True) if data else desk.get(page)


def mapped(**changes):
    columns = {
        "booked_on": "2",
        "amount": "4",
        "currency": "5",
        "counterparty": "3",
        "remittance": ["6"],
        "bank_reference": "1",
        "delimiter": ";",
        "order": "dmy",
    }
    return {**columns, **changes}


def test_a_statement_is_shown_first_and_then_imported_by_a_worker(desk, account):
    shown = text_of(upload(desk, account, "belgium.camt053.001.02.xml"))
    assert "Afdeling Voorbeeld" in shown
    assert "€75.00 will not be booked: not booked yet" in shown
    assert not Transaction.objects.exists()
    waiting = text_of(look(desk, act="import"))
    assert 'http-equiv="refresh"' in waiting
    assert StatementUpload.objects.get().state == State.QUEUED
    import_statements()
    done = look(desk)
    assert "Lines read: 10. New: 8. Known already: 0. Rejected: 2." in text_of(done)
    assert 'http-equiv="refresh"' not in text_of(done)
    row = StatementUpload.objects.get()
    assert (row.state, row.content) == (State.DONE, "")
    assert BankStatement.objects.get().imported_by == row.uploaded_by


def test_the_list_shows_statements_and_leads_to_the_import(desk, account):
    upload(desk, account, "belgium.camt053.001.02.xml")
    look(desk, act="import")
    import_statements()
    shown = text_of(desk.get(reverse("admin:donations_bankstatement_changelist")))
    assert reverse("admin:donations_statement_upload") in shown
    assert "€1,184.50" in shown
    assert (
        desk.get(reverse("admin:donations_bankstatement_change", args=[BankStatement.objects.get().pk])).status_code
        == 200
    )


def test_pressing_import_twice_imports_once(desk, account):
    upload(desk, account, "belgium.camt053.001.02.xml")
    look(desk, act="import")
    look(desk, act="import")
    import_statements()
    import_statements()
    assert Transaction.objects.count() == 8


def test_a_statement_of_another_account_is_refused_at_the_first_look(desk, account):
    shown = text_of(upload(desk, account, "germany.mt940.sta"))
    assert "50010517/5407324931" in shown
    assert "Import all lines" not in shown


def test_a_refused_statement_says_why_and_books_nothing(desk, account):
    content = (FILES / "belgium.camt053.001.02.xml").read_bytes().replace(b">1184.50<", b">1184.51<")
    upload(desk, account, "belgium.xml", content)
    look(desk, act="import")
    import_statements()
    assert "Nothing was imported." in text_of(look(desk))
    assert "The difference is €0.01" in text_of(look(desk))
    assert not Transaction.objects.exists()


def test_a_file_that_cannot_be_read_is_refused_with_its_line_before_anything(desk, account):
    content = (FILES / "germany.mt940.sta").read_bytes().replace(b"CR50,00", b"CR5.0,00")
    content = content.replace(b"50010517/5407324931", b"BE71096123456769")
    shown = text_of(upload(desk, account, "germany.mt940.sta", content))
    assert "Line 5:" in shown
    assert "no entry of MT940" in shown
    assert "Import all lines" not in shown
    look(desk, act="import")
    assert StatementUpload.objects.get().state == State.PREVIEWED


def test_what_is_no_statement_is_refused_at_the_form(desk, account):
    assert "packed file" in text_of(upload(desk, account, "statements.zip", b"PK\x03\x04"))
    assert not StatementUpload.objects.exists()


def test_a_file_that_is_too_large_is_refused(account):
    with pytest.raises(StatementError, match="larger than 10 MB"):
        uploading.receive(account, io.BytesIO(b"x" * (uploading.MAXIMUM_BYTES + 1)), name="x", by=None)


def test_the_columns_of_a_csv_are_chosen_once_and_kept_for_the_account(desk, account):
    shown = text_of(upload(desk, account, "trailing-minus.csv"))
    assert "Please say which column holds the date." in shown
    assert "Strike committee" in shown  # as it stands in the file
    chosen = text_of(look(desk, act="look", **mapped()))
    assert "-€200.00" in chosen
    assert not StatementMapping.objects.exists()
    look(desk, act="import", **mapped())
    import_statements()
    assert sorted(Transaction.objects.values_list("amount_minor", flat=True)) == [-20000, 150000, 150000]
    again = upload(
        desk, account, "next.csv", b"0004;05.12.2025;C. Example;1.500;EUR;two readings\n0005;05.12.2025;D;9,5;EUR;x\n"
    )
    assert "€1,500.00" in text_of(again)


def test_a_column_that_the_file_does_not_have_is_refused_in_words(desk, account):
    upload(desk, account, "trailing-minus.csv")
    assert "Please choose from what the file has." in text_of(look(desk, act="import", **mapped(amount="99")))
    assert StatementUpload.objects.get().state == State.PREVIEWED


@pytest.mark.parametrize("delimiter", ["", "x", ",", "|"])
def test_a_wrong_delimiter_is_no_error_of_the_programs(desk, account, delimiter):
    upload(desk, account, "trailing-minus.csv")
    assert look(desk, act="import", **mapped(delimiter=delimiter)).status_code == 200
    assert StatementUpload.objects.get().state == State.PREVIEWED


def test_an_organiser_without_the_right_may_not_import(client, account):
    onlooker = OrganiserFactory(is_superuser=False)
    onlooker.user_permissions.add(Permission.objects.get(codename="view_bankstatement"))
    client.force_login(onlooker)
    assert upload(client, account, "belgium.camt053.001.02.xml").status_code == 403
    shown = text_of(client.get(reverse("admin:donations_bankstatement_changelist")))
    assert reverse("admin:donations_statement_upload") not in shown


def test_what_a_dead_worker_left_is_taken_up_again(desk, account):
    upload(desk, account, "belgium.camt053.001.02.xml")
    row = StatementUpload.objects.all()
    row.update(state=State.RUNNING, changed_at=timezone.now())
    import_statements()
    assert not Transaction.objects.exists()
    row.update(changed_at=timezone.now() - timedelta(hours=1))
    import_statements()
    assert Transaction.objects.count() == 8


def test_a_file_that_nobody_imports_is_forgotten(desk, account):
    upload(desk, account, "belgium.camt053.001.02.xml")
    StatementUpload.objects.update(uploaded_at=timezone.now() - timedelta(days=3))
    purge()
    assert StatementUpload.objects.get().content == ""
    assert "no longer kept" in text_of(look(desk))
    assert "no longer kept" in text_of(look(desk, act="import"))
