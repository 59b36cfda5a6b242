from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kentongan.delivery import Closed, Result, Stage, word
from kentongan.ledger import Ledger, Write, counting

_NUMBERS = itertools.count()
_TAKEN = (Result.ACCEPTED, Result.DELIVERED, Result.READ)


@st.composite
def standings(draw: st.DrawFn) -> dict[str, Any]:
    """A delivery as senders, receipts and officers can leave it."""
    stage = draw(st.sampled_from(list(Stage)))
    attempt = draw(st.integers(1, 3) if stage is Stage.SENDING else st.integers(0, 3))
    result = draw(st.sampled_from(list(Result))) if attempt else Result.NONE
    # One that was accepted may turn out unreachable.
    accepted = result in _TAKEN or (result is Result.UNREACHABLE and draw(st.booleans()))
    closed = draw(st.sampled_from(list(Closed))) if stage is Stage.DONE and result is Result.NONE else None
    return {
        "instance": draw(st.sampled_from(("sms", "telegram"))),
        "stage": stage.value,
        "result": result.value,
        "closed": closed and closed.value,
        "attempt": attempt,
        "accepted_at": draw(st.integers(1, 99)) if accepted else None,
        "possible_duplicate": int(attempt > 0 and draw(st.booleans())),
        "sender": "us" if stage in (Stage.CLAIMED, Stage.SENDING) else None,
    }


def put(write: Write, alert_id: str, rows: list[dict[str, Any]]) -> None:
    columns = [*rows[0], "key", "alert_id", "language", "family", "unique_by", "deliver_by", "action", "due_at"]
    write.sql(
        f"INSERT INTO delivery ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)})",
        [
            {
                **row,
                **dict.fromkeys(("key", "unique_by"), f"{alert_id}-{n}"),
                "alert_id": alert_id,
                "language": "id",
                "family": "phone",
                "deliver_by": 1,
                "action": "send",
                "due_at": 0,
            }
            for n, row in enumerate(rows)
        ],
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(standings(), min_size=1, max_size=30))
def test_what_is_counted_along_indexes_is_what_one_counts_row_by_row(
    ledger: Ledger, rows: list[dict[str, Any]]
) -> None:
    alert_id = f"alert{next(_NUMBERS)}"
    ledger.write(lambda write: put(write, alert_id, rows))
    counted = ledger.read(lambda read: counting.of_alert(read, alert_id))
    assert list(counted) == sorted({row["instance"] for row in rows})
    for instance, found in counted.items():
        own = [row for row in rows if row["instance"] == instance]
        accepted = [row["accepted_at"] for row in own if row["accepted_at"] is not None]
        assert found.words == Counter(word(row["stage"], row["result"], row["closed"]) for row in own)
        assert (found.first, found.last) == (min(accepted, default=None), max(accepted, default=None))
        assert found.retries == sum(max(0, row["attempt"] - 1) for row in own)
        assert found.duplicates == sum(row["possible_duplicate"] for row in own)
