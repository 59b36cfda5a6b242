"""The dispatches that a sender of this process has taken over, or takes part in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kentongan import waves
from kentongan.clock import Process
from kentongan.dispatcher.owned import OwnedDispatch
from kentongan.dispatcher.part import Sender
from kentongan.dispatcher.starting import Starter
from kentongan.errors import DamagedRecord
from kentongan.ledger import Read, Write, alerts, dispatches, senders, views
from kentongan.ledger.work import OpenDispatch

_log = logging.getLogger(__name__)

BESIDE = "beside the sender that owns it"
"""What the record says of an instance that another sender has begun as well."""

NOTHING = -1
"""The rank of the gravest alert that is being sent where none is."""


@dataclass(slots=True)
class Taken:
    """What a sender has taken, by alert; it takes nothing more once `closing` is set.

    `vouch` answers why an alert must not be sent, None when it may; `refused` keeps its answers by alert. `gravest` is
    the highest rank of all alerts that are being sent, whoever sends them.
    """

    sender: Sender
    process: Process
    vouch: Callable[[Read, str], str | None]
    starter: Starter
    closing: asyncio.Event
    alerts: dict[str, OwnedDispatch] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    gravest: int = NOTHING
    _ranks: dict[str, int] = field(default_factory=dict)

    async def take(self, alert_id: str, *, orchestrated: bool = False) -> bool:
        """Takes a dispatch over if it is free, and begins it; True where it is ours and something of it is open.

        Of one that is not open it begins nothing, for there would be nothing to do: whoever asks is late, or waits for
        a step of it that comes later. `orchestrated`: Prefect asks.
        """
        if self._is_ours(alert_id):
            return True
        if alert_id in self.refused or self.closing.is_set() or self._has_left(alert_id):
            return False

        def own(write: Write) -> tuple[bool, str | None]:
            found = dispatches.get(write, alert_id)
            if found is None:
                # Not refused for good: it may be dispatched in a moment.
                return False, None
            refusal = self.vouch(write, alert_id)
            if refusal is not None:
                dispatches.refuse(write, alert_id, sender=self.sender.name, why=refusal)
                return False, refusal
            suspects = [found.owner] if found.owner is not None else []
            gone = senders.gone(write, clock=self.sender.clock, process=self.process, suspects=suspects)
            ours = dispatches.own(write, alert_id, sender=self.sender.name, gone=gone)
            return ours and views.is_open(write, alert_id), None

        begins, refusal = await self.sender.ledger.write_soon(own)
        if refusal is not None:
            self.refused[alert_id] = refusal
        if not begins or self.closing.is_set():
            return False
        if not self._is_ours(alert_id):
            owned = self.alerts.get(alert_id)
            if owned is None:
                owned = self.alerts[alert_id] = self._load(alert_id, ours=True)
            owned.ours = True
            self.gravest = max(self.gravest, owned.rank)
            owned.spawn(owned.expand(self.sender.ledger, lambda: self.gravest > owned.rank))
            owned.spawn(self.starter.start_all(owned, orchestrated=orchestrated))
        return True

    async def join(self, alert_id: str) -> None:
        """Takes part in what another sender owns."""
        if alert_id in self.refused or self.closing.is_set():
            return
        refusal = self.sender.ledger.read(lambda read: self.vouch(read, alert_id))
        if refusal is not None:
            self.refused[alert_id] = refusal
            _log.warning("alert not taken part in", extra={"alert": alert_id, "why": refusal})
        else:
            owned = self.alerts[alert_id] = self._load(alert_id, ours=False)
            for instance in waves.ordered(owned.plan.instances):
                # What this process lacks is no fault of the channel: its owner sends there.
                if instance.name in self.starter.channels:
                    self.starter.begin(owned, instance.name, BESIDE)
        await self.sender.ledger.write_soon(
            lambda write: write.event("dispatch.joined", alert=alert_id, sender=self.sender.name, why=refusal or ""),
            must=True,
        )

    def release(self, owned: OwnedDispatch) -> None:
        """Leaves an alert to its new owner; once all has ended here it may be taken back, should that one end."""
        owned.leave()
        if owned.ended:
            del self.alerts[owned.alert_id]

    def weigh(self, open_dispatches: Iterable[OpenDispatch]) -> None:
        """Finds the gravest of what is being sent."""
        sending = (self._rank(dispatch.alert_id) for dispatch in open_dispatches if dispatch.state == "dispatched")
        self.gravest = max(sending, default=NOTHING)

    def _is_ours(self, alert_id: str) -> bool:
        owned = self.alerts.get(alert_id)
        return owned is not None and owned.ours and not owned.left

    def _has_left(self, alert_id: str) -> bool:
        """Whether runs that have lost it still end here: what began beside them would only be halted in its turn."""
        owned = self.alerts.get(alert_id)
        return owned is not None and owned.left

    def _load(self, alert_id: str, *, ours: bool) -> OwnedDispatch:
        return self.sender.ledger.read(lambda read: OwnedDispatch.load(read, alert_id, ours=ours))

    def _rank(self, alert_id: str) -> int:
        """How an alert ranks, whoever sends it; one that cannot be read lowest, for nobody can send it."""
        if alert_id not in self._ranks:
            try:
                stored = self.sender.ledger.read(lambda read: alerts.get(read, alert_id))
            except DamagedRecord:
                return 0
            self._ranks[alert_id] = waves.rank(stored.draft)
        return self._ranks[alert_id]
