"""People are planned and claimed nearest and worst hit first, each once, and nobody in the area is left out."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kentongan.area.codes import Waves, Within, takes_in, turns
from kentongan.delivery import Action, Evidence, Phase
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, Write, claims, dispatches, outcomes, planning
from kentongan.ledger import people as register
from kentongan.ledger.claims import Claimed
from kentongan.ledger.outcomes import Settled
from kentongan.ledger.within import turn_expression
from kentongan.people import Row
from kentongan.policy import Decision, Reason
from kentongan.seam import Address
from tests.kentongan.ledger.scenes import (
    StandingClock,
    direct,
    expand_all,
    later,
    open_at,
    put_dispatch,
    put_people,
    put_texts,
)

CODES = ["17", "17.01", "17.01.02", "17.02", "33", "33.05", "33.05.01", "33.06", "99"]
codes = st.lists(st.sampled_from(CODES), max_size=3, unique=True)
withins = st.builds(
    Within,
    codes=st.lists(st.sampled_from(CODES[:-1]), max_size=3, unique=True).map(tuple),
    unplaced=st.booleans(),
    strays=st.just(("99",)),
)
some = st.lists(st.sampled_from(CODES[:-1]), min_size=1, max_size=3, unique=True).map(tuple)
orders = st.lists(some, max_size=3).map(tuple)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "ledger.db"
    open_at(path).close()
    return path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=st.lists(st.tuples(st.integers(0, 9), codes), max_size=14),
    within=withins,
    order=orders,
    size=st.integers(1, 5),
)
def test_everybody_in_the_area_is_planned_once_wave_by_wave(
    template: Path, people: list[tuple[int, list[str]]], within: Within, order: Waves, size: int
) -> None:
    """Two may share a number: it is written to in the wave of the nearer one, whatever the size of the chunks."""
    rows = [
        Row(n, f"p{n}", (Address("phone", f"+62812{phone:08}"),), None, (), tuple(own))
        for n, (phone, own) in enumerate(people)
    ]
    with tempfile.TemporaryDirectory(prefix="kentongan-") as name:
        folder = Path(name)
        (folder / "ledger.db").write_bytes(template.read_bytes())
        keys = StateKeys.open(folder / "state")
        instance = direct("sms", later()).model_copy(update={"within": within})
        with open_at(folder / "ledger.db") as ledger:
            ledger.write(lambda write: register.import_people(write, rows, keys=keys))
            ledger.write(lambda write: put_dispatch(write, [instance], waves=order))
            expand_all(ledger, "alert1", size=size)
            planned = ledger.read(lambda read: read.sql("SELECT unique_by, wave FROM delivery ORDER BY id").all())
            expression, parameters = turn_expression(within, order)
            said = ledger.read(
                lambda read: read.sql(
                    f"SELECT a.hash, {expression} AS wave FROM address a JOIN person p ON p.id = a.person_id",
                    parameters,
                ).all()
            )
    turn = turns(within, order)
    expected: dict[str, int] = {}
    every: list[tuple[str, int]] = []
    for row in rows:
        hash = keys.address_hash("phone", row.addresses[0].value)
        wave = min(map(turn, row.regions), default=len(order) + 2)
        every.append((hash, wave))
        if takes_in(within, row.regions):
            expected[hash] = min(wave, expected.get(hash, wave))
    assert {row.unique_by: row.wave for row in planned} == expected
    assert [row.wave for row in planned] == sorted(expected.values())
    assert sorted((row.hash, row.wave) for row in said) == sorted(every)


def _claim(ledger: Ledger, most: int) -> list[Claimed]:
    return ledger.write(lambda w: claims.claim(w, sender="s", alert_id="alert1", instance="sms", most=most))


def test_a_try_that_never_left_costs_a_wave_and_keeps_nobody_waiting_for_ever(tmp_path: Path) -> None:
    clock = StandingClock()
    keys = StateKeys.open(tmp_path / "state")
    with open_at(tmp_path / "ledger.db", clock=clock) as ledger:
        put_texts(ledger, keys, 6)
        # Two people in each of three waves, the last planned first.
        ledger.write(lambda write: write.sql("UPDATE delivery SET wave = (6 - id) / 2"))
        order: list[int] = []
        for _ in range(9):
            claimed = _claim(ledger, 1)
            order += [each.id for each in claimed]
            if claimed and claimed[0].id > 4:
                # The nearest two are refused again and again, for a moment each time.
                ledger.write(lambda write, claimed=claimed: _refuse(write, claimed))
            clock.pass_by(10)
    # Each time they come with those of the next wave, behind its first tries.
    assert order == [5, 6, 3, 4, 5, 6, 1, 2, 5]


def _refuse(write: Write, claimed: list[Claimed]) -> None:
    (intent,) = claims.intend(write, sender="s", deliveries=[claimed[0].id], phase=Phase.IRREVERSIBLE)
    again = Decision(Evidence.ABSENT, Reason.NEVER_LEFT, action=Action.SEND, due_at=write.now + 5)
    outcomes.settle(write, sender="s", outcomes=[Settled(claimed[0].id, intent.attempt, again)])


def test_what_is_looked_up_for_each_claim_and_chunk_is_found_by_an_index(ledger: Ledger, keys: StateKeys) -> None:
    """However many are done, and however many people are on record, neither looks at more rows than it takes."""

    def plan(statement: str, **named: object) -> list[str]:
        return [row[3] for row in ledger.read(lambda read: read.sql(f"EXPLAIN QUERY PLAN {statement}", named).all())]

    claim = plan(claims.CLAIM, sender="s", alert="a", instance="i", now=1, most=1)
    first = next(step for step in claim if "SEARCH d " in step)
    assert first == "SEARCH d USING INDEX delivery_due (alert_id=? AND instance=? AND attempt=?)"
    assert not any(step.startswith("SCAN d") for step in claim)
    # Only what comes again is sorted, and what both streams give together.
    assert sum("TEMP B-TREE FOR ORDER BY" in step for step in claim) == 2

    seen: list[str] = []
    ledger.write(lambda write: put_people(write, keys, 3))
    within = Within(codes=("17",), unplaced=True)
    instance = direct("sms", later()).model_copy(update={"within": within})
    ledger.write(lambda write: put_dispatch(write, [instance], waves=(("17.01",),)))
    found = ledger.read(lambda read: dispatches.get(read, "alert1"))
    assert found is not None

    def traced(write: Write) -> bool:
        raw = write.connection.connection.dbapi_connection
        assert raw is not None
        raw.set_trace_callback(seen.append)  # type: ignore[attr-defined]
        try:
            return planning.expand(write, "alert1", found.plan, 2)
        finally:
            raw.set_trace_callback(None)  # type: ignore[attr-defined]

    assert ledger.write(traced)
    (insert,) = [text for text in seen if text.startswith("INSERT INTO delivery")]
    (address,) = [step for step in plan(insert) if step.startswith(("SEARCH a ", "SCAN a "))]
    assert "rowid=?" in address
