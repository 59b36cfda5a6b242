"""Senders that write to one Postgres ledger at the same time, each statement of one between those of another."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kentongan import delivery
from kentongan.database import Database
from kentongan.delivery import Evidence
from kentongan.errors import LedgerUnavailable
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, Read, Write, claims, postgres, postgres_writing, receipts, views
from kentongan.ledger.deliveries import Deliveries
from kentongan.ledger.verification import signed_head, verify
from kentongan.seam import Confirmed, Receipt
from tests.kentongan.ledger.hammering import Hammer
from tests.kentongan.ledger.processes import Others
from tests.kentongan.ledger.scenes import (
    direct,
    expand_all,
    put_correction,
    put_dispatch,
    put_people,
    register_sender,
    release,
)
from tests.postgres import Server, open_database

HOUR = 3_600_000


def begin(ledger: Ledger, keys: StateKeys, people: int) -> None:
    """An alert that everybody is to have, of which nothing is planned yet."""
    instance = direct("sms", ledger.clock.wall() + HOUR)
    ledger.write(lambda write: put_people(write, keys, people))
    ledger.write(lambda write: put_dispatch(write, [instance]))


def correct(ledger: Ledger) -> None:
    """Withdraws the alert: whoever has it, however late that is known, is to have the correction."""
    ledger.write(lambda write: put_correction(write, "alert1"))
    until = ledger.clock.wall() + HOUR
    ledger.write(lambda write: release(write, "alert1", "correction1", deliver_by=until))


def check(ledger: Ledger, keys: StateKeys, granted: list[tuple[int, int]]) -> None:
    """All that must hold whoever was first: each attempt was one sender's, and the record is what the rows say."""
    assert len(granted) == len(set(granted))
    attempts = ledger.read(lambda read: read.sql("SELECT delivery_id, number FROM attempt").all())
    assert sorted(granted) == sorted((row.delivery_id, row.number) for row in attempts)
    head = ledger.read(lambda read: signed_head(read, keys))
    verdict = ledger.read(lambda read: verify(read, head=head, public_key=keys.head_public_key))
    assert verdict.differences == []


def unfollowed(read: Read) -> list[int]:
    """Deliveries whose words went, or may have gone, and that the correction does not follow."""
    return list(
        read.sql(
            "SELECT d.id FROM delivery d WHERE d.alert_id = 'alert1' AND d.result IN"
            " ('accepted', 'in_doubt', 'delivered', 'read') AND NOT EXISTS (SELECT 1 FROM delivery f"
            " WHERE f.alert_id = 'correction1' AND f.person_id = d.person_id)"
        ).scalars()
    )


def test_two_processes_that_do_everything_at_once_leave_a_whole_record(address: str, tmp_path: Path) -> None:
    keys = StateKeys.open(tmp_path)
    with open_database(address, "here") as ledger:
        begin(ledger, keys, 150)
        expand_all(ledger, "alert1")
        others = Others(open_database, address)
        pair = [others.start("s1"), others.start("s2")]
        for number, other in enumerate(pair):
            other.begin("hammer", ["alert1"], 25, number)
        granted = [each for other in pair for each in other.answer()]
        for number, other in enumerate(pair):
            other.begin("hammer", ["alert1", "correction1"], 40, number)
            if not number:
                correct(ledger)
        granted += [each for other in pair for each in other.answer()]
        expand_all(ledger, "correction1")
        others.end()
        assert granted
        assert ledger.read(unfollowed) == []
        check(ledger, keys, granted)


@settings(max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_whatever_three_senders_do_in_whatever_order_the_record_is_whole(
    postgres: Server, tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    keys, place = StateKeys.open(tmp_path_factory.mktemp("keys")), postgres.database()
    with open_database(place, "here") as ledger:
        begin(ledger, keys, 40)
        hammers = [
            Hammer(open_database(place, f"s{number}"), f"s{number}", random.Random(seed + number))
            for number in range(3)
        ]
        for hammer in hammers:
            register_sender(hammer.ledger, hammer.name)
        at_once([lambda hammer=hammer: hammer.run(["alert1"], 12) for hammer in hammers])  # type: ignore[misc]
        corrected = threading.Thread(target=correct, args=(ledger,))
        corrected.start()
        at_once([lambda hammer=hammer: hammer.run(["alert1"], 8) for hammer in hammers])  # type: ignore[misc]
        corrected.join()
        at_once([lambda hammer=hammer: hammer.run(["alert1", "correction1"], 12) for hammer in hammers])  # type: ignore[misc]
        expand_all(ledger, "correction1")
        for hammer in hammers:
            hammer.ledger.close()
        assert ledger.read(unfollowed) == []
        check(ledger, keys, [each for hammer in hammers for each in hammer.granted])
    postgres.drop(place)


def at_once(acts: list[Callable[[], Any]]) -> None:
    """Does all of these at the same time; raises what one of them raised."""
    failed: list[BaseException] = []

    def act(each: Callable[[], Any]) -> None:
        try:
            each()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=act, args=(each,)) for each in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


# --- What runs beside what ---


def test_beside_another_a_sender_goes_on_and_alone_it_waits(address: str) -> None:
    held, go_on = threading.Event(), threading.Event()

    def hold(write: Write) -> None:
        write.event("note", note="first")
        held.set()
        assert go_on.wait(30)

    with open_database(address, "one") as one, open_database(address, "two") as two:
        first = one._submit(hold, must=False, beside=True)
        assert held.wait(30)
        two.write(lambda write: write.event("note", note="beside"), beside=True)
        alone = two._submit(lambda write: write.event("note", note="alone"), must=False)
        go_on.set()
        first.result(30)
        alone.result(30)
        notes = [event.data["note"] for event in two.read(lambda read: views.events(read, types=["note"]))]
        # In the order of their commits, whichever began first.
        assert notes == ["beside", "first", "alone"]


def test_what_one_is_just_claiming_another_leaves_to_it(address: str, tmp_path: Path) -> None:
    held, go_on = threading.Event(), threading.Event()

    def claim(write: Write, sender: str) -> set[int]:
        return {each.id for each in claims.claim(write, sender=sender, alert_id="alert1", instance="sms", most=4)}

    def hold(write: Write) -> set[int]:
        claimed = claim(write, "one")
        held.set()
        assert go_on.wait(30)
        return claimed

    with open_database(address, "one") as one, open_database(address, "two") as two:
        begin(one, StateKeys.open(tmp_path), 10)
        expand_all(one, "alert1")
        first = one._submit(hold, must=False, beside=True)
        assert held.wait(30)
        others = two.write(lambda write: claim(write, "two"), beside=True)
        go_on.set()
        assert len(others) == 4
        assert first.result(30).isdisjoint(others)


def test_a_receipt_and_an_outcome_that_come_at_once_are_both_on_record(address: str, tmp_path: Path) -> None:
    keys = StateKeys.open(tmp_path)
    held, go_on = threading.Event(), threading.Event()
    with open_database(address, "one") as one, open_database(address, "two") as two:
        begin(one, keys, 1)
        expand_all(one, "alert1")
        register_sender(one, "one")
        (claimed,) = one.write(
            lambda write: claims.claim(write, sender="one", alert_id="alert1", instance="sms", most=1), beside=True
        )
        (intent,) = one.write(
            lambda write: claims.intend(
                write, sender="one", deliveries=[claimed.id], phase=delivery.Phase.IRREVERSIBLE
            ),
            beside=True,
        )

        def settle(write: Write) -> None:
            with Deliveries(write, [claimed.id]) as batch:
                held.set()
                assert go_on.wait(30)
                batch.raise_evidence("delivery.settled", batch[claimed.id], 1, Evidence.ACCEPTED, reason="accepted")

        first = one._submit(settle, must=True, beside=True)
        assert held.wait(30)
        confirmed = [Receipt(Confirmed.DELIVERED, key=claimed.key)]
        second = two._submit(
            lambda write: receipts.record(write, instance="sms", receipts=confirmed), must=True, beside=True
        )
        # It waits for the outcome, which it would else overlook.
        assert futures.wait([second], 0.3).done == set()
        go_on.set()
        first.result(30)
        assert second.result(30) == 1
        check(one, keys, [(intent.delivery, intent.attempt)])
        assert one.read(lambda read: views.deliveries(read, "alert1"))[0].word == "delivered"


def test_two_who_stand_in_each_others_way_are_both_done_in_the_end(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So long that no wait runs out on a busy machine: the server alone ends this, and soon.
    patient = f"{postgres_writing.WRITING}; SET lock_timeout = '60s'; SET deadlock_timeout = '50ms'"
    monkeypatch.setattr(postgres, "WRITING", patient)
    with open_database(address, "one") as one, open_database(address, "two") as two:
        one.write(lambda write: write.sql("INSERT INTO meta (name, value) VALUES ('a', '0'), ('b', '0')"))
        both, first_done, tries = threading.Barrier(2), threading.Event(), []

        def take(first: str, second: str) -> Callable[[Write], None]:
            begun: list[str] = []

            def act(write: Write) -> None:
                tries.append(first)
                add = "UPDATE meta SET value = CAST(value AS integer) + 1 WHERE name = :name"
                if begun:
                    # Who comes again may not be before the other once more, and stand in its way a second time.
                    assert first_done.wait(30)
                write.sql(add, {"name": first})
                if not begun:
                    begun.append(first)
                    both.wait(30)
                write.sql(add, {"name": second})
                write.event("note", note=first)

            return act

        def write(ledger: Ledger, first: str, second: str) -> None:
            ledger.write(take(first, second), beside=True)
            first_done.set()

        at_once([lambda: write(one, "a", "b"), lambda: write(two, "b", "a")])
        assert one.read(lambda read: read.sql("SELECT value FROM meta WHERE name IN ('a', 'b')").scalars().all()) == [
            "2",
            "2",
        ]
        assert len(tries) == 3
        assert len(one.read(lambda read: views.events(read, types=["note"]))) == 2


def test_who_collides_again_and_again_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_writing, "collided", lambda _: True)
    tries = []

    def fail(write: Write) -> None:
        tries.append(write)
        write.sql("DO $$ BEGIN RAISE EXCEPTION USING errcode = '40P01'; END $$")

    with open_database(address, "one") as one, pytest.raises(LedgerUnavailable, match="locked"):
        one.write(fail, beside=True)
    assert len(tries) == 5


def test_a_claim_goes_along_the_index_before_anybody_has_counted_what_there_is(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[str] = []
    sorts: list[str] = []
    sql = Write.sql

    def explained(write: Write, text: str, parameters: Any = ()) -> Any:
        if "AS MATERIALIZED" in text:
            sorts.append(sql(write, "SHOW enable_sort").scalar_one())
            plans.append("\n".join(sql(write, f"EXPLAIN {text}", parameters).scalars()))
        return sql(write, text, parameters)

    with open_database(address, "one") as one:
        begin(one, StateKeys.open(tmp_path), 400)
        expand_all(one, "alert1")
        monkeypatch.setattr(Write, "sql", explained)
        act: Callable[[Write], Any] = lambda write: (  # noqa: E731
            claims.claim(write, sender="one", alert_id="alert1", instance="sms", most=4),
            write.sql("SHOW enable_sort").scalar_one(),
        )
        claimed, after = one.write(act, beside=True)
    (plan,) = plans
    assert (len(claimed), sorts, after) == (4, ["off"], "on")
    assert re.search(
        r"Incremental Sort[^>]*Sort Key: d.wave, d.due_at, d.id[^>]*->  Index Scan using delivery_due", plan
    )


# --- Messages ---


def test_a_commit_takes_three_messages_to_and_fro(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    with open_database(address, "one") as one:
        register_sender(one, "one")

        def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            sent.append(statement)

        sqlalchemy.event.listen(one._engine, "before_cursor_execute", note)
        change = "UPDATE sender SET role = 'other' WHERE id = 'one'"

        def act(write: Write) -> None:
            write.sql(change)
            write.event("note")

        one.write(act, beside=True)
        assert len(sent) == 3
        assert sent[1:] == [change, "COMMIT"]
        assert one.read(lambda read: views.events(read, types=["note"]))


def test_a_connection_that_the_server_has_closed_is_told_without_asking(address: str, postgres: Server) -> None:
    connection = postgres_writing.sending().connect(Database(address).reveal(), autocommit=True)
    assert not postgres_writing.has_ended(connection)
    postgres.act(f"SELECT pg_terminate_backend({connection.info.backend_pid}, 5000)")
    assert postgres_writing.has_ended(connection)
    connection.close()
    assert postgres_writing.has_ended(connection)
