"""A Prefect server whose database is locked for a moment, as it is asked about runs that were left."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.service import left_runs


@given(busy=st.integers(0, 6))
async def test_a_busy_server_is_asked_again_a_few_times(busy: int) -> None:
    asked = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(503) if asked <= busy else httpx.Response(200, json={"status": "ACCEPT"})

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(left_runs, "_BUSY", (0.0, 0.0, 0.0))
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://prefect") as client:
            if busy <= 3:
                assert await left_runs._asked(client, "/", {}) == {"status": "ACCEPT"}
            else:
                with pytest.raises(httpx.HTTPStatusError):
                    await left_runs._asked(client, "/", {})
    assert asked == min(busy, 3) + 1


async def test_an_answer_that_will_not_change_is_taken_at_once() -> None:
    asked = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(500)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://prefect") as client:
        with pytest.raises(httpx.HTTPStatusError):
            await left_runs._asked(client, "/", {})
    assert asked == 1
