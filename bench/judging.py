"""What the mail server's record and the rows say together: what was lost, what came twice, what is in doubt and why."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from bench.recording import Record
from outbox.models import State

UNSETTLED = {State.QUEUED, State.SENDING, State.DEFERRED}


@dataclass(frozen=True)
class Verdict:
    """Message-IDs by what became of them."""

    lost: frozenset[str]
    twice: frozenset[str]
    unsettled: frozenset[str]
    doubtful_by_drops: frozenset[str]
    doubtful_by_kills: frozenset[str]

    @property
    def in_doubt(self) -> frozenset[str]:
        return self.doubtful_by_drops | self.doubtful_by_kills


def judge(written: Set[str], rows: Mapping[str, str], record: Record, refused: Set[str] = frozenset()) -> Verdict:
    """
    Judge the letters that were `written`, by Message-ID; `rows` are their states as they stand now.

    Lost is a letter without a row, one called accepted that the server never took, and one that was given up although
    nobody refused it (`refused` are those that the server refused for good). One in doubt or still waiting is not lost.
    """
    doubtful = {key for key, state in rows.items() if state == State.IN_DOUBT}
    unsettled = {key for key, state in rows.items() if state in UNSETTLED}
    accepted = {key for key, state in rows.items() if state == State.ACCEPTED}
    given_up = rows.keys() - doubtful - unsettled - accepted - refused
    lost = (written - rows.keys()) | (accepted - record.taken.keys()) | given_up
    return Verdict(
        lost=frozenset(lost),
        twice=frozenset(key for key, times in record.taken.items() if times > 1),
        unsettled=frozenset(unsettled),
        doubtful_by_drops=frozenset(doubtful & record.dropped),
        doubtful_by_kills=frozenset(doubtful - record.dropped),
    )
