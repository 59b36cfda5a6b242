"""Outcomes settled together are settled as they would be one by one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kentongan.delivery import Evidence, Phase
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, claims, outcomes, views
from kentongan.ledger.outcomes import Settled
from kentongan.ledger.verification import verify
from kentongan.policy import Decision, Reason
from tests.kentongan.ledger.scenes import (
    StandingClock,
    open_at,
    put_texts,
    register_sender,
)

_PEOPLE = 6
_OUTCOME = st.tuples(
    st.sampled_from([Evidence.ACCEPTED, Evidence.ACCEPTED, Evidence.REJECTED, Evidence.IN_DOUBT, Evidence.ABSENT]),
    st.sampled_from([None, 0, 60_000]),  # planned again, in so many milliseconds
    st.sampled_from(["", "m1", "m2", "nul \0"]),
    st.sampled_from(["", "https://a.example/1"]),
)
_TYPES = ("delivery.settled", "delivery.next", "delivery.intended", "delivery.resolved", "delivery.hastened")
_BATCH = st.lists(st.tuples(st.integers(0, _PEOPLE - 1), _OUTCOME), min_size=1, max_size=8)


def _begun(path: Path, keys: StateKeys) -> None:
    with open_at(path) as ledger:
        put_texts(ledger, keys, _PEOPLE)
        for name in ("us", "another"):
            register_sender(ledger, name)


def _settled(
    path: Path, keys: StateKeys, batches: list[Any], *, taken: set[int], sent: bool, again: bool, together: bool
) -> dict[str, Any]:
    """All rows and events after the batches; `taken` has been taken over by another sender meanwhile."""
    clock = StandingClock()
    with open_at(path, clock=clock) as ledger:
        for batch in batches:
            clock.pass_by(1000)
            found = ledger.write(
                lambda write: claims.claim(write, sender="us", alert_id="alert1", instance="sms", most=_PEOPLE)
            )
            ids = [item.id for item in found]
            ledger.write(
                lambda write, ids=ids: claims.intend(write, sender="us", deliveries=ids, phase=Phase.IRREVERSIBLE)  # type: ignore[misc]
            )
            _take(ledger, taken & set(ids))
            rows = {row.id: row for row in ledger.read(lambda read: views.deliveries(read, "alert1"))}
            settled = [_outcome(rows[1 + place], outcome, clock) for place, outcome in batch if rows[1 + place].attempt]
            for piece in [settled] if together else [[each] for each in settled]:
                ledger.write(lambda write, piece=piece: outcomes.settle(write, sender="us", outcomes=piece))  # type: ignore[misc]
        clock.pass_by(1000)
        _decide(ledger, sent=sent, again=again, together=together)
        return ledger.read(lambda read: _state(read, keys))


def _decide(ledger: Ledger, *, sent: bool, again: bool, together: bool) -> None:
    """Settles by an officer's word all that is in doubt, and makes due what waits."""

    def pieces(ids: list[int]) -> list[list[int]]:
        return [ids] if together else [[id] for id in ids]

    doubted = ledger.read(lambda read: read.sql("SELECT id FROM delivery WHERE result = 'in_doubt'").scalars().all())
    for ids in pieces(sorted(doubted)):
        ledger.write(lambda w, ids=ids: outcomes.resolve(w, deliveries=ids, sent=sent, again=again, by="siti"))  # type: ignore[misc]
    waiting = ledger.read(lambda read: outcomes.waiting(read, alert_id="alert1", instances=["sms"]))
    hastened = sum(
        ledger.write(lambda w, ids=ids: outcomes.hasten(w, alert_id="alert1", deliveries=ids, by="siti"))  # type: ignore[misc]
        for ids in pieces(sorted(waiting))
    )
    assert hastened == len(waiting)
    assert not ledger.read(lambda read: outcomes.waiting(read, alert_id="alert1", instances=["sms"]))


def _take(ledger: Ledger, ids: set[int]) -> None:
    """Lets another sender have them, as after a lease that ran out."""
    taking = "UPDATE delivery SET sender = 'another' WHERE id IN (SELECT value FROM json_each(:ids))"
    ledger.write(lambda write: write.sql(taking, {"ids": json.dumps(sorted(ids))}))


def _outcome(row: Any, outcome: Any, clock: StandingClock) -> Settled:
    evidence, again, provider_id, url = outcome
    due_at = clock.wall() + again if again is not None and evidence is not Evidence.ACCEPTED else None
    decision = Decision(evidence, Reason.ACCEPTED, "as it was", due_at=due_at)
    return Settled(row.id, row.attempt, decision, provider_id=provider_id, url=url)


def _state(read: Any, keys: StateKeys) -> dict[str, Any]:
    told: dict[Any, list[Any]] = {}
    for event in views.events(read, types=_TYPES):
        told.setdefault(event.delivery_id, []).append((event.type, event.alert_id, dict(event.data)))
    verdict = verify(read, head=None, public_key=keys.head_public_key)
    return {
        "deliveries": [tuple(row) for row in read.sql("SELECT * FROM delivery ORDER BY id")],
        "attempts": [tuple(row) for row in read.sql("SELECT * FROM attempt ORDER BY delivery_id, number")],
        "told": told,
        "differences": verdict.differences,
    }


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(_BATCH, min_size=1, max_size=2),
    st.sets(st.integers(1, _PEOPLE), max_size=2),
    st.tuples(st.booleans(), st.booleans()),
)
def test_a_batch_leaves_the_rows_and_the_record_that_one_after_the_other_leaves(
    keys: StateKeys, batches: list[Any], taken: set[int], word: tuple[bool, bool]
) -> None:
    sent, again = word
    with TemporaryDirectory() as folder:
        one, other = Path(folder) / "one.db", Path(folder) / "other.db"
        _begun(one, keys)
        shutil.copy(one, other)
        together = _settled(one, keys, batches, taken=taken, sent=sent, again=again, together=True)
        apart = _settled(other, keys, batches, taken=taken, sent=sent, again=again, together=False)
    assert together == apart
    assert together["differences"] == []
