from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kentongan.errors import LedgerUnavailable
from tests.kentongan.sending import Place

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from pathlib import Path
from kentongan.clock import Process, SystemClock
from kentongan.ledger import Ledger, senders
ledger = Ledger.open(Path(sys.argv[1]), chain="holder")
if sys.argv[2] == "sender":
    ledger.write(lambda w: senders.register(
        w, sender="holder", role="test", process=Process.current(), clock=SystemClock()))
def hold(write):
    print("held", flush=True)
    sys.stdin.read()
ledger.write(hold)
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


class Holder:
    """A process that holds the write lock until it is told to let go."""

    def __init__(self, place: Place, what: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(place.root / "ledger.db"), what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"held\n"

    def __enter__(self) -> Holder:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def test_a_stopped_sender_that_holds_the_ledger_is_ended_and_the_write_goes_through(place: Place) -> None:
    with Holder(place, "sender") as holder:
        holder.process.send_signal(signal.SIGSTOP)
        place.ledger.write(lambda write: write.event("tested"))
        assert holder.process.wait(5) == -signal.SIGKILL
    assert len(place.events("tested")) == 1


@pytest.mark.parametrize(("what", "stopped"), [("sender", False), ("other", True)])
def test_nothing_else_that_holds_the_ledger_is_ended(place: Place, what: str, stopped: bool) -> None:
    with Holder(place, what) as holder:
        if stopped:
            holder.process.send_signal(signal.SIGSTOP)
        with pytest.raises(LedgerUnavailable, match="locked"):
            place.ledger.write(lambda write: write.event("tested"))
        assert holder.process.poll() is None
