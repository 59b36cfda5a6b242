"""The dispatcher: one sender of this process, which takes dispatches over, runs their instances, and sweeps.

Its sweep is a plain loop. It does all that must not wait for anybody: beats, rows of senders that are gone, what has
become due, what is too late, what was stopped, receipts that came early, and probes of held instances.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row

from kentongan.clock import Clock, Milliseconds, Process
from kentongan.delivery import Evidence
from kentongan.dispatcher.gate import Gate
from kentongan.dispatcher.pace import Pace
from kentongan.dispatcher.part import Part, Sender
from kentongan.dispatcher.run import Run
from kentongan.errors import KentonganError, Refused
from kentongan.ledger import (
    Ledger,
    Read,
    Write,
    alerts,
    outcomes,
    planning,
    receipts,
    senders,
    steps,
    threads,
    views,
    work,
)
from kentongan.ledger.work import OpenDispatch
from kentongan.plan import PUBLIC, Plan
from kentongan.policy import Decision, Reason, Situation, after_doubt
from kentongan.seam import Address, Channel, Rendered
from kentongan.settings import Policy

_log = logging.getLogger(__name__)

BUDGET: Milliseconds = 1_000
"""How long after the dispatch row an instance may wait for its task in Prefect before it is started without."""

_SWEEP = 0.25
_CHUNK = 1000
_ORPHAN: Milliseconds = 500
"""How long a dispatch may be without an owner before any sender takes it."""


@dataclass(slots=True)
class _Alert:
    """A dispatch that this sender owns."""

    alert_id: str
    at: Milliseconds
    epoch: int
    plan: Plan
    messages: Mapping[str, Mapping[str, Rendered]]
    expanded: bool
    runs: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    live: dict[str, Run] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


@dataclass(slots=True)
class Dispatcher:
    """Sends what the ledger holds as dispatched. Start it with `start`, end it with `close`.

    `role` names the process in the record. `only`: the alerts it takes; None takes all. `vouch` answers why an alert
    must not be sent, None when it may. `orchestrate` shows the dispatch in Prefect; whatever it does, every instance
    is started within BUDGET. `done` is told of an alert of which nothing is left to do. `chance` gives numbers from 0
    to 1.
    """

    ledger: Ledger
    clock: Clock
    channels: Mapping[str, Channel]
    policy: Policy
    open_addresses: Callable[[Sequence[int]], Mapping[int, Address]]
    vouch: Callable[[Read, str], str | None]
    chance: Callable[[], float]
    role: str
    only: frozenset[str] | None = None
    orchestrate: Callable[[str], Awaitable[None]] | None = None
    done: Callable[[str], None] | None = None
    sender: str = field(default_factory=lambda: secrets.token_hex(8))
    process: Process = field(default_factory=Process.current)
    _alerts: dict[str, _Alert] = field(default_factory=dict)
    _refused: dict[str, str] = field(default_factory=dict)
    _paces: dict[str, Pace] = field(default_factory=dict)
    _sender: Sender = field(init=False)
    _loops: tuple[asyncio.Task[None], ...] = ()
    _probes: set[asyncio.Task[None]] = field(default_factory=set)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)
    _probed: dict[str, Milliseconds] = field(default_factory=dict)

    async def start(self) -> None:
        """Registers this sender and begins to sweep; raises LedgerUnavailable."""
        self._sender = Sender(
            name=self.sender,
            ledger=self.ledger,
            clock=self.clock,
            gate=Gate(self.ledger, self.clock),
            policy=self.policy,
            open_addresses=self.open_addresses,
            chance=self.chance,
        )
        await self.ledger.write_soon(
            lambda write: senders.register(
                write, sender=self.sender, role=self.role, process=self.process, clock=self.clock
            )
        )
        # Beats have a task of their own: a round of the sweep may take longer than a lease.
        self._loops = (
            asyncio.create_task(self._beat_for_ever(), name="beat"),
            asyncio.create_task(self._sweep_for_ever(), name="sweep"),
        )

    async def close(self) -> None:
        """Starts nothing more, lets every request in flight end and records its outcome, then signs off."""
        self._closing.set()
        runs: list[asyncio.Task[None]] = []
        for owned in self._alerts.values():
            for run in owned.live.values():
                run.halt.set()
            for task in owned.tasks:
                task.cancel()
            runs.extend(owned.runs.values())
        await asyncio.gather(*runs, return_exceptions=True)
        for task in (*self._loops, *self._probes):
            task.cancel()
        await asyncio.gather(*self._loops, *self._probes, return_exceptions=True)
        await self.ledger.write_soon(lambda write: senders.end(write, sender=self.sender))

    # --- What others ask of it ---

    async def nudge(self, alert_id: str) -> bool:
        """Takes a dispatch over now, if it is free; True where it is ours."""
        return await self._take(alert_id)

    async def channel(self, alert_id: str, instance: str, through: str) -> Mapping[str, int]:
        """Starts or joins the one run of an instance and returns its counts by word when it is done.

        Where another sender owns the dispatch, it waits for that one's end. `through` says for the record by what way
        it was begun. Raises Refused for an alert the ledger does not hold as approved and dispatched.
        """
        while not self._closing.is_set():
            if await self._take(alert_id, orchestrated=True):
                owned = self._alerts[alert_id]
                self._begin(owned, instance, through)
                if instance in owned.runs:
                    await asyncio.shield(owned.runs[instance])
                break
            if alert_id in self._refused:
                raise Refused(self._refused[alert_id], rule="vouch")
            if self.ledger.read(lambda read: alerts.get_dispatch(read, alert_id)) is None:
                raise Refused(f"alert {alert_id} is not dispatched; send it with `kentongan send`", rule="state")
            if not self.ledger.read(lambda read: views.is_open(read, alert_id, instance)):
                break
            await asyncio.sleep(_SWEEP)
        return self.ledger.read(lambda read: views.words(read, alert_id, instance))

    async def finished(self, alert_id: str) -> None:
        """Returns when nothing of this alert is planned, claimed or sending."""
        while not self._closing.is_set():
            owned = self._alerts.get(alert_id)
            running = [task for task in owned.runs.values() if not task.done()] if owned else []
            if running:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                continue
            if not self.ledger.read(lambda read: views.is_open(read, alert_id)):
                return
            await asyncio.sleep(_SWEEP)

    def wake(self, alert_id: str | None = None) -> None:
        """Lets waiting runs look at the ledger at once, after a receipt, a release or a stop."""
        for owned in self._alerts.values():
            if alert_id is None or owned.alert_id == alert_id:
                for run in owned.live.values():
                    run.woken.set()

    # --- Taking over ---

    async def _take(self, alert_id: str, *, orchestrated: bool = False) -> bool:
        if alert_id in self._alerts:
            return True
        if alert_id in self._refused or self._closing.is_set():
            return False

        def own(write: Write) -> tuple[bool, str | None]:
            found = alerts.get_dispatch(write, alert_id)
            if found is None:
                # Not refused for good: it may be dispatched in a moment.
                return False, None
            refusal = self.vouch(write, alert_id)
            if refusal is not None:
                write.event("dispatch.refused", alert=alert_id, why=refusal)
                return False, refusal
            suspects = [found.owner] if found.owner is not None else []
            gone = senders.gone(write, clock=self.clock, process=self.process, suspects=suspects)
            return alerts.own(write, alert_id, sender=self.sender, gone=gone), None

        ours, refusal = await self.ledger.write_soon(own)
        if refusal is not None:
            self._refused[alert_id] = refusal
        if not ours or self._closing.is_set():
            return False
        if alert_id not in self._alerts:
            owned = self._alerts[alert_id] = self.ledger.read(lambda read: _load(read, alert_id))
            self._spawn(owned, self._expand(owned))
            self._spawn(owned, self._start_all(owned, orchestrated=orchestrated))
        return True

    def _spawn(self, owned: _Alert, work_: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work_)
        owned.tasks.add(task)
        task.add_done_callback(owned.tasks.discard)
        return task

    async def _start_all(self, owned: _Alert, *, orchestrated: bool) -> None:
        """Shows the dispatch in Prefect and, when the budget is spent or Prefect fails, starts what has not begun."""
        if self.orchestrate is not None and not orchestrated:
            shown = self._spawn(owned, self._orchestrate(owned.alert_id, self.orchestrate))
            await asyncio.wait([shown], timeout=self._left(owned))
            through = "direct, the orchestration took too long" if not shown.done() else "direct"
        elif orchestrated:
            await asyncio.sleep(self._left(owned))
            through = "direct, the orchestration took too long"
        else:
            through = "direct, without orchestration"
        for instance in owned.plan.instances:
            self._begin(owned, instance.name, through)

    def _left(self, owned: _Alert) -> float:
        return max(0.0, min(BUDGET, owned.at + BUDGET - self.clock.wall()) / 1000)

    async def _orchestrate(self, alert_id: str, orchestrate: Callable[[str], Awaitable[None]]) -> None:
        try:
            await orchestrate(alert_id)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # The text of a foreign exception may hold a secret; our own sentences hold none.
            name, why = type(error).__name__, str(error) if isinstance(error, KentonganError) else ""
            _log.warning("orchestration lost", extra={"alert": alert_id, "error": name})
            await self.ledger.write_soon(
                lambda write: write.event("orchestration.lost", alert=alert_id, error=name, why=why), must=True
            )

    def _begin(self, owned: _Alert, instance: str, through: str) -> None:
        running = owned.runs.get(instance)
        if (running is not None and not running.done()) or self._closing.is_set():
            return
        owned.runs[instance] = asyncio.create_task(self._run(owned, instance, through, first=running is None))

    async def _run(self, owned: _Alert, instance: str, through: str, *, first: bool) -> None:
        channel = self.channels.get(instance)
        if channel is None:
            reason = "it is not in the config of this process; add it there, or see `kentongan channels`"
            await self.ledger.write_soon(lambda write: senders.hold(write, instance=instance, reason=reason))
            return
        if first:
            await self.ledger.write_soon(
                lambda write: write.event("instance.started", alert=owned.alert_id, instance=instance, through=through)
            )
        part = Part(
            sender=self._sender,
            channel=channel,
            alert_id=owned.alert_id,
            epoch=owned.epoch,
            plan=owned.plan,
            messages=owned.messages.get(instance, {}),
        )
        run = owned.live[instance] = Run(part, self._pace(channel))
        if self._closing.is_set():
            run.halt.set()
        try:
            await run.run(lambda: owned.expanded)
        except KentonganError:
            # The sweep begins it again as soon as the ledger answers.
            _log.warning("run waits for the ledger", extra={"alert": owned.alert_id, "instance": instance})
        finally:
            owned.live.pop(instance, None)

    def _pace(self, channel: Channel) -> Pace:
        if channel.name not in self._paces:
            self._paces[channel.name] = Pace(channel.limits.rate, lambda: self.clock.boot() / 1000)
        return self._paces[channel.name]

    async def _expand(self, owned: _Alert) -> None:
        """Plans the deliveries to people in chunks, while the first of them are already being sent."""
        while not owned.expanded:
            try:
                more = await self.ledger.write_soon(
                    lambda write: (
                        _is_running(write, owned.alert_id)
                        and planning.expand(write, owned.alert_id, owned.plan, _CHUNK)
                    )
                )
            except KentonganError:
                _log.warning("expansion waits for the ledger", extra={"alert": owned.alert_id})
                await asyncio.sleep(_SWEEP)
                continue
            owned.expanded = not more
            self.wake(owned.alert_id)

    # --- Sweep ---

    async def _beat_for_ever(self) -> None:
        while True:
            try:
                self._sender.gate.beat_at = await self.ledger.write_soon(
                    lambda write: senders.beat(write, sender=self.sender, clock=self.clock)
                )
            except KentonganError:
                _log.warning("beat waits for the ledger")
            await asyncio.sleep(senders.BEAT / 1000)

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                await self.sweep()
            except KentonganError:
                _log.warning("sweep waits for the ledger")
            except Exception:
                _log.exception("sweep failed")
            await asyncio.sleep(_SWEEP)

    async def sweep(self) -> None:
        """One round over the ledger; also called by hand in tests."""
        gone = self.ledger.read(lambda read: senders.gone(read, clock=self.clock, process=self.process))
        gone = [sender for sender in gone if sender != self.sender]
        if gone:
            while await self.ledger.write_soon(
                lambda write: outcomes.recover(write, gone=gone, after_doubt=lambda row: self._after_doubt(write, row))
            ):
                pass
        open_ = self.ledger.read(work.open_dispatches)
        # What it supersedes belongs to a follow-up: its stop has still to be marked.
        wanted = self.only and {*self.only, *(id for one in self.only for id in self._others(one))}
        for dispatch in open_:
            if wanted is not None and dispatch.alert_id not in wanted:
                continue
            await self._tend(dispatch, gone)
        for alert_id in [id for id in self._alerts if id not in {d.alert_id for d in open_}]:
            if not any(not task.done() for task in self._alerts[alert_id].runs.values()):
                self._forget(alert_id)
        await self._tidy()
        self._probe({instance.name for d in open_ for instance in d.plan.instances})

    def _others(self, alert_id: str) -> list[str]:
        return self.ledger.read(lambda read: threads.others(read, alert_id))

    def _forget(self, alert_id: str) -> None:
        for task in self._alerts.pop(alert_id).tasks:
            task.cancel()
        if self.done is not None:
            self.done(alert_id)

    def _yield(self, owned: _Alert) -> None:
        """Leaves an alert to its new owner; once all has ended here it may be taken back, should that one end."""
        for run in owned.live.values():
            run.halt.set()
        for task in owned.tasks:
            task.cancel()
        if all(task.done() for task in (*owned.runs.values(), *owned.tasks)):
            del self._alerts[owned.alert_id]

    async def _tend(self, dispatch: OpenDispatch, gone: Sequence[str | None]) -> None:
        alert_id = dispatch.alert_id
        owned = self._alerts.get(alert_id)
        if owned is not None and dispatch.owner not in (self.sender, None):
            # Another took it over while this process slept.
            self._yield(owned)
            return
        if owned is None:
            # A dispatch far ahead is as old: the clock was set back since.
            orphan = dispatch.owner is None and abs(self.clock.wall() - dispatch.at) > _ORPHAN
            if not (orphan or dispatch.owner in gone or dispatch.owner == self.sender):
                return
            if not await self._take(alert_id):
                return
            owned = self._alerts[alert_id]
        if dispatch.state != "dispatched":
            owned.expanded = True
            while await self.ledger.write_soon(lambda write: outcomes.cancel_stopped(write, alert_id)):
                self.wake(alert_id)
        if dispatch.at > self.clock.wall():
            await self._follow_clock(alert_id, dispatch.at)
        for instance in dispatch.plan.instances:
            if instance.deliver_by <= self.clock.wall():
                await self._close_overdue(alert_id, instance.name)
            running = owned.runs.get(instance.name)
            if running is not None and running.done() and self._is_due(alert_id, instance.name):
                self._begin(owned, instance.name, "sweep")

    def _is_due(self, alert_id: str, instance: str) -> bool:
        return self.ledger.read(lambda read: work.is_due(read, alert_id, instance))

    async def _follow_clock(self, alert_id: str, dispatched_at: Milliseconds) -> None:
        """Sends on although the wall clock was set back, by which all that is planned would lie hours ahead."""
        while await self.ledger.write_soon(
            lambda write: outcomes.clock_set_back(write, alert_id=alert_id, dispatched_at=dispatched_at)
        ):
            self.wake(alert_id)
        await self.ledger.write_soon(
            lambda write: steps.clock_set_back(write, alert_id=alert_id, dispatched_at=dispatched_at)
        )

    async def _close_overdue(self, alert_id: str, instance: str) -> None:
        while await self.ledger.write_soon(lambda write: outcomes.close_overdue(write, alert_id, instance)):
            self.wake(alert_id)

    async def _tidy(self) -> None:
        if self.ledger.read(views.has_kept_receipts):
            await self.ledger.write_soon(receipts.match_kept)
        if self.ledger.read(views.has_expired):
            await self.ledger.write_soon(alerts.end_expired)
        # Whose next channel or group it is; the owner of the dispatch finds what is planned here.
        while self.ledger.read(steps.is_due) and await self.ledger.write_soon(steps.advance):
            self.wake()

    def _probe(self, wanted: set[str]) -> None:
        """Asks held instances that an open dispatch needs whether they would pass again; waits for none of them."""
        for instance in self.ledger.read(senders.holds):
            channel = self.channels.get(instance)
            due = self._probed.setdefault(instance, self.clock.boot()) + round(self.policy.probe_every * 1000)
            if channel is None or instance not in wanted or self.clock.boot() < due or self._closing.is_set():
                continue
            self._probed[instance] = self.clock.boot()
            probe = asyncio.create_task(self._probe_one(channel))
            self._probes.add(probe)
            probe.add_done_callback(self._probes.discard)

    async def _probe_one(self, channel: Channel) -> None:
        try:
            async with asyncio.timeout(min(channel.limits.deadline, self.policy.probe_every)):
                readiness = await channel.ready()
            if readiness.ready:
                await self.ledger.write_soon(
                    lambda write: senders.release_hold(write, instance=channel.name, by="probe")
                )
                self._probed.pop(channel.name, None)
                self.wake()
        except Exception as error:
            _log.warning("probe failed", extra={"instance": channel.name, "error": type(error).__name__})

    def _after_doubt(self, read: Read, row: Row[Any]) -> Decision:
        """Decides for a row whose sender ended in mid-request."""
        found = alerts.get_dispatch(read, row.alert_id)
        channel = self.channels.get(row.instance)
        if found is None or channel is None:
            return Decision(Evidence.IN_DOUBT, Reason.OFFICER, "its channel is not in the config of this process")
        attempts = views.attempts(read, row.id)
        situation = Situation(
            traits=channel.traits,
            public=row.family == PUBLIC,
            life_at_stake=found.plan.life_at_stake,
            tries=row.attempt,
            doubts=1 + sum(attempt.evidence == Evidence.IN_DOUBT for attempt in attempts),
            intent_at=attempts[-1].intent_at if attempts else read.now,
            first_intent_at=row.first_intent_at or read.now,
            deadline=channel.limits.deadline,
            deliver_by=row.deliver_by,
            now=read.now,
            chance=self.chance(),
        )
        return after_doubt(Reason.SENDER_GONE, situation, self.policy)


def _is_running(read: Read, alert_id: str) -> bool:
    return work.epochs(read, [alert_id])[alert_id][0] == "dispatched"


def _load(read: Read, alert_id: str) -> _Alert:
    stored = alerts.get(read, alert_id)
    found = alerts.get_dispatch(read, alert_id)
    assert found is not None
    messages: dict[str, dict[str, Rendered]] = {}
    for message in alerts.renderings(read, alert_id):
        messages.setdefault(message.instance, {})[message.language] = message
    return _Alert(
        alert_id=alert_id,
        at=found.at,
        epoch=stored.epoch,
        plan=found.plan,
        messages=messages,
        expanded=found.expanded or stored.state != "dispatched",
    )
