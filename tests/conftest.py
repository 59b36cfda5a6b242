"""What tests of any part may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres import Server, running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A Postgres server of this session's own; started for the first that asks, skipped where none can be had."""
    with running() as server:
        yield server


@pytest.fixture
def address(postgres: Server) -> Iterator[str]:
    """The address of a database of this test's own, with an empty ledger in it."""
    address = postgres.database()
    yield address
    postgres.drop(address)
