"""The channels that a sender can use now: all it has, but those that write to people while it cannot open addresses.

Without the key of people's data public posts, feeds and sirens go out as ever. What goes to people stays planned: it is
left to a sender that has the key, and where there is none its channels are held until the key is back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping

from kentongan.clock import Clock, Process
from kentongan.ledger import Ledger, Read, Write, senders
from kentongan.seam import Channel

_log = logging.getLogger(__name__)


class Usable(Mapping[str, Channel]):
    """Those of `channels` that can be used; `away` says why nobody's address can be opened, None where it can be."""

    def __init__(self, channels: Mapping[str, Channel], away: Callable[[], str | None]) -> None:
        self._channels = channels
        self._ask = away
        self.away: str | None = None

    def __getitem__(self, name: str) -> Channel:
        channel = self._channels[name]
        if self.away is not None and channel.traits.family is not None:
            raise KeyError(name)
        return channel

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._channels if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def lacks(self, instance: str) -> str | None:
        """Why an instance that is here cannot be used, as the reason of a hold; None where it can, or is not here."""
        channel = self._channels.get(instance)
        if self.away is None or channel is None or channel.traits.family is None:
            return None
        return f"{senders.NO_ADDRESSES}{self.away}"

    def look(self) -> bool:
        """Asks for the key anew; True where that has changed anything. It reads the disk while the key is away."""
        before, self.away = self.away, self._ask()
        if self.away == before:
            return False
        if self.away is not None:
            _log.error("people are held: their addresses cannot be opened", extra={"why": self.away})
        else:
            _log.info("addresses of people can be opened")
        return True

    async def tell(self, ledger: Ledger, *, sender: str, clock: Clock, process: Process) -> None:
        """Holds what goes to people where no other sender serves it, or lets go what was held for the key alone.

        Raises LedgerUnavailable.
        """
        people = sorted(name for name, channel in self._channels.items() if channel.traits.family is not None)

        def to_hold(read: Read) -> dict[str, str]:
            held = senders.holds(read)
            return {
                name: why
                for name in people
                if (why := self.lacks(name)) is not None
                and name not in held
                and not senders.is_served(read, name, but=sender, clock=clock, process=process)
            }

        def to_release(read: Read) -> list[str]:
            held = senders.holds(read)
            return [name for name in people if held.get(name, "").startswith(senders.NO_ADDRESSES)]

        def hold(write: Write) -> None:
            for name, why in to_hold(write).items():
                senders.hold(write, instance=name, reason=why)

        def release(write: Write) -> None:
            for name in to_release(write):
                senders.release_hold(write, instance=name, by="key")

        if self.away is not None:
            if ledger.read(to_hold):
                await ledger.write_soon(hold)
        elif ledger.read(to_release):
            await ledger.write_soon(release)
