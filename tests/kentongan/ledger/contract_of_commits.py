"""What every database must keep of its promises to writers and readers: locks, commits of many pieces, one moment."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from kentongan.clock import Process, SystemClock
from kentongan.delivery import Evidence, Phase
from kentongan.errors import LedgerUnavailable
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, Read, Write, canonical, log, outcomes, senders, views
from kentongan.ledger.log import Filter, Place
from kentongan.ledger.outcomes import Settled
from kentongan.policy import Decision, Reason
from tests.kentongan.ledger.contract import LedgerContract
from tests.kentongan.ledger.processes import Others


class CommitsContract(LedgerContract):
    """Writers that wait for each other, and readers beside them."""

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
