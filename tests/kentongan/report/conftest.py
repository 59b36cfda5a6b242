from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kentongan import report
from kentongan.report import Report
from tests.kentongan.desk.scenes import Scene, scene
from tests.kentongan.report.nights import Night, night


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, Night]]:
    """A night with every kind of fault, played once; tests only read it."""
    with scene(tmp_path_factory.mktemp("night")) as made:
        yield made, night(made)


@pytest.fixture(scope="module")
def told(played: tuple[Scene, Night]) -> Report:
    """The report on that night's thread, asked for by the update."""
    made, happened = played
    return made.ledger.read(lambda read: report.read(read, happened.update.id))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path / "desk") as made:
        yield made
