"""Fixtures of the channel tests: a scripted server and certificates that do not pass."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

pytest.register_assert_rewrite("tests.channels.contract", "tests.channels.wire_contract", "tests.channels.scripted")

from tests.channels.scripted import ScriptedServer  # noqa: E402


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server
