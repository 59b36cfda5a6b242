"""Names that nobody answers for keep nothing waiting but who asked for them."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from channels._http import Wire
from channels._names import apart
from kentongan.seam import Retryable

SILENT = "silent.test"
_MORE_THAN_A_POOL = 40  # threads that asyncio shares among all on any machine


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names that were looked up; those that end in SILENT find nothing until the test has ended."""
    names: list[str] = []
    over, real = threading.Event(), socket.getaddrinfo

    def look_up(host: str | bytes | None, *how: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        names.append(name)
        if name.endswith(SILENT):
            over.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "nobody answers")
        return real("127.0.0.1", *how, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield names
    over.set()


@pytest.mark.parametrize("public", [True, False])
async def test_a_resolver_that_hangs_holds_up_no_other_work(
    asked: list[str], public: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    real, ahead = loop.time, [0.0]
    monkeypatch.setattr(loop, "time", lambda: real() + ahead[0])
    wires = [
        Wire(f"http://{n}.{SILENT}", public=public, deadline=1000, concurrency=1) for n in range(_MORE_THAN_A_POOL)
    ]
    for wire in wires:
        await wire.prepare()
    answers = asyncio.gather(*(wire.ask("POST", "/") for wire in wires))
    async with asyncio.timeout(30):
        while len(asked) < len(wires):  # noqa: ASYNC110  # their threads tell nobody that they have begun
            await asyncio.sleep(0.01)
    # Past the part of the deadline in which a connection must stand, far from its end however busy this machine is.
    ahead[0] = 900
    assert {type(answer) for answer in await answers} == {Retryable}
    async with asyncio.timeout(10):
        assert await asyncio.to_thread(lambda: "addresses opened") == "addresses opened"
        found = await asyncio.get_running_loop().getaddrinfo("there.test", 80, type=socket.SOCK_STREAM)
    assert found[0][4] == ("127.0.0.1", 80)
    for wire in wires:
        await wire.close()


async def test_one_look_up_is_under_way_for_a_name_however_many_wait(
    asked: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    apart()
    loop = asyncio.get_running_loop()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await loop.getaddrinfo(f"one.{SILENT}", 80)
    async with asyncio.timeout(10):
        while not asked:  # noqa: ASYNC110  # its thread tells nobody that it has begun
            await asyncio.sleep(0.01)
    assert asked == [f"one.{SILENT}"]
    with caplog.at_level(logging.ERROR):
        found = await asyncio.gather(*(loop.getaddrinfo("two.test", 80) for _ in range(3)))
    assert found[0] == found[1] == found[2]
    assert asked.count("two.test") == 1
    assert not caplog.records


async def test_what_a_look_up_fails_with_is_told_to_all_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    apart()
    loop = asyncio.get_running_loop()
    told = await asyncio.gather(*(loop.getaddrinfo("none.test", 80) for _ in range(2)), return_exceptions=True)
    assert [type(each) for each in told] == [socket.gaierror, socket.gaierror]
    # A name that fails is asked for anew.
    with pytest.raises(socket.gaierror):
        await loop.getaddrinfo("none.test", 80)
