"""Which channels share a credential, and its bucket in the ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from kentongan.bucket import Bucket, Lease, name_of
from kentongan.ledger import Ledger, Write, buckets
from kentongan.ledger.buckets import Here
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Channel

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LedgerBucket:
    """The bucket of one credential as it lies in the ledger (`pace.Shared`)."""

    name: str
    ledger: Ledger
    here: Here

    def look(self) -> Bucket:
        """How it stands; raises LedgerUnavailable."""
        return self.ledger.read(lambda read: buckets.get(read, self.name, self.here))

    def lease(self, length: float, rank: int) -> Awaitable[tuple[Bucket, Lease]]:
        """Leases some of its time; raises LedgerUnavailable."""
        return self._write(lambda write: buckets.lease(write, self.name, self.here, length=length, rank=rank))

    def pause(self, seconds: float) -> Awaitable[Bucket]:
        """Stops everybody who shares it; raises LedgerUnavailable."""
        return self._write(lambda write: buckets.pause(write, self.name, self.here, seconds=seconds))

    def throttle(self, first: float, most: float) -> Awaitable[Bucket]:
        """Stops everybody who shares it after a refusal that says not for how long; raises LedgerUnavailable."""
        return self._write(lambda write: buckets.throttle(write, self.name, self.here, first=first, most=most))

    def calm(self) -> Awaitable[Bucket]:
        """Ends the row of such refusals; raises LedgerUnavailable."""
        return self._write(lambda write: buckets.calm(write, self.name, self.here))

    def _write(self, act: Callable[[Write], T]) -> Awaitable[T]:
        return self.ledger.write_soon(act, beside=True, first=self.name)


def fastest(channel: Channel, others: Iterable[Channel]) -> float:
    """Requests a second that the credential of a channel takes, by the channels that share it."""
    name = name_of(channel.name, channel.limits)
    sharing = [other.limits.rate for other in others if name_of(other.name, other.limits) == name]
    return max([channel.limits.rate, *sharing])
