"""A gift's whole way, in a real browser: pledged, paid, posted, thanked for, shown to all, and added up."""

import re
from urllib.parse import urljoin, urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone

from donations import references
from donations.models import Allocation, Pledge
from donations.tasks import import_statements
from tests.donations.test_publishing import checked
from tests.factories import FundFactory, OrganiserFactory, PledgeFactory
from tests.journeys.test_in_a_browser import DESKTOP, PHONE
from tests.journeys.test_pledging import fill_in
from tests.organisers.coming_in import come_in_by_browser
from tests.protests.test_handover import pages
from tests.sizes import on_one_database

PASSWORD = "bread and roses"
HOLDER, IBAN = "Søn & Ко", "DE02 1005 0000 0054 5404 02"


@pytest.fixture
def fund(transactional_db):
    return FundFactory(currencies="EUR")


@pytest.fixture
def organiser(visitor):
    """Make an organiser who has logged in; return their page."""

    def log_in(username):
        user = OrganiserFactory(username=username)
        user.set_password(PASSWORD)
        user.save()
        page = visitor(viewport=DESKTOP).page
        page.goto(reverse("admin:index"))
        come_in_by_browser(page, user, PASSWORD)
        page.locator("#content-main").wait_for()
        return page

    return log_in


def entry(amount, name, remittance):
    """Return an entry of CAMT.053: money that came in today."""
    return (
        f'<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>'
        f"<BookgDt><Dt>{timezone.localdate()}</Dt></BookgDt><NtryDtls><TxDtls>"
        f"<RltdPties><Dbtr><Nm>{name}</Nm></Dbtr></RltdPties><RmtInf>{remittance}</RmtInf></TxDtls></NtryDtls></Ntry>"
    )


def statement(closing, *entries):
    """Return a statement of CAMT.053 that begins with nothing."""
    balances = "".join(
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{amount}</Amt>'
        f"<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{timezone.localdate()}</Dt></Dt></Bal>"
        for code, amount in (("OPBD", "0.00"), ("CLBD", closing))
    )
    iban = IBAN.replace(" ", "")
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt><Stmt><Id>1</Id>'
        f"<Acct><Id><IBAN>{iban}</IBAN></Id><Ccy>EUR</Ccy></Acct>{balances}{''.join(entries)}"
        "</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def links(mail):
    """Return the paths that a mail links to."""
    return [urlsplit(url).path for url in re.findall(r"https?://\S+", mail.get_content())]


def to(taken, address):
    """Return the mails that an address got, each as a message."""
    return [one.message for one in taken if one.rcpt_tos == [address]]


def received(page):
    """Return what the fund's page says was received. The browser keeps the page for a minute: look again."""
    page.goto(reverse("donations:fund"))
    page.reload()
    return page.locator("td[data-label=Received]").inner_text()


def two_answer_for_the_account(treasurer, second, fund):
    treasurer.goto(reverse("admin:donations_bankaccount_add"))
    treasurer.locator("[name=fund]").select_option(str(fund.pk))
    for field, typed in (("holder", HOLDER), ("iban", IBAN), ("bic", "BELADEBE")):
        treasurer.fill(f"[name={field}]", typed)
    treasurer.locator("[name=_save]").click()
    treasurer.locator(".messagelist .success").wait_for()
    yield "proposed"
    second.goto(reverse("admin:donations_bankaccount_changelist"))
    second.locator("[name=_selected_action]").check()
    second.locator("[name=action]").select_option("approve")
    second.locator("button[name=index]").click()
    second.get_by_role("button", name="Yes, do it").click()
    second.locator(".messagelist .success").wait_for()
    yield "approved"


def a_branch_pledges(branch, send_all):
    """Pledge, and confirm by the mailed link; return the pledge and the link."""
    fill_in(branch)
    branch.get_by_role("heading", name="One more step").wait_for()
    (asked,) = to(send_all(), "rosa@example.org")
    link = next(path for path in links(asked) if path.startswith("/fund/pledge/"))
    branch.goto(link)
    branch.get_by_role("button", name="Yes, my pledge counts").click()
    branch.get_by_role("heading", name="Your pledge counts").wait_for()
    return Pledge.objects.counted().get(), link


def a_statement_arrives(treasurer, pledge, other):
    """Import three lines: with its reference, with one misspelt, and one that only seems to be the first again."""
    ogm = re.sub(r"\D", "", references.ogm(pledge.number))
    lines = (
        entry("25.00", "Branch 7", f"<Strd><CdtrRefInf><Ref>{ogm}</Ref></CdtrRefInf></Strd>"),
        entry("40.00", "N. Berg", f"<Ustrd>{other.number.replace('8', 'B').replace('0', 'O')}, in solidarity</Ustrd>"),
        entry("25.00", "Rosa Example", "<Ustrd>for bread</Ustrd>"),
    )
    treasurer.goto(reverse("admin:donations_statement_upload"))
    treasurer.locator("[name=account]").select_option(index=1)
    treasurer.locator("[name=file]").set_input_files(
        {"name": "statement.xml", "mimeType": "application/xml", "buffer": statement("90.00", *lines)}
    )
    treasurer.get_by_role("button", name="Look at it").click()
    treasurer.get_by_role("button", name="Import all lines").click()
    treasurer.get_by_text("The file waits for its turn.").wait_for()
    import_statements()
    treasurer.reload()
    assert "Lines read: 3. New: 3. Known already: 0. Rejected: 0." in treasurer.locator("#content").inner_text()


def the_treasurer_decides(treasurer, pledge, other):
    """At the desk: one line is rightly said to be a pledge's, one wrongly, which is undone and said anew."""
    content = treasurer.locator("#content")
    treasurer.goto(reverse("admin:donations_desk"))
    assert "2 lines wait" in content.inner_text()
    for amount, number in (("€40.00", other.number), ("€25.00", pledge.number)):
        line = treasurer.get_by_role("article").filter(has=treasurer.get_by_role("heading", name=amount))
        guess = line.locator(".guesses li").filter(has_text=number).first
        guess.get_by_role("button", name="Yes, this").click()
        treasurer.locator(".messagelist .success").filter(has_text=number).wait_for()
    assert "Nothing waits" in content.inner_text()
    treasurer.get_by_role("link", name="What was decided last, and undo").click()
    wrong = treasurer.locator(".said > li").filter(has_text="Rosa Example")
    assert wrong.count() == 1
    wrong.get_by_role("button", name="Undo").click()
    treasurer.locator(".messagelist .success").filter(has_text="Undone").wait_for()
    treasurer.get_by_role("button", name="A gift without a pledge").click()
    treasurer.locator(".messagelist .success").filter(has_text="Noted").wait_for()
    assert "Nothing waits" in content.inner_text()


def the_auditor_exports(auditor):
    """Find the way from the fund's page to the ledger; return it as CSV."""
    auditor.goto(reverse("donations:fund"))
    auditor.get_by_role("link", name="The ledger: every entry").click()
    with auditor.expect_download() as download:
        auditor.get_by_role("link", name="The whole ledger as CSV").click()
    return download.value.path().read_bytes().decode()


@on_one_database
def test_a_branchs_gift_from_the_pledge_to_the_auditor(fund, organiser, visitor, send_all, tmp_path):
    treasurer, second, branch = organiser("treasurer"), organiser("second"), visitor(viewport=PHONE).page
    told = {"proposed": "The fund has no account yet.", "approved": IBAN}
    for step in two_answer_for_the_account(treasurer, second, fund):
        branch.goto(reverse("donations:fund"))
        branch.reload()
        assert told[step] in branch.locator("main").inner_text()

    pledge, link = a_branch_pledges(branch, send_all)
    branch.get_by_role("link", name="Standing order").click()
    branch.get_by_role("heading", name="Standing order").wait_for()
    (slip,) = pages(branch.pdf())
    parts = (HOLDER, IBAN, references.rf(pledge.number), "€25.00", "Oil Workers’ Branch 7")
    assert [part for part in parts if part not in slip] == []

    other = PledgeFactory(fund=fund, confirmed=True, number="1234567890", name="Nora Berg", amount_minor=4000)
    a_statement_arrives(treasurer, pledge, other)
    posted = Allocation.objects.get()
    assert (posted.pledge, posted.amount_minor, posted.made_by) == (pledge, 2500, None)
    assert received(branch) == "€90.00"
    the_treasurer_decides(treasurer, pledge, other)

    # Each donor is thanked once, for what was theirs, with the way to the receipt.
    taken = send_all()
    (thanks,) = to(taken, "rosa@example.org")[1:]
    assert len(to(taken, other.email)) == 1
    assert "your gift of €25.00 has arrived" in thanks.get_content()
    receipt = next(path for path in links(thanks) if path.endswith(".pdf"))
    answer = branch.request.get(urljoin(branch.url, receipt))
    assert answer.headers["content-type"] == "application/pdf"
    (paper,) = pages(answer.body())
    assert "€25.00" in paper
    branch.goto(link)
    assert branch.get_by_role("listitem").filter(has_text="Receipt").count() == 1

    assert received(branch) == "€90.00"
    shown = branch.get_by_role("region", name="What came in and went out").locator("tbody tr").all_inner_texts()
    assert sorted(row.split("\t")[-1] for row in shown) == ["€25.00", "€25.00", "€40.00"]
    content = the_auditor_exports(visitor(viewport=DESKTOP).page)
    assert [name for name in ("Rosa", "Berg", "Branch 7", "example.org") if name in content] == []
    done = checked(content, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"fund {fund.pk}, EUR: received 9000, disbursed 0, in hand 9000" in done.stdout.splitlines()
