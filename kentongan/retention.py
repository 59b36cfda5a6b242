"""Erasing people: those who left the list long ago, and the words of old answers, by policy; and whoever is named."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from kentongan.clock import Milliseconds, Process
from kentongan.giving_way import page_by_page, piece_by_piece
from kentongan.importing import take_back
from kentongan.ledger import Ledger, Read, erasing, retaining
from kentongan.ledger.erasing import Erased
from kentongan.ledger.opt_outs import Named
from kentongan.quick_dataclass import dataclass
from kentongan.settings import Policy

_SIZE = 5_000
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

    def page(last: str | None) -> Sequence[str]:
        return ledger.read(partial(retaining.who_left, before=before, after=last or "", size=_SIZE))

    return sum(page_by_page(ledger, page, lambda write, ids: retaining.erase_left(write, before=before, ids=ids)))


def _answers(ledger: Ledger, before: Milliseconds | None) -> int:
    if before is None:
        return 0

    def page(last: int | None) -> Sequence[int]:
        return ledger.read(partial(retaining.old_answers, before=before, after=last or 0, size=_SIZE))

    return sum(page_by_page(ledger, page, lambda write, these: retaining.erase_answers(write, before, these)))


def erase(ledger: Ledger, named: Sequence[Named], *, by: str) -> Erased:
    """Erases people who are named, however many; cut anywhere, who is named again is erased then.

    Each piece is on record when it is done. Raises LedgerUnavailable.
    """
    done = list(piece_by_piece(ledger, named, partial(erasing.erase, by=by)))
    erased = frozenset[str]().union(*(each.people for each in done))
    before = frozenset[str]().union(*(each.before for each in done))
    return Erased(erased, before - erased, sum(each.unknown for each in done))
