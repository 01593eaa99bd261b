"""Every public page is as cheap for a campaign that thousands took part in as for one that began yesterday."""

import pytest
from django.db import connection
from django.urls import reverse

from campaign import models as campaign
from protests import models as protests
from protests import tallying
from tests import factories as make
from tests.rows import more
from tests.sizes import TIMES, on_one_database

pytestmark = [pytest.mark.django_db, on_one_database]
LISTS = {
    "campaign": (
        *("home", "activists", "updates", "feed", "messages", "endorsements", "documents"),
        *("send_message", "send_endorsement", "subscribe", "privacy", "mirrors"),
    ),
    "protests": ("letters", "log", "pickets", "calendar", "add_picket"),
    "donations": ("fund", "ledger", "pledge", "appeal", "account"),
}


def asked(client, path):
    """Return how many queries the page needs."""
    queries = []

    def count(execute, sql, *args):
        queries.append(sql)
        return execute(sql, *args)

    with connection.execute_wrapper(count):
        response = client.get(path)
    assert response.status_code == 200, path
    return len(queries)


@pytest.fixture
def shown():
    """One published row of each model that has a page."""
    strike = make.StrikeFactory()
    activist = make.ActivistFactory(strike=strike)
    update = make.UpdateFactory(strike=strike, comments="moderated")
    update.activists.add(activist)
    return {
        type(row): row
        for row in (
            *(strike, activist, update, make.DocumentFactory(strike=strike), make.LetterFactory(strike=strike)),
            *(make.MessageOfSupportFactory(strike=strike), make.PicketFactory(strike=strike)),
        )
    }


@pytest.fixture
def growing(shown):
    """One row of each table that grows with those who take part."""
    strike, update, letter = shown[campaign.Strike], shown[campaign.Update], shown[protests.Letter]
    fund = make.BankAccountFactory(fund=make.FundFactory(strike=strike)).fund
    pledge = make.PledgeFactory(fund=fund, confirmed=True)
    return (
        *(update, shown[campaign.MessageOfSupport], shown[protests.Picket]),
        make.SubmittedCommentFactory(update=update, approved_at=make.LONG_AGO, published_at=make.LONG_AGO),
        make.EndorsementFactory(strike=strike),
        make.SubscriberFactory(),
        *(pledge, make.TransactionFactory(fund=fund, pledge=pledge)),
        make.SignatureFactory(text=make.LetterTextFactory(letter=letter), confirmed=True, display="public"),
    )


def test_every_public_page_asks_as_much_of_the_database_at_thousands_of_rows_as_at_10(client, shown, growing):
    paths = [reverse(f"{app}:{name}") for app, names in LISTS.items() for name in names]
    paths += [row.get_absolute_url() for row in shown.values()]
    paths += ["/updates/2011/09/", "/updates/?q=square", "/messages/?country=GB", "/pickets/?country=GB"]
    for path in paths:
        asked(client, path)  # what is read once for the whole process

    total = 10_000 if TIMES > 1 else 2_000
    for row in growing:
        more(row, 9)
    tallying.tally()
    few = {path: asked(client, path) for path in paths}
    for row in growing:
        more(row, total - 10)
    tallying.tally()
    many = {path: asked(client, path) for path in paths}

    assert many == few
    assert f"{total:,} signatures" in client.get(shown[protests.Letter].get_absolute_url()).text
