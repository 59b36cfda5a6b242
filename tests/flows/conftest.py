"""The Prefect server that the flow tests share."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator

import pytest

from tests.prefect_server import RunningServer, running_server


@pytest.fixture(autouse=True)
def _sockets_of_prefect() -> Iterator[None]:
    """Collects what Prefect's clients leave open after a test, before it is blamed on another."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("prefect")) as server:
        yield server
    with warnings.catch_warnings():
        # Prefect leaves sockets of its background workers to the collector.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
