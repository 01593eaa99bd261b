import pytest

from config.checks import live_mail_reaches_somebody


@pytest.fixture
def live(settings):
    settings.MAIL_LIVE = True
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.SINK_PORT = "relay.campaign.eu", 587, 9000
    settings.MAIL_FROM = settings.MAIL_REPLY_TO = "letters@campaign.eu"
    return settings


def found():
    return [problem.id for problem in live_mail_reaches_somebody()]


def test_a_relay_and_addresses_of_its_own_may_go_live(live):
    assert found() == []
    live.EMAIL_HOST, live.EMAIL_PORT = "localhost", 25  # a relay on the same machine
    assert found() == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_sandboxs_own_mail_server_is_no_relay(live, host):
    live.EMAIL_HOST, live.EMAIL_PORT = host, 9000
    assert found() == ["config.E001"]
    live.MAIL_LIVE = False
    assert found() == []


@pytest.mark.parametrize("name", ["MAIL_FROM", "MAIL_REPLY_TO"])
@pytest.mark.parametrize("domain", ["solidarity.example.org", "EXAMPLE.com", "a.test", "a.invalid", "localhost"])
def test_an_address_that_nobody_can_answer_is_refused(live, name, domain):
    setattr(live, name, f"letters@{domain}")
    assert found() == ["config.E002"]
    setattr(live, name, f"letters@my{domain}.eu")
    assert found() == []
