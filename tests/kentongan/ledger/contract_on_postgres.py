"""What every ledger in Postgres promises, whoever serves it: all of the contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kentongan.ledger import Ledger, postgres, postgres_writing
from tests.kentongan.ledger.contract_of_commits import CommitsContract
from tests.kentongan.ledger.contract_of_senders import SendersContract
from tests.kentongan.ledger.processes import Others
from tests.postgres import open_database


def open_as_another_program(place: str, chain: str) -> Ledger:
    """For a process of its own: what it holds, no writer of Kentongan's waits for or ends."""
    postgres.WRITING = f"{postgres_writing.WRITING}; SET application_name = 'another'"
    return open_database(place, chain)


class PostgresContract(SendersContract, CommitsContract):
    open_ledger = staticmethod(open_database)
    sinking = "SELECT pg_terminate_backend(pg_backend_pid())"

    @pytest.fixture
    def others(self, place: str) -> Iterator[Others]:
        others = Others(open_as_another_program, place)
        yield others
        others.end()
