"""Looking into the ledger beside its senders, reading only: in which state deliveries are when something dies."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.chaos.counter import Moments

Rows = Callable[..., Sequence[tuple[Any, ...]]]
"""Runs a statement, with `?` for each value, and gives its rows."""

STATES = (
    "not dispatched",
    "planned",
    "claimed",
    "intended",
    "requested",
    "accepted, not recorded",
    "waits for a repeat",
    "waits for a look-up",
    "in doubt",
    "done",
)
"""Where a delivery can be; without a counter that tells moments, "intended" holds the two that follow it as well."""

AIMS: Mapping[str, str] = {
    "planned": "SELECT 1 FROM delivery WHERE alert_id = ? AND stage = 'planned' AND attempt = 0",
    "claimed": "SELECT 1 FROM delivery WHERE alert_id = ? AND stage = 'claimed'",
    "sending": "SELECT 1 FROM delivery WHERE alert_id = ? AND stage = 'sending'",
    "repeat": "SELECT 1 FROM delivery WHERE alert_id = ? AND stage = 'planned' AND attempt > 0 AND result = 'none'",
    "doubt": "SELECT 1 FROM delivery WHERE alert_id = ? AND result = 'in_doubt'",
    "done": "SELECT 1 FROM dispatch d WHERE d.alert_id = ? AND d.expanded = 1 AND NOT EXISTS"
    " (SELECT 1 FROM delivery v WHERE v.alert_id = d.alert_id AND v.stage <> 'done')",
}
"""What a killer waits for; most are there only for moments, so what it hits is counted after the kill."""

_BY_STAGE = """
SELECT CASE WHEN v.stage = 'done' AND v.result <> 'in_doubt' THEN 'done'
  WHEN v.result = 'in_doubt' AND v.stage <> 'sending' AND v.stage <> 'claimed' THEN 'in doubt'
  WHEN v.stage = 'planned' AND v.action = 'find' THEN 'waits for a look-up'
  WHEN v.stage = 'planned' AND v.attempt > 0 THEN 'waits for a repeat'
  ELSE v.stage END AS state, count(*)
FROM delivery v WHERE v.alert_id = ? AND v.stage IN ('planned', 'done') GROUP BY 1
"""
_HELD = """
SELECT v.stage, v.unique_by, t.intent_at FROM delivery v
LEFT JOIN attempt t ON t.delivery_id = v.id AND t.number = v.attempt
WHERE v.alert_id = ? AND v.stage IN ('claimed', 'sending')
"""


@contextlib.contextmanager
def looking(place: Path | str) -> Iterator[Rows]:
    """A look into the ledger, a file or a database; it ends before a sender starts, so that this one recovers."""
    if isinstance(place, str):
        import psycopg

        with psycopg.connect(place, autocommit=True, connect_timeout=3) as connection:
            yield lambda text, *values: connection.execute(text.replace("?", "%s"), values).fetchall()  # type: ignore[call-overload]
        return
    with contextlib.closing(sqlite3.connect(f"{place.as_uri()}?mode=ro", uri=True, timeout=2.0)) as reader:
        yield lambda text, *values: reader.execute(text, values).fetchall()


def wait_for(rows: Rows, statement: str, *values: object, while_: Callable[[], bool], patience: float) -> bool:
    """Whether a statement found something within `patience` seconds and while `while_` held."""
    until = time.monotonic() + patience
    while not rows(f"{statement} LIMIT 1", *values):
        if time.monotonic() > until or not while_():
            return False
        time.sleep(0.001)
    return True


def sender_of(rows: Rows, pid: int) -> str | None:
    """The name in the record of the sender that was the process `pid`; None where it never came so far."""
    found = rows("SELECT id FROM sender WHERE pid = ? ORDER BY started DESC LIMIT 1", pid)
    return str(found[0][0]) if found else None


def states(
    rows: Rows,
    alert_id: str,
    *,
    sender: str | None,
    everybody: bool,
    moments: Callable[[], Mapping[str, Moments] | None],
    numbers: Mapping[str, str],
) -> Counter[str]:
    """How many deliveries are in which state; claimed and sending count where `sender` holds them, or `everybody`.

    `numbers`: recipients, without a plus, by the keyed hash of their address.
    """
    if not rows("SELECT 1 FROM dispatch WHERE alert_id = ?", alert_id):
        return Counter({"not dispatched": 1})
    counted = Counter({str(state): int(count) for state, count in rows(_BY_STAGE, alert_id)})
    held = rows(_HELD, alert_id) if everybody else rows(f"{_HELD} AND v.sender = ?", alert_id, sender or "")
    seen = moments() if any(stage == "sending" for stage, _, _ in held) else None
    for stage, unique_by, intent_at in held:
        if stage == "claimed":
            counted["claimed"] += 1
            continue
        moment = (seen or {}).get(numbers.get(unique_by, ""))
        if moment is None or round(moment.asked * 1000) < intent_at:
            counted["intended"] += 1
        elif moment.taken is None or round(moment.taken * 1000) < intent_at:
            counted["requested"] += 1
        else:
            counted["accepted, not recorded"] += 1
    return counted
