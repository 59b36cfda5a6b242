"""Pruning by policy: of threads that ended long ago the deliveries go, and what was counted of them stays, signed.

Before anything goes, the record of the thread is checked and its report written once more, in full, into the ledger.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from functools import partial
from typing import Any

from kentongan import overview, report
from kentongan.clock import Milliseconds
from kentongan.errors import DamagedRecord
from kentongan.keys import StateKeys
from kentongan.ledger import (
    Ledger,
    Read,
    Write,
    alerts,
    checkpoints,
    editions,
    erasing,
    kept_reports,
    pruning,
    tallies,
    threads,
    views,
)
from kentongan.ledger import answers as register
from kentongan.ledger.chaining import canonical
from kentongan.ledger.pruned import links_hold
from kentongan.ledger.replay import Difference, Part, check_deliveries
from kentongan.ledger.transaction import EVERY
from kentongan.report import messages, results, timeline
from kentongan.settings import Agency

_log = logging.getLogger(__name__)

DAY: Milliseconds = 86_400_000

_HELD = 0.008
"""Seconds that one transaction may take: whoever has to send meanwhile waits no longer for the ledger."""
_FIRST, _LEAST, _MOST = 64, 8, 512
_LINKS = 250
_CHECKED = 50_000
"""Deliveries that are checked at a time, so that memory does not grow with an alert."""


@dataclass(frozen=True, slots=True)
class Goes:
    """A thread whose deliveries can go: its messages' codes and ids, oldest first, and how many deliveries they have.

    `begun`: some of them have gone already, by a pruning that was cut.
    """

    codes: tuple[str, ...]
    ids: tuple[str, ...]
    deliveries: int
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Stays:
    """A thread that is old enough and stays, and why."""

    codes: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """What would go now, and what stays."""

    goes: tuple[Goes, ...]
    stays: tuple[Stays, ...]


@dataclass(slots=True)
class Pruned:
    """What one run did. `waits`: it left off for an alert that is on its way. `longest`: seconds of one transaction."""

    alerts: list[str] = field(default_factory=list)
    deliveries: int = 0
    events: int = 0
    stays: list[Stays] = field(default_factory=list)
    waits: bool = False
    longest: float = 0.0


def outlook(read: Read, before: Milliseconds) -> Outlook:
    """What would go of threads that have been quiet since `before`, and what of them stays."""
    unfinished = pruning.begun(read)
    goes = [_goes(read, [id], begun=True) for id in unfinished]
    stays = []
    for ids in pruning.sent_before(read, before):
        why = pruning.obstacle(read, ids, before)
        if why is None:
            goes.append(_goes(read, ids))
        else:
            stays.append(Stays(codes(read, ids), why))
    return Outlook(tuple(goes), tuple(stays))


def codes(read: Read, ids: Sequence[str]) -> tuple[str, ...]:
    """The codes of these alerts, in the same order."""
    known = alerts.codes(read, ids)
    return tuple(known.get(id, id) for id in ids)


def _goes(read: Read, ids: Sequence[str], *, begun: bool = False) -> Goes:
    count = sum(read.sql("SELECT count(*) FROM delivery WHERE alert_id = :id", {"id": id}).scalar_one() for id in ids)
    return Goes(codes(read, ids), tuple(ids), int(count), begun)


def prune(
    ledger: Ledger,
    keys: StateKeys,
    agency: Agency,
    *,
    before: Milliseconds,
    by: str,
    told: Callable[[Goes], None] = lambda goes: None,
    go_on: Callable[[], bool] = lambda: True,
) -> Pruned:
    """Prunes what has been quiet since `before`, oldest first, and goes on with what was cut; `told` before each.

    It leaves off as soon as an alert is on its way, or `go_on` says no, which is asked between transactions. A thread
    whose record is not as it was written stays, whole. Cut anywhere, the next run goes on. Raises LedgerUnavailable.
    """
    done = Pruned()

    def is_clear() -> bool:
        # Nobody who has to send waits for what is pruned meanwhile.
        done.waits = not go_on() or ledger.read(editions.is_sending)
        return not done.waits

    for id in ledger.read(pruning.begun):
        told(ledger.read(lambda read, id=id: _goes(read, [id], begun=True)))  # type: ignore[misc]
        if not _empty(ledger, keys, id, done, is_clear, by=by):
            return done
    for ids in ledger.read(lambda read: pruning.sent_before(read, before)):
        if not is_clear():
            return done
        why = ledger.read(lambda read, ids=ids: pruning.obstacle(read, ids, before))  # type: ignore[misc]
        if why is None:
            told(ledger.read(lambda read, ids=ids: _goes(read, ids)))  # type: ignore[misc]
            why = _begin(ledger, keys, agency, ids, before, by, is_clear)
            if done.waits:
                return done
        if why is not None:
            done.stays.append(Stays(ledger.read(lambda read, ids=ids: codes(read, ids)), why))  # type: ignore[misc]
            continue
        for id in ids:
            if not _empty(ledger, keys, id, done, is_clear, by=by):
                return done
    while is_clear() and ledger.write(partial(pruning.strays, before=before, size=_FIRST)):
        pass
    if done.alerts:
        erasing.clear_journal(ledger)
    return done


def _begin(
    ledger: Ledger,
    keys: StateKeys,
    agency: Agency,
    ids: Sequence[str],
    before: Milliseconds,
    by: str,
    is_clear: Callable[[], bool],
) -> str | None:
    """Puts a thread's checkpoints on record, after its report and a look at its record; else says why it stays."""
    for id in ids:
        if _differs(ledger, id, is_clear):
            _log.error("record of an alert is not as it was written, so it is not pruned", extra={"alert": id})
            return "its record is not as it was written; `kentongan log verify` names the difference"
    if not is_clear():
        return None
    seen = ledger.read(tallies.position)
    try:
        found = ledger.read(lambda read: report.read(read, ids[0]))
        if found.damaged:
            return found.damaged[0].sentence
        page = report.html(found, timezone=agency.timezone, agency=agency.name)
        packed = ledger.read(lambda read: kept_reports.pack(read, page))
        kept = {"of": ids[0], "sha256": packed.sha256}
        contents = ledger.read(lambda read: [canonical(take(read, id, kept)) for id in ids])
    except DamagedRecord as damage:
        return str(damage)
    begin = partial(pruning.begin, messages=ids, contents=contents, report=packed, before=before, seen=seen)
    return None if ledger.write(partial(begin, keys=keys, by=by)) else "something was recorded of it just now"


def _differs(ledger: Ledger, alert_id: str, is_clear: Callable[[], bool]) -> bool:
    """Whether an alert's deliveries are other than its events say, or these other than their links say.

    It ends, with no word on it, where an alert comes that is to be sent: looking at a large one takes a while.
    """
    if not ledger.read(lambda read: links_hold(read, alert_id)):
        return True
    found: list[Difference] = []
    for span in ledger.read(lambda read: _spans(read, alert_id)):
        if not is_clear():
            return False
        ledger.read(lambda read, span=span: check_deliveries(read, found, of=span))  # type: ignore[misc]
        if found:
            return True
    return False


def _spans(read: Read, alert_id: str) -> list[Part]:
    """All of an alert, in parts of so many deliveries at most that they can be looked at together."""
    row = read.sql(
        "SELECT min(id) AS first, max(id) AS last FROM delivery WHERE alert_id = :id", {"id": alert_id}
    ).one()
    bounds = list(range(row.first or 0, row.last or 0, _CHECKED))[1:]
    return [
        Part(alert_id, first, last)
        for first, last in zip((0, *bounds), (*(bound - 1 for bound in bounds), EVERY), strict=True)
    ]


def take(read: Read, alert_id: str, kept: Mapping[str, str]) -> dict[str, Any]:
    """What is counted of an alert's deliveries before they go: all that status and report say of them.

    `kept` names the report that is kept. Whoever counts finds their part under their name: `checkpoints.counted`.
    """
    persons, by_channel = threads.reached(read, alert_id)
    summaries = views.summaries(read, alert_id)
    return {
        "deliveries": sum(each.total for each in summaries),
        "summaries": [{**asdict(each), "words": dict(each.words)} for each in summaries],
        "people": views.people(read, alert_id),
        "reached": [persons, by_channel],
        "asked": register.asked(read, alert_id),
        "causes": [astuple(each) for each in overview.causes(read, alert_id)],
        "retries": [astuple(each) for each in results.read_retries(read, alert_id)],
        "doubts": [astuple(each) for each in results.read_doubts(read, alert_id)],
        "receipts": [astuple(each) for each in results.read_receipts(read, alert_id)],
        "posts": [astuple(each) for each in messages.read_posts(read, alert_id)],
        "begun": timeline.begun(read, alert_id),
        "last_outcome": timeline.last_outcome(read, alert_id),
        "report": dict(kept),
    }


def _empty(
    ledger: Ledger, keys: StateKeys, alert_id: str, done: Pruned, is_clear: Callable[[], bool], *, by: str
) -> bool:
    """Takes an alert's deliveries away, chunk by chunk; False where an alert that is on its way goes first."""
    size, rows_left = _FIRST, True
    while True:
        if not is_clear():
            return False
        chunk = ledger.read(partial(pruning.chunk, alert_id=alert_id, size=size))
        if chunk is not None and rows_left and not chunk.deliveries:
            # From here whole events go, each of which may hold many deliveries.
            rows_left, size = False, _LEAST
            continue
        if chunk is None:
            _fold(ledger, keys, alert_id, done)
            deliveries = ledger.read(lambda read: checkpoints.counted(read, alert_id, "deliveries"))
            if ledger.write(partial(pruning.finish, alert_id=alert_id, deliveries=deliveries, by=by)):
                done.alerts.append(alert_id)
                return True
            continue
        try:
            act = partial(pruning.take, keys=keys, alert_id=alert_id, chunk=chunk)
            took = ledger.write(partial(_timed, act=act))
        except pruning.Overtaken:
            # Another process prunes too; what it took is gone from the next look.
            continue
        done.deliveries += len(chunk.deliveries)
        done.events += len(chunk.events)
        done.longest = max(done.longest, took)
        size = max(_LEAST, min(_MOST, round(size * min(1.5, _HELD / max(took, 1e-4)))))


def _fold(ledger: Ledger, keys: StateKeys, alert_id: str, done: Pruned) -> None:
    """Lets the links go too of which no event is left."""
    links = ledger.read(lambda read: pruning.foldable(read, alert_id))
    for first in range(0, len(links), _LINKS):
        fold = partial(pruning.fold, keys=keys, alert_id=alert_id, links=links[first : first + _LINKS])
        # Another process that prunes the same has taken them where they are gone.
        with contextlib.suppress(pruning.Overtaken):
            done.longest = max(done.longest, ledger.write(partial(_timed, act=fold)))


def _timed(write: Write, act: Callable[[Write], None]) -> float:
    """Does it, so that nothing of what goes lies in the file any more; returns the seconds for which others waited."""
    began = time.perf_counter()
    erasing.forget_for_good(write)
    act(write)
    return time.perf_counter() - began
