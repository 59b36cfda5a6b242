"""What every database must keep of its promises to senders: who may take, send and end what, and what a kill leaves."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import pytest
from sqlalchemy import insert

from kentongan.area.codes import Within
from kentongan.clock import Process, SystemClock
from kentongan.delivery import Evidence, Phase
from kentongan.keys import StateKeys
from kentongan.ledger import (
    Ledger,
    Write,
    buckets,
    claims,
    dispatches,
    foreseen,
    outcomes,
    people,
    schema,
    senders,
    steps,
    views,
    work,
)
from kentongan.ledger.buckets import Here
from kentongan.ledger.outcomes import Settled
from kentongan.ledger.verification import signed_head, verify
from kentongan.people import Row
from kentongan.plan import PlannedInstance
from kentongan.policy import Decision, Reason
from kentongan.seam import Address
from kentongan.settings import Audience
from tests.kentongan.ledger.contract import HOUR, LedgerContract
from tests.kentongan.ledger.processes import Other, Others, again_at
from tests.kentongan.ledger.scenes import direct, expand_all, public, put_dispatch, register_sender


class SendersContract(LedgerContract):
    """Senders that fight and die over one ledger, as real processes."""

    # --- Two senders ---

    def test_two_processes_never_intend_one_delivery_both(
        self, ledger: Ledger, others: Others, keys: StateKeys
    ) -> None:
        self.dispatched(ledger, keys, people=300)
        pair = [others.start("s1"), others.start("s2")]
        for other in pair:
            other.begin("drain", "alert1", "sms", 7)
        sent = [other.answer() for other in pair]
        assert sorted(sent[0] + sent[1]) == sorted(d.id for d in ledger.read(lambda r: views.deliveries(r, "alert1")))
        attempts = ledger.read(lambda read: views.attempts_of(read, "alert1"))
        assert {(a.number, a.evidence) for a in attempts} == {(1, "accepted")}
        assert len(attempts) == 300
        assert not ledger.read(lambda read: views.is_open(read, "alert1"))

    def test_a_stop_elsewhere_takes_the_leave_away(self, ledger: Ledger, others: Others, keys: StateKeys) -> None:
        self.dispatched(ledger, keys, people=2)
        other = others.start("s1")
        first, second = other.tell("claim", "alert1", "sms", 2)
        assert other.tell("intend", [first], Phase.IRREVERSIBLE) == [(first, 1)]
        ledger.write(lambda write: dispatches.stop(write, "alert1", by="siti", signed=True))
        assert other.tell("intend", [second], Phase.IRREVERSIBLE) == []
        other.tell("settle", [(first, 1)])
        ledger.write(lambda write: outcomes.cancel_stopped(write, "alert1"))
        words = {d.id: d.word for d in ledger.read(lambda read: views.deliveries(read, "alert1"))}
        assert words == {first: "accepted", second: "cancelled"}

    def test_a_dispatch_has_one_owner_until_it_is_gone(self, ledger: Ledger, others: Others, keys: StateKeys) -> None:
        self.dispatched(ledger, keys)
        other = others.start("s1")
        assert ledger.write(lambda write: dispatches.own(write, "alert1", sender="s1", gone=[]))
        assert not ledger.write(lambda write: dispatches.own(write, "alert1", sender="s2", gone=self.gone(ledger)))
        other.kill()
        assert self.gone(ledger) == ["s1"]
        assert ledger.write(lambda write: dispatches.own(write, "alert1", sender="s2", gone=["s1"]))

    @staticmethod
    def gone(ledger: Ledger) -> list[str]:
        return ledger.read(lambda read: senders.gone(read, clock=ledger.clock, process=Process.current()))

    # --- kill -9: the table in docs/architecture.md ---

    @pytest.mark.parametrize(
        ("point", "stage", "result"),
        [
            ("claimed", "planned", "none"),
            ("intended reversibly", "planned", "none"),
            ("intended irreversibly", "done", "in_doubt"),
            ("settled as retryable", "planned", "none"),
            ("settled as accepted", "done", "accepted"),
            ("in the middle of a claim", "planned", "none"),
            ("in the middle of an intent", "planned", "none"),
            ("in the middle of an outcome", "done", "in_doubt"),
        ],
    )
    def test_kill_9_leaves_what_the_table_says(
        self, ledger: Ledger, others: Others, keys: StateKeys, point: str, stage: str, result: str
    ) -> None:
        delivery = self.dispatched(ledger, keys)
        due_at = ledger.clock.wall() + HOUR // 2
        other = others.start("s1")
        self.bring_to(point, other, delivery, due_at)
        other.kill()
        self.recover(ledger)
        row = self.row(ledger, delivery)
        assert (row.stage, row.result, row.sender, row.closed) == (stage, result, None, None)
        assert (row.due_at == due_at) == (point == "settled as retryable")
        # Whatever is planned can be sent by another, whatever is in doubt or accepted cannot.
        again = [] if stage == "done" or row.due_at == due_at else [delivery]
        assert others.start("s2").tell("claim", "alert1", "sms", 5) == again

    @staticmethod
    def bring_to(point: str, other: Other, delivery: int, due_at: int) -> None:
        if point == "in the middle of a claim":
            assert other.tell("stall", "claim", "alert1", "sms", 1) == "stalled"
            return
        assert other.tell("claim", "alert1", "sms", 1) == [delivery]
        if point == "in the middle of an intent":
            assert other.tell("stall", "intend", [delivery], Phase.IRREVERSIBLE) == "stalled"
        elif point != "claimed":
            phase = Phase.REVERSIBLE if point == "intended reversibly" else Phase.IRREVERSIBLE
            attempts = other.tell("intend", [delivery], phase)
            assert attempts == [(delivery, 1)]
            if point == "settled as retryable":
                other.tell("settle", attempts, again_at(due_at))
            elif point == "settled as accepted":
                other.tell("settle", attempts)
            elif point == "in the middle of an outcome":
                assert other.tell("stall", "settle", attempts) == "stalled"

    def test_a_sender_that_is_there_keeps_what_it_holds(self, ledger: Ledger, others: Others, keys: StateKeys) -> None:
        delivery = self.dispatched(ledger, keys)
        other = others.start("s1")
        other.tell("intend", other.tell("claim", "alert1", "sms", 1), Phase.IRREVERSIBLE)
        assert self.recover(ledger) == []
        assert self.row(ledger, delivery).stage == "sending"

    # --- Holds ---

    def test_a_held_instance_is_not_claimed_by_anybody(self, ledger: Ledger, others: Others, keys: StateKeys) -> None:
        delivery = self.dispatched(ledger, keys)
        other = others.start("s1")
        for instance in ("sms", "*"):
            assert ledger.write(lambda write, i=instance: senders.hold(write, instance=i, reason="token refused"))  # type: ignore[misc]
            assert not ledger.write(lambda write, i=instance: senders.hold(write, instance=i, reason="again"))  # type: ignore[misc]
            assert other.tell("claim", "alert1", "sms", 1) == []
            assert ledger.write(lambda write, i=instance: senders.release_hold(write, instance=i, by="siti"))  # type: ignore[misc]
        assert other.tell("claim", "alert1", "sms", 1) == [delivery]

    def test_two_dispatches_are_open_until_all_is_done(self, ledger: Ledger) -> None:
        instances: list[PlannedInstance] = [public("toots", ledger.clock.wall() + HOUR, ("id",))]
        ledger.write(lambda write: put_dispatch(write, instances))
        ledger.write(lambda write: put_dispatch(write, instances, id="alert2", code="W9MN"))
        register_sender(ledger, "s1")
        for alert_id in ("alert1", "alert2"):
            expand_all(ledger, alert_id)
        assert {d.alert_id for d in ledger.read(work.open_dispatches)} == {"alert1", "alert2"}
        (claimed,) = ledger.write(
            lambda write: claims.claim(write, sender="s1", alert_id="alert1", instance="toots", most=9)
        )
        ledger.write(lambda write: claims.intend(write, sender="s1", deliveries=[claimed.id], phase=Phase.IRREVERSIBLE))
        settled = Settled(claimed.id, 1, Decision(Evidence.REJECTED, Reason.REFUSED))
        ledger.write(lambda write: outcomes.settle(write, sender="s1", outcomes=[settled]))
        assert [d.alert_id for d in ledger.read(work.open_dispatches)] == ["alert2"]

    def test_steps_keep_their_distance_when_the_clock_was_set_back(self, ledger: Ledger) -> None:
        def set_back(write: Write) -> list[int]:
            at = write.now + HOUR
            for number, ahead in enumerate((-5, 5_000, 2 * HOUR)):
                write.execute(
                    insert(schema.step).values(
                        alert_id="alert1", kind="fallback", number=number, epoch=0, due_at=at + ahead
                    )
                )
            steps.clock_set_back(write, alert_id="alert1", dispatched_at=at)
            rows = write.sql("SELECT due_at FROM step ORDER BY number").scalars()
            return [due_at - write.now for due_at in rows]

        assert ledger.write(set_back) == [HOUR - 5, 5_000, HOUR - 1]

    # --- Waves ---

    def test_the_nearest_are_planned_and_claimed_first_and_the_last_are_known_beforehand(
        self, ledger: Ledger, keys: StateKeys
    ) -> None:
        places = [("33.05.02",), (), ("33.05.01",), ("33",), ("33.06", "33.05.01"), ("99",)]
        rows = [
            Row(n, f"p{n}", (Address("phone", f"+628120000{n:04}"),), None, (), codes)
            for n, codes in enumerate(places * 2)
        ]
        ledger.write(lambda write: people.import_people(write, rows, keys=keys))
        within, waves = Within(codes=("33.05",), unplaced=True, strays=("99",)), (("33.05.01",), ("33.05.02",))
        instance = direct("sms", ledger.clock.wall() + HOUR).model_copy(update={"within": within})
        ledger.write(lambda write: put_dispatch(write, [instance], waves=waves))
        expand_all(ledger, "alert1", size=3)
        register_sender(ledger, "s1")
        found = ledger.read(lambda read: read.sql("SELECT id, wave FROM delivery ORDER BY id").all())
        # In the first of the regions, in the second, known to be somewhere above them, and of no known region.
        assert [row.wave for row in found] == [0, 0, 0, 0, 1, 1, 3, 3, 4, 4, 4, 4]
        claimed: list[int] = []
        while taken := ledger.write(
            lambda write: claims.claim(write, sender="s1", alert_id="alert1", instance="sms", most=5)
        ):
            claimed += [each.id for each in taken]
        assert claimed == [row.id for row in found]
        audience = instance.audience
        assert audience is not None
        assert ledger.read(lambda r: foreseen.nearest(r, "phone", audience, within=within, waves=waves)) == 4
        far = {"far": ("phone", Audience(regions=("33.05",)))}
        assert ledger.read(
            lambda r: foreseen.also_reached(r, 8, ("phone", audience), far, within=within, waves=waves)
        ) == {"far": 2}

    # --- Pruning ---

    def test_pruning_that_is_killed_in_a_transaction_is_taken_up_by_another(
        self, ledger: Ledger, others: Others, keys: StateKeys, tmp_path: Path
    ) -> None:
        self.dispatched(ledger, keys, people=200)
        others.start("s1").tell("drain", "alert1", "sms", 16)
        head = ledger.read(lambda read: signed_head(read, keys))
        told = ledger.read(lambda read: views.summaries(read, "alert1"))
        instance = public("toots", ledger.clock.wall() + HOUR)
        ledger.write(lambda write: put_dispatch(write, [instance], id="later", code="W9MN"))
        expand_all(ledger, "later")
        others.start("s2").tell("drain", "later", "toots", 16)
        before = ledger.clock.wall() + HOUR
        for commits, number in ((1, "s3"), (2, "s4")):
            pruner = others.start(number)
            pruner.begin("stall", "prune", tmp_path / "state", before, after=commits)
            assert pruner.answer() == "stalled"
            pruner.kill()
            verdict = ledger.read(lambda read: verify(read, head=head, public_key=keys.head_public_key))
            assert verdict.differences == []
            assert verdict.unfinished == ("K7Q4",)
        assert 0 < others.start("s5").tell("prune", tmp_path / "state", before) < 200
        assert ledger.read(lambda read: views.deliveries(read, "alert1")) == []
        assert ledger.read(lambda read: views.summaries(read, "alert1")) == told
        verdict = ledger.read(lambda read: verify(read, head=head, public_key=keys.head_public_key))
        assert verdict.differences == []
        assert verdict.pruned > 0
        assert verdict.behind_head == sum(seq for seq, _ in head["chains"].values())

    def test_two_who_lease_of_one_credential_never_get_the_same_time(self, ledger: Ledger, place: str) -> None:
        here = Here(SystemClock(), Process.current().boot_id)
        got: list[tuple[float, float]] = []

        def lease(of: Ledger) -> None:
            for _ in range(7):
                # Each is so short that all of them fit into what may be leased ahead.
                _, leave = of.write(lambda write: buckets.lease(write, "account", here, length=0.03, rank=0))
                got.append((leave.start, leave.end))

        with type(self).open_ledger(place, "there") as there:
            threads = [threading.Thread(target=lease, args=(of,)) for of in (ledger, there)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            spans = sorted(span for span in got if span[1] > span[0])
            assert len(spans) == 14
            # On a server's clock each is told by ours, as exactly as a busy machine lets us read both at once.
            assert all(later[0] - earlier[0] > 0.005 for earlier, later in itertools.pairwise(spans))
            there.write(lambda write: buckets.pause(write, "account", here, seconds=60.0))
            assert 58.0 < ledger.read(lambda read: buckets.paused(read, here))["account"] <= 60.0
