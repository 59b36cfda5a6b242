"""What every database must keep of the ledger's promises, with real processes that fight and die over it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import insert, text

from kentongan.area.codes import Within
from kentongan.clock import Process, SystemClock
from kentongan.delivery import Evidence, Phase
from kentongan.errors import LedgerUnavailable
from kentongan.keys import StateKeys
from kentongan.ledger import (
    Ledger,
    Read,
    Write,
    buckets,
    canonical,
    claims,
    dispatches,
    foreseen,
    log,
    outcomes,
    people,
    schema,
    senders,
    steps,
    views,
    work,
)
from kentongan.ledger.buckets import Here
from kentongan.ledger.log import Filter, Place
from kentongan.ledger.outcomes import Settled
from kentongan.ledger.verification import signed_head, verify
from kentongan.people import Row
from kentongan.plan import PlannedInstance
from kentongan.policy import Decision, Reason
from kentongan.seam import Address
from kentongan.settings import Audience
from tests.kentongan.ledger.processes import Open, Other, Others, again_at
from tests.kentongan.ledger.scenes import direct, expand_all, public, put_dispatch, put_people, register_sender

HOUR = 3_600_000
DOUBT = Decision(Evidence.IN_DOUBT, Reason.OFFICER)


class LedgerContract:
    """Subclass it with `open_ledger`, the fixture `place`, and a statement that sinks a whole transaction."""

    open_ledger: ClassVar[Open]
    sinking: ClassVar[str]

    @pytest.fixture
    def ledger(self, place: str) -> Iterator[Ledger]:
        with type(self).open_ledger(place, "here") as ledger:
            yield ledger

    @pytest.fixture
    def others(self, place: str) -> Iterator[Others]:
        others = Others(type(self).open_ledger, place)
        yield others
        others.end()

    @pytest.fixture
    def keys(self, tmp_path: Path) -> StateKeys:
        return StateKeys.open(tmp_path / "state")

    @pytest.fixture(autouse=True)
    def nothing_differs(self, ledger: Ledger, keys: StateKeys) -> Iterator[None]:
        """After every test here the record is whole."""
        yield
        with contextlib.suppress(LedgerUnavailable):
            head = ledger.read(lambda read: signed_head(read, keys))
            verdict = ledger.read(lambda read: verify(read, head=head, public_key=keys.head_public_key))
            assert verdict.differences == []

    @staticmethod
    def dispatched(ledger: Ledger, keys: StateKeys, people: int = 1) -> int:
        """Puts a dispatch to `people` people on record; returns one of its deliveries."""
        instance = direct("sms", ledger.clock.wall() + HOUR)
        ledger.write(lambda write: put_people(write, keys, people))
        ledger.write(lambda write: put_dispatch(write, [instance]))
        expand_all(ledger, "alert1")
        return ledger.read(lambda read: views.deliveries(read, "alert1"))[0].id

    @staticmethod
    def recover(ledger: Ledger) -> list[str]:
        """What every sweep does for senders that are gone; returns those."""
        gone = ledger.read(lambda read: senders.gone(read, clock=ledger.clock, process=Process.current()))
        while ledger.write(lambda write: outcomes.recover(write, gone=gone, after_doubt=lambda _: DOUBT)):
            pass
        return gone

    @staticmethod
    def row(ledger: Ledger, delivery: int) -> Any:
        return ledger.read(lambda read: read.sql("SELECT * FROM delivery WHERE id = :id", {"id": delivery}).one())

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

    # --- kill -9, DESIGN section 3 ---

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

    # --- One writer at a time ---

    def test_processes_that_open_an_empty_ledger_at_once_agree(self, tmp_path: Path) -> None:
        place = self.another_place(tmp_path)
        others = Others(type(self).open_ledger, place)
        four = [others.prepare(f"s{number}") for number in range(4)]
        for other in four:
            other.begin("open")
        assert [other.answer() for other in four] == ["open"] * 4
        with type(self).open_ledger(place, "here") as ledger:
            found = ledger.read(lambda read: read.sql("SELECT id FROM sender ORDER BY id").scalars().all())
        assert found == ["s0", "s1", "s2", "s3"]
        others.end()

    def another_place(self, tmp_path: Path) -> str:
        """An empty place beside that of the fixture."""
        raise NotImplementedError

    def test_a_writer_waits_for_another_and_then_goes_on(self, ledger: Ledger, others: Others) -> None:
        other = others.start("s1")
        assert other.tell("hold", "theirs") == "held"
        answers: list[str] = []
        ours = threading.Thread(
            target=lambda: answers.append(ledger.write(lambda write: write.event("note", note="ours") or "ours"))
        )
        ours.start()
        assert other.go_on() == "committed"
        ours.join(30)
        assert answers == ["ours"]
        assert self.notes(ledger) == ["theirs", "ours"]

    @pytest.mark.slow
    def test_a_locked_ledger_is_told_in_one_sentence_and_nothing_is_lost(self, ledger: Ledger, others: Others) -> None:
        other = others.start("s1")
        assert other.tell("hold", "theirs") == "held"
        begun = time.monotonic()
        with pytest.raises(LedgerUnavailable, match="is locked by another program; end that program") as raised:
            ledger.write(lambda write: write.event("note", note="ours"))
        assert 1.5 < time.monotonic() - begun < 20
        assert "\n" not in str(raised.value)
        assert self.notes(ledger) == []
        other.go_on()
        ledger.write(lambda write: write.event("note", note="ours after all"))
        assert self.notes(ledger) == ["theirs", "ours after all"]

    @pytest.mark.slow
    async def test_many_writers_hear_of_a_lock_at_once(self, ledger: Ledger, others: Others) -> None:
        other = others.start("s1")
        assert other.tell("hold", "theirs") == "held"
        begun = time.monotonic()
        many = [ledger.write_soon(lambda write: write.event("note", note="ours")) for _ in range(50)]
        answers = await asyncio.gather(*many, return_exceptions=True)
        assert {type(answer) for answer in answers} == {LedgerUnavailable}
        # Not fifty times the patience that one has.
        assert time.monotonic() - begun < 20
        other.go_on()

    @pytest.mark.slow
    async def test_an_outcome_waits_as_long_as_the_lock_lasts(
        self, ledger: Ledger, others: Others, keys: StateKeys
    ) -> None:
        delivery = self.dispatched(ledger, keys)
        other = others.start("s1")
        (attempt,) = other.tell("intend", other.tell("claim", "alert1", "sms", 1), Phase.IRREVERSIBLE)
        assert other.tell("hold", "theirs") == "held"
        settled = Settled(*attempt, Decision(Evidence.ACCEPTED, Reason.ACCEPTED))
        outcome = asyncio.create_task(
            ledger.write_soon(lambda write: outcomes.settle(write, sender="s1", outcomes=[settled]), must=True)
        )
        # Twice the patience of what need not be written: the outcome has outlasted it, and holds nobody up.
        for _ in range(2):
            with pytest.raises(LedgerUnavailable, match="locked"):
                await ledger.write_soon(lambda write: write.event("note", note="ours"))
        assert not outcome.done()
        other.go_on()
        await asyncio.wait_for(outcome, 30)
        assert self.row(ledger, delivery).result == "accepted"

    @staticmethod
    def notes(ledger: Ledger) -> list[str]:
        return [event.data["note"] for event in ledger.read(lambda read: views.events(read, types=["note"]))]

    # --- Many pieces in one commit ---

    def test_pieces_that_wait_are_committed_at_once_and_a_failing_one_sinks_alone(self, ledger: Ledger) -> None:
        held, go_on = threading.Event(), threading.Event()

        def hold(write: Write) -> None:
            held.set()
            assert go_on.wait(30)

        def piece(number: int) -> Any:
            def act(write: Write) -> int:
                write.event("note", note=str(number))
                register(write, f"s{number}")
                if number == 3:
                    raise ValueError("mistake of ours")
                if number == 5:
                    write.connection.execute(text("INSERT INTO sender (id) VALUES ('broken')"))
                return number

            return act

        with _threads() as threads:
            threads.start(lambda: ledger.write(hold))
            assert held.wait(30)
            # The queue fills while the writer is held: `_submit` hands in, in order, and returns at once.
            futures = [ledger._submit(piece(number), must=False) for number in range(8)]
            links = self.links(ledger)
            go_on.set()
            answers = [future.exception(30) or future.result() for future in futures]
        assert [answer for answer in answers if isinstance(answer, int)] == [0, 1, 2, 4, 6, 7]
        assert isinstance(answers[3], ValueError)
        assert isinstance(answers[5], Exception)
        assert self.notes(ledger) == ["0", "1", "2", "4", "6", "7"]
        assert self.links(ledger) == links + 1
        found = ledger.read(lambda read: read.sql("SELECT id FROM sender ORDER BY id").scalars().all())
        assert found == ["s0", "s1", "s2", "s4", "s6", "s7"]

    def test_a_piece_that_breaks_the_transaction_sinks_alone(self, ledger: Ledger) -> None:
        held, go_on = threading.Event(), threading.Event()

        def hold(write: Write) -> None:
            held.set()
            assert go_on.wait(30)

        with _threads() as threads:
            threads.start(lambda: ledger.write(hold))
            assert held.wait(30)
            good = [ledger._submit(lambda write: write.event("note", note="good"), must=False) for _ in range(2)]
            bad = ledger._submit(lambda write: write.sql(type(self).sinking), must=False)
            go_on.set()
            assert isinstance(bad.exception(30), LedgerUnavailable)
            assert [future.result(30) for future in good] == [None, None]
        assert self.notes(ledger) == ["good", "good"]

    @staticmethod
    def links(ledger: Ledger) -> int:
        return int(ledger.read(lambda read: read.sql("SELECT count(*) FROM link").scalar_one()))

    def test_a_commit_without_events_makes_no_link(self, ledger: Ledger) -> None:
        ledger.write(lambda write: register_sender_row(write, "s1"))
        before = self.links(ledger)
        ledger.write(lambda write: senders.beat(write, sender="s1", clock=SystemClock()))
        assert self.links(ledger) == before

    async def test_a_caller_that_is_cancelled_still_has_its_outcome_recorded(self, ledger: Ledger) -> None:
        held, go_on = threading.Event(), threading.Event()

        def hold(write: Write) -> None:
            held.set()
            assert go_on.wait(30)

        first = asyncio.create_task(ledger.write_soon(hold))
        await asyncio.to_thread(held.wait, 30)
        task = asyncio.create_task(ledger.write_soon(lambda write: write.event("note", note="learnt"), must=True))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        await first
        ledger.write(lambda _: None)
        assert self.notes(ledger) == ["learnt"]

    def test_closing_finishes_what_was_handed_in_and_takes_nothing_more(self, place: str) -> None:
        ledger = type(self).open_ledger(place, "closing")
        futures = [ledger._submit(lambda write: write.event("note", note="last"), must=False) for _ in range(20)]
        ledger.close()
        assert all(future.done() and future.exception() is None for future in futures)
        with pytest.raises(LedgerUnavailable, match="is closed in this process"):
            ledger.write(lambda _: None)
        ledger.close()

    def test_a_reader_sees_one_moment(self, ledger: Ledger) -> None:
        def look(read: Read) -> tuple[int, int]:
            before = read.sql("SELECT count(*) FROM event").scalar_one()
            ledger.write(lambda write: write.event("note", note="meanwhile"))
            return before, read.sql("SELECT count(*) FROM event").scalar_one()

        before, after = ledger.read(look)
        assert before == after
        assert self.notes(ledger) == ["meanwhile"]

    @pytest.mark.parametrize(
        ("wanted", "types"),
        [
            (Filter(), {"one", "two", "three", "damaged"}),
            (Filter(channel="bot"), {"one", "two"}),
            (Filter(officer="budi"), {"one", "two"}),
            (Filter(types=("one", "three")), {"one", "three"}),
            (Filter(region="17.71", alerts=("alert9",)), set()),
            (Filter(state="accepted", since=1, until=2), set()),
        ],
    )
    def test_the_record_is_read_by_what_is_asked_for_and_past_what_is_damaged(
        self, ledger: Ledger, wanted: Filter, types: set[str]
    ) -> None:
        ledger.write(lambda write: write.event("one", by="budi", instance="bot"))
        ledger.write(lambda write: write.event("two", proof=[{"by": ["budi"]}], instances=["feed", "bot"], note="a\0"))
        ledger.write(lambda write: write.event("three", who="budi", on="bot"))
        ledger.write(lambda write: write.event("damaged", by="budi", instance="bot"))
        change = "UPDATE event SET data = :data WHERE type = 'damaged'"
        broken = '{"by":"budi","instance":"bot"'
        ledger.write(lambda write: write.sql(change, {"data": broken}))
        found, _, _ = ledger.read(lambda read: log.chunk(read, wanted, after=Place(), up_to=log.end(read), most=99))
        assert {event.type for event in found} == types
        whole = canonical({"by": "budi", "instance": "bot"})
        ledger.write(lambda write: write.sql(change, {"data": whole}))

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


def register(write: Write, sender: str) -> None:
    register_sender_row(write, sender)


def register_sender_row(write: Write, sender: str) -> None:
    process = Process.current()
    write.sql(
        "INSERT INTO sender (id, role, host, boot_id, namespace, pid, started, beat)"
        " VALUES (:id, 'send', 'here', :boot_id, :namespace, :pid, :started, 0)",
        {
            "id": sender,
            "boot_id": process.boot_id,
            "namespace": process.namespace,
            "pid": process.pid,
            "started": process.started,
        },
    )


class _Threads:
    def __init__(self) -> None:
        self._started: list[threading.Thread] = []

    def start(self, act: Any) -> None:
        thread = threading.Thread(target=act)
        thread.start()
        self._started.append(thread)

    def join(self) -> None:
        for thread in self._started:
            thread.join(30)


@contextlib.contextmanager
def _threads() -> Iterator[_Threads]:
    threads = _Threads()
    try:
        yield threads
    finally:
        threads.join()
