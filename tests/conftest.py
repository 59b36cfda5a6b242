"""What tests of any part may ask for."""

from __future__ import annotations

import gc
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgres import Server, running
from tests.prefect_server import RunningServer, running_server

# For a Python that runs beside one that has tried every property in full.
settings.register_profile("brief", max_examples=20)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files with most slow tests first, so that beside others none of them goes on alone at the end.

    For `--dist loadfile --no-loadscope-reorder`: left to itself, xdist begins with the files that have most tests.
    """
    slow, tests = Counter[Path](), Counter[Path]()
    for item in items:
        tests[item.path] += 1
        slow[item.path] += item.get_closest_marker("slow") is not None
    items.sort(key=lambda item: (-slow[item.path], -tests[item.path], item.path))


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


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A Prefect server of this session's own; started for the first that asks."""
    with running_server(tmp_path_factory.mktemp("prefect")) as server:
        yield server
    with warnings.catch_warnings():
        # Prefect leaves sockets of its background workers to the collector.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
