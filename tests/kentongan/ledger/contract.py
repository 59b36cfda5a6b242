"""What a database is tested with: a ledger in it, other processes at it, and a record that stays whole."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from kentongan.clock import Process
from kentongan.delivery import Evidence
from kentongan.errors import LedgerUnavailable
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, outcomes, senders, views
from kentongan.ledger.verification import signed_head, verify
from kentongan.policy import Decision, Reason
from tests.kentongan.ledger.processes import Open, Others
from tests.kentongan.ledger.scenes import put_texts

HOUR = 3_600_000
DOUBT = Decision(Evidence.IN_DOUBT, Reason.OFFICER)


class LedgerContract:
    """Subclass it with `open_ledger`, the fixture `place`, and a statement that sinks a whole transaction."""

    open_ledger: ClassVar[Open]
    sinking: ClassVar[str]

    @pytest.fixture
    def ledger(self, place: str) -> Iterator[Ledger]:
        with type(self).open_ledger(place, "here") as ledger:
            yield ledger

    @pytest.fixture
    def others(self, place: str) -> Iterator[Others]:
        others = Others(type(self).open_ledger, place)
        yield others
        others.end()

    @pytest.fixture
    def keys(self, tmp_path: Path) -> StateKeys:
        return StateKeys.open(tmp_path / "state")

    @pytest.fixture(autouse=True)
    def nothing_differs(self, ledger: Ledger, keys: StateKeys) -> Iterator[None]:
        """After every test here the record is whole."""
        yield
        with contextlib.suppress(LedgerUnavailable):
            head = ledger.read(lambda read: signed_head(read, keys))
            verdict = ledger.read(lambda read: verify(read, head=head, public_key=keys.head_public_key))
            assert verdict.differences == []

    @staticmethod
    def dispatched(ledger: Ledger, keys: StateKeys, people: int = 1) -> int:
        """Puts a dispatch to `people` people on record; returns one of its deliveries."""
        put_texts(ledger, keys, people)
        return ledger.read(lambda read: views.deliveries(read, "alert1"))[0].id

    @staticmethod
    def recover(ledger: Ledger) -> list[str]:
        """What every sweep does for senders that are gone; returns those."""
        gone = ledger.read(lambda read: senders.gone(read, clock=ledger.clock, process=Process.current()))
        while ledger.write(lambda write: outcomes.recover(write, gone=gone, after_doubt=lambda _: DOUBT)):
            pass
        return gone

    @staticmethod
    def row(ledger: Ledger, delivery: int) -> Any:
        return ledger.read(lambda read: read.sql("SELECT * FROM delivery WHERE id = :id", {"id": delivery}).one())
