"""Looking names up apart from all other work: a resolver that hangs keeps nothing waiting but who asked it.

asyncio looks names up in the few threads that it shares among all, and cannot take one back from a resolver that does
not answer for half a minute. Some silent names, and no thread would be left to open addresses or pictures with: a
gateway that is reached by its number would stand still, because others have names.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import Any


def apart() -> None:
    """Has the running event loop look each name up in a thread of its own, one for a name at a time.

    Whatever uses the loop profits, libraries too. A thread that hangs does not keep the process from ending.
    """
    loop = asyncio.get_running_loop()
    # A loop that is not asyncio's own may look names up in a way of its own.
    if isinstance(loop, asyncio.BaseEventLoop) and not isinstance(getattr(loop.getaddrinfo, "__self__", None), _Names):
        loop.getaddrinfo = _Names(loop).getaddrinfo  # type: ignore[method-assign]


class _Names:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._under_way: dict[tuple[Any, ...], asyncio.Future[Any]] = {}

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        asked = (host, port, family, type, proto, flags)
        found = self._under_way.get(asked)
        if found is None:
            found = self._under_way[asked] = self._loop.create_future()
            found.add_done_callback(lambda _: self._under_way.pop(asked))
            threading.Thread(target=self._look_up, args=(asked, found), name="look-up", daemon=True).start()
        # Who waits no longer leaves the look-up to those who come after.
        return await asyncio.shield(found)

    def _look_up(self, asked: tuple[Any, ...], found: asyncio.Future[Any]) -> None:
        answer: list[Any] | None = None
        fault: Exception | None = None
        try:
            answer = socket.getaddrinfo(*asked)
        except Exception as error:
            fault = error
        # The loop may be closed by now.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_settle, found, answer, fault)


def _settle(found: asyncio.Future[Any], answer: list[Any] | None, fault: Exception | None) -> None:
    if found.cancelled():
        return
    if fault is None:
        found.set_result(answer)
        return
    found.set_exception(fault)
    # Perhaps nobody waits for it any more, which is no fault.
    found.exception()
