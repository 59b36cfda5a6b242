"""A ledger with an alert to two people and the public, and what its record must hold at every moment, whatever happens.

`test_life_of_a_delivery.py` makes things happen to it.
"""

from __future__ import annotations

import atexit
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
)

from kentongan.clock import Process
from kentongan.delivery import REACHED, Action, Evidence, Result, Stage, result_of
from kentongan.keys import StateKeys
from kentongan.ledger import (
    Ledger,
    Read,
    dispatches,
    planning,
    senders,
)
from kentongan.ledger import people as register
from kentongan.ledger.claims import Claimed, Intent
from kentongan.ledger.verification import verify
from kentongan.people import Row
from kentongan.plan import Plan, PlannedInstance
from kentongan.policy import (
    Situation,
)
from kentongan.seam import (
    Address,
    Idempotent,
    Traits,
)
from kentongan.settings import Audience
from tests.kentongan.ledger.scenes import StandingClock, open_at, public, put_correction, put_dispatch

TRAITS: Mapping[str, Traits] = {
    "toots": Traits(public=True, idempotent=Idempotent(15), find=True, edit=True, settling=4),
    "bot": Traits(family="telegram", edit=True),
    "sms": Traits(family="phone", receipts=True),
}
DEADLINE = 2.0
DELIVER_WITHIN = 90_000


@dataclass
class Request:
    """A request that a sender had leave to make and whose answer is not recorded yet."""

    sender: str
    claimed: Claimed
    intent: Intent
    taken_back: bool = False


_template: Path | None = None


def fresh_ledger() -> Path:
    """A copy of a ledger with two people in it; making it anew for every example would take longer than using it."""
    global _template
    if _template is None:
        folder = Path(tempfile.mkdtemp(prefix="kentongan-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        keys = StateKeys.open(folder)
        with open_at(folder / "ledger.db") as ledger:
            rows = [
                Row(n, f"p{n}", (Address("phone", f"+62812000000{n}"), Address("telegram", f"70{n}")), "id", (), ())
                for n in range(2)
            ]
            ledger.write(lambda write: register.import_people(write, rows, keys=keys))
            ledger.write(lambda write: write.sql("PRAGMA user_version"))
        _template = folder / "ledger.db"
    place = Path(tempfile.mkdtemp(prefix="kentongan-")) / "ledger.db"
    shutil.copy(_template, place)
    return place


class Watched(RuleBasedStateMachine):
    """Subclasses have the rules, and note in `requests` what may be answered, in `ever_marked` what is a repeat."""

    @initialize(life_at_stake=st.booleans())
    def begin(self, life_at_stake: bool) -> None:
        self.path = fresh_ledger()
        self.clock = StandingClock()
        self.ledger: Ledger = open_at(self.path, clock=self.clock)
        self.life_at_stake = life_at_stake
        self.names: dict[str, str] = {}
        self.gone: set[str] = set()
        for role in ("one", "two"):
            self.start(role)
        deliver_by = self.clock.wall() + DELIVER_WITHIN
        self.write(
            lambda w: put_dispatch(
                w,
                [
                    public("toots", deliver_by, ("id",)),
                    *(
                        PlannedInstance(
                            name=name,
                            kind=name,
                            family=TRAITS[name].family or "",
                            languages=("id",),
                            audience=Audience(),
                            deliver_by=deliver_by,
                        )
                        for name in ("bot", "sms")
                    ),
                ],
            )
        )
        self.write(lambda w: put_correction(w, "alert1"))
        for _ in range(4):
            self.write(lambda w: planning.expand(w, "alert1", self.plan(w), 5))
        self.claimed: list[tuple[str, Claimed]] = []
        self.requests: list[Request] = []
        self.stopped = False
        self.released = False
        self.known: dict[tuple[int, int], Evidence] = {}
        self.ever_doubted: set[int] = set()
        self.reached_since_release: set[int] = set()
        self.ever_marked: set[int] = set()
        self.looked = self.ledger.read(self.look)

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            shutil.rmtree(self.path.parent)

    # --- Plumbing ---

    def write(self, act: Any) -> Any:
        return self.ledger.write(act)

    @staticmethod
    def plan(read: Read) -> Plan:
        found = dispatches.get(read, "alert1")
        assert found is not None
        return found.plan

    def start(self, role: str) -> None:
        """A sender in this role, under a name of its own."""
        name = self.names[role] = f"{role}-{secrets.token_hex(2)}"
        process = Process.current()
        self.write(lambda w: senders.register(w, sender=name, role="send", process=process, clock=self.clock))

    def situation(self, claimed: Claimed, intent: Intent, doubts: int) -> Situation:
        return Situation(
            traits=TRAITS[claimed.instance],
            public=claimed.instance == "toots",
            life_at_stake=self.life_at_stake,
            tries=intent.attempt,
            doubts=doubts,
            intent_at=intent.at,
            first_intent_at=intent.first_at,
            deadline=DEADLINE,
            deliver_by=claimed.deliver_by,
            now=self.clock.wall(),
            chance=0.5,
        )

    @staticmethod
    def look(read: Read) -> tuple[list[Any], list[Any]]:
        rows = read.sql(
            "SELECT d.*, a.state, a.epoch AS alert_epoch FROM delivery d JOIN alert a ON a.id = d.alert_id"
        ).all()
        return list(rows), list(read.sql("SELECT * FROM attempt").all())

    def row(self, id: int) -> Any:
        return self.ledger.read(lambda read: read.sql("SELECT * FROM delivery WHERE id = :id", {"id": id}).one())

    # --- What holds at every moment ---

    @invariant()
    def all_holds(self) -> None:
        if not hasattr(self, "ledger"):
            return
        self.looked = rows, attempts = self.ledger.read(self.look)
        by_delivery: dict[int, list[Evidence]] = {}
        for attempt in attempts:
            evidence = Evidence(attempt.evidence)
            place = (attempt.delivery_id, attempt.number)
            # Evidence only rises.
            assert evidence.rank >= self.known.get(place, Evidence.OPEN).rank
            self.known[place] = evidence
            by_delivery.setdefault(attempt.delivery_id, []).append(evidence)
            if evidence is Evidence.IN_DOUBT:
                self.ever_doubted.add(attempt.delivery_id)
        for row in rows:
            self.check(row, by_delivery.get(row.id, []))
        for request in self.requests:
            # An irreversible intent whose sender is gone is in doubt, or better known.
            if request.taken_back:
                assert self.known[request.intent.delivery, request.intent.attempt] is not Evidence.OPEN
        self.check_correction(rows)
        verdict = self.ledger.read(lambda read: verify(read, head=None, public_key=b""))
        assert verdict.differences == []

    def check(self, row: Any, evidence: list[Evidence]) -> None:
        result = Result(row.result)
        assert result is result_of(evidence)
        if result.final and row.stage in (Stage.PLANNED, Stage.CLAIMED):
            assert row.action == Action.EDIT
        # Nothing is lost: what is done has a result, or was given up by name.
        assert (row.closed is not None) == (row.stage == Stage.DONE and result is Result.NONE)
        assert (row.sender is not None) == (row.stage in (Stage.CLAIMED, Stage.SENDING))
        assert len(evidence) == row.attempt
        if row.stage == Stage.SENDING:
            assert [r for r in self.requests if r.intent.delivery == row.id and r.intent.attempt == row.attempt]
        assert bool(row.possible_duplicate) == (row.id in self.ever_marked)
        if row.stage in (Stage.PLANNED, Stage.CLAIMED) and row.action == Action.FIND:
            assert result is Result.IN_DOUBT

    def check_correction(self, rows: list[Any]) -> None:
        if not self.released:
            return
        reached = {row.id for row in rows if row.alert_id == "alert1" and Result(row.result) in REACHED}
        self.reached_since_release |= reached
        followed = {row.follows for row in rows if row.alert_id == "correction1"}
        found = self.ledger.read(lambda read: dispatches.get(read, "correction1"))
        assert followed <= self.reached_since_release
        if found is not None and found.expanded:
            assert reached <= followed
