"""The last look before a request is written."""

from __future__ import annotations

from kentongan.clock import Clock, Milliseconds
from kentongan.ledger import Ledger, senders, work

_FRESH: Milliseconds = 250
"""How old the epoch in memory may be when a request is written."""

_AWAKE: Milliseconds = senders.LEASE - 1_000
"""How long a sender that has not beaten may take its lease to be its own."""


class Gate:
    """What a sender checks right before it writes a request: epoch, deadline, and that it has not slept."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._epochs: dict[str, tuple[str, int, Milliseconds]] = {}
        self._beat_at = self._woken_at = clock.boot()

    @property
    def beat_at(self) -> Milliseconds:
        """Boot time from which this sender's lease lasts."""
        return self._beat_at

    @beat_at.setter
    def beat_at(self, at: Milliseconds) -> None:
        if at - self._beat_at > _AWAKE:
            self._woken_at = at
        self._beat_at = at

    def closed(self, alert_id: str, epoch: int, deliver_by: Milliseconds, *, intended: Milliseconds) -> str | None:
        """Why a request must not be written now; None when it may. `intended`: boot time before its intent."""
        now = self._clock.boot()
        # A beat after the sleep gives nothing back: others may have taken over what was intended before it.
        if now - self._beat_at > _AWAKE or intended < self._woken_at:
            return "this sender slept through its lease"
        if self._clock.wall() >= deliver_by:
            return "too late to be of use"
        known = self._epochs.get(alert_id)
        if known is None or now - known[2] > _FRESH:
            state, current = self._ledger.read(lambda read: work.epochs(read, [alert_id]))[alert_id]
            known = self._epochs[alert_id] = (state, current, now)
        if known[0] != "dispatched" or known[1] != epoch:
            return "the alert was stopped"
        return None
