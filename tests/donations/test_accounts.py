"""Which account donors are told, and that none is swapped unannounced."""

from datetime import timedelta
from html import unescape

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from config.loading import load
from donations import accounts, chaining, ledger, triggers
from donations.accounts import Answer
from donations.models import AccountNotice, BankAccount, LedgerEvent
from tests.donations.test_ledger import past_the_triggers
from tests.factories import BankAccountFactory, FundFactory, OrganiserFactory

pytestmark = pytest.mark.django_db

OTHER = "BE29734032422964"


def proposed(fund, iban=OTHER, by=None):
    account = BankAccountFactory.build(fund=fund, iban=iban, bic="", payable=False)
    return accounts.propose(account, by=by or OrganiserFactory())


def page(client, path="/fund/"):
    return " ".join(unescape(client.get(path).content.decode()).split())


def test_the_first_account_holds_once_another_organiser_approved_it(client):
    fund, one, two = FundFactory(), OrganiserFactory(), OrganiserFactory()
    account = proposed(fund, by=one)
    assert accounts.shown(fund) == accounts.Shown()
    with pytest.raises(accounts.RefusedError, match="You proposed it"):
        accounts.approve(account, by=one)
    assert "BE29" not in page(client)
    accounts.approve(account, by=two)
    assert accounts.payable(fund) == account
    assert "BE29 7340 3242 2964" in page(client)
    with pytest.raises(accounts.RefusedError, match="already"):
        accounts.approve(account, by=OrganiserFactory())


def test_a_change_is_announced_for_a_day(client, time_machine):
    time_machine.move_to("2026-11-21 10:00+00:00", tick=False)
    account = BankAccountFactory()
    change = proposed(account.fund)
    assert "BE29" not in page(client)
    accounts.approve(change, by=OrganiserFactory())
    known = accounts.shown(account.fund)
    assert (known.account, known.coming) == (account, change)
    text = page(client)
    assert "The account changes." in text
    assert "It holds from 22 Nov 2026" in text
    assert "BE29 7340 3242 2964" in text
    assert "BE29" not in page(client, "/fund/pledge/")
    time_machine.move_to("2026-11-22 09:59:59+00:00", tick=False)
    assert accounts.payable(account.fund) == account
    time_machine.move_to("2026-11-22 10:00+00:00", tick=False)
    assert accounts.shown(account.fund) == accounts.Shown(change)
    now, _, earlier = page(client).partition("Earlier accounts")
    assert "DE02" not in now
    assert earlier.count("DE02 1005 0000 0054 5404 02") == 1
    assert "Do not pay to these any more." in earlier
    assert "from 21 November 2026 until 22 November 2026" in earlier


def test_one_change_at_a_time_and_an_announced_one_can_be_withdrawn(time_machine):
    account = BankAccountFactory()
    change = accounts.approve(proposed(account.fund), by=OrganiserFactory())
    with pytest.raises(accounts.RefusedError, match="announced already"):
        accounts.approve(proposed(account.fund), by=OrganiserFactory())
    accounts.withdraw(change, by=OrganiserFactory())
    time_machine.move_to(timezone.now() + timedelta(days=2))
    assert accounts.shown(account.fund) == accounts.Shown(account)


def test_after_a_withdrawal_no_earlier_account_comes_back(time_machine, client):
    account = BankAccountFactory()
    change = accounts.approve(proposed(account.fund), by=OrganiserFactory())
    time_machine.move_to(timezone.now() + timedelta(days=2))
    assert accounts.payable(account.fund) == change
    accounts.withdraw(change, by=OrganiserFactory())
    assert accounts.shown(account.fund) == accounts.Shown()
    assert "Please send no money now" in page(client)
    with pytest.raises(accounts.RefusedError, match="withdrawn already"):
        accounts.withdraw(change, by=OrganiserFactory())
    third = accounts.approve(proposed(account.fund), by=OrganiserFactory())
    assert accounts.shown(account.fund) == accounts.Shown(coming=third)


def test_every_organiser_and_the_campaign_are_told_by_mail(send_all):
    organisers = [OrganiserFactory(email=f"organiser-{number}@example.org") for number in range(2)]
    OrganiserFactory(email="gone@example.org", is_active=False)
    OrganiserFactory(email="member@example.org", is_staff=False)
    account = proposed(FundFactory(title="Bread & roses"), by=organisers[0])
    accounts.approve(account, by=organisers[1])
    taken = send_all(AccountNotice)
    assert len(taken) == 6
    assert {one.rcpt_tos[0] for one in taken} >= {"organiser-0@example.org", "organiser-1@example.org"}
    texts = [one.content.decode() for one in taken]
    assert all("BE29 7340 3242 2964" in text and "Bread & roses" in text for text in texts)
    assert sum("has proposed this account" in text for text in texts) == 3
    assert sum("has approved this account" in text for text in texts) == 3
    accounts.withdraw(account, by=organisers[0])
    assert AccountNotice.objects.filter(what="withdrawn").count() == 3


SWAPS = [
    "UPDATE donations_bankaccount SET iban = 'BE29734032422964'",
    "UPDATE donations_bankaccount SET iban = 'BE29734032422964', holder = 'Thief', bic = ''",
    "UPDATE donations_bankaccount SET valid_from = '2030-01-01' WHERE iban LIKE 'DE02%'",
    "UPDATE donations_bankaccount SET withdrawn_at = proposed_at WHERE iban LIKE 'DE02%'",
    "DELETE FROM donations_ledgerevent WHERE kind = 'account_proposed'",
]


@pytest.mark.parametrize("statement", SWAPS)
def test_an_account_that_was_swapped_by_sql_is_not_shown(client, statement):
    account = BankAccountFactory()
    BankAccountFactory(iban=OTHER, fund=account.fund, payable=False)  # by the campaign's files
    past_the_triggers(statement)
    text = page(client)
    assert "BE29" not in text
    assert "Thief" not in text
    known = accounts.payable(account.fund)
    assert known is None or known.iban == account.iban
    assert accounts.check(OTHER) == (Answer.WRONG, None)


def test_an_account_that_was_put_in_by_sql_with_events_and_all_is_not_shown(client):
    """Who writes the chain on, but has not this program's keys, makes no seal."""
    account = BankAccountFactory()
    change = accounts.approve(proposed(account.fund), by=OrganiserFactory())
    last = LedgerEvent.objects.order_by("-sequence").first()
    last.payload["valid_from"] = "2011-01-01T00:00:00.000000+00:00"
    forged = ledger.digest(last.previous_hash, ledger.content(last))
    triggers.drop("default")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE donations_ledgerevent SET hash = %s, seal = %s, payload = %s WHERE sequence = %s",
            [forged, "0" * 64, chaining.canonical(last.payload), last.sequence],
        )
        cursor.execute(
            "UPDATE donations_bankaccount SET approved_at = '2011-01-01', valid_from = '2011-01-01' WHERE id = %s",
            [change.pk],
        )
    triggers.create("default")
    assert accounts.shown(account.fund) == accounts.Shown(is_doubtful=True)
    text = page(client)
    assert "no account is shown" in text
    assert "BE29" not in text
    assert "DE02" not in text


def test_loading_another_account_from_files_shows_none_unannounced(client, tmp_path):
    fund = tmp_path / "funds/bread.md"
    fund.parent.mkdir()
    (tmp_path / "strikes/bakers").mkdir(parents=True)
    (tmp_path / "strikes/bakers/story.md").write_text(
        '+++\ntitle = "Bakers"\nsummary = "No bread."\npublished_at = 2011-05-02\n+++\nA story.\n'
    )

    def write(iban, more=""):
        fund.write_text(
            '+++\ntitle = "Bread"\nstrike = "bakers"\npublished_at = 2011-05-05\n'
            f'[account]\nholder = "Bread Fund"\niban = "{iban}"\n{more}+++\nFor bread.\n'
        )

    write("DE02100500000054540402")
    load(tmp_path)
    account = BankAccount.objects.get()
    assert accounts.shown(account.fund) == accounts.Shown(account)
    assert accounts.payable(account.fund) is None
    real = accounts.approve(proposed(account.fund, iban="DE02100500000054540402"), by=OrganiserFactory())
    write(OTHER)
    load(tmp_path)
    assert load(tmp_path).changed_nothing
    assert BankAccount.objects.filter(iban=OTHER).exists()
    assert accounts.shown(account.fund) == accounts.Shown(real)
    assert "BE29" not in page(client)
    write(OTHER, "payable = true\n")
    with pytest.raises(Exception, match="two organisers propose and approve"):
        load(tmp_path)


def test_what_was_changed_between_proposal_and_approval_is_not_approved():
    account = proposed(FundFactory())
    past_the_triggers("UPDATE donations_bankaccount SET iban = 'DE02100500000054540402'")
    with pytest.raises(accounts.RefusedError, match="not as it was proposed"):
        accounts.approve(account, by=OrganiserFactory())


def test_an_account_of_the_files_is_a_fact_and_cannot_be_approved():
    fact = BankAccountFactory(payable=False)
    with pytest.raises(accounts.RefusedError, match="Propose it yourself"):
        accounts.approve(fact, by=OrganiserFactory())
    assert accounts.check(fact.iban) == (Answer.NOT_PAYABLE, fact.fund)


@pytest.mark.parametrize("wrong", [{"iban": "BE28734032422964"}, {"bic": "KRED"}, {"currency": "EURO"}])
def test_a_mistyped_account_is_not_proposed(wrong):
    account = BankAccountFactory.build(fund=FundFactory(), payable=False, **wrong)
    with pytest.raises(ValidationError):
        accounts.propose(account, by=OrganiserFactory())
    assert not LedgerEvent.objects.exists()


def test_the_accounts_of_many_funds_take_as_many_queries_as_of_one(django_assert_num_queries):
    funds = [BankAccountFactory().fund for _ in range(4)]
    with django_assert_num_queries(3):
        accounts.shown_of(funds[:1])
    with django_assert_num_queries(3):
        assert all(known.payable for known in accounts.shown_of(funds).values())


# --- "Is this the right account?"


@pytest.mark.parametrize(
    ("typed", "status", "words"),
    [
        ("de02 1005 0000 0054 5404 02", 200, "This is the account. You can pay to it."),
        ("IBAN: DE02-1005-0000-0054-5404-02", 200, "This is the account."),
        (OTHER, 200, "This is not the account. Do not pay to it."),
        ("DE03 1005 0000 0054 5404 02", 400, "no valid IBAN"),
        ("", 400, "This field is required"),
        ("<script>", 400, "no valid IBAN"),
        ("9" * 10_000, 400, "at most 60 characters"),
        ("\0", 400, "Null characters are not allowed"),
    ],
)
def test_a_visitor_compares_the_number_that_they_were_told(client, typed, status, words):
    BankAccountFactory()
    response = client.post("/fund/account/", {"iban": typed})
    assert response.status_code == status
    assert words in unescape(response.content.decode())
    assert not response.cookies


def test_the_page_that_compares_leads_from_the_fund_and_changes_nothing_on_get(client):
    account = BankAccountFactory()
    assert 'href="/fund/account/"' in page(client)
    assert "Is this the right account?" in page(client, f"/fund/account/?iban={account.iban}")
    change = accounts.approve(proposed(account.fund), by=OrganiserFactory())
    assert accounts.check(change.iban) == (Answer.COMING, account.fund)
    assert accounts.check(account.iban)[0] == Answer.RIGHT


class AnyOrder(TestCase):
    """Whatever organisers do in whatever order: no account is shown that two did not approve a day before."""

    @settings(deadline=None, max_examples=15)
    @given(steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 2)), max_size=10))
    def test_what_is_shown_was_approved_by_two_and_announced(self, steps):
        fund, organisers = FundFactory(), [OrganiserFactory() for _ in range(3)]
        made, ever = [], None
        for step, who, which in steps:
            account = made[which] if which < len(made) else None
            try:
                match step:
                    case 0:
                        made.append(proposed(fund, by=organisers[who]))
                    case 1 if account:
                        accounts.approve(account, by=organisers[who])
                    case 2 if account:
                        accounts.withdraw(account, by=organisers[who])
            except accounts.RefusedError:
                continue
            known = accounts.shown(fund)
            assert not known.is_doubtful
            if known.account:
                known.account.refresh_from_db()
                assert known.account.approved_by not in {None, known.account.proposed_by}
                assert known.account.withdrawn_at is None
                # No day has passed: only the first one can hold.
                ever = ever or known.account
                assert known.account == ever
        assert ledger.verify() == []
