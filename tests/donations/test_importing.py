import io
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from donations import accounts, balances, importing, ledger, posting
from donations.models import Allocation, BankAccount, BankStatement, LedgerEvent, StatementMapping, Transaction
from donations.statements.columns import CsvMapping
from donations.statements.items import StatementError
from privacy.tags import tag
from tests.factories import BankAccountFactory, FundFactory, OrganiserFactory, PledgeFactory
from tests.sizes import examples
from tests.threads import at_once

pytestmark = pytest.mark.django_db

FILES = Path(__file__).parent / "statements" / "files"
IBAN = "BE71096123456769"
OTHER_IBAN = "BE29734032422964"
THIRD_IBAN = "DE02120300000000202051"
GIFT = (1000, "J. Example", "gift")


@pytest.fixture
def account():
    return BankAccountFactory(iban=IBAN, bic="", fund=FundFactory(currencies="EUR"))


def mt940(opening, *lines, day="260302", to=None, closing=None, number="1", iban=IBAN):
    """Return a statement: what was on the account, and lines of an amount, a name and words, each with its own day."""
    closing = opening + sum(line[0] for line in lines) if closing is None else closing

    def balance(tag, on, minor):
        return f":{tag}:{'D' if minor < 0 else 'C'}{on}EUR{abs(minor) // 100},{abs(minor) % 100:02d}\n"

    text = f":20:TEST\n:25:{iban}\n:28C:{number}/1\n" + balance("60F", day, opening)
    for minor, name, words, *on in lines:
        mark = "D" if minor < 0 else "C"
        text += f":61:{on[0] if on else day}{mark}{abs(minor) // 100},{abs(minor) % 100:02d}NTRFNONREF\n"
        text += f":86:166?00GUTSCHRIFT?20SVWZ+{words}?32{name}\n"
    return text + balance("62F", to or day, closing) + "-\n"


def take(text, account, **kwargs):
    data = text.encode() if isinstance(text, str) else text
    return importing.import_file(io.BytesIO(data), account, by=None, name="statement.txt", **kwargs)


def counts(reports):
    return [(report.new, report.known, report.rejected) for report in reports]


def amounts(account):
    return sorted(Transaction.objects.filter(account=account).values_list("amount_minor", flat=True))


def everything():
    return [list(model.objects.order_by("pk").values_list()) for model in (BankStatement, Transaction, LedgerEvent)]


def refused(text, account, **kwargs):
    before = everything()
    with pytest.raises(StatementError) as caught:
        take(text, account, **kwargs)
    assert everything() == before
    return caught.value


# Sums of the fee and the gifts are never zero: only balances tell gifts apart that are alike.
PAYMENTS = st.sampled_from([(1000, "J. Example", "gift"), (2500, "Nora Berg", "for bread"), (-7, "Bank", "fee")])


class AnyFiles(TestCase):
    """A bank's account of some days, brought in files that overlap, or follow on each other within a day."""

    @settings(max_examples=examples(10), deadline=None)
    @given(days=st.lists(st.lists(PAYMENTS, min_size=1, max_size=3), min_size=1, max_size=4), data=st.data())
    def test_whatever_the_files_each_line_is_booked_once_and_the_balances_close(self, days, data):
        account = BankAccountFactory(iban=IBAN, bic="", fund=FundFactory(currencies="EUR"))
        history = [(*one, f"2603{day:02d}") for day, lines in enumerate(days, 1) for one in lines]
        mornings = [at for at, one in enumerate(history) if at == 0 or one[3] != history[at - 1][3]]
        booked, files = 0, []
        while booked < len(history):
            begin = data.draw(st.sampled_from(sorted({at for at in mornings if at <= booked} | {booked})))
            end = data.draw(st.integers(begin + 1, len(history)))
            lines, opening = history[begin:end], sum(one[0] for one in history[:begin])
            files.append(mt940(opening, *lines, day=lines[0][3], to=lines[-1][3], number=str(len(files))))
            (report,) = take(files[-1], account)
            assert (report.new, report.known) == (max(end - booked, 0), min(booked, end) - begin)
            assert report.new + report.known + report.rejected == report.read == end - begin
            booked = max(booked, end)
            assert amounts(account) == sorted(one[0] for one in history[:booked])
            assert balances.of(account.fund)[0].bank == sum(one[0] for one in history[:booked])
        for statement in BankStatement.objects.all():
            assert statement.opening_minor + statement.lines_minor == statement.closing_minor
        before = everything()
        for text in files:
            assert all(report.new == 0 for report in take(text, account))
        assert everything() == before
        assert ledger.verify() == []

    @settings(max_examples=examples(10), deadline=None)
    @given(lines=st.lists(PAYMENTS, max_size=4), opening=st.integers(-(10**6), 10**6), wrong=st.integers(-99, 99))
    def test_a_statement_is_booked_if_and_only_if_it_adds_up(self, lines, opening, wrong):
        account = BankAccountFactory(iban=IBAN, bic="", fund=FundFactory(currencies="EUR"))
        text = mt940(opening, *lines, closing=opening + sum(one[0] for one in lines) + wrong)
        if wrong:
            assert "does not add up" in str(refused(text, account))
        else:
            assert counts(take(text, account)) == [(len(lines), 0, 0)]


def test_a_gift_with_a_pledges_reference_goes_to_it_by_itself(account):
    pledge = PledgeFactory(fund=account.fund, number="1234567890", confirmed_at=timezone.now())
    take((FILES / "belgium.camt053.001.02.xml").read_bytes(), account)
    made = Allocation.objects.get(made_by=None, pledge=pledge, amount_minor=2500)
    assert made.transaction == Transaction.objects.order_by("pk").first()


def test_a_statement_is_booked_with_all_that_it_tells(account):
    reports = take((FILES / "belgium.camt053.001.02.xml").read_bytes(), account)
    assert counts(reports) == [(8, 0, 2)]
    assert reports[0].reasons == {"not booked yet": 1, "an amount of zero": 1}
    statement = BankStatement.objects.get()
    assert (statement.opening_minor, statement.lines_minor, statement.closing_minor) == (100000, 18450, 118450)
    assert (statement.read_count, statement.new_count, statement.rejected_count) == (10, 8, 2)
    first = Transaction.objects.order_by("pk").first()
    assert (first.amount_minor, first.reference, first.counterparty) == (2500, "1234567890", "Afdeling Voorbeeld")
    assert first.counterparty_iban_tag == tag("counterparty-iban", "BE68539007547034")
    assert (first.booked_on, first.value_on) == (date(2026, 3, 2), date(2026, 3, 1))
    assert balances.of(account.fund)[0].bank == 18450
    assert ledger.verify() == []


def test_two_gifts_that_are_alike_are_two_in_one_file(account):
    take(mt940(0, GIFT, GIFT), account)
    assert amounts(account) == [1000, 1000]
    assert set(Transaction.objects.values_list("occurrence", flat=True)) == {1, 2}


def test_two_gifts_that_are_alike_are_two_in_two_files_of_one_day(account):
    take(mt940(0, GIFT), account)
    assert counts(take(mt940(1000, GIFT, number="2"), account)) == [(1, 0, 0)]
    assert amounts(account) == [1000, 1000]


def test_the_same_file_again_changes_nothing(account):
    text = mt940(0, GIFT, GIFT, (-300, "Bank", "fee"))
    take(text, account)
    before = everything()
    assert counts(take(text, account)) == [(0, 3, 0)]
    assert everything() == before


def test_the_same_statement_in_another_file_changes_nothing(account):
    take(mt940(0, GIFT, (-1000, "J. Example", "back")), account)
    before = everything()
    assert counts(take(mt940(0, GIFT, (-1000, "J. Example", "back"), number="99"), account)) == [(0, 2, 0)]
    assert everything() == before


def test_another_statement_of_the_same_days_and_balances_is_booked(account):
    take(mt940(1000, (500, "A. Example", "gift"), (-500, "Bank", "fee")), account)
    other = mt940(1000, (700, "B. Example", "gift"), (-700, "Bank", "fee"), number="2")
    assert counts(take(other, account)) == [(2, 0, 0)]
    assert amounts(account) == [-700, -500, 500, 700]


def test_an_old_statement_that_happens_to_begin_with_what_is_held_is_still_known(account):
    take(mt940(0, GIFT), account)
    take(mt940(1000, (-1000, "J. Example", "back"), number="2"), account)
    before = everything()
    assert counts(take(mt940(0, GIFT, number="made anew"), account)) == [(0, 1, 0)]
    assert everything() == before


def test_an_overlapping_file_books_only_what_is_new(account):
    one, two, three = (1000, "A", "a", "260301"), (2000, "B", "b", "260302"), (4000, "C", "c", "260303")
    take(mt940(0, one, two, day="260301", to="260302"), account)
    again = (2000, "B", "b", "260302")
    reports = take(mt940(1000, two, again, three, day="260302", to="260303"), account)
    assert counts(reports) == [(2, 1, 0)]
    assert amounts(account) == [1000, 2000, 2000, 4000]
    statement = BankStatement.objects.order_by("-pk").first()
    assert (statement.read_count, statement.new_count, statement.known_count) == (3, 2, 1)
    assert ledger.verify() == []


def test_a_file_that_overlaps_and_ends_on_the_same_day_is_what_the_next_one_follows(account):
    early, late = (1000, "A", "a", "260301"), (2000, "B", "b", "260302")
    take(mt940(0, early, day="260301"), account)
    take(mt940(1000, late, day="260302"), account)
    take(mt940(0, early, late, late, day="260301", to="260302"), account)
    assert counts(take(mt940(5000, late, day="260302", number="4"), account)) == [(1, 0, 0)]
    assert amounts(account) == [1000, 2000, 2000, 2000]


@pytest.mark.django_db(transaction=True)
def test_overlapping_files_imported_at_once_book_each_line_once():
    account = BankAccountFactory(iban=IBAN, bic="", fund=FundFactory(currencies="EUR"))
    days = [(*GIFT, "260302"), (*GIFT, "260302"), (*GIFT, "260303"), (500, "Nora Berg", "bread", "260304")]
    take(mt940(0, days[0], days[1], day="260302"), account)
    files = [
        mt940(0, *days[:3], day="260302", to="260303", number="2"),
        mt940(2000, *days[2:], day="260303", to="260304", number="3"),
        mt940(0, *days, day="260302", to="260304", number="4"),
        mt940(0, *days, day="260302", to="260304", number="5"),
    ]

    def bring(number):
        try:
            return sum(report.new for report in take(files[number % 4], account))
        except StatementError as error:  # the second file's gap, where the first was not there before
            return str(error)

    at_once(8, bring)
    assert amounts(account) == [500, 1000, 1000, 1000]
    assert balances.of(account.fund)[0].bank == 3500
    assert ledger.verify() == []
    assert [bring(number) for number in range(4)] == [0] * 4


def test_amounts_that_no_database_can_add_up_are_refused(account):
    """Each is within bounds, and so is their sum."""
    huge = 10**15 - 1
    lines = [(sign * huge, "Bank", f"{number}") for number in range(60) for sign in (1, -1)]
    assert "too large" in str(refused(mt940(0, *lines), account))


def test_a_gap_is_refused_and_named(account):
    take(mt940(0, GIFT), account)
    error = refused(mt940(1700, GIFT, day="260305"), account)
    assert "gap of €7.00" in str(error)
    assert "€17.00" in str(error)
    assert "€10.00" in str(error)


def test_an_empty_statement_after_a_gap_is_refused_too(account):
    take(mt940(0, GIFT), account)
    assert "gap" in str(refused(mt940(1700, day="260305"), account))
    assert counts(take(mt940(1000, day="260305"), account)) == [(0, 0, 0)]


def test_lines_that_do_not_add_up_are_refused(account):
    error = refused(mt940(0, GIFT, closing=1500), account)
    assert "does not add up" in str(error)
    assert "€5.00" in str(error)


def test_when_one_statement_of_a_file_is_refused_none_is_booked(account):
    error = refused(mt940(0, GIFT) + mt940(1000, GIFT, day="260303") + mt940(9999, GIFT, day="260304"), account)
    assert "gap" in str(error)
    assert amounts(account) == []


def test_an_older_statement_may_be_brought_later(account):
    take(mt940(1000, GIFT, day="260302", to="260303"), account)
    assert counts(take(mt940(400, (600, "A", "a"), day="260228", to="260302"), account)) == [(1, 0, 0)]
    assert counts(take(mt940(2000, (5, "B", "b"), day="260304"), account)) == [(1, 0, 0)]


def test_a_statement_of_another_account_is_refused(account):
    error = refused(mt940(0, GIFT, iban="DE89370400440532013000"), account)
    assert "DE89370400440532013000" in str(error)


def test_an_account_for_which_nobody_else_stands_takes_no_statement(account, capsys, tmp_path):
    text = mt940(0, GIFT)
    fact = BankAccountFactory(fund=FundFactory(), iban=OTHER_IBAN, bic="", payable=False)
    proposed = accounts.propose(BankAccount(fund=FundFactory(), holder="X", iban=THIRD_IBAN), by=OrganiserFactory())
    for one in (fact, proposed):
        assert "let a second organiser approve it" in str(refused(text.replace(IBAN, one.iban), one))
        file = tmp_path / "statement.sta"
        file.write_text(text.replace(IBAN, one.iban))
        for options in ([], ["--account", one.iban]):
            with pytest.raises(CommandError, match="let a second organiser approve it"):
                call_command("import_statement", str(file), *options)
    accounts.approve(proposed, by=OrganiserFactory())
    assert counts(take(text.replace(IBAN, THIRD_IBAN), proposed)) == [(1, 0, 0)]


def test_money_that_arrives_late_on_a_withdrawn_account_is_booked(account):
    accounts.withdraw(account, by=OrganiserFactory())
    account.refresh_from_db()
    assert counts(take(mt940(0, GIFT), account)) == [(1, 0, 0)]


def test_a_holder_put_right_by_another_proposal_does_not_count_gifts_twice(account):
    text = mt940(0, GIFT)
    take(text, account)
    again = accounts.propose(
        BankAccount(fund=account.fund, holder="With Its Right Name", iban=IBAN), by=OrganiserFactory()
    )
    accounts.approve(again, by=OrganiserFactory())
    assert counts(take(text, again)) == [(0, 1, 0)]
    assert importing.account_of(io.BytesIO(text.encode())) == importing.account_with(IBAN) == account
    assert counts(take(mt940(1000, GIFT, GIFT, day="260303"), again)) == [(2, 0, 0)]
    assert amounts(account) == [1000] * 3
    assert balances.of(account.fund)[0].bank == 3000


def test_two_funds_with_one_account_do_not_count_its_gifts_twice(account):
    text = mt940(0, GIFT)
    take(text, account)
    others = BankAccountFactory(fund=FundFactory(currencies="EUR"), iban=IBAN, bic="")
    assert "booked for another fund" in str(refused(text, others))
    assert importing.account_of(io.BytesIO(text.encode())) == account


def test_a_statement_in_another_currency_than_the_accounts_is_refused(account):
    swedish = BankAccountFactory(iban="SE4550000000058398257466", bic="", currency="SEK")
    assert "EUR" in str(refused(mt940(0, GIFT, iban=""), swedish))


def test_a_line_of_tomorrow_is_refused(account):
    tomorrow = timezone.localdate() + timedelta(days=1)
    error = refused(mt940(0, (1000, "A", "a"), day=f"{tomorrow:%y%m%d}"), account)
    assert error.line == 5


@pytest.mark.parametrize(
    ("told", "is_ours"),
    [
        ("BE71096123456769", True),
        ("BE71096123456769EUR", True),
        ("BE68539007547034", False),
        ("096/0123456769", True),
        ("096/0123456760", False),
        ("096123456769", True),
        ("****6769", True),
        ("", True),
    ],
)
def test_an_account_is_recognised_in_the_ways_that_banks_write_it(account, told, is_ours):
    assert importing.is_of(account, told) == is_ours


def test_a_german_bank_code_and_number_with_zeros_in_front_are_recognised(account):
    german = BankAccountFactory(iban="DE44500105175407324931", bic="")
    assert importing.is_of(german, "50010517/5407324931")
    assert importing.is_of(german, "50010517/05407324931")
    assert not importing.is_of(german, "50010517/5407324930")


def test_the_account_is_found_by_what_the_file_tells(account):
    BankAccountFactory(iban="DE44500105175407324931", bic="")
    with (FILES / "germany.mt940.sta").open("rb") as file:
        assert importing.account_of(file).iban == "DE44500105175407324931"
    with (FILES / "netherlands.mt940.sta").open("rb") as file, pytest.raises(StatementError, match="not one of ours"):
        importing.account_of(file)
    with (FILES / "britain.csv").open("rb") as file, pytest.raises(StatementError, match="Please choose it"):
        importing.account_of(file)


def test_erasing_a_donor_leaves_the_line_known(account):
    take(mt940(0, GIFT), account)
    Transaction.objects.all().erase()
    before = everything()
    assert counts(take(mt940(0, GIFT, (2000, "B", "b", "260303"), to="260303"), account)) == [(1, 1, 0)]
    assert amounts(account) == [1000, 2000]
    assert before[1][0] in everything()[1]


def test_a_line_that_was_reversed_in_the_books_stays_known(account):
    take(mt940(0, GIFT), account)
    posting.reverse(Transaction.objects.get(), by=None)
    assert counts(take(mt940(0, GIFT), account)) == [(0, 1, 0)]
    assert counts(take(mt940(1000, GIFT, number="2", day="260303"), account)) == [(1, 0, 0)]


CSV = "Date;Amount;Currency;Description\n"


def test_a_csv_without_balances_books_what_is_new(account):
    first = CSV + "2026-03-01;10,00;EUR;a\n2026-03-02;20,00;EUR;b\n"
    assert counts(take(first, account)) == [(2, 0, 0)]
    overlapping = CSV + "2026-03-02;20,00;EUR;b\n2026-03-02;20,00;EUR;b\n2026-03-03;5,00;EUR;c\nTotal;45,00;;\n"
    reports = take(overlapping, account)
    assert counts(reports) == [(2, 1, 1)]
    assert [(example.at, example.reason) for example in reports[0].examples] == [(5, "no date")]
    assert amounts(account) == [500, 1000, 2000, 2000]
    assert counts(take(overlapping, account)) == [(0, 3, 1)]


def test_a_csv_whose_columns_were_mapped_otherwise_does_not_count_gifts_twice(account):
    take(CSV + "2026-03-01;10,00;EUR;a\n2026-03-02;20,00;EUR;b\n", account)
    other = CSV.replace("Description", "Notes") + "2026-03-01;10,00;EUR;a\n2026-03-02;20,00;EUR;b\n"
    error = refused(other, account)
    assert error.line == 2
    assert "twice" in str(error)


def test_another_format_of_the_same_days_does_not_count_gifts_twice(account):
    take(mt940(0, GIFT, (500, "B", "b")), account)
    assert "twice" in str(refused(CSV + "2026-03-02;10,00;EUR;gift\n2026-03-02;5,00;EUR;b\n", account))
    assert counts(take(CSV + "2026-03-03;5,00;EUR;b\n", account)) == [(1, 0, 0)]
    assert "gap" in str(refused(mt940(1500, (500, "B", "b"), day="260303"), account))
    assert counts(take(mt940(2000, (500, "B", "c"), day="260304"), account)) == [(1, 0, 0)]


def test_the_lines_of_a_csv_in_two_currencies_are_taken_one_currency_at_a_time(account):
    text = CSV + "2026-03-01;10,00;EUR;a\n2026-03-02;20,00;SEK;b\n"
    assert counts(take(text, account)) == [(1, 0, 1)]
    columns = {"booked_on": ["Date"], "amount": ["Amount"], "currency": ["Currency"], "remittance": ["Description"]}
    assert counts(take(text, account, mapping=CsvMapping(columns, currency="SEK"))) == [(1, 0, 1)]
    assert [(balance.currency, balance.bank) for balance in balances.of(account.fund)] == [("EUR", 1000), ("SEK", 2000)]


def test_a_mapping_is_kept_for_the_account(account):
    with pytest.raises(StatementError, match="which column holds the date"):
        importing.save_mapping(account, CsvMapping({"amount": ["2"]}))
    assert not StatementMapping.objects.exists()
    importing.save_mapping(account, CsvMapping({"booked_on": ["1"], "amount": ["2"]}, header=False, order="dmy"))
    assert counts(take("03.12.2025;200,00-\n", account)) == [(1, 0, 0)]
    assert amounts(account) == [-20000]
    assert counts(take("04.12.2025;1.500,00\n04.12.2025;0,00\n", account)) == [(1, 0, 1)]


def test_progress_is_told(account, monkeypatch):
    monkeypatch.setattr(importing, "_BATCH", 10)
    told = []
    take(mt940(0, *[GIFT] * 15), account, progress=lambda *step: told.append(step))
    assert told == [("read", 10), ("read", 15), ("post", 10), ("post", 15)]


def test_the_number_of_queries_does_not_grow_with_what_is_known(account, django_assert_max_num_queries):
    take(mt940(0, *[GIFT] * 60), account)
    with django_assert_max_num_queries(12):
        take(mt940(0, *[GIFT] * 60, number="2"), account)


def test_the_command_imports_and_says_what_became_of_each_line(account, capsys):
    call_command("import_statement", str(FILES / "belgium.camt053.001.02.xml"))
    told = capsys.readouterr().out
    assert "10 lines read: 8 new, 0 known already, 2 rejected." in told
    assert "not booked yet: 1 (line 138)" in told
    call_command("import_statement", str(FILES / "belgium.camt053.001.02.xml"), account=IBAN)
    assert "10 lines read: 0 new, 8 known already, 2 rejected." in capsys.readouterr().out


def test_the_command_says_why_nothing_was_imported(account, tmp_path):
    broken = tmp_path / "broken.sta"
    broken.write_text(mt940(0, GIFT).replace("C10,00", "C1.0,00"))
    with pytest.raises(CommandError, match=r"Nothing was imported from broken.sta, line 5: .*no entry"):
        call_command("import_statement", str(broken))
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_statement", str(tmp_path / "nowhere"))
    with pytest.raises(CommandError, match=f"No account has the IBAN BE0. Known: {IBAN}"):
        call_command("import_statement", str(broken), account="be 0")
    assert not Transaction.objects.exists()
