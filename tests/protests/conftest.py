import time

import pytest

from limits.stamping import stamp
from privacy.tags import new_token, tag
from protests.models import Addressee, ConfirmationMail
from tests.factories import AddresseeFactory, ConfirmationMailFactory, LetterFactory, TargetFactory


@pytest.fixture
def letter():
    """A letter with an embassy in Germany (accredited in Austria, too), a fallback, and one addressee for everybody."""
    letter = LetterFactory(slug="free-her")
    germany = TargetFactory(name="Embassy in Berlin", email="berlin@example.org", salutation="Dear Ambassador")
    rule = Addressee.Rule
    AddresseeFactory(letter=letter, target=germany, rule=rule.OWN_COUNTRY, countries=["DE"])
    germany.countries.create(country="AT", kind="accredited")
    AddresseeFactory(letter=letter, target__name="Ministry", target__email="ministry@example.org", rule=rule.FALLBACK)
    AddresseeFactory(letter=letter, target__name="Bank", target__email="bank@example.org", rule=rule.EVERYBODY)
    return letter


@pytest.fixture
def posted():
    """What a supporter types, as the form's fields."""
    return {
        "name": "Nora Berg",
        "email": "nora@example.org",
        "country": "DE",
        "own_words": "I am an oil worker, too.",
        "organisation": "Oil Workers' Branch 7",
        "display": "initials",
        "consent_letter": "on",
        "stamp": stamp(time.time() - 60),
    }


@pytest.fixture
def link():
    """A function that mails one more secret to a signer, and returns it."""

    def link(signature):
        token = new_token()
        ConfirmationMailFactory(signature=signature, token=token, token_hash=tag("token", token))
        return token

    return link


@pytest.fixture
def newest_token():
    return lambda: ConfirmationMail.objects.latest("pk").token
