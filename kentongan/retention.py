"""Retention by policy: people who left the list long ago are erased, and so are the words of old answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from kentongan.clock import Milliseconds, Process
from kentongan.importing import take_back
from kentongan.ledger import Ledger, Read, retaining
from kentongan.settings import Policy

_SIZE = 500
_DAY: Milliseconds = 86_400_000


@dataclass(frozen=True, slots=True)
class Kept:
    """How many people and answers have been kept for longer than policy says."""

    people: int
    answers: int


def overdue(read: Read, policy: Policy) -> Kept:
    """What policy wants erased by now; nothing where it says nothing."""
    people, answers = _before(policy.people_kept_days, read.now), _before(policy.answers_kept_days, read.now)
    return Kept(
        people=retaining.people_left(read, people) if people is not None else 0,
        answers=retaining.answers_older(read, answers) if answers is not None else 0,
    )


def retain(ledger: Ledger, policy: Policy, *, by: str) -> Kept:
    """Erases what is overdue, in small transactions, and what an import left that was cut; returns how much it was.

    Cut anywhere, the next goes on. Raises LedgerUnavailable.
    """
    take_back(ledger, Process.current())
    now = ledger.clock.wall()
    done = Kept(
        _people(ledger, _before(policy.people_kept_days, now)), _answers(ledger, _before(policy.answers_kept_days, now))
    )
    if done != Kept(0, 0):
        ledger.write(lambda write: write.event("people.retained", people=done.people, answers=done.answers, by=by))
    return done


def _before(days: int | None, now: Milliseconds) -> Milliseconds | None:
    return now - days * _DAY if days is not None else None


def _people(ledger: Ledger, before: Milliseconds | None) -> int:
    if before is None:
        return 0
    erased = 0
    after = ""
    while found := ledger.read(partial(retaining.who_left, before=before, after=after, size=_SIZE)):
        erased += ledger.write(partial(retaining.erase_left, before=before, ids=found))
        after = found[-1]
    return erased


def _answers(ledger: Ledger, before: Milliseconds | None) -> int:
    if before is None:
        return 0
    erased = 0
    while count := ledger.write(partial(retaining.erase_answers, before=before, size=_SIZE)):
        erased += count
    return erased
