import base64
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from limits import proving
from limits.models import SpentProof
from privacy.purging import purge
from tests.limits.solving import encoded, solve
from tests.threads import at_once


@pytest.fixture(autouse=True)
def easy(monkeypatch):
    monkeypatch.setattr(proving, "HARDEST", 200)


def test_a_solved_challenge_is_a_proof():
    asked = proving.challenge()

    assert proving.proof(solve(asked)).challenge == asked["challenge"]
    assert asked["maxnumber"] == 200
    assert asked["algorithm"] == "SHA-256"


def test_it_expires():
    solved = solve(proving.challenge())

    with time_machine.travel(timezone.now() + proving.VALID_FOR - timedelta(seconds=5), tick=False):
        assert proving.proof(solved)
    with time_machine.travel(timezone.now() + proving.VALID_FOR + timedelta(seconds=5), tick=False):
        assert proving.proof(solved) is None


def test_one_who_guesses_or_forges_has_none():
    asked = proving.challenge()
    solved = solve(asked)

    assert proving.proof(solve(asked, number=201)) is None
    assert proving.proof(solve(asked, signature="0" * 64)) is None
    assert proving.proof(solve(asked, salt=asked["salt"].replace("expires=1", "expires=9"))) is None
    assert proving.proof(solve(asked, salt="x" + asked["salt"])) is None
    assert proving.proof(solved)


@pytest.mark.parametrize(
    "posted",
    [
        "",
        "x",
        "é",
        "A" * 5000,
        encoded(None),
        encoded([]),
        encoded({}),
        encoded({"algorithm": [], "challenge": {}, "number": 1, "salt": 7, "signature": None}),
        encoded({"algorithm": "SHA-256", "challenge": "é", "number": 1, "salt": "é", "signature": "é"}),
        encoded({"algorithm": "SHA-256", "challenge": "a", "number": 10**300, "salt": "?expires=x", "signature": "a"}),
        base64.b64encode(b"[" * 1400).decode(),
        base64.b64encode(b"\xff\x00").decode(),
    ],
)
def test_what_is_none_is_no_proof(posted):
    assert proving.proof(posted) is None


@pytest.mark.django_db
def test_it_is_spent_once_and_forgotten_when_it_has_expired():
    known = proving.proof(solve(proving.challenge()))

    assert not proving.is_spent(known)
    assert [proving.spend(known), proving.spend(known)] == [True, False]
    assert proving.is_spent(known)
    with time_machine.travel(timezone.now() + proving.VALID_FOR + timedelta(seconds=5), tick=False):
        purge()
    assert not SpentProof.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_at_the_same_time_one_spends_it():
    known = proving.proof(solve(proving.challenge()))

    assert sum(at_once(8, lambda _: proving.spend(known))) == 1
