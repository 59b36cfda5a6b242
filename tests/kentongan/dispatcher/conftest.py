from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kentongan.database import Database
from kentongan.ledger import Ledger
from tests.kentongan.sending import Place


class OnPostgres(Place):
    """A place whose ledger is in a database."""

    address = ""

    def open(self, chain: str) -> Ledger:
        ledger = Ledger.open(Database(self.address), clock=self.clock, chain=chain)
        self.opened.append(ledger)
        return ledger


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


@pytest.fixture(params=["file", "postgres"])
def on_either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place on either database."""
    if request.param == "postgres":
        OnPostgres.address = request.getfixturevalue("address")
    place = (OnPostgres if request.param == "postgres" else Place)(tmp_path)
    yield place
    place.close()
