"""A commit that was made although its sender never heard so: what it holds by that is not kept from going out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kentongan.errors import LedgerUnavailable
from kentongan.ledger import Ledger
from kentongan.ledger.replay import Difference, check_deliveries
from tests.kentongan.sending import Place, ScriptedChannel, finished


@pytest.mark.parametrize("unanswered", ["claim", "intend"])
async def test_what_a_sender_was_not_told_that_it_holds_goes_out_all_the_same(
    place: Place, monkeypatch: pytest.MonkeyPatch, unanswered: str
) -> None:
    place.subscribe(30)
    channel = ScriptedChannel()
    place.dispatch(channel)
    write_soon, lost = Ledger.write_soon, iter(range(2))

    async def unheard(ledger: Ledger, act: Callable[..., Any], **how: Any) -> Any:
        answered = await write_soon(ledger, act, **how)
        if unanswered in (act.__name__, *act.__code__.co_names) and answered and next(lost, None) is not None:
            raise LedgerUnavailable("ledger does not answer; start the database")
        return answered

    monkeypatch.setattr(Ledger, "write_soon", unheard)
    async with place.sending(channel) as dispatcher:
        assert await dispatcher.nudge("alert-1")
        await finished(dispatcher)
    assert next(lost, None) is None, "nothing was lost, so nothing was tried"
    # It is certain that it did not go: nobody is written to twice, and nobody is in doubt.
    assert place.words() == {"accepted": 30}
    assert sorted(channel.recipients()) == sorted(set(channel.recipients()))
    assert not any(delivery.possible_duplicate for delivery in place.deliveries())
    differences: list[Difference] = []
    place.ledger.read(lambda read: check_deliveries(read, differences))
    assert differences == []
