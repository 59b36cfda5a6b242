from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kentongan import overview
from kentongan.delivery import Closed, Result, Stage, word
from kentongan.ledger import Ledger, Read, Write, counting, steps, story, tallies, throttled, views, work
from kentongan.report import results
from tests.kentongan.ledger.scenes import HOUR, direct, put_dispatch
from tests.postgres import Server, open_database

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


def put(write: Write, alert_id: str, rows: list[dict[str, Any]], *, first: int = 0) -> None:
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
            for n, row in enumerate(rows, first)
        ],
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(standings(), min_size=1, max_size=30))
def test_what_is_counted_along_indexes_is_what_one_counts_row_by_row(
    ledger: Ledger, rows: list[dict[str, Any]]
) -> None:
    compare(ledger, rows)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(standings(), min_size=1, max_size=30))
def test_postgres_counts_the_same(in_postgres: Ledger, rows: list[dict[str, Any]]) -> None:
    alert_id = compare(in_postgres, rows)
    assert in_postgres.read(lambda read: len(views.deliveries(read, alert_id, words=("in_doubt",)))) == sum(
        row["result"] == "in_doubt" for row in rows
    )
    in_postgres.read(lambda read: (overview.causes(read, alert_id), results.read_retries(read, alert_id)))
    assert in_postgres.read(lambda read: story.told(read, [alert_id])) == []
    assert in_postgres.read(lambda read: story.left_out(read, [], most=0)) == 0


@pytest.fixture
def in_postgres(postgres: Server) -> Iterator[Ledger]:
    address = postgres.database()
    with open_database(address, "console") as ledger:
        yield ledger
    postgres.drop(address)


def compare(ledger: Ledger, rows: list[dict[str, Any]]) -> str:
    """Puts rows on record as a new alert's, and counts them both ways; returns the alert's id."""
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
    return alert_id


DONE = {
    "instance": "sms",
    "stage": "done",
    "result": "accepted",
    "closed": None,
    "attempt": 1,
    "accepted_at": 1,
    "possible_duplicate": 0,
    "sender": None,
}
OPEN = {**DONE, "stage": "planned", "result": "none", "attempt": 0, "accepted_at": None}


ASKED: Mapping[str, Callable[[Read], object]] = {
    "open dispatches": work.open_dispatches,
    "is it open": lambda read: views.is_open(read, "alert1"),
    "what is left": lambda read: work.outlook(read, "alert1", "sms"),
    "is one due": lambda read: work.is_due(read, "alert1", "sms"),
    "what is due": lambda read: tallies.due(read, "alert1", "sms"),
    "who waits": lambda read: throttled.waiting(read, "alert1", "sms"),
    "what is in doubt": lambda read: views.deliveries(read, "alert1", words=("in_doubt",)),
    "what failed": lambda read: overview.causes(read, "alert1"),
    "kept receipts": views.has_kept_receipts,
    "what has expired": views.has_expired,
    "steps": steps.is_due,
}


def test_what_is_asked_all_the_time_costs_the_same_whatever_is_done_already(ledger: Ledger) -> None:
    ledger.write(lambda write: put_dispatch(write, [direct("sms", ledger.clock.wall() + HOUR)]))
    ledger.write(lambda write: write.sql("UPDATE dispatch SET expanded = 1"))
    ledger.write(lambda write: put(write, "alert1", [DONE] * 10))
    before = {name: _steps(ledger, ask) for name, ask in ASKED.items()}
    ledger.write(lambda write: put(write, "alert1", [DONE] * 1_000, first=100))
    after = {name: _steps(ledger, ask) for name, ask in ASKED.items()}
    ledger.write(lambda write: put(write, "alert1", [OPEN], first=5_000))
    with_one_open = {name: _steps(ledger, ask) for name, ask in ASKED.items()}
    for later in (after, with_one_open):
        assert [name for name in ASKED if later[name] > before[name] + 50] == []


def _steps(ledger: Ledger, ask: Callable[[Read], object]) -> int:
    """How many steps of its machine SQLite takes to answer, in tens."""
    taken = itertools.count()

    def count() -> None:
        next(taken)

    def watched(read: Read) -> None:
        connection: Any = read.connection.connection.driver_connection
        connection.set_progress_handler(count, 10)
        try:
            ask(read)
        finally:
            connection.set_progress_handler(None, 0)

    ledger.read(watched)
    return next(taken)
