"""What the record says in numbers, followed as it grows: each look counts again only what has changed since the last.

A look is made in a thread, when somebody asks, and never so often that it takes more than a tenth of the time. Whoever
asks meanwhile gets what the last one found.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import field, replace

from kentongan.clock import Milliseconds
from kentongan.errors import KentonganError
from kentongan.ledger import Ledger, Read, senders, tallies
from kentongan.ledger.tallies import NOTHING, Due, Tally
from kentongan.quick_dataclass import dataclass

_log = logging.getLogger(__name__)

PATIENCE = 0.15
"""Seconds that an answer waits for a look to end."""

_SHARE = 9
"""So many times what a look took, none is begun after it."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one look found. `channels`, `due` and `held` are by instance, `pages` by cause and outcome.

    `latencies` is what only grows, whatever was pruned since: acceptances and their seconds. `at` is wall time.
    """

    at: Milliseconds
    channels: Mapping[str, Tally]
    latencies: Mapping[str, Tally]
    due: Mapping[str, Due]
    held: frozenset[str]
    pages: Mapping[tuple[str, str], int]
    orchestrations_lost: int
    took: float


@dataclass(slots=True)
class Following:
    """Follows one ledger. `look` is for one thread at a time; `figures` is for the event loop."""

    ledger: Ledger
    _position: int | None = None
    _uncounted: set[str] = field(default_factory=set)
    _alerts: dict[str, dict[str, Tally]] = field(default_factory=dict)
    _gone: dict[str, Tally] = field(default_factory=dict)
    _lost: int = 0
    _last: Figures | None = None
    _looking: asyncio.Task[None] | None = None
    _not_before: float = 0.0

    async def figures(self) -> Figures | None:
        """The newest there are; None before the first, and as long as the ledger cannot be read."""
        if self._looking is None and time.monotonic() >= self._not_before:
            self._looking = asyncio.create_task(self._look())
        if self._looking is not None:
            await asyncio.wait([self._looking], timeout=PATIENCE)
        return self._last

    async def close(self) -> None:
        """Waits for a look that is under way."""
        if self._looking is not None:
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self) -> None:
        began = time.monotonic()
        try:
            self._last = await asyncio.to_thread(self.look)
        except KentonganError:
            _log.warning("figures wait for the ledger")
        except Exception:
            _log.exception("figures not counted")
        finally:
            self._not_before = time.monotonic() + _SHARE * (time.monotonic() - began)
            self._looking = None

    def look(self) -> Figures:
        """Counts what has changed; raises LedgerUnavailable."""
        began = time.perf_counter()
        self._note_changes()
        for alert_id in sorted(self._uncounted):
            # Each in a snapshot of its own: a long one would keep the journal from being emptied.
            self._take(alert_id, self.ledger.read(lambda read, id=alert_id: tallies.of_alert(read, id)))  # type: ignore[misc]
            self._uncounted.discard(alert_id)
        due, held, pages, at = self.ledger.read(self._now)
        channels: dict[str, Tally] = {}
        for counted in self._alerts.values():
            for instance, tally in counted.items():
                channels[instance] = channels.get(instance, NOTHING) + tally
        known = channels.keys() | self._gone.keys()
        return Figures(
            at=at,
            channels=channels,
            latencies={name: channels.get(name, NOTHING) + self._gone.get(name, NOTHING) for name in known},
            due=due,
            held=held,
            pages=pages,
            orchestrations_lost=self._lost,
            took=time.perf_counter() - began,
        )

    def _note_changes(self) -> None:
        """Says which alerts are to be counted; they stay so until they were, should the ledger fail meanwhile."""
        after = self._position
        if after is None:
            # Before they are counted: what is committed meanwhile is then counted again, and nothing missed.
            self._position = self.ledger.read(tallies.position)
            self._uncounted |= set(self.ledger.read(tallies.dispatched))
            return
        news = self.ledger.read(lambda read: tallies.changed(read, after))
        self._position = news.position
        self._lost += news.orchestrations_lost
        self._uncounted |= news.alerts
        if news.alerts:
            self._uncounted |= self._alerts.keys() - set(self.ledger.read(tallies.dispatched))

    def _take(self, alert_id: str, found: dict[str, Tally]) -> None:
        """Puts an alert's tallies in the place of the former; acceptances that were pruned stay counted."""
        for instance, before in self._alerts.get(alert_id, {}).items():
            less = _less(before, found.get(instance, NOTHING))
            if less is not None:
                self._gone[instance] = self._gone.get(instance, NOTHING) + less
        if found:
            self._alerts[alert_id] = found
        else:
            self._alerts.pop(alert_id, None)

    def _now(self, read: Read) -> tuple[dict[str, Due], frozenset[str], dict[tuple[str, str], int], Milliseconds]:
        due: dict[str, Due] = {}
        for alert_id in tallies.standing(read):
            for instance in self._alerts.get(alert_id, {}):
                found = tallies.due(read, alert_id, instance)
                if found is not None:
                    other = due.get(instance, Due(0, found.since))
                    due[instance] = Due(found.count + other.count, min(found.since, other.since))
        return due, frozenset(senders.holds(read)), tallies.pages_settled(read), read.now


def _less(before: Tally, after: Tally) -> Tally | None:
    """The acceptances that were there before and are no more; None where there are none."""
    counts = tuple(max(0, one - another) for one, another in zip(before.latencies, after.latencies, strict=True))
    if not any(counts):
        return None
    return replace(NOTHING, latencies=counts, seconds=max(0.0, before.seconds - after.seconds))
