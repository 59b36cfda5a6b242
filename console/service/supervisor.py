"""What systemd is told of a service of Type=notify: that it is ready, that it lives, that it stops (sd_notify(3))."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, MutableMapping


class Supervisor:
    """Speaks to whoever named a socket in the environment; to nobody, where none did.

    The variables are taken out of `environment`, for they are not meant for children.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        path = environment.pop("NOTIFY_SOCKET", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        meant = environment.pop("WATCHDOG_PID", "") in ("", str(os.getpid()))
        # "@" stands for the abstract name space (unix(7)).
        self._path = "\0" + path[1:] if path.startswith("@") else path
        self.every: float | None = None
        if self._path and meant and microseconds.isdigit() and int(microseconds):
            # Half of what is allowed, as sd_watchdog_enabled(3) recommends.
            self.every = int(microseconds) / 2_000_000
        self._watching: asyncio.Task[None] | None = None

    def tell(self, *lines: str) -> bool:
        """Tells it all at once, such as "READY=1"; True where somebody was told. Never fails and never waits."""
        if not self._path:
            return False
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), self._path)
            return True
        return False

    def ready(self, status: str, is_well: Callable[[], bool]) -> None:
        """Says that it is ready, and from then on that it lives, while its event loop goes round and it is well."""
        self.tell("READY=1", f"STATUS={status}")
        if self.every is not None:
            self._watching = asyncio.create_task(self._watch(self.every, is_well), name="watchdog")

    async def stopping(self) -> None:
        """Says that it stops; from here the time-out of the stop counts, not the watchdog's."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        self.tell("STOPPING=1")

    async def _watch(self, every: float, is_well: Callable[[], bool]) -> None:
        while True:
            if is_well():
                self.tell("WATCHDOG=1")
            await asyncio.sleep(every)
