"""A ledger that was restored from a backup: nothing of it goes on by itself, for nobody knows what was sent since.

What was still to be sent when the backup was made may have gone out between then and the loss. So all of it is in
doubt, on a ledger that is held, until an officer says otherwise.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from kentongan import telling
from kentongan.clock import Milliseconds
from kentongan.delivery import Evidence
from kentongan.errors import DamagedRecord
from kentongan.ledger import alerts, code_sheets, dispatches, drills, planning, senders, steps
from kentongan.ledger.deliveries import Deliveries
from kentongan.ledger.doubting import doubt_waiting
from kentongan.ledger.ledger import Ledger
from kentongan.ledger.transaction import Read, Write
from kentongan.policy import Decision, Reason

_CHUNK = 1000
_WHY = "the ledger was restored from a backup"


@dataclass(slots=True)
class Unknown:
    """What nobody can know of a restored ledger.

    `doubts`: by alert code, how many of its deliveries came into doubt. `unsent`: the codes of alerts that were
    submitted or approved, and may have been sent since. `steps`: how many next channels and groups are given up.
    `sheets`: the officers whose one-time codes have ended, for some may have been said since.
    """

    doubts: dict[str, int] = field(default_factory=dict)
    unsent: list[str] = field(default_factory=list)
    steps: int = 0
    sheets: list[str] = field(default_factory=list)


def take_over(ledger: Ledger, *, taken_at: Milliseconds, by: str) -> Unknown:
    """Holds a ledger as it comes from a backup that was made at `taken_at`, and brings what was open into doubt.

    Nothing may send from it meanwhile. Raises LedgerUnavailable.
    """
    found = ledger.write(lambda write: _begin(write, taken_at, by))
    for alert_id in ledger.read(_unplanned):
        _plan_all(ledger, alert_id)
    doubted: Counter[str] = Counter()
    while ids := ledger.read(_in_flight):
        doubted += ledger.write(lambda write, ids=ids: _doubt_in_flight(write, ids))  # type: ignore[misc]
    after = 0
    while ids := ledger.read(lambda read, after=after: _waiting(read, taken_at, after)):  # type: ignore[misc]
        doubted += ledger.write(lambda write, ids=ids: doubt_waiting(write, ids, taken_at))  # type: ignore[misc]
        after = ids[-1]
    codes = ledger.read(lambda read: alerts.codes(read, list(doubted)))
    found.doubts = {codes[id]: count for id, count in doubted.items()}
    return found


def standing(read: Read) -> Unknown:
    """What is still unknown of a ledger that was restored: doubts that nobody has settled, alerts not sent by it."""
    rows = read.sql(
        "SELECT a.code, count(DISTINCT t.delivery_id) AS n FROM attempt t JOIN delivery d ON d.id = t.delivery_id"
        " JOIN alert a ON a.id = d.alert_id WHERE t.evidence = 'in_doubt' AND t.reason = :reason"
        " GROUP BY a.code ORDER BY a.code",
        {"reason": Reason.RESTORED.value},
    )
    return Unknown(doubts={row.code: row.n for row in rows}, unsent=_unsent(read))


def in_doubt(
    read: Read, alert_id: str, *, instances: Sequence[str], restored: bool, after: int, most: int
) -> list[int]:
    """Deliveries of an alert that are in doubt, behind the id `after`; with `restored` those by restoring alone."""
    rows = read.sql(
        "SELECT d.id FROM delivery d WHERE d.alert_id = :alert AND d.stage = 'done' AND d.result = 'in_doubt'"
        " AND d.instance IN (SELECT value FROM json_each(:instances)) AND d.id > :after AND (:restored = 0 OR EXISTS"
        " (SELECT 1 FROM attempt t WHERE t.delivery_id = d.id AND t.evidence = 'in_doubt'"
        " AND t.reason = :reason)) ORDER BY d.id LIMIT :most",
        {
            "alert": alert_id,
            "instances": json.dumps(list(instances)),
            "restored": int(restored),
            "after": after,
            "reason": Reason.RESTORED.value,
            "most": most,
        },
    )
    return [row.id for row in rows]


def _begin(write: Write, taken_at: Milliseconds, by: str) -> Unknown:
    """Puts the restoring on record and holds the ledger; all that would go on by itself ends."""
    ends = write.sql("SELECT chain, max(seq) AS seq FROM link GROUP BY chain ORDER BY chain").all()
    write.event("ledger.restored", by=by, taken=taken_at, ends={row.chain: row.seq for row in ends})
    senders.hold(
        write,
        instance=senders.LEDGER,
        reason=f"the ledger was restored from a backup of {telling.recorded(taken_at)}, and what was sent since is not"
        " on record",
    )
    # None of them lives on in a copy; what they held is free.
    write.sql("UPDATE sender SET ended = 1")
    drills.stop_running(write, why=_WHY)
    return Unknown(
        unsent=_unsent(write), steps=steps.end_all(write, why=_WHY), sheets=code_sheets.end_all(write, why=_WHY)
    )


def _unsent(read: Read) -> list[str]:
    return [stored.code for stored in alerts.listing(read, states=("submitted", "approved"))]


def _unplanned(read: Read) -> list[str]:
    """Alerts of which not everybody was planned yet, in the order in which they were sent off."""
    rows = read.sql(
        "SELECT s.alert_id FROM dispatch s JOIN alert a ON a.id = s.alert_id"
        " WHERE s.expanded = 0 AND a.state = 'dispatched' ORDER BY s.at"
    )
    return [row.alert_id for row in rows]


def _plan_all(ledger: Ledger, alert_id: str) -> None:
    """Plans the rest, as it may have been planned and sent since."""

    # Whose plan cannot be read, no sender sends.
    with contextlib.suppress(DamagedRecord):
        dispatched = ledger.read(lambda read: dispatches.get(read, alert_id))
        assert dispatched is not None
        expansion = planning.Expansion(alert_id, dispatched.plan)
        while ledger.write(lambda write: expansion.advance(write, _CHUNK)):
            pass


def _in_flight(read: Read) -> list[int]:
    rows = read.sql(
        "SELECT id FROM delivery WHERE stage = 'sending' AND phase = 'irreversible' ORDER BY id LIMIT :most",
        {"most": _CHUNK},
    )
    return [row.id for row in rows]


def _doubt_in_flight(write: Write, ids: Sequence[int]) -> Counter[str]:
    """What was being sent when the backup was made."""
    with Deliveries(write, ids) as batch:
        for standing in batch:
            decision = Decision(Evidence.IN_DOUBT, Reason.RESTORED)
            batch.raise_evidence(
                "delivery.restored", standing, standing.attempt, Evidence.IN_DOUBT, reason=decision.reason
            )
            batch.move_on(standing, decision)
        return Counter(standing.alert_id for standing in batch)


def _waiting(read: Read, taken_at: Milliseconds, after: int) -> list[int]:
    """What a sender could still have sent; that an older message is marked as withdrawn reaches nobody."""
    rows = read.sql(
        "SELECT d.id FROM delivery d JOIN alert a ON a.id = d.alert_id WHERE d.id > :after AND a.state = 'dispatched'"
        " AND d.stage <> 'done' AND d.action <> 'edit' AND d.result IN ('none', 'in_doubt') AND d.deliver_by > :taken"
        " ORDER BY d.id LIMIT :most",
        {"after": after, "taken": taken_at, "most": _CHUNK},
    )
    return [row.id for row in rows]
