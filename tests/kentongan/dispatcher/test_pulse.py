from __future__ import annotations

import pytest

from kentongan.dispatcher import Pulse
from kentongan.ledger import senders
from tests.kentongan.sending import Place, ScriptedChannel, until


async def test_a_sender_tells_how_long_ago_it_beat_and_went_round(place: Place) -> None:
    dispatcher = place.dispatcher(ScriptedChannel())
    assert dispatcher.pulse == Pulse(None, None)
    await dispatcher.start()
    try:
        await until(lambda: None not in (dispatcher.pulse.beat, dispatcher.pulse.sweep))
        place.clock.advance(30)
        beat = dispatcher.pulse.beat
        assert beat is not None
        assert beat >= 30
    finally:
        await dispatcher.close()


async def test_a_beat_that_is_not_on_disk_and_a_round_that_failed_count_for_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = 0

    def fail(*_: object, **__: object) -> None:
        nonlocal failed
        failed += 1
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(senders, "gone", fail)
    dispatcher = place.dispatcher(ScriptedChannel())
    await dispatcher.start()
    try:
        await until(lambda: failed >= 2 and dispatcher.pulse.beat is not None)
        assert dispatcher.pulse.sweep is None
    finally:
        await dispatcher.close()
