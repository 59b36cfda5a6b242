"""What tests of the core begin with: a ledger in a file, its keys, and a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kentongan.keys import StateKeys
from kentongan.ledger import Ledger
from tests.kentongan.ledger.scenes import StandingClock, open_at


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def ledger(tmp_path: Path, clock: StandingClock) -> Iterator[Ledger]:
    with open_at(tmp_path / "ledger.db", clock=clock) as ledger:
        yield ledger


@pytest.fixture
def keys(tmp_path: Path) -> StateKeys:
    return StateKeys.open(tmp_path / "state")
