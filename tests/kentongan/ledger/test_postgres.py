"""The ledger's contract on Postgres, and what only a server can suffer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kentongan.database import Database
from kentongan.delivery import Evidence
from kentongan.figures import Following
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger
from tests.kentongan.ledger.contract import LedgerContract
from tests.kentongan.ledger.scenes import StandingClock
from tests.kentongan.ledger.test_tallies import begin, settle
from tests.postgres import Server, open_database, running


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def address(server: Server) -> Iterator[str]:
    address = server.database()
    yield address
    server.drop(address)


class TestPostgres(LedgerContract):
    open_ledger = staticmethod(open_database)
    sinking = "SELECT pg_terminate_backend(pg_backend_pid())"

    @pytest.fixture(autouse=True)
    def on_server(self, server: Server) -> None:
        self.server = server

    @pytest.fixture
    def place(self, address: str) -> str:
        return address

    def another_place(self, tmp_path: Path) -> str:
        return self.server.empty()


def test_deliveries_are_counted_as_in_a_file(address: str, tmp_path: Path) -> None:
    keys, clock = StateKeys.open(tmp_path), StandingClock()
    with Ledger.open(Database(address), clock=clock, chain="console") as ledger:
        begin(ledger, keys, 12)
        following = Following(ledger)
        assert following.look().channels["sms"].words["open"] == 12
        clock.pass_by(1_500)
        settle(ledger, Evidence.ACCEPTED, 4)
        settle(ledger, Evidence.IN_DOUBT, 3)
        ledger.write(lambda write: write.event("orchestration.lost", alert="alert1", error="TimeoutError", why=""))
        seen = following.look()
        tally = seen.channels["sms"]
        assert (tally.words["accepted"], tally.words["in_doubt"], tally.waiting, tally.seconds) == (4, 3, 3, 6.0)
        assert (seen.due["sms"].count, seen.orchestrations_lost, seen.pages) == (5, 1, {})
        assert Following(ledger).look().channels == seen.channels
