from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.db.transaction import atomic
from django.utils import timezone

from donations import documents, giving, ledger, posting, reconciling, thanking
from donations.models import Allocation, LedgerEvent, PledgeMail, Transaction
from outbox.messages import Withdrawn
from outbox.models import State
from tests.donations.test_documents import text_of as pdf_text
from tests.donations.test_emails import text_of
from tests.factories import BankAccountFactory, OrganiserFactory, PledgeFactory, PledgeMailFactory, TransactionFactory

Kind = Allocation.Kind

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    return BankAccountFactory()


@pytest.fixture
def fund(account):
    return account.fund


@pytest.fixture
def pledge(fund):
    return PledgeFactory(fund=fund, confirmed=True, number="1234567890", name="Nora Berg", amount_minor=2500)


def thanks():
    return PledgeMail.objects.filter(kind="thanks").order_by("pk")


def gift(pledge, amount=2500, **columns):
    return TransactionFactory(fund=pledge.fund, amount_minor=amount, pledge=pledge, **columns)


def test_a_gift_on_a_pledge_is_thanked_for_with_a_link_to_its_receipt(client, settings, pledge):
    posted = gift(pledge)
    message, text = text_of(thanks().get())
    assert message["To"] == pledge.email
    assert message["Subject"] == "Your gift on pledge 1234567890 has arrived"
    assert "your gift of €25.00 has arrived" in text
    assert "Nora" not in text
    (link,) = [word for word in text.split() if word.endswith(".pdf")]
    response = client.get(link.removeprefix(settings.BASE_URL))
    assert response["Content-Type"] == "application/pdf"
    assert response["Cache-Control"] == "private, no-store"
    (sheet,) = documents.receipts(pledge).values()
    event = LedgerEvent.objects.get(kind="allocation_made", about=posted.allocations.get().pk)
    printed = pdf_text(sheet)
    for shown in ("Nora Berg", "€25.00", "1234567890", str(event.sequence)):
        assert shown in printed
    assert f"{settings.BASE_URL}/fund/ledger/" in printed.replace(" ", "")  # broken at the margin


def test_the_receipt_is_on_the_pledges_page_and_nobody_elses(client, pledge):
    posted = gift(pledge)
    token, stranger = thanks().get().token, PledgeMailFactory().token
    page = client.get(f"/fund/pledge/{token}/").content.decode()
    assert f"/fund/pledge/{token}/receipt-{posted.pk}/" in page
    assert "Receipt for €25.00" in client.get(f"/fund/pledge/{token}/receipt-{posted.pk}/").content.decode()
    for path in (f"{stranger}/receipt-{posted.pk}.pdf", f"{token}/receipt-{posted.pk + 1}.pdf", f"{token}/receipt-x/"):
        assert client.get(f"/fund/pledge/{path}").status_code == 404


def test_thanks_come_once_for_each_gift_and_for_no_other_money(fund, account, pledge):
    posted = gift(pledge)
    (made,) = posted.allocations.all()
    assert not thanking.thank(made)
    posting.undo(made, by=None)
    posting.allocate(posted, Kind.PLEDGE, 1000, pledge=pledge, by=None)
    assert thanks().count() == 1
    assert "€10.00" in text_of(thanks().get())[1]
    posting.allocate(posted, Kind.GIFT, 500, by=None)
    back = TransactionFactory(fund=fund, amount_minor=-100)
    posting.allocate(back, Kind.REFUND, -100, pledge=pledge, by=None)
    assert thanks().count() == 1
    gift(pledge)
    assert thanks().count() == 2


def test_who_was_mistaken_for_another_is_not_thanked_and_the_other_is(pledge, fund):
    posted = gift(pledge)
    posting.undo(posted.allocations.get(), by=OrganiserFactory())
    with pytest.raises(Withdrawn):
        text_of(thanks().get())
    assert documents.receipts(pledge) == {}
    other = PledgeFactory(fund=fund, confirmed=True)
    posting.allocate(posted, Kind.PLEDGE, 2500, pledge=other, by=None)
    assert thanks().last().pledge == other


def test_a_gift_of_two_parts_has_one_mail_and_one_receipt(pledge):
    posted = TransactionFactory(fund=pledge.fund, amount_minor=2500)
    for part in (1000, 1500):
        posting.allocate(posted, Kind.PLEDGE, part, pledge=pledge, by=None)
    assert "€25.00" in text_of(thanks().get())[1]
    (sheet,) = documents.receipts(pledge).values()
    assert sheet.name == f"receipt-{posted.pk}"
    assert "€25.00" in pdf_text(sheet)


def test_nobody_is_thanked_who_never_confirmed_who_withdrew_or_long_after(fund, pledge):
    withdrawn = PledgeFactory(fund=fund, confirmed=True)
    giving.withdraw(withdrawn)
    for made in (PledgeFactory(fund=fund), withdrawn):
        gift(made)
    gift(pledge, booked_on=timezone.localdate() - thanking.THANK_WITHIN - timedelta(days=1))
    assert not thanks().exists()
    gift(pledge, booked_on=timezone.localdate() - thanking.THANK_WITHIN)
    assert thanks().count() == 1
    giving.withdraw(pledge)
    assert thanks().get().state == State.CANCELLED


def test_a_statement_is_thanked_for_in_a_few_queries(fund, account, pledge, django_assert_max_num_queries):
    def lines(number):
        return posting.post_all(
            [
                Transaction(
                    fund=fund,
                    account=account,
                    amount_minor=100,
                    currency="EUR",
                    booked_on=timezone.localdate(),
                    reference=pledge.number,
                )
                for _ in range(number)
            ]
        )

    few, many = lines(2), lines(30)
    with django_assert_max_num_queries(60) as asked:
        reconciling.settle(few)
    with django_assert_max_num_queries(len(asked)):
        reconciling.settle(many)
    assert thanks().count() == 32
    assert ledger.verify() == []


def test_the_database_holds_that_thanks_are_for_a_gift_and_come_once(pledge):
    posted = gift(pledge)
    for columns in (
        {"kind": "thanks", "transaction": posted},
        {"kind": "thanks"},
        {"kind": "thanks", "transaction": gift(pledge), "due_on": timezone.localdate()},
        {"kind": "instructions", "transaction": gift(pledge)},
    ):
        PledgeMail.objects.exclude(transaction=posted).delete()
        with pytest.raises(IntegrityError), atomic():
            PledgeMailFactory(pledge=pledge, **columns)
