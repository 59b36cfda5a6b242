"""Signed heads on the disk: all of the last days, and of each day before them the last."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from console.service.heads import LATEST, Heads
from kentongan.clock import to_datetime
from kentongan.keys import StateKeys
from kentongan.state import State
from tests.kentongan.ledger.scenes import HOUR, StandingClock, open_at


async def test_heads_are_thinned_to_the_last_of_each_day(tmp_path: Path) -> None:
    clock, state = StandingClock(), State(tmp_path)
    keys = StateKeys.open(tmp_path)
    began = to_datetime(clock.wall())
    with open_at(tmp_path / "ledger.db", clock=clock) as ledger:
        house = SimpleNamespace(ledger=ledger, keys=keys, clock=clock, state=state)
        heads = Heads(cast(Any, house), {})
        for number in range(40):
            ledger.write(lambda write, n=number: write.event("note", number=n))  # type: ignore[misc]
            assert await heads.publish()
            clock.pass_by(6 * HOUR)
        names = sorted(path.name for path in state.heads.iterdir() if path.name != LATEST)
    moments = [began + timedelta(hours=6 * number) for number in range(40)]
    last = max(moments).replace(hour=0, minute=0)
    wanted = [
        at
        for at in moments
        if at >= last - timedelta(days=2) or max(each for each in moments if each.date() == at.date()) == at
    ]
    assert names == [f"{at:%Y%m%dT%H%M%SZ}.json" for at in wanted]
    assert 14 < len(names) < 22
