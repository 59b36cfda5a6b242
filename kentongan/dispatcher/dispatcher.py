"""The dispatcher: one sender of this process, which takes dispatches over, runs their instances, and sweeps.

Where it takes part, it also claims and sends of what other senders own, so that many machines send one alert.

Its sweep is a plain loop. It does all that must not wait for anybody: beats, rows of senders that are gone, what has
become due, what is too late, what was stopped, receipts that came early, and probes of held instances.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field

from kentongan.clock import Clock, Milliseconds, Process
from kentongan.dispatcher.gate import Gate
from kentongan.dispatcher.owned import OwnedDispatch
from kentongan.dispatcher.paces import Paces
from kentongan.dispatcher.part import Sender
from kentongan.dispatcher.probes import Probes
from kentongan.dispatcher.starting import Starter
from kentongan.dispatcher.taken import NOTHING, Taken
from kentongan.dispatcher.upkeep import Upkeep
from kentongan.dispatcher.usable import Usable
from kentongan.errors import KentonganError, LedgerUnavailable, OtherVersion, Refused
from kentongan.ledger import Ledger, Read, Write, dispatches, senders, threads, views, work
from kentongan.ledger.work import OpenDispatch
from kentongan.plan import Plan
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Address, Channel
from kentongan.settings import Policy

_log = logging.getLogger(__name__)

_SWEEP = 0.25

_KEY_EVERY = 1.0
"""Seconds between two looks whether a key of people's data that was away is back."""

_ORPHAN: Milliseconds = 500
"""How long a dispatch may be without an owner before any sender takes it."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """How long ago this sender last beat, and last went round its sweep, in seconds; None: never yet.

    `outdated`: why it begins nothing more, because the ledger is of another version than it knows; "" where it is not.
    """

    beat: float | None
    sweep: float | None
    outdated: str = ""


@dataclass(slots=True)
class Dispatcher:
    """Sends what the ledger holds as dispatched. Start it with `start`, end it with `close`.

    `role` names the process in the record. `only`: the alerts it takes; None takes all. `takes_part`: it also sends of
    alerts that another sender owns, by the channels that it has. `vouch` answers why an alert must not be sent, None
    when it may. `people_away` answers why no address can be opened now, None where it can: meanwhile nothing is sent to
    people. `orchestrate` shows the dispatch in Prefect (`Starter`). `done` is told of an alert of which nothing
    is left to do. `chance` gives numbers from 0 to 1. `gave_way` is set, and `outdated` says why, once the ledger is of
    another version: then only close it.
    """

    ledger: Ledger
    clock: Clock
    channels: Mapping[str, Channel]
    policy: Policy
    open_addresses: Callable[[Sequence[int]], Mapping[int, Address]]
    vouch: Callable[[Read, str], str | None]
    chance: Callable[[], float]
    role: str
    people_away: Callable[[], str | None] = lambda: None
    only: frozenset[str] | None = None
    takes_part: bool = False
    orchestrate: Callable[[str], Awaitable[None]] | None = None
    done: Callable[[str], None] | None = None
    sender: str = field(default_factory=lambda: secrets.token_hex(8))
    process: Process = field(default_factory=Process.current)
    outdated: OtherVersion | None = None
    gave_way: asyncio.Event = field(default_factory=asyncio.Event)
    _sender: Sender = field(init=False)
    _usable: Usable = field(init=False)
    _paces: Paces = field(init=False)
    _taken: Taken = field(init=False)
    _loops: tuple[asyncio.Task[None], ...] = ()
    _upkeep: Upkeep = field(init=False)
    _probes: Probes = field(init=False)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)
    _beat_at: Milliseconds | None = None
    _swept_at: Milliseconds | None = None
    _serves: list[str] | None = None

    def __post_init__(self) -> None:
        self._sender = Sender(
            name=self.sender,
            ledger=self.ledger,
            clock=self.clock,
            gate=Gate(self.ledger, self.clock),
            policy=self.policy,
            open_addresses=self.open_addresses,
            chance=self.chance,
        )
        self._usable = Usable(self.channels, self.people_away)
        self._paces = Paces(self._sender, self.channels, self.process.boot_id)
        starter = Starter(
            sender=self._sender,
            process=self.process,
            channels=self._usable,
            paces=self._paces,
            shared=self.takes_part,
            stays=self.only is None,
            orchestrate=self.orchestrate,
            closing=self._closing,
        )
        self._taken = Taken(self._sender, self.process, self.vouch, starter, self._closing)
        self._upkeep = Upkeep(self.ledger, self.channels, self.policy, self.chance, self.wake)
        self._probes = Probes(self.ledger, self.clock, self._usable, self.policy, self.wake)

    async def start(self) -> None:
        """Registers this sender and begins to sweep; raises LedgerUnavailable."""
        # Nothing was held before, so that what was slept until now does not count.
        self._sender.gate.beat_at = self.clock.boot()
        self._usable.look()
        there = self._channels_for_all()

        def register(write: Write) -> None:
            senders.register(write, sender=self.sender, role=self.role, process=self.process, clock=self.clock)
            if there is not None:
                senders.serve(write, sender=self.sender, channels=there)

        await self.ledger.write_soon(register)
        self._serves = there
        await self._tell_key()
        # Beats have a task of their own: a round of the sweep may take longer than a lease.
        self._loops = (
            asyncio.create_task(self._beat_for_ever(), name="beat"),
            asyncio.create_task(self._sweep_for_ever(), name="sweep"),
            asyncio.create_task(self._watch_key_for_ever(), name="key"),
        )

    async def close(self) -> None:
        """Starts nothing more, lets every request in flight end and records its outcome, then signs off."""
        self._closing.set()
        runs: list[asyncio.Task[None]] = []
        for owned in self._taken.alerts.values():
            owned.leave()
            runs.extend(owned.runs.values())
        # While its last requests end, nobody hands it what it would not begin.
        await asyncio.gather(*runs, self._tell_channels(), return_exceptions=True)
        await self._paces.close()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self._probes.close()
        await self.ledger.write_soon(lambda write: senders.end(write, sender=self.sender))

    # --- What others ask of it ---

    @property
    def pulse(self) -> Pulse:
        """Whether it is alive, for whoever watches it; a beat counts once it is on disk."""
        now = self.clock.boot()
        beat, sweep = (None if at is None else (now - at) / 1000 for at in (self._beat_at, self._swept_at))
        return Pulse(beat, sweep, str(self.outdated or ""))

    async def nudge(self, alert_id: str) -> bool:
        """Takes a dispatch over now, if it is free; True where it is ours, or nothing of it is left to send."""
        return self.outdated is None and (await self._taken.take(alert_id) or self._is_over(alert_id))

    def _is_over(self, alert_id: str) -> bool:
        """Whether all of a dispatch has come to its end, whoever sent it."""
        return self.ledger.read(
            lambda read: dispatches.get(read, alert_id) is not None and not views.is_open(read, alert_id)
        )

    async def channel(self, alert_id: str, instance: str, through: str) -> Mapping[str, int]:
        """Starts or joins the one run of an instance and returns its counts by word when it is done.

        Where another sender owns the dispatch, it waits for that one's end; where the ledger takes nothing, until it
        does or the alert is too late. `through` says for the record by what way it was begun. Raises Refused for an
        alert the ledger does not hold as approved and dispatched, and LedgerUnavailable.
        """
        while not self._closing.is_set():
            try:
                if await self._is_done(alert_id, instance, through):
                    break
            except LedgerUnavailable:
                owned = self._taken.alerts.get(alert_id)
                if owned is None or _is_too_late(owned.plan, instance, self.clock.wall()):
                    raise
                await asyncio.sleep(_SWEEP)
        self._refuse_outdated()
        return self.ledger.read(lambda read: views.words(read, alert_id, instance))

    async def _is_done(self, alert_id: str, instance: str, through: str) -> bool:
        """Goes on with the run of an instance, or waits for whoever has it; True where nothing of it is left."""
        if await self._taken.take(alert_id, orchestrated=True):
            owned = self._taken.alerts[alert_id]
            self._taken.starter.begin(owned, instance, through)
            if instance in owned.runs:
                await asyncio.shield(owned.runs[instance])
            # A run ends also where the ledger takes nothing, and where others send on the channel or nobody can yet.
            if owned.expanded and not self.ledger.read(lambda read: views.is_open(read, alert_id, instance)):
                return True
            await asyncio.sleep(_SWEEP)
            return False
        if alert_id in self._taken.refused:
            raise Refused(self._taken.refused[alert_id], rule="vouch")
        if self.ledger.read(lambda read: dispatches.get(read, alert_id)) is None:
            raise Refused(f"alert {alert_id} is not dispatched; send it with `kentongan send`", rule="state")
        if not self.ledger.read(lambda read: views.is_open(read, alert_id, instance)):
            return True
        await self._until_free(alert_id, instance)
        return False

    async def _until_free(self, alert_id: str, instance: str) -> None:
        """Waits while another sender owns a dispatch and is there, without writing to the ledger for it."""
        while not self._closing.is_set():
            await asyncio.sleep(_SWEEP)
            found = self.ledger.read(lambda read: dispatches.get(read, alert_id))
            if found is None or found.owner in (None, self.sender):
                return
            suspects = [found.owner] if found.owner is not None else []
            gone = self.ledger.read(
                lambda read, who=suspects: senders.gone(  # type: ignore[misc]
                    read, clock=self.clock, process=self.process, suspects=who
                )
            )
            if gone or not self.ledger.read(lambda read: views.is_open(read, alert_id, instance)):
                return

    async def finished(self, alert_id: str) -> None:
        """Returns when nothing of this alert is planned, claimed or sending; raises OtherVersion."""
        while not self._closing.is_set():
            owned = self._taken.alerts.get(alert_id)
            if owned is not None and owned.running:
                await asyncio.wait(owned.running, return_when=asyncio.FIRST_COMPLETED)
                continue
            if not self.ledger.read(lambda read: views.is_open(read, alert_id)):
                return
            await asyncio.sleep(_SWEEP)
        self._refuse_outdated()

    def _refuse_outdated(self) -> None:
        if self.outdated is not None:
            raise self.outdated

    def wake(self, alert_id: str | None = None) -> None:
        """Lets waiting runs look at the ledger at once, after a receipt, a release or a stop."""
        for owned in self._taken.alerts.values():
            if alert_id is None or owned.alert_id == alert_id:
                owned.wake()

    # --- Sweep ---

    async def _beat_for_ever(self) -> None:
        while True:
            try:
                self._sender.gate.beat_at = await self.ledger.write_soon(
                    lambda write: senders.beat(write, sender=self.sender, clock=self.clock), beside=True
                )
                self._beat_at = self.clock.boot()
                await self._tell_channels()
            except OtherVersion as error:
                self._give_way(error)
            except KentonganError:
                _log.warning("beat waits for the ledger")
            await asyncio.sleep(senders.BEAT / 1000)

    def _channels_for_all(self) -> list[str] | None:
        """On what it sends for others that leave an alert to it; None where it sends its own alert alone."""
        if self.only is not None:
            return None
        return [] if self._closing.is_set() else sorted(self._usable)

    async def _tell_key(self) -> None:
        """Has on record whether people can be written to from here; one that sends one alert holds only what it owns.

        The holds of both end as soon as there is a key.
        """
        if self.only is None or self._usable.away is None:
            await self._usable.tell(self.ledger, sender=self.sender, clock=self.clock, process=self.process)

    async def _watch_key_for_ever(self) -> None:
        """Sends to people as soon as there is the key of their data; one that was once at hand and tried stays."""
        told = True
        while True:
            await asyncio.sleep(_KEY_EVERY)
            try:
                # What the key lies on may hang.
                told = not await asyncio.to_thread(self._usable.look) and told
                if not told:
                    await self._tell_key()
                    await self._tell_channels()
                    told = True
                    self.wake()
            except KentonganError:
                _log.warning("key of people's data waits for the ledger")

    async def _tell_channels(self) -> None:
        """Has on record on what it sends for others, also after a channel was added or mended."""
        there = self._channels_for_all()
        if there is not None and there != self._serves:
            await self.ledger.write_soon(lambda write: senders.serve(write, sender=self.sender, channels=there))
            self._serves = there

    async def _sweep_for_ever(self) -> None:
        while True:
            whole = True
            try:
                await self.sweep()
            except OtherVersion as error:
                self._give_way(error)
            except KentonganError:
                _log.warning("sweep waits for the ledger")
            except Exception:
                _log.exception("sweep failed")
                whole = False
            if whole:
                self._swept_at = self.clock.boot()
            await asyncio.sleep(_SWEEP)

    def _give_way(self, error: OtherVersion) -> None:
        """Begins nothing more: another Kentongan goes on from here. Requests in flight end by themselves."""
        if self.outdated is not None:
            return
        self.outdated = error
        _log.error("the ledger is of another version now; nothing more is begun", extra={"why": str(error)})
        self._closing.set()
        for owned in self._taken.alerts.values():
            owned.leave()
        self.gave_way.set()

    async def sweep(self) -> None:
        """One round over the ledger; also called by hand in tests."""
        if self.outdated is not None:
            return
        gone = self.ledger.read(lambda read: senders.gone(read, clock=self.clock, process=self.process))
        gone = [sender for sender in gone if sender != self.sender]
        if gone:
            await self._upkeep.recover(gone)
        open_ = self.ledger.read(work.open_dispatches)
        self._taken.weigh(open_)
        # What it supersedes belongs to a follow-up: its stop has still to be marked.
        wanted = self.only and {*self.only, *(id for one in self.only for id in self._others(one))}
        for dispatch in open_:
            if wanted is not None and dispatch.alert_id not in wanted:
                continue
            await self._tend(dispatch, gone)
        still_open = {dispatch.alert_id for dispatch in open_}
        for owned in list(self._taken.alerts.values()):
            if owned.alert_id not in still_open and not owned.running:
                self._forget(owned)
        await self._upkeep.tidy()
        if not self._closing.is_set():
            self._probes.begin({instance.name for d in open_ for instance in d.plan.instances})

    def _others(self, alert_id: str) -> list[str]:
        return self.ledger.read(lambda read: threads.others(read, alert_id))

    def _forget(self, owned: OwnedDispatch) -> None:
        del self._taken.alerts[owned.alert_id]
        owned.leave()
        if self.done is not None:
            self.done(owned.alert_id)

    async def _tend(self, dispatch: OpenDispatch, gone: Sequence[str | None]) -> None:
        alert_id = dispatch.alert_id
        owned = self._taken.alerts.get(alert_id)
        if owned is not None and (owned.left or (owned.ours and dispatch.owner not in (self.sender, None))):
            # Another took it over while this process slept.
            self._taken.release(owned)
            return
        if owned is None or not owned.ours:
            # A dispatch far ahead is as old: the clock was set back since.
            orphan = dispatch.owner is None and abs(self.clock.wall() - dispatch.at) > _ORPHAN
            if orphan or dispatch.owner in gone or dispatch.owner == self.sender:
                await self._taken.take(alert_id)
            elif owned is None and self.takes_part and dispatch.owner is not None and dispatch.state == "dispatched":
                await self._taken.join(alert_id)
            owned = self._taken.alerts.get(alert_id)
            if owned is None:
                return
        if owned.ours:
            await self._mend(owned, dispatch)
        else:
            owned.expanded = dispatch.expanded or dispatch.state != "dispatched"
        for instance in dispatch.plan.instances:
            running = owned.runs.get(instance.name)
            # What an owner lacks is its to leave to others; what another lacks, it may have been given since.
            wanted = running is not None or (not owned.ours and instance.name in self._usable)
            if wanted and (running is None or running.done()) and self._is_due(alert_id, instance.name):
                self._taken.starter.begin(owned, instance.name, "sweep")

    async def _mend(self, owned: OwnedDispatch, dispatch: OpenDispatch) -> None:
        """What the owner does for all who send of an alert: its end, its stop, and what is too late."""
        alert_id = dispatch.alert_id
        if dispatch.state != "dispatched":
            owned.expanded = True
            await self._upkeep.cancel_stopped(alert_id, gives_way=self._taken.gravest > NOTHING)
        if dispatch.at > self.clock.wall():
            await self._upkeep.follow_clock(alert_id, dispatch.at)
        for instance in dispatch.plan.instances:
            if instance.deliver_by <= self.clock.wall():
                await self._upkeep.close_overdue(alert_id, instance.name, gives_way=self._taken.gravest > owned.rank)

    def _is_due(self, alert_id: str, instance: str) -> bool:
        return self.ledger.read(lambda read: work.is_due(read, alert_id, instance))


def _is_too_late(plan: Plan, instance: str, now: Milliseconds) -> bool:
    return all(each.deliver_by <= now for each in plan.instances if each.name == instance)
