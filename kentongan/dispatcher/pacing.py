"""Which credential an instance sends with, what a request costs it, and its bucket in the ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass

from kentongan.bucket import Bucket, Lease, name_of
from kentongan.clock import Clock
from kentongan.ledger import Ledger, buckets
from kentongan.seam import Channel, Limits, Rendered
from kentongan.words.counting import count


@dataclass(frozen=True, slots=True)
class LedgerBucket:
    """The bucket of one credential as it lies in the ledger (`pace.Shared`)."""

    name: str
    ledger: Ledger
    clock: Clock
    boot_id: str

    def look(self) -> Bucket:
        """How it stands; raises LedgerUnavailable."""
        return self.ledger.read(lambda read: buckets.get(read, self.name, boot_id=self.boot_id))

    def lease(self, length: float, rank: int) -> Awaitable[tuple[Bucket, Lease]]:
        """Leases some of its time; raises LedgerUnavailable."""
        return self.ledger.write_soon(
            lambda write: buckets.lease(
                write, self.name, boot_id=self.boot_id, now=self.clock.boot() / 1000, length=length, rank=rank
            )
        )

    def pause(self, seconds: float) -> Awaitable[Bucket]:
        """Stops everybody who shares it; raises LedgerUnavailable."""
        return self.ledger.write_soon(
            lambda write: buckets.pause(
                write, self.name, boot_id=self.boot_id, now=self.clock.boot() / 1000, seconds=seconds
            )
        )


def fastest(channel: Channel, others: Iterable[Channel]) -> float:
    """Requests a second that the credential of a channel takes, by the channels that share it."""
    name = name_of(channel.name, channel.limits)
    sharing = [other.limits.rate for other in others if name_of(other.name, other.limits) == name]
    return max([channel.limits.rate, *sharing])


def cost_of(
    limits: Limits, rate: float, messages: Mapping[str, Rendered], values: Mapping[str, Mapping[str, str]]
) -> float:
    """Seconds of a credential's time that one request costs, where it takes `rate` requests a second.

    `messages` and the `values` of their slots are given by language. Where the provider counts the parts of short
    messages, the longest message decides.
    """
    if limits.parts is None:
        return 1 / rate
    return max(1 / rate, most_parts(messages.values(), values) / limits.parts)


def most_parts(messages: Iterable[Rendered], values: Mapping[str, Mapping[str, str]]) -> int:
    """Parts of the longest of these short messages; a slot without a value counts as it stands."""
    longest = 1
    for message in messages:
        try:
            text = message.filled(values.get(message.language, {})).text
        except KeyError:
            text = message.text
        longest = max(longest, count(text, "sms"))
    return longest
