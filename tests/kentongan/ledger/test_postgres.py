"""The ledger's contract on Postgres, and what only a server can suffer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kentongan.ledger.contract import LedgerContract
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
