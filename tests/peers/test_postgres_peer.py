"""The ledger on Debian's own Postgres: its contract, a server that is killed, and a standby that takes its place."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from kentongan.clock import SystemClock
from kentongan.database import Database
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, Write, claims, postgres_writing, senders, views
from kentongan.ledger.verification import signed_head, verify
from kentongan.safekeeping import restoring
from kentongan.seam import Accepted, Job, Outcome
from tests.kentongan.ledger.contract_on_postgres import PostgresContract
from tests.kentongan.ledger.scenes import (
    put_texts,
    register_sender,
    send_together,
)
from tests.kentongan.sending import UNFINDABLE, Place, ScriptedChannel, until
from tests.peers.debian_postgres import DebianServer, programs, servers

pytestmark = pytest.mark.peer

HOUR = 3_600_000


@pytest.fixture(scope="module")
def installed() -> Path:
    found = programs()
    if found is None:
        pytest.skip("Debian's Postgres is not installed; run `make peers`")
    return found


@pytest.fixture(scope="module")
def debian(installed: Path) -> Iterator[DebianServer]:
    """One running cluster."""
    with servers(installed, 1) as (server,):
        server.make()
        server.start()
        yield server


class TestDebianPostgres(PostgresContract):
    @pytest.fixture
    def place(self, debian: DebianServer) -> str:
        self.server = debian
        return debian.new()

    def another_place(self, tmp_path: Path) -> str:
        return self.server.new()


# --- A server that is killed ---


@dataclass
class PostgresPlace(Place):
    """An installation whose ledger is in a database."""

    address: str = ""

    def open(self, chain: str) -> Ledger:
        ledger = Ledger.open(Database(self.address), clock=self.clock, chain=chain)
        self.opened.append(ledger)
        return ledger


async def test_a_server_that_is_killed_in_mid_commit_loses_nothing_and_sends_nothing_twice_unmarked(
    debian: DebianServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = PostgresPlace(tmp_path, address=debian.new())
    place.subscribe(300)
    commits, killed = [0], threading.Event()
    commit = postgres_writing.commit

    def cut_off(connection: sqlalchemy.Connection) -> None:
        commits[0] += 1
        if commits[0] in (12, 30, 48):
            restarting = threading.Thread(target=restart)
            restarting.start()
        commit(connection)

    def restart() -> None:
        debian.kill()
        debian.start()
        killed.set()

    async def answer(job: Job) -> Outcome:
        await asyncio.sleep(0.002)
        return Accepted(job.key)

    channel = ScriptedChannel(traits=UNFINDABLE, answer=lambda job, _: answer(job))
    place.dispatch(channel)
    monkeypatch.setattr(postgres_writing, "commit", cut_off)
    async with asyncio.timeout(50), place.sending(channel) as dispatcher:
        await dispatcher.nudge("alert-1")
        await until(killed.is_set, 30.0)
        await asyncio.to_thread(functools.partial(wait_for, lambda: place.words().get("accepted") == 300))
        await dispatcher.finished("alert-1")
        assert dispatcher.ledger.commit_times.failed
    assert commits[0] >= 48
    keys = [job.key for job in channel.sent]
    marked = {each.key for each in place.deliveries() if each.possible_duplicate}
    assert len(set(keys)) == 300
    assert {key for key in keys if keys.count(key) > 1} <= marked
    assert differences(place.ledger, place.keys) == []
    place.close()


def wait_for(condition: Callable[[], object]) -> None:
    """Returns when `condition` holds; a database that is just starting does not answer."""
    there = threading.Event()
    while True:
        try:
            if condition():
                return
        except Exception:
            there.clear()
        there.wait(0.1)


def differences(ledger: Ledger, keys: StateKeys) -> list[Any]:
    head = ledger.read(lambda read: signed_head(read, keys))
    return ledger.read(lambda read: verify(read, head=head, public_key=keys.head_public_key)).differences


# --- A standby ---


@pytest.fixture
def pair(installed: Path) -> Iterator[tuple[DebianServer, DebianServer]]:
    """A primary, and a standby that follows it."""
    with servers(installed, 2) as (primary, standby):
        primary.make()
        primary.start()
        primary.copy_to(standby)
        standby.start()
        yield primary, standby


def begin(ledger: Ledger, keys: StateKeys) -> str:
    """An alert to ten people on record, and a sender."""
    put_texts(ledger, keys, 10)
    return register_sender(ledger, "s1")


def results(ledger: Ledger) -> dict[int, str]:
    return {each.id: each.word for each in ledger.read(lambda read: views.deliveries(read, "alert1"))}


def test_a_synchronous_standby_has_all_that_was_recorded_and_the_same_process_goes_on_with_it(
    pair: tuple[DebianServer, DebianServer], tmp_path: Path
) -> None:
    primary, standby = pair
    keys = StateKeys.open(tmp_path)
    primary.set("synchronous_standby_names", "*")
    wait_for(lambda: primary.act("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"))
    primary.act("CREATE DATABASE ledger")
    with Ledger.open(Database(primary.address("ledger", standby)), chain="s1") as ledger:
        sender = begin(ledger, keys)
        sent = send_together(ledger, sender, 4)
        primary.kill()
        standby.promote()
        # Nobody copies it now.
        standby.set("synchronous_standby_names", "")
        wait_for(lambda: ledger.write(lambda write: write.event("note") or True))
        assert {id for id, word in results(ledger).items() if word == "accepted"} == set(sent)
        assert len(send_together(ledger, sender, 9)) == 6
        assert set(results(ledger).values()) == {"accepted"}
        assert differences(ledger, keys) == []


def test_what_an_asynchronous_standby_lacks_is_in_doubt_and_held_once_it_is_said_when_it_was_cut_off(
    pair: tuple[DebianServer, DebianServer], tmp_path: Path
) -> None:
    primary, standby = pair
    keys, clock = StateKeys.open(tmp_path), SystemClock()
    primary.act("CREATE DATABASE ledger")
    with Ledger.open(Database(primary.address("ledger")), chain="s1") as ledger:
        sender = begin(ledger, keys)
        before = send_together(ledger, sender, 3)
        there = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) = 0 FROM pg_stat_replication"
        wait_for(lambda: primary.act(there) == [(True,)])
        standby.stop()
        cut_off = clock.wall()
        after = send_together(ledger, sender, 4)
        primary.kill()
    standby.start()
    standby.promote()
    with Ledger.open(Database(standby.address("ledger")), chain="console") as ledger:
        # It knows nothing of what was sent since: left alone, it would send that again.
        assert {results(ledger)[id] for id in after} == {"planned"}
        ledger.write(lambda write: senders.end(write, sender=sender))
        unknown = restoring.hold_in_place(ledger, taken_at=cut_off, clock=clock, by="siti")
        assert unknown.doubts == {"K7Q4": 7}
        found = results(ledger)
        assert {found[id] for id in before} == {"accepted"}
        assert {word for id, word in found.items() if id not in before} == {"in_doubt"}
        register_sender(ledger, "s2")

        def claim(write: Write) -> list[Any]:
            return list(claims.claim(write, sender="s2", alert_id="alert1", instance="sms", most=9))

        assert ledger.write(claim, beside=True) == []
        assert differences(ledger, keys) == []
