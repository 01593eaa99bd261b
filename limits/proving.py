"""
Proof of work: a sum that costs a browser a second and whoever floods the forms his day.

ALTCHA's protocol, version 1: find the number whose hash with the salt is the challenge. The challenge is signed, so
nothing is kept of it until it comes back solved; then it is written down as spent.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from altcha import v1 as altcha
from django.utils import timezone

from limits.models import SpentProof
from privacy.tags import tag

# On average half as many hashes: about a second on a slow phone.
HARDEST = 50_000
VALID_FOR = timedelta(minutes=20)


@dataclass(frozen=True)
class Proof:
    """A solved challenge, valid unless it is spent."""

    challenge: str
    expires_at: datetime


def challenge() -> dict[str, object]:
    """Return a new challenge as ALTCHA's widget, and static/js/prove.js, read it."""
    made = altcha.create_challenge(
        altcha.ChallengeOptions(
            algorithm="SHA-256", max_number=HARDEST, hmac_key=_key(), expires=timezone.now() + VALID_FOR
        )
    )
    return {
        "algorithm": made.algorithm,
        "challenge": made.challenge,
        "maxnumber": made.max_number,
        "salt": made.salt,
        "signature": made.signature,
    }


def proof(posted: str) -> Proof | None:
    """Return the proof in a posted field `altcha`, or None if it is wrong or has expired."""
    if len(posted) > 2000:
        return None
    try:
        solution = json.loads(base64.b64decode(posted, validate=True))
    except (ValueError, RecursionError, binascii.Error):
        return None
    words = ("algorithm", "challenge", "salt", "signature")
    if not isinstance(solution, dict) or not isinstance(solution.get("number"), int):
        return None
    if not all(isinstance(solution.get(word), str) and solution[word].isascii() for word in words):
        return None
    right, _error = altcha.verify_solution(
        altcha.PayloadType(
            algorithm="SHA-256",
            challenge=solution["challenge"],
            number=solution["number"],
            salt=solution["salt"],
            signature=solution["signature"],
        ),
        _key(),
    )
    if not right:
        return None
    # The salt is signed with the challenge: what it says of its end is ours.
    expires = altcha.extract_params({"salt": solution["salt"]})["expires"][0]  # type: ignore[typeddict-item]
    return Proof(solution["challenge"], datetime.fromtimestamp(int(expires), tz=UTC))


def is_spent(known: Proof) -> bool:
    return SpentProof.objects.filter(challenge=known.challenge).exists()


def spend(known: Proof) -> bool:
    """Use up a proof; return whether nobody had. Of two at the same time, one waits for the other."""
    return SpentProof.objects.get_or_create(challenge=known.challenge, defaults={"expires_at": known.expires_at})[1]


def _key() -> str:
    return tag("proof of work", "")
