"""The Prefect server that the service tests borrow a database from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.prefect_server import RunningServer, running_server


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("prefect")) as server:
        yield server
